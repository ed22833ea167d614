// The table of cases on real flows: every question goes through a gateway that has the case's policy, from a runner that
// is the asking job, and the record must say what the table says. Where scopes decide it is asked twice: by a job that
// the configuration declares, and by one that its platform announces.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { FlowRecord } from '../../flow/flow.ts';
import type { Attribution, Job } from '../../flow/job.ts';
import type { DeclaredJob } from '../../netns/gateway-port.ts';
import { runIpBatch } from '../../netns/ip.ts';
import { dialTcp } from '../../netns/socket.ts';
import { announce } from '../lab/ci/announce.ts';
import { GithubService } from '../lab/ci/github-service.ts';
import { drawJob, type LabJob } from '../lab/ci/job.ts';
import { Secrets } from '../lab/ci/secrets.ts';
import { Seeded } from '../lab/ci/seeded.ts';
import { Lab } from '../lab/lab.ts';
import { declareJob, outcomeOf, RecordTail, sendRequest } from '../lab/live-client.ts';
import { labAddresses } from '../lab/origins.ts';
import { askName, knock, sendPing, sendUdp } from '../lab/packets.ts';
import { sections, type Row } from '../policy/case-table.ts';
import { ask, nobody, policyOf, withHead } from '../policy/judge.ts';

/** Questions that no packet of a runner can ask. */
const notLive = [
  'BÜCHER', // clients write A-labels
  '2130706433', // loopback never leaves the runner
  '127.0.0.1',
  '[::1]',
  '[::ffff:127.0.0.1]',
] as const;

/** What a name is blocked for on one port is, on a packet that carries no name, blocked as what nothing allows. */
const nameless: ReadonlyMap<string, string> = new Map([
  ['GET http://p.a.example:8080/', 'block no-rule'],
  ['GET udp://y.example:9', 'block no-rule'],
  ['GET tcp://scm1.corp.example:22', 'block no-rule'],
  ['GET tcp://h.example:8443', 'block direct-address'],
]);

const keyOf = (who: Attribution): string => JSON.stringify(who.job);
const cases = Object.values(sections).flat();
const isLive = ([who, question]: Row): boolean =>
  !who.conflict && !notLive.some((piece) => question.includes(piece));
/** Every asking job once; the first is nobody. */
const jobs = new Map([
  ['null', null],
  ...cases
    .flatMap(([, , rows]) => rows)
    .filter(isLive)
    .map(([who]) => [keyOf(who), who.job] as const),
]);
const jobKeys = [...jobs.keys()];
const maxQuestions = 20;

/** Each question of a case has an address of its own, so that its records are found by it. */
function addressOf(job: number, question: number, isSix: boolean): string {
  return isSix ? `fd77::${20 + job}:${question + 1}` : `10.77.${20 + job}.${question + 1}`;
}

function declaredJobs(): DeclaredJob[] {
  const numbers = Array.from({ length: maxQuestions }, (_, n) => n);
  return [...jobs.values()].flatMap((job, index) =>
    declareJob(
      job,
      numbers.flatMap((n) => [addressOf(index, n, false), addressOf(index, n, true)]),
    ),
  );
}

/** Addresses of jobs that are announced are those of declared ones, so far on. */
const announcedFrom = 100;

/** The job as a message of GitHub tells of it: what the table leaves open, no message does. Null where none would say this. */
function told(job: Job): { readonly message: Partial<LabJob>; readonly job: Job } | null {
  const isCalledSo = job.calledWorkflow === null || job.calledWorkflow.includes('@');
  if (job.server !== 'github.com' || job.fork === true || !isCalledSo) return null;
  const { repository, ref, event, workflow, name, actor, environment, calledWorkflow } = job;
  if (repository === null || ref === null || event === null || workflow === null) return null;
  const isProtected = job.protected ?? false;
  const runnerGroup = job.runnerGroup ?? 'Default';
  const headRepository = event === 'pull_request' ? repository : null;
  return {
    job: { ...job, fork: false, protected: isProtected, runnerGroup },
    message: {
      repository,
      ref,
      event,
      workflow,
      environment,
      calledWorkflow,
      headRepository,
      isProtected,
      runnerGroup,
      ...(name === null ? {} : { name }),
      ...(actor === null ? {} : { actor }),
    },
  };
}

/** The questions that the same job, announced, is asked as well: those to which what a message adds changes nothing. */
function placeAnnounced(
  text: string,
  asked: readonly Asked[],
  files: Readonly<Record<string, string>>,
): Asked[] {
  if (!text.includes('scopes:')) return [];
  const policy = policyOf(text, files);
  return asked
    .filter(({ row: [who, question, answer], source }) => {
      const live = who.job === null || source.includes(':') ? null : told(who.job);
      if (live === null) return false;
      return ask(policy, { ...who, job: live.job, source: 'job-message' }, question) === answer;
    })
    .map(({ row, source }) => {
      const [ten, net, job, last] = source.split('.');
      return { row, source: `${ten}.${net}.${Number(job) + announcedFrom}.${last}`, hasEnded: false };
    });
}

interface Asked {
  readonly row: Row;
  readonly source: string;
  hasEnded: boolean;
}

const target = /^(\w+):\/\/(\[[^\]]*\]|[^/?#:]*)(?::(\d+))?/;

function placeQuestions(rows: readonly Row[]): Asked[] {
  const counts = new Map<string, number>();
  return rows.filter(isLive).map((row) => {
    const key = keyOf(row[0]);
    const n = counts.get(key) ?? 0;
    counts.set(key, n + 1);
    const host = target.exec(row[1].split(' ')[1] ?? '')?.[2] ?? '';
    const isSix = host.startsWith('[') && !host.startsWith('[::ffff:');
    return { row, source: addressOf(jobKeys.indexOf(key), n, isSix), hasEnded: false };
  });
}

async function askLive(lab: Lab, asked: Asked): Promise<void> {
  const { namespace } = lab.runner();
  const { source } = asked;
  const [, url = ''] = asked.row[1].split(' ');
  const [, scheme = '', bracketed = '', port = ''] = target.exec(url) ?? [];
  const host = bracketed.replace(/^\[(?:::ffff:)?|\]$/g, '');
  const isAddress = /^[\d.]+$|:/.test(host);
  if (scheme.startsWith('http') || scheme.startsWith('ws')) {
    const request = { namespace, source, question: asked.row[1], web: labAddresses.web4 };
    await sendRequest({ ...request, authority: lab.gateway.authority() });
  } else {
    const answer = isAddress
      ? null
      : await askName(namespace, lab.topology.gateway4, host, 'A', undefined, source);
    if (scheme === 'dns' || (!isAddress && (answer === null || answer.answers === 0))) return;
    const address = isAddress ? host : labAddresses.web4;
    if (scheme === 'tcp') await knock(namespace, address, Number(port), source);
    else if (scheme === 'udp') sendUdp(namespace, address, Number(port), 'x', source);
    else sendPing(namespace, address, source);
  }
}

/** The record that decided: of the request, else of the packet, else of the connection or the name that was refused. */
function findOutcome(records: readonly FlowRecord[], { row, source, hasEnded }: Asked): string | null {
  const own = records.filter(({ runner }) => runner === source);
  const of = (kind: FlowRecord['kind']) => own.findLast((record) => record.kind === kind);
  const [scheme = ''] = (row[1].split(' ')[1] ?? '').split('://');
  const name = of('dns');
  if (scheme === 'dns' || (name !== undefined && name.decision.verdict === 'block' && name.decision.enforced))
    return name === undefined ? null : outcomeOf(name);
  const decided = of('request') ?? of('packet') ?? (hasEnded ? of('connection') : undefined);
  return decided === undefined ? null : outcomeOf(decided);
}

/** The part of a tap test that is used here. */
type Test = Pick<typeof t, 'equal'>;

async function checkCase(
  t: Test,
  lab: Lab,
  tail: RecordTail,
  title: string,
  asked: readonly Asked[],
): Promise<void> {
  const before = tail.update().length;
  await Promise.all(
    asked.map(async (one) => {
      await askLive(lab, one);
      await sleep(150);
      one.hasEnded = true;
    }),
  );
  const outcomes = () => {
    const records = tail.update().slice(before);
    return asked.map((one) => findOutcome(records, one));
  };
  const deadline = Date.now() + 3500;
  while (outcomes().includes(null) && Date.now() < deadline) await sleep(30);
  const found = outcomes();
  for (const [
    index,
    {
      row: [, question, answer],
      source,
    },
  ] of asked.entries())
    t.equal(found[index], nameless.get(question) ?? answer, `${title}: ${question} from ${source}`);
}

/** Most of the time is spent waiting for the kernel's counts: several labs share it. */
const lanes = 3;

/** What a case comes to on runners. */
interface Placed {
  readonly title: string;
  readonly text: string;
  readonly files: Readonly<Record<string, string>>;
  readonly asked: readonly Asked[];
  readonly announced: readonly Asked[];
}

const placed: readonly Placed[] = cases.map(([title, text, rows, files = {}]) => {
  const asked = placeQuestions(rows);
  return { title, text, files, asked, announced: placeAnnounced(text, asked, files) };
});

async function openLane(lane: number): Promise<{ lab: Lab; tail: RecordTail }> {
  const lab = await Lab.open();
  t.teardown(() => lab.close());
  lab.origins.names.set('*.example', { a: [labAddresses.web4], aaaa: [labAddresses.web6] });
  const numbers = Array.from({ length: maxQuestions }, (_, n) => n);
  const own = placed.filter((_, index) => index % lanes === lane).flatMap(({ announced }) => announced);
  const announced = new Map(own.map(({ source, row: [who] }) => [source, who.job!]));
  runIpBatch(lab.runner().namespace, [
    ...jobKeys.flatMap((_, job) =>
      numbers.flatMap((n) => [
        `addr add ${addressOf(job, n, false)}/16 dev eth0`,
        `addr add ${addressOf(job, n, true)}/64 dev eth0 nodad`,
      ]),
    ),
    ...[...announced.keys()].map((source) => `addr add ${source}/16 dev eth0`),
  ]);
  const { stateDirectory } = await lab.startGateway('version: 1\nmode: block\npresets: [github-runner]\n', {
    jobs: declaredJobs(),
  });
  await announceAll(lab, announced);
  return { lab, tail: new RecordTail(stateDirectory) };
}

async function announceAll(lab: Lab, jobs: ReadonlyMap<string, Job>): Promise<void> {
  const service = await GithubService.start({ lab, seed: 1, secrets: new Secrets(1) });
  t.teardown(() => service.close());
  const random = new Seeded(1);
  for (const [source, job] of jobs)
    await announce(lab, service, source, drawJob(random, [''], told(job)!.message));
}

function writeFiles(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
}

t.test('every case on live flows', { timeout: 120_000 }, async (t) => {
  t.ok(placed.flatMap(({ announced }) => announced).length > 60, 'many are asked by announced jobs, too');
  await Promise.all(
    Array.from({ length: lanes }, async (_, lane) => {
      const { lab, tail } = await openLane(lane);
      for (const { title, text, files, asked, announced } of placed.filter(
        (_, index) => index % lanes === lane,
      )) {
        writeFiles(dirname(lab.gateway.policyPath), files);
        await lab.gateway.reload(withHead(text));
        await checkCase(t, lab, tail, title, [...asked, ...announced]);
      }
    }),
  );
});

// Case 16. That the time is ten minutes is held by the proxy's own tests, whose clock can be turned.
t.test('the redirect of a follow rule opens its URL to the job that was given it, for reading', async (t) => {
  const lab = await Lab.open({ runners: 2 });
  t.teardown(() => lab.close());
  lab.origins.names.set('*.example', { a: [labAddresses.web4] });
  const rule = 'http: {id: r, host: h1.example, follow: true}\n';
  const gateway = await lab.startGateway(withHead(rule), {
    jobs: [0, 1].map((index) => ({ repository: `acme/app${index}`, addresses: [lab.runner(index).v4] })),
  });
  const tail = new RecordTail(gateway.stateDirectory);
  const outcome = async (index: number, question: string): Promise<string | null> => {
    const before = tail.update().length;
    const { namespace, v4: source } = lab.runner(index);
    const request = { namespace, source, question, web: labAddresses.web4 };
    await sendRequest({ ...request, authority: gateway.authority() });
    await sleep(150);
    return findOutcome(tail.update().slice(before), { row: [nobody, question, ''], source, hasEnded: true });
  };
  const file = 'https://h2.example/f?sig=1';
  t.equal(await outcome(0, `GET ${file}`), 'block no-rule', 'before');
  t.equal(await outcome(0, `GET https://h1.example/redirect?to=${encodeURIComponent(file)}`), 'allow r');
  t.equal(await outcome(0, `GET ${file}`), 'allow r', 'the job that was given it');
  t.equal(await outcome(0, `HEAD ${file}`), 'allow r');
  t.equal(await outcome(1, `GET ${file}`), 'block no-rule', 'another job');
  t.equal(await outcome(0, `POST ${file}`), 'block no-rule', 'a write');
  t.equal(await outcome(0, `GET ${file} +body`), 'block no-rule', 'a write in disguise');
  t.equal(await outcome(0, 'GET https://h2.example/g?sig=1'), 'block no-rule', 'another path');
  t.equal(await outcome(0, 'GET https://h2.example/f?sig=2'), 'block no-rule', 'another query');
  await gateway.reload(withHead(`${rule}blocklist: {id: l, hosts: h2.example}\n`));
  t.equal(await outcome(0, `GET ${file}`), 'block blocklist l', 'on the blocklist');
});

t.test(
  'a network block holds for what the gateway dials, and for a later request of a connection',
  async (t) => {
    const lab = await Lab.open();
    t.teardown(() => lab.close());
    const { web4, other4 } = labAddresses;
    lab.origins.names.set('*.a.example', { a: [web4] });
    lab.origins.names.set('in.a.example', { a: [other4] });
    const gateway = await lab.startGateway(
      withHead(
        'http: {id: a, host: "**.a.example", scheme: [http, https]}\nnetwork: [{id: nb, host: p.a.example, action: block}, {id: rb, to: 151.101.0.0/16, action: block}]\n',
      ),
    );
    const { namespace, v4: source } = lab.runner();
    const tail = new RecordTail(gateway.stateDirectory);
    const found = (host: string) =>
      tail.update().findLast(({ kind, destination }) => kind === 'request' && destination.host === host);
    const request = { namespace, source, web: web4, authority: gateway.authority() };
    await sendRequest({ ...request, question: 'GET https://ok.a.example/' });
    await sendRequest({ ...request, question: 'GET http://in.a.example/' });
    const socket = dialTcp(namespace, web4, 80);
    socket.on('error', () => {});
    socket.write('GET /1 HTTP/1.1\r\nHost: ok.a.example\r\n\r\nGET /2 HTTP/1.1\r\nHost: p.a.example\r\n\r\n');
    await sleep(500);
    socket.destroy();
    t.match(found('ok.a.example'), { decision: { verdict: 'allow', rule: 'a' } });
    t.match(found('in.a.example'), { decision: { verdict: 'block', reason: 'block-rule' } });
    t.match(found('p.a.example'), { decision: { verdict: 'block', reason: 'block-rule', rule: 'nb' } });
    const arrived = lab.origins.web.arrived.map(({ host, target }) => `${host}${target}`);
    t.same(arrived, ['ok.a.example/', 'ok.a.example/1'], 'nothing else arrived');
    t.notOk(lab.capture.packets().some(({ destination }) => destination === other4));
  },
);
