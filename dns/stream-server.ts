// DNS over TCP (RFC 7766, 9210): messages are framed, answered out of order, each in one write. Every state has a
// limit in time and number, and every socket an error listener.

import type { Socket } from 'node:net';
import { steadyMs } from './clock.ts';
import { frame, FrameReader } from './frames.ts';
import { heldBack } from './held-queries.ts';
import type { QueryPath } from './query-path.ts';
import type { Source, Sources } from './rate.ts';

export interface StreamLimits {
  readonly connections: number;
  readonly perSource: number;
  readonly openQuestions: number;
  readonly idleMs: number;
  /** Idle time when more than three quarters of the connections are taken. */
  readonly crowdedIdleMs: number;
  readonly unfinishedMs: number;
  readonly unsentBytes: number;
}
export const defaultStreamLimits: StreamLimits = {
  connections: 256,
  perSource: 32,
  openQuestions: 100,
  idleMs: 10_000,
  crowdedIdleMs: 2000,
  unfinishedMs: 20_000,
  unsentBytes: 256 * 1024,
};

export class StreamServer {
  readonly #path: QueryPath;
  readonly #sources: Sources;
  readonly #limits: StreamLimits;
  readonly #connections = new Set<StreamConnection>();
  /** Connections by address and by IPv6 subnet. */
  readonly #bySource = new Map<string, number>();
  readonly #out = new Uint8Array(65_535);

  constructor(path: QueryPath, sources: Sources, limits: StreamLimits = defaultStreamLimits) {
    this.#path = path;
    this.#sources = sources;
    this.#limits = limits;
  }

  /** Takes over a connection of this address; closes it at once where a limit is reached. */
  accept(socket: Socket, address = socket.remoteAddress): void {
    socket.on('error', () => socket.destroy());
    const limits = this.#limits;
    if (address === undefined || this.#connections.size >= limits.connections) return void socket.destroy();
    const source = this.#sources.ofText(address, steadyMs());
    if (!this.#enter(source)) return void socket.destroy();
    const isCrowded = this.#connections.size > limits.connections * 0.75;
    const idleMs = isCrowded ? limits.crowdedIdleMs : limits.idleMs;
    const connection = new StreamConnection(socket, source, this.#path, this.#out, limits, idleMs);
    this.#connections.add(connection);
    socket.once('close', () => {
      this.#connections.delete(connection);
      this.#count(source.address, -1);
      if (source.subnet !== null) this.#count(source.subnet.key, -1);
    });
  }

  // All addresses of an IPv6 subnet together have half of the connections at most.
  #enter({ address, subnet }: Source): boolean {
    const { perSource, connections } = this.#limits;
    if ((this.#bySource.get(address) ?? 0) >= perSource) return false;
    if (subnet !== null && (this.#bySource.get(subnet.key) ?? 0) >= connections / 2) return false;
    this.#count(address, 1);
    if (subnet !== null) this.#count(subnet.key, 1);
    return true;
  }

  #count(key: string, change: 1 | -1): void {
    const left = (this.#bySource.get(key) ?? 0) + change;
    if (left > 0) this.#bySource.set(key, left);
    else this.#bySource.delete(key);
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Ends every connection. */
  close(): void {
    for (const connection of this.#connections) connection.close();
  }
}

class StreamConnection {
  readonly #socket: Socket;
  readonly #source: Source;
  readonly #path: QueryPath;
  readonly #out: Uint8Array;
  readonly #limits: StreamLimits;
  readonly #reader = new FrameReader();
  /** Read, and not asked yet: as many as one read brought beyond the open ones. */
  #waiting: Uint8Array[] = [];
  #open = 0;
  #hasEnded = false;
  #unfinished: NodeJS.Timeout | null = null;

  constructor(
    socket: Socket,
    source: Source,
    path: QueryPath,
    out: Uint8Array,
    limits: StreamLimits,
    idleMs: number,
  ) {
    this.#socket = socket;
    this.#source = source;
    this.#path = path;
    this.#out = out;
    this.#limits = limits;
    // A client may close its side once it has asked; what it asked is still answered.
    socket.allowHalfOpen = true;
    socket.setNoDelay(true);
    socket.setTimeout(idleMs, () => socket.destroy());
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('end', () => this.#end());
    socket.once('close', () => this.#watchUnfinished(false));
  }

  #receive(chunk: Buffer): void {
    const messages = this.#reader.push(chunk);
    this.#waiting = this.#waiting.length === 0 ? messages : this.#waiting.concat(messages);
    this.#watchUnfinished(this.#reader.isUnfinished);
    this.#proceed();
  }

  // Nothing is read while questions wait for open ones to be answered.
  #proceed(): void {
    const { openQuestions } = this.#limits;
    let taken = 0;
    if (this.#waiting.length > 0) this.#path.begin();
    while (taken < this.#waiting.length && this.#open < openQuestions) {
      const message = this.#waiting[taken++]!;
      if (message.length < 12) return this.close();
      this.#answer(message);
      if (this.#socket.destroyed) return;
    }
    this.#waiting = this.#waiting.slice(taken);
    if (this.#open >= openQuestions) this.#socket.pause();
    else this.#socket.resume();
    if (this.#hasEnded) this.#end();
  }

  #answer(message: Uint8Array): void {
    const port = this.#socket.remotePort ?? 0;
    const size = this.#path.answer(message, message.length, this.#source, port, 'tcp', this.#out);
    if (size > 0) {
      const left = this.#path.settle() ? size : this.#path.withhold(message, message.length, this.#out);
      this.#send(this.#out.subarray(0, left));
    }
    if (size !== heldBack) return;
    this.#open++;
    const send = (answer: Uint8Array) => {
      this.#open--;
      this.#send(answer);
      if (!this.#socket.destroyed) this.#proceed();
    };
    this.#path.hold(message, message.length, this.#source, port, 'tcp', { send });
  }

  #send(answer: Uint8Array): void {
    if (this.#socket.destroyed) return;
    this.#socket.write(frame(answer));
    // A client that asks and never reads is not owed memory.
    if (this.#socket.writableLength > this.#limits.unsentBytes) this.#socket.destroy();
  }

  // The time limit is for one unfinished message, however slowly its bytes drip.
  #watchUnfinished(isUnfinished: boolean): void {
    if (isUnfinished) {
      this.#unfinished ??= setTimeout(() => this.close(), this.#limits.unfinishedMs).unref();
    } else if (this.#unfinished !== null) {
      clearTimeout(this.#unfinished);
      this.#unfinished = null;
    }
  }

  #end(): void {
    this.#hasEnded = true;
    if (this.#open === 0 && this.#waiting.length === 0) this.#socket.end();
  }

  close(): void {
    this.#socket.destroy();
  }
}
