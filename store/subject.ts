// Whom a record is about, as flows and jobs both say it: gateway, runner, and the job's instance.

import type { FlowRecord } from '../flow/flow.ts';
import type { JobRecord } from '../flow/job-record.ts';
import type { AttributionSource, Certainty, Job } from '../flow/job.ts';
import { keyText } from './stored-text.ts';

export interface Subject {
  readonly fleet: string;
  readonly gateway: string;
  readonly runner: string;
  /** When it was seen there, in milliseconds since 1970. */
  readonly atMs: number;
  readonly job: Job | null;
  /** Stable name of the job's instance; null where no job is known. */
  readonly jobKey: string | null;
  readonly source: AttributionSource;
  readonly certainty: Certainty;
}

/** Whom a flow belongs to. */
export function subjectOfFlow(record: FlowRecord, atMs: number, jobKey: string | null): Subject {
  const { fleet, gateway, runner, job, attribution } = record;
  const { source, certainty } = attribution;
  return { fleet, gateway, runner, atMs, job: job === null ? null : clean(job), jobKey, source, certainty };
}

/** Whom a record of a job tells of; of a job whose beginning was not read yet only its server is known. */
export function subjectOfJob(record: JobRecord, atMs: number): Subject {
  const { fleet, gateway, runner, jobId, event, source } = record;
  const job = event.what === 'assigned' ? event.job : unknownJob(jobId);
  return {
    fleet,
    gateway,
    runner,
    atMs,
    job: clean(job),
    jobKey: keyText(jobId),
    source,
    certainty: 'certain',
  };
}

/** `SERVER/ID`: GitLab counts its jobs, GitHub gives them GUIDs. */
function unknownJob(jobId: string): Job {
  const at = jobId.indexOf('/');
  const nothing = { repository: null, repositoryId: null, workflow: null, calledWorkflow: null, ref: null };
  const none = { event: null, environment: null, name: null, runId: null, runnerGroup: null, actor: null };
  return {
    platform: /^\d+$/.test(jobId.slice(at + 1)) ? 'gitlab' : 'github',
    server: jobId.slice(0, Math.max(at, 0)),
    ...nothing,
    ...none,
    fork: null,
    protected: null,
    private: null,
  };
}

const cleaned = new WeakMap<Job, Job>();

/** What a platform or a forger chose, as both databases can keep it. */
function clean(job: Job): Job {
  const known = cleaned.get(job);
  if (known !== undefined) return known;
  const entries = Object.entries(job).map(([name, value]) => [
    name,
    typeof value === 'string' ? keyText(value) : value,
  ]);
  // The same fields.
  const made = Object.fromEntries(entries) as Job;
  cleaned.set(job, made);
  return made;
}
