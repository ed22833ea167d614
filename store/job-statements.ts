// What a record of a job changes, as statements that both databases run in the transaction of its batch. Each may run
// again: a job's later state wins, whatever order its records are read in.

import type { JobEvent, JobRecord } from '../flow/job-record.ts';
import type { JobIds } from './number-flow.ts';
import { idBytes } from './flow-row.ts';
import { keyText, shownText, smallOrNull, wholeOrNull } from './stored-text.ts';

export type StatementValue = string | number | Uint8Array | null;

/** SQL with `$1`, `$2`, … and what they stand for. */
export interface Statement {
  readonly text: string;
  readonly values: readonly StatementValue[];
}

/** Numbers of those whom the record names. */
export interface JobRecordIds extends JobIds {
  readonly gateway: number;
  readonly runner: number;
}

/** Steps and names of actions of one job that are kept; no real job has as many. */
const [mostSteps, mostUses] = [1_000, 500];
const longestJson = 65_536;

/** The statements of one record, in order; none for one whose id or time is none. */
export function jobStatements(record: JobRecord, ids: JobRecordIds): readonly Statement[] {
  const atMs = Date.parse(record.time);
  const id = idBytes(record.id);
  if (id === null || Number.isNaN(atMs)) return [];
  const { event } = record;
  return [
    { text: note, values: [ids.job, atMs, record.agent === null ? null : keyText(record.agent)] },
    ...(event.what === 'renewed' || event.what === 'steps'
      ? []
      : [
          {
            text: addEvent,
            values: [id, ids.job, atMs, ids.gateway, ids.runner, event.what, detailOf(event)],
          },
        ]),
    ...change(event, ids, atMs),
  ];
}

function change(event: JobEvent, ids: JobRecordIds, atMs: number): readonly Statement[] {
  switch (event.what) {
    case 'assigned':
      return [describe(event, ids, atMs), ...announce(event, ids.job, atMs)];
    case 'renewed':
      return [{ text: renew, values: [ids.job, wholeOrNull(event.untilMs)] }];
    case 'steps':
      return event.steps.slice(0, mostSteps).map(({ id, name, number, state, startedMs, endedMs }) => {
        const times = [wholeOrNull(startedMs), wholeOrNull(endedMs)];
        const values = [ids.job, keyText(id), smallOrNull(number), shownText(name, 1_024), state];
        return { text: updateStep, values: [...values, ...times, atMs] };
      });
    case 'ended':
      return [{ text: end, values: [ids.job, atMs, detailOf(event)] }];
    case 'conflict':
      return [{ text: countConflicts, values: [ids.job] }];
  }
}

type Assigned = Extract<JobEvent, { what: 'assigned' }>;

function describe(event: Assigned, ids: JobRecordIds, atMs: number): Statement {
  const { job, runAttempt, stage, sha, headRef, baseRef, matrix, granted, hasIdentity, uses } = event;
  const text = (value: string | null): string | null => (value === null ? null : shownText(value, 1_024));
  const flag = (value: boolean | null): number | null => (value === null ? null : Number(value));
  const names = [job.ref, job.event, job.environment, job.actor, job.calledWorkflow];
  return {
    text: describeJob,
    values: [
      ids.job,
      ids.definition,
      ids.repository,
      ids.runner,
      atMs,
      job.runId === null ? null : keyText(job.runId),
      ...[...names, job.runnerGroup, runAttempt, stage, sha, headRef, baseRef].map(text),
      flag(job.fork),
      flag(job.protected),
      flag(job.private),
      Number(hasIdentity),
      jsonOf(matrix),
      jsonOf(granted),
      jsonOf(uses.slice(0, mostUses)),
    ],
  };
}

/** The steps that the message lists, before any of them has begun. */
function announce({ steps }: Assigned, job: number, atMs: number): readonly Statement[] {
  return steps.slice(0, mostSteps).map(({ id, name }, place) => ({
    text: announceStep,
    values: [job, keyText(id), shownText(name, 1_024), place, atMs],
  }));
}

function detailOf(event: JobEvent): string | null {
  if (event.what === 'ended') return event.conclusion === null ? null : shownText(event.conclusion, 256);
  return event.what === 'conflict' ? shownText(event.detail, 1_024) : null;
}

/** Null for what is too long to be of use; a cut JSON would be none. */
function jsonOf(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  const text = JSON.stringify(value).replaceAll('\\u0000', '\\ufffd');
  return text.length > longestJson ? null : text.toWellFormed();
}

const note = `update job set is_heard = 1, agent = coalesce(cast($3 as text), agent),
  last_ms = case when last_ms < $2 then $2 else last_ms end where id = $1`;
const addEvent = `insert into job_event (id, job_id, at_ms, gateway_id, runner_id, what, detail)
  values ($1, $2, $3, $4, $5, $6, $7) on conflict (id) do nothing`;
const described = [
  ...(['run_id', 'ref', 'event', 'environment', 'actor', 'called_workflow', 'runner_group'] as const),
  ...(['run_attempt', 'stage', 'sha', 'head_ref', 'base_ref', 'is_fork', 'is_protected'] as const),
  ...(['is_private', 'has_identity', 'matrix', 'granted', 'uses'] as const),
];
const describeJob = `update job set definition_id = $2, repository_id = $3, runner_id = $4,
  started_ms = case when started_ms > $5 then $5 else started_ms end,
  ${described.map((name, at) => `${name} = $${at + 6}`).join(', ')} where id = $1`;
const renew = `update job set until_ms = $2 where id = $1 and (until_ms is null or until_ms < $2)`;
const updateStep = `insert into step (job_id, key, number, name, state, started_ms, ended_ms, at_ms)
  values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (job_id, key) do update set
  number = coalesce(excluded.number, step.number), name = excluded.name, state = excluded.state,
  started_ms = coalesce(excluded.started_ms, step.started_ms), ended_ms = excluded.ended_ms, at_ms = excluded.at_ms
  where step.at_ms <= excluded.at_ms`;
const announceStep = `insert into step (job_id, key, name, state, place, at_ms) values ($1, $2, $3, 'pending', $4, $5)
  on conflict (job_id, key) do update set place = excluded.place`;
// Who gave it up may be heard before who says how it ended.
const end = `update job set ended_ms = case when ended_ms is null or conclusion is null then $2 else ended_ms end,
  conclusion = coalesce(conclusion, cast($3 as text)) where id = $1`;
const countConflicts = `update job set
  conflicts = (select count(*) from job_event where job_id = $1 and what = 'conflict') where id = $1`;
