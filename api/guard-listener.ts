// What both listeners have in common: bounds on connections, per address and in all, and on idle time. Time limits
// of heads and requests are the server's own options.

import type { Server } from 'node:http';
import type { Socket } from 'node:net';

export interface ListenerLimits {
  readonly connections: number;
  readonly connectionsPerAddress: number;
  /** A connection on which nothing moves for so long, in either direction, is closed. */
  readonly idleMs: number;
}

/** Puts the limits on a server before it listens. */
export function guardListener(server: Server, limits: ListenerLimits): void {
  const perAddress = new Map<string, number>();
  server.maxConnections = limits.connections;
  server.maxRequestsPerSocket = 100;
  server.keepAliveTimeout = 2000;
  server.setTimeout(limits.idleMs, (socket: Socket) => socket.destroy());
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? '';
    const count = (perAddress.get(address) ?? 0) + 1;
    perAddress.set(address, count);
    socket.once('close', () => {
      const left = (perAddress.get(address) ?? 1) - 1;
      if (left === 0) perAddress.delete(address);
      else perAddress.set(address, left);
    });
    if (count > limits.connectionsPerAddress) socket.destroy();
  });
}
