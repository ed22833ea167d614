// The store as the rest of the program sees it: questions and their answers, how far it is behind, and what is done to it.

import type { Kysely } from 'kysely';
import { StoreReader, type FlowSource } from './read-store.ts';
import { SumReader } from './read-sums.ts';
import type { StoreTables } from './tables.ts';

type FlowQuestions = Pick<StoreReader, 'flows' | 'flow'>;
type SumQuestions = Pick<
  SumReader,
  'jobs' | 'job' | 'runs' | 'destinations' | 'hours' | 'repositories' | 'runners' | 'gateways'
>;

/** Everything that can be asked. */
export type Questions = FlowQuestions & SumQuestions;
export type QuestionName = keyof Questions;

export interface StoreStatus {
  /** Bytes of segments that are not in the store yet. */
  readonly backlogBytes: number;
  /** Bytes that were dropped before they could be read. */
  readonly lostBytes: number;
  readonly flows: number;
  /** Why it takes nothing at the moment; null: it does. */
  readonly problem: string | null;
  /** The oldest day that has flows, or null. */
  readonly oldestDay: string | null;
}

export interface StorePort {
  /** @throws SallyportError upstream when the store is away */
  ask<K extends QuestionName>(
    name: K,
    ...values: Parameters<Questions[K]>
  ): Promise<Awaited<ReturnType<Questions[K]>>>;
  status(): Promise<StoreStatus>;
  /** Drops flows of days before this one (`YYYY-MM-DD`); answers how many days. Sums stay. */
  dropBefore(day: string): Promise<number>;
  close(): Promise<void>;
}

/** Answers questions out of an opened store. */
export function questionsOf(main: Kysely<StoreTables>, source: FlowSource): Questions {
  const [flows, sums] = [new StoreReader(main, source), new SumReader(main)];
  return {
    flows: (filter, page) => flows.flows(filter, page),
    flow: (id) => flows.flow(id),
    jobs: (filter, page) => sums.jobs(filter, page),
    job: (id) => sums.job(id),
    runs: (filter, page) => sums.runs(filter, page),
    destinations: (filter, page) => sums.destinations(filter, page),
    hours: (fromMs, untilMs) => sums.hours(fromMs, untilMs),
    repositories: () => sums.repositories(),
    runners: () => sums.runners(),
    gateways: () => sums.gateways(),
  };
}
