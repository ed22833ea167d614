// Public package registries, for reading. Hosts that vary are given by domain.

import { createPreset } from './preset.ts';

export const npm = createPreset('npm', 'The npm registry', [
  [
    'registry',
    '"registry", npm configuration reference, docs.npmjs.com',
    { host: '*.npmjs.org', methods: 'read' },
  ],
  [
    'audit',
    '"npm audit", docs.npmjs.com',
    { host: '*.npmjs.org', methods: 'POST', paths: '/-/npm/v1/security/**', maxUpload: '8MiB' },
  ],
  ['yarn', '"npmRegistryServer", yarnpkg.com', { host: '*.yarnpkg.com', methods: 'read' }],
]);

export const pypi = createPreset('pypi', 'The Python Package Index', [
  ['index', '"Index API", docs.pypi.org', { host: ['pypi.org', '*.pypi.org'], methods: 'read' }],
  ['files', '"Index API", docs.pypi.org', { host: '*.pythonhosted.org', methods: 'read' }],
]);

export const debian = createPreset('debian', 'Debian and Ubuntu archives', [
  [
    'debian',
    'sources.list(5), manpages.debian.org',
    { host: '*.debian.org', scheme: ['https', 'http'], methods: 'read' },
  ],
  [
    'debian-cdn',
    'wiki.debian.org/DebianGeoMirror',
    { host: 'debian.map.fastlydns.net', scheme: ['https', 'http'], methods: 'read' },
  ],
  [
    'ubuntu',
    '"Ubuntu repositories", help.ubuntu.com',
    { host: ['*.ubuntu.com', '*.archive.ubuntu.com'], scheme: ['https', 'http'], methods: 'read' },
  ],
]);

export const dockerHub = createPreset('docker-hub', 'Images of Docker Hub', [
  ['registry', '"Allowlist for Docker Desktop", docs.docker.com', { host: '*.docker.io', methods: 'read' }],
  [
    'blobs',
    '"Allowlist for Docker Desktop", docs.docker.com',
    { host: ['*.docker.com', '*.cloudflare.docker.com'], methods: 'read' },
  ],
  [
    'blobs-r2',
    '"Allowlist for Docker Desktop", docs.docker.com',
    { host: 'docker-images-prod.*.r2.cloudflarestorage.com', methods: 'read' },
  ],
]);

export const go = createPreset('go', 'Go modules', [
  [
    'modules',
    '"GOPROXY protocol", go.dev/ref/mod',
    { host: ['*.golang.org', 'golang.org'], methods: 'read' },
  ],
  [
    'downloads',
    '"Managing Go installations", go.dev/doc/manage-install',
    { host: ['go.dev', 'dl.google.com'], methods: 'read' },
  ],
  [
    'storage',
    '"GOPROXY protocol", go.dev/ref/mod',
    { host: 'storage.googleapis.com', methods: 'read', paths: '/proxy-golang-org-prod/**' },
  ],
]);

export const crates = createPreset('crates', 'Rust crates and toolchains', [
  [
    'index',
    '"Registry index", doc.rust-lang.org/cargo',
    { host: ['crates.io', '*.crates.io'], methods: 'read' },
  ],
  ['toolchains', '"rustup", rust-lang.github.io/rustup', { host: ['*.rust-lang.org'], methods: 'read' }],
]);

export const maven = createPreset('maven', 'Maven Central and the Gradle plugin portal', [
  [
    'central',
    '"Repository layout", maven.apache.org',
    { host: ['*.maven.org', '*.maven.apache.org', '*.*.maven.org'], methods: 'read' },
  ],
  [
    'gradle',
    '"Gradle plugin portal", plugins.gradle.org',
    { host: ['*.gradle.org'], methods: 'read', follow: true },
  ],
]);

export const nuget = createPreset('nuget', 'NuGet packages', [
  ['api', '"NuGet server API", learn.microsoft.com', { host: ['*.nuget.org', 'nuget.org'], methods: 'read' }],
  [
    'cdn',
    '"NuGet known issues: allowlist", learn.microsoft.com',
    { host: '*.azureedge.net', methods: 'read', paths: '/nuget/**' },
  ],
]);

export const rubygems = createPreset('rubygems', 'Ruby gems', [
  [
    'gems',
    '"RubyGems.org API", guides.rubygems.org',
    { host: ['rubygems.org', '*.rubygems.org'], methods: 'read' },
  ],
]);
