// The package and image registries that this gateway knows, and which hosts of theirs are which. Policy names a
// registry by the name that users know; registry/ reads what is said to its hosts.

import type { Ecosystem } from './operation.ts';

export interface RegistryServer {
  readonly ecosystem: Ecosystem;
  /**
   * As users name it: `npmjs.com`, `pypi.org`, `docker.io`; null: each of its hosts is a registry by itself, or each
   * of the paths that its prefix stands for.
   */
  readonly registry: string | null;
  /** True when anybody may publish there: an internal name asked of it is confusion. */
  readonly isPublic: boolean;
  readonly hosts: readonly RegistryHost[];
}

export interface RegistryHost {
  /** A canonical host; `*` stands for one label, or begins one (`*-docker`), but none of the last two. */
  readonly host: string;
  /** What stands before the protocol's own paths, without a slash at its end; `*` is one segment; empty for the root. */
  readonly pathPrefix: string;
}

function known(ecosystem: Ecosystem, registry: string | null, hosts: readonly string[]): RegistryServer {
  const all = hosts.map((text) => {
    const slash = text.indexOf('/');
    return slash < 0
      ? { host: text, pathPrefix: '' }
      : { host: text.slice(0, slash), pathPrefix: text.slice(slash) };
  });
  return { ecosystem, registry, isPublic: true, hosts: all };
}

/** Registries that are somebody's own, on hosts of a provider. */
function hosted(ecosystem: Ecosystem, hosts: readonly string[]): RegistryServer {
  return { ...known(ecosystem, null, hosts), isPublic: false };
}

/** Registries that anybody reads; behind a host stands its path prefix. */
export const publicRegistries: readonly RegistryServer[] = [
  known('npm', 'npmjs.com', ['*.npmjs.org', 'registry.yarnpkg.com']),
  known('npm', 'npm.pkg.github.com', ['npm.pkg.github.com']),
  known('pypi', 'pypi.org', ['pypi.org', 'upload.pypi.org', 'pypi.python.org', 'files.pythonhosted.org']),
  known('pypi', 'test.pypi.org', ['test.pypi.org', 'test-files.pythonhosted.org']),
  known('maven', 'repo.maven.apache.org', [
    '*.maven.org/maven2',
    '*.*.maven.org/maven2',
    'repo.maven.apache.org/maven2',
    'central.sonatype.com',
  ]),
  known('maven', null, ['*.sonatype.org', '*.oss.sonatype.org', '*.central.sonatype.com']),
  known('maven', 'plugins.gradle.org', ['plugins.gradle.org/m2', 'plugins-artifacts.gradle.org']),
  known('maven', 'maven.google.com', ['maven.google.com', 'dl.google.com/dl/android/maven2']),
  known('maven', 'jitpack.io', ['jitpack.io']),
  known('maven', 'maven.pkg.github.com', ['maven.pkg.github.com/*/*']),
  known('nuget', 'nuget.org', ['nuget.org', '*.nuget.org']),
  known('nuget', 'nuget.pkg.github.com', ['nuget.pkg.github.com/*']),
  known('cargo', 'crates.io', ['crates.io', '*.crates.io']),
  known('golang', 'proxy.golang.org', ['proxy.golang.org', 'sum.golang.org', 'index.golang.org']),
  known('gem', 'rubygems.org', ['rubygems.org', '*.rubygems.org']),
  known('gem', 'rubygems.pkg.github.com', ['rubygems.pkg.github.com/*']),
  known('oci', 'docker.io', ['docker.io', '*.docker.io']),
  known('oci', 'ghcr.io', ['ghcr.io']),
  known('oci', 'docker.pkg.github.com', ['docker.pkg.github.com']),
  known('oci', null, ['quay.io', 'gcr.io', '*.gcr.io', 'mcr.microsoft.com', 'public.ecr.aws']),
  known('oci', null, [
    'registry.gitlab.com',
    'registry.k8s.io',
    'registry.access.redhat.com',
    'registry.redhat.io',
  ]),
  known('deb', 'debian.org', ['*.debian.org', '*.*.debian.org', 'debian.map.fastlydns.net']),
  known('deb', 'ubuntu.com', [
    'archive.ubuntu.com',
    '*.archive.ubuntu.com',
    'security.ubuntu.com',
    'ports.ubuntu.com',
  ]),
  hosted('oci', [
    '*-docker.pkg.dev',
    '*.azurecr.io',
    '*.dkr.ecr.*.amazonaws.com',
    '*.dkr.ecr-fips.*.amazonaws.com',
  ]),
  hosted('npm', [
    '*-npm.pkg.dev/*/*',
    '*.d.codeartifact.*.amazonaws.com/npm/*',
    '*.jfrog.io/artifactory/api/npm/*',
  ]),
  hosted('npm', [
    'pkgs.dev.azure.com/*/_packaging/*/npm/registry',
    'pkgs.dev.azure.com/*/*/_packaging/*/npm/registry',
  ]),
  hosted('pypi', [
    '*-python.pkg.dev/*/*',
    '*.d.codeartifact.*.amazonaws.com/pypi/*',
    '*.jfrog.io/artifactory/api/pypi/*',
  ]),
  hosted('pypi', ['pkgs.dev.azure.com/*/_packaging/*/pypi', 'pkgs.dev.azure.com/*/*/_packaging/*/pypi']),
  hosted('maven', ['*-maven.pkg.dev/*/*', '*.d.codeartifact.*.amazonaws.com/maven/*']),
  hosted('maven', [
    'pkgs.dev.azure.com/*/_packaging/*/maven/v1',
    'pkgs.dev.azure.com/*/*/_packaging/*/maven/v1',
  ]),
  hosted('nuget', ['*.d.codeartifact.*.amazonaws.com/nuget/*', '*.jfrog.io/artifactory/api/nuget/*']),
  hosted('cargo', ['*.d.codeartifact.*.amazonaws.com/cargo/*', '*.jfrog.io/artifactory/api/cargo/*']),
  hosted('golang', ['*-go.pkg.dev/*/*', '*.jfrog.io/artifactory/api/go/*']),
  hosted('gem', ['*.jfrog.io/artifactory/api/gems/*']),
];

export interface RegistryPlace {
  readonly server: RegistryServer;
  readonly pathPrefix: string;
}

/** Finds by two look-ups which registries live on a canonical host; the longest prefix first. */
export class RegistryHosts {
  readonly #exact = new Map<string, RegistryPlace[]>();
  /** Patterns by the last two labels of their hosts. */
  readonly #patterns = new Map<string, { labels: readonly string[]; places: RegistryPlace[] }[]>();

  /** The first of two servers that name one host and prefix is believed: put configured ones first. */
  constructor(servers: readonly RegistryServer[]) {
    for (const server of servers) {
      for (const { host, pathPrefix } of server.hosts) {
        const places = this.#placesOf(host);
        if (places.every((place) => place.pathPrefix !== pathPrefix)) places.push({ server, pathPrefix });
      }
    }
    for (const [host, places] of this.#exact) {
      const below = this.#findPattern(host).filter(({ pathPrefix }) =>
        places.every((place) => place.pathPrefix !== pathPrefix),
      );
      places.push(...below);
      places.sort(byPrefix);
    }
    for (const patterns of this.#patterns.values()) for (const { places } of patterns) places.sort(byPrefix);
  }

  find(host: string): readonly RegistryPlace[] {
    return this.#exact.get(host) ?? this.#findPattern(host);
  }

  #findPattern(host: string): readonly RegistryPlace[] {
    const patterns = this.#patterns.get(lastLabels(host));
    if (patterns === undefined) return [];
    const labels = host.split('.');
    return patterns.find((pattern) => isMatch(pattern.labels, labels))?.places ?? [];
  }

  #placesOf(host: string): RegistryPlace[] {
    const isPattern = host.includes('*');
    const patterns = isPattern ? (this.#patterns.get(lastLabels(host)) ?? []) : [];
    const known = isPattern
      ? patterns.find(({ labels }) => labels.join('.') === host)?.places
      : this.#exact.get(host);
    if (known !== undefined) return known;
    const places: RegistryPlace[] = [];
    if (isPattern) this.#patterns.set(lastLabels(host), [...patterns, { labels: host.split('.'), places }]);
    else this.#exact.set(host, places);
    return places;
  }
}

const byPrefix = (a: RegistryPlace, b: RegistryPlace): number => b.pathPrefix.length - a.pathPrefix.length;

function lastLabels(host: string): string {
  const dot = host.lastIndexOf('.', host.lastIndexOf('.') - 1);
  return host.slice(dot + 1);
}

function isMatch(pattern: readonly string[], labels: readonly string[]): boolean {
  if (pattern.length !== labels.length) return false;
  return pattern.every((label, index) =>
    label.startsWith('*') ? labels[index]!.endsWith(label.slice(1)) : label === labels[index],
  );
}

/** The name that users know of a registry by one of its hosts: `npmjs.com` for the host that npm asks; else the host. */
export function registryName(hosts: RegistryHosts, host: string): string {
  return hosts.find(host)[0]?.server.registry ?? host;
}

/** True when anybody may publish to a registry of that name or host; one that nobody configured is taken for one. */
export function isPublicRegistry(servers: readonly RegistryServer[], registry: string): boolean {
  const slash = registry.indexOf('/');
  const labels = (slash < 0 ? registry : registry.slice(0, slash)).split('.');
  const found =
    servers.find((server) => server.registry === registry) ??
    servers.find(({ hosts }) => hosts.some(({ host }) => isMatch(host.split('.'), labels)));
  return found?.isPublic ?? true;
}
