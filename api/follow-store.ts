// Tells listeners what came into the store: flows and jobs of each batch, looked up once for all of them. Where more comes
// than is told, it says how much was left out.

import type { EventFeed } from './event-feed.ts';
import type { ApiLog } from './operator-api.ts';
import { showFlow } from './routes/flow-routes.ts';
import { showJob } from './routes/job-routes.ts';
import type { AskStore } from './store-question.ts';

/** What a batch brought. */
export interface StoreNews {
  /** Ids of flows that began or ended. */
  readonly flows: readonly string[];
  /** Instances of jobs of which something was heard. */
  readonly jobs: readonly string[];
}

const mostFlows = 500;
const mostJobs = 200;

/** A listener for the store's batches. */
export function followStore(feed: EventFeed, ask: AskStore, log: ApiLog): (news: StoreNews) => void {
  const [flows, jobs] = [new Set<string>(), new Set<string>()];
  let skipped = { flows: 0, jobs: 0 };
  let isLooking = false;

  async function tell(): Promise<void> {
    const [wantedFlows, wantedJobs] = [[...flows], [...jobs]];
    flows.clear();
    jobs.clear();
    const left = skipped;
    skipped = { flows: 0, jobs: 0 };
    try {
      for (const job of await ask('jobsOf', wantedJobs))
        feed.publish('job', showJob(job), ownerOf(job.repository));
      for (const flow of await ask('flowsOf', wantedFlows))
        feed.publish('flow', showFlow(flow), ownerOf(flow.repository));
    } catch (error) {
      const [moreFlows, moreJobs] = [wantedFlows.length, wantedJobs.length];
      feed.publish('skipped', { flows: left.flows + moreFlows, jobs: left.jobs + moreJobs }, null);
      throw error;
    }
    if (left.flows + left.jobs > 0) feed.publish('skipped', left, null);
  }

  async function look(): Promise<void> {
    isLooking = true;
    try {
      while (flows.size + jobs.size > 0) await tell();
    } catch (error) {
      log.error({ err: error }, 'what came into the store could not be told to who listens');
    } finally {
      isLooking = false;
    }
  }

  return (news) => {
    if (!feed.isHeard) return;
    for (const id of news.flows)
      if (flows.size < mostFlows) flows.add(id);
      else if (!flows.has(id)) skipped.flows++;
    for (const id of news.jobs)
      if (jobs.size < mostJobs) jobs.add(id);
      else if (!jobs.has(id)) skipped.jobs++;
    if (!isLooking) void look();
  };
}

const ownerOf = (repository: string | null): string | null => repository?.split('/', 1)[0] ?? null;
