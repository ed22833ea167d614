// What a runner prints when its actions are not resolved: one message for each that is refused, in the form in which
// the platform itself says that an action cannot be resolved (422; the runner then fails the job and does not ask again).

import type { Decision } from '../flow/decision.ts';
import type { ActionTouch, Operation } from '../flow/operation.ts';
import { reasons, type Reason } from '../flow/reason.ts';
import { redactPath } from '../flow/redact.ts';
import type { ActionRefusal, ActionWords } from '../policy/actions.ts';

const maxTold = 16;
const remedies: Readonly<Partial<Record<Reason, string>>> = {
  'action-unlisted': 'Ask the owner of the runner policy to add it to actions.allow.',
  'action-unpinned': 'Pin it to the full commit SHA that you have reviewed.',
  'moved-ref':
    'Look at what has changed; pin it to the commit that you have reviewed, or ask the owner of the runner policy to name it in actions.allowMoves.',
  'off-branch':
    'Use a commit that a branch or a release tag leads to, or ask the owner of the runner policy to name it in actions.allowOffBranch.',
};

/** Messages by action, as `owner/repo@ref`; null where the operation resolves none. */
export function tellActions(
  operation: Operation | null,
  decision: Decision,
  words: ActionWords | null,
): Readonly<Record<string, string>> | null {
  if (operation?.name !== 'actions/resolve') return null;
  const told: Record<string, string> = {};
  for (const touch of operation.touches) {
    if (touch.kind !== 'action' || Object.keys(told).length >= maxTold) continue;
    const refusal = words?.refusal(touch) ?? null;
    if (refusal !== null) told[nameOf(touch)] = messageFor(touch, refusal);
  }
  if (Object.keys(told).length > 0) return told;
  const by = decision.rule === null ? '' : ` (rule ${decision.rule})`;
  const text = `Sallyport did not let actions be resolved: ${reasons[decision.reason]}${by} [${decision.reason}].`;
  const names = operation.touches.flatMap((touch) => (touch.kind === 'action' ? nameOf(touch) : []));
  return { [names[0] ?? 'actions']: text };
}

function messageFor(touch: ActionTouch, { reason, rule }: ActionRefusal): string {
  const { before, commit, foundAs } = touch;
  const found = foundAs === undefined ? '' : ` (found as ${redactPath(foundAs)})`;
  const moved = reason === 'moved-ref' ? `: ${before} before, ${commit} now` : '';
  const off = reason === 'off-branch' ? `: ${commit}` : '';
  const remedy = remedies[reason] ?? 'Ask the owner of the runner policy.';
  return `Sallyport blocked the action ${nameOf(touch)}${found}: ${reasons[reason]}${moved}${off} (rule ${rule}) [${reason}]. ${remedy}`;
}

function nameOf({ owner, name, path, ref }: ActionTouch): string {
  if (owner === null) return 'actions';
  return redactPath(`${owner}/${name}${path === '' ? '' : `/${path}`}`) + `@${redactPath(ref ?? '')}`;
}
