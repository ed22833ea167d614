// What one verdict makes of a kept answer: explicit blocks along its CNAME chain and the rebinding guard. Judged
// when it is answered rather than when it is kept, since runners with different policies share the cache.

import { blocked, isOpen } from '../flow/decision.ts';
import type { Decision } from '../flow/decision.ts';
import type { Evidence } from '../flow/evidence.ts';
import type { Reason } from '../flow/reason.ts';
import { formatAddress } from '../flow/address.ts';
import type { LocalAnswer } from './answer.ts';
import type { CacheEntry } from './cache.ts';
import { maxRecordedAnswers } from './flow-record.ts';
import { nameText } from './name.ts';
import { addressTexts, withoutAddresses } from './rebuild.ts';
import type { Wire } from './rebuild.ts';
import { findForbidden } from './rebinding.ts';
import { blockedAbsent } from './verdicts.ts';
import type { NameVerdict } from './verdicts.ts';

export interface Judged {
  /** What the runner may see of the answer. */
  readonly wire: Wire;
  /** Given instead of the answer, or null. */
  readonly instead: LocalAnswer | null;
  readonly evidence: readonly Evidence[];
  /** Addresses of `wire` as text, for the record. */
  readonly answers: readonly string[];
}

const plainJudgements = new WeakMap<CacheEntry, Judged>();

/** Judges a kept answer; `decide` says what the same policy thinks of a name. */
export function judgeEntry(
  entry: CacheEntry,
  verdict: NameVerdict,
  decide: (name: string) => Decision,
  own: ReadonlySet<string>,
): Judged {
  if (entry.isPlain) {
    let plain = plainJudgements.get(entry);
    if (!plain) plainJudgements.set(entry, (plain = whole(entry.wire)));
    return plain;
  }
  const chain = judgeTargets(entry.targets, decide);
  if (chain !== null) return replaced(entry.wire, blockedAbsent(chain), []);
  const forbidden = findForbidden(entry.wire.addresses, verdict.addresses, own);
  if (forbidden.size === 0) return whole(entry.wire);
  const evidence = rebindingEvidence(entry.wire, forbidden);
  if (forbidden.size === entry.wire.addresses.length) {
    const decision = { ...blocked('rebinding'), rule: verdict.decision.rule, scope: verdict.decision.scope };
    return replaced(entry.wire, blockedAbsent(decision), evidence);
  }
  const wire = withoutAddresses(entry.wire, new Set(forbidden.keys()));
  return { wire, instead: null, evidence, answers: addressTexts(wire, maxRecordedAnswers) };
}

function whole(wire: Wire): Judged {
  return { wire, instead: null, evidence: [], answers: addressTexts(wire, maxRecordedAnswers) };
}

function replaced(wire: Wire, instead: LocalAnswer, evidence: readonly Evidence[]): Judged {
  return { wire, instead, evidence, answers: [] };
}

/**
 * The explicit block of one of these folded wire names, or null. A target needs no rule of its own (networks change
 * theirs daily), but a block of it holds.
 */
export function judgeTargets(
  targets: readonly string[],
  decide: (name: string) => Decision,
): Decision | null {
  for (const target of targets) {
    const text = nameText(target);
    if (text === null) return blocked('ambiguous-host');
    const decision = decide(text);
    const isExplicit = decision.reason === 'block-rule' || decision.reason === 'blocklist';
    if (isExplicit && !isOpen(decision)) return decision;
  }
  return null;
}

function rebindingEvidence(wire: Wire, forbidden: ReadonlyMap<number, Reason>): Evidence[] {
  return [...forbidden].slice(0, 4).map(([index, reason]) => ({
    kind: 'rebinding',
    detail: `${formatAddress(wire.addresses[index]!)}: ${reason}`,
  }));
}
