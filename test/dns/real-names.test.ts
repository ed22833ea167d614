// The watch for tunnels against the names of real builds, and against encoders at several rates.

import t from 'tap';
import { nameFromText } from '../../dns/name.ts';
import { TunnelWatch } from '../../dns/tunnel.ts';
import { hourOf } from './real-names.ts';
import { rates, tunnels } from './tunnels.ts';

const types = { A: 1, AAAA: 28, SRV: 33 } as const;

t.test('an hour of 1 to 120 builds is neither refused nor suspected', (t) => {
  for (const jobs of [1, 20, 120]) {
    const watch = new TunnelWatch();
    const odd = hourOf(jobs).filter(({ name, type, atMs }) => {
      const wire = nameFromText(name)!;
      const seen = watch.ask('10.0.0.1', wire, types[type], 1000 + atMs);
      watch.answered('10.0.0.1', wire, type === 'SRV', 120);
      return seen !== 'clear';
    });
    t.strictSame(odd, [], `${jobs} jobs`);
  }
  t.end();
});

t.test('encoders are evident from the twentieth name on, and ended at 30 to 300', (t) => {
  const letOut = [30, 295, 300, 58, 30, 295, 300, 58, 100, 300, 300, 58];
  const found = tunnels.flatMap((tunnel) =>
    Object.values(rates).map((everyMs) => {
      const watch = new TunnelWatch();
      let count = 0;
      for (let i = 0; i < Math.min(2000, Math.floor(3_500_000 / everyMs)); i++) {
        const name = nameFromText(`${tunnel.encode(i)}.evil.example`)!;
        const seen = watch.ask('10.0.0.1', name, tunnel.types[i % tunnel.types.length]!, 1000 + i * everyMs);
        if (i === 19) t.equal(seen, 'suspect', tunnel.name);
        if (seen === 'tunnel' || seen === 'budget') continue;
        count++;
        watch.answered('10.0.0.1', name, false, tunnel.answerBytes);
      }
      return count;
    }),
  );
  t.strictSame(found, letOut);
  t.end();
});
