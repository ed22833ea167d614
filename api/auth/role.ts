// Who asks and what it may: three roles, each with all of the one before, and the owners that a caller is limited to. An
// owner is the first part of a repository's name, on whichever platform, compared without regard to case.

/** From least to most. */
export const roles = ['viewer', 'operator', 'admin'] as const;
export type Role = (typeof roles)[number];

/** Somebody who was recognised. */
export interface Actor {
  /** `token:ID`, `user:NAME`, `oidc:NAME`, `proxy:NAME`, `local:root`: what an audit row names. */
  readonly name: string;
  readonly role: Role;
  /** Null: all owners. An empty list: none. */
  readonly owners: readonly string[] | null;
  readonly by: 'token' | 'cookie';
}

/** Whether a text is one of the roles. */
export function isRole(text: string): text is Role {
  return roles.some((role) => role === text);
}

/** Whether an actor's role is the asked one or more. */
export function hasRole(actor: Actor, asked: Role): boolean {
  return roles.indexOf(actor.role) >= roles.indexOf(asked);
}

/** Whether what belongs to an owner may be seen; null is what belongs to nobody, seen only without a limit. */
export function maySeeOwner(actor: Actor, owner: string | null): boolean {
  if (actor.owners === null) return true;
  if (owner === null || owner === '') return false;
  const folded = owner.toLowerCase();
  return actor.owners.some((own) => own.toLowerCase() === folded);
}
