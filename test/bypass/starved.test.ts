// A gateway that lacks something it needs: its resolver, memory, a place for its records. Nothing leaks meanwhile, and
// what is allowed works again afterwards. Disks and descriptors are in test/e2e/failures.test.ts.

import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { runIpBatch } from '../../netns/ip.ts';
import type { LabGateway } from '../lab/gateway.ts';
import { Lab } from '../lab/lab.ts';
import { labAddresses } from '../lab/origins.ts';
import { LyingResolver, lyingAddress } from './lying-resolver.ts';
import { allowedUrl, isBack, openTrying, sitePolicy, statusOf } from './trying-lab.ts';

const { web4, other4 } = labAddresses;

t.setTimeout(90_000);
// Each in a lab of its own; most of their time is waiting.
t.jobs = 2;

t.test('[time-resolver-dead] the upstream resolver is dead, and is back', { buffered: true }, async (t) => {
  const { lab, trying } = await openTrying(t);
  const resolver = `${labAddresses.dns4}/32 dev lo`;
  const gateway = await lab.startGateway(
    sitePolicy
      .replace('allowed', 'www.example.com, allowed')
      .replace('host: ', 'host: [')
      .replace('com}', 'com]}'),
  );
  t.ok(await isBack(lab));
  trying.forget();
  runIpBatch(lab.topology.internet, [`addr del ${resolver}`]);
  t.not(await statusOf(lab, 'https://www.example.com/'), '200', 'a new name cannot be reached');
  t.same(lab.origins.requestsTo('www.example.com'), []);
  t.same(lab.origins.resolver.asked, [], 'no other resolver is asked instead');
  t.same(trying.leaks(), [], 'nothing leaked');
  const record = await gateway.findRecord(
    ({ phase, destination, ended, dns }) =>
      phase === 'closed' &&
      destination.host === 'www.example.com' &&
      (ended === 'resolve-failed' || dns?.rcode === 'SERVFAIL'),
    // The gateway gives up later than the job's own resolver.
    10_000,
  );
  t.ok(record, 'that it could not be resolved is recorded');
  runIpBatch(lab.topology.internet, [`addr add ${resolver}`]);
  t.ok(await isBack(lab), 'what is allowed works again');
});

t.test('[time-resolver-lying] the upstream resolver lies', { buffered: true }, async (t) => {
  const lab = await Lab.open();
  const liar = new LyingResolver(lab, other4);
  t.teardown(async () => {
    liar.close();
    await lab.close();
  });
  const untrusted = 'https://untrusted.example.com/secret';
  const straight = ['-k', '--resolve', `untrusted.example.com:443:${web4}`, untrusted];
  t.equal(await statusOf(lab, ...straight), '200', 'without a gateway a careless client sends its secret');
  const policy = sitePolicy.replace('allowed.example.com', '[allowed.example.com, untrusted.example.com]');

  await t.test('with answers that are none to the question: none is believed', async (t) => {
    const gateway = await lab.startGateway(policy, {
      config: { dns: { upstreams: [{ address: lyingAddress }] } },
    });
    lab.capture.clear();
    t.not(await statusOf(lab, '-k', allowedUrl), '200');
    t.ok(liar.asked > 0, 'it was asked');
    const led = lab.capture.packets().filter(({ destination }) => destination === other4);
    t.same(led, [], 'nobody went where it led to');
    const record = await gateway.findRecord(
      ({ kind, phase, destination }) =>
        kind === 'dns' && phase === 'closed' && destination.host === 'allowed.example.com',
      10_000,
    );
    t.same(record?.dns?.answers, [], 'the question is recorded, without an address');
  });

  await t.test('and leads to a server that is not the host’s: its certificate tells', async (t) => {
    const gateway = await lab.startGateway(policy);
    lab.origins.clear();
    t.equal(await statusOf(lab, '-k', untrusted), '502');
    t.same(lab.origins.requestsTo('untrusted.example.com'), [], 'no request was sent to it');
    const record = await gateway.findRecord(
      ({ destination, ended }) =>
        destination.host === 'untrusted.example.com' && ended === 'upstream-certificate',
    );
    t.ok(record, 'recorded with its reason');
  });
});

/** Processes of the gateway by their program. */
function children(gateway: LabGateway, program: 'worker' | 'control'): number[] {
  const pids = readFileSync(`/proc/${gateway.pid}/task/${gateway.pid}/children`, 'utf8').trim().split(' ');
  return pids
    .map(Number)
    .filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`${program}.ts`));
}

/** Leaves the process no byte more than it has. */
function takeMemory(pid: number): void {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  const [, uid = '', gid = '', kib = ''] =
    /^Uid:\s+(\d+)[^]*^Gid:\s+(\d+)[^]*^VmData:\s+(\d+)/m.exec(text) ?? [];
  // As its own user: nobody else may without a capability that root in a container lacks.
  const as = ['--reuid', uid, '--regid', gid, '--clear-groups'];
  const limit = ['prlimit', `--pid=${pid}`, `--data=${Number(kib) * 1024}`];
  const { status, stderr } = spawnSync('setpriv', [...as, ...limit], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`prlimit: ${stderr}`);
}

t.test('[time-out-of-memory] a worker and control get no memory any more', { buffered: true }, async (t) => {
  const { lab, trying } = await openTrying(t);
  const gateway = await lab.startGateway(sitePolicy);
  trying.forget();
  const [worker, control] = [children(gateway, 'worker')[0]!, children(gateway, 'control')[0]!];
  for (const pid of [worker, control]) takeMemory(pid);
  // New names need leaves, a long policy needs rules: both need memory.
  const hosts = Array.from({ length: 20_000 }, (_, i) => `h${i}.example.net`);
  gateway.writePolicy(`${sitePolicy}blocklist: {id: long, hosts: [${hosts.join(', ')}]}\n`);
  const isReplaced = async (program: 'worker' | 'control', pid: number) => {
    for (let i = 0; i < 10 && children(gateway, program)[0] === pid; i++) {
      const few = hosts.slice(20 * i, 20 * i + 20);
      await Promise.all(
        few.map((host) => statusOf(lab, '-m', '1', '--resolve', `${host}:443:${web4}`, `https://${host}/`)),
      );
    }
    return children(gateway, program)[0] !== pid;
  };
  t.ok(await isReplaced('worker', worker), 'the worker ended and has a successor');
  t.ok(await isReplaced('control', control), 'control ended and has a successor');
  t.ok(await isBack(lab, 10_000), 'what is allowed works again');
  t.same(trying.leaks(), [], 'nothing leaked');
  const reached = lab.origins.web.arrived.filter(({ host }) => host.startsWith('h'));
  t.same(reached, [], 'no blocked host was reached');
  const later = await gateway.findRecord(
    ({ kind, decision }) => kind === 'packet' && decision.verdict === 'block',
  );
  t.ok(later, 'what was blocked is recorded');
});

t.test(
  '[time-store-locked] records can be written nowhere: what cannot be recorded does not pass',
  { buffered: true },
  async (t) => {
    const { lab, trying } = await openTrying(t);
    const gateway = await lab.startGateway(sitePolicy);
    t.ok(await isBack(lab));
    trying.forget();
    const segments = join(gateway.stateDirectory, 'segments');
    const { uid, gid } = statSync(segments);
    chownSync(segments, 0, 0);
    chmodSync(segments, 0o700);
    for (const program of ['worker', 'control'] as const)
      for (const pid of children(gateway, program)) process.kill(pid, 'SIGKILL');
    for (let i = 0; i < 3; i++) {
      t.not(
        await statusOf(lab, '-m', '1', '--resolve', `allowed.example.com:443:${web4}`, allowedUrl),
        '200',
      );
      await sleep(200);
    }
    t.same(lab.origins.requestsTo('allowed.example.com'), [], 'nothing arrived unrecorded');
    t.same(trying.leaks(), [], 'nothing leaked');
    chownSync(segments, uid, gid);
    chmodSync(segments, 0o770);
    t.ok(await isBack(lab), 'what is allowed works again');
    t.same(trying.leaks(), [], 'nothing leaked');
  },
);
