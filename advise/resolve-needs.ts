// What one call needed, from three witnesses: the table (`needs`), the target that the answer showed (`decided`), and
// GitHub's own header (`accepted`). They narrow one another; where they differ, both are believed.

import type { Operation } from '../flow/operation.ts';
import { isNothing, join, type NeedSet, needBoth } from '../platform/need-sets.ts';

/** The alternatives that are left; `isPublic`: the repository lets anybody read what the table says is free. */
export function resolveNeeds(operation: Operation, isPublic: boolean): NeedSet {
  const { needs, decided, accepted, sureness } = operation;
  // What nobody knows is listed with what the header names, and asks for nothing by itself.
  if (sureness === 'unknown') return needs;
  const byTarget = isSaid(decided) ? agree(needs, decided) : needs;
  // The header names what the endpoint takes, also where a public repository needs no token at all.
  if (!isSaid(accepted) || (isPublic && isNothing(byTarget))) return byTarget;
  return agree(byTarget, accepted);
}

function isSaid(needs: NeedSet | null | undefined): needs is NeedSet {
  return needs !== null && needs !== undefined && !needs.every((one) => Object.keys(one).length === 0);
}

/** Alternatives over the same keys, at the higher level; where there are none, what both say together. */
function agree(ours: NeedSet, theirs: NeedSet): NeedSet {
  const both = ours.flatMap((our) =>
    theirs.filter((their) => hasSameKeys(our, their)).map((their) => join(our, their)),
  );
  return both.length > 0 ? both : needBoth(ours, theirs);
}

function hasSameKeys(a: NeedSet[number], b: NeedSet[number]): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key));
}
