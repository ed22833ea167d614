// The store as the rest of the program sees it: questions and their answers, how far it is behind, and what is done to it.

import type { Kysely } from 'kysely';
import { DestinationReader } from './read-destinations.ts';
import { JobReader } from './read-jobs.ts';
import { PolicyReader } from './read-policy.ts';
import { StoreReader, type FlowSource } from './read-store.ts';
import { SumReader } from './read-sums.ts';
import type { SinkCounts } from './sinks/sink-queue.ts';
import type { ActionPort } from './store-actions.ts';
import type { BatchEvent } from './store-events.ts';
import type { StoreTables } from './tables.ts';

type FlowQuestions = Pick<StoreReader, 'flows' | 'flow' | 'flowsOf'>;
type JobQuestions = Pick<JobReader, 'jobs' | 'job' | 'jobsOf' | 'runs' | 'run'>;
type SumQuestions = Pick<SumReader, 'hours' | 'repositories' | 'runners' | 'gateways'>;
type OtherQuestions = Pick<DestinationReader, 'destinations' | 'visits'> &
  Pick<PolicyReader, 'revisions' | 'bundle'>;

/** Everything that can be asked. */
export type Questions = FlowQuestions & JobQuestions & SumQuestions & OtherQuestions;
export type QuestionName = keyof Questions;

export interface StoreStatus {
  /** Bytes of segments that are not in the store yet. */
  readonly backlogBytes: number;
  /** Bytes that were dropped before they could be read. */
  readonly lostBytes: number;
  /** Records that came into the store since its thread began. */
  readonly flows: number;
  /** Lines of segments that were no record (cut when a process was killed), or one that the store refuses. */
  readonly skippedLines: number;
  /** Why it takes nothing at the moment; null: it does. */
  readonly problem: string | null;
  /** The oldest day that has flows, or null. */
  readonly oldestDay: string | null;
  readonly sinks: readonly SinkStatus[];
}

/** How one sink stands, in the order of the configuration. */
export interface SinkStatus extends SinkCounts {
  readonly kind: 'file' | 'syslog' | 'otlp';
}

export interface StorePort extends ActionPort {
  /** @throws SallyportError upstream when the store is away */
  ask<K extends QuestionName>(
    name: K,
    ...values: Parameters<Questions[K]>
  ): Promise<Awaited<ReturnType<Questions[K]>>>;
  status(): Promise<StoreStatus>;
  /** Drops flows of days before this one (`YYYY-MM-DD`); answers how many days. Sums stay. */
  dropBefore(day: string): Promise<number>;
  /** Tells of each batch of records that came into the store, until the answer is called. */
  onBatch(listener: (batch: BatchEvent) => void): () => void;
  close(): Promise<void>;
}

/** Answers questions out of an opened store. */
export function questionsOf(main: Kysely<StoreTables>, source: FlowSource): Questions {
  const [flows, sums] = [new StoreReader(main, source), new SumReader(main)];
  const [jobs, hosts, policy] = [new JobReader(main), new DestinationReader(main), new PolicyReader(main)];
  return {
    flows: (filter, page) => flows.flows(filter, page),
    flow: (id, owners) => flows.flow(id, owners),
    flowsOf: (ids) => flows.flowsOf(ids),
    jobs: (filter, page) => jobs.jobs(filter, page),
    job: (id, owners) => jobs.job(id, owners),
    jobsOf: (ids, owners) => jobs.jobsOf(ids, owners),
    runs: (filter, page) => jobs.runs(filter, page),
    run: (id, owners) => jobs.run(id, owners),
    destinations: (filter, page) => hosts.destinations(filter, page),
    visits: (host, filter) => hosts.visits(host, filter),
    revisions: (page) => policy.revisions(page),
    bundle: (revision) => policy.bundle(revision),
    hours: (fromMs, untilMs, filter) => sums.hours(fromMs, untilMs, filter),
    repositories: (filter, page) => sums.repositories(filter, page),
    runners: (filter, page) => sums.runners(filter, page),
    gateways: () => sums.gateways(),
  };
}
