// Numbers of the DNS protocol that this folder speaks (IANA DNS parameters): types, response codes, EDE codes.

export const type = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  NULL: 10,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  DNAME: 39,
  OPT: 41,
  DS: 43,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  NSEC3: 50,
  SVCB: 64,
  HTTPS: 65,
  IXFR: 251,
  AXFR: 252,
  MAILB: 253,
  MAILA: 254,
  ANY: 255,
  CAA: 257,
} as const;

export const rcode = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  BADVERS: 16,
} as const;

/** Extended DNS error codes (RFC 8914). */
export const ede = { stale: 3, blocked: 15, noReachableAuthority: 22, networkError: 23 } as const;

/** Largest UDP answer: 1280 - 40 - 8, so that no path fragments it. */
export const maxUdpBytes = 1232;

const typeNames = new Map<number, string>(Object.entries(type).map(([name, code]) => [code, name]));
const rcodeNames = new Map<number, string>(Object.entries(rcode).map(([name, code]) => [code, name]));

/** `A`, or `TYPE1234` for a type without a name here (RFC 3597). */
export function typeName(code: number): string {
  return typeNames.get(code) ?? `TYPE${code}`;
}

/** `NOERROR`, or `RCODE11` for a code without a name here. */
export function rcodeName(code: number): string {
  return rcodeNames.get(code) ?? `RCODE${code}`;
}

const forwarded: ReadonlySet<number> = new Set([
  type.A,
  type.AAAA,
  type.CNAME,
  type.TXT,
  type.MX,
  type.SRV,
  type.CAA,
  type.SOA,
  type.NS,
  type.DS,
  type.DNSKEY,
  type.PTR,
]);

/**
 * What becomes of a question of this type about an allowed name. HTTPS and SVCB are `empty`, so that clients
 * fall back to A and AAAA and no ECH key or address hint passes (see svcb.ts).
 */
export function treatType(code: number): 'forward' | 'empty' | 'not-implemented' | 'refused' {
  if (forwarded.has(code)) return 'forward';
  if (code >= type.IXFR && code <= type.MAILA) return 'refused';
  // Types 128 to 255 are questions and metadata, from 65280 on private use: carriers, never data of a host.
  if (
    code === 0 ||
    code === type.NULL ||
    code === type.OPT ||
    (code >= 128 && code <= 255) ||
    code >= 65280
  ) {
    return 'not-implemented';
  }
  return 'empty';
}
