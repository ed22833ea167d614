// Walks the frames of one direction as they arrive (RFC 9113 §4): what may go on goes as the bytes that came, in
// runs; an incomplete frame or header block waits until it is whole, only DATA streams. What a frame means is the
// taker's business. One walker holds a frame (64 KB) or one header block at most.

import { Gather } from '../gather.ts';
import { errors, flags, frameHeaderBytes, frameTypes } from './frames.ts';
import type { Outlet } from './outlet.ts';

/** What becomes of a frame: on as it came, withheld, or these bytes in its place. */
export type Fate = boolean | Buffer;

/** What one direction makes of its frames. */
export interface FrameTaker {
  /** Nothing more is taken. */
  readonly isOver: boolean;
  /** Largest payload that the receiver takes now. */
  readonly maxFrameBytes: number;
  /** A DATA frame whose payload may still be coming; the frame header is at `at`. Withheld where false. */
  takeData(id: number, isLast: boolean, length: number, padBytes: number, bytes: Buffer, at: number): boolean;
  /** Payload of a withheld DATA frame, piece by piece, padding included. */
  takeWithheld(id: number, bytes: Buffer, start: number, end: number): void;
  /** That of one that goes on, while `isWatching`; it may be changed, not cut. */
  takePassing(id: number, bytes: Buffer, start: number, end: number): void;
  /** Some stream's bytes are followed. */
  readonly isWatching: boolean;
  /** A whole frame of another type, with its header at `at`. */
  takeFrame(type: number, flagBits: number, id: number, length: number, bytes: Buffer, at: number): Fate;
  /** A whole header block, its fragments joined. `frameBytes` are those of its frames without their headers. */
  takeBlock(id: number, isLast: boolean, block: Buffer, start: number, end: number, frameBytes: number): Fate;
  /** The connection cannot go on (RFC 9113 §5.4.1). */
  fail(code: number): void;
}

const maxControlBytes = 65_536;
const maxContinuations = 8;
// Larger than anything that decodes to the largest list.
const maxBlockBytes = 131_072;

/** One direction. */
export class Walker {
  readonly #taker: FrameTaker;
  readonly #outlet: Outlet;
  readonly #gather = new Gather();
  /** The DATA frame on its way: its stream, what is left of it, whether it goes on. */
  #dataId = 0;
  #left = 0;
  #isPassing = true;
  /** Where in what is gathered the next frame begins. */
  #resumeAt = 0;
  /** An open header block: its stream, where it began, and its fragments (start, end, start, end, …). */
  #blockId = 0;
  #isBlockLast = false;
  #blockAt = -1;
  #fragments: number[] = [];
  #blockBytes = 0;
  /** A frame ended within the bytes that were fed last. */
  hasMoved = false;

  constructor(taker: FrameTaker, outlet: Outlet) {
    this.#taker = taker;
    this.#outlet = outlet;
  }

  /** Memory held for a frame that is not whole yet. */
  get gatheredBytes(): number {
    return this.#gather.capacity;
  }

  /** Takes what arrived; what goes on is given to the outlet. */
  feed(chunk: Buffer): void {
    const bytes = this.#gather.length === 0 ? chunk : this.#gather.push(chunk);
    this.hasMoved = false;
    // Made before this arrived: a header block of ours must not come behind an acknowledgement that it did not know.
    this.#outlet.settle();
    let at = this.#resumeAt;
    let run = 0;
    if (this.#left > 0) {
      at = this.#takeRest(bytes);
      run = this.#runAfterRest(bytes, at);
    }
    while (!this.#taker.isOver && bytes.length - at >= frameHeaderBytes) {
      const length = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
      const type = bytes[at + 3]!;
      const code = this.#orderProblem(type, length, bytes, at);
      if (code !== 0) {
        this.#taker.fail(code);
        break;
      }
      if (type === frameTypes.data) {
        const next = this.#takeData(bytes, at, length);
        if (next < 0) break;
        if (!this.#isPassing) {
          this.#outlet.pass(bytes, run, at);
          run = next;
        }
        at = next;
        continue;
      }
      const end = at + frameHeaderBytes + length;
      if (end > bytes.length) break;
      this.hasMoved = true;
      const fate = this.#takeWhole(type, bytes, at, end);
      if (fate !== true) {
        this.#outlet.pass(bytes, run, this.#blockAt >= 0 ? this.#blockAt : at);
        if (fate !== false) this.#outlet.pass(fate, 0, fate.length);
        run = end;
      }
      if (this.#blockId === 0) this.#blockAt = -1;
      at = end;
    }
    this.#keep(bytes, run, at);
  }

  /** The rest of a DATA frame that began in earlier bytes; answers where it ends. */
  #takeRest(bytes: Buffer): number {
    const at = Math.min(this.#left, bytes.length);
    this.#left -= at;
    this.#tell(bytes, 0, at);
    return at;
  }

  /** Frames of our own that waited for this frame's end come right after it. */
  #runAfterRest(bytes: Buffer, at: number): number {
    if (this.#left > 0) return this.#isPassing ? 0 : at;
    this.hasMoved = true;
    this.#outlet.isInFrame = false;
    if (!this.#isPassing) return at;
    if (!this.#outlet.isWaiting) return 0;
    this.#outlet.pass(bytes, 0, at);
    this.#outlet.settle();
    return at;
  }

  /** What is wrong with a frame by its header alone; 0 when nothing is. */
  #orderProblem(type: number, length: number, bytes: Buffer, at: number): number {
    if (length > this.#taker.maxFrameBytes) return errors.frameSize;
    if (type !== frameTypes.data && length > maxControlBytes) return errors.frameSize;
    const isContinued = type === frameTypes.continuation;
    if (this.#blockId === 0) return isContinued ? errors.protocol : 0;
    return isContinued && idAt(bytes, at) === this.#blockId ? 0 : errors.protocol;
  }

  /** Answers where the payload so far ends, or -1: too little has come, or the connection is over. */
  #takeData(bytes: Buffer, at: number, length: number): number {
    const flagBits = bytes[at + 4]!;
    const payload = at + frameHeaderBytes;
    let padBytes = 0;
    if ((flagBits & flags.padded) !== 0) {
      if (length > 0 && payload >= bytes.length) return -1;
      padBytes = length === 0 ? 1 : bytes[payload]! + 1;
      if (padBytes > length) {
        this.#taker.fail(errors.protocol);
        return -1;
      }
    }
    const id = idAt(bytes, at);
    const isLast = (flagBits & flags.endStream) !== 0;
    this.#isPassing = this.#taker.takeData(id, isLast, length, padBytes, bytes, at);
    if (this.#taker.isOver) return -1;
    this.hasMoved = true;
    const end = Math.min(payload + length, bytes.length);
    this.#dataId = id;
    this.#left = length - (end - payload);
    this.#tell(bytes, payload, end);
    return end;
  }

  #tell(bytes: Buffer, start: number, end: number): void {
    if (!this.#isPassing) this.#taker.takeWithheld(this.#dataId, bytes, start, end);
    else if (this.#taker.isWatching) this.#taker.takePassing(this.#dataId, bytes, start, end);
  }

  #takeWhole(type: number, bytes: Buffer, at: number, end: number): Fate {
    const id = idAt(bytes, at);
    const flagBits = bytes[at + 4]!;
    if (type === frameTypes.headers) return this.#takeHeaders(id, flagBits, bytes, at, end);
    if (type === frameTypes.continuation) return this.#takeContinuation(flagBits, bytes, at, end);
    return this.#taker.takeFrame(type, flagBits, id, end - at - frameHeaderBytes, bytes, at);
  }

  #takeHeaders(id: number, flagBits: number, bytes: Buffer, at: number, end: number): Fate {
    let start = at + frameHeaderBytes;
    let padBytes = 0;
    if ((flagBits & flags.padded) !== 0) padBytes = start < end ? bytes[start++]! : 255;
    if ((flagBits & flags.priority) !== 0) start += 5;
    if (start + padBytes > end || id === 0) {
      this.#taker.fail(errors.protocol);
      return false;
    }
    const isLast = (flagBits & flags.endStream) !== 0;
    if ((flagBits & flags.endHeaders) !== 0) {
      return this.#taker.takeBlock(id, isLast, bytes, start, end - padBytes, end - at - frameHeaderBytes);
    }
    this.#blockId = id;
    this.#isBlockLast = isLast;
    this.#blockAt = at;
    this.#blockBytes = end - at - frameHeaderBytes;
    this.#fragments = [start, end - padBytes];
    return true;
  }

  #takeContinuation(flagBits: number, bytes: Buffer, at: number, end: number): Fate {
    const start = at + frameHeaderBytes;
    const isWhole = (flagBits & flags.endHeaders) !== 0;
    this.#fragments.push(start, end);
    this.#blockBytes += end - start;
    const isFlood = this.#fragments.length > 2 * (maxContinuations + 1) || this.#blockBytes > maxBlockBytes;
    if (isFlood || (end === start && !isWhole)) {
      this.#taker.fail(errors.enhanceYourCalm);
      return false;
    }
    if (!isWhole) return true;
    const id = this.#blockId;
    this.#blockId = 0;
    const parts: Buffer[] = [];
    for (let i = 0; i < this.#fragments.length; i += 2) {
      parts.push(bytes.subarray(this.#fragments[i], this.#fragments[i + 1]));
    }
    const block = Buffer.concat(parts);
    return this.#taker.takeBlock(id, this.#isBlockLast, block, 0, block.length, this.#blockBytes);
  }

  /** What is not whole is kept until the rest comes; everything before it goes on. */
  #keep(bytes: Buffer, run: number, at: number): void {
    const from = this.#blockId === 0 ? at : this.#blockAt;
    this.#outlet.pass(bytes, run, from);
    if (this.#left > 0 && this.#isPassing) this.#outlet.isInFrame = true;
    if (from === 0 && this.#gather.length > 0) {
      this.#resumeAt = at;
      return;
    }
    this.#gather.take();
    this.#resumeAt = at - from;
    if (this.#taker.isOver || from >= bytes.length) {
      this.#resumeAt = 0;
      return;
    }
    if (this.#blockId !== 0) {
      this.#blockAt = 0;
      for (let i = 0; i < this.#fragments.length; i++) this.#fragments[i]! -= from;
    }
    this.#gather.push(from === 0 ? bytes : Buffer.from(bytes.subarray(from)));
  }
}

/** The stream of the frame whose header is at `at`; the reserved bit is ignored. */
export function idAt(bytes: Buffer, at: number): number {
  return ((bytes[at + 5]! & 0x7f) << 24) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 8) | bytes[at + 8]!;
}

/** A number of 32 bits at `at`. */
export function numberAt(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at);
}
