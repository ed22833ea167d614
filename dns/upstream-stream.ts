// Questions to one upstream over TCP or TLS (RFC 7766, 7858): two pipelined connections, ids per connection.
// TLS always verifies the certificate against the configured name; nothing here falls back to plain text.

import { connect as connectTcp, isIP } from 'node:net';
import type { Socket } from 'node:net';
import { checkServerIdentity, connect as connectTls } from 'node:tls';
import { frame, FrameReader } from './frames.ts';
import { isAnswerInAnyCase } from './scan-response.ts';
import { randomId } from './upstream-query.ts';

const connections = 2;
const idleMs = 20_000;
const maxOpenQuestions = 2000;

export interface StreamTarget {
  readonly address: string;
  readonly port: number;
  /** Null for plain TCP. */
  readonly tls: { readonly serverName: string; readonly ca: string | null } | null;
}

export type StreamOutcome = Uint8Array | 'timeout' | 'unreachable';

interface Waiter {
  readonly query: Buffer;
  readonly questionEnd: number;
  readonly settle: (outcome: StreamOutcome) => void;
}

export class UpstreamStream {
  readonly #target: StreamTarget;
  readonly #links: (Link | undefined)[] = Array.from({ length: connections });
  #turn = 0;
  #ticket: Buffer | undefined;

  constructor(target: StreamTarget) {
    this.#target = target;
  }

  /** One question, one answer; the query is given an id here. Never rejects. */
  ask(query: Buffer, questionEnd: number, timeoutMs: number): Promise<StreamOutcome> {
    const slot = (this.#turn = (this.#turn + 1) % connections);
    let link = this.#links[slot];
    if (!link || link.isClosed) {
      link = new Link(this.#connect());
      this.#links[slot] = link;
    }
    return link.ask(query, questionEnd, timeoutMs);
  }

  #connect(): Socket {
    const { address: host, port, tls } = this.#target;
    if (tls === null) return connectTcp({ host, port, noDelay: true });
    const name = tls.serverName;
    const socket = connectTls({
      host,
      port,
      servername: isIP(name) ? '' : name,
      checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),
      minVersion: 'TLSv1.2',
      ALPNProtocols: ['dot'],
      ...(tls.ca === null ? {} : { ca: tls.ca }),
      ...(this.#ticket === undefined ? {} : { session: this.#ticket }),
    });
    socket.on('session', (ticket) => (this.#ticket = ticket));
    return socket;
  }

  close(): void {
    for (const link of this.#links) link?.close();
    this.#links.fill(undefined);
  }
}

class Link {
  readonly #socket: Socket;
  readonly #reader = new FrameReader();
  readonly #waiters = new Map<number, Waiter>();
  isClosed = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setTimeout(idleMs, () => this.close());
    socket.on('data', (chunk) => this.#receive(chunk));
    // 'close' always follows; without this listener an ECONNRESET would end the process.
    socket.on('error', () => this.close());
    socket.on('end', () => this.close());
    socket.on('close', () => this.close());
    socket.unref();
  }

  ask(query: Buffer, questionEnd: number, timeoutMs: number): Promise<StreamOutcome> {
    if (this.#waiters.size >= maxOpenQuestions) return Promise.resolve('unreachable');
    let id = randomId();
    while (this.#waiters.has(id)) id = randomId();
    query.writeUInt16BE(id, 0);
    return new Promise((resolve) => {
      const settle = (outcome: StreamOutcome) => {
        clearTimeout(timer);
        this.#waiters.delete(id);
        resolve(outcome);
      };
      const timer = setTimeout(settle, timeoutMs, 'timeout');
      this.#waiters.set(id, { query, questionEnd, settle });
      this.#socket.write(frame(query));
    });
  }

  #receive(chunk: Buffer): void {
    for (const message of this.#reader.push(chunk)) {
      const id = message.length < 12 ? -1 : (message[0]! << 8) | message[1]!;
      const waiter = this.#waiters.get(id);
      // Over a stream nobody else can answer: a wrong answer means a broken upstream.
      if (!waiter || !isAnswerInAnyCase(message, waiter.query, waiter.questionEnd)) return this.close();
      waiter.settle(Uint8Array.from(message));
    }
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#socket.destroy();
    for (const waiter of this.#waiters.values()) waiter.settle('unreachable');
  }
}
