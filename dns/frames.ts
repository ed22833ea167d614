// DNS messages in a byte stream (RFC 1035 4.2.2, RFC 7766 8): a two-byte length before each, both split anyhow.
// Holds at most one unfinished message.

export class FrameReader {
  #held: Uint8Array = new Uint8Array(0);

  /** True while part of a message waits for its rest. */
  get isUnfinished(): boolean {
    return this.#held.length > 0;
  }

  /** Complete messages in this chunk and what was held before; each is a view that lives until the next call. */
  push(chunk: Uint8Array): Uint8Array[] {
    const all = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const messages: Uint8Array[] = [];
    let at = 0;
    while (at + 2 <= all.length) {
      const end = at + 2 + ((all[at]! << 8) | all[at + 1]!);
      if (end > all.length) break;
      messages.push(all.subarray(at + 2, end));
      at = end;
    }
    this.#held = at === all.length ? new Uint8Array(0) : all.slice(at);
    return messages;
  }
}

/** The message behind its length, for one write. */
export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(message.length + 2);
  framed.writeUInt16BE(message.length, 0);
  framed.set(message, 2);
  return framed;
}
