// HPACK as RFC 7541 says it, word for word and slowly: an encoder that takes any form that is allowed, and a
// decoder with a table of its own. It shares nothing with proxy/h2/.

export type Field = readonly [name: string, value: string];
export type Form = 'indexed' | 'incremental' | 'without' | 'never';
/** A number from 0 to `below` - 1. */
export type Random = (below: number) => number;

/** RFC 7541 appendix A. */
const staticTable: readonly Field[] = (
  ':authority|:method GET|:method POST|:path /|:path /index.html|:scheme http|:scheme https|:status 200|:status 204|' +
  ':status 206|:status 304|:status 400|:status 404|:status 500|accept-charset|accept-encoding gzip, deflate|' +
  'accept-language|accept-ranges|accept|access-control-allow-origin|age|allow|authorization|cache-control|' +
  'content-disposition|content-encoding|content-language|content-length|content-location|content-range|content-type|' +
  'cookie|date|etag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range|if-unmodified-since|' +
  'last-modified|link|location|max-forwards|proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after|' +
  'server|set-cookie|strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate'
)
  .split('|')
  .map((row) => {
    const space = row.indexOf(' ');
    return space < 0 ? [row, ''] : [row.slice(0, space), row.slice(space + 1)];
  });

/** RFC 7541 appendix B: the bits of each symbol's code, by symbol; 256 is the end of the string. */
const codeBits: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28,
  28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7,
  8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19,
  13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13,
  28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21,
  22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23,
  22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25,
  25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];
/** Each symbol's code as a string of ones and zeros. */
export const huffmanCodes: readonly string[] = assignCodes();
const symbols = new Map(huffmanCodes.map((code, symbol) => [code, symbol]));

function assignCodes(): string[] {
  const codes: string[] = [];
  let next = 0;
  for (let bits = 1; bits <= 30; bits++) {
    next *= 2;
    for (const [symbol, length] of codeBits.entries()) {
      if (length === bits) codes[symbol] = (next++).toString(2).padStart(bits, '0');
    }
  }
  return codes;
}

export function encodeInteger(first: number, prefixBits: number, value: number): number[] {
  const most = 2 ** prefixBits - 1;
  if (value < most) return [first | value];
  const bytes = [first | most];
  let rest = value - most;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return [...bytes, rest];
}

export function encodeString(text: string, isHuffman: boolean): number[] {
  if (!isHuffman) return [...encodeInteger(0, 7, text.length), ...Buffer.from(text, 'latin1')];
  let bits = '';
  for (let i = 0; i < text.length; i++) bits += huffmanCodes[text.charCodeAt(i)];
  while (bits.length % 8 !== 0) bits += '1';
  const bytes = [];
  for (let i = 0; i < bits.length; i += 8) bytes.push(Number.parseInt(bits.slice(i, i + 8), 2));
  return [...encodeInteger(0x80, 7, bytes.length), ...bytes];
}

/** The two tables as one list (RFC 7541 section 2.3.3), newest dynamic entry first. */
class Table {
  max = 4096;
  dynamic: Field[] = [];
  at(index: number): Field | undefined {
    return index <= 61 ? staticTable[index - 1] : this.dynamic[index - 62];
  }
  add(field: Field): void {
    this.dynamic.unshift(field);
    this.shrink();
  }
  shrink(): void {
    while (this.size > this.max) this.dynamic.pop();
  }
  get size(): number {
    return this.dynamic.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
  }
  find(is: (field: Field) => boolean): number {
    const fixed = staticTable.findIndex(is);
    if (fixed >= 0) return fixed + 1;
    const own = this.dynamic.findIndex(is);
    return own < 0 ? 0 : own + 62;
  }
}

const starts = { incremental: [0x40, 6], without: [0, 4], never: [0x10, 4] } as const;
const forms = ['indexed', 'incremental', 'without', 'never'] as const;

export class NaiveEncoder {
  readonly table = new Table();
  /** A block of these fields in forms taken at random, after the table sizes given. Answers the forms too. */
  encode(
    fields: readonly Field[],
    sizes: readonly number[],
    random: Random,
  ): { block: Buffer; forms: Form[] } {
    const bytes: number[] = [];
    for (const size of sizes) {
      bytes.push(...encodeInteger(0x20, 5, size));
      this.table.max = size;
      this.table.shrink();
    }
    const used: Form[] = [];
    for (const field of fields) {
      const index = this.table.find(([name, value]) => name === field[0] && value === field[1]);
      const form = index > 0 && random(4) > 0 ? 'indexed' : forms[1 + random(3)]!;
      used.push(form);
      if (form === 'indexed') bytes.push(...encodeInteger(0x80, 7, index));
      else bytes.push(...this.#literal(field, form, random));
    }
    return { block: Buffer.from(bytes), forms: used };
  }

  #literal(field: Field, form: keyof typeof starts, random: Random): number[] {
    const [first, prefixBits] = starts[form];
    const index = random(8) === 0 ? 0 : this.table.find(([name]) => name === field[0]);
    if (form === 'incremental') this.table.add(field);
    return [
      ...encodeInteger(first, prefixBits, index),
      ...(index === 0 ? encodeString(field[0], random(2) === 0) : []),
      ...encodeString(field[1], random(2) === 0),
    ];
  }
}

/** Throws on whatever RFC 7541 does not allow. */
export class NaiveDecoder {
  readonly table = new Table();
  limit = 4096;
  /** Table sizes that the last block announced. */
  sizes: number[] = [];
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  decode(block: Buffer): { fields: Field[]; forms: Form[] } {
    this.#bytes = block;
    this.#at = 0;
    this.sizes = [];
    const fields: Field[] = [];
    const used: Form[] = [];
    while (this.#at < block.length) {
      const first = block[this.#at]!;
      if (first >= 32 && first < 64) {
        if (fields.length > 0) throw new Error('a table size behind a field');
        this.table.max = this.#integer(5);
        this.sizes.push(this.table.max);
        if (this.table.max > this.limit) throw new Error('a table size over the limit');
        this.table.shrink();
        continue;
      }
      const form = first >= 128 ? 'indexed' : first >= 64 ? 'incremental' : first >= 16 ? 'never' : 'without';
      const field = form === 'indexed' ? this.#entry(this.#integer(7)) : this.#literal(starts[form][1]);
      if (form === 'incremental') this.table.add(field);
      fields.push(field);
      used.push(form);
    }
    return { fields, forms: used };
  }

  #literal(prefixBits: number): Field {
    const index = this.#integer(prefixBits);
    const name = index === 0 ? this.#string() : this.#entry(index)[0];
    return [name, this.#string()];
  }

  #entry(index: number): Field {
    const entry = this.table.at(index);
    if (entry === undefined) throw new Error(`no entry ${index}`);
    return entry;
  }

  #integer(prefixBits: number): number {
    const most = 2 ** prefixBits - 1;
    let value = this.#bytes[this.#at++]! & most;
    if (value < most) return value;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new Error('cut short');
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  }

  #string(): string {
    const isHuffman = this.#bytes[this.#at]! >= 128;
    const size = this.#integer(7);
    const bytes = this.#bytes.subarray(this.#at, this.#at + size);
    if (bytes.length < size) throw new Error('cut short');
    this.#at += size;
    return isHuffman ? naiveHuffman(bytes) : bytes.toString('latin1');
  }
}

function naiveHuffman(bytes: Buffer): string {
  let text = '';
  let code = '';
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      code += (byte >> bit) & 1;
      const symbol = code.length < 5 ? undefined : symbols.get(code);
      if (symbol === undefined) continue;
      text += String.fromCharCode(symbol);
      code = '';
    }
  }
  if (code.length > 7 || code.includes('0')) throw new Error('padding');
  return text;
}
