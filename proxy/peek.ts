// Reads the first bytes of a connection until its protocol and name are known, within a time and a size.
// The socket is left paused, with its bytes in hand; nothing was consumed as far as the client can tell.

import { classify } from './classify.ts';
import { HelloReader } from './client-hello.ts';
import type { ClientHello } from './client-hello.ts';
import type { Connection } from './connection.ts';
import { Gather } from './gather.ts';
import { findHeadEnd } from './head-bytes.ts';
import type { Limits } from './limits.ts';

/** What the first bytes are. `bytes` is everything that was read. */
export type Peeked =
  | { readonly protocol: 'tls'; readonly hello: ClientHello; readonly bytes: Buffer }
  | { readonly protocol: 'http' | 'h2' | 'ssh' | 'unknown'; readonly bytes: Buffer }
  | { readonly protocol: 'malformed-tls'; readonly bytes: Buffer }
  /** The client went away, or sent nothing whole in time. */
  | { readonly protocol: 'closed' | 'timeout'; readonly bytes: Buffer }
  /** It said nothing for a moment, and its server may be asked to speak. */
  | { readonly protocol: 'silent'; readonly bytes: Buffer };

const nothing = Buffer.alloc(0);

/** Resolves with the protocol; never rejects. For HTTP the whole head has been read, or cannot become one. */
export function peek(connection: Connection, mayWait?: (connection: Connection) => boolean): Promise<Peeked> {
  const { socket, core } = connection;
  return new Promise((resolve) => {
    const gather = new Gather();
    const hello = new HelloReader();
    let scanned = 0;
    const finish = (peeked: Peeked) => {
      socket.pause();
      socket.removeListener('data', onData);
      socket.removeListener('end', onEnd);
      socket.removeListener('close', onEnd);
      connection.onDeadline = null;
      connection.keep(0);
      connection.deadlineMs = Number.POSITIVE_INFINITY;
      resolve(peeked);
    };
    const onData = (piece: Buffer) => {
      const bytes = gather.push(piece);
      const peeked = read(bytes, scanned, hello, core.limits);
      scanned = bytes.length;
      if (peeked !== null) return finish(peeked);
      const limit = connection.keep(gather.capacity);
      if (limit !== null) connection.abort(limit);
    };
    const onEnd = () =>
      finish({ protocol: gather.length === 0 ? 'closed' : 'unknown', bytes: gather.take() ?? nothing });
    const onTimeout = () => finish({ protocol: 'timeout', bytes: gather.take() ?? nothing });
    const { peekMs, silenceMs } = core.limits;
    connection.onDeadline = () => {
      if (gather.length === 0 && mayWait?.(connection) === true)
        return finish({ protocol: 'silent', bytes: nothing });
      connection.onDeadline = onTimeout;
      connection.setDeadline(Math.max(0, peekMs - silenceMs));
    };
    connection.setDeadline(Math.min(silenceMs, peekMs));
    socket.on('data', onData);
    socket.on('end', onEnd);
    socket.on('close', onEnd);
    socket.resume();
  });
}

function read(bytes: Buffer, scanned: number, hello: HelloReader, limits: Limits): Peeked | null {
  const protocol = classify(bytes);
  if (protocol === 'incomplete') return null;
  if (protocol === 'tls') return readHello(bytes, hello, limits.helloBytes);
  if (protocol !== 'http') return { protocol, bytes };
  const isWaiting = findHeadEnd(bytes, scanned) === -1 && bytes.length <= limits.headBytes;
  return isWaiting ? null : { protocol, bytes };
}

function readHello(bytes: Buffer, reader: HelloReader, helloBytes: number): Peeked | null {
  const hello = reader.read(bytes);
  if (hello.kind === 'hello') return { protocol: 'tls', hello, bytes };
  if (hello.kind === 'incomplete' && bytes.length <= helloBytes) return null;
  return { protocol: 'malformed-tls', bytes };
}
