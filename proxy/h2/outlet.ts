// One way out of the relay: runs of what arrived go on as they are, frames of our own are put between them at a
// frame's end only, and everything that one chunk led to leaves in one write.

import type { Socket } from 'node:net';

/** The writing side of one socket. */
export class Outlet {
  readonly socket: Socket;
  /** The peer has not been sent the SETTINGS that come first: nothing of ours may go before. */
  isReady = false;
  /** A frame is on its way in part: nothing may be put into it. */
  isInFrame = false;
  readonly #pieces: Buffer[] = [];
  readonly #queue: Buffer[] = [];
  /** Bytes of the frames of our own that wait for a frame's end. */
  waitingBytes = 0;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  /** Appends what arrived between these offsets. */
  pass(bytes: Buffer, start: number, end: number): void {
    if (start >= end) return;
    this.#pieces.push(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end));
  }

  /** Frames of our own: out at the next frame's end, in the order of these calls. */
  inject(frame: Buffer): void {
    this.#queue.push(frame);
    this.waitingBytes += frame.length;
  }

  /** True when frames of our own wait for a frame's end. */
  get isWaiting(): boolean {
    return this.#queue.length > 0;
  }

  /** This frame with everything of our own that waits in front of it. */
  withWaiting(frame: Buffer): Buffer {
    const all = Buffer.concat([...this.#queue, frame]);
    this.#queue.length = 0;
    this.waitingBytes = 0;
    return all;
  }

  /** At a frame's end: what waits is next. */
  settle(): void {
    if (!this.isReady || this.isInFrame || this.#queue.length === 0) return;
    for (const frame of this.#queue) this.#pieces.push(frame);
    this.#queue.length = 0;
    this.waitingBytes = 0;
  }

  /** Writes everything; false when the peer should be given time to read. Answers how much left, too, by `onBytes`. */
  flush(onBytes?: (bytes: number) => void): boolean {
    this.settle();
    const pieces = this.#pieces;
    if (pieces.length === 0) return !this.socket.writableNeedDrain;
    let size = 0;
    for (const piece of pieces) size += piece.length;
    onBytes?.(size);
    if (this.socket.destroyed || this.socket.writableEnded) {
      pieces.length = 0;
      return true;
    }
    let isFree = true;
    if (pieces.length === 1) isFree = this.socket.write(pieces[0]!);
    else {
      this.socket.cork();
      for (const piece of pieces) isFree = this.socket.write(piece);
      this.socket.uncork();
      isFree = !this.socket.writableNeedDrain;
    }
    pieces.length = 0;
    return isFree;
  }
}
