// What the operator's API answers when it does not do what was asked: problem details (RFC 9457) with one stable code each.
// Nothing internal is told: what broke goes to the log.

import type { FastifyReply } from 'fastify';
import { withoutTokens } from './auth/token.ts';

/** Every code, with its status and what it means. */
export const problems = {
  'invalid-query': [400, 'the query is not as the route wants it'],
  'invalid-params': [400, 'the path is not as the route wants it'],
  'invalid-body': [400, 'the body is not as the route wants it'],
  'invalid-cursor': [400, 'the cursor belongs to another question, or is none'],
  'reason-missing': [400, 'a write needs a reason of 1 to 500 characters'],
  'malformed-request': [400, 'the request cannot be read'],
  'not-recognised': [401, 'no valid token or login came with the request'],
  'login-refused': [401, 'the login was refused'],
  role: [403, 'the role does not allow it'],
  'owner-limit': [403, 'a caller who is limited to owners may not ask this'],
  'write-word': [403, 'a write with a login needs its word, and comes from our own page'],
  'not-found': [404, 'there is no such thing, or it is not shown to this caller'],
  method: [405, 'the path does not take this method'],
  'not-acceptable': [406, 'there is no answer in any of the types that are accepted'],
  conflict: [409, 'it contradicts what there is'],
  'too-large': [413, 'the body is larger than is taken'],
  'media-type': [415, 'the body is of a type that is not taken'],
  refused: [422, 'the gateway refused to do it'],
  'rate-limit': [429, 'more was asked than is answered in this time'],
  'login-limit': [429, 'too many logins have failed'],
  'too-many-clients': [429, 'as many clients listen as may'],
  'head-too-large': [431, 'the head of the request is larger than is taken'],
  internal: [500, 'an error of the gateway itself'],
  'not-supported': [501, 'this gateway is not configured for it'],
  'store-away': [503, 'the store does not answer; records are kept and taken in later'],
  'login-away': [503, 'the OIDC issuer does not answer as it should'],
  'audit-away': [503, 'the write could not be recorded, so it was not done'],
} as const satisfies Record<string, readonly [status: number, title: string]>;

export type ProblemCode = keyof typeof problems;

/** Thrown by a route or a hook to be answered as a problem. `detail` is for the caller and tells nothing internal. */
export class ProblemError extends Error {
  readonly code: ProblemCode;
  readonly detail: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: ProblemCode, detail = '', headers: Readonly<Record<string, string>> = {}) {
    super(`${code}: ${detail === '' ? problems[code][1] : detail}`);
    this.name = 'ProblemError';
    this.code = code;
    this.detail = detail;
    this.headers = headers;
  }
}

export const problemType = 'application/problem+json; charset=utf-8';

/** The body of a problem; `type` names its code within this program. */
export function problemBody(code: ProblemCode, detail: string, instance: string): object {
  const [status, title] = problems[code];
  return {
    type: `urn:sallyport:problem:${code}`,
    code,
    title,
    status,
    ...(detail === '' ? {} : { detail: detail.slice(0, 1_000) }),
    instance,
  };
}

/** Answers with a problem. */
export function sendProblem(reply: FastifyReply, code: ProblemCode, detail = ''): FastifyReply {
  const [path] = reply.request.url.split('?', 1);
  const body = problemBody(code, detail, withoutTokens(path!).slice(0, 500));
  // Serialised here: a route's own schema is that of its good answers.
  return reply.code(problems[code][0]).header('content-type', problemType).send(JSON.stringify(body));
}

/** How the OpenAPI document tells of every problem. */
export const problemSchema = {
  $id: 'Problem',
  type: 'object',
  description: 'Problem details (RFC 9457).',
  required: ['type', 'code', 'title', 'status'],
  properties: {
    type: { type: 'string', description: 'The code as a URN.' },
    code: { type: 'string', enum: Object.keys(problems), description: 'Stable code.' },
    title: { type: 'string', description: 'What the code means.' },
    status: { type: 'integer', description: 'HTTP status.' },
    detail: { type: 'string', description: 'What is wrong with this request.' },
    instance: { type: 'string', description: 'Path of the request.' },
  },
} as const;
