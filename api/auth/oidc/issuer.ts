// What an OIDC issuer publishes of itself (Discovery 1.0) and its keys, remembered for a while; and the exchange of a code
// for an ID token (Core 1.0 §3.1.3, PKCE of RFC 7636).

import type { JsonWebKey } from 'node:crypto';
import { SallyportError } from '../../../flow/errors.ts';
import { fetchJson, type Connect } from './fetch-json.ts';

export interface IssuerOptions {
  readonly issuer: string;
  readonly clientId: string;
  /** Null: a public client. */
  readonly clientSecret: string | null;
  readonly connect: Connect;
  readonly clock: () => number;
}

export interface Endpoints {
  readonly authorization: URL;
  readonly token: URL;
  readonly keys: URL;
  /** The secret goes into the form, since the issuer takes no Basic authentication. */
  readonly isSecretInForm: boolean;
}

export interface Exchange {
  readonly code: string;
  readonly verifier: string;
  readonly redirectUri: string;
}

const rememberedMs = 3_600_000;
/** A token with a key that nobody knows has the keys fetched anew, this often at most. */
const againMs = 30_000;
const mostKeys = 64;

export class Issuer {
  readonly #options: IssuerOptions;
  readonly #endpoints: Remembered<Endpoints>;
  readonly #keys: Remembered<readonly JsonWebKey[]>;

  constructor(options: IssuerOptions) {
    this.#options = options;
    this.#endpoints = new Remembered(options.clock, () => this.#discover());
    this.#keys = new Remembered(options.clock, () => this.#fetchKeys());
  }

  /** @throws SallyportError upstream */
  endpoints(): Promise<Endpoints> {
    return this.#endpoints.get(rememberedMs);
  }

  /** Its keys; `isUnknown`: those that were given last do not have the one that is looked for. @throws SallyportError upstream */
  keys(isUnknown = false): Promise<readonly JsonWebKey[]> {
    return this.#keys.get(isUnknown ? againMs : rememberedMs);
  }

  /** The ID token that a code stands for. @throws SallyportError upstream: it is not reached, or refuses */
  async exchange({ code, verifier, redirectUri }: Exchange): Promise<string> {
    const { clientId, clientSecret, connect } = this.#options;
    const { token, isSecretInForm } = await this.endpoints();
    const form = new URLSearchParams({
      grant_type: 'authorization_code',
      code,
      redirect_uri: redirectUri,
      code_verifier: verifier,
      client_id: clientId,
    });
    if (clientSecret !== null && isSecretInForm) form.set('client_secret', clientSecret);
    const authorization =
      clientSecret === null || isSecretInForm ? null : basicAuthorization(clientId, clientSecret);
    const answer = await fetchJson(connect, token, { form, authorization });
    const { id_token: idToken } = answer;
    if (typeof idToken !== 'string') throw refused('its token endpoint answers without an ID token');
    return idToken;
  }

  async #discover(): Promise<Endpoints> {
    const { issuer, connect } = this.#options;
    const document = await fetchJson(
      connect,
      new URL(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`),
    );
    // Exactly, or another issuer could speak for this one (Discovery §4.3).
    if (document['issuer'] !== issuer) throw refused('its own document names another issuer');
    const methods = document['token_endpoint_auth_methods_supported'];
    const isSecretInForm = Array.isArray(methods) && !methods.includes('client_secret_basic');
    return {
      authorization: httpsUrl(document['authorization_endpoint']),
      token: httpsUrl(document['token_endpoint']),
      keys: httpsUrl(document['jwks_uri']),
      isSecretInForm,
    };
  }

  async #fetchKeys(): Promise<readonly JsonWebKey[]> {
    const { keys: url } = await this.endpoints();
    const { keys } = await fetchJson(this.#options.connect, url);
    if (!Array.isArray(keys)) throw refused('its document of keys has none');
    const found = keys.slice(0, mostKeys).filter((key) => typeof key === 'object' && key !== null);
    return found as JsonWebKey[]; // as: each field is looked at where it is used.
  }
}

/** One thing that is fetched when it is old; who asks meanwhile waits for the same answer. */
class Remembered<T> {
  readonly #clock: () => number;
  readonly #fetch: () => Promise<T>;
  #known: { readonly value: T; readonly atMs: number } | null = null;
  #underWay: Promise<T> | null = null;

  constructor(clock: () => number, fetch: () => Promise<T>) {
    this.#clock = clock;
    this.#fetch = fetch;
  }

  async get(maxAgeMs: number): Promise<T> {
    if (this.#known !== null && this.#clock() - this.#known.atMs < maxAgeMs) return this.#known.value;
    this.#underWay ??= this.#ask();
    return this.#underWay;
  }

  async #ask(): Promise<T> {
    try {
      const value = await this.#fetch();
      this.#known = { value, atMs: this.#clock() };
      return value;
    } finally {
      this.#underWay = null;
    }
  }
}

// RFC 6749 §2.3.1: both are form-encoded first.
function basicAuthorization(clientId: string, secret: string): string {
  const encode = (text: string): string => new URLSearchParams({ x: text }).toString().slice(2);
  return `Basic ${Buffer.from(`${encode(clientId)}:${encode(secret)}`).toString('base64')}`;
}

function httpsUrl(value: unknown): URL {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : null;
  if (url === null || url.protocol !== 'https:' || url.username !== '')
    throw refused('its document has an endpoint that is no https: URL');
  return url;
}

function refused(detail: string): SallyportError {
  return new SallyportError('upstream', `the OIDC issuer cannot be used for a login: ${detail}`);
}
