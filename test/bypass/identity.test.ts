// To be another job, or nobody where that is more: with jobs that live runners of GitHub and GitLab announce. Every
// attempt has its positive control, the job that may.

import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import t, { type Test } from 'tap';
import type { FlowRecord } from '../../flow/flow.ts';
import { runIpBatch } from '../../netns/ip.ts';
import { dialTcp } from '../../netns/socket.ts';
import { WebServer } from '../../netns/web-server.ts';
import { writeJson } from '../lab/ci/any-json.ts';
import { waitUntil } from '../lab/gateway.ts';
import { CiLab, type HeldJob } from '../lab/ci/ci-lab.ts';
import { makeMessage } from '../lab/ci/github-message.ts';
import { githubHosts } from '../lab/ci/github-service.ts';
import { drawJob, type LabJob } from '../lab/ci/job.ts';
import { Seeded } from '../lab/ci/seeded.ts';
import { RecordTail } from '../lab/live-client.ts';
import { labAddresses } from '../lab/origins.ts';

const seed = Number(process.env['CI_LAB_SEED'] ?? Math.floor(Math.random() * 1e9));
t.comment(`CI_LAB_SEED=${seed}`);
t.setTimeout(240_000);

/** Hosts by who may reach them. */
const hosts = {
  all: 'all.example.com',
  release: 'release.example.com',
  deploy: 'deploy.example.com',
  shared: 'shared.example.com',
  fork: 'fork.example.com',
  site: 'site.example.com',
  forge: 'forge.example.net',
} as const;

const policy = `version: 1
mode: block
presets: [github-runner, gitlab-runner]
http:
  - {id: all, host: [${hosts.all}, ${hosts.forge}], methods: any, scheme: [https, http]}
credentials: {foreignToken: block}
github:
  - {id: read, repo: "acme/*", except: acme/vault, access: read}
scopes:
  - id: release
    match: {server: github.com, repo: acme/app, ref: "refs/tags/v*", fork: false}
    http: [{id: release-host, host: ${hosts.release}}]
  - id: main
    match: {server: github.com, repo: acme/app, ref: refs/heads/main}
    github: [{id: write, repo: "{job.repo}", access: write}]
  - id: deploy
    match: {server: github.com, repo: acme/app, workflow: .github/workflows/deploy.yml, ref: refs/heads/main}
    http: [{id: deploy-host, host: ${hosts.deploy}}]
  - id: shared
    match: {owner: acme, calledWorkflow: "acme/shared/.github/workflows/deploy.yml@refs/tags/v3"}
    http: [{id: shared-host, host: ${hosts.shared}}]
  - id: site
    match: {server: gitlab.com, project: acme/site, protected: true}
    http: [{id: site-host, host: ${hosts.site}}]
    gitlab: [{id: own, project: "{job.project}", access: read}]
`;

/** The same with a scope that takes from forks what all others may; their runners need their service, too. */
const policyOfForks = `${policy}  - id: forks
    match: {fork: true}
    exclusive: true
    http:
      - {id: fork-host, host: ${hosts.fork}}
      - {id: fork-service, host: "*.actions.githubusercontent.com", methods: any, websocket: true}
`;

const ci = await CiLab.open(seed, { runners: 4 }, { holdMs: 2000 });
const { lab, github } = ci;
const random = new Seeded(seed);
for (const host of Object.values(hosts)) lab.origins.names.set(host, { a: [labAddresses.web4] });
const gateway = await lab.startGateway(policy);
const tail = new RecordTail(gateway.stateDirectory);

/** The job’s own server: it answers every path with the message of a job that may release. */
const forgeAddress = '93.184.216.85';
runIpBatch(lab.topology.internet, [`addr add ${forgeAddress}/32 dev lo`]);
lab.origins.names.set(hosts.forge, { a: [forgeAddress] });
function madeUp(known: Partial<LabJob>): string {
  const job = drawJob(random, [''], { ...known });
  const urls = {
    runService: `https://${hosts.forge}/77/`,
    results: `https://${hosts.forge}/`,
    launch: `https://${hosts.forge}`,
  };
  return writeJson(makeMessage(job, urls, ci.secrets, random).message, random);
}
const tagged = { repository: 'acme/app', ref: 'refs/tags/v1', event: 'push', headRepository: null } as const;
const forge = new WebServer({
  namespace: lab.topology.internet,
  addresses: [forgeAddress],
  http: [80],
  https: [443],
  authority: lab.origins.authority,
  answer: (request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'application/json' }).end(madeUp(tagged));
  },
});
await forge.start();
t.teardown(async () => {
  forge.close();
  await ci.close();
});

let marks = 0;
/** Asks for a path of its own there; the status, and what was recorded of it. */
async function ask(
  host: string,
  runner: number,
  path = '',
  ...args: string[]
): Promise<{ status: string; record: FlowRecord | null; hasArrived: boolean }> {
  const target = path === '' ? `/m/${random.word(8).toLowerCase()}${marks++}` : path;
  const before = arrivals(host, target);
  const from = tail.update().length;
  const url = `https://${host}${target}`;
  const { stdout } = await lab.curl(['-4', '-o', '/dev/null', '-w', '%{http_code}', ...args, url], runner);
  // A host that nothing opens is refused as a connection.
  const isOf = ({ phase, kind, destination, runner: source, http, decision }: FlowRecord): boolean =>
    phase === 'closed' &&
    source === lab.runner(runner).v4 &&
    destination.host === host &&
    (http?.path === target || (kind === 'connection' && decision.verdict === 'block'));
  const find = (): FlowRecord | null => tail.update().slice(from).findLast(isOf) ?? null;
  await waitUntil(() => find() !== null, 3000);
  const record = find();
  return { status: stdout, record, hasArrived: arrivals(host, target) > before };
}

function arrivals(host: string, target: string): number {
  const [path] = target.split('?');
  const calls = [...github.calls, ...ci.gitlab.calls].filter(
    (call) => call.host === host && call.path === path,
  );
  return lab.origins.requestsTo(host).filter((request) => request.target === target).length + calls.length;
}

async function expectOpen(t: Test, title: string, ...asked: Parameters<typeof ask>): Promise<void> {
  const { status, record, hasArrived } = await ask(...asked);
  t.match(status, /^2/, `${title}: open`);
  t.ok(hasArrived, `${title}: arrived`);
  t.equal(record?.decision.verdict, 'allow', `${title}: recorded`);
}

async function expectShut(
  t: Test,
  title: string,
  ...asked: Parameters<typeof ask>
): Promise<FlowRecord | null> {
  const { status, record, hasArrived } = await ask(...asked);
  t.equal(status, '403', `${title}: shut`);
  t.notOk(hasArrived, `${title}: nothing arrived`);
  t.equal(record?.decision.verdict, 'block', `${title}: recorded`);
  return record;
}

const release = (ref: string): Partial<LabJob> => ({ ref });
const idOf = (job: Pick<HeldJob, 'id'>): string => `github.com/${job.id}`;

t.test('[identity-ref-pattern] a branch that is called as a tag', async (t) => {
  const job = await ci.announce(release('refs/tags/v1.2'));
  await expectOpen(t, 'control: the tag', hosts.release, 0);
  await job.end();
  for (const ref of [
    'refs/heads/tags/v1',
    'refs/heads/refs/tags/v1',
    'refs/tags/v1/x',
    'refs/tags/V1',
    'refs/tags/x/../v1',
    'refs/tags/x',
    'refs/heads/v1',
  ]) {
    const other = await ci.announce(release(ref));
    const record = await expectShut(t, ref, hosts.release, 0);
    t.equal(record?.attribution.jobId, idOf(other), `${ref}: known as what it is`);
    await other.end();
  }
});

t.test('[identity-workflow-branch] a workflow file of the same name on another branch', async (t) => {
  const workflow = '.github/workflows/deploy.yml';
  const job = await ci.announce({ workflow });
  await expectOpen(t, 'control: on main', hosts.deploy, 0);
  await job.end();
  for (const known of [
    { workflow, ref: 'refs/heads/evil' },
    { workflow, repository: 'evil/app' },
    { workflow: 'x/.github/workflows/deploy.yml' },
    { calledWorkflow: 'evil/shared/.github/workflows/deploy.yml@refs/heads/main' },
  ]) {
    const other = await ci.announce(known);
    await expectShut(t, JSON.stringify(known), hosts.deploy, 0);
    await other.end();
  }
  const called = await ci.announce({
    calledWorkflow: 'acme/shared/.github/workflows/deploy.yml@refs/tags/v3',
  });
  await expectOpen(t, 'control: a called workflow', hosts.shared, 0);
  await called.end();
  for (const calledWorkflow of [
    'acme/shared/.github/workflows/deploy.yml@refs/heads/v3',
    'evil/shared/.github/workflows/deploy.yml@refs/tags/v3',
  ]) {
    const other = await ci.announce({ calledWorkflow });
    await expectShut(t, calledWorkflow, hosts.shared, 0);
    await other.end();
  }
});

const issue = (repository: string): [string, number, string, ...string[]] => [
  githubHosts.api,
  0,
  `/repos/${repository}/issues`,
  '-d',
  '{}',
];

t.test('[identity-foreign-event] writes in a run that somebody else’s input started', async (t) => {
  const job = await ci.announce({});
  await expectOpen(t, 'control: a push to main', ...issue('acme/app'));
  await job.end();
  for (const event of ['pull_request_target', 'workflow_run', 'issue_comment', 'issues', 'discussion']) {
    const other = await ci.announce({ event });
    const record = await expectShut(t, event, ...issue('acme/app'));
    t.equal(record?.decision.reason, 'untrusted-write', event);
    await other.end();
  }
});

t.test('[identity-twins] owner, repository, project in another case and by number', async (t) => {
  const job = await ci.hold(0, { repository: 'ACME/App', repositoryId: '7' });
  await expectOpen(t, 'control: its own, in another case', ...issue('acme/APP'));
  await expectOpen(
    t,
    'control: its own, by number',
    githubHosts.api,
    0,
    '/repositories/7/issues',
    '-d',
    '{}',
  );
  await expectShut(t, 'another one by number', githubHosts.api, 0, '/repositories/8/issues', '-d', '{}');
  await expectShut(t, 'excepted, in another case', githubHosts.api, 0, '/repos/ACME/Vault/issues');
  await expectShut(t, 'with an ending', githubHosts.api, 0, '/repos/acme/vault.git/issues');
  await job.end();
  const project = (path: string): [string, number, string] => ['gitlab.com', 1, path];
  const pipeline = await ci.holdPipeline(1, {
    project: 'Acme/Site',
    projectId: 301,
    isProtected: true,
    sourceProject: null,
    source: 'push',
    ref: 'main',
  });
  await expectOpen(t, 'control: the project of another case', hosts.site, 1);
  await expectOpen(t, 'control: its own by number', ...project('/api/v4/projects/301/repository/tree'));
  await expectShut(t, 'another by number', ...project('/api/v4/projects/302/repository/tree'));
  await expectShut(t, 'another by name', ...project('/api/v4/projects/acme%2Fvault/repository/tree'));
  await pipeline.end();
});

t.test('[identity-other-server] the same name on another server', async (t) => {
  const tag = {
    ref: 'v1.2',
    refType: 'tag',
    isProtected: true,
    sourceProject: null,
    source: 'push',
  } as const;
  const pipeline = await ci.holdPipeline(1, { project: 'acme/app', ...tag });
  await expectShut(t, 'acme/app of GitLab', hosts.release, 1);
  await pipeline.end();
  const job = await ci.announce({ repository: 'acme/site', isProtected: true });
  await expectShut(t, 'acme/site of GitHub', hosts.site, 0);
  await job.end();
});

t.test('[identity-forged-message] messages that others than the runner service answer', async (t) => {
  const job = await ci.hold(0, { repository: 'evil/app' });
  const post = [
    '-X',
    'POST',
    '-H',
    'content-type: application/json',
    '-d',
    '{"jobMessageId":"x","runnerOS":"Linux","billingOwnerId":""}',
  ];
  const text: unknown = JSON.parse(madeUp(tagged));
  const paths = ['/77/acquirejob', '/acquirejob'];
  for (const host of [githubHosts.api, githubHosts.codeload, githubHosts.blob, githubHosts.web])
    for (const path of paths) github.madeUp.set(`${host}${path}`, text as never); // read from a text of JSON
  for (const path of paths) {
    await expectOpen(t, `control: ${path} is answered`, hosts.all, 0);
    for (const url of [
      `https://${hosts.forge}${path}`,
      `http://${hosts.forge}${path}`,
      `https://${githubHosts.api}${path}`,
      `https://${githubHosts.codeload}${path}`,
      `https://${githubHosts.blob}${path}`,
      `http://run-actions-1-azure-eastus.actions.githubusercontent.com${path}`,
    ])
      await lab.curl([...post, '-o', '/dev/null', url], 0);
    // One’s own host by its name, the service by what is asked for.
    await lab.curl(
      [
        ...post,
        '-k',
        '-o',
        '/dev/null',
        '-H',
        'host: run-actions-1-azure-eastus.actions.githubusercontent.com',
        `https://${hosts.forge}${path}`,
      ],
      0,
    );
    await lab.curl(
      [
        ...post,
        '-k',
        '-o',
        '/dev/null',
        '--connect-to',
        `run-actions-1-azure-eastus.actions.githubusercontent.com:443:${forgeAddress}:443`,
        `https://run-actions-1-azure-eastus.actions.githubusercontent.com${path}`,
      ],
      0,
    );
    const record = await expectShut(t, `after ${path}`, hosts.release, 0);
    t.ok([undefined, idOf(job)].includes(record?.attribution.jobId), 'it is nobody else');
  }
  github.madeUp.clear();
  await job.end();
  t.ok(forge.arrived.length >= 4, 'control: the forged answers were had');
});

t.test('[identity-second-agent] [identity-conflict] a fork’s job takes another job besides', async (t) => {
  const fork = {
    headRepository: 'outside/app',
    event: 'pull_request',
    ref: 'refs/pull/7/merge',
    isProtected: false,
  };
  await gateway.reload(policyOfForks);
  t.teardown(() => gateway.reload(policy));
  const other = await ci.hold(0, {});
  await expectOpen(t, 'control: what all others may', hosts.all, 0);
  await other.end();
  const job = await ci.hold(0, fork);
  await expectOpen(t, 'control: what a fork may', hosts.fork, 0);
  await expectShut(t, 'what all others may', hosts.all, 0);
  const second = await ci.hold(0, release('refs/tags/v1'));
  await expectShut(t, 'what the second job may', hosts.release, 0);
  const record = await expectShut(t, 'what all others may, in a conflict', hosts.all, 0);
  t.match(record?.attribution, { conflict: true }, 'nobody’s, and said so');
  t.not(record?.attribution.jobId, idOf(second));
  await second.end();
  await expectShut(t, 'what all others may, after it', hosts.all, 0);
  await expectShut(t, 'what the second job might have', hosts.release, 0);
  await job.end();
});

t.test('[identity-gitlab-request] a job of GitHub asks GitLab for another one', async (t) => {
  const tag = { ref: 'main', isProtected: true, sourceProject: null, source: 'push' } as const;
  const alone = await ci.holdPipeline(1, { project: 'acme/site', ...tag });
  await expectOpen(t, 'control: what the project may', hosts.site, 1);
  await alone.end();
  const job = await ci.hold(0, { repository: 'evil/app' });
  const own = await ci.holdPipeline(0, { project: 'acme/site', ...tag });
  const record = await expectShut(t, 'beside another job', hosts.site, 0);
  t.match(record?.attribution, { conflict: true }, 'nobody’s, and said so');
  await own.end();
  await expectShut(t, 'after it', hosts.site, 0);
  await job.end();
});

t.test('[identity-after-end] a connection that a job left open, and a new one', async (t) => {
  const job = await ci.hold(0, release('refs/tags/v1'));
  const left = openConnection(hosts.release);
  t.match(await speak(left, hosts.release), /^HTTP\/1\.1 200/, 'control: while it runs');
  await job.end();
  const before = lab.origins.requestsTo(hosts.release).length;
  t.notMatch(await speak(left, hosts.release), /^HTTP\/1\.1 200/, 'not any more');
  t.equal(lab.origins.requestsTo(hosts.release).length, before, 'nothing arrived');
  const record = await expectShut(t, 'a new connection', hosts.release, 0);
  t.equal(record?.attribution.jobId, undefined, 'nobody’s');
  left.destroy();
});

function openConnection(host: string): TLSSocket {
  const socket = dialTcp(lab.runner(0).namespace, labAddresses.web4, 443, lab.runner(0).v4);
  socket.on('error', () => {});
  const tls = connectTls({ socket, servername: host, ca: gateway.authority(), ALPNProtocols: ['http/1.1'] });
  return tls.on('error', () => {});
}

/** A request on an open connection; what came back within two seconds. */
async function speak(tls: TLSSocket, host: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  tls.once('data', (bytes: Buffer) => resolve(bytes.toString('latin1')));
  tls.once('close', () => resolve(''));
  if (tls.destroyed) resolve('');
  else tls.write(`GET /m/left HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
  return Promise.race([promise, sleep(2000, '')]);
}

t.test('[identity-reused-address] a machine dies, and another has its address', async (t) => {
  const job = await ci.hold(0, release('refs/tags/v1'), 'dying');
  await expectOpen(t, 'control: before', hosts.release, 0);
  await job.kill();
  const next = await ci.hold(0, { repository: 'evil/app' });
  const record = await expectShut(t, 'what the dead one might', hosts.release, 0);
  t.not(record?.attribution.jobId, idOf(job));
  await next.end();
  await expectShut(t, 'after both', hosts.release, 0);
});

t.test('[identity-other-token] a token of another job', async (t) => {
  const [one, other] = [await ci.hold(1, {}), await ci.hold(2, { repository: 'acme/lib' })];
  const write = (runner: number, repository: string, token: string): Parameters<typeof ask> => [
    githubHosts.api,
    runner,
    `/repos/${repository}/issues`,
    '-d',
    '{}',
    '-H',
    `authorization: Bearer ${token}`,
  ];
  await expectOpen(t, 'control: its own', ...write(1, 'acme/app', one.token));
  const record = await expectShut(t, 'of another job', ...write(2, 'acme/app', one.token));
  t.equal(record?.attribution.jobId, idOf(other), 'it is still the job that it was');
  await expectShut(t, 'on a machine without a job', ...write(3, 'acme/app', one.token));
  await expectShut(t, 'and afterwards without it', githubHosts.api, 3, '/repos/acme/app/issues', '-d', '{}');
  await Promise.all([one.end(), other.end()]);
});

t.test('[identity-false-claim] a claim for another job, with a job and without one', async (t) => {
  const job = await ci.hold(1, release('refs/tags/v1'));
  await expectOpen(t, 'control: the job that may', hosts.release, 1);
  await job.end();
  const claim = {
    platform: 'github',
    server: 'https://github.com',
    repository: 'acme/app',
    runId: '900',
    runAttempt: '1',
    job: 'ship',
    ref: 'refs/tags/v1',
    event: 'push',
    runner: 'vm-1',
  };
  const url = `http://${lab.topology.gateway4}:9441/runner/v1/claims`;
  const say = (runner: number): ReturnType<typeof lab.curl> =>
    lab.curl(
      ['-s', '-w', '%{http_code}', '-H', 'content-type: application/json', '-d', JSON.stringify(claim), url],
      runner,
    );
  const evil = await ci.hold(2, { repository: 'evil/app' });
  for (const runner of [3, 2]) {
    t.match((await say(runner)).stdout, /20[0-9]$/, 'control: the claim is taken');
    await sleep(500);
    const record = await expectShut(t, `claimed on runner ${runner}`, hosts.release, runner);
    t.not(record?.attribution.source, 'confirmed-claim');
  }
  await evil.end();
});
