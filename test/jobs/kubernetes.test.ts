// Pods' jobs through the watch of an API server, which is a stub that speaks as the documentation says.

import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { clusterConnector } from '../../cluster-connection.ts';
import { readConfig } from '../../config.ts';
import type { JobMessage } from '../../flow/job-message.ts';
import { KubernetesApi, type ApiLimits } from '../../jobs/kubernetes/api-client.ts';
import { ClusterWatch, type ClusterWatchOptions } from '../../jobs/kubernetes/cluster-watch.ts';
import { TestAuthority } from '../../netns/authority.ts';
import { readPod } from '../../jobs/kubernetes/read-pod.ts';
import { readRunner } from '../../jobs/kubernetes/read-runner.ts';
import { githubPod, gitlabPod, KubernetesStub, podObject, runnerObject } from '../lab/kubernetes-stub.ts';
import { messageOf } from '../lab/live-entries.ts';

const pods = '/api/v1/namespaces/ci/pods';
const runners = '/apis/actions.github.com/v1alpha1/namespaces/ci/ephemeralrunners';

interface LabOptions extends Partial<ClusterWatchOptions> {
  readonly limits?: Partial<ApiLimits>;
  readonly heard?: Readonly<Record<string, JobMessage>>;
}

async function lab(t: Test, prepare: (stub: KubernetesStub) => void, options: LabOptions = {}) {
  const stub = await KubernetesStub.start();
  prepare(stub);
  const problems: string[] = [];
  const token = { value: stub.token };
  const api = new KubernetesApi({
    host: 'kubernetes.default.svc',
    port: 443,
    token: () => token.value,
    connect: async (host) => {
      const ca = stub.authority.certificate;
      const socket = connectTls({ host: '127.0.0.1', port: stub.port, servername: host, ca });
      await once(socket, 'secureConnect');
      return socket;
    },
    limits: options.limits ?? {},
  });
  const watch = new ClusterWatch({
    api,
    namespaces: ['ci'],
    labelSelector: null,
    hasRunners: true,
    isBelieved: (platform, server) =>
      ['gitlab gitlab.example', 'github github.com'].includes(`${platform} ${server}`),
    jobOf: (server, jobId) => options.heard?.[`${server} ${jobId}`] ?? null,
    onChange: () => {},
    onProblem: (what, problem) => problems.push(`${what}: ${problem?.message ?? 'well'}`),
    retryMs: { first: 5, most: 50 },
    ...options,
  });
  watch.start();
  t.teardown(() => {
    watch.stop();
    stub.stop();
  });
  const jobAt = (address: string): string | null => {
    const entry = watch.entries().find((it) => it.address === address);
    return entry === undefined
      ? null
      : `${entry.message.job.repository} ${entry.message.jobId || entry.message.job.runId}`;
  };
  const until = async (address: string, wanted: string | null, what = address): Promise<void> => {
    for (let i = 0; i < 400 && jobAt(address) !== wanted; i++) await sleep(10);
    t.equal(jobAt(address), wanted, what);
  };
  return { stub, watch, jobAt, until, problems, token };
}

t.test('pods of both platforms are found with their jobs, whatever page they are on', async (t) => {
  const { watch, until, jobAt } = await lab(t, (stub) => {
    stub.put(pods, gitlabPod({ uid: 'g1', job: '71', addresses: ['10.8.0.1', 'fd00:8::1'] }));
    stub.put(pods, githubPod({ uid: 'a1', name: 'linux-x1', runner: 'r1', addresses: ['10.8.0.2'] }));
    stub.put(pods, githubPod({ uid: 'a2', name: 'linux-x2', runner: 'r2', addresses: ['10.8.0.3'] }));
    stub.put(pods, podObject({ uid: 'web', addresses: ['10.8.0.4'] }));
    stub.put(pods, gitlabPod({ uid: 'host', job: '72', addresses: ['192.0.2.10'], hostNetwork: true }));
    stub.put(pods, gitlabPod({ uid: 'node', job: '73', addresses: ['192.0.2.10'] }));
    stub.put(pods, gitlabPod({ uid: 'over', job: '74', addresses: ['10.8.0.7'], phase: 'Succeeded' }));
    stub.put(runners, runnerObject({ uid: 'r1', name: 'linux-x1', repository: 'acme/tool' }));
    stub.put(runners, runnerObject({ uid: 'r2', name: 'linux-x2' }));
  });
  await until('10.8.0.1', 'acme/app 71');
  await until('fd00:8::1', 'acme/app 71');
  await until('10.8.0.2', 'acme/tool e0a94d52-77c1-5b0e-8f3a-000000000001');
  for (const address of ['10.8.0.3', '10.8.0.4', '192.0.2.10', '10.8.0.7'])
    t.equal(jobAt(address), null, address);
  const [first, second] = ['10.8.0.1', '10.8.0.2'].map((at) =>
    watch.entries().find(({ address }) => address === at),
  );
  t.match(first, {
    source: 'kubernetes',
    certainty: 'certain',
    machine: 'pod g1',
    message: { job: { server: 'gitlab.example', repositoryId: '7', name: 'build' }, tokens: { own: null } },
  });
  // What says neither that it is a tag nor that the workflow is the run's own proves neither.
  t.equal(first?.message.job.ref, null);
  t.match(second?.message.job, {
    server: 'github.com',
    runId: '123456',
    ref: null,
    workflow: null,
    name: null,
  });
});

t.test(
  'an address is the next pod’s as soon as that has it, in whatever order the ends are heard',
  async (t) => {
    const { stub, until } = await lab(t, (stub) => stub.put(pods, gitlabPod({ uid: 'g1', job: '71' })));
    await until('10.8.0.1', 'acme/app 71');
    // It waited for an address, and was there before.
    stub.put(pods, gitlabPod({ uid: 'g0', job: '70', addresses: [], started: '2026-11-25T00:30:00Z' }));
    stub.put(pods, gitlabPod({ uid: 'g0', job: '70', started: '2026-11-25T00:30:00Z' }));
    await until('10.8.0.1', 'acme/app 70');
    stub.put(pods, gitlabPod({ uid: 'g1', job: '71', annotations: { touched: 'late' } }));
    stub.put(pods, gitlabPod({ uid: 'g9', job: '79', addresses: ['10.8.0.9'] }));
    await until('10.8.0.9', 'acme/app 79');
    await until('10.8.0.1', 'acme/app 70', 'a late word on the pod before it changes nothing');
    stub.remove(pods, 'g1');
    stub.put(pods, gitlabPod({ uid: 'g0', job: '70', phase: 'Failed' }));
    await until('10.8.0.1', null, 'a pod that has ended');
    stub.put(pods, gitlabPod({ uid: 'g2', job: '72' }));
    await until('10.8.0.1', 'acme/app 72');
    stub.remove(pods, 'g2');
    await until('10.8.0.1', null, 'a pod that is gone');
  },
);

t.test('a watch that is cut, forgotten, or too long for us comes back with nothing missing', async (t) => {
  const { stub, until } = await lab(t, (stub) => stub.put(pods, gitlabPod({ uid: 'g1', job: '71' })), {
    limits: { lineBytes: 20_000 },
  });
  await until('10.8.0.1', 'acme/app 71');
  stub.cut();
  stub.put(pods, gitlabPod({ uid: 'g2', job: '72', addresses: ['10.8.0.2'] }));
  await until('10.8.0.2', 'acme/app 72', 'what happened during the cut');
  await until('10.8.0.1', 'acme/app 71', 'what was known stays');
  const lists = () => stub.asked.filter((url) => url.startsWith(pods) && !url.includes('watch=1')).length;
  t.equal(lists(), 1, 'after a cut the watch goes on where it was');
  stub.remove(pods, 'g2');
  stub.forget();
  await until('10.8.0.2', null, 'a version that is gone: everything is listed again');
  stub.put(pods, gitlabPod({ uid: 'g3', job: '73', addresses: ['10.8.0.3'] }));
  await until('10.8.0.3', 'acme/app 73');
  for (const bytes of [
    `{"type":"ADDED","object":"${'x'.repeat(30_000)}`,
    'no json\n',
    '{"type":5}\n',
    '[]\n',
  ]) {
    const before = lists();
    for (let i = 0; i < 200 && stub.watches < 2; i++) await sleep(10);
    stub.say(bytes);
    for (let i = 0; i < 400 && lists() === before; i++) await sleep(10);
    t.ok(lists() > before, `listed again after ${bytes.slice(0, 20)}`);
  }
  stub.bookmark();
  stub.remove(pods, 'g3');
  await until('10.8.0.3', null);
});

t.test('what the API server does not vouch for any more is nobody’s, and comes back', async (t) => {
  const { stub, until, problems, token } = await lab(
    t,
    (stub) => stub.put(pods, gitlabPod({ uid: 'g1', job: '71' })),
    {
      graceMs: 100,
    },
  );
  await until('10.8.0.1', 'acme/app 71');
  stub.token = 'token-2';
  stub.cut();
  await until('10.8.0.1', null, 'the old token is refused');
  t.match(problems, [/401/]);
  token.value = 'token-2';
  await until('10.8.0.1', 'acme/app 71', 'the token is read again');
  stub.refused.set(runners, 404);
  stub.cut();
  await sleep(200);
  await until('10.8.0.1', 'acme/app 71', 'a cluster without runners of GitHub');
});

t.test('whoever writes on pods speaks for no other job', async (t) => {
  const heard = messageOf('76', { ref: 'refs/tags/v1', repository: 'Acme/App' });
  const { watch, until, jobAt } = await lab(
    t,
    (stub) => {
      const put = (at: number, object: Parameters<typeof gitlabPod>[0]) =>
        stub.put(pods, gitlabPod({ ...object, addresses: [`10.8.1.${at}`] }));
      put(1, { uid: 'p1', job: '71', annotations: { 'project.runner.gitlab.com/id': '8' } });
      put(2, { uid: 'p2', job: '72', env: ['KUBERNETES_POD_ANNOTATIONS_1'] });
      put(3, { uid: 'p3', job: '73', annotations: { 'job.runner.gitlab.com/id': '99' } });
      put(4, {
        uid: 'p4',
        job: '74',
        annotations: { 'job.runner.gitlab.com/url': 'https://evil.example/acme/app/-/jobs/74' },
      });
      put(5, { uid: 'p5', job: '75', labels: { 'project.runner.gitlab.com/id': '' } });
      put(6, { uid: 'p6', job: '76' });
      put(7, { uid: 'p7', job: '77' });
      stub.put(pods, githubPod({ uid: 'q1', name: 'other', runner: 'r1', addresses: ['10.8.1.8'] }));
      stub.put(runners, runnerObject({ uid: 'r1', name: 'linux-x1', repository: 'acme/tool' }));
      stub.put(pods, githubPod({ uid: 'q2', name: 'linux-x2', runner: 'r2', addresses: ['10.8.1.9'] }));
      stub.put(
        runners,
        runnerObject({
          uid: 'r2',
          name: 'linux-x2',
          repository: 'acme/tool',
          url: 'https://evil.example/acme',
        }),
      );
    },
    {
      heard: {
        'gitlab.example 76': heard,
        'gitlab.example 77': messageOf('77', { repository: 'acme/other' }),
      },
    },
  );
  await until('10.8.1.6', 'Acme/App 76', 'the message that its runner was given says more than the pod');
  t.match(watch.entries().find(({ address }) => address === '10.8.1.6')?.message, {
    job: { ref: 'refs/tags/v1' },
    tokens: { own: 'hash of 76' },
  });
  t.match(
    watch.entries().find(({ address }) => address === '10.8.1.5'),
    { certainty: 'likely' },
    'no label',
  );
  for (const at of [1, 2, 3, 4, 7, 8, 9]) t.equal(jobAt(`10.8.1.${at}`), null, `10.8.1.${at}`);
  t.notMatch(JSON.stringify(watch.entries()), /canary/, 'no variable of a pod is kept');
});

t.test('objects of any shape are read as far as they are what they should be, and never throw', async (t) => {
  const known =
    'metadata spec status uid name namespace labels annotations ownerReferences podIPs hostIPs containers env startTime';
  const more = ['githubConfigUrl', 'jobRepositoryName', '__proto__', 'job.runner.gitlab.com/url'];
  const keys = fc.constantFrom(...known.split(' '), ...more);
  const texts = fc.constantFrom('10.8.0.1', '::1', 'x', '', 'https://gitlab.example/a/b/-/jobs/1', 'a/b');
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      fc.oneof(texts, fc.integer(), fc.boolean(), fc.constant(null)),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(keys, tie('value'), { maxKeys: 6 }),
    ),
  }));
  const valid = gitlabPod({ uid: 'g', job: '1' });
  fc.assert(
    fc.property(value, keys, keys, (object, outer, inner) => {
      readPod(object);
      readRunner(object);
      // A right one with something else in one place.
      const part = valid[outer];
      const changed = typeof part === 'object' && part !== null ? { ...part, [inner]: object } : object;
      readPod({ ...valid, [outer]: changed });
    }),
    { numRuns: 500 },
  );
  t.match(readPod(valid), { uid: 'g' });
});

t.test('only what the selector selects is asked for', async (t) => {
  const { stub, until } = await lab(
    t,
    (stub) => {
      stub.put(pods, gitlabPod({ uid: 'g1', job: '71', labels: { fleet: 'a' } }));
      stub.put(pods, gitlabPod({ uid: 'g2', job: '72', addresses: ['10.8.0.2'], labels: { fleet: 'b' } }));
    },
    { labelSelector: 'fleet=a', hasRunners: false },
  );
  await until('10.8.0.1', 'acme/app 71');
  await until('10.8.0.2', null);
  t.ok(stub.asked.every((url) => url.includes('labelSelector=fleet%3Da') && !url.includes('ephemeral')));
});

t.test('the API server is reached only where the cluster’s own authorities stand for it', async (t) => {
  const [own, other] = [new TestAuthority('cluster'), new TestAuthority('other')];
  const folder = t.testdir({ 'own.pem': own.certificate, 'other.pem': other.certificate, 'policy.yaml': '' });
  const { certificate, key } = own.issue(['127.0.0.1']);
  const server = createServer({ cert: certificate, key }, (_, response) => response.end());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close().closeAllConnections());
  const { port } = server.address() as AddressInfo; // listens on TCP
  writeFileSync(
    join(folder, 'sallyport.yaml'),
    'version: 1\npolicy: policy.yaml\nrunners: {interfaces: [lo], networks: [10.77.0.0/16]}\n',
  );
  const config = readConfig(join(folder, 'sallyport.yaml'));
  const connect = (file: string) =>
    clusterConnector(config, [], join(folder, file))('127.0.0.1', port, AbortSignal.timeout(5000));
  (await connect('own.pem')).destroy();
  await t.rejects(connect('other.pem'), { code: 'upstream', message: /cannot be verified/ });
  await t.rejects(connect('none.pem'), { code: 'config-invalid' });
});
