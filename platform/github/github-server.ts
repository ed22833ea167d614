// One GitHub as this gateway knows it: its name, where its API lies, and the numbers of repositories that its
// answers told.

import type { PlatformServer } from '../../flow/platform-server.ts';
import type { Hearing } from '../hearing.ts';
import { RepositoryTwins } from './repository-twins.ts';

export interface GithubServer {
  /** As users name it: `github.com`. */
  readonly name: string;
  /** False on GitHub Enterprise Server: its API, uploads, archives and packages are paths of its own host. */
  readonly hasApiHost: boolean;
  readonly twins: RepositoryTwins;
  /** True for every host of this server: what policy decides by rules on repositories needs no other grant. */
  isOwnHost(host: string): boolean;
  /** Null: what its runners and it tell each other of jobs is not listened to. */
  readonly hearing: Hearing | null;
}

export function githubServer(server: PlatformServer, hearing: Hearing | null = null): GithubServer {
  const known = new Set(server.hosts.map(({ host }) => host));
  return {
    name: server.server,
    hasApiHost: server.hosts.some(({ role }) => role === 'api'),
    twins: new RepositoryTwins(),
    isOwnHost: (host) => known.has(host) || known.has(`*${host.slice(host.indexOf('.'))}`),
    hearing,
  };
}
