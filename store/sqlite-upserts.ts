// What a batch adds to the sums in main.db, inside the transaction of the batch.

import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Deltas } from './rollup.ts';
import type { SegmentOffset } from './sqlite-store.ts';

export class SqliteUpserts {
  readonly #statements: Readonly<Record<keyof typeof upserts, StatementSync>>;

  constructor(main: DatabaseSync) {
    const entries = Object.entries(upserts).map(([name, text]) => [name, main.prepare(text)] as const);
    // One for each of the table.
    this.#statements = Object.fromEntries(entries) as Record<keyof typeof upserts, StatementSync>;
  }

  add(deltas: Deltas): void {
    for (const name of byKey)
      for (const [key, values] of Object.entries(deltas[name]))
        this.#statements[name].run(...key.split(' '), ...values);
    for (const [id, sums] of Object.entries(deltas.jobs)) this.#statements.jobs.run(...sums, Number(id));
    for (const name of ['runners', 'gateways'] as const)
      for (const [id, [firstMs, lastMs]] of Object.entries(deltas[name]))
        this.#statements[name].run(firstMs, lastMs, Number(id));
  }

  setOffset({ gateway, name, bytes }: SegmentOffset): void {
    this.#statements.offset.run(gateway, name, bytes);
  }
}

const byKey = [
  'hours',
  'hoursOfRepositories',
  'days',
  'repositories',
  'seen',
  'hosts',
  'hostsOfJobs',
  'coverage',
] as const;

const integer = 'cast(? as integer)';
const sums = 'n = n + excluded.n, sent = sent + excluded.sent, received = received + excluded.received';
const seen = `first_ms = min(first_ms, excluded.first_ms), last_ms = max(last_ms, excluded.last_ms),
    n = n + excluded.n`;
const ends = 'first_ms = min(first_ms, ?), last_ms = max(last_ms, ?) where id = ?';
const upserts = {
  hours: `insert into roll_hour (hour_ms, kind, verdict, n, sent, received)
    values (${integer}, ${integer}, ${integer}, ?, ?, ?)
    on conflict (hour_ms, kind, verdict) do update set ${sums}`,
  hoursOfRepositories: `insert into roll_hour_repository (repository_id, hour_ms, kind, verdict, n, sent, received)
    values (${integer}, ${integer}, ${integer}, ${integer}, ?, ?, ?)
    on conflict (repository_id, hour_ms, kind, verdict) do update set ${sums}`,
  days: `insert into roll_day (day, host_id, verdict, n, sent, received)
    values (?, ${integer}, ${integer}, ?, ?, ?)
    on conflict (day, host_id, verdict) do update set ${sums}`,
  repositories: `insert into roll_day_repository (repository_id, day, host_id, verdict, n, sent, received)
    values (${integer}, ?, ${integer}, ${integer}, ?, ?, ?)
    on conflict (repository_id, day, host_id, verdict) do update set ${sums}`,
  jobs: `update job set flows = flows + ?, blocked = blocked + ?, would_block = would_block + ?, sent = sent + ?,
    received = received + ?, last_ms = max(last_ms, ?) where id = ?`,
  seen: `insert into seen (definition_id, host_id, first_ms, last_ms, n)
    values (${integer}, ${integer}, ?, ?, ?) on conflict (definition_id, host_id) do update set ${seen}`,
  hosts: `insert into seen_host (host_id, first_ms, last_ms, n) values (${integer}, ?, ?, ?)
    on conflict (host_id) do update set ${seen}`,
  hostsOfJobs: `insert into job_host (job_id, host_id, first_ms, last_ms, n)
    values (${integer}, ${integer}, ?, ?, ?) on conflict (job_id, host_id) do update set ${seen}`,
  coverage: `insert into roll_day_runner (runner_id, day, is_attributed, n) values (${integer}, ?, ${integer}, ?)
    on conflict (runner_id, day, is_attributed) do update set n = n + excluded.n`,
  runners: `update runner set ${ends}`,
  gateways: `update gateway set ${ends}`,
  offset: `insert into segment (gateway, name, bytes) values (?, ?, ?)
    on conflict (gateway, name) do update set bytes = excluded.bytes`,
};
