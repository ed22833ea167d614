// The records of DNS flows. A question that goes upstream has an `opened` record before and a `closed` one after;
// one that is answered from the cache or by ourselves writes only the `closed` one, since nothing is dialled.

import type { Decision } from '../flow/decision.ts';
import type { Evidence } from '../flow/evidence.ts';
import { recordVersion } from '../flow/flow.ts';
import type { Destination, FlowDns, FlowRecord, FlowStep, FlowTimings } from '../flow/flow.ts';
import type { Attribution } from '../flow/job.ts';
import { unattributed } from '../flow/job.ts';
import { recordAttribution } from '../flow/record-attribution.ts';
import type { Reason } from '../flow/reason.ts';
import { uuidv7 } from '../flow/uuid.ts';

export type Transport = 'udp' | 'tcp';

/** Whose gateway writes the records. */
export interface Identity {
  readonly gateway: string;
  readonly fleet: string;
}

/** Addresses that a record names at most. */
export const maxRecordedAnswers = 16;

const noEvidence: readonly Evidence[] = [];
const unknownDestination: Destination = { host: null, address: null, port: 53, protocol: 'dns' };
const atOnce: FlowTimings = {
  resolveMs: null,
  connectMs: null,
  handshakeMs: null,
  firstByteMs: null,
  totalMs: 0,
};

let lastMs = -1;
let lastText = '';

function timeText(nowMs: number): string {
  if (nowMs !== lastMs) {
    lastMs = nowMs;
    lastText = new Date(nowMs).toISOString();
  }
  return lastText;
}

export interface RecordFields {
  readonly phase: 'opened' | 'closed';
  readonly nowMs: number;
  readonly runner: string;
  readonly attribution: Attribution;
  /** What the job was at when the question came; null: nobody knows. */
  readonly step: FlowStep | null;
  readonly destination: Destination;
  readonly dns: FlowDns;
  readonly decision: Decision;
  readonly revision: string | null;
  readonly evidence: readonly Evidence[];
  /** Id of the flow; null makes a new one. */
  readonly id: string | null;
  /** How long the flow took; 0 for one answered at once. */
  readonly totalMs: number;
  readonly ended: Reason | null;
}

export class RecordMaker {
  readonly #identity: Identity;
  #attribution: Attribution = unattributed;
  #recorded: FlowRecord['attribution'] = recordAttribution(unattributed);

  constructor(identity: Identity) {
    this.#identity = identity;
  }

  /** The record of one question; its parts are shared, so nobody may change them. */
  make(fields: RecordFields): FlowRecord {
    const { attribution, totalMs, nowMs, step } = fields;
    if (attribution !== this.#attribution) {
      this.#attribution = attribution;
      this.#recorded = recordAttribution(attribution);
    }
    return {
      v: recordVersion,
      id: fields.id ?? uuidv7(nowMs),
      phase: fields.phase,
      kind: 'dns',
      time: timeText(nowMs),
      parent: null,
      gateway: this.#identity.gateway,
      fleet: this.#identity.fleet,
      runner: fields.runner,
      job: attribution.job,
      attribution: this.#recorded,
      ...(step === null ? {} : { step }),
      process: null,
      destination: fields.destination,
      operation: null,
      http: null,
      dns: fields.dns,
      tls: null,
      packet: null,
      evidence: fields.evidence,
      decision: fields.decision,
      policyRevision: fields.revision,
      bytes: null,
      timings: timingsOf(fields.phase, totalMs),
      ended: fields.ended,
    };
  }
}

function timingsOf(phase: 'opened' | 'closed', totalMs: number): FlowTimings | null {
  if (phase === 'opened') return null;
  return totalMs === 0 ? atOnce : { ...atOnce, totalMs: Math.round(totalMs * 100) / 100 };
}

/** What is recorded of a question that could not be read: no name, and the attribution of nobody. */
export const unreadable = {
  destination: unknownDestination,
  attribution: unattributed,
  evidence: noEvidence,
};
