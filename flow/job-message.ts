// What the platform says when it hands a job to a runner, as far as it is read: who and what the job is, never its
// variables, masks, scripts or tokens. Tokens are known by keyed hashes alone.

import type { Job } from './job.ts';

/** A step of the job, in order; its id is what step updates name. */
export interface JobStep {
  readonly id: string;
  readonly name: string;
}

/** One job as its platform announced it. Texts are as they came, at most 1 KiB each. */
export interface JobMessage {
  readonly job: Job;
  /** Of the job itself (GitHub: a GUID; GitLab: a number). */
  readonly jobId: string;
  /** Of the run's plan (GitHub), by which artifacts and caches name it; null on GitLab. */
  readonly planId: string | null;
  readonly runAttempt: string | null;
  readonly stage: string | null;
  readonly sha: string | null;
  readonly headRef: string | null;
  readonly baseRef: string | null;
  /** Values of the matrix that are no lists or objects; null without one. */
  readonly matrix: Readonly<Record<string, string | number | boolean | null>> | null;
  /** What the job's token was granted, by workflow key (`contents`), or null where nothing is said. */
  readonly granted: Readonly<Record<string, string>> | null;
  /** The job may ask for identity tokens. */
  readonly hasIdentity: boolean;
  /** Actions and images that its steps name: `owner/repo[/path]@ref`, `./path`, `docker://image`. */
  readonly uses: readonly string[];
  readonly steps: readonly JobStep[];
  /** Keyed hashes of the job's own token and of the one that its runtime was given. */
  readonly tokens: { readonly own: string | null; readonly runtime: string | null };
  /** When the platform gives the job up unless it is renewed, in milliseconds since 1970; null: not said. */
  readonly leaseMs: number | null;
}

/** Makes the keyed hash by which a token is known from then on. */
export type HashToken = (token: string) => string;
