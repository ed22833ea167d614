// Compiled rules: what a line of a policy comes to once patterns, ports and ranges are read.

import type { Cidr } from '../flow/address.ts';
import type { HostPattern } from './match-host.ts';
import type { PathPattern } from './match-path.ts';
import type { MethodSet } from './method-set.ts';

export type PortRange = readonly [from: number, to: number];
export type Scheme = 'http' | 'https';

/** Where an `http` or `opaque` rule applies. */
export interface Endpoint {
  readonly scheme: Scheme;
  readonly ports: readonly PortRange[];
}

interface RuleBase {
  readonly id: string;
  readonly hosts: readonly HostPattern[];
  readonly exceptHosts: readonly HostPattern[];
  /** Place in the policy: the first of several matching rules gives its id to the decision. */
  readonly order: number;
}

/** Rules that allow or block; `audit` is true for a block that only records. */
interface ActingRule extends RuleBase {
  readonly isBlock: boolean;
  readonly audit: boolean;
  readonly addresses: readonly Cidr[];
}

export interface HttpRule extends ActingRule {
  readonly kind: 'http';
  /** Null: every scheme and port (a block that names neither). */
  readonly endpoints: readonly Endpoint[] | null;
  readonly methods: MethodSet;
  /** Null: every path. */
  readonly paths: readonly PathPattern[] | null;
  readonly exceptPaths: readonly PathPattern[];
  readonly websocket: boolean;
  readonly follow: boolean;
  readonly maxUploadBytes: number | null;
}

export interface OpaqueRule extends RuleBase {
  readonly kind: 'opaque';
  readonly endpoints: readonly Endpoint[];
  readonly addresses: readonly Cidr[];
}

export interface NetworkRule extends ActingRule {
  readonly kind: 'network';
  /** Ranges; empty when the rule is given by host. Exceptions are already taken out. */
  readonly to: readonly Cidr[];
  readonly protocols: readonly ('tcp' | 'udp' | 'icmp')[];
  /** Null: every port. */
  readonly ports: readonly PortRange[] | null;
  readonly inspect: boolean;
  readonly direct: boolean;
}

export interface NameRule extends RuleBase {
  readonly kind: 'name';
}

export type Rule = HttpRule | OpaqueRule | NetworkRule | NameRule;

export function coversPort(ranges: readonly PortRange[] | null, port: number): boolean {
  return ranges === null || ranges.some(([from, to]) => port >= from && port <= to);
}

/** True when the rule speaks of this TCP port. */
export function coversTcp({ protocols, ports }: NetworkRule, port: number): boolean {
  return protocols.includes('tcp') && coversPort(ports, port);
}

export function isBlockRule(rule: Rule): rule is HttpRule | NetworkRule {
  return (rule.kind === 'http' || rule.kind === 'network') && rule.isBlock;
}
