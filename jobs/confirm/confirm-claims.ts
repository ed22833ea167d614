// Which forge confirms what: one API for each server that the operator gave a token for.

import type { Platform } from '../../flow/job.ts';
import type { Claim } from '../claims/read-claim.ts';
import type { Confirmation, ConfirmPort } from '../claims/claims.ts';
import { confirmGithub } from './confirm-github.ts';
import { confirmGitlab } from './confirm-gitlab.ts';
import { PlatformApi, type PlatformApiOptions } from './platform-api.ts';

export interface ConfirmedServer {
  readonly server: string;
  readonly platform: Platform;
  /** The operator's token as it is now. @throws SallyportError config-invalid */
  readonly token: () => string;
}

/** Confirms claims through the forges' own APIs. */
export class ConfirmClaims implements ConfirmPort {
  readonly #apis = new Map<string, { readonly platform: Platform; readonly api: PlatformApi }>();

  constructor(
    servers: readonly ConfirmedServer[],
    ports: Pick<PlatformApiOptions, 'connect' | 'keptMs' | 'now'>,
  ) {
    for (const { server, platform, token } of servers) {
      const place = placeOfApi(platform, server);
      const authorization = (): string => `Bearer ${token()}`;
      this.#apis.set(server, { platform, api: new PlatformApi({ ...place, ...ports, authorization }) });
    }
  }

  canConfirm(server: string): boolean {
    return this.#apis.has(server);
  }

  async confirm(claim: Claim): Promise<Confirmation> {
    const { server, platform } = claim.message.job;
    const found = this.#apis.get(server);
    if (found === undefined || found.platform !== platform)
      return { kind: 'unknown', detail: 'no token for this server is configured' };
    return platform === 'github' ? confirmGithub(found.api, claim) : confirmGitlab(found.api, claim);
  }
}

/** Where the REST API of a server is (docs.github.com, "Getting started with the REST API"; docs.gitlab.com, "REST API"). */
export function placeOfApi(
  platform: Platform,
  server: string,
): Pick<PlatformApiOptions, 'host' | 'port' | 'prefix' | 'headers'> {
  const at = server.lastIndexOf(':');
  const [name, port] = at < 0 ? [server, 443] : [server.slice(0, at), Number(server.slice(at + 1))];
  if (platform === 'gitlab') return { host: name, port, prefix: '/api/v4', headers: {} };
  const headers = { 'x-github-api-version': '2022-11-28' };
  const isHosted = name === 'github.com' || name.endsWith('.ghe.com');
  return isHosted
    ? { host: `api.${name}`, port, prefix: '', headers }
    : { host: name, port, prefix: '/api/v3', headers };
}
