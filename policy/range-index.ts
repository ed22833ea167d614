// Finds the rules whose ranges hold an address, in as many look-ups as ranges of different length exist.

import { unmapAddress, type Cidr } from '../flow/address.ts';

/** By prefix length, then by the network's bits. IPv4 and IPv6 stand apart. */
export interface RangeIndex<V> {
  readonly v4: Map<number, Map<string, V[]>>;
  readonly v6: Map<number, Map<string, V[]>>;
}

export function createRangeIndex<V>(): RangeIndex<V> {
  return { v4: new Map(), v6: new Map() };
}

/** Values are found in the order in which they are added, those of one prefix length together. */
export function addToRangeIndex<V>(index: RangeIndex<V>, { bytes, prefix }: Cidr, value: V): void {
  const family = bytes.length === 4 ? index.v4 : index.v6;
  let networks = family.get(prefix);
  if (networks === undefined) family.set(prefix, (networks = new Map()));
  const key = networkKey(bytes, prefix);
  const values = networks.get(key);
  if (values === undefined) networks.set(key, [value]);
  else values.push(value);
}

/** Every value with a range that holds the address, once; v4-mapped addresses count as IPv4. */
export function findInRangeIndex<V>(index: RangeIndex<V>, address: Uint8Array): Set<V> {
  const bytes = unmapAddress(address);
  const found = new Set<V>();
  for (const [prefix, networks] of bytes.length === 4 ? index.v4 : index.v6)
    for (const value of networks.get(networkKey(bytes, prefix)) ?? []) found.add(value);
  return found;
}

/** The first `prefix` bits as text. */
function networkKey(bytes: Uint8Array, prefix: number): string {
  const whole = prefix >> 3;
  let key = '';
  for (let i = 0; i < whole; i++) key += String.fromCharCode(bytes[i]!);
  const rest = prefix & 7;
  return rest === 0 ? key : key + String.fromCharCode(bytes[whole]! >> (8 - rest));
}
