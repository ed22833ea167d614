// The decoder of HTTP/2 header blocks (HPACK, RFC 7541): one per direction of a connection. What it reads is
// hostile: it never throws, and every size is bounded. Translation for an upstream is hpack-mirror.ts.

import { decodeHuffman, maxStringBytes } from './hpack-huffman.ts';
import { HpackField, staticFields } from './hpack-static.ts';

/** Why a block cannot be read; the connection is at its end then (COMPRESSION_ERROR). */
export type HpackProblem =
  | 'cut short'
  | 'integer too large'
  | 'string not readable'
  | 'index of no entry'
  | 'table size update out of place'
  | 'table size update missing'
  | 'table size over the limit'
  | 'header list too large';

/** How a field stands in its block (RFC 7541 section 6). */
export type HpackKind = 'indexed' | 'incremental' | 'without' | 'never';

/** Longest header list, by RFC 7541 section 4.1: lengths of names and values, and 32 for each field. */
export const maxListBytes = maxStringBytes;
const firstDynamic = staticFields.length;
const maxInteger = 0x0fff_ffff;

/** One decoded block. Each decoder has one, which holds until its next decode(); `keep` makes a copy that lasts. */
export class HpackBlock {
  /** The fields in order: [0] to [count - 1]; what stands behind is of no meaning. */
  readonly fields: HpackField[] = [];
  count = 0;
  /** Entries that this block added to the table. */
  inserted = 0;
  /** Smallest and last table size that it announced, or -1: none. */
  smallestTable = -1;
  finalTable = -1;
  /** Where the fields stand, for HpackMirror: the bytes, each one's start, and the end of all. */
  bytes: Buffer = Buffer.alloc(0);
  readonly starts: number[] = [];
  end = 0;
  /** For a literal that names an entry of the dynamic table: that entry, and where its value starts. */
  readonly names: (HpackField | null)[] = [];
  readonly values: number[] = [];

  /** True when a peer that has not seen this block has another table than one that has. */
  get changesTable(): boolean {
    return this.inserted > 0 || this.finalTable >= 0;
  }

  /** How the field of this number stands in the block. */
  kind(index: number): HpackKind {
    const first = this.bytes[this.starts[index]!]!;
    return first >= 0x80 ? 'indexed' : first >= 0x40 ? 'incremental' : first >= 0x10 ? 'never' : 'without';
  }

  /** A copy with bytes of its own, without table sizes (HpackMirror.withhold has taken those). */
  keep(): HpackBlock {
    const copy = new HpackBlock();
    const start = this.count === 0 ? this.end : this.starts[0]!;
    copy.bytes = Buffer.from(this.bytes.subarray(start, this.end));
    copy.end = this.end - start;
    copy.count = this.count;
    copy.inserted = this.inserted;
    for (let i = 0; i < this.count; i++) {
      copy.fields.push(this.fields[i]!);
      copy.starts.push(this.starts[i]! - start);
      copy.names.push(this.names[i]!);
      copy.values.push(this.values[i]! - start);
    }
    return copy;
  }
}

/** Decodes the header blocks of one direction in their order. */
export class HpackDecoder {
  #limit: number;
  #max: number;
  /** Smallest limit since the last block that was below the size in use: the next block must not announce more. */
  #owed = -1;
  #size = 0;
  /** Entries are numbered as they come; number n stands at n modulo the length, a power of two. */
  #ring: (HpackField | null)[] = [null, null, null, null, null, null, null, null];
  #inserted = 0;
  #oldest = 0;
  /** As the three above were before the last block, whose evicted entries are still there. */
  #before = { inserted: 0, oldest: 0, max: 0 };
  #problem: HpackProblem | null = null;
  #at = 0;
  readonly #block = new HpackBlock();

  constructor(maxTableBytes: number) {
    this.#limit = maxTableBytes;
    this.#max = maxTableBytes;
  }

  /** SETTINGS_HEADER_TABLE_SIZE of whom the blocks are for, once their sender has acknowledged it. */
  setLimit(bytes: number): void {
    this.#limit = bytes;
    if (bytes < this.#max && (this.#owed < 0 || bytes < this.#owed)) this.#owed = bytes;
  }

  /** The table as it was before the last block: entries from oldest to newest, and its largest size in bytes. */
  tableBefore(): { entries: HpackField[]; max: number } {
    const entries: HpackField[] = [];
    for (let n = this.#before.oldest; n < this.#before.inserted; n++) {
      const entry = this.#ring[n & (this.#ring.length - 1)];
      if (entry) entries.push(entry);
    }
    return { entries, max: this.#before.max };
  }

  /** One whole block (RFC 9113 section 4.3). After a problem every further block has that problem. */
  decode(bytes: Buffer, start: number, end: number): HpackBlock | HpackProblem {
    this.#problem ??= this.#decode(bytes, start, end);
    return this.#problem ?? this.#block;
  }

  #decode(bytes: Buffer, start: number, end: number): HpackProblem | null {
    const block = this.#block;
    this.#begin(bytes);
    this.#at = start;
    const problem = this.#readSizeUpdates(bytes, end);
    if (problem !== null) return problem;
    let count = 0;
    let room = maxListBytes;
    while (this.#at < end) {
      const at = this.#at;
      const field = this.#readField(bytes, end, count, room);
      if (typeof field === 'string') return field;
      room -= field.size;
      if (room < 0) return 'header list too large';
      block.fields[count] = field;
      block.starts[count] = at;
      count++;
    }
    block.end = end;
    this.#forgetRest(count);
    return null;
  }

  #begin(bytes: Buffer): void {
    const block = this.#block;
    const before = this.#before;
    // What the last block evicted is no longer asked for.
    for (let n = before.oldest; n < this.#oldest; n++) this.#ring[n & (this.#ring.length - 1)] = null;
    before.inserted = this.#inserted;
    before.oldest = this.#oldest;
    before.max = this.#max;
    block.bytes = bytes;
    block.inserted = 0;
    block.smallestTable = -1;
    block.finalTable = -1;
  }

  /** Fields of an earlier, longer block are let go of. */
  #forgetRest(count: number): void {
    const block = this.#block;
    for (let i = count; i < block.count; i++) {
      block.fields[i] = staticFields[0]!;
      block.names[i] = null;
    }
    block.count = count;
  }

  #readSizeUpdates(bytes: Buffer, end: number): HpackProblem | null {
    const block = this.#block;
    while (this.#at < end && bytes[this.#at]! >> 5 === 1) {
      const size = this.#readInteger(bytes, end, 0x1f);
      if (size < 0) return integerProblem(size);
      if (size > this.#limit) return 'table size over the limit';
      if (block.finalTable < 0 || size < block.smallestTable) block.smallestTable = size;
      block.finalTable = size;
      this.#max = size;
      this.#evict(size);
    }
    if (this.#owed >= 0) {
      if (block.finalTable < 0 || block.smallestTable > this.#owed) return 'table size update missing';
      this.#owed = -1;
    }
    return null;
  }

  #readField(bytes: Buffer, end: number, at: number, room: number): HpackField | HpackProblem {
    const first = bytes[this.#at]!;
    const block = this.#block;
    block.names[at] = null;
    block.values[at] = 0;
    if (first < 0x40) {
      if (first >= 0x20) return 'table size update out of place';
      return this.#readLiteral(bytes, end, at, room, 0x0f);
    }
    if (first < 0x80) {
      const field = this.#readLiteral(bytes, end, at, room, 0x3f);
      if (typeof field !== 'string') this.#insert(field);
      return field;
    }
    // Most fields of most blocks: an index of one byte.
    let index = first & 0x7f;
    if (index === 0x7f) {
      index = this.#readInteger(bytes, end, 0x7f);
      if (index < 0) return integerProblem(index);
    } else this.#at++;
    return this.#entry(index) ?? 'index of no entry';
  }

  #readLiteral(
    bytes: Buffer,
    end: number,
    at: number,
    room: number,
    mask: number,
  ): HpackField | HpackProblem {
    const index = this.#readInteger(bytes, end, mask);
    if (index < 0) return integerProblem(index);
    let name: string;
    let staticName = 0;
    if (index === 0) {
      const read = this.#readString(bytes, end, room);
      if (read === null) return 'string not readable';
      name = read;
    } else {
      const entry = this.#entry(index);
      if (entry === null) return 'index of no entry';
      name = entry.name;
      staticName = entry.staticName;
      if (index >= firstDynamic) {
        this.#block.names[at] = entry;
        this.#block.values[at] = this.#at;
      }
    }
    const value = this.#readString(bytes, end, room);
    return value === null ? 'string not readable' : new HpackField(name, value, staticName);
  }

  #entry(index: number): HpackField | null {
    if (index < firstDynamic) return index === 0 ? null : staticFields[index]!;
    const number = this.#inserted - 1 - (index - firstDynamic);
    return number < this.#oldest ? null : this.#ring[number & (this.#ring.length - 1)]!;
  }

  /** RFC 7541 section 5.1, or -1: cut short, or -2: too large. */
  #readInteger(bytes: Buffer, end: number, mask: number): number {
    let value = bytes[this.#at++]! & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= 28; shift += 7) {
      if (this.#at >= end) return -1;
      const byte = bytes[this.#at++]!;
      value += (byte & 0x7f) * 2 ** shift;
      if (value > maxInteger) return -2;
      if (byte < 0x80) return value;
    }
    return -2;
  }

  #readString(bytes: Buffer, end: number, room: number): string | null {
    if (this.#at >= end) return null;
    const isHuffman = bytes[this.#at]! >= 0x80;
    const size = this.#readInteger(bytes, end, 0x7f);
    const start = this.#at;
    if (size < 0 || size > end - start) return null;
    this.#at = start + size;
    if (isHuffman) return decodeHuffman(bytes, start, start + size, room);
    return size > room ? null : bytes.toString('latin1', start, start + size);
  }

  #insert(field: HpackField): void {
    this.#block.inserted++;
    this.#evict(this.#max - field.size);
    // An entry larger than the table empties it (RFC 7541 section 4.4).
    if (field.size > this.#max) return;
    if (this.#inserted - this.#before.oldest >= this.#ring.length) this.#grow();
    this.#ring[this.#inserted & (this.#ring.length - 1)] = field;
    this.#inserted++;
    this.#size += field.size;
  }

  #evict(toBytes: number): void {
    while (this.#size > toBytes && this.#oldest < this.#inserted) {
      this.#size -= this.#ring[this.#oldest++ & (this.#ring.length - 1)]!.size;
    }
  }

  #grow(): void {
    const old = this.#ring;
    const next = Array.from<HpackField | null>({ length: old.length * 2 }).fill(null);
    for (let n = this.#before.oldest; n < this.#inserted; n++) {
      next[n & (next.length - 1)] = old[n & (old.length - 1)]!;
    }
    this.#ring = next;
  }
}

const integerProblem = (code: number): HpackProblem => (code === -1 ? 'cut short' : 'integer too large');
