// What a GitLab runner on gitlab.com itself needs: its API, the project that its job is of with the images of that
// project, and the image and programs that help it.

import { createPreset } from './preset.ts';

const source = '"Runners API" and "Jobs API", docs.gitlab.com';
const install = '"Install GitLab Runner", docs.gitlab.com';

export const gitlabRunner = createPreset(
  'gitlab-runner',
  'A GitLab runner on gitlab.com: jobs, traces, artifacts, their own project and its images',
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
    ['helper-binaries', install, { host: 'gitlab-runner-downloads.s3.amazonaws.com', methods: 'read' }],
  ],
  {
    gitlab: [['own', '"Git strategy", docs.gitlab.com', { project: '{job.project}', access: 'read' }]],
    images: [
      ['helper', install, { image: 'registry.gitlab.com/gitlab-org/gitlab-runner/**', access: 'read' }],
    ],
  },
);
