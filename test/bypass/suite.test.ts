// Every attempt of the list on real packets: once without a gateway, where it must arrive, then in each variant,
// where it must not and must be recorded.

import t from 'tap';
import { openControlLab } from '../lab/expect.ts';
import { Lab, type LabMode } from '../lab/lab.ts';
import { allAttempts } from './all-attempts.ts';
import { expectControl, expectHeld, type Variant } from './bypass.ts';
import { suitePolicy } from './suite-policy.ts';

const variants: Readonly<
  Record<Variant, { readonly mode: LabMode; readonly backend: 'nftables' | 'iptables' }>
> = {
  'gateway-nft': { mode: 'gateway', backend: 'nftables' },
  'gateway-iptables': { mode: 'gateway', backend: 'iptables' },
  'steer-nft': { mode: 'steer', backend: 'nftables' },
  'sidecar-nft': { mode: 'sidecar', backend: 'nftables' },
};
const only = process.env['BYPASS_VARIANT'];

t.setTimeout(300_000);

t.test('without a gateway', async (t) => {
  const lab = await openControlLab(2);
  t.teardown(() => lab.close());
  await expectControl(t, lab, allAttempts);
});

for (const [name, { mode, backend }] of Object.entries(variants)) {
  if (only !== undefined && only !== name) continue;
  t.test(name, async (t) => {
    // In steer mode the runners get a route through the gateway all the same: as if the fence outside had a hole.
    const lab = await Lab.open({ mode, runners: mode === 'sidecar' ? 1 : 2, isRouted: true });
    t.teardown(() => lab.close());
    await lab.startGateway(suitePolicy, { config: { kernel: { backend } } });
    // The keys of `variants` are the variants.
    await expectHeld(t, lab, allAttempts, name as Variant);
  });
}
