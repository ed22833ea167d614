// The embedded store: main.db with names, jobs and sums, and a file for each day of flows. Written by batches that may
// come again: a batch that was cut by a crash is finished from what the day's file kept of it, and adds nothing twice.

import { chmodSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Kysely } from 'kysely';
import type { FlowRecord } from '../flow/flow.ts';
import type { JobRecord } from '../flow/job-record.ts';
import { newestRows, type FlowRow } from './flow-row.ts';
import { jobStatements } from './job-statements.ts';
import { inTransaction, openMigrated, readSteps, type MigrationStep } from './migrate-sqlite.ts';
import { wordsOf, type NumberedRow } from './number-flow.ts';
import { addPlaces, emptyDeltas, type Deltas } from './rollup.ts';
import { SqliteDay, type DroppedFlows } from './sqlite-day.ts';
import { holdLock } from './sqlite-lock.ts';
import { SqliteNames } from './sqlite-names.ts';
import { kyselyOf } from './sqlite-reader.ts';
import { SqliteUpserts } from './sqlite-upserts.ts';
import { subjectOfJob, type Subject } from './subject.ts';
import type { StoreTables } from './tables.ts';

/** How far one segment has been read, in bytes. */
export interface SegmentOffset {
  readonly gateway: string;
  readonly name: string;
  readonly bytes: number;
}

const openDays = 4;
const migrations = join(import.meta.dirname, 'migrations');
const dayName = /^\d{4}-\d{2}-\d{2}\.db$/;

export class SqliteStore {
  readonly #main: DatabaseSync;
  readonly #lock: DatabaseSync;
  readonly #names: SqliteNames;
  readonly #folder: string;
  readonly #daySteps: readonly MigrationStep[];
  readonly #days = new Map<string, SqliteDay>();
  readonly #upserts: SqliteUpserts;
  readonly #statements = new Map<string, StatementSync>();
  #batch: number;
  /** A batch was cut: a day's file may hold more than main.db knows of. */
  #isBehind = true;

  /** Opens or makes the store in a folder of its own. @throws SallyportError when it is another program's */
  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(join(folder, 'flows'), { recursive: true, mode: 0o700 });
    const path = join(folder, 'main.db');
    this.#lock = holdLock(folder);
    try {
      this.#main = openMigrated(path, mainPragmas, readSteps(join(migrations, 'main')));
    } catch (error) {
      this.#lock.close();
      throw error;
    }
    chmodSync(path, 0o600);
    this.#daySteps = readSteps(join(migrations, 'day'));
    this.#names = new SqliteNames(this.#main);
    this.#upserts = new SqliteUpserts(this.#main);
    this.#batch = Number(
      this.#main.prepare("select value from counter where name = 'batch'").get()?.['value'],
    );
    this.#finish();
  }

  /** The days that have flows, the newest first. */
  days(): readonly string[] {
    return readdirSync(join(this.#folder, 'flows'))
      .filter((name) => dayName.test(name))
      .map((name) => name.slice(0, 10))
      .toSorted()
      .toReversed();
  }

  offsets(gateway: string): ReadonlyMap<string, number> {
    const rows = this.#main.prepare('select name, bytes from segment where gateway = ?').all(gateway);
    return new Map(rows.map((row) => [String(row['name']), Number(row['bytes'])]));
  }

  /** Writes records, and how far their segments have been read: both or neither. */
  write(
    records: readonly FlowRecord[],
    offsets: readonly SegmentOffset[],
    jobs: readonly JobRecord[] = [],
  ): void {
    if (this.#isBehind) this.#finish();
    const batch = this.#batch + 1;
    try {
      const byDay = Map.groupBy(this.#number(newestRows(records)), ({ row }) => row.day);
      this.#isBehind = true;
      const deltas = [...byDay].map(([day, rows]) => this.#day(day).write(batch, rows, this.#names));
      this.#apply(batch, deltas, offsets, jobs);
      this.#isBehind = false;
    } catch (error) {
      this.#names.forget();
      throw error;
    }
  }

  /** Drops the oldest flows; sums of them stay. */
  dropDay(day: string): void {
    this.#days.get(day)?.close();
    this.#days.delete(day);
    for (const end of ['', '-wal', '-shm'])
      rmSync(join(this.#folder, 'flows', `${day}.db${end}`), { force: true });
  }

  /** Drops some flows of a kind on a day (sqlite-day.ts). */
  dropFlows(day: string, kind: number, after: Uint8Array, among: number): DroppedFlows {
    return this.#day(day).dropFlows(kind, after, among);
  }

  forgetSegments(gateway: string, names: readonly string[]): void {
    const forget = this.#main.prepare('delete from segment where gateway = ? and name = ?');
    inTransaction(this.#main, () => names.forEach((name) => forget.run(gateway, name)));
  }

  /** After jobs were dropped: their numbers are nobody's. */
  forgetNames(): void {
    this.#names.forget();
  }

  /** Bytes of its files. */
  sizeBytes(): number {
    const flows = join(this.#folder, 'flows');
    const paths = [this.#folder, flows].flatMap((folder) =>
      readdirSync(folder).map((name) => join(folder, name)),
    );
    return paths.reduce((sum, path) => {
      const found = statSync(path, { throwIfNoEntry: false });
      return sum + (found?.isFile() === true ? found.size : 0);
    }, 0);
  }

  /** Queries that may write to main.db; each is a transaction of its own. */
  writer(): Kysely<StoreTables> {
    return kyselyOf(this.#main);
  }

  close(): void {
    for (const day of this.#days.values()) day.close();
    this.#main.close();
    this.#lock.close();
  }

  /** Gives numbers to names. They are committed before flows refer to them. */
  #number(rows: readonly FlowRow[]): readonly NumberedRow[] {
    return inTransaction(this.#main, () =>
      rows.map((row) => {
        for (const text of wordsOf(row)) this.#names.word(text);
        return {
          row,
          host: row.host === null ? null : this.#names.host(row.host),
          ...this.#idsOf(row.subject),
        };
      }),
    );
  }

  #idsOf(subject: Subject) {
    const { fleet, gateway, runner, job, jobKey, atMs } = subject;
    return {
      gateway: this.#names.gateway(fleet, gateway, atMs),
      runner: this.#names.runner(fleet, runner, atMs),
      job: job === null || jobKey === null ? null : this.#names.job(jobKey, job, subject),
    };
  }

  #tellJob(record: JobRecord): void {
    const atMs = Date.parse(record.time);
    if (Number.isNaN(atMs)) return;
    const subject = subjectOfJob(record, atMs);
    if (record.event.what === 'assigned') this.#names.forgetJob(subject.jobKey!); // every record of a job has one
    const { job, gateway, runner } = this.#idsOf(subject);
    const places = emptyDeltas();
    addPlaces(places, { gateway, runner }, atMs);
    this.#upserts.add(places);
    for (const { text, values } of jobStatements(record, { ...job!, gateway, runner }))
      this.#prepare(text).run(...values);
  }

  /** Statements of both databases: `$1` there is `?1` here. */
  #prepare(text: string): StatementSync {
    const known = this.#statements.get(text) ?? this.#main.prepare(text.replaceAll('$', '?'));
    this.#statements.set(text, known);
    return known;
  }

  #day(day: string): SqliteDay {
    const known = this.#days.get(day);
    if (known !== undefined) return known;
    if (this.#days.size >= openDays) {
      const [oldest] = this.#days.keys();
      this.#days.get(oldest!)?.close();
      this.#days.delete(oldest!);
    }
    const opened = new SqliteDay(join(this.#folder, 'flows', `${day}.db`), day, this.#daySteps);
    this.#days.set(day, opened);
    return opened;
  }

  #apply(
    batch: number,
    all: readonly Deltas[],
    offsets: readonly SegmentOffset[],
    jobs: readonly JobRecord[],
  ): void {
    inTransaction(this.#main, () => {
      for (const deltas of all) this.#upserts.add(deltas);
      for (const record of jobs) this.#tellJob(record);
      for (const offset of offsets) this.#upserts.setOffset(offset);
      this.#main.prepare("update counter set value = ? where name = 'batch'").run(batch);
    });
    this.#batch = batch;
  }

  /** Adds what a batch had written to a day's file when it was cut. */
  #finish(): void {
    const pending = new Map<number, Deltas[]>();
    for (const day of this.days())
      for (const { batch, deltas } of this.#day(day).pendingAfter(this.#batch))
        pending.set(batch, [...(pending.get(batch) ?? []), deltas]);
    for (const [batch, deltas] of [...pending].toSorted(([a], [b]) => a - b))
      this.#apply(batch, deltas, [], []);
    this.#isBehind = false;
  }
}

const mainPragmas = `pragma page_size = 8192; pragma journal_mode = wal; pragma synchronous = full;
  pragma foreign_keys = on; pragma cache_size = -65536; pragma temp_store = memory; pragma wal_autocheckpoint = 1000;
  pragma journal_size_limit = 67108864;`;
