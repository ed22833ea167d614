// The path of one DNS question: scan, rate, attribute, decide, answer here or from the cache; else record, ask,
// judge, bind, record, answer. What can be answered at once is, without a promise or a closure; the rest is held.
// Whatever is unforeseen ends as SERVFAIL with a record.

import type { Attribution, AttributionPort } from '../flow/job.ts';
import { unattributed } from '../flow/job.ts';
import type { BatchRecorder, KeeperPort, Meter } from '../flow/ports.ts';
import { blocked } from '../flow/decision.ts';
import type { Decision } from '../flow/decision.ts';
import { Bindings } from './bindings.ts';
import { variantOf } from './cache.ts';
import type { CacheEntry } from './cache.ts';
import { steadyMs, steadySeconds } from './clock.ts';
import { Closing, noEvidence } from './closing.ts';
import { rcode as code } from './codes.ts';
import type { Identity, Transport } from './flow-record.ts';
import { judgeEntry } from './judged.ts';
import type { Judged } from './judged.ts';
import { nameText } from './name.ts';
import type { Found, Lookup } from './lookup.ts';
import type { NamePolicyPort, PolicyInForce } from './policy-port.ts';
import type { Asked } from './question.ts';
import { reasonOf, RefusalError } from './question.ts';
import type { Recording } from './recording.ts';
import { defaultRateLimits } from './rate.ts';
import type { RateLimits, Source } from './rate.ts';
import { QueryScan, scanQuery } from './scan-query.ts';
import { TunnelWatch } from './tunnel.ts';
import { blockedAbsent, localAnswer, Verdicts } from './verdicts.ts';
import type { AnswerRules, NameVerdict } from './verdicts.ts';

export interface PathOptions {
  readonly identity: Identity;
  readonly lookup: Lookup;
  readonly policy: NamePolicyPort;
  /** The policy in force; null closes the door. */
  readonly currentPolicy: () => PolicyInForce | null;
  readonly attribution: AttributionPort;
  readonly recorder: BatchRecorder;
  readonly keeper: KeeperPort;
  readonly meter: Meter;
  readonly answers: AnswerRules;
  /** The gateway's own addresses as text: no name may lead to them. */
  readonly ownAddresses: ReadonlySet<string>;
  readonly rate?: RateLimits;
  readonly tunnels?: TunnelWatch;
}

/** The answer follows later: the caller hands the question to `hold`. */
export const heldBack = -1;

/** Where a held answer goes; the buffer is the target's to keep. */
export interface ReplyTarget {
  send(message: Uint8Array): void;
}

/** A question with what policy makes of it. */
interface Ruled {
  readonly effective: object;
  readonly verdict: NameVerdict;
}

const maxHeld = 4096;
/** Verdicts whose view of one answer is remembered. */
const maxJudgements = 8;
const attributionMs = 3000;
const maxTcpBytes = 65_535;

export class QueryPath {
  readonly #options: PathOptions;
  readonly #rate: RateLimits;
  readonly #verdicts: Verdicts;
  readonly #bindings: Bindings;
  readonly #tunnels: TunnelWatch;
  readonly #closing: Closing;
  readonly #recording: Recording;
  readonly #asked: Asked;
  readonly #ruled: { effective: object; verdict: NameVerdict | null } = { effective: {}, verdict: null };
  #revision = '';
  #held = 0;
  #pending: Promise<Attribution> | Attribution = unattributed;

  constructor(options: PathOptions) {
    this.#options = options;
    this.#rate = options.rate ?? defaultRateLimits;
    this.#verdicts = new Verdicts(options.policy, options.answers, (name) =>
      options.lookup.isForwarded(name),
    );
    this.#bindings = new Bindings(options.keeper);
    this.#tunnels = options.tunnels ?? new TunnelWatch();
    this.#closing = new Closing(options);
    this.#recording = this.#closing.recording;
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
      if (source.mayHold(this.#rate) && this.#held < maxHeld) return heldBack;
      return this.#closing.refuse(asked, this.#held < maxHeld ? 'runner-limit' : 'gateway-limit', out);
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
    return this.#answerNow(asked, this.#rule(asked, policy), out);
  }

  /** What policy makes of the question. The result is one object, filled anew by the next call. */
  #rule(asked: Asked, policy: PolicyInForce): Ruled {
    if (policy.revision !== this.#revision) {
      this.#revision = policy.revision;
      this.#verdicts.clear();
      this.#bindings.clear();
    }
    asked.revision = policy.revision;
    const effective = this.#effectiveOf(asked, policy);
    const verdict = this.#verdicts.find(effective, asked.scan, this.#recording.steadyMs);
    this.#ruled.effective = effective;
    this.#ruled.verdict = verdict;
    return this.#ruled as Ruled; // both fields were just set
  }

  // The same runner nearly always asks for the same job under the same policy.
  #effectiveOf({ source, attribution }: Asked, policy: PolicyInForce): object {
    const last = source.ruling;
    if (last !== null && last.policy === policy && last.attribution === attribution) return last.effective;
    const effective = this.#options.policy.effectivePolicy(policy, attribution);
    source.ruling = { policy, attribution, effective };
    return effective;
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
    const variant = variantOf(scan.dnssecOk, scan.checkingDisabled);
    const entry = this.#options.lookup.findFresh(scan, variant, seconds);
    if (entry === null) return heldBack;
    const judged = this.#judge(entry, ruled);
    if (verdict.bind.length > 0 && this.#needsBinding(asked, verdict, judged, seconds)) return heldBack;
    this.#closing.hit();
    return this.#closing.kept(asked, verdict, entry, judged, false, out);
  }

  #judge(entry: CacheEntry, { effective, verdict }: Ruled): Judged {
    const { judgements } = entry;
    for (let i = 0; i < judgements.length; i++) {
      const known = judgements[i]!;
      if (known.verdict === verdict) return known.judged as Judged; // put there below
    }
    const decide = (name: string) => this.#options.policy.decideName(effective, { name });
    const judged = judgeEntry(entry, verdict, decide, this.#options.ownAddresses);
    if (judgements.length >= maxJudgements) judgements.shift();
    judgements.push({ verdict, judged });
    return judged;
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
    const scan = new QueryScan();
    const asked = newAsked(Uint8Array.from(message.subarray(0, length)), scan, source, transport);
    scanQuery(asked.message, length, scan);
    asked.limit = transport === 'udp' ? scan.udpSize : maxTcpBytes;
    asked.startedAt = steadyMs();
    const out = new Uint8Array(asked.limit);
    source.hold(1);
    this.#held++;
    void this.#runToEnd(asked, port, this.#pending, out, target);
  }

  async #runToEnd(
    asked: Asked,
    port: number,
    pending: Promise<Attribution> | Attribution,
    out: Uint8Array,
    target: ReplyTarget,
  ): Promise<void> {
    let size = 0;
    try {
      size = await this.#run(asked, port, pending, out);
    } catch (error) {
      size = this.#closing.refuse(asked, reasonOf(error), out);
    }
    asked.source.hold(-1);
    this.#held--;
    try {
      if (size > 0) target.send(out.subarray(0, size));
    } catch {
      // The client is gone; the record is written.
    }
  }

  async #run(
    asked: Asked,
    port: number,
    pending: Promise<Attribution> | Attribution,
    out: Uint8Array,
  ): Promise<number> {
    asked.attribution = await withLimit(pending);
    let ruled = this.#ruleNow(asked);
    const size = this.#answerNow(asked, ruled, out);
    if (size !== heldBack) {
      // No opened record stands for this one.
      const { message, scan } = asked;
      return this.settle() ? size : this.#closing.withhold(message, message.length, scan, out);
    }
    const suspicion = this.#watchTunnel(asked, ruled.verdict);
    if (suspicion?.enforced) {
      return this.#closing.local(asked, ruled.verdict, blockedAbsent(suspicion), out);
    }
    this.#recording.opened(asked, underSuspicion(ruled.verdict, suspicion));
    const { scan } = asked;
    const variant = variantOf(scan.dnssecOk, scan.checkingDisabled);
    const question = { name: ruled.verdict.wireName, type: scan.type, variant };
    const found = await this.#options.lookup.find(question);
    // Policy or job may have changed meanwhile: what leaves is judged by what holds now.
    asked.attribution = await withLimit(this.#options.attribution.attribute(asked.source.address, port));
    ruled = { ...this.#ruleNow(asked) };
    const verdict = underSuspicion(ruled.verdict, suspicion);
    return this.#finish(asked, { ...ruled, verdict }, found, out);
  }

  #ruleNow(asked: Asked): Ruled {
    this.#recording.begin();
    const policy = this.#options.currentPolicy();
    if (policy === null) throw new RefusalError('policy-unavailable');
    return this.#rule(asked, policy);
  }

  /** What the name's zone comes to: a block, in audit mode on paper only, or null. */
  #watchTunnel(asked: Asked, verdict: NameVerdict): Decision | null {
    const { source, scan } = asked;
    const seen = this.#tunnels.ask(source.address, verdict.wireName, scan.type, this.#recording.steadyMs);
    if (seen === 'clear') return null;
    const detail = seen === 'budget' ? 'name budget of this zone spent' : 'names look like a tunnel';
    asked.evidence = [{ kind: 'dns-tunnel', detail }];
    if (seen === 'suspect') return null;
    const { mode, rule, scope } = verdict.decision;
    const reason = seen === 'budget' ? 'dns-budget' : 'dns-tunnel';
    return { ...blocked(reason, rule), scope, mode, enforced: mode === 'block' };
  }

  async #finish(asked: Asked, ruled: Ruled, found: Found | null, out: Uint8Array): Promise<number> {
    const { verdict } = ruled;
    const local = localAnswer(verdict, asked.scan.type);
    if (local !== null) return this.#closing.local(asked, verdict, local, out);
    if (found === null) throw new RefusalError('gateway-limit');
    const { entry, isStale } = found;
    const runner = asked.source.address;
    const isAbsent = entry.rcode === code.NXDOMAIN;
    this.#tunnels.answered(runner, verdict.wireName, isAbsent, entry.wire.bytes.length);
    const judged = this.#judge(entry, ruled);
    if (verdict.bind.length > 0 && judged.instead === null && !isCut(asked, judged)) {
      const seconds = steadySeconds();
      const { wire } = judged;
      const host = nameText(verdict.wireName);
      await this.#bindings.hold(runner, wire.addresses, verdict.bind, wire.ttl, seconds, host);
      this.#recording.begin();
    }
    return this.#closing.kept(asked, verdict, entry, judged, isStale, out);
  }

  /** Forgets which bindings the kernel holds: after a cut, or a repair of the rule set. */
  forgetBindings(): void {
    this.#bindings.clear();
  }

  stop(): void {
    this.#closing.stop();
  }
}

/** The verdict on an allowed name with the would-be block of its zone for a decision. */
function underSuspicion(verdict: NameVerdict, suspicion: Decision | null): NameVerdict {
  if (suspicion === null || verdict.decision.verdict === 'block') return verdict;
  return { ...verdict, decision: suspicion };
}

function newAsked(message: Uint8Array, scan: QueryScan, source: Source, transport: Transport): Asked {
  return {
    message,
    scan,
    source,
    transport,
    limit: 512,
    attribution: unattributed,
    revision: null,
    id: null,
    startedAt: null,
    evidence: noEvidence,
  };
}

// What does not fit is not answered, so it is not bound either.
function isCut(asked: Asked, judged: Judged): boolean {
  return judged.wire.bytes.length + (asked.scan.hasEdns ? 17 : 0) > asked.limit;
}

/** The attribution, or nobody's after 3 s: losing one's identity never widens what is allowed. */
function withLimit(pending: Promise<Attribution> | Attribution): Promise<Attribution> | Attribution {
  if (!(pending instanceof Promise)) return pending;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, attributionMs, unattributed);
    pending.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
