// The soak (npm run soak) for half a minute: nothing is lost, nothing grows, and nobody but the killed worker's runner notices.

import t from 'tap';
import { soak } from '../soak/soak.ts';

t.setTimeout(120_000);
t.test('mixed traffic, new policies and killed workers: every flow that was opened is closed', async (t) => {
  const { checks, kills, reloads, calm, shaken } = await soak({ seconds: 30, upgrade: false });
  t.ok(kills >= 3 && reloads >= 3, `${kills} kills, ${reloads} new policies`);
  for (const { check, result, bound, isHeld } of checks) t.ok(isHeld, `${check}: ${result} (${bound})`);
  for (const kind of ['kept', 'fresh', 'blocked', 'uploads', 'passed', 'dnsUdp', 'dnsTcp']) {
    t.ok(calm[kind]!.done > 20, `${kind}: ${calm[kind]!.done} of ${calm[kind]!.begun}`);
    t.ok(
      shaken[kind]!.done > 10,
      `${kind} at the killed worker: ${shaken[kind]!.done} of ${shaken[kind]!.begun}`,
    );
  }
});
