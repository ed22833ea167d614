// Follows the frames of one side of a WebSocket (RFC 6455 §5) while their bytes pass by unchanged: checks their form and
// counts them. It keeps 14 bytes at most and knows nothing of sockets; over HTTP/2 (RFC 8441) it serves alike.

import type { FlowFrames } from '../flow/flow.ts';

type Kind = keyof FlowFrames;
const kinds: Readonly<Partial<Record<number, Kind>>> = {
  1: 'text',
  2: 'binary',
  8: 'close',
  9: 'ping',
  10: 'pong',
};
const continuation = 0;
const close = 8;
const maxControlBytes = 125;

/** Who reads along; never throws. */
export interface FrameReader {
  take(payload: Buffer): void;
  /** What comes cannot be read. */
  refuse(problem: string): void;
}

/** One direction of a WebSocket; `feed` everything that this side sends. Never throws. */
export class WebSocketFrames {
  readonly #isMasked: boolean;
  readonly #reserved: number;
  readonly #reader: FrameReader | null;
  /** Of the frame under way: where in its head the mask is (-1: it has none that matters), and how much has come. */
  #maskAt = -1;
  #payloadCame = 0;
  readonly #head = Buffer.alloc(14);
  #headBytes = 0;
  #payloadLeft = 0;
  /** What the message under way is made of, between its first and its last frame. */
  #message: Kind | null = null;
  #isClosing = false;
  #problem: string | null = null;
  readonly #counts: Record<Kind, { messages: number; bytes: number }> = {
    text: { messages: 0, bytes: 0 },
    binary: { messages: 0, bytes: 0 },
    close: { messages: 0, bytes: 0 },
    ping: { messages: 0, bytes: 0 },
    pong: { messages: 0, bytes: 0 },
  };

  /**
   * `reader` is given what messages of a client say, unmasked, in the pieces that arrive.
   * `hasExtensions` when the handshake agreed on some: only then may reserved bits be set (permessage-deflate: RFC 7692).
   */
  constructor(sender: 'client' | 'server', hasExtensions: boolean, reader: FrameReader | null = null) {
    this.#reader = reader;
    this.#isMasked = sender === 'client';
    this.#reserved = hasExtensions ? 0 : 0x70;
  }

  /** Complete messages (a fragmented one counts once) and payload bytes that have come, by opcode. */
  get counts(): FlowFrames {
    return this.#counts;
  }

  /** Takes the next bytes; answers what is wrong with a frame, from then on always, or null. */
  feed(bytes: Buffer): string | null {
    let at = 0;
    while (at < bytes.length && this.#problem === null) {
      if (this.#payloadLeft > 0) {
        const taken = Math.min(this.#payloadLeft, bytes.length - at);
        if (this.#reader !== null && this.#maskAt >= 0) this.#tell(bytes, at, at + taken);
        this.#payloadLeft -= taken;
        at += taken;
        continue;
      }
      this.#head[this.#headBytes++] = bytes[at++]!;
      if (this.#headBytes === 2) this.#problem = this.#checkStart();
      if (this.#problem === null && this.#headBytes >= this.#wanted()) this.#problem = this.#begin();
    }
    return this.#problem;
  }

  /** Payload of a message without its mask, in a copy: what goes on stays masked. */
  #tell(bytes: Buffer, start: number, end: number): void {
    const bare = Buffer.from(bytes.subarray(start, end));
    for (let at = 0; at < bare.length; at++)
      bare[at]! ^= this.#head[this.#maskAt + ((this.#payloadCame + at) & 3)]!;
    this.#payloadCame += bare.length;
    this.#reader?.take(bare);
  }

  /** Length of the frame's head as far as it can be told. */
  #wanted(): number {
    if (this.#headBytes < 2) return 2;
    const length = this.#head[1]! & 127;
    return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + (this.#isMasked ? 4 : 0);
  }

  /** The first two bytes: opcode, reserved bits, order of fragments, mask, size of control frames. */
  #checkStart(): string | null {
    const [first, second] = [this.#head[0]!, this.#head[1]!];
    const opcode = first & 15;
    const isLast = first >= 128;
    if ((first & this.#reserved) !== 0) return 'a reserved bit without an extension';
    if (second >= 128 !== this.#isMasked)
      return this.#isMasked ? 'a client’s frame without a mask' : 'a masked frame of a server';
    if (opcode === continuation) return this.#message === null ? 'a continuation of nothing' : this.#late();
    if (kinds[opcode] === undefined) return 'an unknown opcode';
    if (opcode < close) return this.#message !== null ? 'a message within a message' : this.#late();
    if (!isLast) return 'a control frame in fragments';
    const length = second & 127;
    if (length > maxControlBytes) return 'a control frame of more than 125 bytes';
    return opcode === close && length === 1 ? 'half a close code' : null;
  }

  #late(): string | null {
    return this.#isClosing ? 'data after the close frame' : null;
  }

  /** The head is whole: the payload begins. */
  #begin(): string | null {
    const length = this.#length();
    if (typeof length === 'string') return length;
    const [first, opcode] = [this.#head[0]!, this.#head[0]! & 15];
    const kind = kinds[opcode] ?? this.#message!;
    const isLast = first >= 128;
    if (opcode < close) this.#message = isLast ? null : kind;
    if (opcode === close) this.#isClosing = true;
    if (isLast) this.#counts[kind].messages++;
    this.#counts[kind].bytes += length;
    // An extension has made something else of it (RFC 7692 compresses).
    if ((first & 0x70) !== 0) this.#reader?.refuse('a message that an extension has changed');
    this.#payloadLeft = length;
    this.#maskAt = this.#isMasked && opcode < close ? this.#headBytes - 4 : -1;
    this.#payloadCame = 0;
    this.#headBytes = 0;
    return null;
  }

  #length(): number | string {
    const length = this.#head[1]! & 127;
    if (length < 126) return length;
    if (length === 126) {
      const short = this.#head.readUInt16BE(2);
      return short < 126 ? 'a length that is not written in its shortest form' : short;
    }
    // Beyond 2^53 nothing could be counted, and no such frame exists.
    const high = this.#head.readUInt32BE(2);
    const long = high * 2 ** 32 + this.#head.readUInt32BE(6);
    if (high >= 2 ** 21) return 'a frame of more than 2^53 bytes';
    return long < 65_536 ? 'a length that is not written in its shortest form' : long;
  }
}
