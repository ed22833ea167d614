// Records a request whose fields are none (RFC 9113 §8.1.1): it has no method and no path that could be trusted.

import { blocked } from '../../flow/decision.ts';
import type { Reason } from '../../flow/reason.ts';
import { uuidv7 } from '../../flow/uuid.ts';
import type { Connection } from '../connection.ts';
import { recordClosed, recordOpened } from '../record.ts';

const noTimings = { resolveMs: null, connectMs: null, handshakeMs: null, firstByteMs: null, totalMs: null };

/** Writes both records of it. */
export function recordMalformed(connection: Connection, reason: Reason, sentBytes: number): void {
  const told = {
    id: uuidv7(),
    kind: 'request' as const,
    parent: connection.id,
    runner: connection.runner,
    attribution: connection.attribution,
    destination: { ...connection.destination, protocol: 'https' as const },
    operation: null,
    http: null,
    tls: null,
    evidence: connection.evidence,
    decision: blocked(reason),
    policyRevision: connection.policyRevision,
  };
  recordOpened(connection.core.ports, told);
  recordClosed(connection.core.ports, told, { sent: sentBytes, received: 13 }, noTimings, null);
}
