// Every runner is served by one worker, whatever it speaks: TCP and UDP, IPv4 and IPv6, by the workers' own records; with
// the kernel's rules in both forms, and without any.

import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { readProcessRights } from '../../kernel/harden.ts';
import { postAction } from '../../serve.ts';
import { childrenOf } from '../lab/processes.ts';
import type { LabGatewayOptions } from '../lab/gateway.ts';
import { Lab, type LabMode } from '../lab/lab.ts';
import { labAddresses } from '../lab/origins.ts';
import { addSources, askFrom, sourcesOf, speakFrom, workersOf, type Source } from '../lab/crowd-sources.ts';
import { runIpBatch } from '../../netns/ip.ts';
import { dialTcp } from '../../netns/socket.ts';

const policy = `version: 1
mode: block
http:
  - {id: site, host: allowed.example.com}
`;
/** The neighbour table is read every two seconds; only then is it known which addresses are one machine's. */
const netAdmin = 1n << 12n;
const settleMs = 2_500;

t.setTimeout(120_000);

async function open(t: Test, mode: LabMode, options: { runners?: number } = {}): Promise<Lab> {
  const lab = await Lab.open({ ...options, mode });
  t.teardown(() => lab.close());
  return lab;
}

/** Each runner over UDP and TCP in both families, and through the explicit proxy; how many of the seven each were answered. */
async function speakAll(lab: Lab, sources: readonly Source[], namespaceOf: (index: number) => string) {
  const { gateway4, gateway6 } = lab.topology;
  const isSteered = lab.mode === 'steer';
  const [web4, web6] = isSteered ? [gateway4, gateway6] : [labAddresses.web4, labAddresses.web6];
  const host = 'allowed.example.com';
  let answered = 0;
  for (let at = 0; at < sources.length; at += 20) {
    const part = sources.slice(at, at + 20).flatMap(({ v4, v6 }, i) => {
      const namespace = namespaceOf(at + i);
      return [
        askFrom(namespace, v4, gateway4),
        askFrom(namespace, v6, gateway6),
        speakFrom(namespace, v4, { address: gateway4, port: 53 }),
        speakFrom(namespace, v6, { address: gateway6, port: 53 }),
        speakFrom(namespace, v4, { address: web4, port: 80, host }),
        speakFrom(namespace, v6, { address: web6, port: 80, host }),
        speakFrom(namespace, v4, { address: gateway4, port: 3128, host }),
      ];
    });
    answered += (await Promise.all(part)).filter(Boolean).length;
  }
  return answered;
}

/** Runners that more than one worker has served, with those workers. */
async function split(lab: Lab, sources: readonly Source[], since = ''): Promise<string[]> {
  // Closed records are written within 100 ms.
  await sleep(300);
  const workers = await workersOf(lab.gateway, since);
  return sources.flatMap(({ v4, v6 }) => {
    const both = new Set([...(workers.get(v4) ?? ['none']), ...(workers.get(v6) ?? ['none'])]);
    return both.size === 1 && !both.has('none') ? [] : [`${v4} ${v6}: ${[...both].join(' ')}`];
  });
}

async function spread(lab: Lab): Promise<number> {
  return new Set([...(await workersOf(lab.gateway)).values()].flatMap((workers) => [...workers])).size;
}

const declare = (sources: readonly Source[]) =>
  sources.map(({ v4, v6 }, i) => ({
    platform: 'github' as const,
    repository: 'acme/app',
    workflow: '.github/workflows/ci.yml',
    ref: 'refs/heads/main',
    event: 'push',
    name: `job${i}`,
    addresses: [v4, v6],
  }));

for (const [what, mode, workers, config] of [
  ['nftables, two workers', 'gateway', 2, {}],
  ['nftables, three workers', 'gateway', 3, {}],
  ['iptables, three workers', 'gateway', 3, { kernel: { backend: 'iptables' } }],
  ['no rules and no NET_ADMIN, three workers', 'steer', 3, { kernel: { backend: 'none' } }],
] as const) {
  t.test(`200 runners with both families, ${what}: none is split`, async (t) => {
    const lab = await open(t, mode);
    const { namespace } = lab.runner();
    const sources = sourcesOf(200);
    addSources(
      namespace,
      sources.flatMap(({ v4, v6 }) => [v4, v6]),
    );
    const prefix = mode === 'steer' ? ['setpriv', '--bounding-set=-net_admin,-net_raw'] : [];
    const listen = { listen: { explicit: 3128 } };
    const options: LabGatewayOptions = {
      workers,
      config: { ...listen, ...config },
      jobs: declare(sources),
      prefix,
    };
    await lab.startGateway(policy, options);
    t.equal(await speakAll(lab, sources, () => namespace), 1_400);
    t.same(await split(lab, sources), []);
    if (mode === 'gateway') await tryFromOutside(t, lab);
    t.equal(await spread(lab), workers, 'each worker has its share');
    if (mode === 'steer') await tryWithoutRules(t, lab);
  });
}

/** Only the rules lead to the explicit proxy: whoever comes from elsewhere, the machine itself included, finds none. */
async function tryFromOutside(t: Test, { topology }: Lab): Promise<void> {
  const [error] = (await once(dialTcp(topology.gateway, topology.gateway4, 3128), 'error')) as Error[];
  t.match(error, { code: 'ECONNREFUSED' });
}

/** Nobody holds NET_ADMIN; a dead worker's share waits for its successor, a stranger gets nothing, a quarantine holds. */
async function tryWithoutRules(t: Test, lab: Lab): Promise<void> {
  const { gateway } = lab;
  const { gateway4 } = lab.topology;
  const { namespace, v4 } = lab.runner();
  const web = { address: gateway4, port: 80, host: 'allowed.example.com' };
  t.equal(readProcessRights(gateway.pid).anyThread & netAdmin, 0n, 'the keeper may change no rule');
  for (const pid of childrenOf(gateway.pid, 'worker')) process.kill(pid, 'SIGKILL');
  const served = await Promise.all(sourcesOf(30).map((source) => speakFrom(namespace, source.v4, web)));
  t.ok(served.every(Boolean), 'connections to killed workers are served by their successors');
  runIpBatch(namespace, ['addr add 10.78.0.9/32 dev eth0']);
  runIpBatch(lab.topology.gateway, ['route add 10.78.0.9/32 dev runners0']);
  t.notOk(await askFrom(namespace, '10.78.0.9', gateway4, 53, 500), 'a stranger is not answered');
  t.notOk(await speakFrom(namespace, '10.78.0.9', web), 'nor served');
  const refused = await gateway.findRecord(({ runner }) => runner === '10.78.0.9');
  t.equal(refused?.decision.reason, 'spoofed-source');
  const socket = join(gateway.stateDirectory, 'operator.sock');
  const body = { runner: v4, seconds: 60, reason: 'test' };
  await postAction(socket, '/v1/quarantine', body);
  t.notOk(await speakFrom(namespace, v4, web), 'a quarantined runner is not served');
  const old = childrenOf(gateway.pid, 'worker');
  await postAction(socket, '/v1/upgrade', { reason: 'test' });
  for (
    let tries = 0;
    tries < 100 && childrenOf(gateway.pid, 'worker').some((pid) => old.includes(pid));
    tries++
  )
    await sleep(100);
  t.notOk(await speakFrom(namespace, v4, web), 'nor by the workers of an upgrade');
  await postAction(socket, '/v1/quarantine', { ...body, seconds: 0 });
  t.ok(await speakFrom(namespace, v4, web), 'until it is lifted');
}

t.test(
  'runners that nobody declared: one worker each by the neighbour table, also once IPv6 comes later',
  async (t) => {
    const lab = await open(t, 'gateway', { runners: 12 });
    const sources = lab.topology.runners.map(({ v4, v6 }) => ({ v4, v6 }));
    for (const { namespace, v6 } of lab.topology.runners)
      runIpBatch(namespace, [`addr del ${v6}/64 dev eth0`]);
    await lab.startGateway(policy, { workers: 3, config: { listen: { explicit: 3128 } } });
    const { gateway4 } = lab.topology;
    for (const { namespace, v4 } of lab.topology.runners) t.ok(await askFrom(namespace, v4, gateway4));
    for (const { namespace, v6 } of lab.topology.runners) {
      runIpBatch(namespace, [`addr add ${v6}/64 dev eth0 nodad`, 'route replace ::/0 via fd77::1']);
      await lab.run(['ping', '-6', '-c', '1', '-W', '1', 'fd77::1'], {
        runner: lab.topology.runners.findIndex((one) => one.namespace === namespace),
      });
    }
    await sleep(settleMs);
    const since = new Date().toISOString();
    t.equal(await speakAll(lab, sources, (index) => lab.runner(index).namespace), 84);
    t.same(await split(lab, sources, since), []);
  },
);
