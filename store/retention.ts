// How long what is kept is kept, by kind, and how much of it: in steps that are short, beside what is written and asked
// meanwhile. A day of which nothing is to be kept goes as a whole.

import { sql, type Kysely } from 'kysely';
import { AccessStore } from './access-store.ts';
import { flowKinds } from './flow-row.ts';
import type { OpenedStore } from './opened-store.ts';
import type { StoreTables } from './tables.ts';

/** Days for which each kind is kept; null: for ever. */
export interface RetentionDays {
  readonly dns: number | null;
  readonly connection: number | null;
  readonly request: number | null;
  readonly packet: number | null;
  readonly jobs: number | null;
  readonly sums: number | null;
  readonly audit: number | null;
}

export interface RetentionOptions {
  readonly store: OpenedStore;
  readonly days: RetentionDays;
  /** Null: as much as fits on the disk. */
  readonly maxBytes: number | null;
  readonly now?: () => number;
  /** Told of each day that goes because the store is too large, and of what is still over when none can go. */
  readonly onOver: (over: StoreOver) => void;
}

/** What was done because of its size. */
export interface StoreOver {
  readonly sizeBytes: number;
  readonly maxBytes: number;
  /** The day that was dropped; null: there was none but today. */
  readonly dropped: string | null;
}

/** Logins end long before; a token is listed for a while after it has expired. */
const [loginDays, tokenDays] = [30, 365];
const dayMs = 86_400_000;
/** Rows of one step: some milliseconds. */
const stepRows = 5_000;
const stepParents = 500;
const beforeAll = Buffer.alloc(16);

export class Retention {
  readonly #options: RetentionOptions;
  /** Kinds of days that are done: nothing is written to them any more. */
  readonly #done = new Set<string>();
  #isEnded = false;

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  end(): void {
    this.#isEnded = true;
  }

  /** Drops what is too old, then what is too much. */
  async turn(): Promise<void> {
    for (const day of (await this.#options.store.days()).toReversed()) {
      if (this.#isEnded) return;
      const expired = flowKinds.filter((kind) => this.#isBefore(day, this.#options.days[kind]));
      if (expired.length === flowKinds.length) await this.#options.store.dropDay(day);
      else for (const kind of expired) await this.#dropKind(day, kind);
    }
    await this.#dropNames();
    await this.#dropOver();
  }

  #isBefore(day: string, days: number | null): boolean {
    return days !== null && day < this.#dayBefore(days);
  }

  /** The first day that is kept. */
  #dayBefore(days: number): string {
    const nowMs = (this.#options.now ?? Date.now)();
    return new Date(nowMs - days * dayMs).toISOString().slice(0, 10);
  }

  async #dropKind(day: string, kind: (typeof flowKinds)[number]): Promise<void> {
    const name = `${day} ${kind}`;
    if (this.#done.has(name)) return;
    let after: Uint8Array | null = beforeAll;
    while (after !== null && !this.#isEnded) {
      const step: { readonly next: Uint8Array | null } = await this.#options.store.dropFlows(
        day,
        flowKinds.indexOf(kind),
        after,
        stepRows,
      );
      after = step.next;
      await yieldToOthers();
    }
    if (!this.#isEnded) this.#done.add(name);
  }

  async #dropNames(): Promise<void> {
    const { store, days } = this.#options;
    const access = new AccessStore(store.writer);
    await access.dropLogins(Date.parse(this.#dayBefore(loginDays)));
    await access.dropTokens(Date.parse(this.#dayBefore(tokenDays)));
    const startOf = (kept: number): number => Date.parse(this.#dayBefore(kept));
    if (days.audit !== null) await this.#steps(() => dropEntries(store.writer, startOf(days.audit!)));
    if (days.jobs !== null) await this.#steps(() => dropJobs(store, startOf(days.jobs!)));
    if (days.sums === null) return;
    const day = this.#dayBefore(days.sums);
    for (const table of ['roll_day', 'roll_day_repository', 'roll_day_runner'] as const)
      await this.#steps(() => dropRows(store.writer, table, sql`day < ${day}`));
    for (const table of ['roll_hour', 'roll_hour_repository'] as const)
      await this.#steps(() => dropRows(store.writer, table, sql`hour_ms < ${startOf(days.sums!)}`));
    for (const table of ['seen', 'seen_host'] as const)
      await this.#steps(() => dropRows(store.writer, table, sql`last_ms < ${startOf(days.sums!)}`));
  }

  /** Again until a step finds no more. */
  async #steps(step: () => Promise<boolean>): Promise<void> {
    while (!this.#isEnded && (await step())) await yieldToOthers();
  }

  async #dropOver(): Promise<void> {
    const { store, maxBytes, onOver } = this.#options;
    if (maxBytes === null) return;
    for (;;) {
      const sizeBytes = await store.sizeBytes();
      if (sizeBytes <= maxBytes || this.#isEnded) return;
      // What is written now is never dropped.
      const oldest = (await store.days()).slice(1).at(-1) ?? null;
      if (oldest !== null) await store.dropDay(oldest);
      onOver({ sizeBytes, maxBytes, dropped: oldest });
      if (oldest === null) return;
    }
  }
}

const yieldToOthers = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Keys of the tables of sums, by which a step finds its rows. */
const keys = {
  roll_day: 'day, host_id, verdict',
  roll_day_repository: 'repository_id, day, host_id, verdict',
  roll_day_runner: 'runner_id, day, is_attributed',
  roll_hour: 'hour_ms, kind, verdict',
  roll_hour_repository: 'repository_id, hour_ms, kind, verdict',
  seen: 'definition_id, host_id',
  seen_host: 'host_id',
} as const;

/** One step; false when it found less than it might have dropped. */
async function dropRows(
  main: Kysely<StoreTables>,
  table: keyof typeof keys,
  where: ReturnType<typeof sql>,
): Promise<boolean> {
  const key = sql.raw(keys[table]);
  const { numAffectedRows = 0n } = await sql`delete from ${sql.table(table)} where (${key}) in
    (select ${key} from ${sql.table(table)} where ${where} limit ${stepRows})`.execute(main);
  return numAffectedRows >= BigInt(stepRows);
}

async function dropEntries(main: Kysely<StoreTables>, beforeMs: number): Promise<boolean> {
  const old = main.selectFrom('audit').select('id').where('at_ms', '<', beforeMs).limit(stepRows);
  const { numDeletedRows } = await main.deleteFrom('audit').where('id', 'in', old).executeTakeFirst();
  return numDeletedRows >= BigInt(stepRows);
}

async function dropJobs(store: OpenedStore, beforeMs: number): Promise<boolean> {
  const main = store.writer;
  const found = await main
    .selectFrom('job')
    .select('id')
    .where('last_ms', '<', beforeMs)
    .orderBy('id')
    .limit(stepParents)
    .execute();
  const ids = found.map(({ id }) => id);
  if (ids.length === 0) return false;
  for (const table of ['step', 'job_event', 'job_host'] as const)
    await main.deleteFrom(table).where('job_id', 'in', ids).execute();
  await main.deleteFrom('job').where('id', 'in', ids).execute();
  store.forgetNames();
  return ids.length === stepParents;
}
