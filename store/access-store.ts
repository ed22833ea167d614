// Tokens, logins and the audit log in the store, the same over both databases. Its shapes are those that the operator's
// side asks for (api/auth/access-port.ts); only digests of what gets in are here.

import type { Kysely, Selectable } from 'kysely';
import { SallyportError } from '../flow/errors.ts';
import type { StoreTables } from './tables.ts';

type KeptRole = 'viewer' | 'operator' | 'admin';

/** A token for programs; times are milliseconds since 1970, `digest` is SHA-256 in hexadecimal. */
export interface KeptToken {
  readonly id: string;
  readonly digest: string;
  readonly label: string;
  readonly role: KeptRole;
  /** Null: all. */
  readonly owners: readonly string[] | null;
  readonly createdMs: number;
  readonly expiresMs: number;
  readonly usedMs: number | null;
  readonly revokedMs: number | null;
}

/** A browser that somebody is logged in with. */
export interface KeptLogin {
  readonly digest: string;
  readonly user: string;
  readonly role: KeptRole;
  readonly owners: readonly string[] | null;
  readonly createdMs: number;
  readonly usedMs: number;
}

/** A write that was asked for, and what became of it; ids are UUIDv7. */
export interface KeptEntry {
  readonly id: string;
  readonly atMs: number;
  readonly actor: string;
  readonly address: string;
  readonly action: string;
  readonly target: string;
  readonly reason: string;
  readonly outcome: EntryOutcome;
}

type EntryOutcome = 'begun' | 'done' | 'refused' | 'failed';

/** Which entries are wanted, before one of them, and how many. */
export interface EntryQuestion {
  readonly beforeId?: string;
  readonly limit: number;
  readonly actor?: string;
  readonly action?: string;
  readonly outcome?: EntryOutcome;
  readonly fromMs?: number;
  readonly untilMs?: number;
}

/** TokenPort, LoginPort and AuditPort of the operator's side, and the list of what was done. */
export class AccessStore {
  readonly #main: Kysely<StoreTables>;

  /** `main` must be one that may write. */
  constructor(main: Kysely<StoreTables>) {
    this.#main = main;
  }

  async addToken(token: KeptToken): Promise<void> {
    const { id, digest, label, role, createdMs, expiresMs, usedMs, revokedMs } = token;
    const times = { created_ms: createdMs, expires_ms: expiresMs, used_ms: usedMs, revoked_ms: revokedMs };
    const row = { id, digest, label, role, owners: writeOwners(token.owners), ...times };
    await this.#main.insertInto('api_token').values(row).execute();
  }

  async tokenOf(id: string): Promise<KeptToken | null> {
    const row = await this.#main.selectFrom('api_token').selectAll().where('id', '=', id).executeTakeFirst();
    return row === undefined ? null : toToken(row);
  }

  /** All of them, the newest first; 10,000 at most. */
  async tokens(): Promise<readonly KeptToken[]> {
    const all = this.#main.selectFrom('api_token').selectAll();
    const rows = await all.orderBy('created_ms', 'desc').orderBy('id').limit(10_000).execute();
    return rows.map(toToken);
  }

  async touchToken(id: string, usedMs: number): Promise<void> {
    const set = this.#main.updateTable('api_token').set({ used_ms: usedMs }).where('id', '=', id);
    await set.where((is) => is.or([is('used_ms', 'is', null), is('used_ms', '<', usedMs)])).execute();
  }

  /** False where there is none, or it was revoked before. */
  async revokeToken(id: string, revokedMs: number): Promise<boolean> {
    const { numUpdatedRows } = await this.#main
      .updateTable('api_token')
      .set({ revoked_ms: revokedMs })
      .where('id', '=', id)
      .where('revoked_ms', 'is', null)
      .executeTakeFirst();
    return numUpdatedRows > 0n;
  }

  async addLogin({ digest, user, role, owners, createdMs, usedMs }: KeptLogin): Promise<void> {
    const row = { digest, name: user, role, owners: writeOwners(owners) };
    await this.#main
      .insertInto('login')
      .values({ ...row, created_ms: createdMs, used_ms: usedMs })
      .execute();
  }

  async loginOf(digest: string): Promise<KeptLogin | null> {
    const query = this.#main.selectFrom('login').selectAll().where('digest', '=', digest);
    const row = await query.executeTakeFirst();
    if (row === undefined) return null;
    const { name, created_ms, used_ms } = row;
    const times = { createdMs: created_ms, usedMs: used_ms };
    return { digest, user: name, role: roleOf(row.role), owners: readOwners(row.owners), ...times };
  }

  async touchLogin(digest: string, usedMs: number): Promise<void> {
    const set = this.#main.updateTable('login').set({ used_ms: usedMs }).where('digest', '=', digest);
    await set.where('used_ms', '<', usedMs).execute();
  }

  async removeLogin(digest: string): Promise<void> {
    await this.#main.deleteFrom('login').where('digest', '=', digest).execute();
  }

  /** Forgets logins that began before this time. */
  async dropLogins(createdBeforeMs: number): Promise<void> {
    await this.#main.deleteFrom('login').where('created_ms', '<', createdBeforeMs).execute();
  }

  /** Forgets tokens that ended before this time. */
  async dropTokens(expiredBeforeMs: number): Promise<void> {
    await this.#main.deleteFrom('api_token').where('expires_ms', '<', expiredBeforeMs).execute();
  }

  /** Forgets entries of before this time. */
  async dropEntries(beforeMs: number): Promise<void> {
    await this.#main.deleteFrom('audit').where('at_ms', '<', beforeMs).execute();
  }

  async addEntry({ id, atMs, actor, address, action, target, reason, outcome }: KeptEntry): Promise<void> {
    const row = { id, at_ms: atMs, actor, address, action, target, reason, outcome };
    await this.#main.insertInto('audit').values(row).execute();
  }

  /** Says how a write ended. @throws SallyportError internal where there is no such entry */
  async endEntry(id: string, outcome: EntryOutcome, target: string): Promise<void> {
    const set = this.#main.updateTable('audit').set({ outcome, target }).where('id', '=', id);
    const { numUpdatedRows } = await set.executeTakeFirst();
    if (numUpdatedRows === 0n) throw new SallyportError('internal', `the audit log has no entry ${id}`);
  }

  /** What was asked for, the newest first. */
  async entries(question: EntryQuestion): Promise<readonly KeptEntry[]> {
    const { beforeId, limit, actor, action, outcome, fromMs, untilMs } = question;
    let query = this.#main.selectFrom('audit').selectAll();
    if (beforeId !== undefined) query = query.where('id', '<', beforeId);
    if (actor !== undefined) query = query.where('actor', '=', actor);
    if (action !== undefined) query = query.where('action', '=', action);
    if (outcome !== undefined) query = query.where('outcome', '=', outcome);
    if (fromMs !== undefined) query = query.where('at_ms', '>=', fromMs);
    if (untilMs !== undefined) query = query.where('at_ms', '<', untilMs);
    const rows = await query.orderBy('id', 'desc').limit(limit).execute();
    return rows.map(toEntry);
  }
}

const writeOwners = (owners: readonly string[] | null): string | null =>
  owners === null ? null : JSON.stringify(owners);

// Written by this file alone.
const readOwners = (text: string | null): readonly string[] | null =>
  text === null ? null : (JSON.parse(text) as string[]);

/** What is none of the three may do least. */
const roleOf = (text: string): KeptRole => (text === 'admin' || text === 'operator' ? text : 'viewer');

function toToken(row: Selectable<StoreTables['api_token']>): KeptToken {
  const { id, digest, label } = row;
  const times = { createdMs: row.created_ms, expiresMs: row.expires_ms };
  const ends = { usedMs: row.used_ms, revokedMs: row.revoked_ms };
  return { id, digest, label, role: roleOf(row.role), owners: readOwners(row.owners), ...times, ...ends };
}

function toEntry(row: Selectable<StoreTables['audit']>): KeptEntry {
  const { id, at_ms: atMs, actor, address, action, target, reason } = row;
  const known: readonly EntryOutcome[] = ['begun', 'done', 'refused'];
  const outcome = known.find((name) => name === row.outcome) ?? 'failed';
  return { id, atMs, actor, address, action, target, reason, outcome };
}
