// Looks through a log as it passes, piece by piece, for tokens of known forms. One pass; what it keeps of the log is
// where it stands in the forms that may be under way, and for the job's own token that one candidate, which is erased.

import { Candidate, found, more, none } from './candidate.ts';
import type { Token } from './read-rows.ts';
import { begins, TokenMachine, unknown } from './token-machine.ts';

/** A token that was found. Nothing of it is here but the letters with which all of its kind begin. */
export interface Hit {
  readonly token: Token;
  readonly shown: string;
  /** Of its first byte, from the beginning of the log. */
  readonly offset: number;
  /** Whose it is, where somebody knew; null: nobody. */
  readonly whose: string | null;
}

/** Says whose a token is, or null. */
export type Whose = (token: string) => string | null;

const maxCandidates = 4;
const maxOwnBytes = 4_096;
/** Steps of candidates: so many at once, and one for each so many bytes of the log. Logs of builds need a hundredth. */
const burstSteps = 262_144;
const bytesPerStep = 4;
/** So many candidates of one log are held against hashes. */
const maxAsked = 256;

let machine: TokenMachine | null = null;

/** One log. `push` never throws, and takes about the same time for every byte. */
export class LogScan {
  readonly #machine: TokenMachine;
  readonly #onHit: (hit: Hit) => void;
  readonly #whose: Whose | null;
  #state = 0;
  #offset = 0;
  #candidates: Candidate[] = [];
  #kept: Buffer | null = null;
  #keptBytes = 0;
  #isKeeping = false;
  #asked = 0;
  #steps = 0;

  constructor(onHit: (hit: Hit) => void, whose: Whose | null = null) {
    this.#machine = machine ??= new TokenMachine();
    this.#onHit = onHit;
    this.#whose = whose;
  }

  push(chunk: Uint8Array): void {
    const { classes, columns } = this.#machine;
    let { table } = this.#machine;
    let state = this.#state;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]!;
      if (this.#candidates.length > 0) this.#advance(byte);
      let entry = table[state * columns + classes[byte]!]!;
      if (entry === unknown) {
        entry = this.#machine.step(state, byte);
        ({ table } = this.#machine);
      }
      if (entry >= begins) {
        entry -= begins;
        this.#begin(entry, this.#offset + at + 1);
      }
      state = entry;
    }
    this.#state = state;
    this.#offset += chunk.length;
  }

  /** The log has ended, or a piece of it: whatever is long enough by now counts. The next piece may follow. */
  end(): void {
    const told = new Set<string>();
    for (const candidate of this.#candidates.filter(({ isWhole }) => isWhole)) {
      if (!told.has(candidate.slug)) this.#find(candidate);
      told.add(candidate.slug);
    }
    for (const slug of told) this.#leave(slug);
  }

  /** Gives up what is under way: what was kept is erased. */
  close(): void {
    for (const candidate of this.#candidates) this.#forget(candidate);
    this.#candidates = [];
  }

  // A log made of nothing but beginnings of tokens shall not take the time of other runners: it is looked at in part.
  #begin(state: number, end: number): void {
    if (this.#steps > burstSteps + end / bytesPerStep) return this.close();
    for (const beginning of this.#machine.endedIn(state)) {
      if (this.#candidates.length >= maxCandidates) return;
      const candidate = new Candidate(beginning, end - beginning.sets.length);
      this.#candidates.push(candidate);
      if (beginning.token.row.mayBeOwn !== true || this.#whose === null || this.#isKeeping) continue;
      candidate.isKept = true;
      this.#isKeeping = true;
      this.#kept ??= Buffer.alloc(maxOwnBytes);
      this.#keptBytes = this.#kept.write(beginning.shown, 'latin1');
    }
  }

  #advance(byte: number): void {
    const all = this.#candidates;
    this.#steps += all.length;
    let staying = 0;
    let slug: string | null = null;
    for (const candidate of all) {
      const outcome = slug !== null && slug === candidate.slug ? none : candidate.take(byte);
      if (outcome === more) {
        if (candidate.isKept) this.#keep(byte);
        all[staying++] = candidate;
      } else if (outcome === found) {
        slug = candidate.slug;
        this.#find(candidate);
      } else this.#forget(candidate);
    }
    all.length = staying;
    // Whatever of the same kind is under way means the same text.
    if (slug !== null) this.#leave(slug);
  }

  #leave(slug: string): void {
    for (const candidate of this.#candidates) if (candidate.slug === slug) this.#forget(candidate);
    this.#candidates = this.#candidates.filter((candidate) => candidate.slug !== slug);
  }

  #keep(byte: number): void {
    if (this.#keptBytes < maxOwnBytes) this.#kept![this.#keptBytes] = byte;
    this.#keptBytes++;
  }

  #forget(candidate: Candidate): void {
    if (!candidate.isKept) return;
    this.#kept?.fill(0, 0, Math.min(maxOwnBytes, this.#keptBytes));
    this.#isKeeping = false;
    candidate.isKept = false;
  }

  #find(candidate: Candidate): void {
    const { token, shown } = candidate.beginning;
    const whose = candidate.isKept ? this.#ask() : null;
    this.#forget(candidate);
    this.#onHit({ token, shown, offset: candidate.offset, whose });
  }

  #ask(): string | null {
    if (this.#whose === null || this.#kept === null || this.#keptBytes > maxOwnBytes) return null;
    if (++this.#asked > maxAsked) return null;
    const text = this.#kept.toString('latin1', 0, this.#keptBytes);
    // A full stop may belong to the sentence, and what follows it to the next one.
    for (const one of new Set([text, text.replace(/[.-]{1,4}$/, ''), text.replace(/[.][^]*$/, '')])) {
      const whose = this.#whose(one);
      if (whose !== null) return whose;
    }
    return null;
  }
}
