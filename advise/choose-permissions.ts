// The smallest permissions that give every call one of its alternatives: fewest keys, then fewest writes, then by
// name. What has one alternative is given; the others are searched, within a bound.

import type { Permission } from '../flow/operation.ts';
import { covers, join, type NeedSet } from '../platform/need-sets.ts';

const maxSteps = 10_000;

/** The permissions for all of `clauses`; each is a call's alternatives. */
export function choosePermissions(clauses: readonly NeedSet[]): Permission {
  const given = clauses.flatMap((clause) => (clause.length === 1 ? clause : [])).reduce(join, {});
  const distinct = new Map(clauses.map((clause) => [textOf(clause), clause]));
  const open = [...distinct]
    .filter(([, clause]) => clause.length > 0 && !isMet(clause, given))
    .toSorted(([a, left], [b, right]) => left.length - right.length || (a < b ? -1 : 1))
    .map(([, clause]) => clause);
  const search: Search = { best: takeMany(open, given), steps: 0 };
  tryAll(search, open, 0, given);
  return search.best;
}

/** The alternative that the permissions give a call: the smallest one, by the same order. */
export function chosenOf(clause: NeedSet, permissions: Permission): Permission | null {
  const given = clause.filter((one) => covers(permissions, one));
  return given.toSorted(compare)[0] ?? null;
}

interface Search {
  best: Permission;
  steps: number;
}

function tryAll(search: Search, open: readonly NeedSet[], at: number, held: Permission): void {
  if (++search.steps > maxSteps || isLarger(held, search.best)) return;
  const clause = open[at];
  if (clause === undefined) {
    if (compare(held, search.best) < 0) search.best = held;
  } else if (isMet(clause, held)) tryAll(search, open, at + 1, held);
  else for (const one of clause.toSorted(compare)) tryAll(search, open, at + 1, join(held, one));
}

/** A good choice to begin with: again and again the alternative that meets most of what is open. */
function takeMany(open: readonly NeedSet[], given: Permission): Permission {
  let held = given;
  for (let left = open; left.length > 0; left = left.filter((clause) => !isMet(clause, held))) {
    const choices = left.flat().map((one) => {
      const next = join(held, one);
      return { next, met: left.filter((clause) => isMet(clause, next)).length };
    });
    const [first] = choices.toSorted((a, b) => b.met - a.met || compare(a.next, b.next));
    held = first?.next ?? held;
  }
  return held;
}

function isMet(clause: NeedSet, held: Permission): boolean {
  return clause.some((one) => covers(held, one));
}

// More is only ever added: what is larger already stays so.
function isLarger(held: Permission, best: Permission): boolean {
  return compareSize(held, best) > 0;
}

function compareSize(a: Permission, b: Permission): number {
  return Object.keys(a).length - Object.keys(b).length || writesOf(a) - writesOf(b);
}

function compare(a: Permission, b: Permission): number {
  const [ours, theirs] = [nameText(a), nameText(b)];
  return compareSize(a, b) || (ours < theirs ? -1 : ours > theirs ? 1 : 0);
}

function writesOf(permission: Permission): number {
  return Object.values(permission).filter((level) => level === 'write').length;
}

/** By name, in whatever order the keys were joined. */
function nameText(permission: Permission): string {
  return JSON.stringify(Object.entries(permission).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function textOf(value: NeedSet): string {
  return JSON.stringify(value);
}
