// Bytes that are no request: recorded as a request of their own, with the reason, and answered.

import { blocked } from '../flow/decision.ts';
import type { Reason } from '../flow/reason.ts';
import { uuidv7 } from '../flow/uuid.ts';
import { blockedAnswer } from './blocked-answer.ts';
import type { Connection } from './connection.ts';
import { recordClosed, recordOpened } from './record.ts';

const noTimings = { resolveMs: null, connectMs: null, handshakeMs: null, firstByteMs: null, totalMs: null };

/** Records the refusal and gives the whole answer; `sentBytes` is how much of it had come. */
export function refuseUnreadable(
  connection: Connection,
  scheme: 'http' | 'https',
  reason: Reason,
  status: number,
  sentBytes: number,
  isLast = true,
): Buffer {
  const decision = blocked(reason);
  const told = {
    id: uuidv7(),
    kind: 'request' as const,
    parent: connection.id,
    runner: connection.runner,
    attribution: connection.attribution,
    destination: { ...connection.destination, protocol: scheme },
    operation: null,
    http: null,
    tls: null,
    evidence: connection.evidence,
    decision,
    policyRevision: connection.policyRevision,
  };
  const { ports } = connection.core;
  recordOpened(ports, told);
  const host = connection.host ?? connection.address;
  const { bytes } = blockedAnswer(
    { decision, reason, host, method: 'a request to', path: '', head: null, isLast, version: '1.1' },
    status,
  );
  recordClosed(ports, told, { sent: sentBytes, received: bytes.length }, noTimings, null);
  return bytes;
}
