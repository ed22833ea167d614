// Relays a connection unread: TLS that may not be opened, by its server name; or an unknown protocol that
// policy lets through, by its address. The dial is our own in both cases.

import type { Socket } from 'node:net';
import type { Cidr } from '../flow/address.ts';
import { blocked } from '../flow/decision.ts';
import { classify } from './classify.ts';
import type { Reason } from '../flow/reason.ts';
import type { Connection } from './connection.ts';
import { isDialBlock } from './dial.ts';
import { Splice } from './splice.ts';
import { poolKey } from './upstream.ts';
import type { Upstream } from './upstream.ts';

const noCidrs: readonly Cidr[] = [];

/** Dials what was decided, gives it the bytes read so far and joins the two. Resolves once it runs or has failed. */
export async function passThrough(connection: Connection, client: Socket, bytes: Buffer): Promise<void> {
  const upstream = await dialUnread(connection);
  if (upstream !== null) joinUnread(connection, client, upstream, bytes, null);
}

/** Dials what was decided; null when that failed, or may not be any more: the connection was ended then. */
export async function dialUnread(connection: Connection): Promise<Upstream | null> {
  const { core, runner, port } = connection;
  const host = connection.host ?? connection.address;
  if (host === null) return end(connection, 'no-server-name');
  const check = connection.addressCheck(connection.hostDecision?.addresses ?? noCidrs);
  const { holder } = connection;
  const target = { runner, holder, isTls: false, host, port };
  const upstream = await core.upstreams.open({ ...target, key: poolKey(target), check });
  if ('failure' in upstream) {
    const { rule, scope } = connection.decision;
    if (upstream.evidence !== undefined) connection.evidence = [...connection.evidence, upstream.evidence];
    if (isDialBlock(upstream.failure)) connection.decision = { ...blocked(upstream.failure), rule, scope };
    return end(connection, upstream.failure);
  }
  // While it was dialled the policy may have become another one.
  if (!connection.isClosed) connection.redecide();
  const reason = connection.isClosed ? null : checkAgain(connection, upstream);
  if (reason === null && !connection.isClosed && !upstream.isOver) {
    connection.dialledAddress = upstream.address;
    connection.resolveMs = upstream.timings.resolveMs;
    connection.connectMs = upstream.timings.connectMs;
    return upstream;
  }
  upstream.destroy();
  return end(connection, reason ?? 'upstream-closed');
}

/** Relays from here on, with what was read already of either side. */
export function joinUnread(
  connection: Connection,
  client: Socket,
  upstream: Upstream,
  fromClient: Buffer | null,
  fromUpstream: Buffer | null,
): void {
  const count = {
    sent: (bytes: Buffer) => {
      if (connection.sentBytes === 0) tellProtocol(connection, bytes);
      connection.sentBytes += bytes.length;
      return null;
    },
    received: (bytes: Buffer) => {
      if (connection.receivedBytes === 0) tellProtocol(connection, bytes);
      connection.receivedBytes += bytes.length;
      return null;
    },
    over: () => {},
  };
  new Splice(connection, client, upstream, count, () => checkAgain(connection, upstream)).start(
    fromClient,
    fromUpstream,
  );
}

// Where nobody had to speak before the decision, the banner is read as it passes: for the record alone.
function tellProtocol(connection: Connection, bytes: Buffer): void {
  if (connection.protocol === 'tcp' && classify(bytes) === 'ssh') connection.protocol = 'ssh';
}

function checkAgain(connection: Connection, { address }: Upstream): Reason | null {
  return connection.addressCheck(connection.hostDecision?.addresses ?? noCidrs).reason(address);
}

function end(connection: Connection, reason: Reason): null {
  connection.abort(reason);
  return null;
}
