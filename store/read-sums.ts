// Hours, repositories, runners and gateways: what charts and the short lists of pages are made of.

import { sql, type Kysely } from 'kysely';
import { flowKinds, flowVerdicts } from './flow-row.ts';
import { isOwned, type Owners } from './owned-rows.ts';
import type { StoreTables } from './tables.ts';

export interface HourFilter {
  readonly repository?: number;
  readonly owners?: Owners;
}

const hourMs = 3_600_000;
const maxHours = 50_000;
const maxNames = 10_000;

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

  /** Repositories with the number of their jobs, and when the last was heard of. */
  async repositories(owners: Owners = null) {
    let query = this.#main
      .selectFrom('repository')
      .leftJoin('job', 'job.repository_id', 'repository.id')
      .select(['repository.id', 'platform', 'server', 'shown as repository', 'platform_id as platformId'])
      .select((is) => [is.fn.count<number>('job.id').as('jobs'), is.fn.max('job.last_ms').as('lastMs')])
      .where('shown', '<>', '')
      .groupBy(['repository.id', 'platform', 'server', 'shown', 'path', 'platform_id']);
    if (owners !== null) query = query.where(isOwned('path', owners));
    return query.orderBy('server').orderBy('path').limit(maxNames).execute();
  }

  /** Runners, those heard of last first; only such as ran jobs of the owners, where there is a limit. */
  async runners(owners: Owners = null) {
    let query = this.#main
      .selectFrom('runner')
      .select(['id', 'fleet', 'address', 'first_ms as firstMs', 'last_ms as lastMs'])
      .orderBy('last_ms', 'desc')
      .orderBy('id');
    if (owners !== null)
      query = query.where(sql<boolean>`id in (select job.runner_id from job
        inner join repository on repository.id = job.repository_id where ${isOwned('repository.path', owners)})`);
    return query.limit(maxNames).execute();
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
