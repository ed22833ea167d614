// The end of every question: the answer's bytes into the given buffer, its record, its counts. The record is
// written before the answer leaves; in block mode a record that cannot be written makes the answer SERVFAIL.

import { formatAddress } from '../flow/address.ts';
import { blocked } from '../flow/decision.ts';
import type { BatchRecorder, Meter } from '../flow/ports.ts';
import type { Reason } from '../flow/reason.ts';
import {
  plainEdeOption,
  writeBare,
  writeHeaderOnly,
  writeKept,
  writeLocal,
  writeTruncated,
} from './answer.ts';
import type { LocalAnswer } from './answer.ts';
import { variantOf } from './cache.ts';
import type { CacheEntry } from './cache.ts';
import { ede, maxUdpBytes, rcode as code, rcodeName } from './codes.ts';
import { unreadable } from './flow-record.ts';
import type { Identity } from './flow-record.ts';
import type { Judged } from './judged.ts';
import { displayName } from './name.ts';
import type { Asked } from './question.ts';
import { Recording } from './recording.ts';
import type { Outcome } from './recording.ts';
import { scanQuery } from './scan-query.ts';
import type { QueryFault, QueryScan } from './scan-query.ts';
import { Tally } from './tally.ts';
import { explainOption } from './verdicts.ts';
import type { NameVerdict } from './verdicts.ts';

const staleTtl = 30;
const noAnswers: readonly string[] = [];

const faultCodes: Readonly<Record<Exclude<QueryFault, 'silent'>, number>> = {
  'not-implemented': code.NOTIMP,
  malformed: code.FORMERR,
  refused: code.REFUSED,
  'bad-version': code.BADVERS,
};

export class Closing {
  readonly recording: Recording;
  readonly #tally: Tally;

  constructor(options: { recorder: BatchRecorder; identity: Identity; meter: Meter }) {
    this.recording = new Recording(options.recorder, options.identity);
    this.#tally = new Tally(options.meter);
  }

  /** An answer made here. */
  local(asked: Asked, verdict: NameVerdict, answer: LocalAnswer, out: Uint8Array): number {
    const { decision, rcode } = answer;
    if (!this.recording.mayAnswer(decision)) return this.refuse(asked, 'record-unavailable', out);
    const answers = answer.address === null ? noAnswers : localTexts(answer.address);
    this.#tally.close(rcode, decision);
    this.recording.answered(asked, verdict, answer, { rcode, answers, decision, ended: null });
    return writeLocal(out, asked.message, asked.scan, answer);
  }

  /** A kept answer, as judged for this runner. */
  kept(
    asked: Asked,
    verdict: NameVerdict,
    entry: CacheEntry,
    judged: Judged,
    isStale: boolean,
    out: Uint8Array,
  ): number {
    if (judged.evidence.length > 0) asked.evidence = [...asked.evidence, ...judged.evidence];
    if (judged.instead !== null) return this.local(asked, verdict, judged.instead, out);
    const { decision } = verdict;
    if (!this.recording.mayAnswer(decision)) return this.refuse(asked, 'record-unavailable', out);
    const { rcode } = entry;
    this.#tally.close(rcode, decision);
    const ended = entry.ede === 0 ? null : 'resolve-failed';
    const { answers } = judged;
    // What a verdict holds outlives its entry in the cache: large answers are made anew each time.
    const of = judged.wire.bytes.length <= maxUdpBytes ? judged : null;
    const outcome = this.recording.answered(asked, verdict, of, { rcode, answers, decision, ended });
    if (outcome !== null && !isStale) makeReady(asked, verdict, { entry, judged, outcome });
    const age = isStale ? 0 : Math.floor(this.recording.steadyMs / 1000) - entry.storedAt;
    const option = plainEdeOption(isStale ? ede.stale : entry.ede);
    const { limit, message, scan } = asked;
    return writeKept(out, limit, message, scan, judged.wire, age, isStale ? staleTtl : -1, option);
  }

  /** The answer to a question that was answered before and may still be: 0 when it has to be worked out anew. */
  again(asked: Asked, verdict: NameVerdict, seconds: number, out: Uint8Array): number {
    const { limit, message, scan } = asked;
    const ready = verdict.ready[scan.type & 1]!;
    if (ready === null || ready.type !== scan.type || ready.transport !== asked.transport) return 0;
    const { entry, outcome, wire } = ready;
    if (entry.variant !== variantOf(scan.dnssecOk, scan.checkingDisabled)) return 0;
    if (entry.expiresAt <= seconds || !this.recording.again(asked, verdict, outcome)) return 0;
    this.#tally.close(entry.rcode, verdict.decision);
    this.#tally.hit();
    return writeKept(
      out,
      limit,
      message,
      scan,
      wire,
      seconds - entry.storedAt,
      -1,
      plainEdeOption(entry.ede),
    );
  }

  hit(): void {
    this.#tally.hit();
  }

  /** SERVFAIL with the reason, recorded as a block of every mode. */
  refuse(asked: Asked, reason: Reason, out: Uint8Array): number {
    const { scan } = asked;
    const decision = blocked(reason);
    const wireName = Buffer.from(scan.name.subarray(0, scan.nameLength)).toString('latin1');
    const destination = { ...unreadable.destination, host: displayName(wireName) };
    this.#tally.close(code.SERVFAIL, decision);
    const answered = { rcode: code.SERVFAIL, answers: noAnswers, decision, ended: null };
    unlessBroken(() => this.recording.closed(asked, destination, answered));
    return writeBare(out, asked.message, scan, code.SERVFAIL, explainOption(decision));
  }

  /** SERVFAIL in place of an answer whose record could not be handed over; 0 when there was none to give. */
  withhold(message: Uint8Array, length: number, scan: QueryScan, out: Uint8Array): number {
    if (scanQuery(message, length, scan) !== null) return 0;
    return writeBare(out, message, scan, code.SERVFAIL, explainOption(blocked('record-unavailable')));
  }

  /** A query that broke a rule of the wire format: at most a header, and ten records a second. */
  fault(asked: Asked, fault: QueryFault, out: Uint8Array): number {
    const rcode = fault === 'silent' ? null : faultCodes[fault];
    this.#noise(asked, 'malformed-dns', rcode);
    if (rcode === null) return 0;
    // Of these the question was read whole; only BADVERS needs an OPT of ours (RFC 6891 6.1.3).
    if (fault === 'bad-version') return writeBare(out, asked.message, asked.scan, rcode, null);
    return writeHeaderOnly(out, asked.message, rcode);
  }

  /** A question over the source's rate: every second one is told to use TCP, the others get nothing. */
  surplus(asked: Asked, out: Uint8Array): number {
    this.#noise(asked, 'runner-limit', null);
    const usesTcp = asked.transport === 'udp' && asked.source.isToldToUseTcp();
    return usesTcp ? writeTruncated(out, asked.message, asked.scan) : 0;
  }

  #noise(asked: Asked, reason: Reason, rcode: number | null): void {
    const decision = blocked(reason);
    this.#tally.close(rcode ?? code.SERVFAIL, decision);
    const source = asked.source;
    if (!source.mayRecordNoise(this.recording.steadyMs)) return;
    if (source.unrecorded > 0) {
      const detail = `${source.unrecorded} broken or surplus queries before this one have no record`;
      asked.evidence = [{ kind: 'dropped-records', detail }];
      source.unrecorded = 0;
    }
    const name = rcode === null ? null : rcodeName(rcode);
    unlessBroken(() => this.recording.closedNoise(asked, unreadable.destination, name, decision));
  }

  stop(): void {
    this.recording.stop();
    this.#tally.stop();
  }
}

// Two places, so that A and AAAA of one name do not take each other's.
function makeReady(
  { scan, transport }: Asked,
  verdict: NameVerdict,
  { entry, judged, outcome }: { entry: CacheEntry; judged: Judged; outcome: Outcome },
): void {
  verdict.ready[scan.type & 1] = { type: scan.type, transport, entry, wire: judged.wire, outcome };
}

// What is refused leaves nothing behind, so that a recorder with an error of its own cannot end the worker by it.
function unlessBroken(record: () => void): void {
  try {
    record();
  } catch {
    // The next answer that needs its record is refused too.
  }
}

const texts = new WeakMap<Uint8Array, readonly string[]>();

function localTexts(address: Uint8Array): readonly string[] {
  let text = texts.get(address);
  if (!text) texts.set(address, (text = [formatAddress(address)]));
  return text;
}
