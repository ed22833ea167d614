// Chooses addresses for the link between a runner's namespace and the gateway that collide with nothing the
// host knows: a /30 out of 10.0.0.0/8 and a /126 out of a random ULA prefix (RFC 4193).

import { cidrContains, formatAddress, parseCidr, type Cidr } from '../flow/address.ts';
import { SallyportError } from '../flow/errors.ts';
import { runIp } from './ip.ts';

/** Addresses without prefix, networks with it. */
export interface LinkAddresses {
  readonly network4: string;
  readonly gateway4: string;
  readonly runner4: string;
  readonly network6: string;
  readonly gateway6: string;
  readonly runner6: string;
}

/** Networks and addresses in use here, as text: routes of every table and interface addresses. @throws SallyportError */
export function readTaken(): string[] {
  const rows = [
    ...readRows(['-4', 'route', 'show', 'table', 'all']),
    ...readRows(['-6', 'route', 'show', 'table', 'all']),
  ];
  return rows.flatMap((row) =>
    typeof row['dst'] === 'string' && row['dst'] !== 'default' ? [row['dst']] : [],
  );
}

function readRows(args: readonly string[]): Record<string, unknown>[] {
  const text = runIp(['-j', ...args]).trim();
  // `ip -j route` prints an array of objects, and nothing at all when there is no route.
  return text === '' ? [] : (JSON.parse(text) as Record<string, unknown>[]);
}

/** Chooses a link that overlaps none of `taken`; `seed` spreads runs that start together. @throws SallyportError kernel */
export function chooseLink(taken: readonly string[], seed: number): LinkAddresses {
  const ranges = taken.map(parseCidr).filter((range) => range !== null);
  const v4 = firstFree(ranges, 4, 30, 4096, (attempt) => {
    // 10.64.0.0/10 in steps of one /30; 40503 is odd, so that every one is met in the end.
    const index = Math.imul(seed + attempt, 40503) & 0xf_ffff;
    return Uint8Array.of(10, 64 | (index >> 14), (index >> 6) & 255, (index << 2) & 255);
  });
  const v6 = firstFree(ranges, 16, 126, 4096, (attempt) => {
    const bytes = new Uint8Array(16);
    bytes[0] = 0xfd;
    new DataView(bytes.buffer).setUint32(1, Math.imul(seed + attempt + 1, 0x9e37_79b1) >>> 0);
    return bytes;
  });
  return {
    network4: `${formatAddress(v4)}/30`,
    gateway4: nth(v4, 1),
    runner4: nth(v4, 2),
    network6: `${formatAddress(v6)}/126`,
    gateway6: nth(v6, 1),
    runner6: nth(v6, 2),
  };
}

function firstFree(
  ranges: readonly Cidr[],
  length: number,
  prefix: number,
  attempts: number,
  candidate: (attempt: number) => Uint8Array,
): Uint8Array {
  const sameFamily = ranges.filter((range) => range.bytes.length === length && range.prefix > 0);
  for (let attempt = 0; attempt < attempts; attempt++) {
    const bytes = candidate(attempt);
    const own: Cidr = { bytes, prefix };
    const isTaken = sameFamily.some((range) => cidrContains(range, bytes) || cidrContains(own, range.bytes));
    if (!isTaken) return bytes;
  }
  throw new SallyportError('kernel', 'every candidate network for the runner is in use on this host');
}

function nth(network: Uint8Array, offset: number): string {
  const bytes = Uint8Array.from(network);
  bytes[bytes.length - 1]! |= offset;
  return formatAddress(bytes);
}

/** The interface of the default route, or null without one. @throws SallyportError */
export function defaultInterface(family: 4 | 6): string | null {
  const row = readRows([`-${family}`, 'route', 'show', 'default'])[0];
  return typeof row?.['dev'] === 'string' ? row['dev'] : null;
}
