// What is kept of a job besides its flows: one JSON line in a segment among those of flows, told apart by `kind: job`.
// Whoever heard of the job writes it. No text of a token, variable, mask or script is in it.

import type { AttributionSource, Job } from './job.ts';
import type { JobStep } from './job-message.ts';
import type { StepUpdate } from './job-news.ts';

export const jobRecordVersion = 1;

/** One thing that happened to a job on an address. */
export interface JobRecord {
  readonly v: typeof jobRecordVersion;
  readonly kind: 'job';
  /** UUIDv7 (RFC 9562): a line that is read twice counts once. */
  readonly id: string;
  /** ISO 8601 with milliseconds, UTC. */
  readonly time: string;
  readonly gateway: string;
  readonly fleet: string;
  /** Address of the runner. */
  readonly runner: string;
  /** Stable name of the job's instance (`jobInstance`), which its flows carry as `attribution.jobId`. */
  readonly jobId: string;
  readonly source: AttributionSource;
  /** Program that asked for the job, as the platform names it; null: nobody knows. */
  readonly agent: string | null;
  readonly event: JobEvent;
}

export type JobEvent =
  | {
      readonly what: 'assigned';
      readonly job: Job;
      readonly runAttempt: string | null;
      readonly stage: string | null;
      readonly sha: string | null;
      readonly headRef: string | null;
      readonly baseRef: string | null;
      readonly matrix: Readonly<Record<string, string | number | boolean | null>> | null;
      readonly granted: Readonly<Record<string, string>> | null;
      readonly hasIdentity: boolean;
      readonly uses: readonly string[];
      readonly steps: readonly JobStep[];
    }
  | { readonly what: 'renewed'; readonly untilMs: number }
  | { readonly what: 'steps'; readonly steps: readonly StepUpdate[] }
  /** `conclusion` null: it was given up, nobody said how it ended. */
  | { readonly what: 'ended'; readonly conclusion: string | null }
  /** A second job or agent on a busy address, or a manager: nobody's until it is over. */
  | { readonly what: 'conflict'; readonly detail: string };

/** Server and the platform's own id of the job: the same on every gateway. */
export function jobInstance(server: string, platformJobId: string): string {
  return `${server}/${platformJobId}`;
}
