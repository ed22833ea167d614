// The call by which a runner has its actions resolved: which ones, from its body; to what, from the answer. Composite
// actions come by further calls of the same form.

import type { AnswerReader, AnswerReview, ReviewedAnswer, Understanding } from '../flow/asked-request.ts';
import type { Held, HoldLimits } from '../flow/held.ts';
import type { ActionTouch, Operation } from '../flow/operation.ts';
import { findLookAlikes } from './look-alike.ts';
import { readAsked, unreadAction } from './read-asked.ts';
import { maxActions } from './read-json.ts';
import { readResolved, type ResolvedAction } from './read-resolved.ts';

/** Name of the operation, on every platform that has one. */
export const resolveOperation = 'actions/resolve';

const askedLimits: HoldLimits = { maxBytes: 262_144, maxDecodedBytes: 262_144, maxRatio: 20 };
const answerLimits: HoldLimits = { maxBytes: 1_048_576, maxDecodedBytes: 1_048_576, maxRatio: 50 };

/** Adds to what the platform says of the call; its body decides, and then its answer. */
export function understandResolution(found: Understanding, operation: Operation): Understanding {
  const unread = 'which actions are asked for is not read';
  return {
    ...understandAsked(found, operation, unread),
    hold: { ...askedLimits, withBody: (body) => understandAsked(found, operation, readAsked(body)) },
  };
}

function understandAsked(
  { evidence }: Understanding,
  bare: Operation,
  asked: readonly ActionTouch[] | string,
): Understanding {
  const operation = withActions(bare, asked);
  const actions = typeof asked === 'string' ? [] : asked;
  const read = (body: Held): ReviewedAnswer => review(bare, readResolved(body, actions));
  return {
    operation,
    evidence: [...evidence, ...findLookAlikes(actions)],
    answer: readerOf(read),
    review: reviewOf(read),
  };
}

function withActions(operation: Operation, actions: readonly ActionTouch[] | string): Operation {
  if (typeof actions !== 'string') return { ...operation, touches: [...operation.touches, ...actions] };
  const touches = [...operation.touches, unreadAction];
  return { ...operation, touches, sureness: 'unknown', detail: actions };
}

/** What the platform made of them counts from here on: what it resolved was asked for. */
function review(bare: Operation, resolved: readonly ResolvedAction[] | string): ReviewedAnswer {
  const rest = bare.touches.map(() => null);
  if (typeof resolved === 'string')
    return {
      operation: withActions(bare, resolved),
      grants: [...rest, null].map(() => []),
      tokens: [...rest, null],
    };
  const all = resolved.slice(0, maxActions);
  return {
    operation: withActions(
      bare,
      all.map(({ touch }) => touch),
    ),
    grants: [...rest.map(() => []), ...all.map(({ grants }) => grants)],
    tokens: [...rest, ...all.map(({ token }) => token)],
  };
}

const isResolved = (status: number): boolean => status >= 200 && status < 300;

function reviewOf(read: (body: Held) => ReviewedAnswer): AnswerReview {
  return { limits: answerLimits, wantsBody: ({ status }) => isResolved(status), read };
}

/** Where the policy says nothing of actions their archives open all the same: nobody else may have them. */
function readerOf(read: (body: Held) => ReviewedAnswer): AnswerReader {
  return {
    limits: answerLimits,
    wantsBody: ({ status }) => isResolved(status),
    read: (_head, body) => ({
      grants: body === null ? [] : read(body).grants.flat(),
      accepted: null,
      evidence: [],
    }),
  };
}
