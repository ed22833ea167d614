// Every attempt of the list on real packets: once without a gateway, where it must arrive, then in each variant,
// where it must not and must be recorded.

import t from 'tap';
import { explicitPort } from '../lab/gateway.ts';
import { openControlLab } from '../lab/expect.ts';
import { Lab, type LabMode } from '../lab/lab.ts';
import { allAttempts } from './all-attempts.ts';
import { expectControl, expectHeld, variants, type Variant } from './bypass.ts';
import { findGaps, titledIds } from './coverage.ts';
import { openProxy } from './open-proxy.ts';
import { suitePolicy } from './suite-policy.ts';

const places: Readonly<
  Record<Variant, { readonly mode: LabMode; readonly backend: 'nftables' | 'iptables' }>
> = {
  'gateway-nft': { mode: 'gateway', backend: 'nftables' },
  'gateway-iptables': { mode: 'gateway', backend: 'iptables' },
  'steer-nft': { mode: 'steer', backend: 'nftables' },
  'sidecar-nft': { mode: 'sidecar', backend: 'nftables' },
};
const only = process.env['BYPASS_VARIANT'];

t.setTimeout(300_000);
// Most of an attempt is waiting, and labs do not touch each other.
t.jobs = 2;

t.test('a bypass without a test, and a test of none, are noticed', async (t) => {
  const quote = '`';
  const titles = titledIds(
    `t.test(${quote}[a-one] [a-two] both${quote}, run); t.test(${quote}[a-three] of it${quote}); list[a-four]`,
    'x',
  );
  t.same(
    titles.map(({ id }) => id),
    ['a-one', 'a-two', 'a-three'],
  );
  const nowhere = { 'gateway-nft': '', 'gateway-iptables': '', 'steer-nft': '', 'sidecar-nft': '' };
  t.same(
    findGaps(['a-one', 'a-two', 'a-five'], [{ id: 'a-five', notIn: nowhere }, { id: 'a-six' }], titles),
    [
      'an attempt names the unknown id a-six',
      'x names the unknown id a-three in a title',
      'an attempt of a-five is made in no variant',
    ],
  );
  t.same(findGaps(['a-one', 'a-two', 'a-three', 'a-four'], [], titles), ['a-four has no test']);
});

t.test('without a gateway', { buffered: true }, async (t) => {
  const lab = await openControlLab(2);
  t.teardown(() => lab.close());
  const proxy = openProxy(lab);
  t.teardown(() => proxy.close());
  await expectControl(t, lab, allAttempts);
});

for (const variant of variants) {
  if (only !== undefined && only !== variant) continue;
  t.test(variant, { buffered: true }, async (t) => {
    const { mode, backend } = places[variant];
    // In steer mode the runners get a route through the gateway all the same: as if the fence outside had a hole.
    const lab = await Lab.open({ mode, runners: mode === 'sidecar' ? 1 : 2, isRouted: true });
    t.teardown(() => lab.close());
    await lab.startGateway(suitePolicy, {
      config: { kernel: { backend }, listen: { explicit: explicitPort } },
    });
    await expectHeld(t, lab, allAttempts, variant);
  });
}
