// `explain --batch` as other programs use it: ten thousand lines over a thousand rules in time, and what it says of two
// hundred of them is what a gateway with that policy records when a runner really sends them.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { FlowRecord } from '../../flow/flow.ts';
import { runIpBatch } from '../../netns/ip.ts';
import { readContext } from '../../policy/read-context.ts';
import { Lab } from '../lab/lab.ts';
import { declareJob, RecordTail, sendRequest } from '../lab/live-client.ts';
import { labAddresses } from '../lab/origins.ts';
import { askName, knock, sendUdp } from '../lab/packets.ts';

/** Ten shapes of rules in turn; the host of a rule bears its number. */
function ruleText(i: number): string {
  const shapes = [
    `host: h${i}.example`,
    `host: "*.w${i}.example", methods: any`,
    `host: "**.d${i}.example", methods: [GET, POST], except: no.d${i}.example`,
    `host: p${i}.example, paths: ["/v${i}/**", "/api/*/x${i}"]`,
    `host: p${i - 1}.example, paths: "/v${i - 1}/secret/**", action: block`,
    `host: h${i - 5}.example, paths: /soft, action: block, audit: true`,
    `host: alt${i}.example, port: 8443`,
    `host: plain${i}.example, scheme: http, methods: any`,
    `host: ws${i}.example, websocket: true`,
    `host: h${i - 9}.example, methods: PUT, paths: "/put/**"`,
  ];
  return `  - {id: r${i}, ${shapes[i % 10]}}\n`;
}
const count = (length: number, text: (i: number) => string): string =>
  Array.from({ length }, (_, i) => text(i)).join('');
const policy = `version: 1
mode: block
http:
${count(1000, ruleText)}network:
${count(40, (i) => `  - {id: n${i}, to: 20.0.${i}.0/24, port: ${5000 + i}, protocol: ${i % 2 ? 'udp' : 'tcp'}}\n`)}opaque:
${count(10, (i) => `  - {id: o${i}, host: o${i}.example}\n`)}scopes:
  - {id: pr, match: {event: pull_request}, exclusive: true, http: [{id: few, host: ["h0.example", "**.d2.example", "h50.example"]}]}
  - {id: own, match: {repo: acme/app}, http: [{id: extra, host: "*.extra.example", methods: any}, {id: stop, host: h10.example, paths: "/x/**", action: block}]}
  - {id: lax, match: {environment: dev}, mode: audit}
blocklist:
  - {id: listed, hosts: ["h20.example", "evil.example"], addresses: 20.0.3.0/24}
  - {id: watched, hosts: ["h30.example"], mode: audit}
`;

const contexts = [
  undefined,
  { repository: 'acme/app', event: 'push', ref: 'refs/heads/main' },
  { repository: 'acme/lib', event: 'pull_request', ref: 'refs/pull/1/merge' },
  { repository: 'acme/app', event: 'push', ref: 'refs/heads/main', environment: 'dev' },
  { repository: 'Acme/App', event: 'schedule', ref: 'refs/heads/main', fork: false },
] as const;

interface Line {
  readonly id: number;
  readonly method: string;
  readonly url: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly context?: (typeof contexts)[number];
}

/** Right, almost right and wrong requests for a rule of each shape. */
function lineOf(n: number): Line {
  const i = ((n * 37) % 100) * 10;
  const urls = [
    `GET https://h${i}.example/a/${n}`,
    `POST https://h${i}.example/a/${n}`,
    `PUT https://h${i}.example/put/${n}`,
    `GET https://h${i}.example/soft?${n}`,
    `GET https://x.h${i}.example/${n}`,
    `DELETE https://a.w${i + 1}.example/${n}`,
    `GET https://a.b.w${i + 1}.example/${n}`,
    `GET https://a.b.d${i + 2}.example/${n}`,
    `GET https://no.d${i + 2}.example/${n}`,
    `GET https://p${i + 3}.example/v${i + 3}/${n}`,
    `GET https://p${i + 3}.example/v${i + 3}/secret/${n}`,
    `GET https://p${i + 3}.example/api/${n}/x${i + 3}`,
    `GET https://p${i + 3}.example/v${i + 3}/%2e%2e/${n}`,
    `GET https://alt${i + 6}.example:8443/${n}`,
    `GET https://alt${i + 6}.example/${n}`,
    `POST http://plain${i + 7}.example/${n}`,
    `GET https://plain${i + 7}.example/${n}`,
    `GET wss://ws${i + 8}.example/${n}`,
    `GET wss://h${i}.example/${n}`,
    `GET https://unknown${n}.example/`,
    `GET https://a${n}.extra.example/`,
    `GET https://h10.example/x/${n}`,
    `GET https://s${n}.evil.example/`,
    `GET dns://h${i}.example`,
    `GET dns://other${n}.example`,
    `GET tcp://20.0.${n % 40}.${1 + (n % 251)}:${5000 + (n % 40)}`,
    `GET udp://20.0.${n % 40}.${1 + (n % 241)}:${5000 + (n % 40)}`,
    `GET https://o${n % 12}.example/${n}`,
  ];
  const [method = '', url = ''] = urls[n % urls.length]!.split(' ');
  const context = contexts[(n >> 1) % contexts.length];
  const base = { id: n, method, url, ...(context && { context }) };
  // A body and an override now and then: both make a write of a read.
  // A WebSocket opens without a body (RFC 6455 §4.1).
  if (n % 9 === 4 && !url.startsWith('wss:')) return { ...base, body: 'x' };
  return n % 11 === 5 ? { ...base, headers: { 'X-HTTP-Method-Override': 'PATCH' } } : base;
}

const total = 10_000;
const sampled = 200;
const lines = Array.from({ length: total }, (_, n) => lineOf(n));
const folder = mkdtempSync(join(tmpdir(), 'sallyport-batch-'));
t.teardown(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, 'policy.yaml'), policy);
writeFileSync(join(folder, 'lines.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));

function explainAll(): { readonly seconds: number; readonly answers: readonly string[] } {
  const args = ['explain', join(folder, 'policy.yaml'), '--batch', join(folder, 'lines.jsonl')];
  const started = performance.now();
  const { stdout } = spawnSync(process.execPath, [join(import.meta.dirname, '../../main.ts'), ...args], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] ?? '' },
    maxBuffer: 64 * 1024 * 1024,
  });
  return { seconds: (performance.now() - started) / 1000, answers: stdout.trim().split('\n') };
}

let answers: readonly string[] = [];

t.test('10,000 distinct lines over more than 1,000 rules are answered in 3 s, start-up included', (t) => {
  t.equal(
    new Set(lines.map(({ method, url, context }) => JSON.stringify([method, url, context]))).size > 9_000,
    true,
  );
  const first = explainAll();
  // Once more where the machine was busy with something else.
  const { seconds } = first.seconds < 3 ? first : explainAll();
  answers = first.answers;
  t.equal(answers.length, total);
  t.ok(seconds < 3, `${seconds.toFixed(2)} s`);
  t.end();
});

interface Answer {
  readonly verdict: string;
  readonly rule: string | null;
  readonly scope: string | null;
  readonly reason: string;
  readonly enforced: boolean;
}
const told = ({ verdict, rule, scope, reason, enforced }: Answer): string =>
  `${verdict}${enforced ? '' : ' on paper'} ${reason} ${scope ?? '-'}:${rule ?? '-'}`;

interface Sent {
  readonly line: Line;
  readonly source: string;
  hasEnded: boolean;
}

async function send(lab: Lab, { line, source }: Sent): Promise<void> {
  const { namespace } = lab.runner();
  const [, scheme = '', host = '', port = ''] = /^(\w+):\/\/([^/:]*)(?::(\d+))?/.exec(line.url) ?? [];
  if (scheme === 'dns') await askName(namespace, lab.topology.gateway4, host, 'A', undefined, source);
  else if (scheme === 'tcp') await knock(namespace, host, Number(port), source);
  else if (scheme === 'udp') sendUdp(namespace, host, Number(port), 'x', source);
  else {
    const words = Object.entries(line.headers ?? {}).map(([name, value]) => ` ${name}=${value}`);
    const question = `${line.method} ${line.url}${line.body === undefined ? '' : ' +body'}${words.join('')}`;
    const authority = lab.gateway.authority();
    await sendRequest({ namespace, source, question, web: labAddresses.web4, authority });
  }
}

function findRecord(records: readonly FlowRecord[], { source, hasEnded }: Sent): FlowRecord | undefined {
  const of = (wanted: FlowRecord['kind']) =>
    records.findLast(({ kind, runner }) => kind === wanted && runner === source);
  return of('request') ?? of('packet') ?? of('dns') ?? (hasEnded ? of('connection') : undefined);
}

t.test('200 of them are decided alike by a gateway: verdict, rule, scope and reason', async (t) => {
  const lab = await Lab.open();
  t.teardown(() => lab.close());
  lab.origins.names.set('*.example', { a: [labAddresses.web4] });
  const sources = contexts.map((_, job) =>
    Array.from({ length: sampled }, (_, n) => `10.77.${20 + job}.${n + 1}`),
  );
  runIpBatch(
    lab.runner().namespace,
    sources.flat().map((source) => `addr add ${source}/16 dev eth0`),
  );
  const jobs = contexts.flatMap((context, job) =>
    context === undefined ? [] : declareJob(readContext(context).job, sources[job]!),
  );
  const gateway = await lab.startGateway(policy, { jobs });
  const sample: Sent[] = lines
    .filter(({ id }) => id % 47 === 0)
    .slice(0, sampled)
    .map((line, n) => ({ line, source: sources[contexts.indexOf(line.context)]![n]!, hasEnded: false }));
  const tail = new RecordTail(gateway.stateDirectory);
  await Promise.all(
    sample.map(async (sent) => {
      await send(lab, sent);
      await sleep(300);
      sent.hasEnded = true;
    }),
  );
  const found = () => sample.map((sent) => findRecord(tail.update(), sent));
  for (const deadline = Date.now() + 4000; found().includes(undefined) && Date.now() < deadline;)
    await sleep(50);
  const records = found();
  const seen = new Set<string>();
  for (const [index, { line }] of sample.entries()) {
    // A line of the output has this shape (docs/reference/commands.md).
    const expected = told(JSON.parse(answers[line.id]!) as Answer);
    const record = records[index];
    t.equal(record && told(record.decision), expected, `${line.id} ${line.method} ${line.url}`);
    seen.add(expected.split(' ').slice(0, -1).join(' '));
  }
  t.equal(sample.length, sampled);
  t.ok(seen.size >= 12, 'many kinds of decisions were among them', { seen: [...seen] });
});
