// Reads JSON as it passes, in pieces, for the few values near its root that matter: where they begin and end, and the
// text of short scalars. What lies deeper is only counted, so that a packument of 50 MB costs one pass and no copy.

export type JsonKind = 'object' | 'array' | 'string' | 'other';

/**
 * Called when a value ends, the root's own last. `path` is reused: keys, and indexes of arrays. `text` is the decoded
 * string, or the digits or word, null for containers and for texts of more than `maxTextBytes`. Offsets are bytes from the
 * first: `entry` where the key begins (in arrays the value), `start` and `end` of the value itself.
 */
export type JsonListener = (
  path: readonly (string | number)[],
  kind: JsonKind,
  text: string | null,
  entry: number,
  start: number,
  end: number,
) => void;

/** Containers within containers, beyond which a document is given up. */
export const maxJsonDepth = 512;
export const maxTextBytes = 4096;

const [before, firstInObject, key, colon, firstInArray, after, inString, escaped, inWord, done, failed] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
] as const;

const [objectType, arrayType] = [1, 2] as const;

export class JsonScanner {
  readonly #listener: JsonListener;
  readonly #keepDepth: number;
  readonly #types = new Uint8Array(maxJsonDepth + 1);
  readonly #path: (string | number)[] = [];
  readonly #entries: number[] = [];
  readonly #starts: number[] = [];
  #depth = 0;
  #state: number = before;
  /** Bytes in front of the chunk at hand. */
  #offset = 0;
  #tokenStart = 0;
  #isKey = false;
  #hasEscape = false;
  #parts: Uint8Array[] = [];
  #partBytes = 0;

  /** Values with at most `keepDepth` containers around them are told; 1 are the root's own entries. */
  constructor(keepDepth: number, listener: JsonListener) {
    this.#listener = listener;
    this.#keepDepth = keepDepth;
  }

  /** True once the bytes are no JSON; nothing is told any more. */
  get hasFailed(): boolean {
    return this.#state === failed;
  }

  push(chunk: Uint8Array): void {
    let at = this.#offset === 0 && chunk[0] === 0xef && chunk[1] === 0xbb && chunk[2] === 0xbf ? 3 : 0;
    while (at < chunk.length && this.#state !== failed) {
      if (this.#state === inString) at = this.#scanString(chunk, at);
      else if (this.#state === inWord) at = this.#scanWord(chunk, at);
      else at = this.#step(chunk, at);
    }
    if (this.#isCapturing())
      this.#keepPart(chunk, Math.max(this.#tokenStart - this.#offset, 0), chunk.length);
    this.#offset += chunk.length;
  }

  /** Says whether one whole document has passed. */
  end(): boolean {
    if (this.#state === inWord && this.#depth === 0) this.#endWord(new Uint8Array(0), 0);
    return this.#state === done;
  }

  #isCapturing(): boolean {
    return (
      (this.#state === inString || this.#state === escaped || this.#state === inWord) &&
      this.#depth <= this.#keepDepth
    );
  }

  #keepPart(chunk: Uint8Array, from: number, to: number): void {
    this.#partBytes += to - from;
    if (this.#partBytes <= maxTextBytes) this.#parts.push(chunk.slice(from, to));
  }

  #scanString(chunk: Uint8Array, from: number): number {
    let at = from;
    while (at < chunk.length) {
      const byte = chunk[at]!;
      if (byte === 34) return this.#endString(chunk, at);
      if (byte === 92) {
        this.#hasEscape = true;
        this.#state = escaped;
        return at + 1;
      }
      at++;
    }
    return at;
  }

  #endString(chunk: Uint8Array, at: number): number {
    this.#state = this.#isKey ? colon : after;
    const text = this.#depth <= this.#keepDepth ? this.#readText(chunk, at) : null;
    if (this.#isKey) {
      if (this.#depth <= this.#keepDepth) {
        this.#path[this.#depth - 1] = text ?? '';
        this.#entries[this.#depth] = this.#tokenStart - 1;
      }
    } else if (this.#state === after) this.#endValue('string', text, this.#offset + at + 1);
    return at + 1;
  }

  #readText(chunk: Uint8Array, end: number): string | null {
    const from = Math.max(this.#tokenStart - this.#offset, 0);
    const isShort = this.#partBytes + end - from <= maxTextBytes;
    const text = isShort ? Buffer.concat([...this.#parts, chunk.subarray(from, end)]).toString('utf8') : null;
    if (text === null || !this.#hasEscape) return text;
    try {
      return String(JSON.parse(`"${text}"`));
    } catch {
      this.#state = failed;
      return null;
    }
  }

  #scanWord(chunk: Uint8Array, from: number): number {
    let at = from;
    while (at < chunk.length && isWordByte(chunk[at]!)) at++;
    if (at < chunk.length) this.#endWord(chunk, at);
    return at;
  }

  #endWord(chunk: Uint8Array, at: number): void {
    const text = this.#depth <= this.#keepDepth ? this.#readText(chunk, at) : null;
    if (text !== null && !isWord(text)) {
      this.#state = failed;
      return;
    }
    this.#state = after;
    this.#endValue('other', text, this.#offset + at);
  }

  /** One byte between tokens. */
  #step(chunk: Uint8Array, at: number): number {
    const byte = chunk[at]!;
    if (this.#state === escaped) {
      this.#state = inString;
      return at + 1;
    }
    if (byte === 32 || byte === 10 || byte === 13 || byte === 9) return at + 1;
    const state = this.#state;
    if (state === after) return this.#stepAfter(byte, at);
    if (state === colon) {
      this.#state = byte === 58 ? before : failed;
      return at + 1;
    }
    if (state === firstInObject || state === key) {
      if (byte === 34) this.#startString(at, true);
      else if (byte === 125 && state === firstInObject) this.#close(objectType, at);
      else this.#state = failed;
      return at + 1;
    }
    if (state === firstInArray && byte === 93) {
      this.#close(arrayType, at);
      return at + 1;
    }
    if (state === before || state === firstInArray) return this.#startValue(byte, at);
    this.#state = failed;
    return at + 1;
  }

  #stepAfter(byte: number, at: number): number {
    const type = this.#types[this.#depth];
    if (byte === 44 && this.#depth > 0) {
      this.#state = type === objectType ? key : before;
      if (type === arrayType && this.#depth <= this.#keepDepth) {
        this.#path[this.#depth - 1] = Number(this.#path[this.#depth - 1]) + 1;
      }
    } else if (byte === 125 && type === objectType) this.#close(objectType, at);
    else if (byte === 93 && type === arrayType) this.#close(arrayType, at);
    else this.#state = failed;
    return at + 1;
  }

  #startValue(byte: number, at: number): number {
    const start = this.#offset + at;
    if (this.#depth <= this.#keepDepth) {
      this.#starts[this.#depth] = start;
      if (this.#depth === 0 || this.#types[this.#depth] === arrayType) this.#entries[this.#depth] = start;
    }
    if (byte === 34) this.#startString(at, false);
    else if (byte === 123) this.#open(objectType);
    else if (byte === 91) this.#open(arrayType);
    else if (isWordByte(byte)) {
      this.#startToken(start, inWord);
      return at;
    } else this.#state = failed;
    return at + 1;
  }

  #startString(at: number, isKey: boolean): void {
    this.#isKey = isKey;
    this.#startToken(this.#offset + at + 1, inString);
  }

  #startToken(start: number, state: number): void {
    this.#tokenStart = start;
    this.#hasEscape = false;
    this.#parts = [];
    this.#partBytes = 0;
    this.#state = state;
  }

  #open(type: number): void {
    if (this.#depth >= maxJsonDepth) {
      this.#state = failed;
      return;
    }
    this.#depth++;
    this.#types[this.#depth] = type;
    this.#state = type === objectType ? firstInObject : firstInArray;
    if (type === arrayType && this.#depth <= this.#keepDepth) this.#path[this.#depth - 1] = 0;
  }

  #close(type: number, at: number): void {
    this.#depth--;
    this.#state = after;
    this.#endValue(type === objectType ? 'object' : 'array', null, this.#offset + at + 1);
  }

  #endValue(kind: JsonKind, text: string | null, end: number): void {
    const depth = this.#depth;
    if (depth === 0 && this.#state === after) this.#state = done;
    if (depth > this.#keepDepth || this.#state === failed) return;
    this.#path.length = depth;
    this.#listener(this.#path, kind, text, this.#entries[depth]!, this.#starts[depth]!, end);
  }
}

function isWordByte(byte: number): boolean {
  return (
    (byte >= 48 && byte <= 57) ||
    (byte >= 97 && byte <= 122) ||
    byte === 45 ||
    byte === 43 ||
    byte === 46 ||
    byte === 69
  );
}

function isWord(text: string): boolean {
  return /^(?:true|false|null|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)$/.test(text);
}
