// Secrets of the proxy's two ends and of the malware feed, which stand in files of their own that only root need read: the
// keeper reads them and hands them on, apart from the configuration. They are in no log, no record and no message.

import type { Config } from './config.ts';
import { readAuthorization } from './feed-config.ts';
import type { FeedSecrets } from './feed-in-force.ts';
import { parseCidr } from './flow/address.ts';
import { SallyportError } from './flow/errors.ts';
import { ProxyUsers } from './proxy/proxy-users.ts';
import { UpstreamProxy } from './proxy/upstream-proxy.ts';
import { readSecretLines } from './secret-lines.ts';

/** What workers are told besides the configuration. */
export interface ProxySecrets {
  /** Lines `NAME:scrypt:SALT:KEY`; null when every runner may use the explicit proxy. */
  readonly users: readonly string[] | null;
  /** `user:secret` for the proxy in front, or null. */
  readonly upstream: string | null;
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

/** The same of what control reaches the malware feed and forges with. @throws SallyportError config-invalid */
export function readFeedSecrets({ malware, upstreamProxy, confirm }: Config): FeedSecrets {
  const { credentials = null } = malware.fetched ?? {};
  const isAsking = malware.fetched !== null || confirm.length > 0;
  const proxy = isAsking ? (upstreamProxy?.credentials ?? null) : null;
  return {
    authorization: credentials === null ? null : readAuthorization(mustRead(credentials)[0] ?? ''),
    upstreamProxy: proxy === null ? null : (mustRead(proxy)[0] ?? null),
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
