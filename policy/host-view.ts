// All rules of an effective policy that name one host, found once and kept: decisions then look at these only.

import type { Cidr } from '../flow/address.ts';
import type { Layer } from './compile.ts';
import { findInHostIndex, matchesHost } from './match-host.ts';
import {
  isBlockRule,
  type HttpRule,
  type NameRule,
  type NetworkRule,
  type OpaqueRule,
  type Rule,
} from './rule.ts';
import { createPathIndex, type PathIndex } from './path-index.ts';
import type { EffectivePolicy } from './scope.ts';

/** A rule together with the scope that brings it. */
export interface Candidate<R extends Rule = Rule> {
  readonly rule: R;
  readonly scope: string | null;
}
export type Granting = HttpRule | OpaqueRule | NetworkRule | NameRule;

export interface HostView {
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
  /** What decideHost found for a scheme and port. */
  readonly connections: Map<string, ConnectionView>;
}
type BlockCandidate = Candidate<HttpRule | NetworkRule>;

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

function buildView(effective: EffectivePolicy, host: string): HostView {
  const grants = (layers: readonly Layer[]) =>
    findCandidates(layers, host).filter(({ rule }) => !isBlockRule(rule));
  const blocks = findCandidates(effective.blocking, host).filter(isBlockCandidate);
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
    connections: new Map(),
  };
}

function isBlockCandidate(candidate: Candidate): candidate is Candidate<HttpRule | NetworkRule> {
  return isBlockRule(candidate.rule);
}

/** Rules of the layers that name the host and do not except it, in the order of the policy. */
export function findCandidates(layers: readonly Layer[], host: string): Candidate[] {
  const candidates: Candidate[] = [];
  for (const { scope, indexes } of layers) {
    const found = new Set<Rule>();
    for (const index of indexes) findInHostIndex(index.byHost, host, found);
    for (const rule of found) {
      if (!rule.exceptHosts.some((pattern) => matchesHost(pattern, host))) candidates.push({ rule, scope });
    }
  }
  return candidates.toSorted((a, b) => a.rule.order - b.rule.order);
}
