// Finds single values in JSON bytes (RFC 8259) without making the rest of them: what is not asked for is never decoded,
// so that a secret beside it is never copied. Nothing here throws; bytes that are no JSON are null.

/** A value: where it begins, and where it ends (exclusive). */
export interface JsonSpan {
  readonly start: number;
  readonly end: number;
}

/** An entry of an object, or of an array (then without a key). */
export interface JsonEntry extends JsonSpan {
  readonly key: JsonSpan | null;
}

/** Containers within containers, beyond which a document is given up. */
const maxDepth = 256;
const maxKeyBytes = 256;

const [quote, backslash, comma, colon] = [34, 92, 44, 58];
const [openArray, closeArray, openObject, closeObject] = [91, 93, 123, 125];

/** The one value that the bytes are, white space around it aside; null when they are not one whole document. */
export function wholeDocument(bytes: Buffer): JsonSpan | null {
  const hasMark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  const start = skipSpace(bytes, hasMark ? 3 : 0);
  const end = endOfValue(bytes, start);
  return end !== null && skipSpace(bytes, end) === bytes.length ? { start, end } : null;
}

/** The entries of an object or array, in order; none for any other value. The span must be of `wholeDocument`. */
export function* entriesOf(bytes: Buffer, { start, end }: JsonSpan): Generator<JsonEntry> {
  const isObject = bytes[start] === openObject;
  if (!isObject && bytes[start] !== openArray) return;
  let at = skipSpace(bytes, start + 1);
  while (at < end - 1) {
    let key: JsonSpan | null = null;
    if (isObject) {
      key = { start: at, end: endOfString(bytes, at) ?? end };
      at = skipSpace(bytes, skipSpace(bytes, key.end) + 1);
    }
    const valueEnd = endOfValue(bytes, at);
    if (valueEnd === null) return;
    yield { key, start: at, end: valueEnd };
    at = skipSpace(bytes, skipSpace(bytes, valueEnd) + 1);
  }
}

/**
 * Values of an object by their keys, which are compared without case (the readers of these messages do so). Only the
 * keys that are asked for; one that stands there twice is null in place of a guess.
 */
export function pick<K extends string>(
  bytes: Buffer,
  span: JsonSpan | null,
  ...keys: readonly K[]
): Partial<Record<K, JsonSpan | null>> {
  const found: Partial<Record<K, JsonSpan | null>> = {};
  if (span === null) return found;
  const names = new Map(keys.map((key) => [key.toLowerCase(), key]));
  for (const { key, start, end } of entriesOf(bytes, span)) {
    const name = names.get(textOf(bytes, key, maxKeyBytes)?.toLowerCase() ?? '');
    if (name !== undefined) found[name] = name in found ? null : { start, end };
  }
  return found;
}

/** A string's text, or null for other values and for longer texts. Lone surrogates become U+FFFD. */
export function textOf(bytes: Buffer, span: JsonSpan | null | undefined, maxBytes = 4096): string | null {
  if (span === null || span === undefined || bytes[span.start] !== quote) return null;
  if (span.end - span.start > maxBytes + 2) return null;
  const raw = bytes.toString('utf8', span.start, span.end);
  if (!raw.includes('\\')) return raw.slice(1, -1);
  try {
    return String(JSON.parse(raw)).toWellFormed();
  } catch {
    // An escape that is none.
    return null;
  }
}

/**
 * A string's text as UTF-8 bytes, which whoever asked can erase; null for other values, for escapes that are none, and
 * for what is longer. Lone surrogates become U+FFFD.
 */
export function textBytesOf(
  bytes: Buffer,
  span: JsonSpan | null | undefined,
  maxBytes: number,
): Buffer | null {
  if (span === null || span === undefined || bytes[span.start] !== quote) return null;
  if (span.end - span.start > maxBytes + 2) return null;
  const text = Buffer.alloc(span.end - span.start);
  const size = unescapeInto(text, bytes, span.start + 1, span.end - 1);
  if (size >= 0) return text.subarray(0, size);
  text.fill(0);
  return null;
}

const plainEscapes: Readonly<Record<number, number>> = {
  34: 34,
  47: 47,
  92: 92,
  98: 8,
  102: 12,
  110: 10,
  114: 13,
  116: 9,
};

/** No escape is shorter than what it stands for. Answers how long the text is, or -1. */
function unescapeInto(text: Buffer, bytes: Buffer, start: number, end: number): number {
  let [at, size] = [start, 0];
  while (at < end) {
    const next = bytes.indexOf(backslash, at);
    const plainEnd = next < 0 || next > end ? end : next;
    size += bytes.copy(text, size, at, plainEnd);
    if (plainEnd === end) return size;
    const escape = bytes[plainEnd + 1] ?? 0;
    const plain = plainEscapes[escape];
    at = plainEnd + 2;
    if (plain !== undefined) text[size++] = plain;
    else if (escape !== 117) return -1;
    else {
      const unit = hexAt(bytes, at);
      if (unit < 0) return -1;
      at += 4;
      const isHigh = unit >= 0xd800 && unit < 0xdc00 && bytes[at] === backslash && bytes[at + 1] === 117;
      const low = isHigh ? hexAt(bytes, at + 2) : -1;
      const isPair = low >= 0xdc00 && low < 0xe000;
      if (isPair) at += 6;
      const point = isPair ? 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00) : unit;
      size += text.write(String.fromCodePoint(point).toWellFormed(), size, 'utf8');
    }
  }
  return size;
}

function hexAt(bytes: Buffer, at: number): number {
  const text = bytes.toString('latin1', at, at + 4);
  return /^[0-9A-Fa-f]{4}$/.test(text) ? Number.parseInt(text, 16) : -1;
}

/** A word or number as it stands there: `true`, `null`, `-1.5e3`; null for other values. */
export function wordOf(bytes: Buffer, span: JsonSpan | null | undefined): string | null {
  if (span === null || span === undefined || span.end - span.start > 64) return null;
  const text = bytes.toString('latin1', span.start, span.end);
  return wordForm.test(text) ? text : null;
}

/** True for a boolean `true`, false for `false`, null for anything else. */
export function flagOf(bytes: Buffer, span: JsonSpan | null | undefined): boolean | null {
  const word = wordOf(bytes, span);
  return word === 'true' ? true : word === 'false' ? false : null;
}

const wordForm = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/;

function skipSpace(bytes: Buffer, from: number): number {
  let at = from;
  while (bytes[at] === 32 || bytes[at] === 10 || bytes[at] === 13 || bytes[at] === 9) at++;
  return at;
}

function endOfString(bytes: Buffer, from: number): number | null {
  if (bytes[from] !== quote) return null;
  for (let at = from + 1; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === quote) return at + 1;
    if (byte < 32) return null;
    if (byte === backslash) at++;
  }
  return null;
}

function endOfWord(bytes: Buffer, from: number): number | null {
  let at = from;
  while (at < bytes.length && at - from < 64 && /[\w.+-]/.test(String.fromCharCode(bytes[at]!))) at++;
  return wordForm.test(bytes.toString('latin1', from, at)) ? at : null;
}

const endOfScalar = (bytes: Buffer, at: number): number | null =>
  bytes[at] === quote ? endOfString(bytes, at) : endOfWord(bytes, at);

/** Where the value ends that begins here; checks the whole grammar but for escapes, without recursion. */
function endOfValue(bytes: Buffer, from: number): number | null {
  const closers: number[] = [];
  let at = from;
  for (;;) {
    const byte = bytes[at];
    if (byte === openObject || byte === openArray) {
      const closer = byte === openObject ? closeObject : closeArray;
      if (closers.push(closer) > maxDepth) return null;
      at = skipSpace(bytes, at + 1);
      if (bytes[at] !== closer) {
        const begun = closer === closeObject ? skipKey(bytes, at) : at;
        if (begun === null) return null;
        at = begun;
        continue;
      }
    } else {
      const end = endOfScalar(bytes, at);
      if (end === null) return null;
      at = end - 1;
    }
    // The value whose last byte is at `at` is whole: so may be those around it.
    const next = afterValue(bytes, at, closers);
    if (next === null) return null;
    if (closers.length === 0) return next;
    at = next;
  }
}

/** Leaves the containers that end here; answers where the next value begins, or what follows the outermost one. */
function afterValue(bytes: Buffer, last: number, closers: number[]): number | null {
  let at = last;
  for (;;) {
    if (bytes[at] === closers.at(-1) && (bytes[at] === closeObject || bytes[at] === closeArray))
      closers.pop();
    if (closers.length === 0) return at + 1;
    at = skipSpace(bytes, at + 1);
    if (bytes[at] === closers.at(-1)) continue;
    if (bytes[at] !== comma) return null;
    at = skipSpace(bytes, at + 1);
    return closers.at(-1) === closeObject ? skipKey(bytes, at) : at;
  }
}

/** Where the value of the key begins that stands here. */
function skipKey(bytes: Buffer, from: number): number | null {
  const end = endOfString(bytes, from);
  if (end === null) return null;
  const at = skipSpace(bytes, end);
  return bytes[at] === colon ? skipSpace(bytes, at + 1) : null;
}
