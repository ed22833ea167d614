// A source of jobs beside what workers hear: the Kubernetes watch, claims. Control asks it again whenever it says that it
// changed.

import type { JobMessage } from '../flow/job-message.ts';
import type { LiveEntry } from './live-table.ts';

export interface JobSource {
  /** What it knows at the moment; addresses are canonical, and expired entries are of no effect. */
  entries(): readonly LiveEntry[];
  /** Addresses that two of its jobs claim, or one that contradicts what is known of the address. */
  conflicts(): readonly string[];
}

/** What is known of jobs without that source. */
export interface KnownJobs {
  /** What was heard of the jobs of an address. */
  entriesOf(address: string): readonly LiveEntry[];
  /** A live job by the platform’s own id, wherever it runs. */
  jobOf(server: string, platformJobId: string): JobMessage | null;
}
