// Runs, jobs, destinations and the like: what pages list, answered from sums and never from the flows themselves.

import { sql, type Kysely } from 'kysely';
import type { flowVerdicts } from './flow-row.ts';
import { flowKinds } from './flow-row.ts';
import { pageOf, readCursor, type Page, type PageRequest } from './page-cursor.ts';
import type { StoreTables } from './tables.ts';

export interface Totals {
  readonly flows: number;
  readonly blocked: number;
  readonly wouldBlock: number;
  readonly sent: number;
  readonly received: number;
}

export interface StoredJob extends Totals {
  readonly id: number;
  readonly platform: string;
  readonly server: string;
  readonly repository: string;
  readonly runId: string | null;
  readonly workflow: string;
  readonly name: string;
  readonly ref: string | null;
  readonly event: string | null;
  readonly environment: string | null;
  readonly actor: string | null;
  readonly runner: string;
  readonly source: string;
  readonly certainty: string;
  readonly startedMs: number;
  readonly lastMs: number;
}

export interface StoredRun extends Totals {
  readonly repositoryId: number;
  readonly server: string;
  readonly repository: string;
  readonly runId: string | null;
  readonly jobs: number;
  readonly startedMs: number;
  readonly lastMs: number;
}

export interface StoredDestination extends Totals {
  readonly host: string;
  /** `YYYY-MM-DD`, within the days asked for. */
  readonly firstDay: string;
  readonly lastDay: string;
}

export interface JobFilter {
  readonly repository?: number;
  readonly runId?: string;
  readonly fromMs?: number;
  readonly untilMs?: number;
}

export interface DestinationFilter {
  /** First and last day, both included: `YYYY-MM-DD`. */
  readonly fromDay: string;
  readonly untilDay: string;
  readonly repository?: number;
  /** A part of the host's name. */
  readonly name?: string;
  readonly isBlocked?: boolean;
}

const totals = ['flows', 'blocked', 'would_block', 'sent', 'received'] as const;
const hourMs = 3_600_000;

export class SumReader {
  readonly #main: Kysely<StoreTables>;

  constructor(main: Kysely<StoreTables>) {
    this.#main = main;
  }

  /** Jobs, those that began last first. */
  async jobs(filter: JobFilter, { limit, cursor }: PageRequest): Promise<Page<StoredJob>> {
    const after = readCursor(cursor);
    if (after === undefined) return { items: [], next: null };
    let query = selectJobs(this.#main);
    if (filter.repository !== undefined) query = query.where('job.repository_id', '=', filter.repository);
    if (filter.runId !== undefined) query = query.where('job.run_id', '=', filter.runId);
    if (filter.fromMs !== undefined) query = query.where('job.started_ms', '>=', filter.fromMs);
    if (filter.untilMs !== undefined) query = query.where('job.started_ms', '<', filter.untilMs);
    if (after !== null)
      query = query.where((is) =>
        is.or([
          is('job.started_ms', '<', after[0]),
          is.and([is('job.started_ms', '=', after[0]), is('job.id', '<', after[1])]),
        ]),
      );
    const rows = await query
      .orderBy('job.started_ms', 'desc')
      .orderBy('job.id', 'desc')
      .limit(limit + 1)
      .execute();
    return pageOf(rows.map(toJob), limit, ({ startedMs, id }) => [startedMs, id]);
  }

  async job(id: number): Promise<StoredJob | null> {
    const row = await selectJobs(this.#main).where('job.id', '=', id).executeTakeFirst();
    return row === undefined ? null : toJob(row);
  }

  /** Runs, those that began last first. */
  async runs(filter: JobFilter, { limit, cursor }: PageRequest): Promise<Page<StoredRun>> {
    const after = readCursor(cursor);
    if (after === undefined) return { items: [], next: null };
    const started = sql<number>`min(job.started_ms)`;
    const lastId = sql<number>`max(job.id)`;
    let query = this.#main
      .selectFrom('job')
      .innerJoin('repository', 'repository.id', 'job.repository_id')
      .select(['job.repository_id', 'repository.server', 'repository.shown', 'job.run_id'])
      .select((is) => totals.map((name) => is.fn.sum<number>(`job.${name}`).as(name)))
      .select((is) => [is.fn.countAll<number>().as('jobs'), is.fn.max<number>('job.last_ms').as('last_ms')])
      .select([started.as('started_ms'), lastId.as('last_id')])
      .groupBy(['job.repository_id', 'repository.server', 'repository.shown', 'job.run_id']);
    if (filter.repository !== undefined) query = query.where('job.repository_id', '=', filter.repository);
    if (filter.runId !== undefined) query = query.where('job.run_id', '=', filter.runId);
    if (filter.fromMs !== undefined) query = query.where('job.started_ms', '>=', filter.fromMs);
    if (filter.untilMs !== undefined) query = query.where('job.started_ms', '<', filter.untilMs);
    if (after !== null)
      query = query.having(
        sql<boolean>`(${started} < ${after[0]} or (${started} = ${after[0]} and ${lastId} < ${after[1]}))`,
      );
    const rows = await query
      .orderBy('started_ms', 'desc')
      .orderBy('last_id', 'desc')
      .limit(limit + 1)
      .execute();
    const page = pageOf(rows, limit, (row) => [row.started_ms, row.last_id]);
    return {
      next: page.next,
      items: page.items.map((row) => ({
        repositoryId: row.repository_id,
        server: row.server,
        repository: row.shown,
        runId: row.run_id,
        jobs: row.jobs,
        startedMs: row.started_ms,
        lastMs: row.last_ms,
        ...totalsOf(row),
      })),
    };
  }

  /** Hosts, those with the most flows first. */
  async destinations(
    filter: DestinationFilter,
    { limit, cursor }: PageRequest,
  ): Promise<Page<StoredDestination>> {
    const after = readCursor(cursor);
    if (after === undefined) return { items: [], next: null };
    const flows = sql<number>`sum(n)`;
    const of = (verdict: (typeof flowVerdicts)[number], code: number) =>
      sql<number>`sum(case when verdict = ${code} then n else 0 end)`.as(verdict);
    const table = filter.repository === undefined ? 'roll_day' : 'roll_day_repository';
    let query = this.#main
      .selectFrom(table)
      .innerJoin('host', 'host.id', 'host_id')
      .select(['host.id as id', 'host.name as host', flows.as('flows'), of('block', 2), of('would-block', 1)])
      .select((is) => [is.fn.sum<number>('sent').as('sent'), is.fn.sum<number>('received').as('received')])
      .select((is) => [is.fn.min<string>('day').as('first_day'), is.fn.max<string>('day').as('last_day')])
      .where('day', '>=', filter.fromDay)
      .where('day', '<=', filter.untilDay)
      .groupBy(['host.id', 'host.name']);
    if (filter.repository !== undefined)
      query = query.where(sql<boolean>`repository_id = ${filter.repository}`);
    if (filter.name !== undefined)
      query = query.where(sql<boolean>`host.name like ${likeOf(filter.name)} escape '!'`);
    if (filter.isBlocked === true)
      query = query.having(sql<boolean>`sum(case when verdict = 2 then n else 0 end) > 0`);
    if (after !== null)
      query = query.having(
        sql<boolean>`(${flows} < ${after[0]} or (${flows} = ${after[0]} and host.id > ${after[1]}))`,
      );
    const rows = await query
      .orderBy('flows', 'desc')
      .orderBy('host.id')
      .limit(limit + 1)
      .execute();
    const page = pageOf(rows, limit, (row) => [row.flows, row.id]);
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
      })),
    };
  }

  /** Flows by the hour (its beginning in milliseconds), kind and verdict code. */
  async hours(fromMs: number, untilMs: number) {
    const rows = await this.#main
      .selectFrom('roll_hour')
      .selectAll()
      .where('hour_ms', '>=', fromMs - (fromMs % hourMs))
      .where('hour_ms', '<', untilMs)
      .orderBy('hour_ms')
      .orderBy('kind')
      .orderBy('verdict')
      .limit(50_000)
      .execute();
    return rows.map(({ hour_ms, kind, verdict, n, sent, received }) => ({
      hourMs: hour_ms,
      kind: flowKinds[kind]!, // only its positions are written
      verdict,
      flows: n,
      sent,
      received,
    }));
  }

  async repositories() {
    return this.#main
      .selectFrom('repository')
      .select(['id', 'platform', 'server', 'shown as repository', 'platform_id as platformId'])
      .orderBy('server')
      .orderBy('path')
      .limit(10_000)
      .execute();
  }

  async runners() {
    return this.#main
      .selectFrom('runner')
      .select(['id', 'fleet', 'address', 'first_ms as firstMs', 'last_ms as lastMs'])
      .orderBy('last_ms', 'desc')
      .limit(10_000)
      .execute();
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

/** Jobs with the texts of what they name. */
function selectJobs(main: Kysely<StoreTables>) {
  return main
    .selectFrom('job')
    .innerJoin('repository', 'repository.id', 'job.repository_id')
    .innerJoin('definition', 'definition.id', 'job.definition_id')
    .innerJoin('runner', 'runner.id', 'job.runner_id')
    .selectAll('job')
    .select(['repository.platform', 'repository.server', 'repository.shown'])
    .select(['definition.workflow', 'definition.name', 'runner.address']);
}

type JobRow = Awaited<ReturnType<ReturnType<typeof selectJobs>['execute']>>[number];

function toJob(row: JobRow): StoredJob {
  return {
    id: row.id,
    platform: row.platform,
    server: row.server,
    repository: row.shown,
    runId: row.run_id,
    workflow: row.workflow,
    name: row.name,
    ref: row.ref,
    event: row.event,
    environment: row.environment,
    actor: row.actor,
    runner: row.address,
    source: row.source,
    certainty: row.certainty,
    startedMs: row.started_ms,
    lastMs: row.last_ms,
    ...totalsOf(row),
  };
}

function totalsOf(row: Record<(typeof totals)[number], number>): Totals {
  return {
    flows: row.flows,
    blocked: row.blocked,
    wouldBlock: row.would_block,
    sent: row.sent,
    received: row.received,
  };
}

// `!` stands before what would be a pattern.
const likeOf = (part: string): string => `%${part.toLowerCase().replaceAll(/[!%_]/g, '!$&')}%`;
