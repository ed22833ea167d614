// Names that are answered here and never go upstream: the gateway's own, the canaries of clients that would switch
// to encrypted DNS, and the names that mean something on one machine or network only (RFC 6303, 6761, 6762,
// 7686, 8375, 9462).

export type LocalName = 'own' | 'loopback' | 'absent' | 'empty';

const absentNames: ReadonlySet<string> = new Set(['use-application-dns.net']);
const emptyNames: ReadonlySet<string> = new Set(['resolver.arpa', 'mask.icloud.com', 'mask-h2.icloud.com']);
/** Never resolvable by DNS, whatever is configured. */
const absentZones = ['onion', 'invalid'];
/** Local by convention: absent unless a rule or a forward zone names them. */
const localZones = ['local', 'test', 'home.arpa'];
const privateReverseZones = [
  '0.in-addr.arpa',
  '10.in-addr.arpa',
  '127.in-addr.arpa',
  '254.169.in-addr.arpa',
  '168.192.in-addr.arpa',
  ...Array.from({ length: 16 }, (_, i) => `${16 + i}.172.in-addr.arpa`),
  ...Array.from({ length: 64 }, (_, i) => `${64 + i}.100.in-addr.arpa`),
  'c.f.ip6.arpa',
  'd.f.ip6.arpa',
  '8.e.f.ip6.arpa',
  '9.e.f.ip6.arpa',
  'a.e.f.ip6.arpa',
  'b.e.f.ip6.arpa',
  '0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa',
];

/** True when the canonical name is the zone or lies under it. */
export function isUnder(name: string, zone: string): boolean {
  return name === zone || (name.endsWith(zone) && name.charCodeAt(name.length - zone.length - 1) === 46);
}

/**
 * How a canonical name is answered here, or null when it goes the usual way. `isListed`: a rule allows it or a
 * forward zone covers it.
 */
export function findLocalName(
  name: string,
  ownNames: ReadonlySet<string>,
  isListed: boolean,
): LocalName | null {
  if (ownNames.has(name)) return 'own';
  if (isUnder(name, 'localhost')) return 'loopback';
  if (absentNames.has(name) || absentZones.some((zone) => isUnder(name, zone))) return 'absent';
  if (emptyNames.has(name) || name.endsWith('.resolver.arpa')) return 'empty';
  if (isListed) return null;
  if (localZones.some((zone) => isUnder(name, zone))) return 'absent';
  if (name.endsWith('.arpa') && privateReverseZones.some((zone) => isUnder(name, zone))) return 'absent';
  return null;
}
