// What policy comes to at layers 3 and 4, for the kernel's rule set: ranges and ports for each runner.
// Names are not in it: addresses that a name led to are bound one by one when DNS answers.

import { formatCidr } from '../flow/address.ts';
import { unattributed, type Attribution } from '../flow/job.ts';
import type { NetworkEntry, NetworkPlan, NetworkSide } from '../flow/network-plan.ts';
import { intersectCidr } from './cidr-set.ts';
import type { Layer, Policy } from './compile.ts';
import type { NetworkRule, PortRange } from './rule.ts';
import { effectivePolicy, type EffectivePolicy } from './scope.ts';

/**
 * The plan for the runners whose attribution is known; all others get the fleet's side. Addresses of `live`, which lie in
 * none of the `runners`' ranges, stand in it only where their side is another one: jobs come and go.
 */
export function networkPlan(
  policy: Policy,
  runners: ReadonlyMap<string, Attribution>,
  live: ReadonlyMap<string, Attribution> = new Map(),
): NetworkPlan {
  const sides: Record<string, NetworkSide> = {};
  const sideOf = planOnce();
  const fleet = sideOf(effectivePolicy(policy, unattributed));
  for (const [address, attribution] of runners)
    sides[address] = sideOf(effectivePolicy(policy, attribution)).side;
  for (const [address, attribution] of live) {
    const { side, text } = sideOf(effectivePolicy(policy, attribution));
    if (text !== fleet.text) sides[address] = side;
  }
  const listed = policy.blocklist.addresses.filter(({ source }) => !source.audit);
  return {
    revision: policy.revision,
    interceptedPorts: policy.interceptedPorts,
    fleet: fleet.side,
    runners: sides,
    blocklist: [...new Set(listed.map(({ cidr }) => formatCidr(cidr)))],
  };
}

/** Jobs to which the same scopes apply have one side. */
function planOnce(): (effective: EffectivePolicy) => { readonly side: NetworkSide; readonly text: string } {
  const known = new Map<EffectivePolicy, { readonly side: NetworkSide; readonly text: string }>();
  return (effective) => {
    let found = known.get(effective);
    if (found === undefined) {
      const side = planSide(effective);
      known.set(effective, (found = { side, text: JSON.stringify(side) }));
    }
    return found;
  };
}

function planSide(effective: EffectivePolicy): NetworkSide {
  const isGrant = (rule: NetworkRule) => !rule.isBlock;
  const groups = effective.groups.map((layers) => toPieces(layers, isGrant));
  const allow = effective.blocksUnattributed ? [] : groups.reduce(intersectPieces);
  // The kernel has no third way between blocking and passing: a block that only records is left to the records of DNS.
  const block = toPieces(effective.blocking, (rule) => rule.isBlock && !rule.audit);
  return { mode: effective.mode, allow: allow.map(toEntry), block: block.map(toEntry) };
}

interface Piece {
  readonly rule: NetworkRule;
  readonly to: NetworkRule['to'][number];
  readonly protocol: NetworkRule['protocols'][number];
  readonly ports: PortRange | null;
  readonly inspect: boolean;
}

function toPieces(layers: readonly Layer[], isWanted: (rule: NetworkRule) => boolean): Piece[] {
  const rules = layers.flatMap(({ indexes }) => indexes.flatMap(({ byRange }) => byRange)).filter(isWanted);
  return rules.flatMap((rule) =>
    rule.to.flatMap((to) =>
      rule.protocols.flatMap((protocol) => {
        const ports = protocol === 'icmp' ? [null] : (rule.ports ?? [null]);
        return ports.map((range) => ({ rule, to, protocol, ports: range, inspect: rule.inspect }));
      }),
    ),
  );
}

function intersectPieces(left: readonly Piece[], right: readonly Piece[]): Piece[] {
  return left.flatMap((a) =>
    right.flatMap((b) => {
      const to = a.protocol === b.protocol ? intersectCidr(a.to, b.to) : null;
      const ports = intersectPorts(a.ports, b.ports);
      if (to === null || ports === undefined) return [];
      return [{ rule: a.rule, to, protocol: a.protocol, ports, inspect: a.inspect || b.inspect }];
    }),
  );
}

/** Undefined when they are apart. */
function intersectPorts(a: PortRange | null, b: PortRange | null): PortRange | null | undefined {
  if (a === null || b === null) return a ?? b;
  const from = Math.max(a[0], b[0]);
  const to = Math.min(a[1], b[1]);
  return from <= to ? [from, to] : undefined;
}

function toEntry({ rule, to, protocol, ports, inspect }: Piece): NetworkEntry {
  return { to: formatCidr(to), protocol, ports, rule: rule.id, inspect };
}
