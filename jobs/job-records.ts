// The records of a job, as it is heard of: when it came, once a minute that it goes on, its steps, its end, and what made
// its address nobody's.

import type { JobEvent, JobRecord } from '../flow/job-record.ts';
import { jobInstance, jobRecordVersion } from '../flow/job-record.ts';
import { uuidv7 } from '../flow/uuid.ts';
import type { LiveJob, LiveNews } from './live-jobs.ts';

const renewedEveryMs = 60_000;

export interface JobRecordsOptions {
  readonly gateway: string;
  readonly fleet: string;
  readonly write: (record: JobRecord) => void;
  readonly now: () => number;
}

export class JobRecords {
  readonly #options: JobRecordsOptions;
  /** By instance: when its going on was recorded last. */
  readonly #renewedMs = new Map<string, number>();

  constructor(options: JobRecordsOptions) {
    this.#options = options;
  }

  news(runner: string, job: LiveJob, news: LiveNews): void {
    if (news.kind === 'assigned') return this.#write(runner, job, assigned(job));
    if (news.kind === 'steps') return this.#write(runner, job, { what: 'steps', steps: news.steps });
    const id = instanceOf(job);
    const nowMs = this.#options.now();
    if (nowMs - (this.#renewedMs.get(id) ?? 0) < renewedEveryMs) return;
    this.#renewedMs.set(id, nowMs);
    this.#write(runner, job, { what: 'renewed', untilMs: job.untilMs });
  }

  ended(runner: string, job: LiveJob, conclusion: string | null): void {
    this.#renewedMs.delete(instanceOf(job));
    this.#write(runner, job, { what: 'ended', conclusion });
  }

  /** For each job that lives on the address. */
  conflict(runner: string, jobs: readonly LiveJob[]): void {
    const [first] = jobs;
    const agents = new Set(jobs.map(({ agent }) => agent));
    if (first === undefined) return;
    const detail =
      jobs.length > 1
        ? `${jobs.length} jobs of ${agents.size} runners on one address`
        : 'another runner, or another source, claims the address';
    for (const job of jobs) this.#write(runner, job, { what: 'conflict', detail });
  }

  #write(runner: string, job: LiveJob, event: JobEvent): void {
    const { gateway, fleet, write, now } = this.#options;
    write({
      v: jobRecordVersion,
      kind: 'job',
      id: uuidv7(now()),
      time: new Date(now()).toISOString(),
      gateway,
      fleet,
      runner,
      jobId: instanceOf(job),
      source: 'job-message',
      agent: job.agent,
      event,
    });
  }
}

const instanceOf = ({ message }: LiveJob): string => jobInstance(message.job.server, message.jobId);

function assigned({ message }: LiveJob): JobEvent {
  const { job, runAttempt, stage, sha, headRef, baseRef, matrix, granted, hasIdentity, uses, steps } =
    message;
  const who = { job, runAttempt, stage, sha, headRef, baseRef, matrix };
  return { what: 'assigned', ...who, granted, hasIdentity, uses, steps };
}
