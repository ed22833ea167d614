// An answer in a stream that is read as its DATA frames pass: their payload without the padding, in order, and the end
// by a last frame or by trailers.

import type { AnswerReading } from '../answer-reading.ts';
import { Payload } from './payload.ts';

/** What follows the frames of one answer for whoever reads it. */
export class ReadFrames {
  readonly #reading: AnswerReading;
  readonly #payload = new Payload();

  constructor(reading: AnswerReading) {
    this.#reading = reading;
  }

  get heldBytes(): number {
    return this.#reading.heldBytes;
  }

  /** Some of the frame is still to come. */
  get isCut(): boolean {
    return this.#payload.isCut;
  }

  begin(length: number, padBytes: number): void {
    this.#payload.begin(length, padBytes);
  }

  /** A piece of the frame. */
  push(bytes: Buffer, start: number, end: number): void {
    this.#payload.cut(start, end);
    const { from, to } = this.#payload;
    if (to > from) this.#reading.push(bytes, from, to);
  }

  /** The answer is whole: what it tells is in force when this returns. */
  end(): void {
    this.#reading.end();
  }

  drop(): void {
    this.#reading.drop();
  }
}
