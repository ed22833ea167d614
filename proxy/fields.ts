// The header fields of a request or an answer by name, whichever version of HTTP brought them, for those who say what
// it means. Nothing is read until it is asked for.

import type { HpackBlock } from './h2/hpack.ts';

/** Values are latin1; several fields of one name are joined by ", " (RFC 9110 §5.3). Names are in lower case. */
export interface Fields {
  header(name: string): string | null;
  /** True when the field stands there more than once. */
  isRepeated(name: string): boolean;
  /** All of them as lines `name: value`. */
  text(): string;
}

/** Fields of a head that the parser has accepted. */
export class HeadFields implements Fields {
  readonly #head: Buffer;
  #text = '';
  /** The same in lower case, where names are looked for. */
  #lower = '';

  constructor(head: Buffer) {
    this.#head = head;
  }

  header(name: string): string | null {
    const first = this.#find(name, 0);
    if (first < 0) return null;
    let value = this.#valueAt(first);
    for (let at = this.#find(name, first); at >= 0; at = this.#find(name, at))
      value += `, ${this.#valueAt(at)}`;
    return value;
  }

  isRepeated(name: string): boolean {
    const first = this.#find(name, 0);
    return first >= 0 && this.#find(name, first) >= 0;
  }

  /** Where the value begins, or -1. A line begins nowhere but behind the end of another. */
  #find(name: string, from: number): number {
    this.#read();
    const key = `\r\n${name}:`;
    const at = this.#lower.indexOf(key, from);
    return at < 0 ? -1 : at + key.length;
  }

  text(): string {
    this.#read();
    return this.#text.slice(this.#text.indexOf('\r\n') + 2);
  }

  #read(): void {
    if (this.#text !== '') return;
    this.#text = this.#head.toString('latin1');
    this.#lower = this.#text.toLowerCase();
  }

  #valueAt(start: number): string {
    return this.#text.slice(start, this.#text.indexOf('\r\n', start)).trim();
  }
}

/** Fields of a decoded block, which is one object for all blocks: `keep` before anything else is decoded. */
export class BlockFields implements Fields {
  #block: HpackBlock | null;
  #kept: (readonly [name: string, value: string])[] = [];

  constructor(block: HpackBlock) {
    this.#block = block;
  }

  /** Copies the fields: the block may be decoded into again. */
  keep(): void {
    const block = this.#block;
    if (block === null) return;
    for (let i = 0; i < block.count; i++) this.#kept.push([block.fields[i]!.name, block.fields[i]!.value]);
    this.#block = null;
  }

  header(name: string): string | null {
    this.keep();
    const values = this.#kept.filter(([known]) => known === name).map(([, value]) => value);
    // RFC 9113 §8.2.3: pieces of a cookie belong together by "; ".
    return values.length === 0 ? null : values.join(name === 'cookie' ? '; ' : ', ');
  }

  isRepeated(name: string): boolean {
    this.keep();
    return this.#kept.filter(([known]) => known === name).length > 1;
  }

  text(): string {
    this.keep();
    const fields = this.#kept.filter(([name]) => !name.startsWith(':'));
    return fields.map(([name, value]) => `${name}: ${value}`).join('\r\n');
  }
}
