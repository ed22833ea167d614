// Numbers of texts in PostgreSQL, for one batch: what is not there is written, in sorted order, so that two gateways that
// write the same names at once wait for each other and never both ways round.

import type { ClientBase } from 'pg';
import type { Job } from '../flow/job.ts';
import type { FlowRow } from './flow-row.ts';
import { wordsOf, type JobIds, type NumberedRow } from './number-flow.ts';

type Columns = Readonly<Record<string, readonly (string | number | null)[]>>;

/** Gives numbers to all names of the rows; inside the transaction of the batch. */
export async function numberRows(
  client: ClientBase,
  rows: readonly FlowRow[],
): Promise<{ readonly rows: readonly NumberedRow[]; readonly words: ReadonlyMap<string, number> }> {
  const hosts = await numbersOf(
    client,
    'host',
    ['name'],
    distinct(rows, (row) => one(row.record.destination.host)),
  );
  const words = await numbersOf(
    client,
    'word',
    ['text'],
    distinct(rows, (row) => wordsOf(row).map((text) => [text])),
  );
  const [gateways, runners] = [
    await places(client, 'gateway', 'name', rows),
    await places(client, 'runner', 'address', rows),
  ];
  const jobs = await numberJobs(client, rows, gateways, runners);
  return {
    words: new Map([...words].map(([key, id]) => [textOf(key), id])),
    rows: rows.map((row) => {
      const { record } = row;
      const { host } = record.destination;
      return {
        row,
        gateway: gateways.get(keyOf([record.fleet, record.gateway]))!, // written just now
        runner: runners.get(keyOf([record.fleet, record.runner]))!,
        host: host === null ? null : hosts.get(keyOf([host]))!,
        job: row.jobKey === null ? null : (jobs.get(row.jobKey) ?? null),
      };
    }),
  };
}

const keyOf = (key: readonly string[]): string => JSON.stringify(key);
const textOf = (key: string): string => (JSON.parse(key) as [string])[0];
const one = (text: string | null): (readonly string[])[] => (text === null ? [] : [[text]]);

/** Each key once, sorted. */
function distinct<T>(
  rows: readonly T[],
  keys: (row: T) => readonly (readonly string[])[],
): (readonly string[])[] {
  const found = new Map(rows.flatMap(keys).map((key) => [keyOf(key), key]));
  return [...found].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, key]) => key);
}

/** Numbers of keys by their JSON; `more` are columns beside the key, in the order of the keys. */
async function numbersOf(
  client: ClientBase,
  table: string,
  columns: readonly string[],
  keys: readonly (readonly string[])[],
  more: Columns = {},
): Promise<ReadonlyMap<string, number>> {
  if (keys.length === 0) return new Map();
  const all = {
    ...Object.fromEntries(columns.map((name, at) => [name, keys.map((key) => key[at]!)])),
    ...more,
  };
  const names = Object.keys(all);
  const arrays = names.map((name, at) => `$${at + 1}::${typeOf(name)}[]`).join(', ');
  await client.query(
    `insert into ${table} (${names.join(', ')}) select * from unnest(${arrays}) on conflict do nothing`,
    Object.values(all),
  );
  const found = await client.query<Record<string, string | number>>(
    `select id, ${columns.join(', ')} from ${table} where (${columns.join(', ')}) in
      (select * from unnest(${columns.map((name, at) => `$${at + 1}::${typeOf(name)}[]`).join(', ')}))`,
    columns.map((_, at) => keys.map((key) => key[at]!)),
  );
  return new Map(
    found.rows.map((row) => [keyOf(columns.map((name) => String(row[name]))), Number(row['id'])]),
  );
}

function typeOf(column: string): string {
  if (column.endsWith('_ms')) return 'bigint';
  return column.endsWith('_id') && column !== 'platform_id' && column !== 'run_id'
    ? 'integer'
    : column.startsWith('is_')
      ? 'integer'
      : 'text';
}

function places(
  client: ClientBase,
  table: 'gateway' | 'runner',
  column: 'name' | 'address',
  rows: readonly FlowRow[],
): Promise<ReadonlyMap<string, number>> {
  const first = new Map<string, number>();
  const keys = distinct(rows, ({ record, openedMs }) => {
    const key = [record.fleet, table === 'gateway' ? record.gateway : record.runner];
    if (!first.has(keyOf(key))) first.set(keyOf(key), openedMs);
    return [key];
  });
  const times = keys.map((key) => first.get(keyOf(key))!);
  return numbersOf(client, table, ['fleet', column], keys, { first_ms: times, last_ms: times });
}

type Numbers = ReadonlyMap<string, number>;
type NumberOf = (row: FlowRow) => number;

async function numberJobs(
  client: ClientBase,
  rows: readonly FlowRow[],
  gateways: Numbers,
  runners: Numbers,
): Promise<ReadonlyMap<string, JobIds>> {
  const first = new Map<string, FlowRow>();
  for (const row of rows) if (row.jobKey !== null && !first.has(row.jobKey)) first.set(row.jobKey, row);
  const jobs = [...first].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const firsts = jobs.map(([, row]) => row);
  const repositoryOf = await numberRepositories(client, firsts);
  const definitionOf = await numberDefinitions(client, firsts, repositoryOf);
  const column = <T>(of: (row: FlowRow) => T): T[] => firsts.map(of);
  const keys = jobs.map(([key]) => [key]);
  const ids = await numbersOf(client, 'job', ['key'], keys, {
    ...describeJobs(firsts),
    definition_id: column(definitionOf),
    repository_id: column(repositoryOf),
    gateway_id: column(({ record }) => gateways.get(keyOf([record.fleet, record.gateway]))!),
    runner_id: column(({ record }) => runners.get(keyOf([record.fleet, record.runner]))!),
  });
  return new Map(
    jobs.map(([key, row]) => [
      key,
      { job: ids.get(keyOf([key]))!, definition: definitionOf(row), repository: repositoryOf(row) },
    ]),
  );
}

const jobOf = (row: FlowRow): Job => row.record.job!; // rows with a key have a job

async function numberRepositories(client: ClientBase, rows: readonly FlowRow[]): Promise<NumberOf> {
  const key = (row: FlowRow) => [jobOf(row).server, (jobOf(row).repository ?? '').toLowerCase()];
  const shown = new Map(rows.toReversed().map((row) => [keyOf(key(row)), jobOf(row)]));
  const keys = distinct(rows, (row) => [key(row)]);
  const jobs = keys.map((found) => shown.get(keyOf(found))!);
  const ids = await numbersOf(client, 'repository', ['server', 'path'], keys, {
    platform: jobs.map(({ platform }) => platform),
    shown: jobs.map(({ repository }) => repository ?? ''),
    platform_id: jobs.map(({ repositoryId }) => repositoryId),
  });
  return (row) => ids.get(keyOf(key(row)))!;
}

async function numberDefinitions(
  client: ClientBase,
  rows: readonly FlowRow[],
  repositoryOf: NumberOf,
): Promise<NumberOf> {
  const key = (row: FlowRow) => [`${repositoryOf(row)}`, jobOf(row).workflow ?? '', jobOf(row).name ?? ''];
  const ids = await numbersOf(
    client,
    'definition',
    ['repository_id', 'workflow', 'name'],
    distinct(rows, (row) => [key(row)]),
  );
  return (row) => ids.get(keyOf(key(row)))!;
}

/** What jobs say of themselves, by column. */
function describeJobs(rows: readonly FlowRow[]): Columns {
  const jobs = rows.map(jobOf);
  const flags = (of: (job: Job) => boolean | null): (number | null)[] =>
    jobs.map((job) => {
      const value = of(job);
      return value === null ? null : Number(value);
    });
  return {
    run_id: jobs.map((job) => job.runId),
    ref: jobs.map((job) => job.ref),
    event: jobs.map((job) => job.event),
    environment: jobs.map((job) => job.environment),
    actor: jobs.map((job) => job.actor),
    called_workflow: jobs.map((job) => job.calledWorkflow),
    runner_group: jobs.map((job) => job.runnerGroup),
    is_fork: flags((job) => job.fork),
    is_protected: flags((job) => job.protected),
    is_private: flags((job) => job.private),
    source: rows.map(({ record }) => record.attribution.source),
    certainty: rows.map(({ record }) => record.attribution.certainty),
    started_ms: rows.map(({ openedMs }) => openedMs),
    last_ms: rows.map(({ openedMs }) => openedMs),
  };
}
