// Writes the records of connections and requests: `opened` before anything leaves, `closed` at the end.
// Both carry every field; redaction is the recorder's.

import type { Decision } from '../flow/decision.ts';
import type { Evidence } from '../flow/evidence.ts';
import { recordVersion } from '../flow/flow.ts';
import type {
  Destination,
  FlowBytes,
  FlowHttp,
  FlowKind,
  FlowRecord,
  FlowStep,
  FlowTimings,
  FlowTls,
} from '../flow/flow.ts';
import type { Attribution } from '../flow/job.ts';
import { recordAttribution } from '../flow/record-attribution.ts';
import type { FlowLineage } from '../flow/lineage.ts';
import type { Operation } from '../flow/operation.ts';
import type { Reason } from '../flow/reason.ts';
import type { ProxyPorts } from './options.ts';

/** What a connection or a request tells about itself. */
export interface Told {
  readonly id: string;
  readonly kind: FlowKind;
  readonly parent: string | null;
  readonly runner: string;
  readonly attribution: Attribution;
  readonly step?: FlowStep | null;
  readonly infrastructure?: boolean;
  readonly destination: Destination;
  readonly operation: Operation | null;
  readonly lineage?: FlowLineage | null;
  readonly minted?: readonly FlowLineage[];
  readonly http: FlowHttp | null;
  readonly tls: FlowTls | null;
  readonly evidence: readonly Evidence[];
  readonly decision: Decision;
  readonly policyRevision: string | null;
}

/**
 * Writes the opened record. False when it could not be written and the flow must therefore be refused;
 * in audit mode the loss is counted and the flow goes on.
 */
export function recordOpened(ports: ProxyPorts, told: Told): boolean {
  try {
    ports.recorder.opened(write(ports, told, 'opened', null, null, null));
    return true;
  } catch (error) {
    ports.onInternalError?.(error);
    ports.meter.count('sallyport_records_lost_total');
    return told.decision.mode === 'audit';
  }
}

/** Like recordOpened for one of several flows, whose first bytes wait for `handOverRecords`. */
export function recordOpenedTogether(ports: ProxyPorts, told: Told): boolean {
  const { recorder } = ports;
  if (recorder.openedTogether === undefined || recorder.handOver === undefined)
    return recordOpened(ports, told);
  try {
    recorder.openedTogether(write(ports, told, 'opened', null, null, null));
    return true;
  } catch (error) {
    ports.onInternalError?.(error);
    ports.meter.count('sallyport_records_lost_total');
    return told.decision.mode === 'audit';
  }
}

/** False when what was opened together could not be written: none of it may go on, but for audit mode. */
export function handOverRecords(ports: ProxyPorts): boolean {
  try {
    ports.recorder.handOver?.();
    return true;
  } catch (error) {
    ports.onInternalError?.(error);
    ports.meter.count('sallyport_records_lost_total');
    return false;
  }
}

/** Writes the closed record and counts the flow. Never throws. */
export function recordClosed(
  ports: ProxyPorts,
  told: Told,
  bytes: FlowBytes,
  timings: FlowTimings,
  ended: Reason | null,
): void {
  try {
    ports.recorder.closed(write(ports, told, 'closed', bytes, timings, ended));
  } catch (error) {
    ports.onInternalError?.(error);
    ports.meter.count('sallyport_records_lost_total');
  }
}

function write(
  ports: ProxyPorts,
  told: Told,
  phase: 'opened' | 'closed',
  bytes: FlowBytes | null,
  timings: FlowTimings | null,
  ended: Reason | null,
): FlowRecord {
  const { attribution, lineage = null, minted, step = null } = told;
  return {
    v: recordVersion,
    id: told.id,
    phase,
    kind: told.kind,
    time: isoTime(),
    parent: told.parent,
    gateway: ports.identity.gateway,
    fleet: ports.identity.fleet,
    runner: told.runner,
    job: attribution.job,
    attribution: recordAttribution(attribution),
    ...(step === null ? {} : { step }),
    ...(told.infrastructure === true ? { infrastructure: true } : {}),
    process: null,
    destination: told.destination,
    operation: told.operation,
    ...(lineage === null ? {} : { lineage }),
    ...(minted === undefined || minted.length === 0 ? {} : { minted }),
    http: told.http,
    dns: null,
    tls: told.tls,
    packet: null,
    evidence: told.evidence,
    decision: told.decision,
    policyRevision: told.policyRevision,
    bytes,
    timings: timings === null ? null : roundTimings(timings),
    ended,
  };
}

// To the microsecond: more digits mean nothing and cost more to write.
function roundTimings(timings: FlowTimings): FlowTimings {
  const round = (timeMs: number | null) => (timeMs === null ? null : Math.round(timeMs * 1000) / 1000);
  return {
    resolveMs: round(timings.resolveMs),
    connectMs: round(timings.connectMs),
    handshakeMs: round(timings.handshakeMs),
    firstByteMs: round(timings.firstByteMs),
    totalMs: round(timings.totalMs),
  };
}

let lastMs = 0;
let lastText = '';

/** ISO 8601 of now; the text is made once a millisecond. */
function isoTime(): string {
  const nowMs = Date.now();
  if (nowMs !== lastMs) {
    lastMs = nowMs;
    lastText = new Date(nowMs).toISOString();
  }
  return lastText;
}
