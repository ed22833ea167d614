// The path of one DNS question: scan, rate, attribute, decide, answer here or from the cache, record. What can be
// answered at once is, without a promise or a closure; the rest waits (held-queries.ts).
// Whatever is unforeseen ends as SERVFAIL with a record.

import type { Attribution, AttributionPort } from '../flow/job.ts';
import { unattributed } from '../flow/job.ts';
import type { BatchRecorder, KeeperPort, Meter, StepPort, VirtualPort } from '../flow/ports.ts';
import { Bindings } from './bindings.ts';
import { variantOf } from './cache.ts';
import { steadyMs } from './clock.ts';
import { Closing } from './closing.ts';
import type { Identity, Transport } from './flow-record.ts';
import { heldBack, HeldQueries } from './held-queries.ts';
import type { ReplyTarget } from './held-queries.ts';
import type { Judged } from './judged.ts';
import type { Lookup } from './lookup.ts';
import type { NamePolicyPort, PolicyInForce } from './policy-port.ts';
import { isCut, newAsked, noEvidence, reasonOf } from './question.ts';
import type { Asked } from './question.ts';
import type { Recording } from './recording.ts';
import { defaultRateLimits } from './rate.ts';
import type { RateLimits, Source } from './rate.ts';
import { Ruling } from './ruling.ts';
import type { Ruled } from './ruling.ts';
import { QueryScan, scanQuery } from './scan-query.ts';
import { isReplaced, Steering, steeredOf } from './steering.ts';
import { TunnelWatch } from './tunnel.ts';
import { localAnswer } from './verdicts.ts';
import type { AnswerRules, NameVerdict, Steered } from './verdicts.ts';

export interface PathOptions {
  readonly identity: Identity;
  readonly lookup: Lookup;
  readonly policy: NamePolicyPort;
  /** The policy in force; null closes the door. */
  readonly currentPolicy: () => PolicyInForce | null;
  readonly attribution: AttributionPort;
  /** Absent: nobody knows what jobs are at. */
  readonly steps?: StepPort;
  readonly recorder: BatchRecorder;
  readonly keeper: KeeperPort;
  readonly meter: Meter;
  readonly answers: AnswerRules;
  /** The gateway's own addresses as text: no name may lead to them. */
  readonly ownAddresses: ReadonlySet<string>;
  readonly rate?: RateLimits;
  readonly tunnels?: TunnelWatch;
  /** Steer mode with virtual addresses. */
  readonly virtual?: VirtualPort;
}

const maxTcpBytes = 65_535;

export class QueryPath {
  readonly #options: PathOptions;
  readonly #rate: RateLimits;
  readonly #bindings: Bindings;
  readonly #ruling: Ruling;
  readonly #closing: Closing;
  readonly #recording: Recording;
  readonly #held: HeldQueries;
  readonly #steering: Steering;
  readonly #asked: Asked;
  /** Of held questions that are answered: a scan's memory is dear to come by. */
  readonly #scans: QueryScan[] = [];
  #pending: Promise<Attribution> | Attribution = unattributed;

  constructor(options: PathOptions) {
    const { keeper, lookup, tunnels = new TunnelWatch() } = options;
    this.#options = options;
    this.#rate = options.rate ?? defaultRateLimits;
    const bindings = new Bindings(keeper);
    const closing = new Closing(options);
    const ruling = new Ruling({
      ...options,
      isForwarded: (name) => lookup.isForwarded(name),
      onRevision: () => bindings.clear(),
    });
    this.#bindings = bindings;
    this.#closing = closing;
    this.#recording = closing.recording;
    this.#ruling = ruling;
    const answerNow = (asked: Asked, ruled: Ruled, out: Uint8Array) => this.#answerNow(asked, ruled, out);
    const steering = new Steering(options.virtual ?? null, bindings);
    this.#steering = steering;
    this.#held = new HeldQueries({ ...options, closing, ruling, bindings, steering, tunnels, answerNow });
    // Every field is set anew for each question; the source stands for "none yet".
    this.#asked = newAsked(new Uint8Array(0), new QueryScan(), null as unknown as Source, 'udp');
  }

  /** Begins a batch of questions: one clock reading, and in the end one write of records, for all of them. */
  begin(): void {
    this.#recording.begin();
  }

  /** Hands over the batch's records; false when its answers may not leave: `withhold` makes what does. */
  settle(): boolean {
    return this.#recording.settle();
  }

  /** What is answered instead when a record could not be handed over. Returns the length, 0 for nothing. */
  withhold(message: Uint8Array, length: number, out: Uint8Array): number {
    return this.#closing.withhold(message, length, this.#asked.scan, out);
  }

  /** The batch's time (clock.ts). */
  get now(): number {
    return this.#recording.steadyMs;
  }

  /**
   * Answers the first `length` bytes of `message` into `out` (1232 bytes, 65535 for TCP). Returns the answer's
   * length, 0 for no answer, or `heldBack`: then `hold` must follow at once. Never throws.
   */
  answer(
    message: Uint8Array,
    length: number,
    source: Source,
    port: number,
    transport: Transport,
    out: Uint8Array,
  ): number {
    const asked = this.#asked;
    const scan = asked.scan;
    asked.message = message;
    asked.source = source;
    asked.transport = transport;
    asked.attribution = unattributed;
    asked.step = null;
    asked.revision = null;
    asked.evidence = noEvidence;
    scan.nameLength = 0;
    // RFC 768: port 0 cannot be answered, and trying throws.
    const fault = port === 0 ? 'silent' : scanQuery(message, length, scan);
    if (fault !== null) return this.#closing.fault(asked, fault, out);
    asked.limit = transport === 'udp' ? scan.udpSize : maxTcpBytes;
    if (!source.admit(this.#rate, this.#recording.steadyMs)) return this.#closing.surplus(asked, out);
    try {
      const size = this.#tryAnswer(asked, source, port, out);
      if (size !== heldBack) return size;
      if (this.#held.isFull) return this.#closing.refuse(asked, 'gateway-limit', out);
      return source.mayHold(this.#rate) ? heldBack : this.#closing.refuse(asked, 'runner-limit', out);
    } catch (error) {
      return this.#closing.refuse(asked, reasonOf(error), out);
    }
  }

  #tryAnswer(asked: Asked, source: Source, port: number, out: Uint8Array): number {
    const policy = this.#options.currentPolicy();
    if (policy === null) return this.#closing.refuse(asked, 'policy-unavailable', out);
    const attribution = this.#options.attribution.attribute(source.address, port);
    this.#pending = attribution;
    if (attribution instanceof Promise) return heldBack;
    asked.attribution = attribution;
    asked.step = this.#options.steps?.stepOf(attribution) ?? null;
    return this.#answerNow(asked, this.#ruling.rule(asked, policy, this.now), out);
  }

  #answerNow(asked: Asked, ruled: Ruled, out: Uint8Array): number {
    const { scan } = asked;
    const { verdict } = ruled;
    const seconds = Math.floor(this.#recording.steadyMs / 1000);
    // What needs a binding is looked at each time.
    const size = verdict.bind.length > 0 ? 0 : this.#closing.again(asked, verdict, seconds, out);
    if (size > 0) return size;
    const local = localAnswer(verdict, scan.type);
    if (local !== null) return this.#closing.local(asked, verdict, local, out);
    const steered = steeredOf(verdict, scan.type);
    if (steered?.when === 'always') return this.#steer(asked, verdict, steered, seconds, out);
    const variant = variantOf(scan.dnssecOk, scan.checkingDisabled);
    const entry = this.#options.lookup.findFresh(scan, variant, seconds);
    if (entry === null) return heldBack;
    const judged = this.#ruling.judge(entry, ruled);
    if (steered !== null && isReplaced(steered, entry, judged))
      return this.#steer(asked, verdict, steered, seconds, out);
    if (verdict.bind.length > 0 && this.#needsBinding(asked, verdict, judged, seconds)) return heldBack;
    this.#closing.hit();
    return this.#closing.kept(asked, verdict, entry, judged, false, out);
  }

  #steer(asked: Asked, verdict: NameVerdict, steered: Steered, seconds: number, out: Uint8Array): number {
    const answer = this.#steering.answerNow(asked, steered, seconds);
    return answer === null ? heldBack : this.#closing.local(asked, verdict, answer, out);
  }

  #needsBinding(asked: Asked, verdict: NameVerdict, judged: Judged, seconds: number): boolean {
    if (judged.instead !== null || isCut(asked, judged)) return false;
    const { wire } = judged;
    return !this.#bindings.areHeld(asked.source.address, wire.addresses, verdict.bind, wire.ttl, seconds);
  }

  /** Takes over the question that answer() has just held back; the message is copied. */
  hold(
    message: Uint8Array,
    length: number,
    source: Source,
    port: number,
    transport: Transport,
    target: ReplyTarget,
  ): void {
    const scan = this.#scans.pop() ?? new QueryScan();
    const asked = newAsked(new Uint8Array(message.subarray(0, length)), scan, source, transport);
    scanQuery(asked.message, length, scan);
    asked.limit = transport === 'udp' ? scan.udpSize : maxTcpBytes;
    asked.startedAt = steadyMs();
    void this.#held.hold(asked, port, this.#pending, target).then(() => this.#scans.push(scan));
  }

  /** Questions whose answers are under way. */
  get heldCount(): number {
    return this.#held.count;
  }

  /** Forgets which bindings the kernel holds: after a cut, or a repair of the rule set. */
  forgetBindings(): void {
    this.#bindings.clear();
  }

  stop(): void {
    this.#closing.stop();
  }
}
