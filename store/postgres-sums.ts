// What a batch adds to the sums in PostgreSQL, inside the transaction of the batch: each table's rows in sorted order, so
// that two gateways wait for each other and never both ways round.

import type { ClientBase } from 'pg';
import type { Deltas } from './rollup.ts';

/** Adds sums. */
export async function addDeltas(client: ClientBase, deltas: Deltas): Promise<void> {
  for (const { table, keys, of } of summed) await addSums(client, table, keys, of(deltas));
  await addJobs(client, deltas.jobs);
  await addSeen(client, 'seen', ['definition_id', 'host_id'], deltas.seen);
  await addSeen(client, 'seen_host', ['host_id'], deltas.hosts);
  await addSeen(client, 'job_host', ['job_id', 'host_id'], deltas.hostsOfJobs);
  await addCoverage(client, deltas.coverage);
  await setEnds(client, 'runner', deltas.runners);
  await setEnds(client, 'gateway', deltas.gateways);
}

type Keys = readonly (readonly [column: string, type: string])[];
type Values = Readonly<Record<string, readonly number[]>>;

const verdict = [
  ['kind', 'integer'],
  ['verdict', 'integer'],
] as const;
const ofHost = [
  ['day', 'text'],
  ['host_id', 'integer'],
  ['verdict', 'integer'],
] as const;
const summed: readonly { table: string; keys: Keys; of: (deltas: Deltas) => Values }[] = [
  { table: 'roll_hour', keys: [['hour_ms', 'bigint'], ...verdict], of: ({ hours }) => hours },
  {
    table: 'roll_hour_repository',
    keys: [['repository_id', 'integer'], ['hour_ms', 'bigint'], ...verdict],
    of: ({ hoursOfRepositories }) => hoursOfRepositories,
  },
  { table: 'roll_day', keys: ofHost, of: ({ days }) => days },
  {
    table: 'roll_day_repository',
    keys: [['repository_id', 'integer'], ...ofHost],
    of: ({ repositories }) => repositories,
  },
];

async function addSums(client: ClientBase, table: string, keys: Keys, found: Values): Promise<void> {
  const rows = sorted(found);
  if (rows.length === 0) return;
  const names = keys.map(([name]) => name);
  const types = [...keys.map(([, type]) => type), 'bigint', 'bigint', 'bigint'];
  await client.query(
    `insert into ${table} as t (${[...names, 'n', 'sent', 'received'].join(', ')}) ${unnest(types)}
      on conflict (${names.join(', ')}) do update set n = t.n + excluded.n, sent = t.sent + excluded.sent,
      received = t.received + excluded.received`,
    transpose(rows, types.length),
  );
}

async function addSeen(
  client: ClientBase,
  table: string,
  keys: readonly string[],
  found: Values,
): Promise<void> {
  const rows = sorted(found);
  if (rows.length === 0) return;
  const types = [...keys.map(() => 'integer'), 'bigint', 'bigint', 'bigint'];
  await client.query(
    `insert into ${table} as t (${[...keys, 'first_ms', 'last_ms', 'n'].join(', ')}) ${unnest(types)}
      on conflict (${keys.join(', ')}) do update set first_ms = least(t.first_ms, excluded.first_ms),
      last_ms = greatest(t.last_ms, excluded.last_ms), n = t.n + excluded.n`,
    transpose(rows, types.length),
  );
}

async function addCoverage(client: ClientBase, found: Values): Promise<void> {
  const rows = sorted(found);
  if (rows.length === 0) return;
  await client.query(
    `insert into roll_day_runner as t (runner_id, day, is_attributed, n) ${unnest(['integer', 'text', 'integer', 'bigint'])}
      on conflict (runner_id, day, is_attributed) do update set n = t.n + excluded.n`,
    transpose(rows, 4),
  );
}

async function addJobs(client: ClientBase, jobs: Deltas['jobs']): Promise<void> {
  const rows = sorted(jobs);
  if (rows.length === 0) return;
  await client.query(
    `update job set flows = job.flows + d.flows, blocked = job.blocked + d.blocked,
      would_block = job.would_block + d.would_block, sent = job.sent + d.sent, received = job.received + d.received,
      last_ms = greatest(job.last_ms, d.last_ms)
      from unnest($1::integer[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
      as d (id, flows, blocked, would_block, sent, received, last_ms) where job.id = d.id`,
    transpose(rows, 7),
  );
}

async function setEnds(client: ClientBase, table: 'runner' | 'gateway', found: Values): Promise<void> {
  const rows = sorted(found);
  if (rows.length === 0) return;
  // Locked in the order of their numbers; a row that says so already is not written again.
  await client.query(
    `with d (id, first_ms, last_ms) as (select * from unnest($1::integer[], $2::bigint[], $3::bigint[])),
      held as (select t.id from ${table} t join d on d.id = t.id
        where t.first_ms > d.first_ms or t.last_ms < d.last_ms order by t.id for update of t)
      update ${table} t set first_ms = least(t.first_ms, d.first_ms), last_ms = greatest(t.last_ms, d.last_ms)
      from d join held on held.id = d.id where t.id = d.id`,
    transpose(rows, 4).slice(0, 3),
  );
}

const sorted = (found: Values): (string | number)[][] =>
  Object.entries(found)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, values]) => [...key.split(' '), ...values]);

const unnest = (types: readonly string[]): string =>
  `select * from unnest(${types.map((type, at) => `$${at + 1}::${type}[]`).join(', ')})`;

const transpose = (rows: readonly (readonly (string | number)[])[], width: number): (string | number)[][] =>
  Array.from({ length: width }, (_, at) => rows.map((row) => row[at]!));
