// All rules of an effective policy that name one host, found once and kept: decisions then look at these only.

import type { Cidr } from '../flow/address.ts';
import type { Layer } from './compile.ts';
import { findHostGroups, matchesHost, type HostGroup } from './match-host.ts';
import { isBlockRule, type BlockingRule, type OperationRule, type Rule } from './rule.ts';
import { createPathIndex, type PathIndex } from './path-index.ts';
import type { EffectivePolicy } from './scope.ts';

/** A rule together with the scope that brings it. */
export interface Candidate<R extends Rule = Rule> {
  readonly rule: R;
  readonly scope: string | null;
}

/** The rules that name a host; hosts that are named by the same patterns share one object. */
export interface HostRules {
  readonly blocks: readonly BlockCandidate[];
  /** As in EffectivePolicy: every group must allow. */
  readonly groups: readonly (readonly Candidate[])[];
  /** What would allow without exclusive scopes. */
  readonly union: readonly Candidate[];
  /** The same for looking up by path. */
  readonly paths: {
    readonly blocks: PathIndex<BlockCandidate>;
    readonly groups: readonly PathIndex<Candidate>[];
    readonly union: PathIndex<Candidate>;
  };
  /** Rules on operations alone, null where none names the host. */
  readonly operations: OperationRules | null;
  /** What decideHost found for a scheme and port. */
  readonly connections: Map<string, ConnectionView>;
}

export interface HostView extends HostRules {
  /** What decideHost found for the address itself, where no name is known. */
  readonly direct: Map<string, ConnectionView>;
}
type BlockCandidate = Candidate<BlockingRule>;

export interface OperationRules {
  readonly blocks: readonly Candidate<OperationRule>[];
  readonly groups: readonly (readonly Candidate<OperationRule>[])[];
  readonly union: readonly Candidate<OperationRule>[];
}

/** The rules of a host that speak of one scheme and port. */
export interface ConnectionView {
  readonly blocks: readonly BlockCandidate[];
  readonly grants: readonly (readonly Candidate[])[];
  readonly union: readonly Candidate[];
  readonly addresses: readonly Cidr[];
  /** Every group allows it without reading requests. */
  readonly isWhole: boolean;
  readonly isPassed: boolean;
}

const maxViews = 2048;

/** The rules for a canonical host (or the text of an address that stands for one). */
export function findHostView(effective: EffectivePolicy, host: string): HostView {
  const hit = effective.views.get(host);
  if (hit !== undefined) return hit;
  const view = buildView(effective, host);
  if (effective.views.size >= maxViews) effective.views.delete(effective.views.keys().next().value!);
  effective.views.set(host, view);
  return view;
}

/** What was found for a host in each layer, and which of it the host is taken out of again. */
interface Found {
  readonly byLayer: ReadonlyMap<Layer, readonly HostGroup<Rule>[]>;
  readonly excepted: ReadonlySet<Rule>;
  /** The same text for every host with the same rules. */
  readonly key: string;
}

function buildView(effective: EffectivePolicy, host: string): HostView {
  const found = findGroups(effective, host);
  let rules = effective.rules.get(found.key);
  if (rules === undefined) {
    rules = buildRules(effective, found);
    if (effective.rules.size >= maxViews) effective.rules.delete(effective.rules.keys().next().value!);
    effective.rules.set(found.key, rules);
  }
  return { ...rules, direct: new Map() };
}

function findGroups({ blocking }: EffectivePolicy, host: string): Found {
  const byLayer = new Map(
    blocking.map((layer) => [layer, layer.indexes.flatMap(({ byHost }) => findHostGroups(byHost, host))]),
  );
  const groups = [...byLayer.values()].flat();
  const excepted = groups
    .filter(({ mayExcept }) => mayExcept)
    .flatMap(({ values }) => values)
    .filter(({ exceptHosts }) => exceptHosts.some((pattern) => matchesHost(pattern, host)));
  const key = `${groups.map(({ id }) => id).join(' ')} - ${excepted.map(({ order }) => order).join(' ')}`;
  return { byLayer, excepted: new Set(excepted), key };
}

function buildRules(effective: EffectivePolicy, found: Found): HostRules {
  const grants = (layers: readonly Layer[]) =>
    listCandidates(layers, found).filter(({ rule }) => !isBlockRule(rule));
  const blocks = listCandidates(effective.blocking, found).filter(isBlockCandidate);
  const groups = effective.groups.map(grants);
  const union = effective.exclusive ? grants(effective.union) : groups[0]!;
  const groupPaths = groups.map((group) => createPathIndex(group));
  return {
    blocks,
    groups,
    union,
    paths: {
      blocks: createPathIndex(blocks),
      groups: groupPaths,
      union: union === groups[0] ? groupPaths[0]! : createPathIndex(union),
    },
    operations: selectOperations(blocks, groups, union),
    connections: new Map(),
  };
}

function selectOperations(
  blocks: readonly BlockCandidate[],
  groups: HostRules['groups'],
  union: HostRules['union'],
): OperationRules | null {
  const all = [...blocks, ...groups.flat(), ...union];
  if (!all.some(isOperation)) return null;
  return {
    blocks: blocks.filter(isOperation),
    groups: groups.map((group) => group.filter(isOperation)),
    union: union.filter(isOperation),
  };
}

const isOperation = (candidate: Candidate): candidate is Candidate<OperationRule> =>
  candidate.rule.kind === 'operation';

function isBlockCandidate(candidate: Candidate): candidate is BlockCandidate {
  return isBlockRule(candidate.rule);
}

/** Rules of the layers that name the host and do not except it, in the order of the policy. */
function listCandidates(layers: readonly Layer[], { byLayer, excepted }: Found): Candidate[] {
  const candidates = layers.flatMap((layer) => {
    const rules = new Set(byLayer.get(layer)!.flatMap(({ values }) => values));
    return [...rules].filter((rule) => !excepted.has(rule)).map((rule) => ({ rule, scope: layer.scope }));
  });
  return candidates.sort((a, b) => a.rule.order - b.rule.order);
}
