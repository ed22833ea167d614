// The package and image registries of the forges: whose packages a request is about is platform/'s to say, which one
// and which version is registry/'s. Hosts and paths by docs.github.com ("Working with a GitHub Packages registry") and
// docs.gitlab.com ("Package registry").

import type { Ecosystem } from './operation.ts';
import type { PlatformServer } from './platform-server.ts';
import type { RegistryHost, RegistryServer } from './registry-server.ts';

/** Protocols of GitHub Packages by the label of their host, with what stands before the protocol's own paths. */
const githubTypes: readonly (readonly [label: string, ecosystem: Ecosystem, pathPrefix: string])[] = [
  ['npm', 'npm', ''],
  ['maven', 'maven', '/*/*'],
  ['nuget', 'nuget', '/*'],
  ['rubygems', 'gem', '/*'],
];

/** Protocols of a GitLab's package registry by their word in the path. */
const gitlabTypes: readonly (readonly [word: string, ecosystem: Ecosystem])[] = [
  ['npm', 'npm'],
  ['pypi', 'pypi'],
  ['maven', 'maven'],
  ['nuget', 'nuget'],
  ['go', 'golang'],
  ['rubygems', 'gem'],
  ['cargo', 'cargo'],
];
const gitlabPlaces = [
  '/api/v4/projects/*/packages',
  '/api/v4/groups/*/-/packages',
  '/api/v4/group/*/-/packages',
  '/api/v4/packages',
];

/** The registries of these forges. Those of many owners bear the forge's name, with the path as their part. */
export function platformRegistries(servers: readonly PlatformServer[]): readonly RegistryServer[] {
  return servers.flatMap((server) => [
    ...imagesOf(server),
    ...(server.platform === 'github' ? githubRegistries(server) : gitlabRegistries(server)),
  ]);
}

function imagesOf({ hosts }: PlatformServer): RegistryServer[] {
  const containers = hosts.filter(({ role }) => role === 'container');
  return containers.map(({ host }) => registry('oci', null, [{ host, pathPrefix: '' }]));
}

function githubRegistries({ server, hosts }: PlatformServer): RegistryServer[] {
  const own = hosts.filter(({ role }) => role === 'packages');
  return githubTypes.flatMap(([label, ecosystem, pathPrefix]) => {
    const named = own
      .filter(({ host }) => host.startsWith(`${label}.`))
      .map(({ host }) => registry(ecosystem, host, [{ host, pathPrefix }]));
    // GitHub Enterprise Server without subdomains ("Enabling subdomain isolation").
    const beneath = { host: server, pathPrefix: `/_registry/${label}${pathPrefix}` };
    return server === 'github.com' ? named : [...named, registry(ecosystem, server, [beneath])];
  });
}

function gitlabRegistries({ server, hosts }: PlatformServer): RegistryServer[] {
  const web = hosts.filter(({ role }) => role === 'web');
  return gitlabTypes.map(([word, ecosystem]) => {
    const all = web.flatMap(({ host }) =>
      gitlabPlaces.map((place) => ({ host, pathPrefix: `${place}/${word}` })),
    );
    return registry(ecosystem, server, all);
  });
}

function registry(ecosystem: Ecosystem, name: string | null, hosts: readonly RegistryHost[]): RegistryServer {
  return { ecosystem, registry: name, isPublic: true, hosts };
}
