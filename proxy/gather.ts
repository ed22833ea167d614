// Gathers bytes that arrive in pieces until something whole can be read from them. A single piece is
// handed back as it came; more are copied into one growing buffer, so that bytes sent one by one cost
// no more than linear work.

/** A bounded accumulator; the caller checks the length of what `push` returns against its own limit. */
export class Gather {
  #buffer: Buffer | null = null;
  #length = 0;

  /** Everything gathered so far, the new piece included; valid until the next push. */
  push(piece: Buffer): Buffer {
    if (this.#buffer === null) {
      this.#buffer = piece;
      this.#length = piece.length;
      return piece;
    }
    const needed = this.#length + piece.length;
    if (needed > this.#buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed + (needed >> 1), 1024));
      this.#buffer.copy(grown, 0, 0, this.#length);
      this.#buffer = grown;
    }
    piece.copy(this.#buffer, this.#length);
    this.#length = needed;
    return this.#buffer.subarray(0, needed);
  }

  /** Bytes of memory held, which are more than those gathered. */
  get capacity(): number {
    return this.#buffer?.length ?? 0;
  }

  get length(): number {
    return this.#length;
  }

  /** Hands everything out and starts empty; null when there is nothing. */
  take(): Buffer | null {
    const taken = this.#buffer?.subarray(0, this.#length) ?? null;
    this.#buffer = null;
    this.#length = 0;
    return taken;
  }
}
