// Which hosts take a credential that an answer handed out: those of the server or registry that made it. What only a
// protocol's shape tells is at home at the host that answered, and an identity at whoever its audience names.

import type { AskedRequest } from '../../flow/asked-request.ts';
import { findPlatformHost, type PlatformServer } from '../../flow/platform-server.ts';
import type { Operation } from '../../flow/operation.ts';
import type { RegistryServer } from '../../flow/registry-server.ts';
import type { Mint } from './read-minted.ts';

export type FindHomes = (operation: Operation | null, request: AskedRequest, mint: Mint) => readonly string[];

const amazon = ['**.amazonaws.com', '**.amazonaws.com.cn', '**.api.aws'];
/** Where tokens are taken that one host hands out for many (by the end of that host). */
const families: readonly (readonly [end: string, homes: readonly string[]])[] = [
  ['.googleapis.com', ['**.googleapis.com', '**.google.com', '**.pkg.dev', 'gcr.io', '**.gcr.io']],
  [
    '.microsoftonline.com',
    [
      '**.azure.com',
      '**.windows.net',
      '**.azure.net',
      '**.azurecr.io',
      '**.microsoft.com',
      '**.visualstudio.com',
    ],
  ],
  ['.amazonaws.com', amazon],
];

/** Where clients of github.com take their tokens besides the hosts that policy speaks of. */
const githubsOwn = ['**.github.com', '**.githubusercontent.com', '**.github.ai', '**.githubcopilot.com'];

/** Finds by the servers and registries that are known. */
export function createHomes(
  servers: readonly PlatformServer[],
  registries: readonly RegistryServer[],
): FindHomes {
  return (operation, request, mint) => {
    const own = [request.host];
    if (operation === null || mint.made === 'exchange')
      return [...own, ...(families.find(([end]) => `.${request.host}`.endsWith(end))?.[1] ?? [])];
    if (operation.byShape === true) return own;
    const { platform, server } = operation;
    if (platform === 'aws') return amazon;
    if (platform === 'github' || platform === 'gitlab') return hostsOfForge(servers, operation, request);
    const hosts = registries
      .filter(({ ecosystem, registry }) => ecosystem === platform && registry === server)
      .flatMap((known) => known.hosts.map(({ host }) => host));
    return [...own, ...hosts.filter((host) => /^(?:\*\.)?[^*]+$/.test(host))];
  };
}

/** A token of GitHub's image registry is of no use at its other hosts; one of GitLab's comes from the web host. */
function hostsOfForge(
  servers: readonly PlatformServer[],
  { platform, server, name }: Operation,
  { host }: AskedRequest,
): readonly string[] {
  if (platform === 'github' && name.startsWith('container/')) return [host];
  const known = servers.find((one) => one.server === server) ?? findPlatformHost(servers, host)?.server;
  if (known === undefined) return [host];
  const hosts = known.hosts.map((one) => one.host);
  return known.server === 'github.com' ? [...hosts, ...githubsOwn] : hosts;
}
