// The header fields of a request or an answer by name, whichever version of HTTP brought them, for those who say what
// it means. Nothing is read until it is asked for.

import type { HpackBlock } from './h2/hpack.ts';

/** Values are latin1; several fields of one name are joined by ", " (RFC 9110 §5.3). Names are in lower case. */
export interface Fields {
  header(name: string): string | null;
  /** True when the field stands there more than once. */
  isRepeated(name: string): boolean;
}

/** Fields of a head that the parser has accepted. */
export class HeadFields implements Fields {
  readonly #head: Buffer;
  #lines: readonly string[] | null = null;

  constructor(head: Buffer) {
    this.#head = head;
  }

  header(name: string): string | null {
    const values = this.#find(name);
    return values.length === 0 ? null : values.join(', ');
  }

  isRepeated(name: string): boolean {
    return this.#find(name).length > 1;
  }

  #find(name: string): string[] {
    this.#lines ??= this.#head.toString('latin1').split('\r\n').slice(1);
    return this.#lines.flatMap((line) =>
      line[name.length] === ':' && line.slice(0, name.length).toLowerCase() === name
        ? [line.slice(name.length + 1).trim()]
        : [],
    );
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
}
