// Workers are replaced while a runner goes on with all that jobs do: by an upgrade nothing is lost, by a kill only what
// that worker carried, and in both cases every flow that was opened in the records is closed in them.

import { execFile } from 'node:child_process';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import t from 'tap';
import { Lab } from '../lab/lab.ts';
import type { MixedCounts } from '../lab/mixed-load.ts';
import { mixedPolicy, startMixed, startModern } from '../lab/run-mixed.ts';
import { childrenOf } from '../lab/processes.ts';
import { insidePrefix } from '../../netns/gateway-port.ts';
import { makeUserLine } from '../../proxy/proxy-users.ts';

const main = join(import.meta.dirname, '../../main.ts');

/** `sallyport upgrade` on the gateway's machine. */
async function upgrade(lab: Lab): Promise<string> {
  const [program, ...prefix] = insidePrefix(lab.gatewayNamespace);
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', main];
  const command = [...prefix, ...node, 'upgrade', '--state', lab.gateway.stateDirectory];
  return (await promisify(execFile)(program!, command)).stdout;
}

function lost(counts: MixedCounts): Record<string, Record<string, number>> {
  const failed = Object.entries(counts).filter(([, { begun, done }]) => begun !== done);
  return Object.fromEntries(failed.map(([kind, { failed }]) => [kind, failed]));
}

/** Ids that were opened and not closed, connections that are still open now included. */
async function unclosed(lab: Lab): Promise<string[]> {
  const open = new Set<string>();
  const closed = new Set<string>();
  for (const { id, phase } of await lab.gateway.records()) (phase === 'opened' ? open : closed).add(id);
  return [...open.difference(closed)];
}

t.setTimeout(120_000);
t.test('two upgrades under 1,000 requests a second lose nothing', async (t) => {
  const lab = await Lab.open({ runners: 1 });
  const modern = await startModern(lab);
  t.teardown(() => {
    modern.close();
    return lab.close();
  });
  const gateway = await lab.startGateway(mixedPolicy, {
    workers: 2,
    config: { limits: { queriesPerSecond: 1000 } },
  });
  const before = childrenOf(gateway.pid, 'worker');
  const rates = {
    kept: 940,
    fresh: 20,
    blocked: 10,
    uploads: 10,
    passed: 20,
    dnsUdp: 100,
    dnsTcp: 10,
    h2: 50,
  };
  const load = await startMixed(lab, { rates: { ...rates, downloads: 2, webSockets: 3 } });
  await sleep(700);
  t.equal(await upgrade(lab), 'new workers serve; the old ones drain\n');
  const after = childrenOf(gateway.pid, 'worker');
  t.equal(after.filter((pid) => !before.includes(pid)).length, 2, 'two new workers beside the old ones');
  await sleep(1_500);
  t.equal(await upgrade(lab), 'new workers serve; the old ones drain\n');
  await sleep(1_000);
  const counts = await load.stop();
  t.same(lost(counts), {}, JSON.stringify(counts));
  t.ok(counts['kept']!.done > 500, `${counts['kept']!.done} requests over kept connections`);
  t.ok(counts['downloads']!.done >= 2, 'downloads that were under way came whole');
  t.equal(counts['webSockets']!.done, 3, 'WebSockets outlived both upgrades');
  for (let tries = 0; tries < 100 && childrenOf(gateway.pid, 'worker').length > 2; tries++) await sleep(100);
  const last = childrenOf(gateway.pid, 'worker');
  t.equal(last.length, 2, 'what is left are the newest');
  t.equal(last.filter((pid) => after.includes(pid)).length, 0);
  // Closed records are with the system within 100 ms.
  for (let tries = 0; tries < 20 && (await unclosed(lab)).length > 0; tries++) await sleep(100);
  t.same(await unclosed(lab), [], 'opened = closed');
  // Control is replaced last, and says so while it reads the policy.
  const isReady = async () => (await gateway.operator('/ready')).status === 200;
  for (let tries = 0; tries < 100 && !(await isReady().catch(() => false)); tries++) await sleep(100);
  t.ok(await isReady(), 'ready again');
  t.notMatch(gateway.log(), 'a child ended');
});

t.test('an upgrade whose workers cannot start is refused, and the old ones go on', async (t) => {
  const lab = await Lab.open({ runners: 1 });
  t.teardown(() => lab.close());
  const directory = t.testdir({ users: `${await makeUserLine('ci', 'secret')}\n` });
  const usersFile = join(directory, 'users');
  const config = { listen: { explicit: 3128 }, explicit: { usersFile } };
  const gateway = await lab.startGateway(mixedPolicy, { workers: 2, config });
  const before = childrenOf(gateway.pid, 'worker');
  renameSync(usersFile, join(directory, 'gone'));
  await t.rejects(upgrade(lab), /users cannot be read/);
  t.same(childrenOf(gateway.pid, 'worker'), before);
  renameSync(join(directory, 'gone'), usersFile);
  t.equal(await upgrade(lab), 'new workers serve; the old ones drain\n');
});
