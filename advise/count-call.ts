// Which recorded calls show a need of a job's own token, and why the others do not: malware's calls look like needs.

import { isOpen } from '../flow/decision.ts';
import type { FlowRecord } from '../flow/flow.ts';
import type { Job } from '../flow/job.ts';
import type { Operation } from '../flow/operation.ts';

/** Why a call is not counted. */
export const uncounted = {
  blocked: 'blocked',
  newDestination: 'to a destination that is new',
  otherToken: 'on another repository or with another credential',
  unanswered: 'without an answer',
  failed: 'answered with 401, 403 or 404, or refused',
} as const satisfies Record<string, string>;
export type Uncounted = keyof typeof uncounted;

/** A call of a job on the forge that it runs on. */
export interface Call {
  readonly record: FlowRecord;
  readonly job: Job;
  readonly operation: Operation;
}

/** The call that a record tells of; null for other flows, and for those of no known job. */
export function readCall(record: FlowRecord): Call | null {
  const { operation, job, kind, phase } = record;
  if (kind !== 'request' || phase !== 'closed' || operation?.platform !== 'github') return null;
  if (job?.platform !== 'github' || job.server !== operation.server) return null;
  return { record, job, operation };
}

/** True for a request to a GitHub that belongs to no known job: it counts for nobody. */
export function isUnattributed({ operation, job, kind, phase }: FlowRecord): boolean {
  return kind === 'request' && phase === 'closed' && operation?.platform === 'github' && job === null;
}

/** Why the call shows no need; null when it does. `isNew`: the destination is new against a baseline. */
export function whyUncounted({ record, operation }: Call, isNew: boolean): Uncounted | null {
  if (isBlocked(record)) return 'blocked';
  if (isNew) return 'newDestination';
  const status = record.http?.status ?? null;
  if (status === null) return 'unanswered';
  if (status === 401 || status === 403 || status === 404 || operation.refused === true) return 'failed';
  return operation.widens ? null : 'otherToken';
}

/** Blocked for real, or on paper by what somebody wrote down as bad; `audit` blocks all else on paper too. */
function isBlocked({ decision }: FlowRecord): boolean {
  if (!isOpen(decision)) return true;
  return (
    decision.verdict === 'block' && (decision.reason === 'block-rule' || decision.reason === 'blocklist')
  );
}

/** True when the call fetched the job's own repository, with whatever credential: a workflow's checkout. */
export function isCheckout({ record, job, operation }: Call): boolean {
  const status = record.http?.status ?? null;
  if (isBlocked(record) || status === null || status >= 400) return false;
  if (!checkouts.has(operation.name)) return false;
  const own = job.repository?.toLowerCase() ?? null;
  return operation.touches.some(
    (touch) => touch.kind === 'repository' && own === `${touch.owner}/${touch.name}`.toLowerCase(),
  );
}

const checkouts: ReadonlySet<string> = new Set([
  'git/fetch',
  'lfs/download',
  'repos/download-tarball-archive',
  'repos/download-zipball-archive',
]);
