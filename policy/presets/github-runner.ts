// What a self-hosted GitHub Actions runner itself needs: its service, and the repository that its job is of. Archives of
// actions, artifacts, caches and logs open by the answers that hand them out; nothing else of any repository does.

import { createPreset } from './preset.ts';

const source = '"Self-hosted runners reference", section on communication, docs.github.com';

export const githubRunner = createPreset(
  'github-runner',
  'A self-hosted GitHub Actions runner: jobs, their own repository, the actions that were resolved for them, logs, artifacts, caches, updates',
  [
    [
      'service',
      source,
      { host: ['*.actions.githubusercontent.com'], methods: 'any', websocket: true, port: 443 },
    ],
    [
      'registration',
      source,
      { host: 'api.github.com', methods: 'POST', paths: '/actions/runner-registration' },
    ],
  ],
  {
    github: [
      ['own', '"actions/checkout", github.com', { repo: '{job.repo}', access: 'read' }],
      ['updates', source, { repo: 'actions/runner', server: 'github.com', access: 'read' }],
    ],
  },
);
