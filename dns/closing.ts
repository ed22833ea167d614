// The end of every question: the answer's bytes into the given buffer, its record, its counts. The record is
// written before the answer leaves; in block mode a record that cannot be written makes the answer SERVFAIL.

import { formatAddress } from '../flow/address.ts';
import { blocked } from '../flow/decision.ts';
import type { Decision } from '../flow/decision.ts';
import type { Evidence } from '../flow/evidence.ts';
import type { Destination, FlowDns } from '../flow/flow.ts';
import type { Meter, Recorder } from '../flow/ports.ts';
import type { Reason } from '../flow/reason.ts';
import { uuidv7 } from '../flow/uuid.ts';
import {
  plainEdeOption,
  writeBare,
  writeHeaderOnly,
  writeKept,
  writeLocal,
  writeTruncated,
} from './answer.ts';
import type { LocalAnswer } from './answer.ts';
import type { CacheEntry } from './cache.ts';
import { ede, rcode as code, rcodeName, typeName } from './codes.ts';
import { RecordMaker, unreadable } from './flow-record.ts';
import type { Identity } from './flow-record.ts';
import type { Judged } from './judged.ts';
import { displayName } from './name.ts';
import type { Asked } from './question.ts';
import type { QueryFault } from './scan-query.ts';
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
  readonly #recorder: Recorder;
  readonly #records: RecordMaker;
  readonly #tally: Tally;
  nowMs = Date.now();

  constructor(options: { recorder: Recorder; identity: Identity; meter: Meter }) {
    this.#recorder = options.recorder;
    this.#records = new RecordMaker(options.identity);
    this.#tally = new Tally(options.meter);
  }

  /** Writes the opened record. @throws SallyportError record-unavailable, in block mode only */
  open(asked: Asked, verdict: NameVerdict): void {
    asked.id = uuidv7(this.nowMs);
    const dns = {
      type: typeName(asked.scan.type),
      rcode: null,
      answers: noAnswers,
      transport: asked.transport,
    };
    try {
      this.#recorder.opened(this.#make('opened', asked, verdict.destination, dns, verdict.decision, null));
    } catch (error) {
      if (verdict.decision.mode === 'block') throw error;
    }
  }

  /** An answer made here. */
  local(asked: Asked, verdict: NameVerdict, answer: LocalAnswer, out: Uint8Array): number {
    const { scan, transport } = asked;
    const answers = answer.address === null ? noAnswers : localTexts(answer.address);
    const dns = { type: typeName(scan.type), rcode: rcodeName(answer.rcode), answers, transport };
    const refused = this.#close(asked, verdict.destination, dns, answer.decision, answer.rcode, null);
    return refused ? this.#serverFailure(asked, out, null) : writeLocal(out, asked.message, scan, answer);
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
    const { scan, transport } = asked;
    if (judged.evidence.length > 0) asked.evidence = [...asked.evidence, ...judged.evidence];
    if (judged.instead !== null) return this.local(asked, verdict, judged.instead, out);
    const dns = {
      type: typeName(scan.type),
      rcode: rcodeName(entry.rcode),
      answers: judged.answers,
      transport,
    };
    const ended = entry.ede === 0 ? null : 'resolve-failed';
    const refused = this.#close(asked, verdict.destination, dns, verdict.decision, entry.rcode, ended);
    if (refused) return this.#serverFailure(asked, out, null);
    const age = isStale ? 0 : Math.floor(this.nowMs / 1000) - entry.storedAt;
    const option = plainEdeOption(isStale ? ede.stale : entry.ede);
    const { limit, message } = asked;
    return writeKept(out, limit, message, scan, judged.wire, age, isStale ? staleTtl : -1, option);
  }

  hit(): void {
    this.#tally.hit();
  }

  /** SERVFAIL with the reason, recorded as a block of every mode. */
  refuse(asked: Asked, reason: Reason, out: Uint8Array): number {
    const { scan, transport } = asked;
    const decision = blocked(reason);
    const wireName = Buffer.from(scan.name.subarray(0, scan.nameLength)).toString('latin1');
    const destination = { ...unreadable.destination, host: displayName(wireName) };
    const dns = { type: typeName(scan.type), rcode: 'SERVFAIL', answers: noAnswers, transport };
    this.#close(asked, destination, dns, decision, code.SERVFAIL, null);
    return this.#serverFailure(asked, out, reason);
  }

  #serverFailure(asked: Asked, out: Uint8Array, reason: Reason | null): number {
    const option = explainOption(blocked(reason ?? 'record-unavailable'));
    return writeBare(out, asked.message, asked.scan, code.SERVFAIL, option);
  }

  /** A query that broke a rule of the wire format: at most a header, and ten records a second. */
  fault(asked: Asked, fault: QueryFault, out: Uint8Array): number {
    const rcode = fault === 'silent' ? null : faultCodes[fault];
    this.#noise(asked, 'malformed-dns', rcode);
    if (rcode === null) return 0;
    if (fault === 'bad-version' || fault === 'refused') {
      // The question was read whole, though not what follows it: only BADVERS needs an OPT of ours.
      return fault === 'refused'
        ? writeHeaderOnly(out, asked.message, rcode)
        : writeBare(out, asked.message, asked.scan, rcode, null);
    }
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
    if (!source.mayRecordNoise(this.nowMs)) return;
    if (source.unrecorded > 0) {
      const detail = `${source.unrecorded} broken or surplus queries before this one have no record`;
      asked.evidence = [{ kind: 'dropped-records', detail }];
      source.unrecorded = 0;
    }
    const name = rcode === null ? null : rcodeName(rcode);
    const dns = { type: 'UNKNOWN', rcode: name, answers: noAnswers, transport: asked.transport };
    this.#tryRecord(asked, unreadable.destination, dns, decision, null);
  }

  /** Writes the closed record; true when it could not be written and the mode is block. */
  #close(
    asked: Asked,
    destination: Destination,
    dns: FlowDns,
    decision: Decision,
    rcode: number,
    ended: Reason | null,
  ): boolean {
    this.#tally.close(rcode, decision);
    return !this.#tryRecord(asked, destination, dns, decision, ended) && decision.mode === 'block';
  }

  #tryRecord(
    asked: Asked,
    destination: Destination,
    dns: FlowDns,
    decision: Decision,
    ended: Reason | null,
  ): boolean {
    try {
      this.#recorder.closed(this.#make('closed', asked, destination, dns, decision, ended));
      return true;
    } catch {
      // The recorder counts what it lost; the caller decides what that means for the answer.
      return false;
    }
  }

  #make(
    phase: 'opened' | 'closed',
    asked: Asked,
    destination: Destination,
    dns: FlowDns,
    decision: Decision,
    ended: Reason | null,
  ) {
    return this.#records.make({
      phase,
      nowMs: this.nowMs,
      runner: asked.source.address,
      attribution: asked.attribution,
      destination,
      dns,
      decision,
      revision: asked.revision,
      evidence: asked.evidence,
      id: asked.id,
      startedAt: asked.startedAt,
      ended,
    });
  }

  stop(): void {
    this.#tally.stop();
  }
}

const texts = new WeakMap<Uint8Array, readonly string[]>();

function localTexts(address: Uint8Array): readonly string[] {
  let text = texts.get(address);
  if (!text) texts.set(address, (text = [formatAddress(address)]));
  return text;
}

export const noEvidence: readonly Evidence[] = [];
