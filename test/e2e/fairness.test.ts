// Two runners on one worker: while one floods it with whatever costs most, the other's requests all come back, and no
// slower by more than an order of magnitude. On a machine of its own the bound is three times (docs/operations.md).

import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { Lab } from '../lab/lab.ts';
import type { MixedCounts, MixedRates } from '../lab/mixed-load.ts';
import { mixedPolicy, startMixed, startModern } from '../lab/run-mixed.ts';

const policy = mixedPolicy.replace('opaque:', '  - {id: wild, host: "*.wild.example.com"}\nopaque:');
const [busy, calm] = [0, 1];
const calmRates: MixedRates = { kept: 15, fresh: 5, dnsUdp: 15 };
const floods: Readonly<Record<string, MixedRates>> = {
  'fresh connections': { fresh: 100 },
  'large bodies': { uploads: 60 },
  'names never seen before': { names: 80 },
  'DNS questions': { dnsUdp: 1_500 },
  'HTTP/2 streams': { h2: 400 },
};
/** Times its own time without a flood, and at least so many milliseconds: other programs run here too. */
const bound = { times: 10, leastMs: 500 };

t.setTimeout(120_000);
t.test('one runner at full load, another on the same worker', async (t) => {
  const lab = await Lab.open({ runners: 2 });
  const modern = await startModern(lab);
  t.teardown(() => {
    modern.close();
    return lab.close();
  });
  await lab.startGateway(policy, { workers: 1 });
  const measure = async (ms: number): Promise<MixedCounts> => {
    const load = await startMixed(lab, { rates: calmRates, connections: 4 }, calm);
    await sleep(ms);
    return load.stop();
  };
  await measure(300);
  const before = await measure(1_500);
  for (const [what, rates] of Object.entries(floods)) {
    const flood = await startMixed(lab, { rates, connections: 200 }, busy);
    const counts = await measure(1_500);
    // What it still waits for is of no interest.
    await flood.kill();
    for (const [kind, { begun, done, failed, p50Ms }] of Object.entries(counts)) {
      t.same([done, failed], [begun, {}], `${what}: every ${kind} comes back`);
      const limitMs = Math.max(bound.leastMs, bound.times * before[kind]!.p50Ms);
      t.ok(
        p50Ms <= limitMs,
        `${what}: half of ${kind} within ${Math.round(p50Ms)} of ${Math.round(limitMs)} ms`,
      );
    }
  }
});
