// Which operations hand out credentials, and where they stand in the answer. A table by the operation's name; texts of
// tokens are found in JSON by their keys, in forms and in the XML of STS.

import type { AskedRequest } from '../../flow/asked-request.ts';
import type { Making } from '../../flow/lineage.ts';
import type { Operation } from '../../flow/operation.ts';

/** How an answer is read for what it hands out. */
export interface Mint {
  readonly made: Making;
  readonly read: (body: string) => readonly string[];
}

const maxNodes = 4_000;
const maxDepth = 8;
const maxTokens = 32;
const minLength = 8;
const maxLength = 16_384;

/** Every text below one of these keys, in JSON or in a form. */
export function readKeys(keys: readonly string[]): Mint['read'] {
  const wanted = new Set(keys);
  return (body) => (/^\s*[{[]/.test(body) ? fromJson(body, wanted) : fromForm(body, wanted));
}

function fromForm(body: string, wanted: ReadonlySet<string>): string[] {
  return [...new URLSearchParams(body)]
    .filter(([key]) => wanted.has(key))
    .map(([, value]) => value)
    .filter(isToken);
}

const isToken = (text: string): boolean => text.length >= minLength && text.length <= maxLength;

function fromJson(body: string, wanted: ReadonlySet<string>): string[] {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return [];
  }
  const found: string[] = [];
  const waiting: { readonly value: unknown; readonly depth: number }[] = [{ value, depth: 0 }];
  for (let nodes = 0; nodes < maxNodes && waiting.length > 0; nodes++) {
    const next = waiting.pop()!;
    if (typeof next.value !== 'object' || next.value === null || next.depth > maxDepth) continue;
    for (const [key, child] of Object.entries(next.value)) {
      if (typeof child === 'string' && wanted.has(key) && isToken(child) && found.length < maxTokens)
        found.push(child);
      else if (typeof child === 'object' && waiting.length < maxNodes)
        waiting.push({ value: child, depth: next.depth + 1 });
    }
  }
  return found;
}

/** Key and session of STS (XML, or JSON where that was asked for); the secret never crosses the wire again. */
function readSession(body: string): string[] {
  if (/^\s*\{/.test(body)) return fromJson(body, new Set(['AccessKeyId', 'SessionToken']));
  return ['AccessKeyId', 'SessionToken'].flatMap((tag) => {
    const start = body.indexOf(`<${tag}>`);
    const end = start < 0 ? -1 : body.indexOf('<', start + 1);
    const text = end < 0 ? '' : body.slice(start + tag.length + 2, end).trim();
    return isToken(text) ? [text] : [];
  });
}

/** `user:password` in base64, of which clients send the password. */
function readRegistryPassword(body: string): string[] {
  return fromJson(body, new Set(['authorizationToken'])).flatMap((text) => {
    const pair = Buffer.from(text, 'base64').toString('latin1');
    const password = pair.slice(pair.indexOf(':') + 1);
    return isToken(password) ? [password] : [];
  });
}

const token = readKeys(['token']);
const anyToken = [
  'access_token',
  'accessToken',
  'token',
  'refresh_token',
  'client_token',
  'id_token',
  'idToken',
];
const anyKey = ['apiKey', 'api_key', 'rubygems_api_key', 'api_token', 'authorizationToken'];

/** What whoever trusts identity tokens answers one with (RFC 8693, and the registries' own). */
export const exchange: Mint = { made: 'exchange', read: readKeys([...anyToken, ...anyKey]) };

const registry: Mint = { made: 'registry', read: readKeys([...anyToken, ...anyKey]) };
const accessToken: Mint = { made: 'access-token', read: token };
const cloud: Mint = { made: 'cloud', read: readSession };

const byName: Readonly<Record<string, Mint>> = {
  'apps/create-installation-access-token': { made: 'installation', read: token },
  'apps/scope-token': accessToken,
  'apps/reset-token': accessToken,
  'enterprise-admin/create-impersonation-o-auth-token': accessToken,
  'actions/create-registration-token-for-repo': accessToken,
  'actions/create-registration-token-for-org': accessToken,
  'enterprise-admin/create-registration-token-for-enterprise': accessToken,
  'actions/resolve': { made: 'action', read: token },
  'runner/token': { made: 'access-token', read: readKeys(['access_token']) },
  'oidc/token': { made: 'identity', read: readKeys(['value']) },
  'container/token': registry,
  'container/login': registry,
  'dependency-proxy/token': registry,
  'oci/token': registry,
  'sts/assume-role': cloud,
  'sts/assume-role-with-web-identity': cloud,
  'sts/assume-role-with-saml': cloud,
  'sts/assume-root': cloud,
  'sts/get-session-token': cloud,
  'sts/get-federation-token': cloud,
  'ecr/get-authorization-token': { made: 'registry', read: readRegistryPassword },
};
const ofGitlab =
  /^(?:access-tokens\/(?:create|rotate|impersonate)|service-accounts\/(?:create|rotate)-token|deploy-tokens\/create)/;
const grantPaths: ReadonlySet<string> = new Set(['/oauth/token', '/login/oauth/access_token']);

/** How the answer to an understood request is read, or null: it hands out nothing. */
export function findMint({ platform, name, access, touches }: Operation, request: AskedRequest): Mint | null {
  const known = Object.hasOwn(byName, name) ? byName[name]! : null;
  if (known !== null) return known;
  if (platform === 'github' || platform === 'gitlab') {
    if (platform === 'gitlab' && ofGitlab.test(name)) return accessToken;
    const isGrant = request.method === 'POST' && grantPaths.has(request.path);
    return isGrant ? { made: 'access-token', read: readKeys(['access_token', 'refresh_token']) } : null;
  }
  if (platform === 'aws')
    return name.startsWith('codeartifact/') && request.path === '/v1/authorization-token' ? registry : null;
  const isAccount =
    access !== 'read' && touches.some((touch) => touch.kind === 'package' && touch.act === 'account');
  return isAccount ? registry : null;
}
