// Login by an OIDC issuer: authorization code with PKCE. Everything that ties the answer to the browser that asked comes out
// of one random cookie, so that any gateway behind the same name can finish what another began.

import { createHash, createHmac, randomBytes } from 'node:crypto';
import { grantOf, type Grant, type OidcSettings } from '../access-settings.ts';
import { readCookie } from '../login-cookie.ts';
import { isSameDigest } from '../token.ts';
import { readIdToken, type Claims, type IdTokenAnswer } from './id-token.ts';
import type { Issuer } from './issuer.ts';

const cookieName = '__Host-sallyport-oidc';
// Lax: the issuer's page is another site, and sends the browser back by a navigation.
const attributes = 'Path=/; Secure; HttpOnly; SameSite=Lax';
const underWaySeconds = 600;
const longestCode = 4_096;
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._@+|:/=-]{0,127}$/;

export interface OidcLoginOptions {
  readonly settings: OidcSettings;
  /** `https://host[:port]` of the operator's side. */
  readonly origin: string;
  readonly issuer: Issuer;
  readonly clock: () => number;
}

/** `problem` is for the log; it holds nothing that came from outside. */
export type OidcAnswer = { readonly name: string; readonly grant: Grant } | { readonly problem: string };

export const clearedOidcCookie = `${cookieName}=; Max-Age=0; ${attributes}`;

export class OidcLogin {
  readonly #options: OidcLoginOptions;

  constructor(options: OidcLoginOptions) {
    this.#options = options;
  }

  /** Where the browser goes, and the cookie that it comes back with. @throws SallyportError upstream */
  async begin(): Promise<{ location: string; setCookie: string }> {
    const { settings, issuer } = this.#options;
    const { authorization } = await issuer.endpoints();
    const secret = randomBytes(32).toString('base64url');
    const location = new URL(authorization);
    const challenge = createHash('sha256').update(wordOf(secret, 'verifier')).digest('base64url');
    const asked = {
      response_type: 'code',
      client_id: settings.clientId,
      redirect_uri: this.#redirectUri,
      scope: settings.scopes.join(' '),
      state: wordOf(secret, 'state'),
      nonce: wordOf(secret, 'nonce'),
      code_challenge: challenge,
      code_challenge_method: 'S256',
    };
    for (const [name, value] of Object.entries(asked)) location.searchParams.set(name, value);
    const setCookie = `${cookieName}=${secret}; Max-Age=${underWaySeconds}; ${attributes}`;
    return { location: location.href, setCookie };
  }

  /** Who comes back from the issuer. @throws SallyportError upstream: the issuer is not reached, or refuses the code */
  async finish(query: URLSearchParams, cookieHeader: string | undefined): Promise<OidcAnswer> {
    const { settings, issuer } = this.#options;
    const secret = readCookie(cookieHeader, cookieName);
    if (secret === null) return { problem: 'no login was begun in this browser' };
    const [state, code, sender] = [only(query, 'state'), only(query, 'code'), query.getAll('iss')];
    if (state === null || !isSameDigest(state, wordOf(secret, 'state')))
      return { problem: 'the state is that of no login of this browser' };
    // RFC 9207: an answer that another issuer had a hand in.
    if (sender.some((iss) => iss !== settings.issuer)) return { problem: 'another issuer answers' };
    if (code === null || code.length > longestCode) return { problem: 'the issuer answers without a code' };
    const verifier = wordOf(secret, 'verifier');
    const idToken = await issuer.exchange({ code, verifier, redirectUri: this.#redirectUri });
    const answer = await this.#read(idToken, wordOf(secret, 'nonce'));
    return 'problem' in answer ? { problem: `the ID token: ${answer.problem}` } : this.#grant(answer.claims);
  }

  get #redirectUri(): string {
    return `${this.#options.origin}/v1/login/oidc/callback`;
  }

  async #read(idToken: string, nonce: string): Promise<IdTokenAnswer> {
    const { settings, issuer, clock } = this.#options;
    const rules = { issuer: settings.issuer, clientId: settings.clientId, nonce, nowMs: clock() };
    const answer = readIdToken(idToken, await issuer.keys(), rules);
    // Issuers change their keys.
    const isUnknown = 'problem' in answer && answer.problem === 'unknown-key';
    return isUnknown ? readIdToken(idToken, await issuer.keys(true), rules) : answer;
  }

  #grant(claims: Claims): OidcAnswer {
    const { nameClaim, roleClaim, roles } = this.#options.settings;
    const name = claims[nameClaim];
    if (typeof name !== 'string' || !namePattern.test(name))
      return { problem: `the claim "${nameClaim}" is no plain name` };
    const grant = grantOf(roles, valuesOf(claimAt(claims, roleClaim)));
    return grant === null ? { problem: `the claim "${roleClaim}" gives no role` } : { name, grant };
  }
}

function wordOf(secret: string, use: string): string {
  return createHmac('sha256', secret).update(`sallyport oidc ${use}`).digest('base64url');
}

function only(query: URLSearchParams, name: string): string | null {
  const values = query.getAll(name);
  return values.length === 1 ? values[0]! : null;
}

/** A claim by its name, or by its path (`realm_access.roles`) where no claim has that whole name. */
function claimAt(claims: Claims, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  let value: unknown = claims;
  for (const part of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Claims)[part]; // as: an object of JSON has string keys.
  }
  return value;
}

function valuesOf(claim: unknown): string[] {
  const values: readonly unknown[] = Array.isArray(claim) ? claim.slice(0, 1_000) : [claim];
  return values.filter((value) => typeof value === 'string');
}
