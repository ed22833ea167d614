// The one host, port and path that a request names, whichever form its target and Host have.

import type { Reason } from '../flow/reason.ts';
import { canonicaliseHost } from '../policy/canonicalise-host.ts';
import type { RequestHead } from './head.ts';

/** What judging needs of a request's head, whichever version of HTTP brought it. */
export type AskedHead = Pick<
  RequestHead,
  'method' | 'target' | 'host' | 'hasBody' | 'upgrade' | 'override' | 'dnsTypes'
>;

/** `pathText` as it came; `originForm` is set where the target was in another form. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly pathText: string;
  readonly originForm: string | null;
}

/** The one host, port and path that a request names (RFC 9112 §3.2, §3.3), or why there is not one. */
export function readTarget(
  head: AskedHead,
  scheme: 'http' | 'https',
  connectionPort: number,
  isExplicit: boolean,
): Target | { reason: Reason; detail: string } {
  const defaultPort = scheme === 'https' ? 443 : 80;
  const own =
    head.host === null ? null : readAuthority(head.host, isExplicit ? 0 : connectionPort, defaultPort);
  if (own !== null && 'reason' in own) return own;
  if (head.target.startsWith('/')) {
    if (own === null) return { reason: 'malformed-request', detail: 'no Host field' };
    return { ...own, pathText: head.target, originForm: null };
  }
  const absolute = /^(https?):\/\/([^/?#]*)([/?].*)?$/i.exec(head.target);
  if (absolute === null || absolute[1]!.toLowerCase() !== scheme) {
    return { reason: 'malformed-request', detail: 'a request target of another form than /path' };
  }
  const named = readAuthority(absolute[2]!, defaultPort, defaultPort);
  if ('reason' in named) return named;
  if (own !== null && (own.host !== named.host || own.port !== named.port)) {
    return { reason: 'misdirected', detail: 'the request line and Host name different hosts' };
  }
  const rest = absolute[3] ?? '/';
  const originForm = rest.startsWith('?') ? `/${rest}` : rest;
  return { ...named, pathText: originForm, originForm };
}

type Authority = { host: string; port: number } | { reason: Reason; detail: string };

let lastText = '';
let lastPort = -1;
let lastAuthority: Authority = { reason: 'ambiguous-host', detail: '' };

/** `host[:port]`; without a port the connection's own counts when it is not the scheme's default. */
function readAuthority(text: string, impliedPort: number, defaultPort: number): Authority {
  const port = impliedPort || defaultPort;
  // One request after the other names the same.
  if (text === lastText && port === lastPort) return lastAuthority;
  lastText = text;
  lastPort = port;
  lastAuthority = parseAuthority(text, port);
  return lastAuthority;
}

function parseAuthority(text: string, impliedPort: number): Authority {
  const colon = text.endsWith(']') ? -1 : text.lastIndexOf(':');
  const hostText = colon < 0 ? text : text.slice(0, colon);
  const portText = colon < 0 ? '' : text.slice(colon + 1);
  if (colon >= 0 && !/^[1-9]\d{0,4}$/.test(portText))
    return { reason: 'ambiguous-host', detail: 'the port in the host' };
  const host = canonicaliseHost(hostText);
  if (host.kind === 'ambiguous') return { reason: 'ambiguous-host', detail: host.detail };
  const name = host.kind === 'name' ? host.name : host.address;
  return { host: name, port: colon < 0 ? impliedPort : Number(portText) };
}
