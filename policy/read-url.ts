// Splits the URL of a question without normalising it: what a client would send is what is judged.

import { canonicaliseHost } from './canonicalise-host.ts';

export interface QuestionUrl {
  readonly scheme: 'http' | 'https' | 'tcp' | 'udp' | 'icmp' | 'dns';
  readonly host: string | null;
  readonly address: string | null;
  readonly port: number | null;
  readonly target: string;
  readonly upgrade: boolean;
}
export type UrlResult =
  | { readonly kind: 'url'; readonly url: QuestionUrl }
  | { readonly kind: 'ambiguous'; readonly detail: string }
  | { readonly kind: 'unreadable'; readonly detail: string };

const shape = /^([a-z]+):\/\/([^/?#]*)([^#]*)/i;
const schemes: Readonly<
  Record<string, { scheme: QuestionUrl['scheme']; port: number | null; upgrade: boolean }>
> = {
  http: { scheme: 'http', port: 80, upgrade: false },
  https: { scheme: 'https', port: 443, upgrade: false },
  ws: { scheme: 'http', port: 80, upgrade: true },
  wss: { scheme: 'https', port: 443, upgrade: true },
  tcp: { scheme: 'tcp', port: null, upgrade: false },
  udp: { scheme: 'udp', port: null, upgrade: false },
  icmp: { scheme: 'icmp', port: null, upgrade: false },
  dns: { scheme: 'dns', port: null, upgrade: false },
};

/** Reads `https://host/path`, `tcp://host:22`, `udp://192.0.2.1:123`, `icmp://192.0.2.1`, `dns://host`. */
export function readQuestionUrl(text: string): UrlResult {
  const match = shape.exec(text);
  const known = match === null ? undefined : schemes[match[1]!.toLowerCase()];
  if (match === null || known === undefined) {
    return {
      kind: 'unreadable',
      detail: `"${text}" is no URL; write https://host/path, tcp://host:port or udp://host:port`,
    };
  }
  const [, , authority = '', rest = ''] = match;
  const split = splitPort(authority);
  const host = canonicaliseHost(split.host);
  if (host.kind === 'ambiguous') return { kind: 'ambiguous', detail: host.detail };
  const port = split.port ?? known.port;
  if (port !== null && (Number.isNaN(port) || port < 1 || port > 65_535)) {
    return { kind: 'unreadable', detail: `"${authority}" has no port between 1 and 65535` };
  }
  if (port === null && (known.scheme === 'tcp' || known.scheme === 'udp')) {
    return { kind: 'unreadable', detail: `"${text}" needs a port` };
  }
  return {
    kind: 'url',
    url: {
      scheme: known.scheme,
      host: host.kind === 'name' ? host.name : null,
      address: host.kind === 'address' ? host.address : null,
      port,
      target: rest.startsWith('/') ? rest : `/${rest}`,
      upgrade: known.upgrade,
    },
  };
}

function splitPort(authority: string): { host: string; port: number | null } {
  const colon = authority.lastIndexOf(':');
  if (colon < 0 || authority.endsWith(']')) return { host: authority, port: null };
  const digits = authority.slice(colon + 1);
  return { host: authority.slice(0, colon), port: /^\d{1,5}$/.test(digits) ? Number(digits) : Number.NaN };
}
