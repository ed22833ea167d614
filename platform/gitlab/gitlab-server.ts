// One GitLab as this gateway knows it: its name and the host of its container registry.

import type { PlatformServer } from '../../flow/platform-server.ts';
import type { Hearing } from '../hearing.ts';
import { RepositoryTwins } from '../github/repository-twins.ts';
import { Traces } from './watch-trace.ts';
import type { GithubServer } from '../github/github-server.ts';

export interface GitlabServer {
  /** As users name it: `gitlab.com`. */
  readonly name: string;
  /** Host that images are named by: `registry.gitlab.com`. */
  readonly registryHost: string;
  /** True for every host of this server: what policy decides by rules on projects needs no other grant. */
  isOwnHost(host: string): boolean;
  /** The same server to readers of protocols that both forges speak: git, LFS, image registries. */
  readonly shared: GithubServer;
  /** Null: what its runners and it tell each other of jobs is not listened to. */
  readonly hearing: Hearing | null;
  /** Logs of its jobs on their way. */
  readonly traces: Traces;
}

export function gitlabServer(server: PlatformServer, hearing: Hearing | null = null): GitlabServer {
  const known = new Set(server.hosts.map(({ host }) => host));
  const isOwnHost = (host: string): boolean => known.has(host);
  const registry = server.hosts.find(({ role }) => role === 'container')?.host ?? `registry.${server.server}`;
  return {
    name: server.server,
    registryHost: registry,
    isOwnHost,
    shared: {
      name: server.server,
      hasApiHost: false,
      twins: new RepositoryTwins(),
      isOwnHost,
      hearing: null,
    },
    hearing,
    traces: new Traces(),
  };
}
