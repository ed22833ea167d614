// What applies to one attribution: which layers allow, which block, and in which mode. One formula for every case:
// a scope that certainly applies grants and forbids, one that may apply only forbids.

import type { Mode } from '../flow/decision.ts';
import { isUnproven, type Attribution, type Job } from '../flow/job.ts';
import { uniteCeilings, type Ceiling } from './ceiling.ts';
import type { CompiledScope, Layer, Policy } from './compile.ts';
import { uniteCredentials, type EffectiveCredentials } from './credentials.ts';
import type { HostRules, HostView } from './host-view.ts';
import { matchScope, readJob } from './match-scope.ts';

export interface EffectivePolicy {
  readonly policy: Policy;
  readonly mode: Mode;
  /** Layers whose block rules hold: all that apply or may, each once. */
  readonly blocking: readonly Layer[];
  /** Every group must allow; a group allows when one of its layers does. */
  readonly groups: readonly (readonly Layer[])[];
  /** True when an exclusive scope narrows: what it takes away is blocked as `not-exclusive`. */
  readonly exclusive: boolean;
  /** What would allow without exclusive scopes. */
  readonly union: readonly Layer[];
  /** What the job’s own token may do; null: not asked. */
  readonly ceiling: Ceiling | null;
  /** What is asked of the credentials that requests carry; null: nothing. */
  readonly credentials: EffectiveCredentials | null;
  /** True when flows of no known job are blocked as such. */
  readonly blocksUnattributed: boolean;
  /** Rules by host, filled as hosts are met; bounded. */
  readonly views: Map<string, HostView>;
  /** The same by the patterns that name a host; bounded. */
  readonly rules: Map<string, HostRules>;
}

interface Cache {
  readonly byAttribution: WeakMap<Attribution, EffectivePolicy>;
  readonly byKey: Map<string, EffectivePolicy>;
  /** Jobs to which the same scopes apply share one object, and with it what was found for hosts. */
  readonly byScopes: Map<string, EffectivePolicy>;
}
const caches = new WeakMap<Policy, Cache>();
const maxCachedJobs = 4096;

/** The part of the policy that applies; the same object for the same job, O(1) when it was asked before. */
export function effectivePolicy(policy: Policy, attribution: Attribution): EffectivePolicy {
  let cache = caches.get(policy);
  if (cache === undefined) {
    cache = { byAttribution: new WeakMap(), byKey: new Map(), byScopes: new Map() };
    caches.set(policy, cache);
  }
  const hit = cache.byAttribution.get(attribution);
  if (hit !== undefined) return hit;
  const key = toKey(attribution);
  let effective = cache.byKey.get(key);
  if (effective === undefined) {
    effective = computeEffective(policy, attribution, cache);
    keep(cache.byKey, key, effective);
  }
  cache.byAttribution.set(attribution, effective);
  return effective;
}

/** Adds to a bounded cache; the oldest goes first. */
function keep(cache: Map<string, EffectivePolicy>, key: string, effective: EffectivePolicy): void {
  if (cache.size >= maxCachedJobs) cache.delete(cache.keys().next().value!);
  cache.set(key, effective);
}

function toKey(attribution: Attribution): string {
  const job = knownJob(attribution);
  const trust = isUnproven(attribution) ? 'claimed' : 'known';
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

function computeEffective(policy: Policy, attribution: Attribution, { byScopes }: Cache): EffectivePolicy {
  const job = knownJob(attribution);
  const isClaimed = job !== null && isUnproven(attribution);
  const isNobody = job === null || isClaimed;
  const isFleet = isNobody && policy.onUnattributed === 'fleet' && !attribution.conflict;
  const [yes, maybe] = isClaimed
    ? [[], scopesOfClaim(policy, job, isFleet)]
    : isFleet
      ? [[], []]
      : sortScopes(policy, job);
  const key = JSON.stringify([isNobody, yes.map(({ id }) => id), maybe.map(({ id }) => id)]);
  const hit = byScopes.get(key);
  if (hit !== undefined) return hit;
  const effective = uniteScopes(policy, yes, maybe, isNobody);
  keep(byScopes, key, effective);
  return effective;
}

/**
 * What a program on the runner claims opens nothing that a flow of nobody may not do; it adds what the claimed job's
 * scopes take away.
 */
function scopesOfClaim(policy: Policy, job: Job, isFleet: boolean): readonly CompiledScope[] {
  if (!isFleet) return policy.scopes;
  const [yes, maybe] = sortScopes(policy, job);
  return policy.scopes.filter((scope) => yes.includes(scope) || maybe.includes(scope));
}

/** The scopes that apply to the job, and those that may. */
function sortScopes(policy: Policy, job: Job | null): [yes: CompiledScope[], maybe: CompiledScope[]] {
  const yes: CompiledScope[] = [];
  const maybe: CompiledScope[] = [];
  const values = job === null ? null : readJob(job);
  for (const scope of policy.scopes) {
    const applies = matchScope(scope.match, values);
    if (applies !== 'no') (applies === 'yes' ? yes : maybe).push(scope);
  }
  return [yes, maybe];
}

function uniteScopes(
  policy: Policy,
  yes: readonly CompiledScope[],
  maybe: readonly CompiledScope[],
  isNobody: boolean,
): EffectivePolicy {
  const union = [policy.top, ...yes.map(({ layer }) => layer)];
  const exclusive = yes.filter((scope) => scope.exclusive);
  const groups = exclusive.length > 0 ? exclusive.map(({ layer }) => [layer]) : [union];
  for (const scope of maybe) if (scope.exclusive) groups.push([scope.layer]);
  const blocking = [...union, ...maybe.map(({ layer }) => layer)];
  return {
    policy,
    mode: chooseMode(policy.mode, yes, maybe),
    blocking,
    groups,
    exclusive: groups[0] !== union || groups.length > 1,
    union,
    ceiling: uniteCeilings(policy.permissions, yes.map(termsOf), maybe.map(termsOf)),
    credentials: uniteCredentials(policy.credentials, yes.map(credentialsOf), maybe.map(credentialsOf)),
    blocksUnattributed: isNobody && policy.onUnattributed === 'block',
    views: new Map(),
    rules: new Map(),
  };
}

const termsOf = ({ permissions, exclusive }: CompiledScope) => ({ terms: permissions, exclusive });
const credentialsOf = ({ credentials, exclusive }: CompiledScope) => ({ terms: credentials, exclusive });

/** Among scopes that name a mode block wins; a scope that only may apply can make it stricter, never milder. */
function chooseMode(top: Mode, yes: readonly CompiledScope[], maybe: readonly CompiledScope[]): Mode {
  if ([...yes, ...maybe].some(({ mode }) => mode === 'block')) return 'block';
  return yes.some(({ mode }) => mode === 'audit') ? 'audit' : top;
}
