// Which bytes of a DATA frame are payload, as the frame arrives in pieces: not the length of its padding, which comes
// first, and not the padding, which comes last (RFC 9113 §6.1).

/** Follows one frame after the other; `from` and `to` are offsets of the payload in the piece that was cut last. */
export class Payload {
  from = 0;
  to = 0;
  #skip = 0;
  #left = 0;
  #tail = 0;

  begin(length: number, padBytes: number): void {
    this.#skip = padBytes > 0 ? 1 : 0;
    this.#tail = padBytes > 0 ? padBytes - 1 : 0;
    this.#left = length - padBytes;
  }

  /** A piece of the frame, from `start` to `end`. */
  cut(start: number, end: number): void {
    this.from = Math.min(end, start + this.#skip);
    this.#skip -= this.from - start;
    this.to = Math.min(end, this.from + this.#left);
    this.#left -= this.to - this.from;
    this.#tail -= end - this.to;
  }

  /** Some of the frame is still to come. */
  get isCut(): boolean {
    return this.#skip + this.#left + this.#tail > 0;
  }
}
