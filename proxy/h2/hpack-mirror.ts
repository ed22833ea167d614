// What an upstream's HPACK table holds once a block has been withheld from it or sent out of turn, and the
// translation of later blocks to that table. Strings go on as the bytes that came: no Huffman code is made here.

import type { HpackBlock, HpackDecoder } from './hpack.ts';
import { BlockBytes } from './hpack-encode.ts';
import type { HpackField } from './hpack-static.ts';
import { staticFields } from './hpack-static.ts';

const firstDynamic = staticFields.length;

/** Made with the first block that does not go on in its turn, before withhold() or keep() of that block. */
export class HpackMirror {
  #max: number;
  #size = 0;
  /** Sizes of the entries that the upstream holds; the first has number `#oldest`. */
  #sizes: number[] = [];
  #gone = 0;
  #oldest = 0;
  #inserted = 0;
  /** Table sizes that the next block announces, smallest and last; -1: none. */
  #smallest = -1;
  #final = -1;
  readonly #bytes = new BlockBytes();

  /** The upstream's table is the client's as it was before the block that the decoder has just read. */
  constructor(decoder: HpackDecoder) {
    const { entries, max } = decoder.tableBefore();
    this.#max = max;
    for (const entry of entries) this.#insert(entry);
  }

  /** SETTINGS_HEADER_TABLE_SIZE of the upstream, when its acknowledgement goes there. */
  setLimit(bytes: number): void {
    if (bytes < (this.#final < 0 ? this.#max : this.#final)) this.#announce(bytes, bytes);
  }

  /** A block that will not go on, or not now: the table sizes that it announced go with the next one that does. */
  withhold(block: HpackBlock): void {
    if (block.finalTable >= 0) this.#announce(block.smallestTable, block.finalTable);
  }

  /** The block for the upstream: the same fields, in the same form where its table allows. */
  translate(block: HpackBlock): Buffer {
    this.withhold(block);
    this.#writeTableSizes();
    for (let i = 0; i < block.count; i++) {
      const start = block.starts[i]!;
      const end = i + 1 < block.count ? block.starts[i + 1]! : block.end;
      this.#writeField(block, i, start, end);
    }
    return this.#bytes.whole();
  }

  #announce(smallest: number, final: number): void {
    this.#smallest = this.#final < 0 ? smallest : Math.min(this.#smallest, smallest);
    this.#final = final;
  }

  #writeTableSizes(): void {
    if (this.#final < 0) return;
    if (this.#smallest < this.#final) this.#bytes.addInteger(0x20, 0x1f, this.#smallest);
    this.#bytes.addInteger(0x20, 0x1f, this.#final);
    this.#evict(this.#smallest);
    this.#max = this.#final;
    this.#final = -1;
  }

  #writeField(block: HpackBlock, at: number, start: number, end: number): void {
    const first = block.bytes[start]!;
    const field = block.fields[at]!;
    if (first >= 0x80) {
      if (staticFields[first & 0x7f] === field) this.#bytes.addBytes(block.bytes, start, end);
      else this.#writeEntry(field);
      return;
    }
    const name = block.names[at]!;
    if (name === null) this.#bytes.addBytes(block.bytes, start, end);
    else this.#writeLiteral(first, name, block.bytes, block.values[at]!, end);
    if (first >= 0x40) this.#insert(field);
  }

  /** An entry of the client's table: by its index here, else as a literal that makes it one. */
  #writeEntry(field: HpackField): void {
    if (this.#holds(field)) {
      this.#bytes.addInteger(0x80, 0x7f, this.#index(field));
      return;
    }
    this.#bytes.addInteger(0x40, 0x3f, field.staticName);
    if (field.staticName === 0) this.#bytes.addString(field.name);
    this.#bytes.addString(field.value);
    this.#insert(field);
  }

  /** A literal whose name is an entry of the client's table: its kind and the bytes of its value stay. */
  #writeLiteral(first: number, name: HpackField, bytes: Buffer, valueStart: number, end: number): void {
    const mask = first >= 0x40 ? 0x3f : 0x0f;
    const index = this.#holds(name) ? this.#index(name) : name.staticName;
    this.#bytes.addInteger(first & ~mask, mask, index);
    if (index === 0) this.#bytes.addString(name.name);
    this.#bytes.addBytes(bytes, valueStart, end);
  }

  #holds(field: HpackField): boolean {
    return field.upstreamNumber >= this.#oldest;
  }

  #index(field: HpackField): number {
    return firstDynamic + this.#inserted - 1 - field.upstreamNumber;
  }

  #insert(field: HpackField): void {
    this.#evict(this.#max - field.size);
    if (field.size > this.#max) return;
    field.upstreamNumber = this.#inserted++;
    this.#sizes.push(field.size);
    this.#size += field.size;
  }

  #evict(toBytes: number): void {
    while (this.#size > toBytes && this.#oldest < this.#inserted) {
      this.#size -= this.#sizes[this.#gone++]!;
      this.#oldest++;
    }
    if (this.#gone > 64 && this.#gone * 2 > this.#sizes.length) {
      this.#sizes = this.#sizes.slice(this.#gone);
      this.#gone = 0;
    }
  }
}
