// The watch for tunnels against the names of real builds, and against encoders at several rates. The limits were
// chosen on one list of names and are judged on another.

import t from 'tap';
import { nameFromText, nameLabels } from '../../dns/name.ts';
import { zoneOf } from '../../dns/name-budgets.ts';
import { TunnelWatch } from '../../dns/tunnel.ts';
import { heldOut } from './held-out-names.ts';
import { hourOf, training } from './real-names.ts';
import type { ZoneOfNames } from './real-names.ts';
import { rates, tunnels } from './tunnels.ts';

const types = { A: 1, AAAA: 28, SRV: 33 } as const;
const lists: Readonly<Record<string, readonly ZoneOfNames[]>> = {
  training,
  'held out': heldOut,
  both: [...training, ...heldOut],
};

t.test('an hour of 1 to 120 builds is neither refused nor suspected', (t) => {
  for (const [list, zones] of Object.entries(lists)) {
    for (const jobs of [1, 20, 120]) {
      const watch = new TunnelWatch();
      const odd = hourOf(jobs, zones).filter(({ name, type, atMs }) => {
        const wire = nameFromText(name)!;
        const seen = watch.ask('10.0.0.1', wire, types[type], 1000 + atMs);
        watch.answered('10.0.0.1', wire, type === 'SRV', 120);
        return seen !== 'clear';
      });
      t.strictSame(odd, [], `${list}, ${jobs} jobs`);
    }
  }
  t.end();
});

t.test('builds have zones of 30 bytes a name and random ones: such a limit would name them twice', (t) => {
  for (const zones of [training, heldOut]) {
    const means = [...meansOf(zones)].map(([zone, mean]) => ({ zone, mean }));
    const over = means.filter(({ mean }) => mean > 30).map(({ zone }) => zone);
    t.ok(over.includes('amazonaws.com'), `more than 30: ${over.join(' ')}`);
    const most = Math.max(...means.map(({ mean }) => mean));
    t.ok(most <= 40, `at most ${most.toFixed(1)} bytes`);
  }
  t.end();
});

/** The largest mean of bytes below each zone, from its twentieth name on. */
function meansOf(zones: readonly ZoneOfNames[]): Map<string, number> {
  const seen = new Map<string, Set<string>>();
  const means = new Map<string, number>();
  for (const { name } of hourOf(120, zones)) {
    const wire = nameFromText(name)!;
    const zone = zoneOf(wire);
    const names = seen.get(zone) ?? new Set<string>();
    seen.set(zone, names.add(nameLabels(wire).slice(0, -2).join('')));
    if (names.size < 20) continue;
    const mean = [...names].join('').length / names.size;
    means.set(zone, Math.max(means.get(zone) ?? 0, mean));
  }
  return means;
}

// By hand, from the table of docs/policy.md. Long random names have two signs from the twentieth on and need a third:
// types that carry (the 31st question of a minute), or many (the 101st name of a minute, the 301st of an hour).
// Names under 40 bytes never have more than two, so that their end is the budget. One question a minute makes 58.
// `out`: names that left; up to a tenth fewer may, for those that a closed zone refused in between.
const everyMinute = { evident: 20, out: 58 };
const carriers = {
  '100 a second': { evident: 20, out: 30 },
  // Closed at the 31st of a minute, opened a minute later, until there are 300 of the hour.
  '1 a second': { evident: 20, out: 300 },
  '10 a minute': { evident: 20, out: 300 },
  '1 a minute': everyMinute,
};
const addresses = { ...carriers, '100 a second': { evident: 20, out: 100 } };
const shortNames = {
  '100 a second': { evident: 101, out: 1000 },
  '1 a second': { evident: 301, out: 1000 },
  // 3,500 s hold 583.
  '10 a minute': { evident: 301, out: 583 },
  '1 a minute': { evident: null, out: 58 },
};
const expected = [carriers, carriers, addresses, shortNames];

t.test('encoders are evident and ended where the table of signs says', (t) => {
  for (const [at, tunnel] of tunnels.entries()) {
    for (const [rate, everyMs] of Object.entries(rates)) {
      const watch = new TunnelWatch();
      let [out, evident]: [number, number | null] = [0, null];
      for (let i = 0; i < Math.min(2000, Math.floor(3_500_000 / everyMs)); i++) {
        const name = nameFromText(`${tunnel.encode(i)}.evil.example`)!;
        const seen = watch.ask('10.0.0.1', name, tunnel.types[i % tunnel.types.length]!, 1000 + i * everyMs);
        if (seen !== 'clear') evident ??= i + 1;
        if (seen === 'tunnel' || seen === 'budget') continue;
        out++;
        watch.answered('10.0.0.1', name, false, tunnel.answerBytes);
      }
      const by = expected[at]![rate as keyof typeof carriers]; // one of `rates`
      t.equal(evident, by.evident, `evident: ${tunnel.name}, ${rate}`);
      t.ok(out <= by.out && out >= by.out * 0.9, `${out} of ${by.out}: ${tunnel.name}, ${rate}`);
    }
  }
  t.end();
});
