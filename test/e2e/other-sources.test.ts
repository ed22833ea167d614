// Jobs that control learns of by itself, through the real gateway: a hook's claim, which opens nothing until the forge's
// API confirms it, and pods that the API server of a cluster tells of.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { FlowRecord } from '../../flow/flow.ts';
import { runIpBatch } from '../../netns/ip.ts';
import { WebServer } from '../../netns/web-server.ts';
import { ForgeApiStub } from '../lab/forge-api-stub.ts';
import { gitlabPod, KubernetesStub } from '../lab/kubernetes-stub.ts';
import { Lab } from '../lab/lab.ts';
import { childrenOf } from '../lab/processes.ts';

const address = '93.184.216.86';
const hosts = [
  'api.github.com',
  'kubernetes.default.svc',
  'own.example',
  'pod.example',
  'other.example',
  'top.example',
];
const pods = '/api/v1/namespaces/ci/pods';
const policy = `version: 1
mode: block
http: [{id: top, host: top.example}]
github: [{id: job, repo: "{job.repo}", access: read}]
scopes:
  - {id: app, match: {repo: acme/app, server: github.com}, http: [{id: own, host: own.example}]}
  - {id: pod, match: {project: acme/app}, http: [{id: pod, host: pod.example}]}
  - {id: other, match: {project: acme/other}, http: [{id: other, host: other.example}]}
`;

const [forge, cluster] = [new ForgeApiStub(), new KubernetesStub()];
const lab = await Lab.open({ runners: 2 });
runIpBatch(lab.topology.internet, [`addr add ${address}/32 dev lo`]);
for (const host of hosts) lab.origins.names.set(host, { a: [address] });
const server = new WebServer({
  namespace: lab.topology.internet,
  addresses: [address],
  http: [80],
  https: [443],
  authority: lab.origins.authority,
  answer: (request, response, { host }) => {
    if (host === 'kubernetes.default.svc:443' || host === 'kubernetes.default.svc')
      return cluster.answer(request, response);
    if (host === 'api.github.com' && request.headers.authorization === 'Bearer operators-own')
      return forge.answer(request, response);
    response.end('here\n');
  },
});
await server.start();
const file = (name: string, content: string): string => {
  const path = join(lab.directory, name);
  writeFileSync(path, content);
  return path;
};
await lab.startGateway(policy, {
  config: {
    servers: [{ platform: 'gitlab', server: 'gitlab.example' }],
    confirm: [{ server: 'github.com', tokenFile: file('github.token', 'operators-own\n') }],
    kubernetes: {
      namespaces: ['ci'],
      caFile: join(lab.directory, 'lab-ca.pem'),
      tokenFile: file('cluster.token', 'token-1\n'),
      ephemeralRunners: false,
    },
  },
});
t.teardown(async () => {
  server.close();
  await lab.close();
});
t.setTimeout(90_000);

const reach = async (host: string, runner: number): Promise<string> =>
  (await lab.curl(['-4', '-o', '/dev/null', '-w', '%{http_code}', `https://${host}/repos/acme/app`], runner))
    .stdout;
const until = async (t: Test, host: string, runner: number, wanted: string, what: string): Promise<void> => {
  let last = '';
  for (let i = 0; i < 60 && last !== wanted; i++) {
    if (i > 0) await sleep(250);
    last = await reach(host, runner);
  }
  t.equal(last, wanted, what);
};
const lastTo = async (host: string, source: string): Promise<FlowRecord['attribution'] | null> => {
  const record = await lab.gateway.findRecord(
    ({ phase, kind, destination, attribution }) =>
      phase === 'closed' && kind === 'request' && destination.host === host && attribution.source === source,
  );
  return record?.attribution ?? null;
};
const hook = (name: string, runner = 0, run = '900') =>
  lab.run(['sh', join(import.meta.dirname, '../../deploy/hooks', name)], {
    runner,
    env: {
      PATH: process.env['PATH'] ?? '',
      SALLYPORT_URL: `http://${lab.topology.gateway4}:9441`,
      GITHUB_RUN_ID: run,
      GITHUB_RUN_ATTEMPT: '1',
      GITHUB_SERVER_URL: 'https://github.com',
      GITHUB_REPOSITORY: 'acme/app',
      GITHUB_JOB: 'ship',
      RUNNER_NAME: 'vm-1',
    },
  });

t.test('a claim opens what is its job’s once the forge’s API has confirmed it, and not before', async (t) => {
  t.equal(await reach('own.example', 0), '403');
  t.match(await hook('job-started.sh'), { code: 0, stderr: '' });
  await sleep(1200);
  t.equal(await reach('own.example', 0), '403', 'a claim alone');
  t.equal(await reach('api.github.com', 0), '403', '{job.repo} is not what is claimed');
  t.equal(await reach('top.example', 0), '200');
  t.match(await lastTo('top.example', 'hook-claim'), { certainty: 'likely' });
  forge.runs.set('900', { repository: 'acme/app', jobs: [{ runner: 'vm-1', startedMs: Date.now() }] });
  await until(t, 'own.example', 0, '200', 'confirmed');
  t.match(await lastTo('own.example', 'confirmed-claim'), { certainty: 'certain' });
  t.equal(await reach('api.github.com', 0), '200');
  t.equal(await reach('own.example', 1), '403', 'another runner');
  t.match(await hook('job-completed.sh'), { code: 0 });
  await until(t, 'own.example', 0, '403', 'the job is over');
});

t.test('a pod’s address is its job’s, and the next pod’s when that has it', async (t) => {
  const { v4, v6 } = lab.topology.runners[1]!;
  t.equal(await reach('pod.example', 1), '403');
  cluster.put(pods, gitlabPod({ uid: 'g1', job: '71', addresses: [v4, v6] }));
  await until(t, 'pod.example', 1, '200', 'found by the watch');
  t.match(await lastTo('pod.example', 'kubernetes'), { jobId: 'gitlab.example/71' });
  cluster.put(pods, gitlabPod({ uid: 'g2', job: '72', project: 'acme/other', addresses: [v4, v6] }));
  await until(t, 'other.example', 1, '200', 'another pod with the address');
  t.equal(await reach('pod.example', 1), '403');
  cluster.remove(pods, 'g1');
  t.equal(await reach('other.example', 1), '200', 'that the first is gone is heard late');
  cluster.put(
    pods,
    gitlabPod({ uid: 'g2', job: '72', project: 'acme/other', addresses: [v4, v6], phase: 'Succeeded' }),
  );
  await until(t, 'other.example', 1, '403', 'its pod has ended');
  t.notMatch(lab.gateway.log(), /operators-own|canary/);
});

t.test('a confirmed claim outlasts the end of control', async (t) => {
  forge.runs.set('901', { repository: 'acme/app', jobs: [{ runner: 'vm-1', startedMs: Date.now() }] });
  t.match(await hook('job-started.sh', 1, '901'), { code: 0 });
  await until(t, 'own.example', 1, '200', 'confirmed');
  await sleep(1100);
  const [control = 0] = childrenOf(lab.gateway.pid, 'control');
  const asked = forge.asked.length;
  process.kill(control, 'SIGKILL');
  t.equal(await reach('own.example', 1), '200', 'workers go on without it');
  for (let i = 0; i < 60 && forge.asked.length === asked; i++) await sleep(250);
  t.ok(forge.asked.length > asked, 'the next one asks again');
  await until(t, 'own.example', 1, '200', 'and knows the claim');
});
