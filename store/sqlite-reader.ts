// The embedded store's side of the questions: kysely over node:sqlite, and a file for each day, opened when it is asked.

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { Kysely, SqliteDialect, type SqliteDatabase, type SqliteStatement } from 'kysely';
import { LRUCache } from 'lru-cache';
import type { FlowSource } from './read-store.ts';
import type { FlowTables, StoreTables } from './tables.ts';

const openDays = 16;

/** Questions to the store in this folder, which may be written to meanwhile. */
export class SqliteReader {
  readonly main: Kysely<StoreTables>;
  readonly flows: FlowSource;
  readonly #days = new LRUCache<string, Kysely<FlowTables>>({
    max: openDays,
    dispose: (database) => void database.destroy(),
  });

  constructor(folder: string) {
    this.main = openReader<StoreTables>(join(folder, 'main.db'));
    this.flows = {
      days: async () =>
        readdirSync(join(folder, 'flows'))
          .filter((name) => /^\d{4}-\d{2}-\d{2}\.db$/.test(name))
          .map((name) => name.slice(0, 10))
          .toSorted()
          .toReversed(),
      on: (day) => {
        const path = join(folder, 'flows', `${day}.db`);
        if (!existsSync(path)) this.#days.delete(day);
        const known = this.#days.get(day) ?? openReader<FlowTables>(path);
        this.#days.set(day, known);
        return known.selectFrom('flow');
      },
    };
  }

  async close(): Promise<void> {
    this.#days.clear();
    await this.main.destroy();
  }
}

function openReader<T>(path: string): Kysely<T> {
  const database = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
  // What is mapped needs no copy: many days may be open.
  database.exec('pragma cache_size = -8192; pragma mmap_size = 1073741824; pragma temp_store = memory');
  return kyselyOf<T>(database);
}

/** Queries by kysely over an opened file; it stays the caller's to close. */
export function kyselyOf<T>(database: DatabaseSync): Kysely<T> {
  return new Kysely<T>({ dialect: new SqliteDialect({ database: adapt(database) }) });
}

/** node:sqlite as kysely's dialect wants it. */
function adapt(database: DatabaseSync): SqliteDatabase {
  return { close: () => database.close(), prepare: (text) => adaptStatement(database.prepare(text)) };
}

function adaptStatement(statement: StatementSync): SqliteStatement {
  // kysely binds what queries were given: texts, numbers, bytes.
  const bound = (values: readonly unknown[]) => values as SQLInputValue[];
  return {
    reader: statement.columns().length > 0,
    all: (values) => statement.all(...bound(values)),
    run: (values) => statement.run(...bound(values)),
    iterate: (values) => statement.iterate(...bound(values)) as IterableIterator<unknown>,
  };
}
