// Answers for a person or a program what a policy says to one request: the same decisions as on the path, in its order.

import { blocked, type Decision } from '../flow/decision.ts';
import type { Evidence } from '../flow/evidence.ts';
import type { Attribution } from '../flow/job.ts';
import { canonicalisePath } from './canonicalise-path.ts';
import { checkAddress } from './check-address.ts';
import type { Policy } from './compile.ts';
import { decideHost, decideName, decideNetwork, decideRequest } from './decide.ts';
import { readQuestionUrl, type QuestionUrl } from './read-url.ts';
import { effectivePolicy, type EffectivePolicy } from './scope.ts';

export interface Question {
  readonly url: string;
  readonly method: string;
  readonly hasBody: boolean;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
}

export type Explanation =
  | { readonly kind: 'decision'; readonly decision: Decision; readonly detail: string | null }
  | { readonly kind: 'unreadable'; readonly detail: string };

/** Decides one question for one attribution. */
export function explainQuestion(policy: Policy, attribution: Attribution, question: Question): Explanation {
  const read = readQuestionUrl(question.url);
  if (read.kind === 'unreadable') return read;
  if (read.kind === 'ambiguous') return answer(blocked('ambiguous-host'), read.detail);
  const effective = effectivePolicy(policy, attribution);
  const { url } = read;
  if (url.scheme === 'dns') {
    return answer(url.host === null ? blocked('dns-type') : decideName(effective, { name: url.host }));
  }
  if (url.scheme === 'http' || url.scheme === 'https')
    return explainHttp(effective, url, url.scheme, question);
  return answer(explainPacket(effective, url, url.scheme));
}

function answer(decision: Decision, detail: string | null = null): Explanation {
  const { verdict, enforced, mode, rule, scope, reason } = decision;
  return { kind: 'decision', decision: { verdict, enforced, mode, rule, scope, reason }, detail };
}

function explainHttp(
  effective: EffectivePolicy,
  url: QuestionUrl,
  scheme: 'http' | 'https',
  question: Question,
): Explanation {
  const { host, address } = url;
  const port = url.port ?? (scheme === 'https' ? 443 : 80);
  const protocol = scheme === 'https' ? 'tls' : 'http';
  const connection = decideHost(effective, { host, address, port, protocol });
  if (connection.verdict === 'block') return answer(connection);
  const path = canonicalisePath(url.target);
  if (path.kind === 'ambiguous') return answer(blocked('ambiguous-path'), path.detail);
  if (connection.treatment === 'pass-through') return answer(connection, 'passed through unread');
  const overrides = findOverrides(question.headers);
  if (overrides.some(({ detail }) => !/^[A-Z]{1,24}$/.test(detail))) {
    return answer(blocked('malformed-request'), 'a method override that names no method');
  }
  const request = decideRequest(effective, {
    scheme,
    host: host ?? address ?? '',
    port,
    method: question.method,
    path: path.path,
    hasBody: question.hasBody || namesBody(question.headers),
    upgrade: url.upgrade ? 'websocket' : readUpgrade(question.headers.get('upgrade')),
    evidence: overrides,
  });
  if (request.verdict === 'block' || address === null) return answer(request);
  const reason = checkAddress(address, request.addresses);
  return answer(reason === null ? request : { ...blocked(reason), mode: effective.mode });
}

const overrideHeaders = ['x-http-method-override', 'x-http-method', 'x-method-override'] as const;

function findOverrides(headers: ReadonlyMap<string, string>): Evidence[] {
  return overrideHeaders.flatMap((name) => {
    const method = headers.get(name);
    return method === undefined ? [] : [{ kind: 'method-override', detail: method }];
  });
}

// An offer of cleartext HTTP/2 is not passed on and opens nothing (RFC 9113 3.1).
function readUpgrade(header: string | undefined): string | null {
  return header === undefined || header.trim().toLowerCase() === 'h2c' ? null : header;
}

function namesBody(headers: ReadonlyMap<string, string>): boolean {
  return headers.has('transfer-encoding') || Number(headers.get('content-length') ?? 0) > 0;
}

function explainPacket(
  effective: EffectivePolicy,
  url: QuestionUrl,
  protocol: 'tcp' | 'udp' | 'icmp' | 'dns',
): Decision {
  const { host, address, port } = url;
  const isIntercepted =
    protocol === 'tcp' && port !== null && effective.policy.interceptedPorts.includes(port);
  if (isIntercepted) return decideHost(effective, { host, address, port, protocol: 'unknown' });
  return decideNetwork(effective, { host, address, port, protocol: protocol === 'dns' ? 'other' : protocol });
}
