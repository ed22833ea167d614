// Relays a connection unread: TLS that may not be opened, by its server name; or an unknown protocol that
// policy lets through, by its address. The dial is our own in both cases.

import type { Socket } from 'node:net';
import type { Cidr } from '../flow/address.ts';
import type { Connection } from './connection.ts';
import { Splice } from './splice.ts';

const noCidrs: readonly Cidr[] = [];

/** Dials what was decided, gives it the bytes read so far and joins the two. Resolves once it runs or has failed. */
export async function passThrough(connection: Connection, client: Socket, bytes: Buffer): Promise<void> {
  const { core, runner, port } = connection;
  const host = connection.host ?? connection.address;
  if (host === null) return connection.abort('no-server-name');
  const allowed = connection.hostDecision?.addresses ?? noCidrs;
  const upstream = await core.upstreams.open({ runner, isTls: false, host, port, allowed });
  if ('failure' in upstream) return connection.abort(upstream.failure);
  if (connection.isClosed || upstream.isOver) {
    upstream.destroy();
    return connection.abort('upstream-closed');
  }
  connection.dialledAddress = upstream.address;
  connection.resolveMs = upstream.timings.resolveMs;
  connection.connectMs = upstream.timings.connectMs;
  const count = {
    sent: (size: number) => {
      connection.sentBytes += size;
    },
    received: (size: number) => {
      connection.receivedBytes += size;
    },
    over: () => {},
  };
  new Splice(connection, client, upstream, count, () => false).start(bytes, null);
}
