// Which hosts a client speaks to for images of a registry: names that users write are not always the hosts.

import type { PlatformServer } from '../flow/platform-server.ts';
import { publicRegistries } from '../flow/registry-server.ts';

/** Docker Hub under its name (docs.docker.com, "Allowlist for Docker Desktop"). */
const dockerHub = ['docker.io', 'index.docker.io', 'registry-1.docker.io', 'auth.docker.io'] as const;

/** Hosts for the registry of an image pattern; where layers lie elsewhere, answers name the place. */
export function findRegistryHosts(registry: string, servers: readonly PlatformServer[]): readonly string[] {
  if (registry === 'docker.io') return dockerHub;
  // The web host of a GitLab hands out the tokens of its registry.
  const gitlab = servers.find(
    ({ platform, hosts }) => platform === 'gitlab' && hosts.some(({ host }) => host === registry),
  );
  const web = gitlab?.hosts.find(({ role }) => role === 'web')?.host;
  return web === undefined || web === registry ? [registry] : [registry, web];
}

/** Hosts of a package registry by the name that users know; a name that is none is the host itself, with a path or not. */
export function findPackageHosts(registry: string): readonly string[] {
  const hosts = publicRegistries
    .filter((server) => server.registry === registry)
    .flatMap((server) => server.hosts.map(({ host }) => host));
  return hosts.length === 0 ? [registry.replace(/\/.*$/, '')] : [...new Set(hosts)];
}
