// Hours, repositories, runners and gateways: what charts and the short lists of pages are made of.

import { sql, type Kysely } from 'kysely';
import { flowKinds, flowVerdicts } from './flow-row.ts';
import { isOwned, likePart, type Owners } from './owned-rows.ts';
import { pageOf, readCursor, type PageRequest } from './page-cursor.ts';
import type { StoreTables } from './tables.ts';

export interface HourFilter {
  readonly repository?: number;
  readonly owners?: Owners;
}

export interface NameFilter {
  readonly owners?: Owners;
  /** A part of the name or address. */
  readonly search?: string;
}

const hourMs = 3_600_000;
const maxHours = 50_000;
const none = { items: [], next: null };

/** Flows of a runner with, or without, a job. */
const coverage = (isAttributed: 0 | 1) =>
  sql<number>`(select coalesce(sum(n), 0) from roll_day_runner
    where runner_id = runner.id and is_attributed = ${sql.lit(isAttributed)})`;

export class SumReader {
  readonly #main: Kysely<StoreTables>;

  constructor(main: Kysely<StoreTables>) {
    this.#main = main;
  }

  /** Flows by the hour (its beginning in milliseconds), kind and verdict. */
  async hours(fromMs: number, untilMs: number, { repository, owners = null }: HourFilter = {}) {
    const isOfAll = repository === undefined && owners === null;
    let query = this.#main
      .selectFrom(isOfAll ? 'roll_hour' : 'roll_hour_repository')
      .select(['hour_ms', 'kind', 'verdict'])
      .select((is) => (['n', 'sent', 'received'] as const).map((name) => is.fn.sum<number>(name).as(name)))
      .where('hour_ms', '>=', fromMs - (fromMs % hourMs))
      .where('hour_ms', '<', untilMs)
      .groupBy(['hour_ms', 'kind', 'verdict']);
    if (repository !== undefined) query = query.where(sql<boolean>`repository_id = ${repository}`);
    if (owners !== null)
      query = query.where(
        sql<boolean>`repository_id in (select id from repository where ${isOwned('path', owners)})`,
      );
    const rows = await query.orderBy('hour_ms').orderBy('kind').orderBy('verdict').limit(maxHours).execute();
    return rows.map(({ hour_ms, kind, verdict, n, sent, received }) => ({
      hourMs: hour_ms,
      kind: flowKinds[kind]!, // only its positions are written
      verdict: flowVerdicts[verdict]!,
      flows: n,
      sent,
      received,
    }));
  }

  /** Repositories in the order of their numbers, with the number of their jobs and when the last was heard of. */
  async repositories(filter: NameFilter, request: PageRequest) {
    const { owners = null, search } = filter;
    let query = this.#main
      .selectFrom('repository')
      .select(['repository.id', 'platform', 'server', 'shown as repository', 'platform_id as platformId'])
      .select([
        sql<number>`(select count(*) from job where job.repository_id = repository.id)`.as('jobs'),
        sql<number | null>`(select max(last_ms) from job where job.repository_id = repository.id)`.as(
          'lastMs',
        ),
      ])
      .where('shown', '<>', '');
    if (owners !== null) query = query.where(isOwned('path', owners));
    if (search !== undefined) query = query.where(sql<boolean>`path like ${likePart(search)} escape '!'`);
    const after = readCursor(request.cursor);
    if (after === undefined) return none;
    if (after !== null) query = query.where('repository.id', '>', after[0]);
    const rows = await query
      .orderBy('repository.id')
      .limit(request.limit + 1)
      .execute();
    return pageOf(rows, request.limit, ({ id }) => [id, 0]);
  }

  /** Runners in the order of their numbers; only such as ran jobs of the owners, where there is a limit. */
  async runners(filter: NameFilter, request: PageRequest) {
    const { owners = null, search } = filter;
    const isOf = owners === null ? sql`1 = 1` : isOwned('repository.path', owners);
    const ofOwners = sql`from job inner join repository on repository.id = job.repository_id
      where job.runner_id = runner.id and ${isOf}`;
    let query = this.#main
      .selectFrom('runner')
      .select(['id', 'fleet', 'address', 'first_ms as firstMs', 'last_ms as lastMs'])
      .select([
        sql<number | null>`(select job.id ${ofOwners} order by job.started_ms desc limit 1)`.as('lastJob'),
        coverage(1).as('attributed'),
        coverage(0).as('unattributed'),
      ]);
    if (owners !== null) query = query.where(sql<boolean>`exists (select 1 ${ofOwners})`);
    if (search !== undefined) query = query.where(sql<boolean>`address like ${likePart(search)} escape '!'`);
    const after = readCursor(request.cursor);
    if (after === undefined) return none;
    if (after !== null) query = query.where('id', '>', after[0]);
    const rows = await query
      .orderBy('id')
      .limit(request.limit + 1)
      .execute();
    return pageOf(rows, request.limit, ({ id }) => [id, 0]);
  }

  async gateways() {
    return this.#main
      .selectFrom('gateway')
      .select(['id', 'fleet', 'name', 'first_ms as firstMs', 'last_ms as lastMs'])
      .orderBy('fleet')
      .orderBy('name')
      .execute();
  }
}
