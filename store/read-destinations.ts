// Destinations: who went where, when first and how much, answered from sums by the day and from what was ever seen.

import { sql, type Kysely } from 'kysely';
import { isOwned, likePart, type Owners } from './owned-rows.ts';
import { pageOf, readCursor, type Page, type PageRequest } from './page-cursor.ts';
import type { Totals } from './read-jobs.ts';
import type { StoreTables } from './tables.ts';

export interface DestinationFilter {
  /** First and last day, both included: `YYYY-MM-DD`. */
  readonly fromDay: string;
  readonly untilDay: string;
  readonly repository?: number;
  readonly owners?: Owners;
  /** The whole name. */
  readonly host?: string;
  /** A part of the host's name. */
  readonly name?: string;
  readonly isBlocked?: boolean;
}

export interface StoredDestination extends Totals {
  readonly host: string;
  /** `YYYY-MM-DD`, within the days asked for. */
  readonly firstDay: string;
  readonly lastDay: string;
  /** Whenever it was, in milliseconds since 1970; null where it was never asked for by a job of these repositories. */
  readonly firstSeenMs: number | null;
  readonly lastSeenMs: number | null;
  /** Jobs as workflows define them that ever went there, and their repositories. */
  readonly workflowJobs: number;
  readonly repositories: number;
}

export interface DestinationPageRequest extends PageRequest {
  /** Most flows first, or in the order in which they were first seen by the store: that one holds while rows are added. */
  readonly sort?: 'flows' | 'blocked' | 'sent' | 'received' | 'first';
}

export class DestinationReader {
  readonly #main: Kysely<StoreTables>;

  constructor(main: Kysely<StoreTables>) {
    this.#main = main;
  }

  /** Hosts, those with the most flows first unless told. */
  async destinations(
    filter: DestinationFilter,
    { limit, cursor, sort = 'flows' }: DestinationPageRequest,
  ): Promise<Page<StoredDestination>> {
    const after = readCursor(cursor);
    if (after === undefined) return { items: [], next: null };
    const key = sorts[sort];
    let query = selectSums(this.#main, filter).select(key.as('sorted'));
    if (after !== null)
      query = query.having(
        sql<boolean>`(${key} < ${after[0]} or (${key} = ${after[0]} and host.id > ${after[1]}))`,
      );
    if (sort !== 'first') query = query.orderBy('sorted', 'desc');
    const rows = await query
      .orderBy('host.id')
      .limit(limit + 1)
      .execute();
    const page = pageOf(rows, limit, (row) => [row.sorted, row.id]);
    const seen = await this.#seen(
      page.items.map(({ id }) => id),
      filter,
    );
    return {
      next: page.next,
      items: page.items.map((row) => ({
        host: row.host,
        flows: row.flows,
        blocked: row.block,
        wouldBlock: row['would-block'],
        sent: row.sent,
        received: row.received,
        firstDay: row.first_day,
        lastDay: row.last_day,
        ...(seen.get(row.id) ?? { firstSeenMs: null, lastSeenMs: null, workflowJobs: 0, repositories: 0 }),
      })),
    };
  }

  /** How many jobs and runs went to a host, and the numbers of the jobs that did last, ten at most. */
  async visits(
    host: string,
    { owners = null, repository }: Pick<DestinationFilter, 'owners' | 'repository'>,
  ) {
    let query = this.#main
      .selectFrom('job_host')
      .innerJoin('host', 'host.id', 'job_host.host_id')
      .innerJoin('job', 'job.id', 'job_host.job_id')
      .innerJoin('repository', 'repository.id', 'job.repository_id')
      .where('host.name', '=', host);
    if (owners !== null) query = query.where(isOwned('repository.path', owners));
    if (repository !== undefined) query = query.where('job.repository_id', '=', repository);
    const counts = await query
      .select((is) => is.fn.countAll<number>().as('jobs'))
      .select(
        sql<number>`count(distinct coalesce(job.repository_id || ':' || job.run_id, 'j' || job.id))`.as(
          'runs',
        ),
      )
      .executeTakeFirst();
    const last = await query
      .select('job_host.job_id as id')
      .orderBy('job_host.last_ms', 'desc')
      .orderBy('job_host.job_id', 'desc')
      .limit(10)
      .execute();
    return { jobs: counts?.jobs ?? 0, runs: counts?.runs ?? 0, last: last.map(({ id }) => id) };
  }

  async #seen(hosts: readonly number[], { repository, owners = null }: DestinationFilter) {
    if (hosts.length === 0) return new Map<number, Seen>();
    let query = this.#main
      .selectFrom('seen')
      .innerJoin('definition', 'definition.id', 'seen.definition_id')
      .innerJoin('repository', 'repository.id', 'definition.repository_id')
      .select('seen.host_id')
      .select((is) => [is.fn.min<number>('first_ms').as('first'), is.fn.max<number>('last_ms').as('last')])
      .select((is) => [
        is.fn.countAll<number>().as('workflowJobs'),
        is.fn.count<number>('definition.repository_id').distinct().as('repositories'),
      ])
      .where('seen.host_id', 'in', [...hosts])
      .groupBy('seen.host_id');
    if (repository !== undefined) query = query.where('definition.repository_id', '=', repository);
    if (owners !== null) query = query.where(isOwned('repository.path', owners));
    const isOfAll = repository === undefined && owners === null;
    const ever = isOfAll
      ? await this.#main
          .selectFrom('seen_host')
          .selectAll()
          .where('host_id', 'in', [...hosts])
          .execute()
      : [];
    const rows = new Map((await query.execute()).map((row) => [row.host_id, row]));
    const times = new Map(ever.map((row) => [row.host_id, row]));
    return new Map(
      hosts.map((host): [number, Seen] => {
        const [row, time] = [rows.get(host), times.get(host)];
        return [
          host,
          {
            firstSeenMs: time?.first_ms ?? row?.first ?? null,
            lastSeenMs: time?.last_ms ?? row?.last ?? null,
            workflowJobs: row?.workflowJobs ?? 0,
            repositories: row?.repositories ?? 0,
          },
        ];
      }),
    );
  }
}

type Seen = Pick<StoredDestination, 'firstSeenMs' | 'lastSeenMs' | 'workflowJobs' | 'repositories'>;

const sumOf = (verdict: number) =>
  sql<number>`sum(case when verdict = ${sql.lit(verdict)} then n else 0 end)`;
const sorts = {
  flows: sql<number>`sum(n)`,
  blocked: sumOf(2),
  sent: sql<number>`sum(sent)`,
  received: sql<number>`sum(received)`,
  first: sql<number>`0`,
} as const;

function selectSums(main: Kysely<StoreTables>, filter: DestinationFilter) {
  const { repository, owners = null, host, name } = filter;
  const table = repository === undefined && owners === null ? 'roll_day' : 'roll_day_repository';
  let query = main
    .selectFrom(table)
    .innerJoin('host', 'host.id', 'host_id')
    .select(['host.id as id', 'host.name as host', sorts.flows.as('flows')])
    .select([sumOf(2).as('block'), sumOf(1).as('would-block')])
    .select((is) => [is.fn.sum<number>('sent').as('sent'), is.fn.sum<number>('received').as('received')])
    .select((is) => [is.fn.min<string>('day').as('first_day'), is.fn.max<string>('day').as('last_day')])
    .where('day', '>=', filter.fromDay)
    .where('day', '<=', filter.untilDay)
    .groupBy(['host.id', 'host.name']);
  if (repository !== undefined) query = query.where(sql<boolean>`repository_id = ${repository}`);
  if (owners !== null)
    query = query.where(
      sql<boolean>`repository_id in (select id from repository where ${isOwned('path', owners)})`,
    );
  if (host !== undefined) query = query.where('host.name', '=', host);
  if (name !== undefined) query = query.where(sql<boolean>`host.name like ${likePart(name)} escape '!'`);
  if (filter.isBlocked === true) query = query.having(sql<boolean>`${sumOf(2)} > 0`);
  if (filter.isBlocked === false) query = query.having(sql<boolean>`${sumOf(2)} = 0`);
  return query;
}
