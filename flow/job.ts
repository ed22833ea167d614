// Who is talking: jobs, and how a flow came to be ascribed to one. Sources of attribution are
// implementations of the port; the path never asks which one answered.

export type Platform = 'github' | 'gitlab';

/** The unit that policy applies to. A field is null when its source does not supply it; null matches no scope key. */
export interface Job {
  readonly platform: Platform;
  /** Host of the forge, for example `github.com`. */
  readonly server: string;
  /** `owner/name`, or a GitLab project path. */
  readonly repository: string | null;
  readonly repositoryId: string | null;
  /** Path of the workflow file, or null. */
  readonly workflow: string | null;
  readonly calledWorkflow: string | null;
  /** Always a full ref: `refs/heads/…`, `refs/tags/…`, `refs/pull/…`. */
  readonly ref: string | null;
  readonly event: string | null;
  readonly environment: string | null;
  /** Name of the job inside the workflow. */
  readonly name: string | null;
  readonly runId: string | null;
  readonly runnerGroup: string | null;
  readonly actor: string | null;
  readonly fork: boolean | null;
  readonly protected: boolean | null;
  readonly private: boolean | null;
}

export type AttributionSource =
  | 'declared'
  | 'job-message'
  | 'kubernetes'
  | 'job-token'
  | 'confirmed-claim'
  | 'hook-claim'
  | 'process'
  | 'none';
export type Certainty = 'certain' | 'likely' | 'unknown';

export interface Attribution {
  readonly job: Job | null;
  readonly source: AttributionSource;
  readonly certainty: Certainty;
  /** A second job or agent claims the address: policy then treats the flow as unattributed. */
  readonly conflict: boolean;
  /** Stable name of the job's instance (flow/job-record.ts), where a live source knows it. */
  readonly jobId?: string;
  /** One text for the addresses of the machine that runs the job, where they are known to be one machine's. */
  readonly machine?: string;
}

export const unattributed: Attribution = { job: null, source: 'none', certainty: 'unknown', conflict: false };

/** True where a program on the runner could have said it itself: it opens nothing. */
export function isUnproven({ source }: Attribution): boolean {
  return source === 'process' || source === 'hook-claim';
}

/** The job for which something may be opened: none while a second one claims the address, or where nothing proves it. */
export function provenJob(attribution: Attribution): Job | null {
  return attribution.conflict || isUnproven(attribution) ? null : attribution.job;
}

/** Ascribes an address to a job. A promise pauses the connection until a live source has answered. */
export interface AttributionPort {
  attribute(runnerAddress: string, runnerPort: number): Attribution | Promise<Attribution>;
}

/** What a runner-side program says of itself; not believed until a source confirms it. */
export interface Claim {
  readonly address: string;
  readonly job: Job;
  readonly receivedAt: number;
}
