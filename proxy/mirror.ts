// Before the client's handshake is answered: what it will be told of HTTP versions. A host that is open is dialled
// with the client's own list, so that both sides come to speak the same version and a bad server is known in time.

import { isOpen } from '../flow/decision.ts';
import { httpNames } from './alpn.ts';
import type { ClientHello } from './client-hello.ts';
import type { Connection } from './connection.ts';
import type { DialFailure } from './dial.ts';
import { Gather } from './gather.ts';
import { poolKey } from './upstream.ts';
import type { Upstream } from './upstream.ts';

/** How the client is to be answered. */
export interface Mirrored {
  /** The one name to choose; null when the client names none of ours, or the server chose none. */
  readonly alpn: 'h2' | 'http/1.1' | null;
  /** The server's side of an HTTP/2 connection, paused, nobody else's; null for all others. */
  readonly upstream: Upstream | null;
  /** Everything that the client has sent until now. */
  readonly bytes: Buffer;
}

/** Chooses, by a dial where one is needed. Null when the connection was closed meanwhile. Never rejects. */
export async function mirrorAlpn(
  connection: Connection,
  hello: ClientHello,
  bytes: Buffer,
): Promise<Mirrored | null> {
  const { core } = connection;
  const offered = httpNames(hello.alpn);
  const http1 = { alpn: 'http/1.1', upstream: null, bytes } as const;
  if (offered.length === 0) return { ...http1, alpn: null };
  // An overlap is required once we name any: a client that offers none of ours is told so by OpenSSL.
  if (!offered.includes('h2') || core.ports.http2 === undefined) return http1;
  const speaksHttp1 = offered.includes('http/1.1');
  // What is relayed frame by frame cannot be made shorter.
  const { attribution } = connection;
  if (speaksHttp1 && connection.host !== null && core.ports.rewrites?.(attribution, connection.host) === true)
    return http1;
  if (!isOpen(connection.decision)) return speaksHttp1 ? http1 : { ...http1, alpn: 'h2' };
  const { host, address, port } = connection;
  const name = host ?? address ?? '';
  connection.isRemembered = speaksHttp1 && core.alpn.isHttp1(name, port);
  return connection.isRemembered ? http1 : dialFirst(connection, name, offered, bytes);
}

async function dialFirst(
  connection: Connection,
  host: string,
  alpn: readonly string[],
  bytes: Buffer,
): Promise<Mirrored | null> {
  const { core, port } = connection;
  const waiting = new Waiting(connection, bytes);
  const target = { runner: connection.runner, holder: connection.holder, isTls: true, host, port };
  const check = connection.addressCheck(connection.hostDecision?.addresses ?? []);
  const opened = await core.upstreams.open({ ...target, key: poolKey(target), check }, alpn, waiting.signal);
  const read = waiting.finish();
  const isWanted = !isGone(connection) && !waiting.isOverdue;
  if (!('failure' in opened) && !isWanted) opened.destroy();
  if (isGone(connection)) return null;
  const result = isWanted ? opened : overdue;
  const failure = 'failure' in result ? result : reasonToRefuse(connection, result);
  if (isGone(connection)) return null;
  if ('failure' in result || failure !== null) {
    connection.dialFailure = failure;
    return { alpn: alpn.includes('http/1.1') ? 'http/1.1' : 'h2', upstream: null, bytes: read };
  }
  if (result.alpn === 'h2') {
    connection.dialledAddress = result.address;
    connection.resolveMs = result.timings.resolveMs;
    connection.connectMs = result.timings.connectMs;
    return { alpn: 'h2', upstream: result, bytes: read };
  }
  core.alpn.rememberHttp1(host, port);
  // It is for the first request; a job that was given to the runner meanwhile must not inherit it.
  if (target.holder === connection.holder) core.upstreams.release(result);
  else result.destroy();
  return { alpn: result.alpn === null ? null : 'http/1.1', upstream: null, bytes: read };
}

// What was aborted is closed a little later.
const isGone = ({ isClosed, socket }: Connection) => isClosed || socket.destroyed;

const overdue: DialFailure = { failure: 'timeout', detail: 'not dialled in time' };

/** While it was dialled the policy may have become another one: closes both sides, or the server's with what is wrong. */
function reasonToRefuse(connection: Connection, upstream: Upstream): DialFailure | null {
  connection.redecide();
  const check = connection.addressCheck(connection.hostDecision?.addresses ?? []);
  const failure = isGone(connection) ? 'client-closed' : check.reason(upstream.address);
  if (failure === null && !upstream.isOver) return null;
  upstream.destroy();
  return { failure: failure ?? 'upstream-closed', detail: 'known after the dial' };
}

/** A client that waits for its handshake: it is read on, since its end would not be noticed otherwise. */
class Waiting {
  readonly #connection: Connection;
  readonly #gather = new Gather();
  readonly #abort = new AbortController();
  isOverdue = false;

  constructor(connection: Connection, bytes: Buffer) {
    this.#connection = connection;
    this.#gather.push(bytes);
    const { socket, core } = connection;
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onEnd);
    connection.onDeadline = () => {
      this.isOverdue = true;
      this.#abort.abort();
    };
    connection.setDeadline(core.limits.connectMs);
    socket.resume();
  }

  /** Aborted when nobody waits any more. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  // A client has nothing more to say until it is answered; what it says all the same stays in the kernel.
  readonly #onData = (bytes: Buffer): void => {
    this.#gather.push(bytes);
    this.#connection.socket.pause();
    const limit = this.#connection.keep(this.#gather.capacity);
    if (limit !== null) this.#connection.abort(limit);
  };

  readonly #onEnd = (): void => {
    this.#connection.abort('client-closed');
    this.#abort.abort();
  };

  /** Everything that was read; the socket is paused. */
  finish(): Buffer {
    const { socket } = this.#connection;
    socket.pause();
    socket.removeListener('data', this.#onData);
    socket.removeListener('end', this.#onEnd);
    socket.removeListener('close', this.#onEnd);
    this.#connection.onDeadline = null;
    this.#connection.keep(0);
    this.#connection.deadlineMs = Number.POSITIVE_INFINITY;
    return this.#gather.take() ?? Buffer.alloc(0);
  }
}
