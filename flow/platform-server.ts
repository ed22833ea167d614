// The forges that this gateway knows, and which hosts of theirs are which: github.com, GitHub Enterprise Server,
// tenants of ghe.com, GitLab. Policy opens these hosts by rules on repositories; platform/ reads what is said to them.

import type { Job, Platform } from './job.ts';

export interface PlatformServer {
  readonly platform: Platform;
  /** As users name it: `github.com`, `ghes.corp.example`, `acme.ghe.com`, `gitlab.com`. */
  readonly server: string;
  readonly hosts: readonly PlatformHost[];
  /** False where the operator does not take its word on jobs. */
  readonly believed?: false;
}

/** What a host of a platform is for; it decides how paths on it are read. */
export type HostRole =
  | 'web' // git, LFS, web pages; on GHES and GitLab the API as well
  | 'api'
  | 'uploads'
  | 'codeload'
  | 'raw'
  | 'gist'
  | 'container' // ghcr.io, registry.gitlab.com
  | 'packages' // npm., maven., nuget., rubygems.pkg.github.com
  | 'models'
  | 'service'; // the runner's own service: jobs, artifacts, caches, identity tokens

export interface PlatformHost {
  /** A host, or with a leading `*.` any one label below it. */
  readonly host: string;
  readonly role: HostRole;
}

/** The hosts of github.com (docs.github.com, "Self-hosted runners reference" and "About GitHub's APIs"). */
export const githubCom: PlatformServer = {
  platform: 'github',
  server: 'github.com',
  hosts: [
    { host: 'github.com', role: 'web' },
    { host: 'api.github.com', role: 'api' },
    { host: 'uploads.github.com', role: 'uploads' },
    { host: 'codeload.github.com', role: 'codeload' },
    { host: 'raw.githubusercontent.com', role: 'raw' },
    { host: 'gist.github.com', role: 'gist' },
    { host: 'gist.githubusercontent.com', role: 'gist' },
    { host: 'ghcr.io', role: 'container' },
    { host: 'npm.pkg.github.com', role: 'packages' },
    { host: 'maven.pkg.github.com', role: 'packages' },
    { host: 'nuget.pkg.github.com', role: 'packages' },
    { host: 'rubygems.pkg.github.com', role: 'packages' },
    { host: 'docker.pkg.github.com', role: 'container' },
    { host: 'models.github.ai', role: 'models' },
    { host: '*.actions.githubusercontent.com', role: 'service' },
  ],
};

/** The hosts of gitlab.com. */
export const gitlabCom: PlatformServer = {
  platform: 'gitlab',
  server: 'gitlab.com',
  hosts: [
    { host: 'gitlab.com', role: 'web' },
    { host: 'registry.gitlab.com', role: 'container' },
  ],
};

export const defaultServers: readonly PlatformServer[] = [githubCom, gitlabCom];

/** A tenant of ghe.com, a GitHub Enterprise Server or a GitLab of one's own, by its canonical host. */
export function ownServer(platform: Platform, server: string): PlatformServer {
  const web: PlatformHost = { host: server, role: 'web' };
  if (platform === 'gitlab')
    return { platform, server, hosts: [web, { host: `registry.${server}`, role: 'container' }] };
  const isTenant = /^[a-z0-9-]+\.ghe\.com$/.test(server);
  const below = (label: string, role: HostRole): PlatformHost => ({ host: `${label}.${server}`, role });
  const shared = [below('uploads', 'uploads'), below('codeload', 'codeload'), below('raw', 'raw')];
  const service = [below('actions', 'service'), below('*.actions', 'service')];
  const tenant = [below('api', 'api'), ...service, below('containers', 'container')];
  const ghes = [below('gist', 'gist'), below('containers', 'container'), below('docker', 'container')];
  const packages = ['npm', 'maven', 'nuget', 'rubygems'].map((label) => below(label, 'packages'));
  return { platform, server, hosts: [web, ...shared, ...(isTenant ? tenant : ghes), ...packages] };
}

/** Finds which server a canonical host belongs to, and what it is for. */
export function findPlatformHost(
  servers: readonly PlatformServer[],
  host: string,
): { readonly server: PlatformServer; readonly role: HostRole } | null {
  const dot = host.indexOf('.');
  const below = dot < 0 ? null : `*${host.slice(dot)}`;
  for (const server of servers)
    for (const known of server.hosts)
      if (known.host === host || known.host === below) return { server, role: known.role };
  return null;
}

/** The well-known servers, those of the configuration, in place of them where it names one, and those that jobs are of. */
export function serversOf(
  jobs: Iterable<Job>,
  configured: readonly PlatformServer[] = [],
): readonly PlatformServer[] {
  const servers = new Map([...defaultServers, ...configured].map((server) => [server.server, server]));
  for (const { platform, server } of jobs)
    if (!servers.has(server)) servers.set(server, ownServer(platform, server));
  return [...servers.values()];
}
