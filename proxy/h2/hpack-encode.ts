// Header blocks of our own (RFC 7541): literals without indexing, which leave the other side's table as it is.

import { staticNames } from './hpack-static.ts';

/** One header list as a block that changes no table: `[name, value]` pairs in order, names in lower case. */
export function encodeAnswer(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  const bytes = new BlockBytes();
  for (const [name, value] of fields) {
    const index = staticNames.get(name) ?? 0;
    bytes.addInteger(0, 0x0f, index);
    if (index === 0) bytes.addString(name);
    bytes.addString(value);
  }
  return bytes.whole();
}

/** A dynamic table size update (RFC 7541 section 6.3), for the head of a block. */
export function encodeTableSize(sizeBytes: number): Buffer {
  const bytes = new BlockBytes();
  bytes.addInteger(0x20, 0x1f, sizeBytes);
  return bytes.whole();
}

/** A header block as it is put together. */
export class BlockBytes {
  #bytes = Buffer.allocUnsafe(512);
  #size = 0;

  /** An integer behind the bits of `first` (RFC 7541 section 5.1); `mask`: the bits that it may take of the byte. */
  addInteger(first: number, mask: number, value: number): void {
    const bytes = this.#room(6);
    if (value < mask) {
      bytes[this.#size++] = first | value;
      return;
    }
    bytes[this.#size++] = first | mask;
    let rest = value - mask;
    while (rest >= 0x80) {
      bytes[this.#size++] = 0x80 | (rest & 0x7f);
      rest >>>= 7;
    }
    bytes[this.#size++] = rest;
  }

  /** A string without Huffman code, one byte a character. */
  addString(text: string): void {
    this.addInteger(0, 0x7f, text.length);
    this.#size += this.#room(text.length).write(text, this.#size, 'latin1');
  }

  addBytes(from: Buffer, start: number, end: number): void {
    this.#size += from.copy(this.#room(end - start), this.#size, start, end);
  }

  /** All of it as a buffer of its own; the next block starts empty. */
  whole(): Buffer {
    const whole = Buffer.from(this.#bytes.subarray(0, this.#size));
    this.#size = 0;
    return whole;
  }

  #room(bytes: number): Buffer {
    if (this.#size + bytes > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(2 * (this.#size + bytes));
      this.#bytes.copy(larger, 0, 0, this.#size);
      this.#bytes = larger;
    }
    return this.#bytes;
  }
}
