// Which worker serves which runner, said explicitly where both of its addresses are known: its IPv4 and IPv6 traffic
// then shares one worker's limits and caches. Everybody else goes by the rule set's hash.

import { cidrContains, parseAddress, parseCidr } from '../flow/address.ts';

export interface PinOptions {
  readonly workers: number;
  /** Source ranges of runners; other addresses get no pin. */
  readonly networks: readonly string[];
}

const maxPins = 16_384;

/**
 * Worker by address. `groups` are the addresses of one runner each, the surest first: an address keeps its first.
 * The same runner gets the same worker each time, by its first address.
 */
export function choosePins(
  groups: readonly (readonly string[])[],
  { workers, networks }: PinOptions,
): Map<string, number> {
  const pins = new Map<string, number>();
  if (workers < 2) return pins;
  const ranges = networks.flatMap((text) => parseCidr(text) ?? []);
  const isRunner = (address: string): boolean => {
    const bytes = parseAddress(address);
    return bytes !== null && ranges.some((range) => cidrContains(range, bytes));
  };
  for (const group of groups) {
    const own = [...new Set(group)].filter((address) => isRunner(address) && !pins.has(address)).toSorted();
    const hasBoth = own.some((text) => text.includes(':')) && own.some((text) => !text.includes(':'));
    if (!hasBoth || pins.size + own.length > maxPins) continue;
    const worker = hash(own[0]!) % workers;
    for (const address of own) pins.set(address, worker);
  }
  return pins;
}

// FNV-1a, 32 bits.
function hash(text: string): number {
  let value = 0x811c_9dc5;
  for (const char of text) value = Math.imul(value ^ char.charCodeAt(0), 0x0100_0193) >>> 0;
  return value;
}
