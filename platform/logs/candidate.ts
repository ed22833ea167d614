// One token that may be under way in a log: how far it is, and what its characters are like. Of these it keeps none.

import type { Beginning, ByteSet, Run } from './read-rows.ts';
import type { Randomness } from './token-row.ts';

export const more = 0;
export const found = 1;
export const none = 2;
export type Outcome = typeof more | typeof found | typeof none;

const minDistinct = 8;
const example = Buffer.from('EXAMPLE');
/** Of each byte: a digit, upper or lower case; and a bit of its own among 64, case aside. */
const kindOf = new Uint8Array(256);
const lowBit = new Int32Array(256);
const highBit = new Int32Array(256);
for (let byte = 0; byte < 128; byte++) {
  kindOf[byte] = isIn(byte, 48, 57) ? 1 : isIn(byte, 65, 90) ? 2 : isIn(byte, 97, 122) ? 4 : 0;
  (byte < 64 ? lowBit : highBit)[byte] = 1 << (byte & 31);
}
const digit = 1;
const upperCase = 2;
const everyKind = 7;

export class Candidate {
  readonly beginning: Beginning;
  /** Of its first byte. */
  readonly offset: number;
  readonly slug: string;
  /** It is kept aside to be compared with the job's own. */
  isKept = false;
  #run = 0;
  #isNear = false;
  #passed = 0;
  #set: ByteSet;
  #min = 0;
  #max = 0;
  #count = 0;
  #length = 0;
  #kinds = 0;
  #low = 0;
  #high = 0;
  #percents = 0;
  /** How much of the word by which documentation marks its own. */
  #example = 0;

  constructor(beginning: Beginning, offset: number) {
    this.beginning = beginning;
    this.offset = offset;
    this.slug = beginning.token.row.slug;
    const { runs, near } = beginning.token;
    this.#set = (runs[0] ?? near!.run).set;
    if (runs.length > 0) this.#expect(runs[0]!);
    else this.#search(near!.run);
  }

  /** The next byte. */
  take(byte: number): Outcome {
    if (this.#isNear) this.#passed++;
    if (this.#set[byte] === 1 && this.#count < this.#max) {
      this.#note(byte);
      return more;
    }
    return this.#isNear ? this.#leaveNear() : this.#leaveRun(byte);
  }

  /** True where it would count if the log ended here. */
  get isWhole(): boolean {
    const { runs, near } = this.beginning.token;
    if (this.#count < this.#min || this.#count > this.#mayBe) return false;
    if (this.#isNear) return this.#isRandom('strict');
    return near === null && this.#run === runs.length - 1 && this.#isToken;
  }

  /** Longest that counts: a run that is searched for may grow beyond it and does not count then. */
  get #mayBe(): number {
    return this.#isNear ? this.beginning.token.near!.run.max : this.#max;
  }

  #expect({ set, min, max }: Run): void {
    this.#set = set;
    this.#min = min;
    this.#max = max;
    this.#count = 0;
  }

  #search(run: Run): void {
    this.#expect(run);
    this.#max = Number.MAX_SAFE_INTEGER;
    this.#isNear = true;
    this.#forget();
  }

  #leaveRun(byte: number): Outcome {
    const { runs, near, row } = this.beginning.token;
    if (this.#count < this.#min) return none;
    const next = runs[this.#run + 1];
    if (next !== undefined) {
      this.#run++;
      this.#expect(next);
      return this.take(byte);
    }
    if (row.isBounded === true && kindOf[byte] !== 0) return none;
    if (!this.#isToken) return none;
    if (near === null) return found;
    this.#search(near.run);
    return this.take(byte);
  }

  #leaveNear(): Outcome {
    const { run, withinBytes } = this.beginning.token.near!;
    if (this.#count >= run.min && this.#count <= run.max && this.#isRandom('strict')) return found;
    if (this.#passed > withinBytes) return none;
    if (this.#count > 0) this.#forget();
    return more;
  }

  #forget(): void {
    this.#count = 0;
    this.#length = 0;
    this.#kinds = 0;
    this.#low = 0;
    this.#high = 0;
    this.#percents = 0;
    this.#example = 0;
  }

  #note(byte: number): void {
    this.#count++;
    this.#length++;
    const kind = kindOf[byte]!;
    this.#kinds |= kind;
    this.#low |= lowBit[byte]!;
    this.#high |= highBit[byte]!;
    if (byte === 37) this.#percents++;
    if (this.#example === example.length || (kind !== upperCase && this.#example === 0)) return;
    if (byte === example[this.#example]) this.#example++;
    else this.#example = byte === example[0] ? 1 : 0;
  }

  get #isToken(): boolean {
    const { randomness = 'mixed', decodedLengths } = this.beginning.token.row;
    if (decodedLengths?.includes(this.#length - 2 * this.#percents) === false) return false;
    return this.#isRandom(randomness);
  }

  /** No placeholder: `xxxx`, `****`, `your-token-here`. */
  #isRandom(randomness: Randomness): boolean {
    if (this.#example === example.length) return false;
    const distinct = bitsOf(this.#low) + bitsOf(this.#high);
    // A name besides its secret, which is looked at with more care.
    if (randomness === 'any') return distinct >= minDistinct - 2;
    const isMixed = (this.#kinds & digit) !== 0 || (this.#kinds & 6) === 6;
    return distinct >= minDistinct && (randomness === 'strict' ? this.#kinds === everyKind : isMixed);
  }
}

function isIn(byte: number, first: number, last: number): boolean {
  return byte >= first && byte <= last;
}

function bitsOf(word: number): number {
  let count = 0;
  for (let rest = word; rest !== 0; rest &= rest - 1) count++;
  return count;
}
