// A worker's view of the steer pool: which addresses it holds is configuration, who has which is asked of the keeper.

import { cidrContains, parseAddress, parseCidr } from './address.ts';
import type { VirtualPort } from './ports.ts';

/** The port over a pool's ranges; null where there is none. */
export function virtualPort(
  pool: readonly string[],
  keeper: Pick<VirtualPort, 'assign' | 'hostOf'>,
): VirtualPort | null {
  const ranges = pool.flatMap((text) => parseCidr(text) ?? []);
  if (ranges.length === 0) return null;
  return {
    contains: (address) => {
      const bytes = parseAddress(address);
      return bytes !== null && ranges.some((range) => cidrContains(range, bytes));
    },
    assign: (host, runner) => keeper.assign(host, runner),
    hostOf: (address) => keeper.hostOf(address),
  };
}
