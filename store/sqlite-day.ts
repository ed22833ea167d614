// The file of one day's flows: writes them, says which have just ended, and keeps what they add until main.db has it.

import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { flowAccesses, flowKinds, flowModes, flowProtocols, type FlowRow } from './flow-row.ts';
import { inTransaction, migrate, type MigrationStep } from './migrate-sqlite.ts';
import { addFlow, emptyDeltas, type Deltas } from './rollup.ts';
import type { JobIds, SqliteNames } from './sqlite-names.ts';

/** A row whose names have numbers. */
export interface NumberedRow {
  readonly row: FlowRow;
  readonly gateway: number;
  readonly runner: number;
  readonly host: number | null;
  readonly job: JobIds | null;
}

const columns = [
  ...([
    'id',
    'kind',
    'opened_ms',
    'closed_ms',
    'parent',
    'gateway_id',
    'runner_id',
    'job_id',
    'host_id',
  ] as const),
  ...([
    'address',
    'port',
    'protocol',
    'verdict',
    'mode',
    'reason_id',
    'rule_id',
    'scope_id',
    'revision_id',
  ] as const),
  ...([
    'method_id',
    'path',
    'status',
    'operation_id',
    'access',
    'sent',
    'received',
    'total_ms',
    'attempts',
  ] as const),
  ...(['ended_id', 'detail'] as const),
];

const insert = `insert into flow (${columns.join(', ')}) values (${columns.map(() => '?').join(', ')})
  on conflict (id) do update set ${columns
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
    this.#database = new DatabaseSync(path, { timeout: 5_000 });
    this.#database.exec(dayPragmas);
    migrate(this.#database, steps, path);
    this.#insert = this.#database.prepare(insert);
  }

  /** Writes the rows as one batch. Whatever was written before is left as it was, and adds nothing. */
  write(batch: number, rows: readonly NumberedRow[], names: SqliteNames): Deltas {
    const deltas = emptyDeltas();
    inTransaction(this.#database, () => {
      this.#database.prepare('delete from pending where batch < ?').run(batch);
      for (const numbered of rows) {
        const { changes } = this.#insert.run(...valuesOf(numbered, names));
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

  close(): void {
    this.#database.close();
  }
}

/** Its rows can be written again from the segments: the last commits may be lost with the power. */
const dayPragmas = `pragma page_size = 8192; pragma journal_mode = wal; pragma synchronous = normal;
  pragma cache_size = -32768; pragma temp_store = memory; pragma wal_autocheckpoint = 1000;
  pragma journal_size_limit = 67108864;`;

function endedFlow({ row, host, job }: NumberedRow) {
  return {
    day: row.day,
    openedMs: row.openedMs,
    closedMs: row.closedMs ?? row.openedMs,
    kind: flowKinds.indexOf(row.record.kind),
    verdict: row.verdict,
    hostId: host,
    jobId: job?.job ?? null,
    definitionId: job?.definition ?? null,
    repositoryId: job?.repository ?? null,
    bytes: row.record.bytes,
  };
}

function valuesOf({ row, gateway, runner, host, job }: NumberedRow, names: SqliteNames): SQLInputValue[] {
  const { record } = row;
  const { destination, decision, http, operation, bytes, timings, packet } = record;
  const word = (text: string | null | undefined): number | null =>
    text === null || text === undefined ? null : names.word(text);
  return [
    row.id,
    flowKinds.indexOf(record.kind),
    row.openedMs,
    row.closedMs,
    row.parent,
    gateway,
    runner,
    job?.job ?? null,
    host,
    destination.address,
    destination.port,
    flowProtocols.indexOf(destination.protocol),
    row.verdict,
    flowModes.indexOf(decision.mode),
    names.word(decision.reason),
    word(decision.rule),
    word(decision.scope),
    word(record.policyRevision),
    word(http?.method),
    http?.path ?? null,
    http?.status ?? null,
    word(operation?.name),
    operation === null ? null : flowAccesses.indexOf(operation.access),
    bytes?.sent ?? null,
    bytes?.received ?? null,
    timings?.totalMs == null ? null : Math.round(timings.totalMs),
    packet?.attempts ?? null,
    word(record.ended),
    row.detail,
  ];
}
