// DNS messages in a byte stream (RFC 1035 4.2.2, RFC 7766 8): a two-byte length before each, both split anyhow.
// Holds at most one unfinished message, in memory of its announced length: however it drips, a byte is copied once.

export class FrameReader {
  /** First byte of a length whose second has not come; -1 for none. */
  #high = -1;
  #message: Uint8Array | null = null;
  #filled = 0;

  /** True while part of a message waits for its rest. */
  get isUnfinished(): boolean {
    return this.#high >= 0 || this.#message !== null;
  }

  /** Complete messages in this chunk and what was held before; views of the chunk live as long as it does. */
  push(chunk: Uint8Array): Uint8Array[] {
    const messages: Uint8Array[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (this.#message !== null) {
        at = this.#fill(this.#message, chunk, at, messages);
      } else if (this.#high < 0) {
        this.#high = chunk[at++]!;
      } else {
        const length = (this.#high << 8) | chunk[at++]!;
        this.#high = -1;
        if (at + length <= chunk.length) {
          messages.push(chunk.subarray(at, at + length));
          at += length;
        } else {
          this.#message = new Uint8Array(length);
          this.#filled = 0;
        }
      }
    }
    return messages;
  }

  #fill(message: Uint8Array, chunk: Uint8Array, at: number, messages: Uint8Array[]): number {
    const end = Math.min(chunk.length, at + message.length - this.#filled);
    message.set(chunk.subarray(at, end), this.#filled);
    this.#filled += end - at;
    if (this.#filled === message.length) {
      messages.push(message);
      this.#message = null;
    }
    return end;
  }
}

/** The message behind its length, for one write. */
export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(message.length + 2);
  framed.writeUInt16BE(message.length, 0);
  framed.set(message, 2);
  return framed;
}
