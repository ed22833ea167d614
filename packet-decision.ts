// What a record says of packets that the kernel judged: its verdict, and policy's words where the two agree.

import type { Decision } from './flow/decision.ts';
import type { Reason } from './flow/reason.ts';
import type { CountWindow } from './control.ts';
import type { CountedFlow } from './kernel/blocked-flows.ts';

const whys: ReadonlySet<Reason> = new Set(['unattributed', 'not-exclusive']);

/** The kernel's verdict is what happened; the rule is policy's where the two agree. */
export function packetDecision(flow: CountedFlow, asked: Decision): Decision {
  if (flow.verdict === null) return asked;
  if (flow.verdict === 'allow' && asked.reason === 'block-rule' && !asked.enforced) return asked;
  // The kernel has one word for all that nothing allows; policy knows why.
  const isPlain = flow.reason === 'no-rule' && flow.verdict !== 'allow' && whys.has(asked.reason);
  // Its event was lost: policy knows why only where it says the same.
  const unknown = asked.verdict === flow.verdict ? asked.reason : 'no-rule';
  const reason = isPlain ? asked.reason : (flow.reason ?? unknown);
  const isAgreed = asked.reason === reason;
  const [rule, scope] = isAgreed ? [asked.rule, asked.scope] : [null, null];
  if (flow.verdict === 'allow') {
    return asked.verdict === 'allow' ? asked : { ...asked, verdict: 'allow', rule, scope, reason };
  }
  const enforced = flow.verdict === 'block';
  return { verdict: 'block', enforced, mode: enforced ? 'block' : 'audit', rule, scope, reason };
}

/** When the packets of a flow passed, in milliseconds since 1970; its event comes up to `delayMs` after the first. */
export function timeOfPackets(
  { seenMs, attempts }: CountedFlow,
  window: CountWindow,
  delayMs: number,
): CountWindow {
  if (seenMs === null) return window;
  const firstMs = Date.now() - (performance.now() - seenMs);
  return { fromMs: firstMs - delayMs, untilMs: attempts === 1 ? firstMs : Math.max(firstMs, window.untilMs) };
}
