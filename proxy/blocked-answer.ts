// The answer a client gets instead of the upstream's: status by reason, a body in the form that this client
// shows to people, which rule and how to ask. Reveals nothing of the gateway's insides. HTTP/1 bytes are made
// here; proxy/h2 makes frames of the same answer.

import type { Decision } from '../flow/decision.ts';
import { reasons } from '../flow/reason.ts';
import type { Reason } from '../flow/reason.ts';
import { findField } from './head-bytes.ts';

/** What is answered to, whichever version of HTTP brought it. */
export interface Refused {
  readonly decision: Decision;
  readonly reason: Reason;
  readonly host: string | null;
  readonly method: string;
  /** Canonical path, or empty when it could not be read. */
  readonly path: string;
  /** More on the reason, fit for the job to read. */
  readonly told?: string | undefined;
  /** Messages by action, where a runner wanted actions resolved; null or absent: something else. */
  readonly actions?: Readonly<Record<string, string>> | null;
}

/** `head` is the request's head as it arrived, or null when it could not be read. */
export interface Blocked extends Refused {
  readonly head: Buffer | null;
  readonly isLast: boolean;
  readonly version: '1.0' | '1.1';
}

/** The answer before it becomes bytes; names are lower case, and the body is empty for gRPC. */
export interface Explained {
  readonly status: number;
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

const statusByReason: Readonly<Partial<Record<Reason, number>>> = {
  misdirected: 421,
  'malformed-request': 400,
  'request-smuggling': 400,
  'ambiguous-host': 400,
  'ambiguous-path': 400,
  'max-upload': 413,
  'proxy-authentication': 407,
  'too-large': 431,
  timeout: 504,
  'resolve-failed': 502,
  'connect-failed': 502,
  'upstream-certificate': 502,
  'client-certificate': 502,
  'upstream-protocol': 502,
  // Answered where it is the server that floods; a client that does is told by GOAWAY.
  'h2-flood': 502,
  'upstream-closed': 502,
  'upstream-proxy-refused': 502,
  'upstream-proxy-credentials': 502,
  'upstream-proxy-failed': 502,
  'runner-limit': 503,
  'gateway-limit': 503,
  'record-unavailable': 503,
  'policy-unavailable': 503,
  'keeper-unavailable': 503,
  'internal-error': 503,
  drained: 503,
};
const phrases: Readonly<Record<number, string>> = {
  200: 'OK',
  400: 'Bad Request',
  403: 'Forbidden',
  407: 'Proxy Authentication Required',
  408: 'Request Timeout',
  413: 'Content Too Large',
  421: 'Misdirected Request',
  422: 'Unprocessable Content',
  431: 'Request Header Fields Too Large',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};

/** The HTTP status that stands for a reason; 403 for everything that policy said. */
export function statusOf(reason: Reason): number {
  return statusByReason[reason] ?? 403;
}

// Of a refused package Maven, gem, pip and NuGet show nobody anything but this.
const toldInPhrase: ReadonlySet<Reason> = new Set([
  'package-age',
  'unknown-age',
  'malicious-package',
  'internal-package',
  'package-blocked',
  'package-unlisted',
  'publish',
]);

/** The words behind the status (RFC 9112 §4). */
function phraseOf({ reason, decision }: Blocked, status: number): string {
  const phrase = phrases[status] ?? 'Blocked';
  if (!toldInPhrase.has(reason)) return phrase;
  return `${phrase} by Sallyport: ${reason}${decision.rule === null ? '' : ` (${fieldText(decision.rule)})`}`;
}

// RFC 7617 §2.1; the realm says nothing of the gateway.
const challenge = 'proxy-authenticate: Basic realm="proxy", charset="UTF-8"';

/** A whole HTTP/1 answer, head and body, and its status. */
export function blockedAnswer(
  blocked: Blocked,
  status = statusOf(blocked.reason),
): { status: number; bytes: Buffer } {
  const { head, isLast, method } = blocked;
  const fieldOf = (name: string) => (head === null ? '' : (findField(head, name) ?? ''));
  const answer = explainRefused(blocked, fieldOf, status);
  const lines = [
    `HTTP/1.1 ${answer.status} ${phraseOf(blocked, answer.status)}`,
    ...answer.fields.map(([name, value]) => `${name}: ${value}`),
    ...(answer.status === 407 ? [challenge] : []),
    `connection: ${isLast ? 'close' : 'keep-alive'}`,
  ];
  const bytes = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  return { status: answer.status, bytes: method === 'HEAD' ? bytes : Buffer.concat([bytes, answer.body]) };
}

/** Status, fields and body; `fieldOf` gives the value of a field of the request by its lower-case name, or ''. */
export function explainRefused(
  refused: Refused,
  fieldOf: (name: string) => string,
  status = statusOf(refused.reason),
): Explained {
  const { actions = null } = refused;
  if (actions !== null && status === 403) return refuseActions(refused, actions);
  const text = explain(refused, status);
  const form = bodyForm(refused, (name) => fieldOf(name).toLowerCase(), text);
  const body = Buffer.from(form.body, 'utf8');
  const fields = fieldsOf(refused, form.type, body);
  if (form.grpc === true) {
    fields.push(['grpc-status', String(grpcStatusOf(status))], ['grpc-message', encodeURI(text)]);
  }
  return { status: form.grpc === true ? 200 : status, fields: [...fields, ...(form.extra ?? [])], body };
}

// Runners know this kind of error by name, in the run service's form and in the older one's, and ask no second time.
const unresolvable = 'UnresolvableActionDownloadInfoException';

function refuseActions({ decision, reason }: Refused, messages: Readonly<Record<string, string>>): Explained {
  const message = Object.values(messages).join(' ');
  const errors = Object.fromEntries(
    Object.entries(messages).map(([name, text]) => [name, { message: text }]),
  );
  const { body, type } = json({
    $id: '1',
    innerException: null,
    message,
    typeName: `GitHub.DistributedTask.WebApi.${unresolvable}, GitHub.DistributedTask.WebApi`,
    typeKey: unresolvable,
    errorCode: 0,
    eventId: 3000,
    errors,
    rule: decision.rule,
    reason,
  });
  const bytes = Buffer.from(body, 'utf8');
  return { status: 422, fields: fieldsOf({ decision, reason }, type, bytes), body: bytes };
}

function fieldsOf(
  { decision, reason }: Pick<Refused, 'decision' | 'reason'>,
  type: string,
  body: Buffer,
): [string, string][] {
  return [
    ['content-type', type],
    ['content-length', String(body.length)],
    ['cache-control', 'no-store'],
    ['x-sallyport-rule', decision.rule === null ? 'none' : fieldText(decision.rule)],
    ['x-sallyport-reason', reason],
  ];
}

/** The gRPC status that stands for an HTTP one: PERMISSION_DENIED, RESOURCE_EXHAUSTED, UNAVAILABLE, INTERNAL. */
function grpcStatusOf(status: number): number {
  if (status === 403 || status === 421) return 7;
  if (status === 413 || status === 431) return 8;
  return status >= 500 ? 14 : 13;
}

function explain(blocked: Refused, status: number): string {
  const { decision, host, method, path, reason, told } = blocked;
  const what = `${method} ${host ?? 'an unreadable host'}${path}`.slice(0, 300);
  const by = decision.rule === null ? '' : ` (rule ${decision.rule})`;
  const said = `Sallyport did not let ${what} through: ${reasons[reason]}${told === undefined ? '' : `: ${told}`}${by} [${reason}].`;
  return status === 403
    ? `${said} To allow it, ask the owner of the runner policy for a rule for this host, method and path.`
    : said;
}

interface Form {
  readonly type: string;
  readonly body: string;
  readonly grpc?: boolean;
  readonly extra?: readonly [string, string][];
}

function bodyForm(blocked: Refused, field: (name: string) => string, text: string): Form {
  const { host, path, reason } = blocked;
  const agent = field('user-agent');
  const accept = field('accept');
  const rule = blocked.decision.rule;
  if (field('content-type').startsWith('application/grpc'))
    return { type: 'application/grpc', body: '', grpc: true };
  if (agent.startsWith('git/')) return { type: 'text/plain; charset=utf-8', body: `${text}\n` };
  // What hands out tokens to them lies elsewhere than the images.
  if (isOciAgent(agent) || (path.startsWith('/v2/') && /vnd\.(?:oci|docker)\./.test(accept))) {
    const errors = [{ code: 'DENIED', message: text, detail: { rule, reason } }];
    return json({ errors }, [['docker-distribution-api-version', 'registry/2.0']]);
  }
  if (/^(?:npm|pnpm|yarn)\//.test(agent) || accept.includes('application/vnd.npm'))
    return json({ error: text, reason });
  if (isForge(host, path, accept)) {
    return json({ message: text, status: String(statusOf(reason)), rule, reason });
  }
  if (/[/+]json\b/.test(accept)) return json({ error: { message: text, rule, reason } });
  return { type: 'text/plain; charset=utf-8', body: `${text}\n` };
}

const isOciAgent = (agent: string) =>
  /^(?:docker|containerd|buildah|skopeo|containers\/|go-containerregistry|crane|oras|helm|podman|cosign|buildkit)/.test(
    agent,
  );

// The APIs of GitHub and GitLab tell people what `message` says, on hosts of one's own too.
function isForge(host: string | null, path: string, accept: string): boolean {
  if (host === null || /^(?:text|image)\//.test(accept)) return false;
  return (
    /(?:^|\.)(?:github\.com|githubusercontent\.com|ghe\.com)$/.test(host) ||
    /^\/api\/(?:v[34]\/|graphql$)/.test(path) ||
    /application\/vnd\.(?:github|git-lfs)/.test(accept)
  );
}

function json(value: unknown, extra: readonly [string, string][] = []): Form {
  return { type: 'application/json; charset=utf-8', body: `${JSON.stringify(value)}\n`, extra };
}

const fieldText = (text: string) => text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
