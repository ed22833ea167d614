// The operator's API as its users meet it: a token from the command line, curl, the flows of a job that has just run, events
// that a client which was away gets after all. A runner reaches none of it.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { insidePrefix } from '../../netns/gateway-port.ts';
import { Lab } from '../lab/lab.ts';
import type { LabGateway } from '../lab/gateway.ts';
import { labAddresses } from '../lab/origins.ts';

const policy = (host: string) => `version: 1
mode: block
http:
  - {id: site, host: ${host}}
`;
const root = join(import.meta.dirname, '../..');
const limitMs = 10_000;

// What JSON gives: the tests say what they want of it.
// oxlint-disable-next-line typescript/no-explicit-any
type Json = any;

class Operator {
  readonly #lab: Lab;
  readonly #gateway: LabGateway;
  readonly #url = 'http://127.0.0.1:9440';
  readonly token: string;

  constructor(lab: Lab, gateway: LabGateway, args: readonly string[]) {
    this.#lab = lab;
    this.#gateway = gateway;
    const made = this.#run([process.execPath, join(root, 'main.ts'), 'token', 'create', ...args]);
    this.token = made.trim();
  }

  #run(command: readonly string[]): string {
    const prefix = insidePrefix(this.#lab.gatewayNamespace);
    const state = command.includes('token') ? ['--state', this.#gateway.stateDirectory] : [];
    const all = [...prefix, ...command, ...state];
    const { status, stdout, stderr } = spawnSync(all[0]!, all.slice(1), { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${command.join(' ')}: ${stderr}`);
    return stdout;
  }

  curl(path: string, ...args: readonly string[]): string {
    return this.bare(path, '-H', `authorization: Bearer ${this.token}`, ...args);
  }

  /** Without a token. */
  bare(path: string, ...args: readonly string[]): string {
    return this.#run(['curl', '-sS', '-m', '10', ...args, `${this.#url}${path}`]);
  }

  get(path: string): Json {
    return JSON.parse(this.curl(path));
  }

  post(path: string, body: object): Json {
    const json = ['-H', 'content-type: application/json', '-d', JSON.stringify(body)];
    return JSON.parse(this.curl(path, '-X', 'POST', ...json));
  }

  /** Asks until the answer passes. */
  async wait(path: string, test: (answer: Json) => boolean): Promise<Json> {
    const deadline = Date.now() + limitMs;
    for (;;) {
      const answer = this.get(path);
      if (test(answer)) return answer;
      if (Date.now() > deadline) throw new Error(`${path}: ${JSON.stringify(answer).slice(0, 2_000)}`);
      await sleep(100);
    }
  }

  /** Listens by curl until the text passes. */
  async listen(args: readonly string[], test: (text: string) => boolean): Promise<string> {
    const prefix = insidePrefix(this.#lab.gatewayNamespace);
    const bearer = ['-H', `authorization: Bearer ${this.token}`];
    const child = spawn(
      prefix[0]!,
      [...prefix.slice(1), 'curl', '-sS', '-N', '-m', '15', ...bearer, ...args, `${this.#url}/v1/events`],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const ended = once(child, 'exit');
    let text = '';
    for await (const chunk of child.stdout) {
      text += String(chunk);
      if (test(text)) break;
    }
    child.kill('SIGKILL');
    await ended;
    return text;
  }
}

const lab = await Lab.open();
const { v4: runner, v6 } = lab.topology.runners[0]!;
const job = {
  repository: 'acme/app',
  workflow: '.github/workflows/ci.yml',
  name: 'build',
  ref: 'refs/heads/main',
  runId: '7',
};
const gateway = await lab.startGateway(policy('allowed.example.com'), {
  jobs: [{ addresses: [runner, v6], ...job }],
});
t.teardown(() => lab.close());
const operator = new Operator(lab, gateway, ['--role', 'admin', '--label', 'test']);
const limited = new Operator(lab, gateway, ['--role', 'viewer', '--label', 'other', '--owner', 'globex']);

t.test('what a job did is found by its run, its host and its rule', async (t) => {
  await lab.curl(['-sS', '-m', '10', 'https://allowed.example.com/hello']);
  await lab.curl(['-sS', '-m', '10', 'https://other.example.net/secret']);
  const found = await operator.wait(
    '/v1/flows?kind=request',
    ({ items }) => items.filter(({ endedAt }: Json) => endedAt !== null).length === 2,
  );
  t.match(found.items, [
    { host: 'other.example.net', verdict: 'block', reason: 'no-rule', repository: 'acme/app' },
    {
      host: 'allowed.example.com',
      verdict: 'allow',
      rule: 'site',
      method: 'GET',
      path: '/hello',
      status: 200,
    },
  ]);
  const [run] = operator.get('/v1/runs').items;
  t.match(run, { repository: 'acme/app', runId: '7', workflow: '.github/workflows/ci.yml', jobs: 1 });
  const ofRun = `/v1/flows?run=${encodeURIComponent(run.id)}&rule=site&kind=request`;
  t.match(operator.get(ofRun).items, [{ path: '/hello' }]);
  t.match(operator.get('/v1/destinations?blocked=true').items, [{ host: 'other.example.net' }]);
  const csv = operator.curl('/v1/flows?kind=request', '-H', 'accept: text/csv');
  t.match(csv, /^id,kind,time,[\s\S]*\r\n[^\r]*other\.example\.net/);
  t.match(operator.curl(ofRun, '--compressed', '-D', '-'), /x-content-type-options: nosniff/i);
});

t.test('every route that reads answers a token, and none answers without', async (t) => {
  const document = operator.get('/v1/openapi.json');
  const paths = Object.entries<Json>(document.paths)
    .filter(([path, { get }]) => get !== undefined && !path.includes('{') && !path.includes('login'))
    .map(([path]) => path)
    .filter((path) => !['/v1/events', '/v1/policy/diff', '/v1/permissions'].includes(path));
  t.ok(paths.length >= 14, paths.join(' '));
  for (const path of paths) {
    const code = ['-o', '/dev/null', '-w', '%{http_code}'];
    t.equal(operator.curl(path, ...code), '200', path);
    t.equal(operator.bare(path, ...code), '401', path);
  }
  t.match(operator.get('/v1/gateways').items, [{ name: 'lab', isHealthy: true, problems: [] }]);
  t.match(operator.get('/v1/policy').files[0].text, /allowed\.example\.com/);
  t.match(operator.get(`/v1/permissions?repository=1`), { isWhole: true });
  t.same(limited.get('/v1/flows').items, [], 'another owner’s flows are not shown');
  t.same(limited.get('/v1/runs').items, []);
  t.equal(limited.get('/v1/policy').code, 'owner-limit');
});

t.test('a client that was away hears what it missed', async (t) => {
  const first = await operator.listen([], (text) => /event: flow/.test(text) || kick(text));
  t.match(first, /^retry: 2000\n/);
  const ids = [...first.matchAll(/^id: (.*)$/gm)].map(([, id]) => id!);
  const [id] = ids;
  await lab.curl(['-sS', '-m', '10', 'https://allowed.example.com/missed']);
  await operator.wait(
    '/v1/flows?path=missed',
    ({ items }) => items.length === 1 && items[0].endedAt !== null,
  );
  const again = await operator.listen(['-H', `last-event-id: ${id}`], (text) => text.includes('/missed'));
  const heard = [...again.matchAll(/^id: \S+-(\d+)$/gm)].map(([, serial]) => Number(serial));
  const after = Number(id!.split('-')[1]);
  t.same(
    heard,
    heard.map((_, at) => after + 1 + at),
    'from the next one on, none left out and none twice',
  );
  const reset = await operator.listen(['-H', 'last-event-id: abc-1'], (text) => text.includes('event:'));
  t.match(reset, /event: reset/, 'of an earlier start nothing is known');
});

let isKicked = false;
/** A flow to hear of, once the client listens. */
function kick(text: string): boolean {
  if (text.includes('retry:') && !isKicked) {
    isKicked = true;
    void lab.curl(['-sS', '-m', '10', 'https://allowed.example.com/first']);
  }
  return false;
}

t.test('a quarantine and a reload are done, and stand in the audit log', async (t) => {
  t.equal(operator.post('/v1/quarantine', { runner: runner, seconds: 60 }).code, 'reason-missing');
  const answer = operator.post('/v1/quarantine', {
    runner: runner,
    seconds: 60,
    reason: 'it was seen at other.example.net',
  });
  t.match(answer, { runner: runner, until: /^2/ });
  const blocked = await lab.curl(['-4', '-sS', '-m', '2', 'https://allowed.example.com/cut']);
  t.not(blocked.code, 0, 'nothing passes');
  operator.post('/v1/quarantine', { runner: runner, seconds: 0, reason: 'over' });
  const open = await lab.curl([
    '-sS',
    '-m',
    '10',
    '-o',
    '/dev/null',
    '-w',
    '%{http_code}',
    'https://allowed.example.com/x',
  ]);
  t.equal(open.stdout, '200', 'and then it does');

  gateway.writePolicy(policy('another.example.com'));
  const reloaded = operator.post('/v1/policy/reload', { reason: 'another host' });
  t.match(reloaded.files[0].text, /another\.example\.com/);
  const { items } = await operator.wait('/v1/policy/revisions', (page) => page.items.length === 2);
  const [head, base] = items;
  const { files } = operator.get(`/v1/policy/diff?base=${base.revision}&head=${head.revision}`);
  t.match(files[0].diff, /-.*allowed\.example\.com[^]*\+.*another\.example\.com/);
  gateway.writePolicy('version: 1\nmode: blocks\n');
  const broken = operator.post('/v1/policy/reload', { reason: 'a slip' });
  t.match(broken, { code: 'refused', detail: /:2:7: error: / }, 'a broken one is told with its line');
  t.match(operator.get('/v1/policy').files[0].text, /another\.example\.com/, 'and changes nothing');
  const entries = operator.get('/v1/audit').items;
  t.match(entries, [
    { action: 'POST /v1/policy/reload', reason: 'a slip', outcome: 'refused' },
    { action: 'POST /v1/policy/reload', reason: 'another host', outcome: 'done' },
    { action: 'POST /v1/quarantine', target: runner, reason: 'over', outcome: 'done' },
    { action: 'POST /v1/quarantine', target: runner, outcome: 'done' },
    { action: 'POST /v1/quarantine', outcome: 'refused' },
  ]);
});

t.test('a runner reaches nothing of it', async (t: Test) => {
  for (const address of ['127.0.0.1', lab.topology.gateway4, labAddresses.web4]) {
    const { code } = await lab.curl(['-sS', '-m', '2', `http://${address}:9440/health`]);
    t.not(code, 0, address);
  }
  const url = `http://${lab.topology.gateway4}:9441/v1/flows`;
  const claims = await lab.curl(['-sS', '-m', '5', '-o', '/dev/null', '-w', '%{http_code}', url]);
  t.equal(claims.stdout, '404', 'its own listener has none of the API');
});
