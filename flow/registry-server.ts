// The package and image registries that this gateway knows, and which hosts of theirs are which. Policy names a
// registry by the name that users know; registry/ reads what is said to its hosts.

import type { Ecosystem } from './operation.ts';

export interface RegistryServer {
  readonly ecosystem: Ecosystem;
  /** As users name it: `npmjs.com`, `pypi.org`, `docker.io`, or the host of a private one. */
  readonly registry: string;
  /** True when anybody may publish there: an internal name asked of it is confusion. */
  readonly isPublic: boolean;
  readonly hosts: readonly RegistryHost[];
}

export interface RegistryHost {
  /** A canonical host; each leading `*.` stands for one label. */
  readonly host: string;
  /** What stands before the protocol's own paths, without a slash at its end; `*` is one segment; empty for the root. */
  readonly pathPrefix: string;
}

function known(ecosystem: Ecosystem, registry: string, hosts: readonly string[]): RegistryServer {
  const all = hosts.map((text) => {
    const slash = text.indexOf('/');
    return slash < 0
      ? { host: text, pathPrefix: '' }
      : { host: text.slice(0, slash), pathPrefix: text.slice(slash) };
  });
  return { ecosystem, registry, isPublic: true, hosts: all };
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
    '*.central.sonatype.com',
    '*.sonatype.org',
  ]),
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
  known('oci', 'quay.io', ['quay.io', '*.quay.io']),
  known('oci', 'gcr.io', ['gcr.io', '*.gcr.io']),
  known('oci', 'mcr.microsoft.com', ['mcr.microsoft.com']),
  known('oci', 'public.ecr.aws', ['public.ecr.aws']),
  known('oci', 'registry.gitlab.com', ['registry.gitlab.com']),
  known('oci', 'registry.k8s.io', ['registry.k8s.io']),
  known('oci', 'registry.access.redhat.com', ['registry.access.redhat.com', 'registry.redhat.io']),
  known('deb', 'debian.org', ['*.debian.org', '*.*.debian.org', 'debian.map.fastlydns.net']),
  known('deb', 'ubuntu.com', [
    'archive.ubuntu.com',
    '*.archive.ubuntu.com',
    'security.ubuntu.com',
    'ports.ubuntu.com',
  ]),
];

export interface RegistryPlace {
  readonly server: RegistryServer;
  readonly pathPrefix: string;
}

/** Finds by one look-up or three which registries live on a canonical host; the longest prefix first. */
export class RegistryHosts {
  readonly #places = new Map<string, RegistryPlace[]>();

  /** The first of two servers that name one host and prefix is believed: put configured ones first. */
  constructor(servers: readonly RegistryServer[]) {
    for (const server of servers) {
      for (const { host, pathPrefix } of server.hosts) {
        const places = this.#places.get(host) ?? [];
        if (places.every((place) => place.pathPrefix !== pathPrefix)) places.push({ server, pathPrefix });
        places.sort((a, b) => b.pathPrefix.length - a.pathPrefix.length);
        this.#places.set(host, places);
      }
    }
  }

  find(host: string): readonly RegistryPlace[] {
    const exact = this.#places.get(host);
    if (exact !== undefined) return exact;
    const dot = host.indexOf('.');
    if (dot < 0) return [];
    const below = this.#places.get(`*${host.slice(dot)}`);
    if (below !== undefined) return below;
    const second = host.indexOf('.', dot + 1);
    return second < 0 ? [] : (this.#places.get(`*.*${host.slice(second)}`) ?? []);
  }
}

/** The name that users know of a registry by one of its hosts: `npmjs.com` for the host that npm asks; else the host. */
export function registryName(hosts: RegistryHosts, host: string): string {
  return hosts.find(host)[0]?.server.registry ?? host;
}
