// Needs as alternatives of sets: what a request needs is a list of maps, each enough by itself. Joins them by AND
// and OR without ever saying less than is needed, in bounded space.

import type { Permission } from '../flow/operation.ts';

/** Alternatives, in the order in which they were said. */
export type NeedSet = readonly Permission[];

/** More alternatives than these become one that holds all of them: more than is needed, never less. */
export const maxAlternatives = 16;

const nothingNeeded: Permission = Object.freeze({});

/** Nothing is needed. */
export const noNeeds: NeedSet = Object.freeze([nothingNeeded]);

/** Both are needed: every pair of alternatives, joined at the higher level, without those that hold another. */
export function needBoth(a: NeedSet, b: NeedSet): NeedSet {
  if (isNothing(a)) return b;
  if (isNothing(b)) return a;
  return prune(a.flatMap((left) => b.map((right) => join(left, right))));
}

/** One of the two is needed, and either will do. */
export function needEither(a: NeedSet, b: NeedSet): NeedSet {
  return prune([...a, ...b]);
}

/** One of the two is needed, as the target decides: the smaller of two comparable ones would say too little. */
export function needByTarget(a: NeedSet, b: NeedSet): NeedSet {
  const all = [...a, ...b];
  const isLarger = (one: Permission, other: Permission): boolean => covers(other, one) && !covers(one, other);
  return bound(distinct(all.filter((one) => !all.some((other) => isLarger(one, other)))));
}

/** Both, each decided by a target of its own: no pair is left out for one that asks for less. */
export function needBothByTarget(a: NeedSet, b: NeedSet): NeedSet {
  return bound(distinct(a.flatMap((left) => b.map((right) => join(left, right)))));
}

/** What targets decide, each with what else is needed; one that holds an alternative of it already stays as it is. */
export function settle(byTarget: NeedSet, either: NeedSet): NeedSet {
  return bound(
    distinct(
      byTarget.flatMap((decided) =>
        either.some((other) => covers(decided, other))
          ? [decided]
          : prune(either.map((other) => join(decided, other))),
      ),
    ),
  );
}

function distinct(alternatives: NeedSet): NeedSet {
  return alternatives.filter(
    (one, at) => !alternatives.slice(0, at).some((other) => covers(one, other) && covers(other, one)),
  );
}

function bound(alternatives: NeedSet): NeedSet {
  return alternatives.length <= maxAlternatives ? alternatives : [alternatives.reduce(join)];
}

/** True when no alternative asks for anything. */
export function isNothing(needs: NeedSet): boolean {
  return needs.every((permission) => Object.keys(permission).length === 0);
}

/** True when `permission` holds everything that `needed` asks for; write includes read. */
export function covers(permission: Permission, needed: Permission): boolean {
  return Object.entries(needed).every(
    ([key, level]) => permission[key] === 'write' || permission[key] === level,
  );
}

/** Everything of both, at the higher level; keys in the order of their names. */
export function join(a: Permission, b: Permission): Permission {
  if (covers(a, b)) return a;
  if (covers(b, a)) return b;
  const joined = new Map(Object.entries(a));
  for (const [key, level] of Object.entries(b)) if (joined.get(key) !== 'write') joined.set(key, level);
  return Object.fromEntries([...joined].sort(([left], [right]) => (left < right ? -1 : 1)));
}

/** Leaves out alternatives that contain another; too many become one. */
function prune(alternatives: NeedSet): NeedSet {
  const kept: Permission[] = [];
  for (const candidate of alternatives) {
    if (kept.some((other) => covers(candidate, other))) continue;
    const left = kept.filter((other) => !covers(other, candidate));
    kept.length = 0;
    kept.push(...left, candidate);
  }
  return bound(kept);
}

const notation = /^([a-z_-]+):(read|write)$/;

/**
 * Reads `issues:write|pull-requests:write` (either) and `contents:write+issues:write` (both); `+` binds tighter.
 * @throws Error for anything else: tables are ours.
 */
export function parseNeeds(text: string): NeedSet {
  if (text === 'none') return noNeeds;
  return text.split('|').map((set) => set.split('+').map(parseOne).reduce(join));
}

function parseOne(text: string): Permission {
  const match = notation.exec(text);
  const key = match?.[1];
  const level = match?.[2];
  if (key === undefined || (level !== 'read' && level !== 'write')) throw new Error(`not a need: ${text}`);
  return { [key]: level };
}
