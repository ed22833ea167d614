// How much a socket holds for a peer that does not read: what counts against the bytes kept for a runner.

import type { Socket } from 'node:net';

/** Bytes that wait to be written, once there are more than the socket is meant to hold; 0 otherwise. */
export function stuckBytes(socket: Socket | null): number {
  return socket?.writableNeedDrain === true ? socket.writableLength : 0;
}
