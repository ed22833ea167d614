// Does one rule cover one connection or request? The clauses that decide.ts puts together.

import { matchesPath } from './match-path.ts';
import { allowsMethod, coversAnyMethod, type MethodSet, type MethodUse } from './method-set.ts';
import { coversPort, coversTcp, type HttpRule, type Rule, type Scheme } from './rule.ts';

export interface RequestUse extends MethodUse {
  readonly scheme: Scheme;
  readonly port: number;
  readonly path: string;
  readonly upgrade: string | null;
}

/** True when the rule speaks of this port; `scheme` is null for what is neither TLS nor HTTP. */
export function fitsEndpoint(rule: Rule, scheme: Scheme | null, port: number): boolean {
  if (rule.kind === 'name') return false;
  if (rule.kind === 'network') return coversTcp(rule, port);
  if (rule.kind === 'operation') return scheme === 'https' && port === 443;
  return (
    rule.endpoints === null ||
    rule.endpoints.some((endpoint) => endpoint.scheme === scheme && coversPort(endpoint.ports, port))
  );
}

/** True when the rule cannot be held without reading requests. */
export function needsInspection(rule: Rule): boolean {
  if (rule.kind === 'operation') return true;
  return rule.kind === 'http' && !(blocksWholeHost(rule) && rule.maxUploadBytes === null && rule.websocket);
}

/** True when the rule says the same of every path and method. */
export function blocksWholeHost(rule: HttpRule): boolean {
  return rule.paths === null && rule.exceptPaths.length === 0 && coversAnyMethod(rule.methods);
}

/** `yes`, or what is missing first: the path, or the method. The endpoint is the caller's business. */
export function grantsRequest(rule: Rule, use: RequestUse): 'yes' | 'path' | 'method' {
  if (rule.kind === 'opaque') return use.scheme === 'https' ? 'yes' : 'path';
  if (rule.kind !== 'http' || !coversPath(rule, use.path)) return 'path';
  return allowsMethod(rule.methods, use) ? 'yes' : 'method';
}

function coversPath(rule: HttpRule, path: string): boolean {
  if (rule.paths !== null && !rule.paths.some((pattern) => matchesPath(pattern, path))) return false;
  return !rule.exceptPaths.some((pattern) => matchesPath(pattern, path));
}

/** True when the block rule covers the request; a trailing slash does not help. */
export function blocksRequest(
  rule: HttpRule,
  use: RequestUse,
  coversMethod: (set: MethodSet, use: MethodUse) => boolean,
): boolean {
  if (!fitsEndpoint(rule, use.scheme, use.port)) return false;
  if (!coversMethod(rule.methods, use)) return false;
  const bare = use.path.endsWith('/') ? use.path.slice(0, -1) : use.path;
  return coversPath(rule, use.path) || coversPath(rule, bare);
}
