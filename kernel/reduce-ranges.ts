// Makes lists of CIDR ranges disjoint and splits them by family: neither nf_tables' interval sets nor ipset
// take a range inside another.

import { parseAddress } from '../flow/address.ts';
import { SallyportError } from '../flow/errors.ts';
import { familyOf, type Family } from './rule-model.ts';

interface Range {
  readonly text: string;
  readonly start: bigint;
  readonly end: bigint;
}

/** The ranges of one family, without those inside another; order by address. @throws SallyportError kernel */
export function reduceRanges(texts: readonly string[], family: Family): string[] {
  const ranges = texts.filter((text) => familyOf(text) === family).map((text) => parseRange(text, family));
  ranges.sort((a, b) => (a.start === b.start ? compare(b.end, a.end) : compare(a.start, b.start)));
  const kept: Range[] = [];
  for (const range of ranges) {
    const last = kept.at(-1);
    if (last === undefined || range.start > last.end) kept.push(range);
  }
  return kept.map(({ text }) => text);
}

// Read as the family that the text is written in: `::ffff:0:0/96` is a range of IPv6 here, not all of IPv4.
function parseRange(text: string, family: Family): Range {
  const [address = '', length] = text.split('/');
  const bytes = parseAddress(address);
  const bits = family === 4 ? 32 : 128;
  const prefix = length === undefined ? bits : Number(length);
  if (
    bytes === null ||
    bytes.length * 8 !== bits ||
    !Number.isInteger(prefix) ||
    prefix < 0 ||
    prefix > bits
  ) {
    throw new SallyportError('kernel', `${text} is no range of IPv${family}`);
  }
  const value = BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
  const size = 1n << BigInt(bits - prefix);
  if (value % size !== 0n) throw new SallyportError('kernel', `${text} has bits beyond its prefix`);
  return { text: prefix === bits ? address : text, start: value, end: value + size - 1n };
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
