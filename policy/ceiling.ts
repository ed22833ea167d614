// What a job's own token may do by policy, whatever the platform granted it: `permissions` of the top level and of
// the scopes that apply.

import type { Mode } from '../flow/decision.ts';
import type { Operation, Permission } from '../flow/operation.ts';
import { isWithin } from './cover-operation.ts';
import type { PermissionsFile } from './schema.ts';

/** `permissions` of one place, read. */
export interface PermissionTerms {
  readonly mode: Mode | null;
  readonly base: Permission | null;
  readonly ceiling: Permission | null;
}

/** What holds for one job; null: nothing is asked of its token. */
export interface Ceiling {
  readonly mode: Mode;
  readonly granted: Permission;
}

/** Reads the key; `none` grants nothing. */
export function readPermissionTerms(file: PermissionsFile | undefined): PermissionTerms {
  return {
    mode: file?.mode ?? null,
    base: readLevels(file !== undefined && 'default' in file ? file.default : undefined),
    ceiling: readLevels(file?.ceiling),
  };
}

function readLevels(levels: PermissionsFile['ceiling']): Permission | null {
  if (levels === undefined) return null;
  const known = Object.entries(levels).filter(
    (entry): entry is [string, 'read' | 'write'] => entry[1] === 'read' || entry[1] === 'write',
  );
  return Object.fromEntries(known);
}

/** A scope’s terms with how certainly it applies. */
export interface ScopeTerms {
  readonly terms: PermissionTerms;
  readonly exclusive: boolean;
}

/**
 * The ceilings of scopes that apply unite, those of exclusive ones intersect, and take the place of `default`; none
 * passes the top ceiling. One that only may apply can take away.
 */
export function uniteCeilings(
  top: PermissionTerms,
  yes: readonly ScopeTerms[],
  maybe: readonly ScopeTerms[],
): Ceiling | null {
  const own = yes.filter(({ terms }) => terms.ceiling !== null);
  const exclusive = own.filter((scope) => scope.exclusive);
  const named = (exclusive.length > 0 ? exclusive : own).map(({ terms }) => terms.ceiling!);
  const combine = exclusive.length > 0 ? intersect : unite;
  let granted = named.length > 0 ? named.reduce(combine) : (top.base ?? top.ceiling);
  if (granted === null) return null;
  if (top.ceiling !== null) granted = intersect(granted, top.ceiling);
  for (const { terms, exclusive: narrows } of maybe)
    if (narrows && terms.ceiling !== null) granted = intersect(granted, terms.ceiling);
  const modes = [top, ...yes.map(({ terms }) => terms), ...maybe.map(({ terms }) => terms)].map(
    ({ mode }) => mode,
  );
  return { mode: modes.includes('block') ? 'block' : 'audit', granted };
}

/** True when the job’s own token is about to do more than the ceiling grants. */
export function passesCeiling(ceiling: Ceiling, operation: Operation): boolean {
  const { credential, root, widens, sureness, ungrantable, needs, decided } = operation;
  if ((credential !== 'job' && root !== 'job') || !widens) return true;
  if (sureness === 'unknown' || ungrantable.length > 0) return false;
  // What an id tells of its target takes away, and never gives.
  return isWithin(needs, ceiling.granted) && isWithin(decided ?? needs, ceiling.granted);
}

function unite(a: Permission, b: Permission): Permission {
  const levels: Record<string, 'read' | 'write'> = { ...a };
  for (const [key, level] of Object.entries(b)) if (levels[key] !== 'write') levels[key] = level;
  return levels;
}

function intersect(a: Permission, b: Permission): Permission {
  const levels: Record<string, 'read' | 'write'> = {};
  for (const [key, level] of Object.entries(a)) {
    const other = b[key];
    if (other !== undefined) levels[key] = level === 'write' && other === 'write' ? 'write' : 'read';
  }
  return levels;
}
