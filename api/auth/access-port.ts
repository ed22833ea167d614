// What the operator's side keeps of tokens, logins and writes, behind a port: the store has it for good, tests in memory.
// Nothing here can be used to get in: only digests are kept.

import type { Role } from './role.ts';

/** A token as it is kept; times are milliseconds since 1970. */
export interface StoredToken {
  readonly id: string;
  /** SHA-256 of the whole token, in hexadecimal. */
  readonly digest: string;
  readonly label: string;
  readonly role: Role;
  readonly owners: readonly string[] | null;
  readonly createdMs: number;
  readonly expiresMs: number;
  readonly usedMs: number | null;
  readonly revokedMs: number | null;
}

/** A browser that somebody is logged in with; times are milliseconds since 1970. */
export interface StoredLogin {
  /** SHA-256 of the cookie's value, in hexadecimal. */
  readonly digest: string;
  /** The actor's name: `user:NAME`, `oidc:NAME`, `proxy:NAME`. */
  readonly user: string;
  readonly role: Role;
  readonly owners: readonly string[] | null;
  readonly createdMs: number;
  readonly usedMs: number;
}

/** A write that was asked for, and what became of it. `begun`: it was let in, and nobody said how it ended. */
export const auditOutcomes = ['begun', 'done', 'refused', 'failed'] as const;
export type AuditOutcome = (typeof auditOutcomes)[number];

/** One write: written before it is done, so that there is none without an entry. */
export interface AuditEntry {
  /** UUIDv7: entries are in its order. */
  readonly id: string;
  readonly atMs: number;
  readonly actor: string;
  readonly address: string;
  /** Method and path as registered. */
  readonly action: string;
  /** What it was done to: an identifier, never a body. */
  readonly target: string;
  readonly reason: string;
  readonly outcome: AuditOutcome;
}

/** Which entries are wanted, the newest first; what is not named is not asked. */
export interface AuditQuestion {
  /** Only entries before this one. */
  readonly beforeId?: string;
  readonly limit: number;
  readonly actor?: string;
  readonly action?: string;
  readonly outcome?: AuditOutcome;
  readonly fromMs?: number;
  readonly untilMs?: number;
}

export interface TokenPort {
  addToken(token: StoredToken): Promise<void>;
  tokenOf(id: string): Promise<StoredToken | null>;
  tokens(): Promise<readonly StoredToken[]>;
  touchToken(id: string, usedMs: number): Promise<void>;
  /** False where there is none, or it was revoked before. */
  revokeToken(id: string, revokedMs: number): Promise<boolean>;
}

export interface LoginPort {
  addLogin(login: StoredLogin): Promise<void>;
  loginOf(digest: string): Promise<StoredLogin | null>;
  touchLogin(digest: string, usedMs: number): Promise<void>;
  removeLogin(digest: string): Promise<void>;
  /** Forgets logins that began before this time. */
  dropLogins(createdBeforeMs: number): Promise<void>;
}

/** A write whose entry cannot be added is not done. */
export interface AuditPort {
  addEntry(entry: AuditEntry): Promise<void>;
  /** Says how a write ended. Rejected where there is no such entry. */
  endEntry(id: string, outcome: AuditOutcome, target: string): Promise<void>;
  entries(question: AuditQuestion): Promise<readonly AuditEntry[]>;
}

/** All that is kept. Whatever rejects counts as away: nobody is let in then. */
export type AccessStore = TokenPort & LoginPort & AuditPort;
