// Finds in one pass where tokens may begin: one table over all beginnings, made state by state as logs need them. A
// beginning counts at the border of a word only, and behind what stands for a border in JSON, URLs and coloured text.

import { readRows, setOf, type Beginning, type ByteSet } from './read-rows.ts';

/** In an entry of the table: a token may have begun, or nobody has been here yet. */
export const begins = 0x4000;
export const unknown = 0x8000;
const maxStates = 0x4000;

const letters = setOf('A-Za-z0-9');
const hex = setOf('0-9A-Fa-f');
const parameters = setOf('0-9;?');
const [backslash, percent, bracket] = [92, 37, 91];
// What the bytes before amount to, besides beginnings under way; their numbers stand below those of beginnings.
const [border, escape, unicode1, unicode4, percent1, percent2, colour, firstPlace] = [0, 1, 2, 5, 6, 7, 8, 9];

interface State {
  /** Sorted: what may be under way. */
  readonly items: readonly number[];
  /** Beginnings that end here. */
  readonly ended: readonly Beginning[];
}

/** The table and its states; one for all logs of a process. Its size is bounded by the rows, whatever logs hold. */
export class TokenMachine {
  readonly classes = new Uint8Array(256);
  readonly #columns: number;
  readonly #samples: number[] = [];
  readonly #beginnings: readonly Beginning[];
  /** Which beginning a place is of, and how far it is. */
  readonly #places: (readonly [beginning: number, at: number])[] = [];
  /** By class of byte, the places of beginnings whose first byte it is; those of the second list need no border. */
  readonly #starts: { readonly atBorder: number[]; readonly anywhere: number[] }[] = [];
  readonly #states: State[] = [];
  readonly #numbers = new Map<string, number>();
  #table = new Uint16Array(0);

  constructor(beginnings: readonly Beginning[] = readRows()) {
    this.#beginnings = beginnings;
    this.#columns = this.#classify();
    for (const sample of this.#samples) this.#starts[this.classes[sample]!] = { atBorder: [], anywhere: [] };
    for (const [index, { sets, token }] of beginnings.entries()) {
      for (const sample of this.#samples) {
        if (sets[0]![sample] !== 1) continue;
        const starts = this.#starts[this.classes[sample]!]!;
        (token.row.isAnywhere === true ? starts.anywhere : starts.atBorder).push(this.#places.length);
      }
      for (let at = 0; at < sets.length; at++) this.#places.push([index, at]);
    }
    this.#numberOf([border], []);
  }

  /** Entries by state and class of byte: `state * columns + classes[byte]`. Read it again after `step`. */
  get table(): Uint16Array {
    return this.#table;
  }

  get columns(): number {
    return this.#columns;
  }

  get states(): number {
    return this.#states.length;
  }

  /** Beginnings that end in this state. */
  endedIn(state: number): readonly Beginning[] {
    return this.#states[state]!.ended;
  }

  /** The entry that was unknown. */
  step(state: number, byte: number): number {
    const byteClass = this.classes[byte]!;
    const entry = this.#follow(this.#states[state]!.items, this.#samples[byteClass]!);
    this.#table[state * this.#columns + byteClass] = entry;
    return entry;
  }

  /** Bytes that no set tells apart are of one class. */
  #classify(): number {
    const sets = new Set<ByteSet>([letters, hex, parameters, setOf('u'), setOf('A-Za-z')]);
    for (const special of ['\\\\', '%', '\\[']) sets.add(setOf(special));
    for (const { sets: own } of this.#beginnings) for (const set of own) sets.add(set);
    const all = [...sets];
    const known = new Map<string, number>();
    for (let byte = 0; byte < 256; byte++) {
      const key = all.map((set) => set[byte]).join('');
      if (!known.has(key)) this.#samples.push(byte);
      known.set(key, known.get(key) ?? known.size);
      this.classes[byte] = known.get(key)!;
    }
    return known.size;
  }

  #follow(items: readonly number[], byte: number): number {
    const next = new Set<number>();
    const ended: Beginning[] = [];
    const advance = (place: number) => {
      const [index, at] = this.#places[place]!;
      const beginning = this.#beginnings[index]!;
      if (beginning.sets[at]![byte] !== 1) return;
      if (at + 1 < beginning.sets.length) next.add(firstPlace + place + 1);
      else ended.push(beginning);
    };
    for (const item of items) {
      if (item >= firstPlace) advance(item - firstPlace);
      else if (item !== border) followBorder(item, byte, next);
    }
    const { atBorder, anywhere } = this.#starts[this.classes[byte]!]!;
    for (const place of anywhere) advance(place);
    if (items.includes(border)) for (const place of atBorder) advance(place);
    if (letters[byte] === 0) next.add(border);
    if (byte === backslash) next.add(escape);
    if (byte === percent) next.add(percent1);
    if (byte === bracket) next.add(colour);
    const number = this.#numberOf(
      [...next].toSorted((a, b) => a - b),
      ended,
    );
    return ended.length === 0 ? number : number | begins;
  }

  #numberOf(items: readonly number[], ended: readonly Beginning[]): number {
    const key = `${items.join()} ${ended.map((beginning) => this.#beginnings.indexOf(beginning)).join()}`;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = this.#states.length;
    // Never reached with these rows (test/platform/logs.test.ts visits every state): the log goes on without.
    if (number >= maxStates) return 0;
    this.#numbers.set(key, number);
    this.#states.push({ items, ended });
    if (this.#states.length * this.#columns > this.#table.length) {
      const larger = new Uint16Array(Math.max(256 * this.#columns, this.#table.length * 2)).fill(unknown);
      larger.set(this.#table);
      this.#table = larger;
    }
    return number;
  }
}

/** `\n`, `\u0026`, `%3D`, `[31m`: a word may begin behind each, although a letter stands there. */
function followBorder(item: number, byte: number, next: Set<number>): void {
  if (item === escape) {
    next.add(border);
    if (byte === 117) next.add(unicode1);
  } else if (item >= unicode1 && item <= unicode4) {
    if (hex[byte] === 1) next.add(item === unicode4 ? border : item + 1);
  } else if (item === percent1 || item === percent2) {
    if (hex[byte] === 1) next.add(item === percent2 ? border : percent2);
  } else if (item === colour) {
    if (parameters[byte] === 1) next.add(colour);
    else if (letters[byte] === 1) next.add(border);
  }
}
