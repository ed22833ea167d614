// Numbers of texts in PostgreSQL, for one batch: what is not there is written, in sorted order, so that two gateways that
// write the same names at once wait for each other and never both ways round.

import type { ClientBase } from 'pg';
import type { Job } from '../flow/job.ts';
import type { FlowRow } from './flow-row.ts';
import type { JobRecordIds } from './job-statements.ts';
import { wordsOf, type JobIds, type NumberedRow } from './number-flow.ts';
import type { Subject } from './subject.ts';

type Columns = Readonly<Record<string, readonly (string | number | null)[]>>;

/** What a batch names, by number. */
export interface NumberedBatch {
  readonly rows: readonly NumberedRow[];
  readonly words: ReadonlyMap<string, number>;
  /** Of the records of jobs, in their order; null: it names no job. */
  readonly jobs: readonly (JobRecordIds | null)[];
}

/** Gives numbers to all names of a batch; inside its transaction. `told` are whom its records of jobs tell of. */
export async function numberBatch(
  client: ClientBase,
  rows: readonly FlowRow[],
  told: readonly Subject[],
): Promise<NumberedBatch> {
  const hosts = await numbersOf(
    client,
    'host',
    ['name'],
    distinct(rows, (row) => one(row.host)),
  );
  const words = await numbersOf(
    client,
    'word',
    ['text'],
    distinct(rows, (row) => wordsOf(row).map((text) => [text])),
  );
  // What records of jobs say comes first: they know more than what a flow was ascribed by.
  const subjects = [...told.toSorted(knownFirst), ...rows.map(({ subject }) => subject)];
  const gateways = await places(client, 'gateway', 'name', subjects);
  const runners = await places(client, 'runner', 'address', subjects);
  const jobs = await numberJobs(client, subjects, gateways, runners);
  const idsOf = ({ fleet, gateway, runner, jobKey }: Subject) => ({
    gateway: gateways.get(keyOf([fleet, gateway]))!, // written just now
    runner: runners.get(keyOf([fleet, runner]))!,
    job: jobKey === null ? null : (jobs.get(jobKey) ?? null),
  });
  return {
    words: new Map([...words].map(([key, id]) => [textOf(key), id])),
    rows: rows.map((row) => {
      const host = row.host === null ? null : hosts.get(keyOf([row.host]))!;
      return { row, host, ...idsOf(row.subject) };
    }),
    jobs: told.map((subject) => {
      const { job, gateway, runner } = idsOf(subject);
      return job === null ? null : { ...job, gateway, runner };
    }),
  };
}

const isKnown = ({ job }: Subject): number => (job?.repository == null ? 1 : 0);
const knownFirst = (a: Subject, b: Subject): number => isKnown(a) - isKnown(b);
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
  const known = await findNumbers(client, table, columns, keys);
  // What is there is not written again: that would use up a number each time, and there are no more than 2^31 of them.
  const places = keys.flatMap((key, at) => (known.has(keyOf(key)) ? [] : [at]));
  if (places.length === 0) return known;
  const missing = places.map((at) => keys[at]!);
  const all = {
    ...Object.fromEntries(columns.map((name, at) => [name, missing.map((key) => key[at]!)])),
    ...Object.fromEntries(Object.entries(more).map(([name, of]) => [name, places.map((at) => of[at]!)])),
  };
  const names = Object.keys(all);
  const arrays = names.map((name, at) => `$${at + 1}::${typeOf(name)}[]`).join(', ');
  await client.query(
    `insert into ${table} (${names.join(', ')}) select * from unnest(${arrays}) on conflict do nothing`,
    Object.values(all),
  );
  return new Map([...known, ...(await findNumbers(client, table, columns, missing))]);
}

async function findNumbers(
  client: ClientBase,
  table: string,
  columns: readonly string[],
  keys: readonly (readonly string[])[],
): Promise<ReadonlyMap<string, number>> {
  if (keys.length === 0) return new Map();
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
  subjects: readonly Subject[],
): Promise<ReadonlyMap<string, number>> {
  const first = new Map<string, number>();
  const keys = distinct(subjects, ({ fleet, gateway, runner, atMs }) => {
    const key = [fleet, table === 'gateway' ? gateway : runner];
    first.set(keyOf(key), Math.min(first.get(keyOf(key)) ?? atMs, atMs));
    return [key];
  });
  const times = keys.map((key) => first.get(keyOf(key))!);
  return numbersOf(client, table, ['fleet', column], keys, { first_ms: times, last_ms: times });
}

type Numbers = ReadonlyMap<string, number>;
type NumberOf = (subject: Subject) => number;

async function numberJobs(
  client: ClientBase,
  subjects: readonly Subject[],
  gateways: Numbers,
  runners: Numbers,
): Promise<ReadonlyMap<string, JobIds>> {
  const first = new Map<string, Subject>();
  for (const subject of subjects)
    if (subject.jobKey !== null && !first.has(subject.jobKey)) first.set(subject.jobKey, subject);
  const jobs = [...first].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const firsts = jobs.map(([, subject]) => subject);
  const repositoryOf = await numberRepositories(client, firsts);
  const definitionOf = await numberDefinitions(client, firsts, repositoryOf);
  const column = <T>(of: (subject: Subject) => T): T[] => firsts.map(of);
  const keys = jobs.map(([key]) => [key]);
  const ids = await numbersOf(client, 'job', ['key'], keys, {
    ...describeJobs(firsts),
    definition_id: column(definitionOf),
    repository_id: column(repositoryOf),
    gateway_id: column(({ fleet, gateway }) => gateways.get(keyOf([fleet, gateway]))!),
    runner_id: column(({ fleet, runner }) => runners.get(keyOf([fleet, runner]))!),
  });
  return new Map(
    jobs.map(([key, subject]) => [
      key,
      { job: ids.get(keyOf([key]))!, definition: definitionOf(subject), repository: repositoryOf(subject) },
    ]),
  );
}

const jobOf = (subject: Subject): Job => subject.job!; // those with a key have a job

async function numberRepositories(client: ClientBase, subjects: readonly Subject[]): Promise<NumberOf> {
  const key = (subject: Subject) => [jobOf(subject).server, (jobOf(subject).repository ?? '').toLowerCase()];
  const shown = new Map(subjects.toReversed().map((subject) => [keyOf(key(subject)), jobOf(subject)]));
  const keys = distinct(subjects, (subject) => [key(subject)]);
  const jobs = keys.map((found) => shown.get(keyOf(found))!);
  const ids = await numbersOf(client, 'repository', ['server', 'path'], keys, {
    platform: jobs.map(({ platform }) => platform),
    shown: jobs.map(({ repository }) => repository ?? ''),
    platform_id: jobs.map(({ repositoryId }) => repositoryId),
  });
  return (subject) => ids.get(keyOf(key(subject)))!;
}

async function numberDefinitions(
  client: ClientBase,
  subjects: readonly Subject[],
  repositoryOf: NumberOf,
): Promise<NumberOf> {
  const key = (subject: Subject) => [
    `${repositoryOf(subject)}`,
    jobOf(subject).workflow ?? '',
    jobOf(subject).name ?? '',
  ];
  const ids = await numbersOf(
    client,
    'definition',
    ['repository_id', 'workflow', 'name'],
    distinct(subjects, (subject) => [key(subject)]),
  );
  return (subject) => ids.get(keyOf(key(subject)))!;
}

/** What jobs say of themselves, by column. */
function describeJobs(subjects: readonly Subject[]): Columns {
  const jobs = subjects.map(jobOf);
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
    source: subjects.map(({ source }) => source),
    certainty: subjects.map(({ certainty }) => certainty),
    started_ms: subjects.map(({ atMs }) => atMs),
    last_ms: subjects.map(({ atMs }) => atMs),
  };
}
