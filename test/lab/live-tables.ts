// Tables of live jobs as workers and control write them, by a test's own hand.

import type { LiveEntry, LiveTable, PublishedTable } from '../../jobs/live-table.ts';

interface EntryOptions extends Partial<Omit<LiveEntry, 'message'>> {
  readonly id?: string;
  readonly repository?: string;
  readonly job?: Partial<LiveEntry['message']['job']>;
}

/** A push to main of acme/app on github.com, until 60 s past 1970. */
export function liveEntry({
  id = '1',
  repository = 'acme/app',
  job = {},
  ...changes
}: EntryOptions = {}): LiveEntry {
  return {
    address: '192.0.2.7',
    agent: 'runner-1',
    source: 'job-message',
    certainty: 'certain',
    sinceMs: 1_000,
    untilMs: 60_000,
    message: {
      job: {
        platform: 'github',
        server: 'github.com',
        repository,
        repositoryId: null,
        workflow: '.github/workflows/ci.yml',
        calledWorkflow: null,
        ref: 'refs/heads/main',
        event: 'push',
        environment: null,
        name: 'build',
        runId: '123',
        runnerGroup: 'default',
        actor: 'octocat',
        fork: false,
        protected: false,
        private: true,
        ...job,
      },
      jobId: id,
      planId: null,
      runAttempt: '1',
      stage: null,
      sha: null,
      headRef: null,
      baseRef: null,
      matrix: { os: 'linux', node: 22, fast: true, none: null },
      granted: { contents: 'read' },
      hasIdentity: false,
      uses: ['actions/checkout@v4'],
      steps: [{ id: 'a', name: 'Build' }],
      tokens: { own: 'hash', runtime: null },
      leaseMs: null,
    },
    ...changes,
  };
}

export function liveTable(changes: Partial<LiveTable> = {}): LiveTable {
  return {
    v: 1,
    startedMs: 1,
    atMs: 2,
    keyId: 'k',
    jobs: [],
    managers: [],
    conflicts: [],
    ended: [],
    ...changes,
  };
}

export function publishedTable(changes: Partial<PublishedTable> = {}): PublishedTable {
  const key = Buffer.alloc(32, 7).toString('base64');
  return { v: 1, atMs: 2, key, jobs: [], recall: [], managers: [], conflicts: [], ...changes };
}
