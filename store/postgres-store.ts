// The store of several gateways: PostgreSQL, one transaction for each batch. Rows that are there already add nothing, so
// that a batch whose commit was not heard of may come again.

import { join } from 'node:path';
import { Kysely, PostgresDialect, sql } from 'kysely';
import pg from 'pg';
import type {
  ClientBase,
  CustomTypesConfig,
  Pool,
  PoolClient,
  PoolConfig,
  QueryResult,
  QueryResultRow,
} from 'pg';
import { SallyportError } from '../flow/errors.ts';
import type { FlowRecord } from '../flow/flow.ts';
import type { JobRecord } from '../flow/job-record.ts';
import { newestRows, type FlowRow } from './flow-row.ts';
import { jobStatements } from './job-statements.ts';
import { readSteps } from './migrate-sqlite.ts';
import { columnsOf, endedFlow, type NumberedRow } from './number-flow.ts';
import { numberBatch } from './postgres-names.ts';
import type { FlowSource } from './read-store.ts';
import { addDeltas } from './postgres-sums.ts';
import { addFlow, addPlaces, emptyDeltas, type Deltas } from './rollup.ts';
import type { SegmentOffset } from './sqlite-store.ts';
import type { DroppedFlows } from './sqlite-day.ts';
import { subjectOfJob } from './subject.ts';
import { flowColumns, type FlowTable, type FlowTables, type StoreTables } from './tables.ts';

// Whole numbers of 64 bits and sums: all of ours fit a double.
const types: CustomTypesConfig = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === 20 || oid === 1700
      ? Number
      : pg.types.getTypeParser(oid, format === 'binary' ? 'binary' : 'text'),
};
/** Any number that nobody else of ours takes: migrations and partitions are made by one at a time. */
const lockNumber = 7_305_143;
/** A server that is gone without a word must not hold anything up for ever. */
const limits: PoolConfig = {
  max: 6,
  connectionTimeoutMillis: 5_000,
  statement_timeout: 30_000,
  query_timeout: 60_000,
  keepAlive: true,
};
const dayForm = /^\d{4}-\d{2}-\d{2}$/;

export class PostgresStore {
  readonly #pool: Pool;
  readonly #days = new Set<string>();
  readonly main: Kysely<StoreTables>;
  readonly flows: FlowSource;

  private constructor(pool: Pool) {
    this.#pool = pool;
    const dialect = new PostgresDialect({ pool });
    this.main = new Kysely<StoreTables>({ dialect });
    const flows = new Kysely<FlowTables>({ dialect });
    this.flows = {
      days: () => this.days(),
      on: (day) => flows.selectFrom('flow').where(sql<boolean>`day = ${day}`),
    };
  }

  /** @throws SallyportError when its tables are those of another or a newer program */
  static async open(config: PoolConfig): Promise<PostgresStore> {
    const pool = new pg.Pool({ ...limits, ...config, types });
    // A connection that breaks while it is idle is made again when it is needed.
    pool.on('error', () => {});
    // One that breaks between two statements tells the next of them.
    pool.on('connect', (client) => client.on('error', () => {}));
    const store = new PostgresStore(pool);
    try {
      await store.#within((client) => migratePostgres(client));
      return store;
    } catch (error) {
      await pool.end();
      throw error;
    }
  }

  /** The days that have a partition, the newest first. */
  async days(): Promise<readonly string[]> {
    const { rows } = await this.#query<{ name: string }>(
      "select inhrelid::regclass::text as name from pg_inherits where inhparent = 'flow'::regclass",
    );
    return rows
      .map(({ name }) => name.slice(-8).replace(/^(\d{4})(\d{2})(\d{2})$/, '$1-$2-$3'))
      .filter((day) => dayForm.test(day))
      .toSorted()
      .toReversed();
  }

  async offsets(gateway: string): Promise<ReadonlyMap<string, number>> {
    const { rows } = await this.#query<{ name: string; bytes: number }>(
      'select name, bytes from segment where gateway = $1',
      [gateway],
    );
    return new Map(rows.map(({ name, bytes }) => [name, bytes]));
  }

  /** Writes records, and how far their segments have been read: both or neither. */
  async write(
    records: readonly FlowRecord[],
    offsets: readonly SegmentOffset[],
    jobs: readonly JobRecord[] = [],
  ): Promise<void> {
    const rows = newestRows(records);
    const timed = jobs.filter(({ time }) => !Number.isNaN(Date.parse(time)));
    try {
      for (const day of new Set(rows.map((row) => row.day))) await this.#partition(day);
      await this.#within((client) => this.#writeAll(client, rows, offsets, timed));
    } catch (error) {
      // Another gateway may have dropped a day meanwhile.
      this.#days.clear();
      throw error;
    }
  }

  async #writeAll(
    client: ClientBase,
    rows: readonly FlowRow[],
    offsets: readonly SegmentOffset[],
    jobs: readonly JobRecord[],
  ): Promise<void> {
    const told = jobs.map((record) => subjectOfJob(record, Date.parse(record.time)));
    const numbered = await numberBatch(client, rows, told);
    const deltas =
      rows.length > 0 ? await this.#insert(client, numbered.rows, numbered.words) : emptyDeltas();
    for (const [at, ids] of numbered.jobs.entries()) if (ids !== null) addPlaces(deltas, ids, told[at]!.atMs);
    await addDeltas(client, deltas);
    for (const [at, record] of jobs.entries()) {
      const ids = numbered.jobs[at];
      if (ids === null || ids === undefined) continue;
      for (const { text, values } of jobStatements(record, ids)) await client.query(text, [...values]);
    }
    for (const { gateway, name, bytes } of offsets)
      await client.query(
        'insert into segment values ($1, $2, $3) on conflict (gateway, name) do update set bytes = excluded.bytes',
        [gateway, name, bytes],
      );
  }

  /** Drops the flows of a day; sums of them stay. */
  async dropDay(day: string): Promise<void> {
    this.#days.delete(day);
    // Whoever reads must not wait behind one that waits for readers: tried again later instead.
    await this.#within(async (client) => {
      await client.query("set local lock_timeout = '2s'");
      await client.query(`drop table if exists ${partitionOf(day)}`);
    });
  }

  /** Drops flows of a kind among so many from an id on; answers how many, and the id to go on after (null: that was all). */
  async dropFlows(day: string, kind: number, after: Uint8Array, among: number): Promise<DroppedFlows> {
    const { rows } = await this.#query<{ id: Buffer }>(
      'select id from flow where day = $1 and id > $2 order by id limit 1 offset $3',
      [day, after, among - 1],
    );
    const next = rows[0]?.id ?? null;
    const { rowCount } = await this.#query(
      'delete from flow where day = $1 and id > $2 and ($3::bytea is null or id <= $3) and kind = $4',
      [day, after, next, kind],
    );
    return { dropped: rowCount ?? 0, next };
  }

  async forgetSegments(gateway: string, names: readonly string[]): Promise<void> {
    await this.#query('delete from segment where gateway = $1 and name = any($2)', [gateway, names]);
  }

  /** Bytes of the database. */
  async sizeBytes(): Promise<number> {
    const { rows } = await this.#query<{ size: number }>(
      'select pg_database_size(current_database()) as size',
    );
    return rows[0]!.size; // one row
  }

  async close(): Promise<void> {
    await this.main.destroy();
  }

  async #insert(
    client: ClientBase,
    numbered: readonly NumberedRow[],
    words: ReadonlyMap<string, number>,
  ): Promise<Deltas> {
    const sorted = numbered.toSorted((a, b) => Buffer.compare(a.row.id, b.row.id));
    const columns = sorted.map((row) => columnsOf(row, (text) => words.get(text)!)); // all were numbered
    const arrays = [
      sorted.map(({ row }) => row.day),
      ...flowColumns.map((name) => columns.map((row) => row[name])),
    ];
    const { rows } = await client.query<{ id: Buffer }>(insertText, arrays);
    const changed = new Set(rows.map(({ id }) => id.toString('hex')));
    const deltas = emptyDeltas();
    for (const row of sorted)
      if (row.row.closedMs !== null && changed.has(row.row.id.toString('hex')))
        addFlow(deltas, endedFlow(row));
    return deltas;
  }

  async #partition(day: string): Promise<void> {
    if (this.#days.has(day)) return;
    const next = new Date(Date.parse(day) + 86_400_000).toISOString().slice(0, 10);
    await this.#within(async (client) => {
      await client.query('select pg_advisory_xact_lock($1)', [lockNumber]);
      await client.query(
        `create table if not exists ${partitionOf(day)} partition of flow for values from ('${day}') to ('${next}')`,
      );
    });
    this.#days.add(day);
  }

  async #connect(): Promise<PoolClient> {
    try {
      return await this.#pool.connect();
    } catch (error) {
      throw away(error);
    }
  }

  /** One statement of its own. */
  async #query<R extends QueryResultRow>(text: string, values: unknown[] = []): Promise<QueryResult<R>> {
    const client = await this.#connect();
    try {
      const result = await client.query<R>(text, values);
      client.release();
      return result;
    } catch (error) {
      client.release(true);
      throw error;
    }
  }

  async #within<T>(run: (client: ClientBase) => Promise<T>): Promise<T> {
    const client = await this.#connect();
    try {
      await client.query('begin');
      const result = await run(client);
      await client.query('commit');
      client.release();
      return result;
    } catch (error) {
      // A connection in an unknown state is not used again: the server undoes what it had begun.
      client.release(true);
      throw error;
    }
  }
}

function away(error: unknown): SallyportError {
  // Of several addresses that fail the error has no text but its code.
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const why = (error instanceof Error && error.message) || code;
  return new SallyportError('upstream', `PostgreSQL does not let us in: ${why}`, error);
}

function partitionOf(day: string): string {
  if (!dayForm.test(day)) throw new SallyportError('internal', 'a day has another form');
  return `flow_${day.replaceAll('-', '')}`;
}

const columnTypes: Readonly<Partial<Record<keyof FlowTable, string>>> = {
  id: 'bytea',
  parent: 'bytea',
  address: 'text',
  path: 'text',
  detail: 'text',
  opened_ms: 'bigint',
  closed_ms: 'bigint',
  sent: 'bigint',
  received: 'bigint',
  total_ms: 'bigint',
  attempts: 'bigint',
};
const insertText = `insert into flow (day, ${flowColumns.join(', ')}) select * from unnest($1::date[], ${flowColumns
  .map((name, at) => `$${at + 2}::${columnTypes[name] ?? 'integer'}[]`)
  .join(', ')})
  on conflict (day, id) do update set ${flowColumns
    .filter((name) => name !== 'id')
    .map((name) => `${name} = excluded.${name}`)
    .join(', ')}
  where flow.closed_ms is null and excluded.closed_ms is not null returning id`;

async function migratePostgres(client: ClientBase): Promise<void> {
  await client.query('select pg_advisory_xact_lock($1)', [lockNumber]);
  await client.query(
    'create table if not exists migration (number integer primary key, name text not null, digest text not null, applied_ms bigint not null)',
  );
  const steps = readSteps(join(import.meta.dirname, 'migrations', 'postgres'));
  const { rows } = await client.query<{ name: string; digest: string }>(
    'select name, digest from migration order by number',
  );
  if (rows.length > steps.length)
    throw new SallyportError(
      'usage',
      'the database cannot be used: a newer version of this program wrote it',
    );
  rows.forEach(({ name, digest }, at) => {
    if (steps[at]!.digest !== digest)
      throw new SallyportError('usage', `the database cannot be used: its step ${name} is another one`);
  });
  for (const step of steps.slice(rows.length)) {
    await client.query(step.sql);
    await client.query('insert into migration values ($1, $2, $3, $4)', [
      step.number,
      step.name,
      step.digest,
      Date.now(),
    ]);
  }
}
