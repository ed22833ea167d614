// Compiled rules: what a line of a policy comes to once patterns, ports and ranges are read.

import type { Cidr } from '../flow/address.ts';
import type { Access, Permission } from '../flow/operation.ts';
import type { HostPattern } from './match-host.ts';
import type { PathPattern } from './match-path.ts';
import type { Token } from './match-sequence.ts';
import type { MethodSet } from './method-set.ts';
import type { PurlPattern } from './match-purl.ts';
import type { SubjectPattern } from './match-subject.ts';

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

/** Which key of the policy a rule on operations stands under. */
export type OperationFamily = 'github' | 'gitlab' | 'images' | 'aws' | 'packages';

/** A rule on what requests mean; its hosts are those on which such requests are made. */
export interface OperationRule extends ActingRule {
  readonly kind: 'operation';
  readonly family: OperationFamily;
  /** Null: the job's own server. */
  readonly servers: readonly string[] | null;
  /** Repositories, projects or images; empty for aws. */
  readonly subjects: readonly SubjectPattern[];
  readonly exceptSubjects: readonly SubjectPattern[];
  /** The highest access that is granted; of a block the lowest that is blocked. */
  readonly access: Access;
  /** Levels that the needs of an operation must keep within; null: not asked. */
  readonly permissions: Permission | null;
  /** Names of operations, or patterns; null: all. */
  readonly operations: readonly Token[] | null;
  /** Mutations that are allowed whatever they touch. */
  readonly mutations: ReadonlySet<string>;
  readonly cloud: CloudTerms | null;
  /** Packages, and the registries where they may be published. */
  readonly packages: PublishTerms | null;
  /** True when a write may be granted without a ref or environment being named. */
  readonly anyRef: boolean;
  /** Opens where its answers send the job. */
  readonly follow: boolean;
}

export interface PublishTerms {
  readonly purls: readonly PurlPattern[];
  readonly registries: readonly string[];
}

/** What a rule on a cloud asks; null: not asked. */
export interface CloudTerms {
  readonly accounts: ReadonlySet<string> | null;
  readonly services: ReadonlySet<string> | null;
  readonly buckets: readonly Token[] | null;
}

export type Rule = HttpRule | OpaqueRule | NetworkRule | NameRule | OperationRule;
export type BlockingRule = HttpRule | NetworkRule | OperationRule;

export function coversPort(ranges: readonly PortRange[] | null, port: number): boolean {
  return ranges === null || ranges.some(([from, to]) => port >= from && port <= to);
}

/** True when the rule speaks of this TCP port. */
export function coversTcp({ protocols, ports }: NetworkRule, port: number): boolean {
  return protocols.includes('tcp') && coversPort(ports, port);
}

export function isBlockRule(rule: Rule): rule is BlockingRule {
  return 'isBlock' in rule && rule.isBlock;
}
