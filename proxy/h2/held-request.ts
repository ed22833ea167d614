// A request that waits for its own body: its HEADERS are kept with it, so that nothing of it leaves before it is
// decided. What was held goes on in one piece, or is thrown away (proxy/hold.ts decodes it for the decision).

import { Hold } from '../hold.ts';
import type { Held, HoldLimits } from '../hold.ts';
import { flags, frameTypes, makeFrame, makeHeaders, makeWindowUpdate } from './frames.ts';
import { encodeAnswer } from './hpack-encode.ts';
import type { HpackBlock } from './hpack.ts';
import { Payload } from './payload.ts';
import type { Tables } from './tables.ts';

/** The head of a request, its body so far, and what the client said of its window. */
export class HeldRequest {
  /** Payload that waits here, without padding. */
  bytes = 0;
  /** What of the connection's window it took, padding included, and what of that was not given back yet. */
  taken = 0;
  unpaid = 0;
  /** The body has ended, with or without trailers. */
  isWhole = false;
  /** Its decision is being made: what still comes is kept too. */
  isDeciding = false;
  /** What the body came to, when its decision waits for the end of a frame that was begun. */
  body: Held | null = null;
  /** About what its head takes in memory. */
  readonly headBytes: number;
  readonly #head: HpackBlock;
  readonly #hold: Hold;
  readonly #capBytes: number;
  #trailers: HpackBlock | null = null;
  #window = 0;
  readonly #payload = new Payload();
  #isLast = false;

  /** `windowBytes` is what the upstream grants a stream at first: no more can come before it is asked. */
  constructor(head: HpackBlock, limits: HoldLimits, windowBytes: number) {
    this.#head = head;
    this.headBytes = sizeOf(head);
    this.#hold = new Hold(limits, fieldOf(head, 'content-encoding'));
    this.#capBytes = Math.min(limits.maxBytes, windowBytes);
  }

  /** The client waits for leave to send its body (RFC 9110 §10.1.1), which nobody else can give it. */
  get expectsContinue(): boolean {
    return fieldOf(this.#head, 'expect') !== '';
  }

  /** A frame is here in part: the rest belongs to what is held. */
  get isMidFrame(): boolean {
    return this.#payload.isCut;
  }

  beginFrame(length: number, padBytes: number, isLast: boolean): void {
    this.#isLast = isLast;
    this.#payload.begin(length, padBytes);
  }

  /** Bytes of the frame as they arrive, padding included; false when no more is held and the body is opaque. */
  push(bytes: Buffer, start: number, end: number): boolean {
    this.#payload.cut(start, end);
    const { from, to } = this.#payload;
    let fits = true;
    if (to > from) {
      this.bytes += to - from;
      fits = this.#hold.push(bytes.subarray(from, to));
    }
    // What is too large to be decided by still ends here.
    if (this.#isLast && !this.isMidFrame) this.isWhole = true;
    // Padding takes of the window too.
    return fits && this.taken < this.#capBytes;
  }

  /** What was kept of the body, as it came. */
  get raw(): readonly Buffer[] {
    return this.#hold.raw;
  }

  endBy(trailers: HpackBlock | null): void {
    this.#trailers = trailers;
    this.isWhole = true;
  }

  openWindow(increment: number): void {
    this.#window = Math.min(0x7fff_ffff, this.#window + increment);
  }

  /** What the body came to. Called once, and rejected never. */
  decode(): Promise<Held> {
    this.isDeciding = true;
    if (this.isWhole) return this.#hold.end();
    const detail = 'the body is larger than what is held';
    return Promise.resolve({ kind: 'opaque', detail, raw: this.#hold.raw });
  }

  /** Everything as frames for the upstream, under its number of the stream. */
  frames(id: number, tables: Tables, maxFrameBytes: number): Buffer {
    const parts = [makeHeaders(id, tables.translateHeld(this.#head), false, maxFrameBytes)];
    const body = Buffer.concat(this.#hold.raw);
    const endsWithData = this.isWhole && this.#trailers === null;
    for (let at = 0; at < body.length; at += maxFrameBytes) {
      const isEnd = endsWithData && at + maxFrameBytes >= body.length;
      const part = body.subarray(at, at + maxFrameBytes);
      parts.push(makeFrame(frameTypes.data, isEnd ? flags.endStream : 0, id, part));
    }
    if (endsWithData && body.length === 0)
      parts.push(makeFrame(frameTypes.data, flags.endStream, id, Buffer.alloc(0)));
    if (this.#trailers !== null)
      parts.push(makeHeaders(id, tables.translateHeld(this.#trailers), true, maxFrameBytes));
    if (this.#window > 0) parts.push(makeWindowUpdate(id, this.#window));
    return Buffer.concat(parts);
  }
}

/** The interim answer by which a client may go on. */
export function continueFrames(id: number): Buffer {
  return makeHeaders(id, encodeAnswer([[':status', '100']]), false, 16_384);
}

function sizeOf(block: HpackBlock): number {
  let size = block.bytes.length;
  for (let i = 0; i < block.count; i++) size += block.fields[i]!.size;
  return size;
}

/** All values of the field: of two codings none is passed over. */
function fieldOf(block: HpackBlock, name: string): string {
  const values: string[] = [];
  for (let i = 0; i < block.count; i++)
    if (block.fields[i]!.name === name) values.push(block.fields[i]!.value);
  return values.join(', ');
}
