// One UDP socket of the DNS server. The event loop wakes it with one datagram; that one and all that already wait
// behind it are answered in one go (udp-drain.ts), or one at a time without koffi.

import { createSocket } from 'node:dgram';
import type { RemoteInfo, Socket } from 'node:dgram';
import { parseAddress } from '../flow/address.ts';
import { maxUdpBytes } from './codes.ts';
import { heldBack } from './held-queries.ts';
import type { ReplyTarget } from './held-queries.ts';
import { LateAnswers } from './late-answers.ts';
import type { QueryPath } from './query-path.ts';
import type { Source, Sources } from './rate.ts';
import { descriptorOf, handleOf } from './socket-handle.ts';
import { batchSize, openDrain } from './udp-drain.ts';
import type { Drain } from './udp-drain.ts';

/** A descriptor to inherit, or an address to bind. */
export type UdpPlace =
  { readonly fd: number; readonly family: 4 | 6 } | { readonly address: string; readonly port: number };

/** After this many more are about to come: a short pause and another look are cheaper than being woken for each. */
const busyBatch = 8;
/** Batches in one go at most, a millisecond or so: TCP connections and upstreams get their turn. */
const maxBatches = 8;

export class UdpServer {
  readonly #path: QueryPath;
  readonly #sources: Sources;
  readonly #drain: Drain | null;
  readonly #late: LateAnswers | null;
  readonly #family: 4 | 6;
  readonly #socket: Socket;
  readonly #ring = Array.from({ length: 64 }, () => Buffer.alloc(maxUdpBytes));
  #turn = 0;
  #fd = -1;
  /** Datagrams to answer before the next look for more. */
  #skip = 0;

  constructor(family: 4 | 6, path: QueryPath, sources: Sources, drain: Drain | null) {
    this.#path = path;
    this.#sources = sources;
    const own = drain === null ? null : openDrain();
    this.#drain = own === null ? null : drain;
    this.#late = own === null ? null : new LateAnswers(own, () => this.#fd);
    this.#family = family;
    this.#socket = createSocket({ type: family === 6 ? 'udp6' : 'udp4', ipv6Only: family === 6 });
    this.#socket.on('message', (message, from) => this.#receive(message, from));
    // ECONNREFUSED and the like of one client are nobody else's business.
    this.#socket.on('error', () => {});
  }

  /** Starts to serve; resolves with the bound port. */
  open(place: UdpPlace): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#socket.once('error', reject);
      this.#socket.bind('fd' in place ? { fd: place.fd } : place, () => {
        this.#socket.off('error', reject);
        this.#fd = 'fd' in place ? place.fd : descriptorOf(this.#socket);
        if (this.#family === 4 && this.#fd >= 0) this.#drain?.forbidFragments(this.#fd);
        resolve(this.#socket.address().port);
      });
    });
  }

  #receive(message: Buffer, from: RemoteInfo): void {
    this.#path.begin();
    const source = this.#sources.ofText(from.address, this.#path.now);
    const drain = this.#fd < 0 ? null : this.#drain;
    if (drain === null) {
      this.#answerAlone(message, from, source);
      return;
    }
    drain.clear();
    const size = this.#path.answer(message, message.length, source, from.port, 'udp', drain.answers[0]!);
    if (size > 0) this.#queueFirst(drain, message, from, size);
    else if (size === heldBack) this.#holdFirst(message, source, from);
    this.#drainAll(drain, this.#fd);
  }

  /** Answers what waits in the socket, a batch at a time, together with what is queued already. */
  #drainAll(drain: Drain, fd: number): void {
    for (let batch = 0; batch < maxBatches; batch++) {
      // An empty look costs a system call: after one the next is left out.
      const count = this.#skip > 0 ? 0 : drain.receive(fd);
      if (batch > 0) this.#path.begin();
      for (let slot = 1; slot <= count; slot++) this.#answerSlot(drain, slot);
      if (!this.#path.settle()) this.#withholdQueued(drain);
      drain.flush(fd);
      if (count >= busyBatch) {
        if (count < batchSize) drain.pause();
        continue;
      }
      if (batch === 0) this.#skip = count > 0 || this.#skip > 0 ? 0 : 1;
      return;
    }
  }

  // The first datagram was received by the runtime: its bytes and address are put where those of the others are.
  #queueFirst(drain: Drain, message: Buffer, from: RemoteInfo, size: number): void {
    if (!writeName(drain.nameOf(0), from)) {
      const answer = Buffer.from(drain.answers[0]!.subarray(0, size));
      this.#sendAlone(message, answer, size, from);
      return;
    }
    drain.setMessage(0, message);
    drain.queue(0, size);
  }

  // Rare: the disk has just refused the records of this batch.
  #withholdQueued(drain: Drain): void {
    for (const slot of drain.takeQueued()) {
      const size = this.#path.withhold(drain.messages[slot]!, drain.lengthOf(slot), drain.answers[slot]!);
      if (size > 0) drain.queue(slot, size);
    }
  }

  #answerSlot(drain: Drain, slot: number): void {
    const name = drain.nameOf(slot);
    const port = (name[2]! << 8) | name[3]!;
    const now = this.#path.now;
    const isV4 = name[0] === 2;
    const source = isV4
      ? this.#sources.ofNumber(readNumber(name), now)
      : this.#sources.ofV6(name.subarray(8, 24), now);
    const message = drain.messages[slot]!;
    const length = drain.lengthOf(slot);
    const size = this.#path.answer(message, length, source, port, 'udp', drain.answers[slot]!);
    if (size > 0) drain.queue(slot, size);
    else if (size === heldBack)
      this.#path.hold(message, length, source, port, 'udp', this.#targetOf(name.slice()));
  }

  // A ring of buffers: the runtime may send a buffer later than this call when the socket is full.
  #answerAlone(message: Buffer, from: RemoteInfo, source: Source): void {
    const out = this.#ring[(this.#turn = (this.#turn + 1) % this.#ring.length)]!;
    const size = this.#path.answer(message, message.length, source, from.port, 'udp', out);
    if (size > 0) this.#sendAlone(message, out, size, from);
    else if (size === heldBack)
      this.#path.hold(message, message.length, source, from.port, 'udp', this.#targetOfText(from));
  }

  #sendAlone(message: Buffer, out: Buffer, size: number, from: RemoteInfo): void {
    const left = this.#path.settle() ? size : this.#path.withhold(message, message.length, out);
    if (left > 0) this.#socket.send(out, 0, left, from.port, from.address);
  }

  #holdFirst(message: Buffer, source: Source, from: RemoteInfo): void {
    const name = new Uint8Array(28);
    const target =
      this.#late !== null && writeName(name, from) ? this.#targetOf(name) : this.#targetOfText(from);
    this.#path.hold(message, message.length, source, from.port, 'udp', target);
  }

  #targetOf(name: Uint8Array): ReplyTarget {
    return { send: (answer) => this.#late?.add(answer, name) };
  }

  #targetOfText({ port, address }: RemoteInfo): ReplyTarget {
    return { send: (answer) => this.#socket.send(answer, port, address) };
  }

  /** Takes no more datagrams; answers that are under way still leave. */
  retire(): void {
    const stop: unknown = handleOf(this.#socket)?.['recvStop'];
    // Where a later release hides it better, this process goes on to take its share until it closes.
    if (typeof stop === 'function') stop.call(handleOf(this.#socket));
  }

  close(): Promise<void> {
    // The number may be another socket's the next moment.
    this.#fd = -1;
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }
}

function readNumber(name: Uint8Array): number {
  return (name[4]! << 24) | (name[5]! << 16) | (name[6]! << 8) | name[7]!;
}

// A sockaddr for the kernel (ip(7), ipv6(7)); false for an address with a zone, which needs an interface number.
function writeName(name: Uint8Array, from: RemoteInfo): boolean {
  const bytes = parseAddress(from.address);
  if (bytes === null) return false;
  name.fill(0);
  name[0] = from.family === 'IPv6' ? 10 : 2;
  name[2] = from.port >> 8;
  name[3] = from.port & 255;
  name.set(bytes, from.family === 'IPv6' ? 8 : 4);
  return true;
}
