// Who really speaks on a connection of a load balancer: reads the header that every connection of a configured peer
// must begin with, within a time, a size and a number of connections. Everybody else's first bytes are left alone.

import type { Socket } from 'node:net';
import type { Reason } from '../flow/reason.ts';
import { maxHeaderBytes, parseProxyHeader } from './proxy-header.ts';

/** Who speaks, as a peer says; or why its connection ends. `null` for one that is no flow of anybody's. */
export type Introduced =
  | { readonly runner: string; readonly port: number }
  | { readonly refused: Reason; readonly detail: string }
  | null;

/** What the configuration says of peers. */
export interface PeerPort {
  /** True for an address that speaks for others. */
  isPeer(address: string): boolean;
  /** True for an address that it may speak for. */
  isRunner(address: string): boolean;
}

const headerMs = 5_000;
/** Connections that have not yet said who speaks. */
const maxWaiting = 1_024;
let waiting = 0;

/** True while connections are here of which it is not known yet who speaks. */
export function hasUnintroduced(): boolean {
  return waiting > 0;
}

/** Reads the header of a peer's connection and puts back what follows it. Never rejects. */
export function readIntroduction(socket: Socket, peers: PeerPort): Promise<Introduced> {
  if (waiting >= maxWaiting)
    return Promise.resolve({ refused: 'gateway-limit', detail: 'too many peers wait' });
  waiting++;
  return new Promise((resolve) => {
    let held: Buffer = Buffer.alloc(0);
    const finish = (introduced: Introduced): void => {
      clearTimeout(timer);
      waiting--;
      socket.pause();
      socket.removeListener('data', onData).removeListener('end', onEnd).removeListener('close', onEnd);
      resolve(introduced);
    };
    const refuse = (refused: Reason, detail: string): void => finish({ refused, detail });
    const onData = (piece: Buffer): void => {
      held = held.length === 0 ? piece : Buffer.concat([held, piece]);
      const header = parseProxyHeader(held.subarray(0, maxHeaderBytes));
      if (header.kind === 'incomplete') return;
      if (header.kind === 'none') return refuse('proxy-protocol', 'the peer did not say who speaks');
      if (header.kind === 'malformed') return refuse('proxy-protocol', header.detail);
      if (header.kind === 'local') return finish(null);
      const { address, port, bytes } = header;
      if (!peers.isRunner(address)) return refuse('spoofed-source', `the peer speaks for ${address}`);
      finish({ runner: address, port });
      // Once nobody listens: a flowing stream would hand it to this very listener.
      if (held.length > bytes) socket.unshift(held.subarray(bytes));
    };
    const onEnd = (): void => refuse('proxy-protocol', 'the connection ended before its header did');
    const timer = setTimeout(() => refuse('timeout', 'the header did not come in time'), headerMs);
    socket.on('data', onData).on('end', onEnd).on('close', onEnd);
    socket.resume();
  });
}
