// Questions that repeat: the same one of the same runner, answered from memory, again and again within a second.
// The first few have records of their own. From then on the second's are one flow, as the packets of a window are
// (flow/flow.ts): opened before the first of their answers leaves, closed with their exact number when the second
// is over. A worker that is killed in between leaves the flow open: that it was is certain, how often is not.

import { SallyportError } from '../flow/errors.ts';
import type { BatchRecorder } from '../flow/ports.ts';
import { uuidv7 } from '../flow/uuid.ts';
import { steadyMs } from './clock.ts';
import type { RecordFields, RecordMaker } from './flow-record.ts';
import type { Source } from './rate.ts';

/** One answer to one question of one runner, within the current second. */
export interface Repeat {
  /** Null when its second is over. */
  source: Source | null;
  /** Answers with a record of their own. */
  singles: number;
  /** Answers of the flow; 0 while there is none. */
  queries: number;
  id: string;
  openedAt: number;
  fields: RepeatFields | null;
}

/** What the records of a repeated question say. */
export type RepeatFields = Pick<
  RecordFields,
  'runner' | 'attribution' | 'step' | 'destination' | 'dns' | 'decision' | 'revision' | 'ended'
>;

/** Something that repeats, by identity; it remembers who asked last, which saves a look-up. */
export interface Repeatable {
  last: Repeat | null;
}

const windowMs = 1000;
const maxSingles = 4;
/** Of all sources; beyond it each answer has its own record. */
const maxRepeats = 16_384;
const noEvidence: readonly never[] = [];

export class Repeats {
  readonly #recorder: BatchRecorder;
  readonly #records: RecordMaker;
  #all: Repeat[] = [];
  #timer: NodeJS.Timeout | null = null;

  constructor(recorder: BatchRecorder, records: RecordMaker) {
    this.#recorder = recorder;
    this.#records = records;
  }

  /**
   * Counts one answer. True when the flow of its second stands for it; false when it needs a record of its own.
   * @throws SallyportError record-unavailable, in block mode: the flow could not be opened
   */
  count(source: Source, what: Repeatable, fieldsOf: () => RepeatFields): boolean {
    const repeat = this.#find(source, what);
    if (repeat === null) return false;
    if (repeat.queries === 0) {
      if (repeat.singles < maxSingles) {
        repeat.singles++;
        return false;
      }
      this.#open(repeat, fieldsOf());
    }
    repeat.queries++;
    return true;
  }

  #find(source: Source, what: Repeatable): Repeat | null {
    let repeat = source.repeats.get(what);
    if (repeat === undefined) {
      if (this.#all.length >= maxRepeats) return null;
      repeat = { source, singles: 0, queries: 0, id: '', openedAt: 0, fields: null };
      source.repeats.set(what, repeat);
      this.#all.push(repeat);
      this.#timer ??= setTimeout(() => this.closeAll(), windowMs).unref();
    }
    what.last = repeat;
    return repeat;
  }

  #open(repeat: Repeat, fields: RepeatFields): void {
    const nowMs = Date.now();
    repeat.id = uuidv7(nowMs);
    repeat.openedAt = steadyMs();
    repeat.fields = fields;
    const dns = { ...fields.dns, rcode: null, answers: [], queries: null };
    const { id } = repeat;
    const whole = { ...fields, dns, id, nowMs, phase: 'opened', evidence: noEvidence, totalMs: 0 } as const;
    try {
      this.#recorder.opened(this.#records.make({ ...whole, ended: null }));
    } catch (error) {
      // Audit goes on without, but not past an error of ours.
      if (fields.decision.mode === 'block' || !(error instanceof SallyportError)) throw error;
    }
  }

  #close(repeat: Repeat): void {
    const { fields, queries, id, openedAt } = repeat;
    repeat.source = null;
    repeat.queries = 0;
    if (fields === null || queries === 0) return;
    const dns = { ...fields.dns, queries };
    const totalMs = steadyMs() - openedAt;
    const nowMs = Date.now();
    const whole = { ...fields, dns, id, nowMs, phase: 'closed', evidence: noEvidence, totalMs } as const;
    this.#recorder.closed(this.#records.make(whole));
  }

  /** Closes what one source repeats: what its records say has changed. */
  closeOf(source: Source): void {
    for (const repeat of source.repeats.values()) this.#close(repeat);
    source.repeats.clear();
  }

  /** Ends the second: closes its flows. */
  closeAll(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const all = this.#all;
    this.#all = [];
    for (const repeat of all) {
      repeat.source?.repeats.clear();
      try {
        this.#close(repeat);
      } catch {
        // A recorder with an error of its own: it refuses the next flow, on whose path it is reported.
      }
    }
  }
}
