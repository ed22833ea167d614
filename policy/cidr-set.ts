// Arithmetic of address ranges: what two lists share, and what remains of one without another.

import { cidrContains, type Cidr } from '../flow/address.ts';

/** The ranges that lie in both lists; two ranges either nest or are apart. */
export function intersectCidrs(a: readonly Cidr[], b: readonly Cidr[]): Cidr[] {
  return a.flatMap((left) => b.flatMap((right) => intersectCidr(left, right) ?? []));
}

export function intersectCidr(a: Cidr, b: Cidr): Cidr | null {
  const [wide, narrow] = a.prefix <= b.prefix ? [a, b] : [b, a];
  return a.bytes.length === b.bytes.length && cidrContains(wide, narrow.bytes) ? narrow : null;
}

/** What remains of `ranges` without `holes`. */
export function subtractCidrs(ranges: readonly Cidr[], holes: readonly Cidr[]): readonly Cidr[] {
  return holes.reduce<readonly Cidr[]>(
    (rest, hole) => rest.flatMap((range) => subtractCidr(range, hole)),
    ranges,
  );
}

function subtractCidr(range: Cidr, hole: Cidr): readonly Cidr[] {
  if (intersectCidr(range, hole) === null) return [range];
  const rest: Cidr[] = [];
  for (let prefix = range.prefix + 1; prefix <= hole.prefix; prefix++) {
    rest.push({ bytes: flipBit(hole.bytes, prefix - 1), prefix });
  }
  return rest;
}

/** The sibling half: bits up to `bit`, that one turned over, zeros behind. */
function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const flipped = Uint8Array.from(bytes);
  const at = bit >> 3;
  const mask = 0x80 >> (bit & 7);
  flipped[at] = (flipped[at]! ^ mask) & ~(mask - 1);
  flipped.fill(0, at + 1);
  return flipped;
}
