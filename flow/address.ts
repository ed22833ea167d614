// IP addresses as bytes: strict parsing, canonical text, CIDR, and which ranges a gateway may never lead to.
// Lenient forms (decimal, hex, octal IPv4) are the business of policy/canonicalise-host, not of this file.

export type AddressClass =
  | 'public'
  | 'private'
  | 'shared'
  | 'loopback'
  | 'link-local'
  | 'metadata'
  | 'multicast'
  | 'unspecified'
  | 'reserved';

/** Strict dotted quad or RFC 4291 text without zone; null when it is neither. */
export function parseAddress(text: string): Uint8Array | null {
  return text.includes(':') ? parseV6(text) : parseV4(text);
}

function parseV4(text: string): Uint8Array | null {
  const bytes = new Uint8Array(4);
  let at = 0;
  let value = -1;
  for (let i = 0; i <= text.length; i++) {
    const code = i === text.length ? 46 : text.charCodeAt(i);
    if (code === 46) {
      if (value < 0 || at > 3) return null;
      bytes[at++] = value;
      value = -1;
    } else if (code >= 48 && code <= 57) {
      // A leading zero reads as octal elsewhere: not accepted here.
      if (value === 0) return null;
      value = (value < 0 ? 0 : value) * 10 + code - 48;
      if (value > 255) return null;
    } else return null;
  }
  return at === 4 ? bytes : null;
}

function parseV6(text: string): Uint8Array | null {
  if (text.length > 45 || !/^[0-9a-fA-F:.]+$/.test(text)) return null;
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const head = parseGroups(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1]!, true) : [];
  if (head === null || tail === null) return null;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 2 ? missing < 2 : missing !== 0) return null;
  return Uint8Array.from([...head, ...Array.from<number>({ length: missing }).fill(0), ...tail]);
}

function parseGroups(text: string, mayEndInV4: boolean): number[] | null {
  if (text === '') return [];
  const groups = text.split(':');
  const bytes: number[] = [];
  for (const [index, group] of groups.entries()) {
    if (group.includes('.')) {
      const v4 = mayEndInV4 && index === groups.length - 1 ? parseV4(group) : null;
      if (v4 === null) return null;
      bytes.push(...v4);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return null;
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 255);
    }
  }
  return bytes;
}

/** Canonical text of 4 or 16 bytes (RFC 5952 for IPv6; v4-mapped addresses are written as IPv4). */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  if (isMapped(bytes)) return formatAddress(bytes.subarray(12));
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8) | bytes[2 * i + 1]!);
  const [start, length] = longestZeroRun(groups);
  const text = (part: number[]) => part.map((group) => group.toString(16)).join(':');
  return length < 2 ? text(groups) : `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

function longestZeroRun(groups: readonly number[]): [start: number, length: number] {
  let best: [number, number] = [0, 0];
  for (let i = 0; i < groups.length; i++) {
    let end = i;
    while (end < groups.length && groups[end] === 0) end++;
    if (end - i > best[1]) best = [i, end - i];
    if (end > i) i = end;
  }
  return best;
}

function isMapped(bytes: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false;
  return bytes[10] === 255 && bytes[11] === 255;
}

/** The address without its v4-mapped wrapping: 4 bytes where it stands for IPv4, else as given. */
export function unmapAddress(bytes: Uint8Array): Uint8Array {
  return bytes.length === 16 && isMapped(bytes) ? bytes.subarray(12) : bytes;
}

export interface Cidr {
  readonly bytes: Uint8Array;
  readonly prefix: number;
}

/** `a.b.c.d/n`, `x::y/n` or a bare address; null when malformed or when bits are set beyond the prefix. */
export function parseCidr(text: string): Cidr | null {
  const slash = text.indexOf('/');
  const bytes = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (bytes === null) return null;
  const bits = bytes.length * 8;
  if (slash < 0) return { bytes, prefix: bits };
  const length = text.slice(slash + 1);
  if (!/^(0|[1-9]\d{0,2})$/.test(length) || Number(length) > bits) return null;
  const prefix = Number(length);
  for (let bit = prefix; bit < bits; bit++) if ((bytes[bit >> 3]! >> (7 - (bit & 7))) & 1) return null;
  return { bytes, prefix };
}

export function formatCidr(cidr: Cidr): string {
  return `${formatAddress(cidr.bytes)}/${cidr.prefix}`;
}

/** True when the address lies in the range; v4-mapped addresses count as IPv4. */
export function cidrContains(cidr: Cidr, address: Uint8Array): boolean {
  const bytes = cidr.bytes.length === 4 ? unmapAddress(address) : address;
  if (bytes.length !== cidr.bytes.length) return false;
  const whole = cidr.prefix >> 3;
  for (let i = 0; i < whole; i++) if (bytes[i] !== cidr.bytes[i]) return false;
  const rest = cidr.prefix & 7;
  return rest === 0 || (bytes[whole]! ^ cidr.bytes[whole]!) >> (8 - rest) === 0;
}

type Row = readonly [cidr: string, AddressClass];
// IANA special-purpose registries (RFC 6890 and successors) and the metadata addresses of the clouds.
const v4Rows: readonly Row[] = [
  ['169.254.169.254/32', 'metadata'],
  ['169.254.170.2/32', 'metadata'],
  ['168.63.129.16/32', 'metadata'],
  ['100.100.100.200/32', 'metadata'],
  ['192.0.0.192/32', 'metadata'],
  ['0.0.0.0/8', 'unspecified'],
  ['10.0.0.0/8', 'private'],
  ['100.64.0.0/10', 'shared'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link-local'],
  ['172.16.0.0/12', 'private'],
  ['192.0.0.0/24', 'reserved'],
  ['192.0.2.0/24', 'private'],
  ['192.168.0.0/16', 'private'],
  ['198.18.0.0/15', 'private'],
  ['198.51.100.0/24', 'private'],
  ['203.0.113.0/24', 'private'],
  ['224.0.0.0/4', 'multicast'],
  ['240.0.0.0/4', 'reserved'],
];
const v6Rows: readonly Row[] = [
  ['fd00:ec2::254/128', 'metadata'],
  ['fd20:ce::254/128', 'metadata'],
  ['::/128', 'unspecified'],
  ['::1/128', 'loopback'],
  ['fe80::/10', 'link-local'],
  ['fec0::/10', 'private'],
  ['fc00::/7', 'private'],
  ['ff00::/8', 'multicast'],
  ['2001::/32', 'reserved'],
  ['2001:db8::/32', 'private'],
  ['100::/64', 'reserved'],
];
const parseRow = ([text, kind]: Row) => ({ cidr: parseCidr(text)!, kind });
const v4Classes = v4Rows.map(parseRow);
const v6Classes = v6Rows.map(parseRow);
const embedded: readonly { cidr: Cidr; at: number }[] = [
  { cidr: parseCidr('::/96')!, at: 12 },
  { cidr: parseCidr('::ffff:0:0/96')!, at: 12 },
  { cidr: parseCidr('64:ff9b::/96')!, at: 12 },
  { cidr: parseCidr('64:ff9b:1::/48')!, at: 12 },
  { cidr: parseCidr('2002::/16')!, at: 2 },
];

const localTranslation = parseCidr('64:ff9b:1::/48')!;

/** What kind of address this is; addresses that embed an IPv4 one (mapped, NAT64, 6to4) are judged by it. */
export function classifyAddress(bytes: Uint8Array): AddressClass {
  if (bytes.length === 4) return v4Classes.find(({ cidr }) => cidrContains(cidr, bytes))?.kind ?? 'public';
  const own = v6Classes.find(({ cidr }) => cidrContains(cidr, bytes));
  if (own) return own.kind;
  const inner = carriedV4(bytes);
  if (inner === null) return 'public';
  const kind = classifyAddress(inner);
  // Where in this range the IPv4 address stands is up to the network (RFC 8215): it may be another one.
  return cidrContains(localTranslation, bytes) && !isNeverClass(kind) ? 'private' : kind;
}

/** The IPv4 address that an IPv6 one carries (mapped, NAT64, 6to4: RFC 4291 2.5.5, 6052, 3056), or null. */
export function carriedV4(bytes: Uint8Array): Uint8Array | null {
  const form = bytes.length === 16 ? embedded.find(({ cidr }) => prefixMatches(cidr, bytes)) : undefined;
  return form === undefined ? null : bytes.subarray(form.at, form.at + 4);
}

function prefixMatches(cidr: Cidr, bytes: Uint8Array): boolean {
  const whole = cidr.prefix >> 3;
  for (let i = 0; i < whole; i++) if (bytes[i] !== cidr.bytes[i]) return false;
  return true;
}

/** Never reachable, whatever a rule says (docs/reference: always enforced). */
export function isNeverClass(kind: AddressClass): boolean {
  return kind !== 'public' && kind !== 'private' && kind !== 'shared';
}

/** Ranges that are never reachable, as text, for the kernel's sets. */
export const neverRanges = {
  ipv4: v4Rows.filter(([, kind]) => isNeverClass(kind)).map(([cidr]) => cidr),
  ipv6: [
    ...v6Rows.filter(([, kind]) => isNeverClass(kind)).map(([cidr]) => cidr),
    '::/96',
    '::ffff:0:0/96',
    '64:ff9b::/96',
    '64:ff9b:1::/48',
    '2002::/16',
  ],
} as const;

/** The /64 of an IPv6 address as canonical text: one machine can take any address of it. Null for anything else. */
export function subnetOf(address: string): string | null {
  const bytes = parseAddress(address);
  if (bytes?.length !== 16) return null;
  return formatAddress(Uint8Array.from(bytes, (byte, at) => (at < 8 ? byte : 0)));
}
