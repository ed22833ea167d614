// The part of the rule set that policy writes: what the fleet and each runner with entries of its own may reach
// by address. Runners with equal sides share their chains.

import { parseCidr } from '../flow/address.ts';
import type { NetworkEntry, NetworkPlan, NetworkSide } from '../flow/network-plan.ts';
import { reduceRanges } from './reduce-ranges.ts';
import { familyOf, type Action, type Chain, type Family, type PortRange, type Rule } from './rule-model.ts';

export interface Sides {
  /** Chains that decide what is forwarded; each ends the packet. */
  readonly chains: readonly Chain[];
  /** By runner's address or range, to its side; others go to `fleet`. */
  readonly dispatch: readonly Rule[];
  readonly fleet: string;
  /** Chains of nat that let go what `inspect: false` entries name, and redirect the rest. */
  readonly direct: readonly Chain[];
  readonly directDispatch: readonly Rule[];
  readonly directFleet: string;
}

const families: readonly Family[] = [4, 6];

/** Chains and dispatch of a plan's sides. @throws SallyportError kernel when a range is malformed */
export function buildSides(plan: NetworkPlan): Sides {
  const numbered = numberSides(plan);
  const direct = new Map<number, Chain>();
  for (const [index, side] of numbered.sides.entries()) {
    const chain = directChain(side, `direct-${index}`);
    if (chain !== null) direct.set(index, chain);
  }
  const directName = (index: number): string => direct.get(index)?.name ?? 'intercepted';
  return {
    chains: numbered.sides.map((side, index) => sideChain(side, `side-${index}`)),
    dispatch: dispatchRules(numbered.runners.map(([runner, index]) => [runner, `side-${index}`])),
    fleet: 'side-0',
    direct: [...direct.values()],
    directDispatch:
      direct.size === 0
        ? []
        : dispatchRules(numbered.runners.map(([runner, index]) => [runner, directName(index)])),
    directFleet: directName(0),
  };
}

interface Numbered {
  readonly sides: readonly NetworkSide[];
  readonly runners: readonly (readonly [runner: string, side: number])[];
}

// The fleet's is number 0; a runner with the same side as another shares its number.
function numberSides(plan: NetworkPlan): Numbered {
  const sides: NetworkSide[] = [];
  const numbers = new Map<string, number>();
  const numberOf = (side: NetworkSide): number => {
    const key = JSON.stringify(side);
    const known = numbers.get(key);
    if (known !== undefined) return known;
    numbers.set(key, sides.length);
    sides.push(side);
    return sides.length - 1;
  };
  numberOf(plan.fleet);
  const runners = Object.entries(plan.runners).map(([runner, side]) => [runner, numberOf(side)] as const);
  return { sides, runners };
}

// The narrowest range first: ranges of one length do not overlap, those of another may.
function dispatchRules(chains: readonly (readonly [runner: string, chain: string])[]): Rule[] {
  return families.flatMap((family): Rule[] => {
    const own = chains.filter(([runner]) => familyOf(runner) === family);
    const byPrefix = Map.groupBy(own, ([runner]) => parseCidr(runner)?.prefix ?? 0);
    return [...byPrefix]
      .toSorted(([a], [b]) => b - a)
      .map(([, ranges]): Rule => ({ family, action: { do: 'dispatch', chains: ranges } }));
  });
}

// A block beats an allow. In audit a block rule only logs, as everything but the always enforced does.
function sideChain(side: NetworkSide, name: string): Chain {
  const isAudit = side.mode === 'audit';
  const blocked = (reason: 'block-rule' | 'no-rule'): Action => ({ do: isAudit ? 'audit' : 'block', reason });
  return {
    name,
    rules: [
      ...entryRules(side.block, blocked('block-rule')),
      ...entryRules(side.allow, { do: 'allow' }),
      ...families.map((family): Rule => ({
        family,
        protocols: ['tcp', 'udp'],
        set: 'bound',
        action: { do: 'allow' },
      })),
      { action: blocked('no-rule') },
    ],
  };
}

function directChain(side: NetworkSide, name: string): Chain | null {
  const entries = [...side.block, ...side.allow].filter(
    ({ inspect, protocol }) => !inspect && protocol === 'tcp',
  );
  if (entries.length === 0) return null;
  return {
    name,
    rules: [...entryRules(entries, { do: 'return' }), { action: { do: 'goto', chain: 'intercepted' } }],
  };
}

// Entries that differ in their range only become one rule with a set of ranges.
function entryRules(entries: readonly NetworkEntry[], action: Action): Rule[] {
  const groups = new Map<string, { family: Family; entry: NetworkEntry; ranges: string[] }>();
  for (const entry of entries) {
    const family = familyOf(entry.to);
    const key = `${family} ${entry.protocol} ${entry.ports?.join('-') ?? ''}`;
    const group = groups.get(key) ?? { family, entry, ranges: [] };
    group.ranges.push(entry.to);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ family, entry, ranges }) => {
    const ports: readonly PortRange[] | null =
      entry.protocol === 'icmp' || entry.ports === null ? null : [entry.ports];
    return {
      family,
      destinations: reduceRanges(ranges, family),
      protocols: [entry.protocol === 'icmp' && family === 6 ? 'icmpv6' : entry.protocol],
      ...(ports === null ? {} : { ports }),
      action,
    };
  });
}
