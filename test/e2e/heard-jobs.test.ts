// A job that its platform hands out on the wire, through the real gateway: what it opens, what its end cuts, and what a
// second program that asks for jobs does to it. Clients are curl; a small stand-in answers as the runner's service does.

import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { FlowRecord } from '../../flow/flow.ts';
import type { JobRecord } from '../../flow/job-record.ts';
import { runIpBatch } from '../../netns/ip.ts';
import { WebServer } from '../../netns/web-server.ts';
import { parseJobRecord, readLines } from '../../store/read-segments.ts';
import { githubMessage } from '../lab/job-messages.ts';
import { Lab } from '../lab/lab.ts';

const service = 'run-actions-1-azure-eastus.actions.githubusercontent.com';
const results = 'results-receiver.actions.githubusercontent.com';
const hosts = [
  service,
  results,
  'own.example',
  'top.example',
  'both.example',
  'forks.example',
  'api.github.com',
  'evil.example',
];
const address = '93.184.216.85';
const jobToken = 'ghs_ownTokenOfTheJob0123456789';
const runtimeToken = 'eyJhbGciOi.eyJydW50aW1l.c2lnbmF0dXJl';
const id = (serial: number) => `e0a94d52-0000-4000-8000-00000000000${serial}`;

const lab = await Lab.open({ runners: 2 });
runIpBatch(lab.topology.internet, [`addr add ${address}/32 dev lo`]);
for (const host of hosts) lab.origins.names.set(host, { a: [address] });
const server = new WebServer({
  namespace: lab.topology.internet,
  addresses: [address],
  http: [80],
  https: [443],
  authority: lab.origins.authority,
  answer: (request, response, { target, host }) => {
    request.resume();
    const serial = Number(/job=(\d)/.exec(target)?.[1] ?? 1);
    const json = (status: number, body: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    };
    // In chunks, as the real one answers: what it says is in force before its last byte.
    if (target.includes('/acquirejob')) return json(200, messageOf(serial, host));
    if (target.includes('/renewjob'))
      return json(200, { lockedUntil: new Date(Date.now() + 600_000).toISOString() });
    if (target.includes('/completejob')) return void response.writeHead(204).end();
    if (target.includes('WorkflowStepsUpdate')) return json(200, { ok: true });
    if (target === '/slow') return void response.write('begun\n');
    response.end('here\n');
  },
});
await server.start();
t.teardown(async () => {
  server.close();
  await lab.close();
});
t.setTimeout(120_000);

function messageOf(serial: number, host: string): unknown {
  const message = githubMessage({
    jobId: id(serial),
    github: {
      repository: 'acme/app',
      ref: 'refs/heads/main',
      event_name: 'push',
      workflow_ref: 'acme/app/.github/workflows/ci.yml@refs/heads/main',
    },
    event: { ref: 'refs/heads/main' },
    token: jobToken,
    runtimeToken,
  });
  return host === 'evil.example'
    ? JSON.parse(JSON.stringify(message).replaceAll('acme/app', 'acme/vault'))
    : message;
}

const policy = `version: 1
mode: block
presets: [github-runner]
http: [{id: top, host: [top.example, both.example]}, {id: evil, host: evil.example, methods: any}]
bundles: {strict: {http: [{id: service, host: "*.actions.githubusercontent.com", methods: any}, {id: forks, host: [forks.example, both.example, evil.example], methods: any}]}}
github: [{id: read, repo: acme/app, access: read}]
scopes:
  - id: main
    match: {repo: acme/app, ref: refs/heads/main}
    http: [{id: own, host: own.example}]
  - id: vault
    match: {repo: acme/vault}
    http: [{id: vault, host: own.example}]
  - id: forks
    match: {fork: true}
    exclusive: true
    use: strict
`;

const curl = (args: readonly string[], runner = 0) =>
  lab.curl(['-o', '/dev/null', '-w', '%{http_code}', ...args], runner);
const reach = async (host: string, runner = 0) => (await curl([`https://${host}/x`], runner)).stdout;
const agentOf = (name: string) => [
  '-H',
  `x-actions-session: ${name}`,
  '-H',
  'authorization: Bearer listener',
];
const acquire = (serial: number, runner = 0, agent = 'agent-1', host = service) =>
  curl(
    [
      ...agentOf(agent),
      '-d',
      `{"jobMessageId":"${id(serial)}"}`,
      `https://${host}/1/acquirejob?job=${serial}`,
    ],
    runner,
  );
const asWorker = ['-H', `authorization: Bearer ${runtimeToken}`, '-H', 'x-actions-session: worker'];
const call = (name: string, serial: number, more: object = {}, runner = 0) =>
  curl(
    [
      ...asWorker,
      '-d',
      JSON.stringify({ planId: 'p', jobId: id(serial), ...more }),
      `https://${service}/1/${name}`,
    ],
    runner,
  );
const told = async (test: (record: FlowRecord) => boolean, t: Test): Promise<FlowRecord> => {
  const record = await lab.gateway.findRecord((one) => one.phase === 'closed' && test(one));
  if (record === null) t.fail('no such record');
  return record!; // the test has failed
};
const jobRecords = async (): Promise<JobRecord[]> => {
  const directory = join(lab.gateway.stateDirectory, 'segments');
  const found: JobRecord[] = [];
  for (const name of readdirSync(directory))
    if (name.endsWith('.jsonl'))
      for await (const line of readLines(join(directory, name))) {
        const record = parseJobRecord(line);
        if (record !== null) found.push(record);
      }
  return found;
};

await lab.startGateway(policy);
t.test('a job is known from the answer that hands it out to the one that takes its end', async (t) => {
  t.equal(await reach('own.example'), '403', 'nobody may');
  t.equal((await acquire(1)).stdout, '200');
  t.equal(await reach('own.example'), '200', 'the job may, from the very next connection on');
  t.equal(await reach('own.example', 1), '403', 'another runner may not');
  const flow = await told(
    ({ http, destination, runner }) =>
      http?.status === 200 && destination.host === 'own.example' && runner === lab.runner(0).v4,
    t,
  );
  t.match(flow, {
    job: { repository: 'acme/app', ref: 'refs/heads/main', event: 'push' },
    attribution: { source: 'job-message', certainty: 'certain', jobId: `github.com/${id(1)}` },
    decision: { scope: 'main', rule: 'own' },
  });
  t.equal(flow.infrastructure, undefined);
  const taken = await told(({ operation }) => operation?.name === 'runner/acquire-job', t);
  t.match(taken, { job: { repository: 'acme/app' }, infrastructure: true, http: { status: 200 } });

  const steps = (state: number) => [
    { external_id: 'setup', number: 1, name: 'Set up job', status: 6, conclusion: 2 },
    { external_id: 'main', number: 2, name: `Run curl ${jobToken}`, status: state },
  ];
  const update = await curl([
    ...asWorker,
    '-d',
    JSON.stringify({
      workflow_run_backend_id: 'p',
      workflow_job_run_backend_id: id(1),
      change_order: 1,
      steps: steps(3),
    }),
    `https://${results}/twirp/github.actions.results.api.v1.WorkflowStepUpdateService/WorkflowStepsUpdate`,
  ]);
  t.equal(update.stdout, '200');
  await curl(['-H', `authorization: Bearer ${jobToken}`, 'https://api.github.com/repos/acme/app/issues']);
  const own = await told(
    ({ destination, kind }) => kind === 'request' && destination.host === 'api.github.com',
    t,
  );
  t.match(own, { step: { number: 2 }, operation: { credential: 'job' } });
  t.match(own.step?.name, /^Run curl \[redacted/);
  t.match(
    await told(({ operation }) => operation?.name === 'job/steps', t),
    { infrastructure: true, operation: { credential: 'runtime' }, job: { repository: 'acme/app' } },
    'the runtime’s token is the runner’s own',
  );

  const slow = lab.spawn(['curl', '-sS', '--max-time', '30', '-o', '/dev/null', 'https://own.example/slow']);
  const ended = once(slow, 'exit');
  await sleep(300);
  const top = lab.spawn(['curl', '-sS', '--max-time', '2', '-o', '/dev/null', 'https://both.example/slow']);
  const goesOn = once(top, 'exit');
  await sleep(300);
  t.equal((await call('completejob', 1, { conclusion: 'succeeded' })).stdout, '204');
  const [code] = (await ended) as [number];
  t.not(code, 28, 'the flow that only the job could have is cut, before its own time is up');
  const cut = await told(({ http }) => http?.path === '/slow', t);
  t.match(cut, { ended: 'no-rule', attribution: { jobId: `github.com/${id(1)}` } });
  const [topCode] = (await goesOn) as [number];
  t.equal(topCode, 28, 'what nobody needs a job for goes on');
  t.equal(await reach('own.example'), '403');
  t.equal(await reach('both.example'), '200');
  const records = await jobRecords();
  t.same(
    records.map(({ event }) => event.what),
    ['assigned', 'steps', 'ended'],
  );
  t.match(records[0], {
    runner: lab.runner(0).v4,
    agent: 'agent-1',
    jobId: `github.com/${id(1)}`,
    event: { job: { repository: 'acme/app' } },
  });
  t.match(records.at(-1)?.event, { conclusion: 'succeeded' });
});

t.test(
  'a second program, and a second job, make the address nobody’s and escape no exclusive scope',
  async (t) => {
    t.equal((await acquire(2)).stdout, '200');
    t.equal(await reach('own.example'), '200');
    t.equal((await acquire(3, 0, 'agent-of-the-job')).stdout, '200');
    t.equal(await reach('own.example'), '403', 'neither’s');
    t.equal(await reach('top.example'), '403', 'nor what the exclusive scope would not allow');
    t.match(
      await told(
        ({ destination, decision }) => destination.host === 'top.example' && decision.verdict === 'block',
        t,
      ),
      {
        job: null,
        attribution: { conflict: true, certainty: 'unknown' },
        decision: { reason: 'not-exclusive' },
      },
    );
    t.equal(
      (await call('completejob', 3, { conclusion: 'failed' })).stdout,
      '204',
      'the runner’s service stays open',
    );
    t.equal(await reach('own.example'), '403', 'who was there first may have died meanwhile');
    t.equal((await call('renewjob', 2)).stdout, '200');
    // Control's word of the conflict is taken back in its time.
    for (let tries = 0; tries < 20 && (await reach('own.example')) !== '200'; tries++) await sleep(100);
    t.equal(await reach('own.example'), '200', 'its platform says that it goes on');
    t.equal((await call('completejob', 2, { conclusion: 'failed' })).stdout, '204');
  },
);

t.test('a job is believed of no other host, and of none without TLS', async (t) => {
  t.equal((await acquire(4, 0, 'agent-1', 'evil.example')).stdout, '200');
  t.equal(await reach('own.example'), '403');
  await curl([...agentOf('agent-1'), '-d', '{}', `http://${service}/1/acquirejob?job=4`]);
  t.equal(await reach('own.example'), '403');
});
