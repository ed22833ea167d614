// A client that says nothing at first waits for its server: SSH key scans, SMTP, MySQL. Where policy lets what comes pass
// unread, the server is dialled and whoever speaks first decides how the path goes on.

import { isOpen } from '../flow/decision.ts';
import type { Reason } from '../flow/reason.ts';
import { classify } from './classify.ts';
import type { Connection } from './connection.ts';
import { dialUnread, joinUnread } from './pass-through.ts';
import { peek } from './peek.ts';
import type { Peeked } from './peek.ts';
import type { Upstream } from './upstream.ts';

/** True when a silent client's destination may be dialled before anything is known of its protocol. */
export function mayServerSpeak(connection: Connection): boolean {
  const { core, attribution, host, port } = connection;
  const address = host === null ? (connection.address ?? connection.originalAddress) : null;
  if (host === null && address === null) return false;
  const decision = core.decider?.host(attribution, { host, address, port, protocol: 'unknown' });
  return decision !== undefined && isOpen(decision) && decision.treatment === 'pass-through';
}

/**
 * Dials for a silent client. Answers what the client said after all, to go on with as if it had come at once; null when
 * the connection is carried, or was ended.
 */
export async function awaitServer(connection: Connection): Promise<Peeked | null> {
  const { core, host, address, evidence } = connection;
  if (host === null) connection.address ??= connection.originalAddress;
  connection.protocol = 'tcp';
  connection.policyRevision = core.decider?.revision ?? null;
  const decision = connection.askHost();
  if (decision === null) return end(connection, 'policy-unavailable');
  connection.hostDecision = decision;
  connection.decision = decision;
  if (!isOpen(decision)) return end(connection, decision.reason);
  if (!connection.open()) return end(connection, 'record-unavailable');
  const upstream = await dialUnread(connection);
  if (upstream === null) return null;
  const first = await firstToSpeak(connection, upstream);
  if (first === 'timeout' || first === 'client-closed' || first === 'upstream-closed') {
    upstream.destroy();
    return end(connection, first);
  }
  if (first !== 'client') {
    if (connection.isClosed) {
      upstream.destroy();
      return null;
    }
    if (classify(first) === 'ssh') connection.protocol = 'ssh';
    joinUnread(connection, connection.socket, upstream, null, first);
    return null;
  }
  const peeked = await peek(connection);
  if (peeked.protocol === 'unknown' || peeked.protocol === 'ssh') {
    connection.protocol = peeked.protocol === 'ssh' ? 'ssh' : 'tcp';
    if (connection.isClosed || upstream.isOver) upstream.destroy();
    else joinUnread(connection, connection.socket, upstream, peeked.bytes, null);
    return connection.isClosed || !upstream.isOver ? null : end(connection, 'upstream-closed');
  }
  // It names its host after all: the address that it chose is not where it goes.
  upstream.destroy();
  Object.assign(connection, { address, evidence, hostDecision: null, dialledAddress: null });
  return peeked;
}

function end(connection: Connection, reason: Reason): null {
  connection.abort(reason);
  return null;
}

/** The server's first bytes, `client` when the client was first (its bytes are given back), or why neither spoke. */
function firstToSpeak(
  connection: Connection,
  upstream: Upstream,
): Promise<Buffer | 'client' | 'timeout' | 'client-closed' | 'upstream-closed'> {
  const { socket, core } = connection;
  return new Promise((resolve) => {
    const finish = (first: Buffer | 'client' | 'timeout' | 'client-closed' | 'upstream-closed') => {
      socket.removeListener('data', onData);
      for (const event of ['end', 'close']) socket.removeListener(event, onEnd);
      connection.onDeadline = null;
      // What becomes of it from here on is nobody's until it is joined: it must not stop the client.
      upstream.owner = null;
      socket.pause();
      upstream.reader.hold();
      resolve(first);
    };
    const onData = (bytes: Buffer) => {
      socket.pause();
      socket.unshift(bytes);
      finish('client');
    };
    const onEnd = () => finish('client-closed');
    upstream.owner = {
      onUpstreamData: finish,
      onUpstreamEnd: () => finish('upstream-closed'),
      onUpstreamDrain: () => {},
    };
    connection.onDeadline = () => finish('timeout');
    connection.setDeadline(core.limits.peekMs);
    socket.on('data', onData);
    for (const event of ['end', 'close']) socket.on(event, onEnd);
    socket.resume();
  });
}
