// The content of a chunked body as it passes (RFC 9112 §7.1), for those who read along: its form is the framer's to
// check, which sees the bytes first.

/** Tells content from framing, whatever the pieces in which both arrive. Trailers are none of it. */
export class ChunkContent {
  #size = 0;
  #left = 0;
  /** Bytes of the line end behind a chunk's content. */
  #skip = 0;
  #isDigit = true;
  #isOver = false;

  /** Gives the content among `bytes` from `start` to `end` to `take`, in order. */
  feed(bytes: Buffer, start: number, end: number, take: (content: Buffer) => void): void {
    let at = start;
    while (at < end && !this.#isOver) {
      if (this.#left > 0) {
        const to = Math.min(end, at + this.#left);
        take(bytes.subarray(at, to));
        this.#left -= to - at;
        if (this.#left === 0) this.#skip = 2;
        at = to;
      } else if (this.#skip > 0) {
        this.#skip--;
        at++;
      } else this.#step(bytes[at++]!);
    }
  }

  #step(byte: number): void {
    if (byte === 10) {
      this.#isOver = this.#size === 0;
      this.#left = this.#size;
      this.#size = 0;
      this.#isDigit = true;
      return;
    }
    const digit = this.#isDigit ? Number.parseInt(String.fromCharCode(byte), 16) : Number.NaN;
    if (Number.isNaN(digit)) this.#isDigit = false;
    else this.#size = this.#size * 16 + digit;
  }
}
