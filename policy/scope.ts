// What applies to one attribution: which layers allow, which block, and in which mode. One formula for every case:
// a scope that certainly applies grants and forbids, one that may apply only forbids.

import type { Mode } from '../flow/decision.ts';
import type { Attribution, Job } from '../flow/job.ts';
import type { CompiledScope, Layer, Policy } from './compile.ts';
import type { HostView } from './host-view.ts';
import { matchScope } from './match-scope.ts';

export interface EffectivePolicy {
  readonly policy: Policy;
  readonly mode: Mode;
  /** Layers whose block rules hold. */
  readonly blocking: readonly Layer[];
  /** Every group must allow; a group allows when one of its layers does. */
  readonly groups: readonly (readonly Layer[])[];
  /** True when an exclusive scope narrows: what it takes away is blocked as `not-exclusive`. */
  readonly exclusive: boolean;
  /** What would allow without exclusive scopes. */
  readonly union: readonly Layer[];
  /** True when flows of no known job are blocked as such. */
  readonly blocksUnattributed: boolean;
  /** Rules by host, filled as hosts are met; bounded. */
  readonly views: Map<string, HostView>;
}

interface Cache {
  readonly byAttribution: WeakMap<Attribution, EffectivePolicy>;
  readonly byKey: Map<string, EffectivePolicy>;
}
const caches = new WeakMap<Policy, Cache>();
const maxCachedJobs = 4096;

/** The part of the policy that applies; the same object for the same job, O(1) when it was asked before. */
export function effectivePolicy(policy: Policy, attribution: Attribution): EffectivePolicy {
  let cache = caches.get(policy);
  if (cache === undefined) caches.set(policy, (cache = { byAttribution: new WeakMap(), byKey: new Map() }));
  const hit = cache.byAttribution.get(attribution);
  if (hit !== undefined) return hit;
  const key = toKey(attribution);
  let effective = cache.byKey.get(key);
  if (effective === undefined) {
    effective = computeEffective(policy, attribution);
    if (cache.byKey.size >= maxCachedJobs) cache.byKey.delete(cache.byKey.keys().next().value!);
    cache.byKey.set(key, effective);
  }
  cache.byAttribution.set(attribution, effective);
  return effective;
}

function toKey(attribution: Attribution): string {
  const job = knownJob(attribution);
  const trust = isWeak(attribution) ? 'weak' : 'firm';
  if (job === null) return `none ${attribution.conflict ? 'conflict' : ''}`;
  const values = [
    job.platform,
    job.server,
    job.repository,
    job.workflow,
    job.calledWorkflow,
    job.ref,
    job.event,
    job.environment,
    job.name,
    job.runnerGroup,
    job.actor,
    job.fork,
    job.protected,
  ];
  return `${trust} ${JSON.stringify(values)}`;
}

/** The job that policy may believe: none while a second one claims the address. */
function knownJob(attribution: Attribution): Job | null {
  return attribution.conflict ? null : attribution.job;
}

/** Sources that a runner-side program could forge never widen what the top level allows. */
function isWeak({ source }: Attribution): boolean {
  return source === 'hook-claim' || source === 'process';
}

function computeEffective(policy: Policy, attribution: Attribution): EffectivePolicy {
  const job = knownJob(attribution);
  if (job === null && policy.onUnattributed === 'fleet' && !attribution.conflict) return fleetPolicy(policy);
  const yes: CompiledScope[] = [];
  const maybe: CompiledScope[] = [];
  for (const scope of policy.scopes) {
    const applies = matchScope(scope.match, job);
    if (applies !== 'no') (applies === 'yes' ? yes : maybe).push(scope);
  }
  const union = [policy.top, ...yes.map(({ layer }) => layer)];
  const exclusive = yes.filter((scope) => scope.exclusive);
  const groups = exclusive.length > 0 ? exclusive.map(({ layer }) => [layer]) : [union];
  for (const scope of maybe) if (scope.exclusive) groups.push([scope.layer]);
  if (isWeak(attribution)) groups.push([policy.top]);
  return {
    policy,
    mode: chooseMode(policy.mode, yes, maybe),
    blocking: [...union, ...maybe.map(({ layer }) => layer)],
    groups,
    exclusive: groups[0] !== union || groups.length > 1,
    union,
    blocksUnattributed: job === null && policy.onUnattributed === 'block',
    views: new Map(),
  };
}

function fleetPolicy(policy: Policy): EffectivePolicy {
  const union = [policy.top];
  return {
    policy,
    mode: policy.mode,
    blocking: union,
    groups: [union],
    exclusive: false,
    union,
    blocksUnattributed: false,
    views: new Map(),
  };
}

/** Among scopes that name a mode block wins; a scope that only may apply can make it stricter, never milder. */
function chooseMode(top: Mode, yes: readonly CompiledScope[], maybe: readonly CompiledScope[]): Mode {
  if ([...yes, ...maybe].some(({ mode }) => mode === 'block')) return 'block';
  return yes.some(({ mode }) => mode === 'audit') ? 'audit' : top;
}
