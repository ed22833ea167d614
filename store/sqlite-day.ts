// The file of one day's flows: writes them, says which have just ended, and keeps what they add until main.db has it.

import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { inTransaction, openMigrated, type MigrationStep } from './migrate-sqlite.ts';
import { addFlow, emptyDeltas, type Deltas } from './rollup.ts';
import { columnsOf, endedFlow, type NumberedRow } from './number-flow.ts';
import type { SqliteNames } from './sqlite-names.ts';
import { flowColumns } from './tables.ts';

/** What one step of dropping flows came to. */
export interface DroppedFlows {
  readonly dropped: number;
  readonly next: Uint8Array | null;
}

const lastId = Buffer.alloc(16, 0xff);
const insert = `insert into flow (${flowColumns.join(', ')}) values (${flowColumns.map(() => '?').join(', ')})
  on conflict (id) do update set ${flowColumns
    .filter((name) => name !== 'id')
    .map((name) => `${name} = excluded.${name}`)
    .join(', ')}
  where flow.closed_ms is null and excluded.closed_ms is not null`;

export class SqliteDay {
  readonly day: string;
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;

  /** @throws SallyportError when the file is another program's */
  constructor(path: string, day: string, steps: readonly MigrationStep[]) {
    this.day = day;
    this.#database = openMigrated(path, dayPragmas, steps);
    this.#insert = this.#database.prepare(insert);
  }

  /** Writes the rows as one batch. Whatever was written before is left as it was, and adds nothing. */
  write(batch: number, rows: readonly NumberedRow[], names: SqliteNames): Deltas {
    const deltas = emptyDeltas();
    inTransaction(this.#database, () => {
      this.#database.prepare('delete from pending where batch < ?').run(batch);
      for (const numbered of rows) {
        const values = columnsOf(numbered, (text) => names.word(text));
        const { changes } = this.#insert.run(...flowColumns.map((name) => values[name]));
        if (changes > 0 && numbered.row.closedMs !== null) addFlow(deltas, endedFlow(numbered));
      }
      this.#database.prepare('insert into pending values (?, ?)').run(batch, JSON.stringify(deltas));
    });
    return deltas;
  }

  /** What batches after this one have added, oldest first. */
  pendingAfter(batch: number): readonly { readonly batch: number; readonly deltas: Deltas }[] {
    return this.#database
      .prepare('select batch, deltas from pending where batch > ? order by batch')
      .all(batch)
      .map((found) => ({
        batch: Number(found['batch']),
        // Written by `write` alone.
        deltas: JSON.parse(String(found['deltas'])) as Deltas,
      }));
  }

  /**
   * Drops flows of a kind among so many from an id on; answers how many, and the id to go on after (null: that was all).
   * Their room goes back to the disk.
   */
  dropFlows(kind: number, after: Uint8Array, among: number): DroppedFlows {
    const last = this.#database
      .prepare('select id from flow where id > ? order by id limit 1 offset ?')
      .get(after, among - 1)?.['id'];
    const next = last instanceof Uint8Array ? last : null;
    const dropped = this.#database
      .prepare('delete from flow where id > ? and id <= ? and kind = ?')
      .run(after, next ?? lastId, kind).changes;
    this.#database.exec('pragma incremental_vacuum(2000)');
    return { dropped: Number(dropped), next };
  }

  close(): void {
    this.#database.close();
  }
}

/** Its rows can be written again from the segments: the last commits may be lost with the power. */
const dayPragmas = `pragma page_size = 8192; pragma auto_vacuum = incremental; pragma journal_mode = wal; pragma synchronous = normal;
  pragma cache_size = -16384; pragma temp_store = memory; pragma wal_autocheckpoint = 1000;
  pragma journal_size_limit = 67108864;`;
