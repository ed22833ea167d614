// What a self-hosted GitHub Actions runner itself needs.

import { createPreset } from './preset.ts';

const source = '"Self-hosted runners reference", section on communication, docs.github.com';

export const githubRunner = createPreset(
  'github-runner',
  'A self-hosted GitHub Actions runner: jobs, logs, artifacts, caches, updates',
  [
    [
      'service',
      source,
      { host: ['*.actions.githubusercontent.com'], methods: 'any', websocket: true, port: 443 },
    ],
    ['results', source, { host: 'productionresultssa*.blob.core.windows.net', methods: ['read', 'PUT'] }],
    ['actions', source, { host: ['github.com', 'api.github.com', 'codeload.github.com'], methods: 'read' }],
    [
      'git-read',
      '"HTTP transfer protocols", git-scm.com',
      { host: 'github.com', methods: 'POST', paths: ['/*/*/git-upload-pack'] },
    ],
    [
      'registration',
      source,
      { host: 'api.github.com', methods: 'POST', paths: '/actions/runner-registration' },
    ],
    [
      'downloads',
      source,
      {
        host: [
          'objects.githubusercontent.com',
          'objects-origin.githubusercontent.com',
          'github-releases.githubusercontent.com',
          'release-assets.githubusercontent.com',
          'raw.githubusercontent.com',
          'github-registry-files.githubusercontent.com',
        ],
        methods: 'read',
      },
    ],
    [
      'packages',
      source,
      { host: ['ghcr.io', '*.pkg.github.com', 'pkg-containers.githubusercontent.com'], methods: 'read' },
    ],
    ['immutable-actions', source, { host: 'pkg.actions.githubusercontent.com', methods: 'read' }],
    ['lfs', source, { host: 'github-cloud.s3.amazonaws.com', methods: 'read' }],
  ],
);
