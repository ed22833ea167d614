// Questions that wait: for attribution, an upstream or the keeper. Each is recorded before it leaves, judged again by
// what holds when its answer has come, bound, recorded and answered. Bounded for each source and in all.

import { blocked } from '../flow/decision.ts';
import type { Decision } from '../flow/decision.ts';
import type { Attribution, AttributionPort } from '../flow/job.ts';
import { unattributed } from '../flow/job.ts';
import type { StepPort } from '../flow/ports.ts';
import type { Bindings } from './bindings.ts';
import { variantOf } from './cache.ts';
import { steadySeconds } from './clock.ts';
import type { Closing } from './closing.ts';
import { rcode as code } from './codes.ts';
import type { Found, Lookup } from './lookup.ts';
import { nameText } from './name.ts';
import { budgetKeyOf } from './name-budgets.ts';
import type { PolicyInForce } from './policy-port.ts';
import { isCut, reasonOf, RefusalError } from './question.ts';
import type { Asked } from './question.ts';
import type { Ruled, Ruling } from './ruling.ts';
import { isReplaced, steeredOf } from './steering.ts';
import type { Steering } from './steering.ts';
import type { TunnelWatch } from './tunnel.ts';
import { blockedAbsent, localAnswer } from './verdicts.ts';
import type { NameVerdict } from './verdicts.ts';

/** The answer follows later: the caller hands the question to `hold`. */
export const heldBack = -1;

/** Where a held answer goes; the buffer is the target's to keep. */
export interface ReplyTarget {
  send(message: Uint8Array): void;
}

export interface HeldOptions {
  readonly lookup: Lookup;
  readonly currentPolicy: () => PolicyInForce | null;
  readonly attribution: AttributionPort;
  /** Absent: nobody knows what jobs are at. */
  readonly steps?: StepPort;
  readonly closing: Closing;
  readonly ruling: Ruling;
  readonly bindings: Bindings;
  readonly steering: Steering;
  readonly tunnels: TunnelWatch;
  /** Answers from memory or `heldBack`. */
  readonly answerNow: (asked: Asked, ruled: Ruled, out: Uint8Array) => number;
}

const maxHeld = 4096;
const attributionMs = 3000;
/** Answers are written here and copied at once: what waits needs no buffer of its own. */
const scratch = new Uint8Array(65_535);

export class HeldQueries {
  readonly #options: HeldOptions;
  #held = 0;

  constructor(options: HeldOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#held;
  }

  /** True when no more questions may wait, of whatever source. */
  get isFull(): boolean {
    return this.#held >= maxHeld;
  }

  /** Takes over a question whose bytes are its own; never rejects. */
  async hold(asked: Asked, port: number, pending: Promise<Attribution> | Attribution, target: ReplyTarget) {
    asked.source.hold(1);
    this.#held++;
    let answer: Uint8Array;
    try {
      answer = await this.#run(asked, port, pending);
    } catch (error) {
      answer = copyOf(this.#options.closing.refuse(asked, reasonOf(error), scratch));
    }
    asked.source.hold(-1);
    this.#held--;
    try {
      if (answer.length > 0) target.send(answer);
    } catch {
      // The client is gone; the record is written.
    }
  }

  async #run(asked: Asked, port: number, pending: Promise<Attribution> | Attribution): Promise<Uint8Array> {
    const { closing, lookup, attribution, steps } = this.#options;
    asked.attribution = await withLimit(pending);
    asked.step = steps?.stepOf(asked.attribution) ?? null;
    const ruled = this.#ruleNow(asked);
    const size = this.#options.answerNow(asked, ruled, scratch);
    // No opened record stands for this one.
    if (size !== heldBack) return copyOf(closing.recording.settle() ? size : withheld(closing, asked));
    // What is steered without a question to anybody else is no way out.
    const isAsked = steeredOf(ruled.verdict, asked.scan.type)?.when !== 'always';
    const suspicion = isAsked ? this.#watchTunnel(asked, ruled.verdict) : null;
    if (suspicion?.enforced)
      return copyOf(closing.local(asked, ruled.verdict, blockedAbsent(suspicion), scratch));
    closing.recording.opened(asked, underSuspicion(ruled.verdict, suspicion));
    const { type, dnssecOk, checkingDisabled } = asked.scan;
    const name = ruled.verdict.wireName;
    const variant = variantOf(dnssecOk, checkingDisabled);
    const found = isAsked ? await lookup.find({ name, type, variant }) : null;
    // Policy or job may have changed meanwhile: what leaves is judged by what holds now.
    asked.attribution = await withLimit(attribution.attribute(asked.source.address, port));
    const now = this.#ruleNow(asked);
    const verdict = underSuspicion(now.verdict, suspicion);
    return this.#finish(asked, { effective: now.effective, verdict }, found);
  }

  #ruleNow(asked: Asked): Ruled {
    const { recording } = this.#options.closing;
    recording.begin();
    const policy = this.#options.currentPolicy();
    if (policy === null) throw new RefusalError('policy-unavailable');
    return this.#options.ruling.rule(asked, policy, recording.steadyMs);
  }

  /** What the name's zone comes to: a block, in audit mode on paper only, or null. */
  #watchTunnel(asked: Asked, verdict: NameVerdict): Decision | null {
    const { source, scan } = asked;
    const { tunnels, closing } = this.#options;
    const { wireName, wildcard } = verdict;
    const seen = tunnels.ask(source.address, wireName, scan.type, closing.recording.steadyMs, wildcard);
    if (seen === 'clear') return null;
    const detail =
      seen === 'budget'
        ? `name budget of ${budgetKeyOf(wireName, wildcard)} spent`
        : 'names look like a tunnel';
    asked.evidence = [{ kind: 'dns-tunnel', detail }];
    if (seen === 'suspect') return null;
    const { mode, rule, scope } = verdict.decision;
    const reason = seen === 'budget' ? 'dns-budget' : 'dns-tunnel';
    return { ...blocked(reason, rule), scope, mode, enforced: mode === 'block' };
  }

  async #finish(asked: Asked, ruled: Ruled, found: Found | null): Promise<Uint8Array> {
    const { closing, tunnels, bindings, ruling } = this.#options;
    const { verdict } = ruled;
    const local = localAnswer(verdict, asked.scan.type);
    if (local !== null) return copyOf(closing.local(asked, verdict, local, scratch));
    const steered = steeredOf(verdict, asked.scan.type);
    if (steered?.when === 'always') return this.#steer(asked, verdict);
    if (found === null) throw new RefusalError('gateway-limit');
    const { entry, isStale } = found;
    const runner = asked.source.address;
    tunnels.answered(runner, verdict.wireName, entry.rcode === code.NXDOMAIN, entry.wire.bytes.length);
    const judged = ruling.judge(entry, ruled);
    if (steered !== null && isReplaced(steered, entry, judged)) return this.#steer(asked, verdict);
    if (verdict.bind.length > 0 && judged.instead === null && !isCut(asked, judged)) {
      const { wire } = judged;
      const host = nameText(verdict.wireName);
      await bindings.hold(runner, wire.addresses, verdict.bind, wire.ttl, steadySeconds(), host);
      closing.recording.begin();
    }
    return copyOf(closing.kept(asked, verdict, entry, judged, isStale, scratch));
  }

  // Runs after the last look at policy; the keeper refuses what stands for another name by now.
  async #steer(asked: Asked, verdict: NameVerdict): Promise<Uint8Array> {
    const { closing, steering } = this.#options;
    const steered = verdict.steered;
    if (steered === null) throw new RefusalError('internal-error');
    const answer = await steering.answer(asked, verdict, steered);
    closing.recording.begin();
    return copyOf(closing.local(asked, verdict, answer, scratch));
  }
}

function copyOf(size: number): Uint8Array {
  return scratch.slice(0, size);
}

function withheld(closing: Closing, { message, scan }: Asked): number {
  return closing.withhold(message, message.length, scan, scratch);
}

/** The verdict on an allowed name with the would-be block of its zone for a decision. */
function underSuspicion(verdict: NameVerdict, suspicion: Decision | null): NameVerdict {
  if (suspicion === null || verdict.decision.verdict === 'block') return verdict;
  return { ...verdict, decision: suspicion };
}

/** The attribution, or nobody's after 3 s: losing one's identity never widens what is allowed. */
function withLimit(pending: Promise<Attribution> | Attribution): Promise<Attribution> | Attribution {
  if (!(pending instanceof Promise)) return pending;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, attributionMs, unattributed);
    pending.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
