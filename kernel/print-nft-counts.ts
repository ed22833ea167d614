// Exact counts of what is blocked, audited and allowed, inside nf_tables: two pairs of sets that take turns, so that
// one can be read at rest, and a share of new keys per runner, so that none can crowd out another.

import type { KernelConfig } from './rule-model.ts';

export type Half = 'a' | 'b';
/** What becomes of a counted packet; each has sets of its own, so that a key that first passed and is then blocked counts as both. */
export const ends = ['refuse', 'silence', 'pass'] as const;
export type End = (typeof ends)[number];
const halves: readonly Half[] = ['a', 'b'];
const families = [4, 6] as const;

/** The chains that the keeper points at one half or the other. */
export const turningChains: readonly string[] = ends.map((end) => `count-${end}`);

/** Name of a counting set. */
export function countSetName(kind: 'seen' | 'other' | 'over', family: 4 | 6, half: Half, end: End): string {
  return `${kind}${family}${half}_${end}`;
}

/** Sets of the counts, without the table's name. */
export function countSets(config: KernelConfig): string[] {
  return ends.flatMap((end) => {
    const counts = families.flatMap((family) => {
      const address = `ipv${family}_addr`;
      return halves.flatMap((half) => {
        const name = (kind: 'seen' | 'other' | 'over'): string => countSetName(kind, family, half, end);
        return [
          `set ${name('seen')} { type ${address} . ${address} . inet_proto . inet_service; size 65536; flags dynamic; }`,
          `set ${name('other')} { type ${address} . ${address} . inet_proto; size 16384; flags dynamic; }`,
          `set ${name('over')} { type ${address}; size 16384; flags dynamic; }`,
        ];
      });
    });
    return [
      ...counts,
      `set share4_${end} { type ipv4_addr; size 65536; flags dynamic,timeout; timeout 1m; }`,
      `set share6_${end} { type ${shareKey(config).type}; size 65536; flags dynamic,timeout; timeout 1m; }`,
    ];
  });
}

// A runner has 2^64 IPv6 addresses at will but one link-layer address; in a sidecar there is only one runner.
function shareKey(config: KernelConfig): { readonly type: string; readonly text: string } {
  return config.mode === 'sidecar'
    ? { type: 'ipv6_addr', text: 'ip6 saddr' }
    : { type: 'ether_addr', text: 'ether saddr' };
}

/** Names of the counting chains. */
export function countChains(): { readonly name: string }[] {
  return ends.flatMap((end) => [
    { name: `count-${end}` },
    ...halves.map((half) => ({ name: `count-${end}-${half}` })),
  ]);
}

/**
 * Rules of the counting chains. They return for the first packet of a key in a window, which the caller then logs,
 * and end all others at once.
 */
export function countLines(config: KernelConfig): string[] {
  const add = (chain: string, text: string): string => `add rule inet ${config.table} ${chain} ${text}`;
  return ends.flatMap((end) => [
    add(`count-${end}`, `goto count-${end}-a`),
    ...halves.flatMap((half) =>
      halfLines(config, end, half).map((line) => add(`count-${end}-${half}`, line)),
    ),
  ]);
}

function halfLines(config: KernelConfig, end: End, half: Half): string[] {
  return [
    ...families.flatMap((family) => {
      const name = (kind: 'seen' | 'other' | 'over'): string => countSetName(kind, family, half, end);
      const ip = family === 4 ? 'ip' : 'ip6';
      const addresses = `${ip} saddr . ${ip} daddr . meta l4proto`;
      const share = `update @share${family}_${end} { ${family === 4 ? 'ip saddr' : shareKey(config).text} limit rate 100/second burst 400 packets }`;
      // Without the test of the protocol `th dport` would read an ICMP checksum.
      const ported = `meta nfproto ipv${family} meta l4proto { tcp, udp }`;
      const portless = `meta nfproto ipv${family} meta l4proto != { tcp, udp }`;
      const key = `${addresses} . th dport`;
      return [
        `${ported} ${key} @${name('seen')} goto ${end}`,
        `${ported} ${share} add @${name('seen')} { ${key} counter } return`,
        `${portless} ${addresses} @${name('other')} goto ${end}`,
        `${portless} ${share} add @${name('other')} { ${addresses} counter } return`,
        `meta nfproto ipv${family} update @${name('over')} { ${ip} saddr counter } goto ${end}`,
      ];
    }),
    'counter comment "counted nowhere else"',
    `goto ${end}`,
  ];
}
