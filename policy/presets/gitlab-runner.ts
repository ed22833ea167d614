// What a GitLab runner on gitlab.com itself needs.

import { createPreset } from './preset.ts';

const source = '"Runners API" and "Jobs API", docs.gitlab.com';

export const gitlabRunner = createPreset(
  'gitlab-runner',
  'A GitLab runner on gitlab.com: jobs, traces, artifacts, images',
  [
    [
      'jobs',
      source,
      {
        host: 'gitlab.com',
        methods: ['read', 'POST', 'PUT', 'PATCH'],
        paths: ['/api/v4/jobs/**', '/api/v4/runners/**'],
      },
    ],
    ['read', source, { host: 'gitlab.com', methods: 'read' }],
    [
      'git-read',
      '"HTTP transfer protocols", git-scm.com',
      { host: 'gitlab.com', methods: 'POST', paths: ['/**/git-upload-pack'] },
    ],
    [
      'images',
      '"GitLab container registry", docs.gitlab.com',
      { host: ['*.gitlab.com', '*.gitlab-static.net', '*.*.gitlab-static.net'], methods: 'read' },
    ],
    [
      'helper-binaries',
      '"Install GitLab Runner", docs.gitlab.com',
      { host: 'gitlab-runner-downloads.s3.amazonaws.com', methods: 'read' },
    ],
  ],
);
