// What the headers of a question make of a request, in the words of the proxy's own reading of a head: another method,
// a body, an upgrade, and what two servers could read differently.

import type { Reason } from '../flow/reason.ts';
import { offeredUpgrade } from './offered-upgrade.ts';

type Headers = ReadonlyMap<string, string>;

const overrideNames = ['x-http-method-override', 'x-http-method', 'x-method-override'] as const;
// Read with `_` for `-` by CGI and WSGI; the proxy looks for the dashed form only, so that the other is refused.
const dashedNames: ReadonlySet<string> = new Set([
  ...overrideNames,
  'content-length',
  'transfer-encoding',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'http2-settings',
]);
// By these some servers route a request to another path than the one in its first line.
const reroutingNames: ReadonlySet<string> = new Set(['x-original-url', 'x-rewrite-url']);

export interface HeaderProblem {
  readonly reason: Reason;
  readonly detail: string;
}

/** Why no request with these headers is passed on, or null. Names are in lower case. */
export function findHeaderProblem(headers: Headers): HeaderProblem | null {
  for (const name of headers.keys()) {
    const dashed = name.replaceAll('_', '-');
    if (reroutingNames.has(dashed)) return smuggling('a field that some servers read as another path');
    if (dashed !== name && dashedNames.has(dashed))
      return smuggling(`a field that some servers read as ${dashed}`);
  }
  const coding = headers.get('transfer-encoding');
  const length = headers.get('content-length');
  if (coding !== undefined && (length !== undefined || coding.trim().toLowerCase() !== 'chunked'))
    return smuggling('a Transfer-Encoding other than one chunked, or beside a Content-Length');
  if (length !== undefined && !/^\d{1,15}$/.test(length.trim()))
    return smuggling('a Content-Length that is no plain number');
  const methods = readOverrides(headers);
  const isClear = methods.size <= 1 && [...methods].every((method) => /^[A-Z]{1,24}$/.test(method));
  return isClear
    ? null
    : { reason: 'malformed-request', detail: 'a method override that names no single method' };
}

const smuggling = (detail: string): HeaderProblem => ({ reason: 'request-smuggling', detail });

function readOverrides(headers: Headers): Set<string> {
  return new Set(overrideNames.flatMap((name) => headers.get(name)?.trim().toUpperCase() ?? []));
}

/** The method that headers name in place of the request's own, or null. */
export function readOverride(headers: Headers): string | null {
  return [...readOverrides(headers)][0] ?? null;
}

/** An upgrade that is asked for. */
export function readUpgrade(headers: Headers): string | null {
  const upgrade = headers.get('upgrade');
  return upgrade === undefined ? null : offeredUpgrade(upgrade);
}

export function namesBody(headers: Headers): boolean {
  return headers.has('transfer-encoding') || Number(headers.get('content-length') ?? 0) > 0;
}
