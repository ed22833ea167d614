// Two runners on one worker: while one floods it with whatever costs most, everything that the other asks comes back, and
// the slowest hundredth takes at most three times as long as at rest. `npm run bench -- fairness` tells the exact figures.

import t from 'tap';
import { measureFairness } from '../lab/fairness.ts';
import { median } from '../../bench/measure.ts';

/** In the better of two rounds; and so many milliseconds at least, since the machine has other things to do. */
const bound = { times: 3, leastMs: 400 };

t.setTimeout(120_000);
t.test('one runner at full load, another on the same worker', async (t) => {
  // 8,000 connections and SYNs without an answer are in load.test.ts.
  const names = ['new connections', 'DNS questions', 'large bodies', 'HTTP/2 streams'];
  const { atRest, beside, counts } = await measureFairness({ rounds: 2, windowMs: 900, floods: names });
  for (const [kind, { begun, done, failed }] of Object.entries(counts))
    t.same([done, failed], [begun, {}], `every ${kind} comes back`);
  for (const kind of ['kept', 'fresh', 'dnsUdp']) {
    const restMs = median(atRest.map((times) => times[kind]!.p99Ms));
    const limitMs = Math.max(bound.leastMs, bound.times * restMs);
    for (const [flood, rounds] of Object.entries(beside)) {
      const p99Ms = Math.min(...rounds.map((times) => times[kind]?.p99Ms ?? Number.POSITIVE_INFINITY));
      const [slow, rest] = [p99Ms.toFixed(1), restMs.toFixed(1)];
      t.ok(
        p99Ms <= limitMs,
        `${flood}: ${kind} within ${slow} ms (${rest} at rest, limit ${Math.round(limitMs)})`,
      );
    }
  }
});
