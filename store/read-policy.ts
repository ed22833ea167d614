// Which policies were in force, and their text.

import type { Kysely } from 'kysely';
import { pageOf, readCursor, type Page, type PageRequest } from './page-cursor.ts';
import type { StoreTables } from './tables.ts';

export interface StoredRevision {
  readonly revision: string;
  /** When it came into force on that gateway. */
  readonly atMs: number;
  readonly fleet: string;
  readonly gateway: string;
}

export class PolicyReader {
  readonly #main: Kysely<StoreTables>;

  constructor(main: Kysely<StoreTables>) {
    this.#main = main;
  }

  /** Each coming into force, the last first. */
  async revisions({ limit, cursor }: PageRequest): Promise<Page<StoredRevision>> {
    const after = readCursor(cursor);
    if (after === undefined) return { items: [], next: null };
    let query = this.#main.selectFrom('policy_revision').selectAll();
    if (after !== null) query = query.where('id', '<', after[0]);
    const rows = await query
      .orderBy('id', 'desc')
      .limit(limit + 1)
      .execute();
    const page = pageOf(rows, limit, ({ id }) => [id, 0]);
    return {
      next: page.next,
      items: page.items.map(({ revision, at_ms: atMs, fleet, gateway }) => ({
        revision,
        atMs,
        fleet,
        gateway,
      })),
    };
  }

  /** The files of a revision as JSON (policy/load.ts: PolicyBundle), and when it was first in force; null: unknown. */
  async bundle(revision: string): Promise<{ readonly atMs: number; readonly text: string } | null> {
    const row = await this.#main
      .selectFrom('policy_bundle')
      .select(['at_ms', 'bundle'])
      .where('revision', '=', revision)
      .executeTakeFirst();
    return row === undefined ? null : { atMs: row.at_ms, text: row.bundle };
  }
}
