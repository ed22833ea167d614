// What policy says of a flow. A decision is a value; nothing on the path of a flow throws to block.

import type { Reason } from './reason.ts';

export type Mode = 'audit' | 'block';
export type Verdict = 'allow' | 'block';

/** A verdict with the rule that gave it. `enforced: false` is a would-be block: recorded and let through. */
export interface Decision {
  readonly verdict: Verdict;
  readonly enforced: boolean;
  readonly mode: Mode;
  /** Id of the rule that decided, or null when none did. */
  readonly rule: string | null;
  /** Id of the scope that the rule stands in, or null for the top level. */
  readonly scope: string | null;
  readonly reason: Reason;
}

/** True when the flow may go on: it is allowed, or blocked only on paper. */
export function isOpen(decision: Decision): boolean {
  return decision.verdict === 'allow' || !decision.enforced;
}

/** A block that no mode softens: malformed input, limits, failures of our own. */
export function blocked(reason: Reason, rule: string | null = null): Decision {
  return { verdict: 'block', enforced: true, mode: 'block', rule, scope: null, reason };
}
