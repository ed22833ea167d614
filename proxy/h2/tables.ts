// The header tables of one direction: its blocks are decoded in their order, go on as the bytes that came, and are
// translated from the first one on that was withheld or sent out of turn and left a trace in the table.

import type { HpackBlock, HpackProblem } from './hpack.ts';
import { HpackDecoder } from './hpack.ts';
import { HpackMirror } from './hpack-mirror.ts';
import { makeHeaders } from './frames.ts';

/** Larger tables than this are not agreed on: SETTINGS_HEADER_TABLE_SIZE is lowered to it on its way. */
export const maxTableBytes = 65_536;
const initialTableBytes = 4_096;

/** Decoder, and mirror once it is needed. */
export class Tables {
  readonly #decoder = new HpackDecoder(initialTableBytes);
  #mirror: HpackMirror | null = null;
  #limit = initialTableBytes;
  /** The smallest table that the receiver was promised and has not been told of in a block yet; -1: none. */
  #owed = -1;

  decode(bytes: Buffer, start: number, end: number): HpackBlock | HpackProblem {
    return this.#decoder.decode(bytes, start, end);
  }

  /** The receiver's table size, acknowledged by the sender (RFC 9113 §6.5.3). */
  setLimit(bytes: number): void {
    if (bytes < this.#limit) this.#owed = this.#owed < 0 ? bytes : Math.min(this.#owed, bytes);
    this.#limit = bytes;
    this.#decoder.setLimit(bytes);
    this.#mirror?.setLimit(bytes);
  }

  /** The block that was decoded last does not go on. */
  withhold(block: HpackBlock): false {
    if (this.#mirror === null && block.changesTable) this.#mirror = new HpackMirror(this.#decoder);
    this.#mirror?.withhold(block);
    return false;
  }

  /** The block that was decoded last waits, and others may pass it; a copy of it. */
  hold(block: HpackBlock): HpackBlock {
    this.#mirror ??= new HpackMirror(this.#decoder);
    this.#mirror.withhold(block);
    return block.keep();
  }

  /** The block goes on now: as it came (true), or as these frames. */
  pass(block: HpackBlock, id: number, isLast: boolean, maxFrameBytes: number): true | Buffer {
    this.#owed = -1;
    if (this.#mirror === null) return true;
    return makeHeaders(id, this.#mirror.translate(block), isLast, maxFrameBytes);
  }

  /** A block that was held goes on now; its bytes for the upstream as it is. */
  translateHeld(block: HpackBlock): Buffer {
    // hold() has made the mirror.
    return this.#mirror!.translate(block);
  }

  /** What a block of our own must announce first, once; -1: nothing (RFC 7541 §4.2). */
  takeOwed(): number {
    const owed = this.#owed;
    this.#owed = -1;
    return owed;
  }
}
