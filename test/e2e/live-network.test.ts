// What a scope opens at layers 3 and 4 follows live jobs as it does declared ones: in the kernel, over both families, over
// the end of the job, of a worker, and of the gateway.

import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { runIpBatch } from '../../netns/ip.ts';
import { dialTcp, listenTcp } from '../../netns/socket.ts';
import { CiLab } from '../lab/ci/ci-lab.ts';
import { waitUntil } from '../lab/gateway.ts';
import { childrenOf } from '../lab/processes.ts';

const [database4, database6, forge] = ['93.184.217.9', '2606:2800:220::9', '93.184.217.10'];
const policy = `version: 1
mode: block
presets: [github-runner]
scopes:
  - id: own
    match: {server: github.com, repo: acme/app, runnerGroup: builders}
    network:
      - {id: database, to: [${database4}, "${database6}"], port: 5432}
      - {id: forge, host: scm.example, port: 22}
`;

t.setTimeout(90_000);
const ci = await CiLab.open(20_261_125, { runners: 2 }, { holdMs: 2000 });
const { lab } = ci;
runIpBatch(lab.topology.internet, [
  `addr add ${database4}/32 dev lo`,
  `addr add ${database6}/128 dev lo`,
  `addr add ${forge}/32 dev lo`,
]);
lab.origins.names.set('scm.example', { a: [forge] });
const servers = [
  [database4, 5432],
  [database6, 5432],
  [forge, 22],
] as const;
const accepted = new Set<Socket>();
const open = servers.map(([address, port]) => {
  const server = createServer((socket) => {
    accepted.add(socket);
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  return server.listen({ fd: listenTcp(lab.topology.internet, address, port) });
});
await lab.startGateway(policy);
t.teardown(async () => {
  for (const server of open) server.close();
  for (const socket of accepted) socket.destroy();
  await ci.close();
});

/** Whether the runner's packets come through to an address and back. */
async function reaches(runner: number, address: string, port = 5432): Promise<boolean> {
  const socket = dialTcp(lab.runner(runner).namespace, address, port);
  socket.on('error', () => {});
  socket.write('a');
  const isAnswered = once(socket, 'data').then(
    () => true,
    () => false,
  );
  const isOpen = await Promise.race([isAnswered, sleep(1000, false)]);
  socket.destroy();
  return isOpen;
}

async function until(test: () => Promise<boolean>, limitMs = 8000): Promise<boolean> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    if (await test()) return true;
    if (Date.now() > deadline) return false;
    await sleep(50);
  }
}

const asks = (runner: number, name: string) => lab.run(['getent', 'ahostsv4', name], { runner });
const own = { repository: 'acme/app', runnerGroup: 'builders' };

t.test('the kernel opens to a live job what its scope says, and closes it at its end', async (t) => {
  t.equal(await reaches(0, database4), false, 'before the job');
  const [job, other] = [await ci.hold(0, own), await ci.hold(1, { ...own, runnerGroup: 'others' })];
  t.ok(await until(() => reaches(0, database4)), 'the job’s own');
  t.equal(await reaches(1, database4), false, 'a job of another runner group');
  t.equal(await reaches(0, forge, 22), false, 'a name that nobody asked for');
  await asks(0, 'scm.example');
  t.ok(await until(() => reaches(0, forge, 22)), 'a name');
  const blocked = lab.gateway.findRecord(
    ({ kind, destination }) => kind === 'packet' && destination.port === 5433,
    5000,
  );
  t.equal(await reaches(0, database4, 5433), false);
  t.match((await blocked)?.attribution, { source: 'job-message', jobId: `github.com/${job.id}` });
  const kept = dialTcp(lab.runner(0).namespace, database4, 5432);
  kept.on('error', () => {});
  kept.write('a');
  await once(kept, 'data');
  await job.end();
  t.ok(await until(async () => !(await reaches(0, database4))), 'closed at its end');
  t.ok(await until(async () => !(await reaches(0, forge, 22))), 'what a name had opened too');
  let isAnswered = false;
  kept.on('data', () => (isAnswered = true));
  kept.write('b');
  await sleep(300);
  t.equal(isAnswered, false, 'a connection of the job does not go on');
  kept.destroy();
  await other.end();
});

t.test('what was heard over IPv4 holds for the IPv6 address of the same machine', async (t) => {
  const { topology } = lab;
  await lab.run(['ping', '-6', '-c1', '-W1', topology.gateway6], { runner: 0 });
  t.equal(await reaches(0, database6), false, 'before the job');
  const job = await ci.hold(0, own);
  t.ok(await until(() => reaches(0, database6)));
  t.equal(await reaches(1, database6), false, 'another machine');
  await job.end();
  t.ok(await until(async () => !(await reaches(0, database6))));
});

t.test(
  'a job stays what it is over the end of a worker and of control; after a restart it waits for its renewal',
  async (t) => {
    const job = await ci.hold(0, own);
    t.ok(await until(() => reaches(0, database4)), 'control');
    for (const program of ['worker', 'control'] as const) {
      const [pid = 0] = childrenOf(lab.gateway.pid, program);
      process.kill(pid, 'SIGKILL');
      t.ok(
        await waitUntil(() => childrenOf(lab.gateway.pid, program).some((now) => now !== pid), 10_000),
        `another ${program}`,
      );
      await sleep(1500);
      t.equal(await reaches(0, database4), true, `${program} was killed`);
    }
    const state = lab.gateway.stateDirectory;
    await lab.gateway.kill();
    rmSync(join(state, 'ready.json'), { force: true });
    await lab.startGateway(policy, { state });
    t.ok(await until(async () => !(await reaches(0, database4))), 'nobody’s after a restart');
    await job.renew();
    t.ok(await until(() => reaches(0, database4)), 'its own again');
    await job.end();
  },
);
