// Gathers what a GraphQL document needs while it is walked: what comes together, what a target decides, and what one
// object needs that may be of several types.

import { needBoth, needBothByTarget, needByTarget, noNeeds, type NeedSet, settle } from '../need-sets.ts';
import { type GraphqlNeed, typeNeed } from './graphql-needs.ts';
import type { GraphqlType } from './graphql-schema.ts';

/** Needs that come together; each set of the tables is joined once. */
export interface Needs {
  /** Any alternative will do. */
  either: NeedSet;
  /** Which alternative it is, a target decides. */
  byTarget: NeedSet;
  /** Which alternatives of those ids speak for. */
  decided: NeedSet;
  readonly joined: Set<NeedSet>;
  /** How often each mutation came whose target decides. */
  readonly times: Map<string, number>;
  /** Fragments of the operation that were walked from a place on: again they come to the same. */
  readonly walked: Set<string>;
}

export function noneYet(): Needs {
  const [joined, times, walked] = [new Set<NeedSet>(), new Map<string, number>(), new Set<string>()];
  return { either: noNeeds, byTarget: noNeeds, decided: noNeeds, joined, times, walked };
}

/** All of them, every alternative that a target may decide on left in. */
export function settled(needs: Needs): NeedSet {
  return settle(needs.byTarget, needs.either);
}

/** The same, without the alternatives that ids speak against. */
export function settledByTargets(needs: Needs): NeedSet {
  return settle(needs.decided, needs.either);
}

/** Adds what a field or type needs. */
export function addNeed(needs: Needs, { needs: more }: GraphqlNeed): void {
  if (more === noNeeds || needs.joined.has(more)) return;
  needs.joined.add(more);
  needs.either = needBoth(needs.either, more);
}

/**
 * Adds what a mutation's target decides; `told` is what its id tells of that. The same mutation again may have another
 * target: it is joined until every choice of targets is there.
 */
export function addByTarget(needs: Needs, mutation: string, more: NeedSet, told: NeedSet): void {
  const times = needs.times.get(mutation) ?? 0;
  needs.times.set(mutation, times + 1);
  const isMore = times < more.length;
  if (isMore) needs.byTarget = needBothByTarget(needs.byTarget, more);
  if (isMore || told !== more) needs.decided = needBothByTarget(needs.decided, told);
}

/** One object of an abstract type is of one type: what fragments on several of them need are alternatives. */
export type Branches = Map<string, Needs>;

/** The branches of an object of this type, before its fragments are walked. */
export function branchesOf(type: GraphqlType): Branches {
  const branches: Branches = new Map();
  // Where every type is known, one that no fragment names counts too: the object may be of it.
  if (type.members.join(' ') === 'Issue PullRequest')
    for (const member of type.members) {
      const needs = noneYet();
      addNeed(needs, typeNeed(member));
      branches.set(member, needs);
    }
  return branches;
}

/** Adds what the branches need: one of them, as the object's type decides. */
export function joinBranches(needs: Needs, branches: Branches): void {
  const [first, ...rest] = [...branches.values()].map(settled);
  if (first === undefined) return;
  const joined = rest.reduce(needByTarget, first);
  if (joined.length === 1) needs.either = needBoth(needs.either, joined);
  else {
    needs.byTarget = needBothByTarget(needs.byTarget, joined);
    needs.decided = needBothByTarget(needs.decided, joined);
  }
}

/** What fragments on a type need. */
export function branchOf(branches: Branches, name: string): Needs {
  const known = branches.get(name) ?? noneYet();
  branches.set(name, known);
  return known;
}
