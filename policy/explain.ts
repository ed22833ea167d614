// Answers for a person or a program what a policy says to one request: the same decisions as on the path, in its order.

import { blocked, isOpen, type Decision } from '../flow/decision.ts';
import type { AskedRequest, Interpreter, Understanding } from '../flow/asked-request.ts';
import type { Evidence } from '../flow/evidence.ts';
import type { Attribution } from '../flow/job.ts';
import type { CredentialKind, Operation } from '../flow/operation.ts';
import { withQueryTokens } from '../flow/query-token.ts';
import { understandWhole } from '../flow/understand-whole.ts';
import { canonicalisePath, slashesOn } from './canonicalise-path.ts';
import { checkAddress } from './check-address.ts';
import type { Policy } from './compile.ts';
import {
  decideHost,
  decideName,
  decideNetwork,
  decideRequest,
  type RequestDecision,
  type RequestQuestion,
} from './decide.ts';
import { findEncryptedDns } from './encrypted-dns.ts';
import { createInspector } from './inspect-credentials.ts';
import { findHeaderProblem, namesBody, readOverride, readUpgrade } from './read-headers.ts';
import { readQuestionUrl, type QuestionUrl } from './read-url.ts';
import { effectivePolicy, type EffectivePolicy } from './scope.ts';

export interface Question {
  readonly url: string;
  readonly method: string;
  readonly hasBody: boolean;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body?: Buffer;
}

/** Who says what a request means, and whose credential it carries. */
export interface Meanings {
  readonly interpreter: Interpreter;
  credential(header: (name: string) => string | null): CredentialKind;
}

export type Explanation =
  | {
      readonly kind: 'decision';
      readonly decision: Decision;
      readonly detail: string | null;
      readonly operation: Operation | null;
    }
  | { readonly kind: 'unreadable'; readonly detail: string };

/** Decides one question for one attribution. */
export function explainQuestion(
  policy: Policy,
  attribution: Attribution,
  question: Question,
  meanings?: Meanings,
): Explanation {
  const read = readQuestionUrl(question.url);
  if (read.kind === 'unreadable') return read;
  if (read.kind === 'ambiguous') return answer(blocked('ambiguous-host'), read.detail);
  const effective = effectivePolicy(policy, attribution);
  const { url } = read;
  if (url.scheme === 'dns') {
    return answer(url.host === null ? blocked('dns-type') : decideName(effective, { name: url.host }));
  }
  if (url.scheme === 'http' || url.scheme === 'https') {
    const asker: Asker = { attribution, meanings };
    return explainHttp(effective, url, url.scheme, question, asker);
  }
  return answer(explainPacket(effective, url, url.scheme));
}

interface Asker {
  readonly attribution: Attribution;
  readonly meanings: Meanings | undefined;
}

function answer(
  decision: Decision,
  detail: string | null = null,
  operation: Operation | null = null,
): Explanation {
  const { verdict, enforced, mode, rule, scope, reason } = decision;
  return { kind: 'decision', decision: { verdict, enforced, mode, rule, scope, reason }, detail, operation };
}

function explainHttp(
  effective: EffectivePolicy,
  url: QuestionUrl,
  scheme: 'http' | 'https',
  question: Question,
  asker: Asker,
): Explanation {
  const { host, address } = url;
  const port = url.port ?? (scheme === 'https' ? 443 : 80);
  const protocol = scheme === 'https' ? 'tls' : 'http';
  const connection = decideHost(effective, { host, address, port, protocol });
  // What is let through on paper only is read all the same, unless nobody opens it.
  if (isOpen(connection) && scheme === 'https' && connection.treatment === 'pass-through')
    return answer(connection, 'passed through unread');
  const problem = findHeaderProblem(question.headers);
  if (problem !== null) return answer(blocked(problem.reason), problem.detail);
  const override = readOverride(question.headers);
  const bare = {
    scheme,
    host: host ?? address ?? '',
    port,
    method: question.method,
    hasBody: question.hasBody || namesBody(question.headers),
  };
  const path = canonicalisePath(url.target, slashesOn(bare.host));
  if (path.kind === 'ambiguous') {
    const meant = canonicalisePath(resolveDots(url.target), 'join');
    const operation =
      meant.kind === 'path'
        ? understand({ ...bare, path: meant.path }, meant.query, question, asker)?.operation
        : null;
    return answer(blocked('ambiguous-path'), path.detail, operation ?? null);
  }
  const request = { ...bare, path: path.path };
  const understood = inspect(effective, { ...request, query: path.query }, question, asker);
  const { operation } = understood;
  if (!isOpen(connection)) return answer(connection, null, operation);
  const decided = explainRequest(effective, override, {
    ...request,
    operation,
    attribution: asker.attribution,
    credential: understood.credential,
    upgrade: url.upgrade ? 'websocket' : readUpgrade(question.headers),
    evidence: [
      ...understood.evidence,
      ...(override === null ? [] : [{ kind: 'method-override', detail: override } as const]),
      ...readEncryptedDns(path, question.headers),
    ],
  });
  if (decided.verdict === 'block' || address === null) return answer(decided, null, operation);
  const reason = checkAddress(address, decided.addresses);
  const checked = reason === null ? decided : { ...blocked(reason), mode: effective.mode };
  return answer(checked, null, operation);
}

/** As most servers would read it (RFC 3986 §5.2.4), to say what a request means that is refused. */
function resolveDots(target: string): string {
  if (!URL.canParse(`https://x.example${target}`)) return target;
  const { pathname, search } = new URL(`https://x.example${target}`);
  return pathname + search;
}

/** What the request means, with what is evident of its credentials where the policy asks. */
function inspect(
  effective: EffectivePolicy,
  request: Pick<RequestQuestion, 'scheme' | 'host' | 'port' | 'method' | 'path' | 'hasBody'> & {
    readonly query: string;
  },
  question: Question,
  asker: Asker,
): {
  readonly operation: Operation | null;
  readonly evidence: Evidence[];
  readonly credential: CredentialKind;
} {
  const found = understand(request, request.query, question, asker);
  const operation = found?.operation ?? null;
  const evidence = [...(found?.evidence ?? [])];
  const credential =
    asker.meanings?.credential(
      withQueryTokens((name) => question.headers.get(name) ?? null, request.query),
    ) ?? 'unknown';
  const { credentials, policy } = effective;
  if (credentials === null) return { operation, evidence, credential };
  const fields = [...question.headers].map(([name, value]) => `${name}: ${value}`).join('\r\n');
  const inspector = createInspector(credentials, policy.servers, asker.attribution);
  const asked = { ...request, fields, credential, operation };
  const body = question.body ?? Buffer.alloc(0);
  const held = { kind: 'whole', body, raw: [body] } as const;
  const inBody = inspector.body(asked, held, { operation, evidence: [] }).evidence;
  return { operation, credential, evidence: [...evidence, ...inspector.head(asked), ...inBody] };
}

function understand(
  request: Pick<RequestQuestion, 'scheme' | 'host' | 'port' | 'method' | 'path' | 'hasBody'>,
  query: string,
  { headers, body }: Question,
  { attribution, meanings }: Asker,
): Understanding | null {
  if (meanings === undefined) return null;
  const header = (name: string): string | null => headers.get(name) ?? null;
  const asked: AskedRequest = {
    ...request,
    query,
    header,
    attribution,
    credential: meanings.credential(withQueryTokens(header, query)),
  };
  return understandWhole(meanings.interpreter, asked, body ?? null);
}

/** The request as it is, and as what it asks to be read as: the stricter answer counts. */
function explainRequest(
  effective: EffectivePolicy,
  override: string | null,
  question: RequestQuestion,
): RequestDecision {
  const decided = decideRequest(effective, question);
  if (override === null || !isOpen(decided)) return decided;
  const asOverride = decideRequest(effective, { ...question, method: override });
  return asOverride.verdict === 'block' ? asOverride : decided;
}

function readEncryptedDns(
  { path, query }: { readonly path: string; readonly query: string },
  headers: ReadonlyMap<string, string>,
): Evidence[] {
  const mediaTypes = `${headers.get('accept') ?? ''} ${headers.get('content-type') ?? ''}`;
  const detail = findEncryptedDns({ path, query, mediaTypes });
  return detail === null ? [] : [{ kind: 'encrypted-dns', detail }];
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
