// What passes between a runner and its platform about jobs, heard on the runner's own connections.

import type { JobMessage } from './job-message.ts';

/** A job as later messages name it. */
export interface JobName {
  /** Canonical host of the platform. */
  readonly server: string;
  readonly jobId: string;
}

export type StepState = 'pending' | 'running' | 'succeeded' | 'failed' | 'cancelled' | 'skipped' | 'unknown';

/** A step as its runner reports it; times in milliseconds since 1970. */
export interface StepUpdate {
  readonly id: string;
  readonly name: string;
  readonly number: number | null;
  readonly state: StepState;
  readonly startedMs: number | null;
  readonly endedMs: number | null;
}

export type JobNews =
  /** A program asks for jobs, or says that it will not any more: `agent` names it as the platform does. */
  | { readonly kind: 'polled' | 'left'; readonly server: string; readonly agent: string }
  /** A listener has begun: it runs no job. `runner` is the registration that it speaks for, where it says so. */
  | {
      readonly kind: 'began';
      readonly server: string;
      readonly agent: string;
      readonly runner: string | null;
    }
  /** A job was handed out here and nobody can read whose it is: its address stays what other sources say. */
  | {
      readonly kind: 'unread';
      readonly server: string;
      readonly agent: string;
      readonly cause: 'encrypted' | 'unreadable' | 'job-router';
    }
  /** The platform handed a job out; `runsHere` is false where its runner starts it on another machine. */
  | {
      readonly kind: 'assigned';
      readonly message: JobMessage;
      readonly agent: string | null;
      readonly runsHere: boolean;
    }
  /** The platform confirmed that the job goes on, until then unless it is renewed. */
  | (JobName & { readonly kind: 'renewed'; readonly untilMs: number })
  | (JobName & { readonly kind: 'steps'; readonly steps: readonly StepUpdate[] })
  /** The platform took note of its end, or has given it up. */
  | (JobName & { readonly kind: 'ended'; readonly conclusion: string | null });
