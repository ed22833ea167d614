// Jobs that were handed out where nobody could read them: said once for each runner, and counted. Whose they are is for
// other sources to say.

import { LRUCache } from 'lru-cache';
import type { JobNews } from '../flow/job-news.ts';
import type { Meter } from '../flow/ports.ts';

type Unread = Extract<JobNews, { kind: 'unread' }>;

const maxRemembered = 4_096;

/** What an operator can do about it, by cause. */
export const unreadRemedies: Readonly<Record<Unread['cause'], string>> = {
  encrypted: 'messages of this runner are encrypted: see docs/attribution.md for the sources that are left',
  unreadable: 'the message is none that is known: see docs/attribution.md for the sources that are left',
  'job-router':
    'the runner gets its jobs from the job router: unset FF_USE_JOB_ROUTER, or see docs/attribution.md',
};

/** Counts them, and tells of each runner and cause once. */
export class UnreadJobs {
  readonly #meter: Meter;
  readonly #tell: (what: { runner: string; server: string; cause: string }, text: string) => void;
  readonly #told = new LRUCache<string, true>({ max: maxRemembered });

  constructor(
    meter: Meter,
    tell: (what: { runner: string; server: string; cause: string }, text: string) => void,
  ) {
    this.#meter = meter;
    this.#tell = tell;
  }

  note(runner: string, news: readonly JobNews[]): void {
    for (const one of news) {
      if (one.kind !== 'unread') continue;
      const { server, cause } = one;
      this.#meter.count('sallyport_jobs_unread_total', { cause });
      const key = `${runner} ${server} ${cause}`;
      if (this.#told.has(key)) continue;
      this.#told.set(key, true);
      this.#tell(
        { runner, server, cause },
        `a job was handed out that cannot be read: ${unreadRemedies[cause]}`,
      );
    }
  }
}
