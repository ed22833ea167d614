// A WebSocket over HTTP/1.1: which request may become one, and what of it is counted and checked while it lasts.
// Anything else that an upgrade would open is a raw tunnel; only audit mode lets one pass.

import { BodyWatching } from './body-watching.ts';
import type { Exchange } from './exchange.ts';
import type { TunnelCount } from './splice.ts';
import { WebSocketFrames } from './websocket-frames.ts';
import { handshakeProblem, readAcceptance } from './websocket-handshake.ts';

/** True when the request asks for a WebSocket in a way that no server should take (RFC 6455 §4.2.1). */
export function isBadHandshake({ head, headBytes, judgement }: Exchange): boolean {
  if (head.upgrade === null || judgement.query?.upgrade !== 'websocket') return false;
  return head.hasBody || handshakeProblem(headBytes, head.method, head.version) !== null;
}

/** What counts the tunnel that this 101 opens; null when it fits no handshake that was sent. */
export function openTunnel(exchange: Exchange, answer: Buffer): TunnelCount | null {
  const upgrade = exchange.judgement.query?.upgrade ?? null;
  if (upgrade === null || exchange.head.hasBody) return null;
  const { connection } = exchange;
  const sent = (size: number) => {
    exchange.sentBytes += size;
    connection.sentBytes += size;
  };
  const received = (size: number) => {
    exchange.receivedBytes += size;
    connection.receivedBytes += size;
  };
  const over: TunnelCount['over'] = (reason) => exchange.close(reason);
  if (upgrade !== 'websocket') {
    return {
      sent: ({ length }) => (sent(length), null),
      received: ({ length }) => (received(length), null),
      over,
    };
  }
  const accepted = readAcceptance(exchange.headBytes, answer);
  if (typeof accepted === 'string') return null;
  const { watch } = exchange.judgement;
  exchange.watching = watch && new BodyWatching(exchange, watch, null, false);
  const client = new WebSocketFrames('client', accepted.hasExtensions, exchange.watching);
  const server = new WebSocketFrames('server', accepted.hasExtensions);
  exchange.webSocket = { sent: client.counts, received: server.counts };
  return {
    sent: (bytes) => {
      sent(bytes.length);
      return client.feed(bytes) === null ? null : 'malformed-websocket';
    },
    received: (bytes) => {
      received(bytes.length);
      return server.feed(bytes) === null ? null : 'malformed-websocket';
    },
    over,
  };
}
