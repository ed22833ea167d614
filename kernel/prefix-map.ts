// Values by address range, found by an address in time that does not grow with their number: one look-up per prefix
// length that occurs. IPv4 and IPv6 are kept apart, as the kernel's rules keep them.

import { parseCidr } from '../flow/address.ts';

type Key = number | string;

export class PrefixMap<T> {
  /** By family (bytes of an address) and prefix length, the longest first. */
  readonly #lengths: Readonly<Record<4 | 16, { prefix: number; values: Map<Key, T[]> }[]>> = {
    4: [],
    16: [],
  };

  /** Texts that are no range are left out. */
  add(range: string, value: T): void {
    const cidr = parseCidr(range);
    if (cidr === null) return;
    const lengths = this.#lengths[cidr.bytes.length === 4 ? 4 : 16];
    let length = lengths.find(({ prefix }) => prefix === cidr.prefix);
    if (length === undefined) {
      length = { prefix: cidr.prefix, values: new Map() };
      lengths.push(length);
      lengths.sort((a, b) => b.prefix - a.prefix);
    }
    const key = keyOf(cidr.bytes, cidr.prefix);
    const values = length.values.get(key);
    if (values === undefined) length.values.set(key, [value]);
    else values.push(value);
  }

  /** Values of every range that holds the address, the narrowest range first. */
  *find(address: Uint8Array): Generator<T> {
    for (const { prefix, values } of this.#lengths[address.length === 4 ? 4 : 16]) {
      yield* values.get(keyOf(address, prefix)) ?? [];
    }
  }

  /** The value of the narrowest range that holds the address. */
  first(address: Uint8Array): T | undefined {
    for (const value of this.find(address)) return value;
    return undefined;
  }
}

function keyOf(bytes: Uint8Array, prefix: number): Key {
  if (bytes.length === 4) {
    const value = ((bytes[0]! << 24) | (bytes[1]! << 16) | (bytes[2]! << 8) | bytes[3]!) >>> 0;
    return prefix === 0 ? 0 : value >>> (32 - prefix);
  }
  const whole = prefix >> 3;
  const rest = prefix & 7;
  let key = '';
  for (let i = 0; i < whole; i++) key += String.fromCharCode(bytes[i]!);
  return rest === 0 ? key : key + String.fromCharCode(bytes[whole]! >> (8 - rest));
}
