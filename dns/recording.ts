// Records of DNS flows on their way to the recorder: what recurs is written from prepared halves, and no answer
// leaves before its record is with the operating system.
// When the disk begins to refuse, the answers of that moment (one batch of datagrams, or one TCP message) are
// withheld although their records, kept in memory, say what they were; from then on the record is tried first.

import type { Decision } from '../flow/decision.ts';
import { SallyportError } from '../flow/errors.ts';
import type { Destination, FlowDns, FlowRecord } from '../flow/flow.ts';
import type { BatchRecorder, PreparedHalf } from '../flow/ports.ts';
import type { Reason } from '../flow/reason.ts';
import { uuidv7 } from '../flow/uuid.ts';
import { steadyMs } from './clock.ts';
import { rcodeName, typeName } from './codes.ts';
import { RecordMaker } from './flow-record.ts';
import type { Identity, Transport } from './flow-record.ts';
import type { Asked } from './question.ts';
import type { Source } from './rate.ts';
import { Repeats } from './repeats.ts';
import type { Repeatable, RepeatFields } from './repeats.ts';
import type { NameVerdict } from './verdicts.ts';

/** What a closed record says of an answer. */
export interface Answered {
  readonly rcode: number;
  readonly answers: readonly string[];
  readonly decision: Decision;
  readonly ended: Reason | null;
}

/** A prepared record of one verdict, by what the answer was made of. */
export interface Outcome extends Repeatable {
  readonly of: object;
  readonly type: number;
  readonly transport: Transport;
  readonly half: PreparedHalf;
  readonly answered: Answered;
}

const maxOutcomes = 4;
const noAnswers: readonly string[] = [];

export class Recording {
  readonly #recorder: BatchRecorder;
  readonly #records: RecordMaker;
  readonly #repeats: Repeats;
  /** What records tell. */
  nowMs = Date.now();
  /** What everything else is counted by (clock.ts). */
  steadyMs = steadyMs();
  #isRefused = false;
  #isStrict = false;

  constructor(recorder: BatchRecorder, identity: Identity) {
    this.#recorder = recorder;
    this.#records = new RecordMaker(identity);
    this.#repeats = new Repeats(recorder, this.#records);
  }

  /** Begins a batch of answers. */
  begin(): void {
    this.nowMs = Date.now();
    this.steadyMs = steadyMs();
    this.#isStrict = false;
    if (this.#isRefused) this.#handOver();
  }

  /** False while the disk refuses records and the mode forbids to go on without. */
  mayAnswer(decision: Decision): boolean {
    return !this.#isRefused || decision.mode !== 'block';
  }

  /** Hands over the records since `begin`; false when the answers may not leave, since one of them has no record. */
  settle(): boolean {
    return this.#handOver() || !this.#isStrict;
  }

  #handOver(): boolean {
    try {
      this.#recorder.handOver();
      this.#isRefused = false;
    } catch {
      // Kept by the recorder, which counts what it loses in the end.
      this.#isRefused = true;
    }
    return !this.#isRefused;
  }

  /** Writes the opened record. @throws SallyportError record-unavailable, in block mode only */
  opened(asked: Asked, verdict: NameVerdict): void {
    asked.id = uuidv7(this.nowMs);
    const dns = dnsOf(asked, null, noAnswers);
    try {
      this.#recorder.opened(this.#make('opened', asked, verdict.destination, dns, verdict.decision, null));
    } catch (error) {
      // Audit goes on without a record, but not past an error of ours.
      if (verdict.decision.mode === 'block' || !(error instanceof SallyportError)) throw error;
    }
  }

  /**
   * The closed record of an answer to `verdict`, made of `of`: the same object stands for the same answer, null for
   * one that is not worth keeping. Returns the outcome that `again` takes, or null when this one stands alone.
   */
  answered(asked: Asked, verdict: NameVerdict, of: object | null, answered: Answered): Outcome | null {
    if (answered.decision.mode === 'block') this.#isStrict = true;
    if (of === null || !isAtOnce(asked) || !verdict.recurs) {
      // Names that are asked once are not worth preparing for.
      verdict.recurs = true;
      this.closed(asked, verdict.destination, answered);
      return null;
    }
    const outcome = this.#findOutcome(asked, verdict, of) ?? this.#prepare(asked, verdict, of, answered);
    const sourceHalf = this.#sourceHalf(asked, verdict, answered);
    if (!this.#isRepeated(asked, verdict, outcome))
      this.#recorder.closedAgain(sourceHalf, outcome.half, this.nowMs);
    return outcome;
  }

  /** The closed record of that outcome, once more; false when this question's record is another one. */
  again(asked: Asked, verdict: NameVerdict, outcome: Outcome): boolean {
    const { decision } = verdict;
    const { source } = asked;
    if (source.prepared === null || !isPreparedFor(source, asked)) return false;
    if (!isAtOnce(asked) || !this.mayAnswer(decision)) return false;
    if (decision.mode === 'block') this.#isStrict = true;
    if (!this.#isRepeated(asked, verdict, outcome))
      this.#recorder.closedAgain(source.prepared, outcome.half, this.nowMs);
    return true;
  }

  #isRepeated(asked: Asked, verdict: NameVerdict, outcome: Outcome): boolean {
    const { last } = outcome;
    if (last !== null && last.source === asked.source && last.queries > 0) {
      last.queries++;
      return true;
    }
    return this.#repeats.count(asked.source, outcome, () => repeatFields(asked, verdict, outcome));
  }

  #findOutcome(asked: Asked, verdict: NameVerdict, of: object): Outcome | null {
    const { outcomes } = verdict;
    for (let i = 0; i < outcomes.length; i++) {
      const outcome = outcomes[i]!;
      if (outcome.of === of && outcome.type === asked.scan.type && outcome.transport === asked.transport)
        return outcome;
    }
    return null;
  }

  #prepare(asked: Asked, verdict: NameVerdict, of: object, answered: Answered): Outcome {
    const half = this.#recorder.prepareOutcome(this.#makeClosed(asked, verdict.destination, answered));
    const { transport, scan } = asked;
    const outcome: Outcome = { of, type: scan.type, transport, half, answered, last: null };
    if (verdict.outcomes.length >= maxOutcomes) verdict.outcomes.shift();
    verdict.outcomes.push(outcome);
    return outcome;
  }

  #sourceHalf(asked: Asked, verdict: NameVerdict, answered: Answered): PreparedHalf {
    const { source } = asked;
    if (source.prepared === null || !isPreparedFor(source, asked)) {
      this.#repeats.closeOf(source);
      source.preparedFor = asked.attribution;
      source.preparedAt = asked.step;
      source.prepared = this.#recorder.prepareSource(this.#makeClosed(asked, verdict.destination, answered));
    }
    return source.prepared;
  }

  /** Closes the flows whose questions still repeat. */
  stop(): void {
    this.#repeats.closeAll();
  }

  /** A closed record that stands alone. */
  closed(asked: Asked, destination: Destination, answered: Answered): void {
    this.#recorder.closed(this.#makeClosed(asked, destination, answered));
  }

  /** A closed record of a query whose type and answer are not known. */
  closedNoise(asked: Asked, destination: Destination, rcode: string | null, decision: Decision): void {
    const dns: FlowDns = {
      type: 'UNKNOWN',
      rcode,
      answers: noAnswers,
      transport: asked.transport,
      queries: 1,
    };
    this.#recorder.closed(this.#make('closed', asked, destination, dns, decision, null));
  }

  #makeClosed(asked: Asked, destination: Destination, answered: Answered): FlowRecord {
    const dns = dnsOf(asked, rcodeName(answered.rcode), answered.answers);
    return this.#make('closed', asked, destination, dns, answered.decision, answered.ended);
  }

  #make(
    phase: 'opened' | 'closed',
    asked: Asked,
    destination: Destination,
    dns: FlowDns,
    decision: Decision,
    ended: Reason | null,
  ): FlowRecord {
    return this.#records.make({
      phase,
      nowMs: this.nowMs,
      totalMs: asked.startedAt === null ? 0 : this.steadyMs - asked.startedAt,
      runner: asked.source.address,
      attribution: asked.attribution,
      step: asked.step,
      destination,
      dns,
      decision,
      revision: asked.revision,
      evidence: asked.evidence,
      id: asked.id,
      ended,
    });
  }
}

const isPreparedFor = ({ preparedFor, preparedAt }: Source, { attribution, step }: Asked): boolean =>
  preparedFor === attribution && preparedAt === step;

function isAtOnce(asked: Asked): boolean {
  return asked.id === null && asked.startedAt === null && asked.evidence.length === 0;
}

function dnsOf(asked: Asked, rcode: string | null, answers: readonly string[]): FlowDns {
  return { type: typeName(asked.scan.type), rcode, answers, transport: asked.transport, queries: 1 };
}

function repeatFields(asked: Asked, { destination }: NameVerdict, { answered }: Outcome): RepeatFields {
  const { decision, ended, rcode, answers } = answered;
  const { attribution, step, revision, source } = asked;
  const dns = dnsOf(asked, rcodeName(rcode), answers);
  return { runner: source.address, attribution, step, destination, dns, decision, revision, ended };
}
