// Relays a connection unread: TLS that may not be opened, by its server name; or an unknown protocol that
// policy lets through, by its address. The dial is our own in both cases.

import type { Socket } from 'node:net';
import type { Cidr } from '../flow/address.ts';
import { blocked } from '../flow/decision.ts';
import type { Connection } from './connection.ts';
import { isDialBlock } from './dial.ts';
import { Splice } from './splice.ts';
import { poolKey } from './upstream.ts';

const noCidrs: readonly Cidr[] = [];

/** Dials what was decided, gives it the bytes read so far and joins the two. Resolves once it runs or has failed. */
export async function passThrough(connection: Connection, client: Socket, bytes: Buffer): Promise<void> {
  const { core, runner, port } = connection;
  const host = connection.host ?? connection.address;
  if (host === null) return connection.abort('no-server-name');
  const check = connection.addressCheck(connection.hostDecision?.addresses ?? noCidrs);
  const { holder } = connection;
  const target = { runner, holder, isTls: false, host, port };
  const upstream = await core.upstreams.open({ ...target, key: poolKey(target), check });
  if ('failure' in upstream) {
    const { rule, scope } = connection.decision;
    if (upstream.evidence !== undefined) connection.evidence = [...connection.evidence, upstream.evidence];
    if (isDialBlock(upstream.failure)) connection.decision = { ...blocked(upstream.failure), rule, scope };
    return connection.abort(upstream.failure);
  }
  // While it was dialled the policy may have become another one.
  if (!connection.isClosed) connection.redecide();
  const mustEnd = () =>
    connection.addressCheck(connection.hostDecision?.addresses ?? noCidrs).reason(upstream.address);
  const reason = connection.isClosed ? null : mustEnd();
  if (reason !== null) {
    upstream.destroy();
    return connection.abort(reason);
  }
  if (connection.isClosed || upstream.isOver) {
    upstream.destroy();
    return connection.abort('upstream-closed');
  }
  connection.dialledAddress = upstream.address;
  connection.resolveMs = upstream.timings.resolveMs;
  connection.connectMs = upstream.timings.connectMs;
  const count = {
    sent: ({ length }: Buffer) => {
      connection.sentBytes += length;
      return null;
    },
    received: ({ length }: Buffer) => {
      connection.receivedBytes += length;
      return null;
    },
    over: () => {},
  };
  new Splice(connection, client, upstream, count, mustEnd).start(bytes, null);
}
