// Which jobs and runs are asked for, as conditions on the table of jobs joined with the names of their repositories and
// definitions.

import { sql, type RawBuilder } from 'kysely';
import { isOwned, likePart, type Owners } from './owned-rows.ts';

/** What has to hold of a job; what is left out may be anything. */
export interface JobFilter {
  readonly repository?: number;
  readonly runId?: string;
  readonly owners?: Owners;
  readonly platform?: string;
  readonly server?: string;
  readonly workflow?: string;
  readonly name?: string;
  readonly ref?: string;
  readonly event?: string;
  readonly environment?: string;
  readonly actor?: string;
  readonly runner?: string;
  readonly source?: string;
  readonly certainty?: string;
  readonly conclusion?: string;
  readonly isBlocked?: boolean;
  readonly isRunning?: boolean;
  /** A part of the repository, the workflow, the job's name or the ref, without regard to case. */
  readonly search?: string;
  /** Milliseconds since 1970: from (inclusive) and until (exclusive) its beginning. */
  readonly fromMs?: number;
  readonly untilMs?: number;
}

const columns = {
  runId: 'job.run_id',
  platform: 'repository.platform',
  server: 'repository.server',
  workflow: 'definition.workflow',
  name: 'definition.name',
  ref: 'job.ref',
  event: 'job.event',
  environment: 'job.environment',
  actor: 'job.actor',
  source: 'job.source',
  certainty: 'job.certainty',
  conclusion: 'job.conclusion',
} as const;

const searched = ['repository.path', 'definition.workflow', 'definition.name', 'job.ref'] as const;

/** The conditions of a filter on jobs themselves. */
export function jobConditions(filter: JobFilter, nowMs: number): RawBuilder<boolean>[] {
  return [
    ...commonConditions(filter),
    ...(filter.runner === undefined ? [] : [sql<boolean>`runner.address = ${filter.runner}`]),
    ...(filter.isBlocked === undefined ? [] : [hasBlocked('job', filter.isBlocked)]),
    ...(filter.isRunning === undefined ? [] : [isRunning('job', filter.isRunning, nowMs)]),
  ];
}

/** The same on the first job of a run: what only some of its jobs have is looked for among all of them. */
export function runConditions(filter: JobFilter, nowMs: number): RawBuilder<boolean>[] {
  const { runner, isBlocked, isRunning: wantsRunning } = filter;
  const some = (condition: RawBuilder<boolean>): RawBuilder<boolean> =>
    sql<boolean>`exists (select 1 from job as other where ${ofSameRun} and ${condition})`;
  const no = (condition: RawBuilder<boolean>): RawBuilder<boolean> => sql<boolean>`not ${some(condition)}`;
  return [
    ...commonConditions(filter),
    ...(runner === undefined
      ? []
      : [some(sql<boolean>`other.runner_id in (select id from runner where address = ${runner})`)]),
    ...(isBlocked === undefined ? [] : [(isBlocked ? some : no)(hasBlocked('other', true))]),
    ...(wantsRunning === undefined ? [] : [(wantsRunning ? some : no)(isRunning('other', true, nowMs))]),
  ];
}

/** Another row of the same run; a job without a run is one by itself. */
export const ofSameRun = sql`(other.id = job.id
  or (other.repository_id = job.repository_id and other.run_id = job.run_id))`;

/** Whether a row is the one by which its run is listed: its first job. */
export const isFirstOfRun = sql<boolean>`not exists (select 1 from job as other
  where other.repository_id = job.repository_id and other.run_id = job.run_id
  and (other.started_ms < job.started_ms or (other.started_ms = job.started_ms and other.id < job.id)))`;

function commonConditions(filter: JobFilter): RawBuilder<boolean>[] {
  const { repository, owners = null, search, fromMs, untilMs } = filter;
  const found: RawBuilder<boolean>[] = [];
  if (repository !== undefined) found.push(sql<boolean>`job.repository_id = ${repository}`);
  if (owners !== null) found.push(isOwned('repository.path', owners));
  if (fromMs !== undefined) found.push(sql<boolean>`job.started_ms >= ${fromMs}`);
  if (untilMs !== undefined) found.push(sql<boolean>`job.started_ms < ${untilMs}`);
  for (const [key, column] of Object.entries(columns)) {
    const value = filter[key as keyof typeof columns]; // a key of the table above
    if (value !== undefined) found.push(sql<boolean>`${sql.ref(column)} = ${value}`);
  }
  if (search !== undefined) {
    const pattern = likePart(search);
    const parts = searched.map((column) => sql`lower(${sql.ref(column)}) like ${pattern} escape '!'`);
    found.push(sql<boolean>`(${sql.join(parts, sql` or `)})`);
  }
  return found;
}

const hasBlocked = (table: 'job' | 'other', wanted: boolean): RawBuilder<boolean> =>
  wanted
    ? sql<boolean>`${sql.ref(`${table}.blocked`)} > 0`
    : sql<boolean>`${sql.ref(`${table}.blocked`)} = 0`;

function isRunning(table: 'job' | 'other', wanted: boolean, nowMs: number): RawBuilder<boolean> {
  const [ended, until] = [sql.ref(`${table}.ended_ms`), sql.ref(`${table}.until_ms`)];
  const running = sql<boolean>`(${ended} is null and coalesce(${until}, 0) > ${nowMs})`;
  return wanted ? running : sql<boolean>`not ${running}`;
}
