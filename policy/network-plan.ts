// What a policy comes to at layers 3 and 4: ranges, protocols and ports for the fleet and for each known runner.
// Rules given by host are not in it: the DNS server binds their addresses one by one.

import { formatCidr, type Cidr } from '../flow/address.ts';
import { unattributed, type Attribution } from '../flow/job.ts';
import type { NetworkEntry, NetworkPlan, NetworkSide } from '../flow/network-plan.ts';
import { intersectCidr } from './cidr-set.ts';
import type { Layer, Policy } from './compile.ts';
import type { NetworkRule, PortRange } from './rule.ts';
import { effectivePolicy, type EffectivePolicy } from './scope.ts';

interface Entry {
  readonly to: Cidr;
  readonly protocol: 'tcp' | 'udp' | 'icmp';
  readonly ports: PortRange | null;
  readonly rule: string;
  readonly inspect: boolean;
}

/** The plan for runners whose jobs are known by address; all others get the side of an unattributed flow. */
export function networkPlan(policy: Policy, runners: ReadonlyMap<string, Attribution>): NetworkPlan {
  return {
    revision: policy.revision,
    interceptedPorts: policy.interceptedPorts,
    fleet: sideOf(effectivePolicy(policy, unattributed)),
    runners: Object.fromEntries(
      [...runners].map(([address, attribution]) => [address, sideOf(effectivePolicy(policy, attribution))]),
    ),
    blocklist: policy.blocklist.addresses
      .filter(({ source }) => !source.audit)
      .map(({ cidr }) => formatCidr(cidr)),
  };
}

function sideOf(effective: EffectivePolicy): NetworkSide {
  const groups = effective.groups.map((layers) => entriesOf(layers, isAllow));
  const allowed = groups.reduce((left, right) => intersect(left, right));
  const blocking = entriesOf(effective.blocking, isEnforcedBlock);
  return {
    mode: effective.mode,
    allow: (effective.blocksUnattributed ? [] : allowed).map(toNetworkEntry),
    block: blocking.map(toNetworkEntry),
  };
}

function isAllow(rule: NetworkRule): boolean {
  return !rule.isBlock;
}

// A block rule that says `audit: true` only records; the kernel has nothing to do for it.
function isEnforcedBlock(rule: NetworkRule): boolean {
  return rule.isBlock && !rule.audit;
}

function entriesOf(layers: readonly Layer[], wanted: (rule: NetworkRule) => boolean): readonly Entry[] {
  const rules = layers.flatMap(({ indexes }) => indexes.flatMap(({ byRange }) => byRange)).filter(wanted);
  return rules.flatMap((rule) =>
    rule.to.flatMap((to) =>
      rule.protocols.flatMap((protocol) =>
        portsOf(rule, protocol).map((ports) => ({
          to,
          protocol,
          ports,
          rule: rule.id,
          inspect: rule.inspect,
        })),
      ),
    ),
  );
}

function portsOf(rule: NetworkRule, protocol: Entry['protocol']): readonly (PortRange | null)[] {
  return protocol === 'icmp' || rule.ports === null ? [null] : rule.ports;
}

/** What both lists allow: several exclusive scopes intersect. */
function intersect(left: readonly Entry[], right: readonly Entry[]): readonly Entry[] {
  return left.flatMap((a) =>
    right.flatMap((b) => {
      const to = a.protocol === b.protocol ? intersectCidr(a.to, b.to) : null;
      const ports = intersectPorts(a.ports, b.ports);
      if (to === null || ports === undefined) return [];
      return [{ ...a, to, ports, inspect: a.inspect || b.inspect }];
    }),
  );
}

/** Undefined when the two have no port in common; null stands for every port. */
function intersectPorts(a: PortRange | null, b: PortRange | null): PortRange | null | undefined {
  if (a === null || b === null) return a ?? b;
  const range: PortRange = [Math.max(a[0], b[0]), Math.min(a[1], b[1])];
  return range[0] <= range[1] ? range : undefined;
}

function toNetworkEntry({ to, protocol, ports, rule, inspect }: Entry): NetworkEntry {
  return { to: formatCidr(to), protocol, ports, rule, inspect };
}
