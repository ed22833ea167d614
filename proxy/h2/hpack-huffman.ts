// Huffman decoding of HPACK strings (RFC 7541 section 5.2, appendix B): 12 bits a step, one or two symbols each.
// The code is canonical, so that the symbols of each length, in order, are the whole table.

const symbolsByLength: readonly (readonly [bits: number, symbols: string])[] = [
  [5, '012aceiost'],
  [6, ' %-./3456789=A_bdfghlmnpru'],
  [7, ':BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz'],
  [8, '&*,;XZ'],
  [10, '!"()?'],
  [11, "'+|"],
  [12, '#>'],
  [13, '\x00$@[]~'],
  [14, '^}'],
  [15, '<`{'],
  [19, '\\\xc3\xd0'],
  [20, '\x80\x82\x83\xa2\xb8\xc2\xe0\xe2'],
  [21, '\x99\xa1\xa7\xac\xb0\xb1\xb3\xd1\xd8\xd9\xe3\xe5\xe6'],
  [
    22,
    '\x81\x84\x85\x86\x88\x92\x9a\x9c\xa0\xa3\xa4\xa9\xaa\xad\xb2\xb5\xb9\xba\xbb\xbd\xbe\xc4\xc6\xe4\xe8\xe9',
  ],
  [
    23,
    '\x01\x87\x89\x8a\x8b\x8c\x8d\x8f\x93\x95\x96\x97\x98\x9b\x9d\x9e\xa5\xa6\xa8\xae\xaf\xb4\xb6\xb7\xbc\xbf\xc5\xe7\xef',
  ],
  [24, '\x09\x8e\x90\x91\x94\x9f\xab\xce\xd7\xe1\xec\xed'],
  [25, '\xc7\xcf\xea\xeb'],
  [26, '\xc0\xc1\xc8\xc9\xca\xcd\xd2\xd5\xda\xdb\xee\xf0\xf2\xf3\xff'],
  [27, '\xcb\xcc\xd3\xd4\xd6\xdd\xde\xdf\xf1\xf4\xf5\xf6\xf7\xf8\xfa\xfb\xfc\xfd\xfe'],
  [
    28,
    '\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\x10\x11\x12\x13\x14\x15\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f\xdc\xf9',
  ],
  [30, '\n\r\x16'],
];

const stepBits = 12;
/** Longest string that comes out, in bytes: a header list may be no longer. */
export const maxStringBytes = 65_536;
const output = Buffer.allocUnsafeSlow(maxStringBytes + 2);

/** Symbols of more than 12 bits: first code of each length, and where its symbols start. */
const longLengths: { bits: number; first: number; symbols: string }[] = [];
/** By the next 12 bits: symbol, second symbol, bits of the first, bits of both. 0 where the code is longer. */
const steps = new Uint32Array(1 << stepBits);

function fillSteps(): void {
  const short: { code: number; bits: number; symbol: number }[] = [];
  let code = 0;
  let last = 0;
  for (const [bits, symbols] of symbolsByLength) {
    code *= 2 ** (bits - last);
    last = bits;
    if (bits > stepBits) longLengths.push({ bits, first: code, symbols });
    else
      for (let i = 0; i < symbols.length; i++)
        short.push({ code: code + i, bits, symbol: symbols.charCodeAt(i) });
    code += symbols.length;
  }
  for (const one of short) fillRange(one.code, one.bits, one.symbol | (one.bits << 16) | (one.bits << 20));
  for (const one of short) {
    for (const two of short) {
      const bits = one.bits + two.bits;
      if (bits > stepBits) continue;
      const both = one.symbol | (two.symbol << 8) | (one.bits << 16) | (bits << 20);
      fillRange((one.code << two.bits) | two.code, bits, both);
    }
  }
}

function fillRange(code: number, bits: number, entry: number): void {
  const start = code << (stepBits - bits);
  steps.fill(entry, start, start + (1 << (stepBits - bits)));
}
fillSteps();

/** The symbol and length (symbol * 32 + bits) of a code of 13 to 30 bits at this bit, or -1: the end, or EOS. */
function longSymbol(bytes: Uint8Array, bit: number, endBit: number): number {
  const at = bit >> 3;
  let window = 0;
  for (let i = 0; i < 5; i++) window = window * 256 + (bytes[at + i] ?? 255);
  for (const { bits, first, symbols } of longLengths) {
    const code = Math.floor(window / 2 ** (40 - (bit & 7) - bits)) % 2 ** bits;
    if (code - first >= symbols.length) continue;
    return bit + bits > endBit ? -1 : symbols.charCodeAt(code - first) * 32 + bits;
  }
  return -1;
}

/**
 * The string that these bytes stand for, one character a byte, or null: longer than `limit` (at most
 * `maxStringBytes`), padded by other than up to 7 ones, or with the end-of-string symbol in it.
 */
export function decodeHuffman(bytes: Buffer, start: number, end: number, limit: number): string | null {
  let size = 0;
  let at = start;
  let bits = 0;
  let held = 0;
  for (;;) {
    while (bits <= 24 && at < end) {
      held = (held << 8) | bytes[at++]!;
      bits += 8;
    }
    if (bits < stepBits) break;
    const step = steps[(held >>> (bits - stepBits)) & 0xfff]!;
    if (step === 0) {
      const long = longSymbol(bytes, at * 8 - bits, end * 8);
      if (long < 0) return null;
      output[size++] = long >> 5;
      const next = at * 8 - bits + (long & 31);
      at = next >> 3;
      bits = 0;
      if ((next & 7) > 0) {
        held = bytes[at++]!;
        bits = 8 - (next & 7);
      }
    } else {
      // Both are written; the second is written over when the step holds one only.
      output[size] = step & 255;
      output[size + 1] = (step >> 8) & 255;
      size += ((step >> 16) & 15) === step >>> 20 ? 1 : 2;
      bits -= step >>> 20;
    }
    if (size > limit) return null;
  }
  size = decodeTail(held, bits, size);
  return size < 0 || size > limit ? null : output.toString('latin1', 0, size);
}

/** The last 11 bits or less: their symbols, then up to 7 ones. Answers the size of the output, or -1. */
function decodeTail(held: number, heldBits: number, outputSize: number): number {
  let bits = heldBits;
  let size = outputSize;
  while (bits > 0) {
    const missing = stepBits - bits;
    const step = steps[((held << missing) | ((1 << missing) - 1)) & 0xfff]!;
    const used = (step >> 16) & 15;
    if (used === 0 || used > bits) break;
    output[size++] = step & 255;
    bits -= used;
  }
  const ones = (1 << bits) - 1;
  return bits <= 7 && (held & ones) === ones ? size : -1;
}
