// Who may come to the operator's side, in control: the configuration's word, the store's tokens and logins, and the OIDC
// issuer where there is one.

import type { Logger } from 'pino';
import type { AccessStore } from './api/auth/access-port.ts';
import { tokensOnly, type AccessSettings } from './api/auth/access-settings.ts';
import { CachedAccess } from './api/auth/cached-access.ts';
import type { Connect } from './api/auth/oidc/fetch-json.ts';
import { Issuer } from './api/auth/oidc/issuer.ts';
import { OidcLogin } from './api/auth/oidc/oidc-login.ts';
import type { AccessPorts } from './api/auth/register-access.ts';
import type { Config, Upstream } from './config.ts';
import { SallyportError } from './flow/errors.ts';
import { readSecretLines } from './secret-lines.ts';

/** What stands in files of its own that root alone need be able to read; the keeper reads it for control. */
export interface AccessSecrets {
  readonly oidcClient: string | null;
  /** `user:secret` for the proxy in front, or null. */
  readonly upstreamProxy: string | null;
}

/** Reads what the configuration names. @throws SallyportError config-invalid when a file is gone since it was checked */
export function readAccessSecrets({ access, upstreamProxy }: Config): AccessSecrets {
  const { oidc } = access;
  const proxy = oidc === null ? null : (upstreamProxy?.credentials ?? null);
  return {
    oidcClient: oidc?.clientSecretFile == null ? null : firstLine(oidc.clientSecretFile),
    upstreamProxy: proxy === null ? null : firstLine(proxy),
  };
}

function firstLine(path: string): string {
  const [line] = readSecretLines(path) ?? [];
  if (line === undefined)
    throw new SallyportError('config-invalid', `${path} cannot be read; root must be able to`);
  return line.trim();
}

/** A configuration as workers have it: nobody comes to the operator's side through them. */
export function withoutAccess<T extends { readonly access: AccessSettings }>(config: T): T {
  return { ...config, access: tokensOnly };
}

export interface AccessOptions {
  readonly config: Config;
  /** DNS servers that are asked for the issuer. */
  readonly upstreams: readonly Upstream[];
  readonly secrets: AccessSecrets;
  readonly store: AccessStore;
  readonly log: Logger;
}

/** What the API needs to let somebody in. */
export interface AccessInForce {
  readonly ports: AccessPorts;
  readonly oidc: OidcLogin | null;
}

/** Puts it together; nothing is asked of anybody yet. */
export function accessInForce({ config, upstreams, secrets, store, log }: AccessOptions): AccessInForce {
  const { access: settings } = config;
  const clock = Date.now;
  const cached = new CachedAccess({
    store,
    clock,
    onUntouched: (error) => log.warn({ err: error }, 'when a token or login was last used cannot be written'),
  });
  const ports = { store: cached, settings, log, clock };
  const { oidc, origin } = settings;
  if (oidc === null || origin === null) return { ports, oidc: null };
  const issuer = new Issuer({
    issuer: oidc.issuer,
    clientId: oidc.clientId,
    clientSecret: secrets.oidcClient,
    connect: lazyConnect(config, upstreams, secrets.upstreamProxy),
    clock,
  });
  return { ports, oidc: new OidcLogin({ settings: oidc, origin, issuer, clock }) };
}

/** Resolver and authorities are loaded with the first login. */
function lazyConnect(config: Config, upstreams: readonly Upstream[], proxySecret: string | null): Connect {
  let connect: Connect | null = null;
  return async (host, port, signal) => {
    if (connect === null) {
      const { feedConnector } = await import('./feed-connection.ts');
      connect ??= feedConnector({ config, upstreams, proxySecret, what: 'the OIDC issuer' });
    }
    return connect(host, port, signal);
  };
}
