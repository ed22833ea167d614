// What policy makes of a question: its effective policy, the verdict on the name, and what that verdict makes of a
// kept answer. Everything is void when the revision changes.

import type { Reason } from '../flow/reason.ts';
import type { CacheEntry } from './cache.ts';
import { judgeEntry } from './judged.ts';
import type { Judged } from './judged.ts';
import { nameText } from './name.ts';
import type { NameGrant, NamePolicyPort, PolicyInForce } from './policy-port.ts';
import type { Asked } from './question.ts';
import { Verdicts } from './verdicts.ts';
import type { AnswerRules, NameVerdict } from './verdicts.ts';

/** A question with what policy makes of it. */
export interface Ruled {
  readonly effective: object;
  readonly verdict: NameVerdict;
}

export interface RulingOptions {
  readonly policy: NamePolicyPort;
  readonly answers: AnswerRules;
  /** The gateway's own addresses as text: no name may lead to them. */
  readonly ownAddresses: ReadonlySet<string>;
  /** True when a forward zone covers this folded wire name. */
  readonly isForwarded: (wireName: string) => boolean;
  readonly onRevision: () => void;
}

/** Blocks that say no more than that nothing allows the name. */
const grantable: ReadonlySet<Reason> = new Set(['no-rule', 'not-exclusive']);

/** Verdicts whose view of one answer is remembered. */
const maxJudgements = 8;

export class Ruling {
  readonly #options: RulingOptions;
  readonly #verdicts: Verdicts;
  /** Verdicts on names that answers handed out. */
  readonly #granted: Verdicts;
  #grant: NameGrant = { rule: null, scope: null };
  readonly #ruled: { effective: object; verdict: NameVerdict | null } = { effective: {}, verdict: null };
  #revision = '';

  constructor(options: RulingOptions) {
    this.#options = options;
    const { policy, answers, isForwarded } = options;
    this.#verdicts = new Verdicts(policy, answers, isForwarded);
    const decideName: NamePolicyPort['decideName'] = (effective, question) => {
      const decision = { ...policy.decideName(effective, question), ...this.#grant };
      return { ...decision, verdict: 'allow', reason: 'rule', addresses: [], bind: [], answer: 'forward' };
    };
    this.#granted = new Verdicts({ ...policy, decideName }, answers, isForwarded);
  }

  /** What policy makes of the question. The result is one object, filled anew by the next call. */
  rule(asked: Asked, policy: PolicyInForce, steadyMs: number): Ruled {
    if (policy.revision !== this.#revision) {
      this.#revision = policy.revision;
      this.#verdicts.clear();
      this.#granted.clear();
      this.#options.onRevision();
    }
    asked.revision = policy.revision;
    const effective = this.#effectiveOf(asked, policy);
    this.#ruled.effective = effective;
    const verdict = this.#verdicts.find(effective, asked.scan, steadyMs);
    const isGranted = grantable.has(verdict.decision.reason) && this.#isGranted(asked, verdict);
    this.#ruled.verdict = isGranted ? this.#granted.find(effective, asked.scan, steadyMs) : verdict;
    return this.#ruled as Ruled; // both fields were just set
  }

  #isGranted({ attribution, source }: Asked, { wireName }: NameVerdict): boolean {
    const name = nameText(wireName);
    if (name === null) return false;
    const grant = this.#options.policy.grantedName?.(attribution, source.address, name) ?? null;
    if (grant !== null) this.#grant = grant;
    return grant !== null;
  }

  // The same runner nearly always asks for the same job under the same policy.
  #effectiveOf({ source, attribution }: Asked, policy: PolicyInForce): object {
    const last = source.ruling;
    if (last !== null && last.policy === policy && last.attribution === attribution) return last.effective;
    const effective = this.#options.policy.effectivePolicy(policy, attribution);
    source.ruling = { policy, attribution, effective };
    return effective;
  }

  /** What the verdict makes of a kept answer. */
  judge(entry: CacheEntry, { effective, verdict }: Ruled): Judged {
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
}
