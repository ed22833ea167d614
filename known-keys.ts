// What the jobs of a configuration say of themselves, for those who check a policy against it.

import type { DeclaredJobs } from './jobs/declared.ts';
import type { LoadOptions } from './policy/load.ts';
import { findKnownKeys } from './policy/match-scope.ts';

/** Where no job is declared every flow is unattributed, and no scope can be said never to apply. */
export function knownKeysOf(declared: DeclaredJobs): LoadOptions {
  const jobs = [...declared.ranges().values()].flatMap(({ job }) => job ?? []);
  return jobs.length === 0 ? {} : { knownKeys: findKnownKeys(jobs) };
}
