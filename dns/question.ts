// One question on its way through the path, and the failure that ends it.

import type { Evidence } from '../flow/evidence.ts';
import type { FlowStep } from '../flow/flow.ts';
import type { Attribution } from '../flow/job.ts';
import { unattributed } from '../flow/job.ts';
import type { Reason } from '../flow/reason.ts';
import { SallyportError } from '../flow/errors.ts';
import type { Transport } from './flow-record.ts';
import type { Judged } from './judged.ts';
import type { Source } from './rate.ts';
import type { QueryScan } from './scan-query.ts';

export const noEvidence: readonly Evidence[] = [];

/** The wire side of a question: what is needed to answer it at all. */
export interface Asked {
  message: Uint8Array;
  scan: QueryScan;
  source: Source;
  transport: Transport;
  /** What the client takes at most, bytes. */
  limit: number;
  attribution: Attribution;
  /** What the job was at when it came; null: nobody knows. */
  step: FlowStep | null;
  /** Revision of the policy that judged it, or null. */
  revision: string | null;
  /** Id of the opened record, or null when none was written. */
  id: string | null;
  /** When a held question arrived (clock.ts); null for one answered at once. */
  startedAt: number | null;
  evidence: readonly Evidence[];
}

/** Ends a question with SERVFAIL and this reason. */
export class RefusalError extends Error {
  readonly reason: Reason;
  constructor(reason: Reason, cause?: unknown) {
    super(reason, { cause });
    this.reason = reason;
  }
}

/** The reason code of anything thrown on the path. */
export function reasonOf(error: unknown): Reason {
  if (error instanceof RefusalError) return error.reason;
  if (error instanceof SallyportError) {
    if (error.code === 'record-unavailable' || error.code === 'keeper-unavailable') return error.code;
  }
  return 'internal-error';
}

/** A question about which only its bytes, where it came from and how are known. */
export function newAsked(message: Uint8Array, scan: QueryScan, source: Source, transport: Transport): Asked {
  return {
    message,
    scan,
    source,
    transport,
    limit: 512,
    attribution: unattributed,
    step: null,
    revision: null,
    id: null,
    startedAt: null,
    evidence: noEvidence,
  };
}

/** True when the answer will be truncated: what is not answered is not bound either. */
export function isCut(asked: Asked, judged: Judged): boolean {
  // An OPT record and an extended error without text.
  return judged.wire.bytes.length + (asked.scan.hasEdns ? 17 : 0) > asked.limit;
}
