// Tokens, logins and the audit log in the store, the same over both databases. Its shapes are those that the operator's
// side asks for (api/auth/access-port.ts); only digests of what gets in are here.

import type { Kysely, Selectable } from 'kysely';
import { readCursor, pageOf } from './page-cursor.ts';
import type { Page, PageRequest } from './page-cursor.ts';
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

/** A write that was asked for, and what became of it. */
export interface KeptEntry {
  readonly atMs: number;
  readonly actor: string;
  readonly address: string;
  readonly action: string;
  readonly target: string;
  readonly reason: string;
  readonly outcome: 'done' | 'refused' | 'failed';
}

/** An entry with its number, by which pages go on. */
export interface ListedEntry extends KeptEntry {
  readonly id: number;
}

export interface EntryFilter {
  readonly actor?: string;
  readonly action?: string;
  readonly outcome?: KeptEntry['outcome'];
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
    await this.#main.updateTable('api_token').set({ used_ms: usedMs }).where('id', '=', id).execute();
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
    await this.#main.updateTable('login').set({ used_ms: usedMs }).where('digest', '=', digest).execute();
  }

  async removeLogin(digest: string): Promise<void> {
    await this.#main.deleteFrom('login').where('digest', '=', digest).execute();
  }

  /** Forgets logins that nobody used since, and tokens that ended before then. */
  async forgetBefore(ms: number): Promise<void> {
    await this.#main.deleteFrom('login').where('used_ms', '<', ms).execute();
    await this.#main.deleteFrom('api_token').where('expires_ms', '<', ms).execute();
  }

  async addEntry({ atMs, actor, address, action, target, reason, outcome }: KeptEntry): Promise<void> {
    const row = { at_ms: atMs, actor, address, action, target, reason, outcome };
    await this.#main.insertInto('audit').values(row).execute();
  }

  /** What was asked for, the newest first. */
  async entries(filter: EntryFilter, { limit, cursor }: PageRequest): Promise<Page<ListedEntry>> {
    const after = readCursor(cursor);
    if (after === undefined) return { items: [], next: null };
    const { actor, action, outcome, fromMs, untilMs } = filter;
    let query = this.#main.selectFrom('audit').selectAll();
    if (after !== null) query = query.where('id', '<', after[0]);
    if (actor !== undefined) query = query.where('actor', '=', actor);
    if (action !== undefined) query = query.where('action', '=', action);
    if (outcome !== undefined) query = query.where('outcome', '=', outcome);
    if (fromMs !== undefined) query = query.where('at_ms', '>=', fromMs);
    if (untilMs !== undefined) query = query.where('at_ms', '<', untilMs);
    const rows = await query
      .orderBy('id', 'desc')
      .limit(limit + 1)
      .execute();
    return pageOf(rows.map(toEntry), limit, ({ id }) => [id, 0]);
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

function toEntry(row: Selectable<StoreTables['audit']>): ListedEntry {
  const { id, at_ms: atMs, actor, address, action, target, reason } = row;
  const outcome = row.outcome === 'done' || row.outcome === 'refused' ? row.outcome : 'failed';
  return { id, atMs, actor, address, action, target, reason, outcome };
}
