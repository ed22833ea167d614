// Runs and jobs with their steps and what happened to them: answered from what was heard and from sums, never from the
// flows themselves.

import { sql, type Kysely } from 'kysely';
import { isFirstOfRun, jobConditions, ofSameRun, runConditions, type JobFilter } from './job-filter.ts';
import { isOwned, type Owners } from './owned-rows.ts';
import { pageOf, readCursor, type Page, type PageRequest } from './page-cursor.ts';
import type { StoreTables } from './tables.ts';

export type { JobFilter } from './job-filter.ts';

export interface Totals {
  readonly flows: number;
  readonly blocked: number;
  readonly wouldBlock: number;
  readonly sent: number;
  readonly received: number;
}

export interface StoredJob extends Totals {
  readonly id: number;
  /** Names the job on every gateway; null where no live source knows it. */
  readonly instance: string | null;
  readonly platform: string;
  readonly server: string;
  readonly repositoryId: number;
  readonly repository: string;
  /** `REPOSITORY:RUN`, or `jNUMBER` for a job without a run. */
  readonly run: string;
  readonly runId: string | null;
  readonly runAttempt: string | null;
  readonly workflow: string;
  readonly calledWorkflow: string | null;
  readonly name: string;
  readonly stage: string | null;
  readonly ref: string | null;
  readonly headRef: string | null;
  readonly baseRef: string | null;
  readonly sha: string | null;
  readonly event: string | null;
  readonly environment: string | null;
  readonly actor: string | null;
  readonly isFork: boolean | null;
  readonly isProtected: boolean | null;
  readonly runner: string;
  readonly runnerGroup: string | null;
  readonly agent: string | null;
  readonly gateway: string;
  readonly source: string;
  readonly certainty: string;
  readonly conflicts: number;
  readonly startedMs: number;
  readonly lastMs: number;
  readonly endedMs: number | null;
  readonly conclusion: string | null;
  readonly state: 'running' | 'ended' | 'unknown';
}

export interface StoredStep {
  readonly number: number | null;
  readonly name: string;
  readonly state: string;
  readonly startedMs: number | null;
  readonly endedMs: number | null;
}

export interface StoredJobEvent {
  readonly atMs: number;
  readonly gateway: string;
  readonly runner: string;
  readonly what: string;
}

/** One job with all that is known of it. */
export interface StoredJobDetail extends StoredJob {
  readonly matrix: unknown;
  readonly granted: unknown;
  readonly uses: unknown;
  readonly hasIdentity: boolean | null;
  readonly steps: readonly StoredStep[];
  readonly events: readonly StoredJobEvent[];
}

export interface StoredRun extends Totals {
  readonly id: string;
  readonly platform: string;
  readonly server: string;
  readonly repositoryId: number;
  readonly repository: string;
  readonly runId: string | null;
  readonly workflow: string;
  readonly ref: string | null;
  readonly event: string | null;
  readonly actor: string | null;
  readonly jobs: number;
  readonly running: number;
  readonly failed: number;
  readonly startedMs: number;
  readonly lastMs: number;
}

export interface JobPageRequest extends PageRequest {
  readonly isOldestFirst?: boolean;
}

const maxSteps = 2_000;
const maxEvents = 500;
const maxOfRun = 1_000;

export class JobReader {
  readonly #main: Kysely<StoreTables>;

  constructor(main: Kysely<StoreTables>) {
    this.#main = main;
  }

  /** Jobs, those that began last first unless told. */
  async jobs(filter: JobFilter, request: JobPageRequest): Promise<Page<StoredJob>> {
    const nowMs = Date.now();
    let query = selectJobs(this.#main);
    for (const condition of jobConditions(filter, nowMs)) query = query.where(condition);
    const page = await pageByStart(query, request);
    return { next: page.next, items: page.items.map((row) => toJob(row, nowMs)) };
  }

  /** Null where there is none, or it is not one of the owners'. */
  async job(id: number, owners: Owners = null): Promise<StoredJobDetail | null> {
    let query = selectJobs(this.#main).where('job.id', '=', id);
    if (owners !== null) query = query.where(isOwned('repository.path', owners));
    const row = await query.executeTakeFirst();
    if (row === undefined) return null;
    const [steps, events] = await Promise.all([this.#steps(id), this.#events(id)]);
    const { matrix, granted, uses, has_identity: identity } = row;
    const parsed = { matrix: parse(matrix), granted: parse(granted), uses: parse(uses) };
    return { ...toJob(row, Date.now()), ...parsed, hasIdentity: toBoolean(identity), steps, events };
  }

  /** Several jobs by their numbers, or by the names of their instances; those that there are, 1,000 at most. */
  async jobsOf(ids: readonly (number | string)[], owners: Owners = null): Promise<readonly StoredJob[]> {
    const some = ids.slice(0, 1_000);
    const numbers = some.filter((id) => typeof id === 'number');
    const keys = some.filter((id) => typeof id === 'string');
    if (some.length === 0) return [];
    let query = selectJobs(this.#main).where((is) =>
      is.or([
        ...(numbers.length === 0 ? [] : [is('job.id', 'in', numbers)]),
        ...(keys.length === 0 ? [] : [is('job.key', 'in', keys)]),
      ]),
    );
    if (owners !== null) query = query.where(isOwned('repository.path', owners));
    const nowMs = Date.now();
    const rows = await query.orderBy('job.started_ms', 'desc').orderBy('job.id', 'desc').execute();
    return rows.map((row) => toJob(row, nowMs));
  }

  /** Runs, those that began last first unless told: each by its first job. */
  async runs(filter: JobFilter, request: JobPageRequest): Promise<Page<StoredRun>> {
    const nowMs = Date.now();
    let query = selectJobs(this.#main).where(isFirstOfRun);
    for (const condition of runConditions(filter, nowMs)) query = query.where(condition);
    const page = await pageByStart(query, request);
    return { next: page.next, items: await this.#sumRuns(page.items, nowMs) };
  }

  /** One run with its jobs, in the order in which they began; 1,000 at most. Null where there is none. */
  async run(
    id: string,
    owners: Owners = null,
  ): Promise<(StoredRun & { readonly of: readonly StoredJob[] }) | null> {
    const name = readRunId(id);
    if (name === null) return null;
    let query = selectJobs(this.#main);
    if ('job' in name) query = query.where('job.id', '=', name.job).where('job.run_id', 'is', null);
    else query = query.where('job.repository_id', '=', name.repository).where('job.run_id', '=', name.runId);
    if (owners !== null) query = query.where(isOwned('repository.path', owners));
    const rows = await query.orderBy('job.started_ms').orderBy('job.id').limit(maxOfRun).execute();
    const nowMs = Date.now();
    const [run] = await this.#sumRuns(rows.slice(0, 1), nowMs);
    return run === undefined ? null : { ...run, of: rows.map((row) => toJob(row, nowMs)) };
  }

  async #sumRuns(firsts: readonly JobRow[], nowMs: number): Promise<StoredRun[]> {
    if (firsts.length === 0) return [];
    const rows = await this.#main
      .selectFrom('job')
      .innerJoin('job as other', (join) => join.on(sql<boolean>`${ofSameRun}`))
      .select('job.id')
      .select((is) => totals.map((name) => is.fn.sum<number>(`other.${name}`).as(name)))
      .select((is) => [is.fn.countAll<number>().as('jobs'), is.fn.max<number>('other.last_ms').as('last_ms')])
      .select([countIf(sql`other.ended_ms is null and coalesce(other.until_ms, 0) > ${nowMs}`).as('running')])
      .select([countIf(sql`other.conclusion in ('failed', 'failure')`).as('failed')])
      .where(
        'job.id',
        'in',
        firsts.map(({ id }) => id),
      )
      .groupBy('job.id')
      .execute();
    const sums = new Map(rows.map((row) => [row.id, row]));
    return firsts.map((row) => toRun(row, sums.get(row.id)!)); // each joins with itself
  }

  async #steps(job: number): Promise<StoredStep[]> {
    const rows = await this.#main
      .selectFrom('step')
      .selectAll()
      .where('job_id', '=', job)
      .orderBy(sql`case when place is null then 1 else 0 end`)
      .orderBy('place')
      .orderBy('number')
      .orderBy('started_ms')
      .limit(maxSteps)
      .execute();
    return rows.map(({ number, name, state, started_ms, ended_ms }) => {
      return { number, name, state, startedMs: started_ms, endedMs: ended_ms };
    });
  }

  async #events(job: number): Promise<StoredJobEvent[]> {
    const rows = await this.#main
      .selectFrom('job_event')
      .innerJoin('gateway', 'gateway.id', 'job_event.gateway_id')
      .innerJoin('runner', 'runner.id', 'job_event.runner_id')
      .select(['job_event.at_ms', 'job_event.what', 'gateway.name', 'runner.address'])
      .where('job_event.job_id', '=', job)
      .orderBy('job_event.id')
      .limit(maxEvents)
      .execute();
    return rows.map(({ at_ms, what, name, address }) => {
      return { atMs: at_ms, gateway: name, runner: address, what };
    });
  }
}

const totals = ['flows', 'blocked', 'would_block', 'sent', 'received'] as const;
const countIf = (condition: ReturnType<typeof sql>) =>
  sql<number>`sum(case when ${condition} then 1 else 0 end)`;

/** The name of a run, by which it is asked for. */
export function runName(row: {
  readonly id: number;
  readonly repository_id: number;
  readonly run_id: string | null;
}) {
  return row.run_id === null ? `j${row.id}` : `${row.repository_id}:${row.run_id}`;
}

/** What a run's name stands for; null for any other text. */
export function readRunId(
  id: string,
): { readonly job: number } | { readonly repository: number; readonly runId: string } | null {
  const alone = /^j(\d{1,9})$/.exec(id);
  if (alone !== null) return { job: Number(alone[1]) };
  const match = /^(\d{1,9}):(.{1,256})$/su.exec(id);
  return match === null ? null : { repository: Number(match[1]), runId: match[2]! };
}

/** Jobs with the texts of what they name. */
function selectJobs(main: Kysely<StoreTables>) {
  return main
    .selectFrom('job')
    .innerJoin('repository', 'repository.id', 'job.repository_id')
    .innerJoin('definition', 'definition.id', 'job.definition_id')
    .innerJoin('runner', 'runner.id', 'job.runner_id')
    .innerJoin('gateway', 'gateway.id', 'job.gateway_id')
    .selectAll('job')
    .select(['repository.platform', 'repository.server', 'repository.shown', 'gateway.name as gateway'])
    .select(['definition.workflow', 'definition.name', 'runner.address']);
}

type JobQuery = ReturnType<typeof selectJobs>;
type JobRow = Awaited<ReturnType<JobQuery['execute']>>[number];

async function pageByStart(query: JobQuery, request: JobPageRequest): Promise<Page<JobRow>> {
  const { limit, cursor, isOldestFirst = false } = request;
  const after = readCursor(cursor);
  if (after === undefined) return { items: [], next: null };
  const [beyond, order] = isOldestFirst ? (['>', 'asc'] as const) : (['<', 'desc'] as const);
  let narrowed = query;
  if (after !== null)
    narrowed = narrowed.where((is) =>
      is.or([
        is('job.started_ms', beyond, after[0]),
        is.and([is('job.started_ms', '=', after[0]), is('job.id', beyond, after[1])]),
      ]),
    );
  const rows = await narrowed
    .orderBy('job.started_ms', order)
    .orderBy('job.id', order)
    .limit(limit + 1)
    .execute();
  return pageOf(rows, limit, ({ started_ms, id }) => [started_ms, id]);
}

function toJob(row: JobRow, nowMs: number): StoredJob {
  const isRunning = row.ended_ms === null && (row.until_ms ?? 0) > nowMs;
  return {
    id: row.id,
    instance: row.key.includes('/') ? row.key : null,
    platform: row.platform,
    server: row.server,
    repositoryId: row.repository_id,
    repository: row.shown,
    run: runName(row),
    runId: row.run_id,
    runAttempt: row.run_attempt,
    workflow: row.workflow,
    calledWorkflow: row.called_workflow,
    name: row.name,
    stage: row.stage,
    ref: row.ref,
    headRef: row.head_ref,
    baseRef: row.base_ref,
    sha: row.sha,
    event: row.event,
    environment: row.environment,
    actor: row.actor,
    isFork: toBoolean(row.is_fork),
    isProtected: toBoolean(row.is_protected),
    runner: row.address,
    runnerGroup: row.runner_group,
    agent: row.agent,
    gateway: row.gateway,
    source: row.source,
    certainty: row.certainty,
    conflicts: row.conflicts,
    startedMs: row.started_ms,
    lastMs: row.last_ms,
    endedMs: row.ended_ms,
    conclusion: row.conclusion,
    state: isRunning ? 'running' : row.ended_ms === null ? 'unknown' : 'ended',
    ...totalsOf(row),
  };
}

type RunSums = Record<(typeof totals)[number] | 'jobs' | 'running' | 'failed' | 'last_ms', number>;

function toRun(first: JobRow, sums: RunSums): StoredRun {
  return {
    id: runName(first),
    platform: first.platform,
    server: first.server,
    repositoryId: first.repository_id,
    repository: first.shown,
    runId: first.run_id,
    workflow: first.workflow,
    ref: first.ref,
    event: first.event,
    actor: first.actor,
    jobs: sums.jobs,
    running: sums.running,
    failed: sums.failed,
    startedMs: first.started_ms,
    lastMs: sums.last_ms,
    ...totalsOf(sums),
  };
}

function totalsOf(row: Record<(typeof totals)[number], number>): Totals {
  const { flows, blocked, would_block: wouldBlock, sent, received } = row;
  return { flows, blocked, wouldBlock, sent, received };
}

const toBoolean = (value: number | null): boolean | null => (value === null ? null : value === 1);

// Written by this program alone.
const parse = (text: string | null): unknown => (text === null ? null : JSON.parse(text));
