// What an answer of a GraphQL API tells: it says 200 and refuses in its body (GraphQL over HTTP; the specification's
// `errors`). Such a call shows no need: malware's calls look like needs too.

import type { AnswerReader } from '../../flow/asked-request.ts';

const limits = { maxBytes: 262_144, maxDecodedBytes: 1_048_576, maxRatio: 100 };
/** Types of errors by which GitHub says that the token may not, or that nothing is there for it. */
const refusals: ReadonlySet<unknown> = new Set([
  'FORBIDDEN',
  'NOT_FOUND',
  'UNAUTHORIZED',
  'INSUFFICIENT_SCOPES',
]);

export const graphqlAnswerReader: AnswerReader = {
  limits,
  wantsBody: (head) => head.status === 200,
  read: (_head, body) => ({
    grants: [],
    accepted: null,
    evidence: [],
    ...(body?.kind === 'whole' && isRefusal(body.body) ? { refused: true } : {}),
  }),
};

/** True when any document of the answer was refused. Never throws. */
function isRefusal(body: Buffer): boolean {
  if (!body.includes('"errors"')) return false;
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return (Array.isArray(value) ? value : [value]).some(hasRefusal);
  } catch {
    return false;
  }
}

function hasRefusal(answer: unknown): boolean {
  const errors = memberOf(answer, 'errors');
  return Array.isArray(errors) && errors.some(isRefused);
}

function isRefused(error: unknown): boolean {
  const message = memberOf(error, 'message');
  return (
    refusals.has(memberOf(error, 'type')) ||
    (typeof message === 'string' && message.startsWith('Resource not accessible by'))
  );
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? new Map<string, unknown>(Object.entries(value)).get(name)
    : undefined;
}
