// What the store tells without being asked: that records came in, and that something had to go because it was too large.

import type { Batch } from './read-batch.ts';
import type { RefusedRecords } from './refused-records.ts';
import type { StoreOver } from './retention.ts';
import { keyText } from './stored-text.ts';

/** Told after each batch that the store has. */
export interface BatchEvent {
  readonly kind: 'batch';
  /** Ids of flows that began or ended, 1,000 at most. */
  readonly flows: readonly string[];
  /** Keys of jobs (`job.key`) of which something was heard. */
  readonly jobs: readonly string[];
}

export type StoreEvent =
  BatchEvent | ({ readonly kind: 'over' } & StoreOver) | ({ readonly kind: 'refused' } & RefusedRecords);

/** Null where nothing came. */
export function eventOf({ flows, jobs }: Pick<Batch, 'flows' | 'jobs'>): BatchEvent | null {
  const ids = new Set(flows.map(({ id }) => id));
  const keys = new Set(jobs.map(({ jobId }) => keyText(jobId)));
  for (const { attribution } of flows)
    if (attribution.jobId !== undefined) keys.add(keyText(attribution.jobId));
  if (ids.size + keys.size === 0) return null;
  return { kind: 'batch', flows: [...ids].slice(0, 1_000), jobs: [...keys].slice(0, 1_000) };
}
