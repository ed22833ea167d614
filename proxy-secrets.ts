// Secrets of the proxy's two ends, which stand in files of their own that only root need read: the keeper reads them and
// hands them to workers, apart from the configuration. They are in no log, no record and no message.

import { readFileSync } from 'node:fs';
import type { Config } from './config.ts';
import { parseCidr } from './flow/address.ts';
import { SallyportError } from './flow/errors.ts';
import { ProxyUsers } from './proxy/proxy-users.ts';
import { UpstreamProxy } from './proxy/upstream-proxy.ts';

/** What workers are told besides the configuration. */
export interface ProxySecrets {
  /** Lines `NAME:scrypt:SALT:KEY`; null when every runner may use the explicit proxy. */
  readonly users: readonly string[] | null;
  /** `user:secret` for the proxy in front, or null. */
  readonly upstream: string | null;
}

/** The lines of a file without comments (#) and empty ones; null when it cannot be read. */
export function readSecretLines(path: string): string[] | null {
  try {
    const lines = readFileSync(path, 'utf8').split(/\r?\n/);
    return lines.filter((line) => line.trim() !== '' && !line.startsWith('#'));
  } catch {
    return null;
  }
}

/** Reads what the configuration names. @throws SallyportError config-invalid when a file is gone since it was checked */
export function readProxySecrets({ explicit, upstreamProxy }: Config): ProxySecrets {
  const { users, usersFile } = explicit;
  const isOpen = users.length === 0 && usersFile === null;
  const credentials = upstreamProxy?.credentials ?? null;
  return {
    users: isOpen ? null : [...users, ...(usersFile === null ? [] : mustRead(usersFile))],
    upstream: credentials === null ? null : (mustRead(credentials)[0] ?? null),
  };
}

function mustRead(path: string): string[] {
  const lines = readSecretLines(path);
  if (lines === null)
    throw new SallyportError('config-invalid', `${path} cannot be read; root must be able to`);
  return lines;
}

/** The ports of the proxy that they stand for. */
export function proxyEnds({ upstreamProxy: proxy }: Config, secrets: ProxySecrets) {
  const ranges = (proxy?.ranges ?? []).flatMap((text) => parseCidr(text) ?? []);
  return {
    ...(secrets.users === null ? {} : { proxyUsers: new ProxyUsers(secrets.users) }),
    upstreamProxy:
      proxy &&
      new UpstreamProxy({
        host: proxy.host,
        port: proxy.port,
        credentials: secrets.upstream,
        resolve: proxy.resolve,
        direct: { names: proxy.names, ranges },
      }),
  };
}
