// The vocabulary of the kernel rule set: chains of rules with positive matches only, so that two printers (nft,
// iptables) and their tests read one model. build-rules.ts says what the chains hold.

import type { Reason } from '../flow/reason.ts';

export type KernelMode = 'gateway' | 'steer' | 'sidecar';
export type Family = 4 | 6;
export type PortRange = readonly [from: number, to: number];

/** What the rule set needs to know of the machine; policy comes as a NetworkPlan. */
export interface KernelConfig {
  readonly mode: KernelMode;
  /** Name of the nf_tables table; the guard's is this with `_guard`. */
  readonly table: string;
  /** Interfaces towards runners; in sidecar mode container bridges, often none. `br-*` matches by prefix. */
  readonly runnerInterfaces: readonly string[];
  /** Source ranges that runners may have; anything else is spoofed. */
  readonly runnerNetworks: readonly string[];
  /** The gateway's own addresses on the runner side; DNS over UDP is answered from the first of each family. */
  readonly gatewayAddresses: { readonly v4: readonly string[]; readonly v6: readonly string[] };
  /** Steer: ranges whose addresses stand for one name each; nothing of them answers but what is bound. */
  readonly virtualPool: readonly string[];
  /** Load balancers that say by PROXY protocol who speaks; apart from runnerNetworks. */
  readonly proxyPeers: readonly string[];
  readonly externalInterface: string | null;
  /** Hides runners behind the address of the external interface. */
  readonly masquerade: boolean;
  readonly workers: number;
  /** One port per worker, or one for all. */
  readonly workerPorts: readonly number[];
  readonly explicitPort: number | null;
  readonly runnerPort: number;
  readonly operatorPort: number;
  /** Bits that the main table sets on every packet it lets pass from runners. */
  readonly guardMark: number;
  /** Sidecar: users whose own traffic is not intercepted, the workers' first of all. */
  readonly exemptUids: readonly number[];
  /** Seed of the hash that spreads runners over workers. */
  readonly seed: number;
  /** NFLOG group of the block log. */
  readonly logGroup: number;
}

export type Hook =
  'raw' | 'early' | 'nat' | 'input' | 'forward' | 'source-nat' | 'output-raw' | 'output-nat' | 'output';
export type ProtocolName = 'tcp' | 'udp' | 'icmp' | 'icmpv6' | 'igmp';
export type ListName = 'never' | 'blocklist';
export type LiveSetName = 'quarantine' | 'bound' | 'pin';

/** All of a rule's matches must hold; every list means one of them. Nothing is negated. */
export interface Matches {
  readonly family?: Family;
  readonly inputInterfaces?: readonly string[];
  readonly outputInterfaces?: readonly string[];
  readonly sources?: readonly string[];
  readonly destinations?: readonly string[];
  /** Destination in one of the model's address lists, of the rule's family. */
  readonly list?: ListName;
  readonly protocols?: readonly ProtocolName[];
  /** Destination ports; needs protocols tcp or udp. */
  readonly ports?: readonly PortRange[];
  /** Types of ICMP (family 4) or ICMPv6 (family 6). */
  readonly icmpTypes?: readonly number[];
  readonly state?: 'ongoing' | 'invalid';
  /** The connection was redirected by us. */
  readonly isRedirected?: true;
  /** The destination is an address of this machine. */
  readonly isLocal?: true;
  /** The source is not routed back over the interface that the packet came from. */
  readonly isUnrouted?: true;
  /** Source in quarantine, or the whole tuple bound; of the rule's family. */
  readonly set?: 'quarantine' | 'bound';
  readonly uids?: readonly number[];
  readonly perSecond?: number;
}

export type Action =
  | { readonly do: 'accept' }
  /** Ends the hook without the guard's mark: for packets that the guard does not ask about. */
  | { readonly do: 'pass' }
  | { readonly do: 'return' }
  /** Noise that every machine makes (multicast listeners): stopped without a record. */
  | { readonly do: 'ignore' }
  | { readonly do: 'jump' | 'goto'; readonly chain: string }
  /** By source address or range, which do not overlap; sources that are not named fall through. */
  | { readonly do: 'dispatch'; readonly chains: readonly (readonly [source: string, chain: string])[] }
  | { readonly do: 'block'; readonly reason: Reason }
  | { readonly do: 'audit'; readonly reason: Reason }
  | { readonly do: 'allow' }
  /** Explicitly pinned sources, then a hash of the source, to one of the chains. */
  | { readonly do: 'spread'; readonly chains: readonly string[] }
  | { readonly do: 'redirect'; readonly port: number }
  | { readonly do: 'dnat'; readonly address: string; readonly port: number }
  | { readonly do: 'masquerade' };

export interface Rule extends Matches {
  readonly action: Action;
}

export interface Chain {
  readonly name: string;
  /** Where the kernel enters it; absent for chains that others lead to. */
  readonly hook?: Hook;
  readonly rules: readonly Rule[];
}

export interface RuleSet {
  readonly config: KernelConfig;
  readonly chains: readonly Chain[];
  /** Disjoint CIDR texts. */
  readonly lists: Readonly<Record<ListName, Readonly<Record<Family, readonly string[]>>>>;
}

/** Reasons that are blocked without an answer: whoever sent it is not who it says, or is cut off. */
export const silentReasons: ReadonlySet<Reason> = new Set<Reason>(['spoofed-source', 'quarantine']);

/** Family of an address or CIDR text. */
export function familyOf(text: string): Family {
  return text.includes(':') ? 6 : 4;
}
