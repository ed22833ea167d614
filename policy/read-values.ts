// Reads the small values of a policy (ports, sizes, ranges, lists) and reports what cannot be read.

import { formatCidr, parseCidr, unmapAddress, type Cidr } from '../flow/address.ts';
import { readHostPattern, type HostPattern, type ReadPattern } from './match-host.ts';
import { readPathPattern, type PathPattern } from './match-path.ts';
import type { ProblemList, ValuePath } from './problem-list.ts';
import type { PortRange } from './rule.ts';

/** A value or a list as a list; what the schema check took out is left out. */
export function toList<T>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return [];
  // Array.isArray does not narrow readonly arrays.
  const list = Array.isArray(value) ? (value as readonly T[]) : [value as T];
  return list.filter((item) => item !== undefined);
}

/** Entries with the path of each: `http[3]`, or `http` when a single value stands there. */
export function toEntries<T>(
  value: T | readonly T[] | undefined,
  path: ValuePath,
): readonly (readonly [T, ValuePath])[] {
  if (value === undefined) return [];
  // As in toList.
  const list = Array.isArray(value) ? (value as readonly T[]) : null;
  if (list === null) return [[value as T, path]];
  return list.flatMap((item, index) => (item === undefined ? [] : [[item, [...path, index]] as const]));
}

type Texts = string | readonly string[] | undefined;

function readPatterns<P>(
  texts: Texts,
  path: ValuePath,
  list: ProblemList,
  read: (text: string) => ReadPattern<P>,
): P[] {
  const patterns: P[] = [];
  for (const [text, at] of toEntries<string>(texts, path)) {
    const result = read(text);
    if ('pattern' in result) patterns.push(result.pattern);
    else list.error(at, result.problem, result.remedy);
  }
  return patterns;
}

export function readHosts(texts: Texts, path: ValuePath, list: ProblemList): HostPattern[] {
  return readPatterns(texts, path, list, readHostPattern);
}

export function readPaths(texts: Texts, path: ValuePath, list: ProblemList): PathPattern[] {
  return readPatterns(texts, path, list, readPathPattern);
}

export function readCidrs(texts: Texts, path: ValuePath, list: ProblemList): Cidr[] {
  return readPatterns(texts, path, list, readCidr);
}

function readCidr(text: string): ReadPattern<Cidr> {
  const cidr = parseCidr(text);
  if (cidr !== null) return { pattern: unmapCidr(cidr) };
  const address = parseCidr(text.split('/')[0]!);
  const isLoose = address !== null && /\/\d+$/.test(text);
  return {
    problem: `"${text}" is no address range`,
    remedy: isLoose
      ? 'the bits behind the prefix must be zero'
      : 'write a range such as 192.0.2.0/24 or 2001:db8::/32',
  };
}

function unmapCidr(cidr: Cidr): Cidr {
  const bytes = cidr.prefix >= 96 ? unmapAddress(cidr.bytes) : cidr.bytes;
  return bytes.length === cidr.bytes.length ? cidr : { bytes, prefix: cidr.prefix - 96 };
}

/** Canonical text of ranges, for comparing and printing. */
export function formatCidrs(cidrs: readonly Cidr[]): string[] {
  return cidrs.map(formatCidr);
}

type Ports = number | string | readonly (number | string)[] | undefined;

/** Null when none are given. */
export function readPorts(ports: Ports, path: ValuePath, list: ProblemList): PortRange[] | null {
  if (ports === undefined) return null;
  const ranges: PortRange[] = [];
  for (const [port, at] of toEntries<number | string>(ports, path)) {
    const [from, to] = typeof port === 'number' ? [port, port] : port.split('-').map(Number);
    if (from === undefined || to === undefined || from < 1 || to > 65_535 || from > to) {
      list.error(
        at,
        `"${port}" is no range of ports`,
        'write the smaller port first, for example "8000-8010"',
      );
    } else ranges.push([from, to]);
  }
  return ranges;
}

const units: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
};

/** Bytes of `64KiB` or a number; null when none is given. */
export function readSizeBytes(size: number | string | undefined): number | null {
  if (size === undefined) return null;
  if (typeof size === 'number') return size;
  const unit = size.replace(/^\d+/, '');
  return Number(size.slice(0, size.length - unit.length)) * (units[unit] ?? 1);
}
