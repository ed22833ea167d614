// Entries of live tables as sources write them.

import type { Job } from '../../flow/job.ts';
import type { JobMessage } from '../../flow/job-message.ts';
import type { LiveEntry } from '../../jobs/live-table.ts';

const job: Job = {
  platform: 'gitlab',
  server: 'gitlab.example',
  repository: 'acme/app',
  repositoryId: '7',
  workflow: null,
  calledWorkflow: null,
  ref: 'refs/heads/main',
  event: 'push',
  environment: null,
  name: 'build',
  runId: '900',
  runnerGroup: null,
  actor: null,
  fork: false,
  protected: null,
  private: null,
};

/** The message of a job, with some fields in place of the usual ones. */
export function messageOf(jobId: string, fields: Partial<Job> = {}): JobMessage {
  return {
    job: { ...job, ...fields },
    jobId,
    planId: null,
    runAttempt: null,
    stage: null,
    sha: null,
    headRef: null,
    baseRef: null,
    matrix: null,
    granted: null,
    hasIdentity: false,
    uses: [],
    steps: [],
    tokens: { own: `hash of ${jobId}`, runtime: null },
    leaseMs: null,
  };
}

export interface EntryOptions {
  readonly address: string;
  readonly jobId: string;
  readonly untilMs: number;
  readonly source?: LiveEntry['source'];
  readonly job?: Partial<Job>;
}

/** An entry of a job message, unless another source is named. */
export function entryOf({ address, jobId, untilMs, source = 'job-message', job }: EntryOptions): LiveEntry {
  const message = messageOf(jobId, job);
  return { address, agent: null, source, certainty: 'certain', sinceMs: 0, untilMs, message };
}
