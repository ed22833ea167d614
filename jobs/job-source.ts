// A source of jobs beside what workers hear: the Kubernetes watch, claims. Control asks all of them whenever one changes.

import type { LiveEntry } from './live-table.ts';

export interface JobSource {
  readonly name: string;
  /** What it knows at the moment; addresses are canonical, and expired entries are of no effect. */
  entries(): readonly LiveEntry[];
  /** Calls back after every change but a mere renewal; once for each listener. */
  onChange(callback: () => void): void;
}
