// Whether two sources can be speaking of one job: one may know less than the other, but not something else.

import type { Job } from '../flow/job.ts';

/** True when nothing that both know of repository, run and name differs. */
export function isSameJob(a: Job, b: Job): boolean {
  if (a.platform !== b.platform || a.server !== b.server) return false;
  return (
    agrees(a.repository?.toLowerCase(), b.repository?.toLowerCase()) &&
    agrees(a.runId, b.runId) &&
    agrees(a.name, b.name)
  );
}

const agrees = (a: string | null | undefined, b: string | null | undefined): boolean =>
  a == null || b == null || a === b;
