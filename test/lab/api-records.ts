// Records of two owners' jobs, and of nobody's, from which the tests of the API know by hand what it has to answer.

import type { FlowRecord } from '../../flow/flow.ts';
import type { JobEvent, JobRecord } from '../../flow/job-record.ts';
import type { Job } from '../../flow/job.ts';
import { uuidv7 } from '../../flow/uuid.ts';
import { call, operation } from '../advise/records.ts';

/** Ten o'clock of a Monday. */
export const startMs = Date.UTC(2026, 10, 23, 10, 0, 0);
const at = (seconds: number): string => new Date(startMs + seconds * 1_000).toISOString();

const build: Job = {
  platform: 'github',
  server: 'github.com',
  repository: 'Acme/App',
  repositoryId: '11',
  workflow: '.github/workflows/ci.yml',
  calledWorkflow: null,
  ref: 'refs/heads/main',
  event: 'push',
  environment: null,
  name: 'build',
  runId: '7',
  runnerGroup: 'Default',
  actor: 'dev',
  fork: false,
  protected: true,
  private: true,
};
const check: Job = { ...build, name: 'check' };
const lint: Job = {
  ...build,
  platform: 'gitlab',
  server: 'gitlab.com',
  repository: 'globex/group/tool',
  repositoryId: '22',
  workflow: '.gitlab-ci.yml',
  event: 'schedule',
  name: 'lint',
  runId: '99',
  runnerGroup: null,
  actor: 'ops',
};

/** What a spreadsheet, a page, a terminal or a database would obey if it were taken for more than text. */
export const hostile = {
  repository: 'globex/"><img src=x onerror=alert(1)>',
  ref: `refs/heads/=cmd|'/C calc'!A0`,
  name: '=HYPERLINK("http://evil.example","a")',
  workflow: '\u001b[2J\u009b31m\u202ered',
  step: `'); drop table flow; --`,
  path: '/<script>alert(1)</script>',
} as const;
const odd: Job = {
  ...lint,
  repository: hostile.repository,
  repositoryId: '33',
  ref: hostile.ref,
  name: hostile.name,
  workflow: hostile.workflow,
  runId: `1' or '1'='1`,
};

interface Told {
  readonly job: readonly [Job, id: string] | null;
  readonly runner: string;
  readonly second: number;
  readonly host?: string;
  readonly path?: string;
  readonly more?: Partial<FlowRecord>;
}

function flow({ job, runner, second, host = 'files.example', path = '/', more = {} }: Told): FlowRecord {
  const of = call(null, { job: job?.[0] ?? null, host, path });
  return {
    ...of,
    id: uuidv7(startMs + second * 1_000),
    time: new Date(startMs + second * 1_000 + 250).toISOString(),
    gateway: 'gw',
    fleet: 'default',
    runner,
    job: job?.[0] ?? null,
    attribution:
      job === null
        ? { source: 'none', certainty: 'unknown' }
        : { source: 'job-message', certainty: 'certain', jobId: job[1] },
    bytes: { sent: 10, received: 100 },
    ...more,
  };
}

const blockedBy = (reason: FlowRecord['decision']['reason'], enforced: boolean): FlowRecord['decision'] => ({
  verdict: 'block',
  enforced,
  mode: enforced ? 'block' : 'audit',
  rule: null,
  scope: null,
  reason,
});

const a = [build, 'github.com/job-a'] as const;
const b = [check, 'github.com/job-b'] as const;
const c = [lint, 'gitlab.com/501'] as const;
const d = [odd, 'gitlab.com/502'] as const;

/** Nine flows, by the second in which each began; the paths are their names. */
export const flows: readonly FlowRecord[] = [
  flow({
    job: a,
    runner: '10.0.0.1',
    second: 1,
    path: '/fetch',
    more: { infrastructure: true, step: { number: 1, name: 'Set up job' } },
  }),
  flow({
    job: a,
    runner: '10.0.0.1',
    second: 2,
    host: 'evil.example',
    path: '/exfil',
    more: {
      decision: blockedBy('no-rule', true),
      http: { method: 'POST', path: '/exfil', version: '2', status: 403 },
      step: { number: 2, name: 'Run tests' },
    },
  }),
  flow({
    job: b,
    runner: '10.0.0.2',
    second: 3,
    host: 'new.example',
    path: '/b',
    more: { decision: blockedBy('no-rule', false) },
  }),
  flow({ job: c, runner: '10.0.0.2', second: 4, host: 'tool.example', path: '/c' }),
  flow({ job: c, runner: '10.0.0.2', second: 5, path: '/shared' }),
  flow({
    job: null,
    runner: '10.0.0.3',
    second: 6,
    more: {
      kind: 'packet',
      http: null,
      destination: { host: null, address: '203.0.113.9', port: 5_000, protocol: 'udp' },
      packet: { attempts: 3, protocolNumber: 17 },
      decision: blockedBy('direct-address', true),
      bytes: null,
    },
  }),
  flow({
    job: d,
    runner: '10.0.0.4',
    second: 7,
    host: 'odd.example',
    path: hostile.path,
    more: { step: { number: 1, name: hostile.step } },
  }),
  flow({
    job: a,
    runner: '10.0.0.1',
    second: 8,
    host: 'api.github.com',
    path: '/repos/acme/app/issues',
    more: { operation: operation('issues/create', [{ issues: 'write' }]) },
  }),
  // The next day.
  flow({ job: null, runner: '10.0.0.3', second: 86_400, path: '/late' }),
];

let made = 0;
function heard(job: readonly [Job, string], runner: string, second: number, event: JobEvent): JobRecord {
  made += 1;
  return {
    v: 1,
    kind: 'job',
    id: `0199b2a4-0000-7000-9000-${String(made).padStart(12, '0')}`,
    time: at(second),
    gateway: 'gw',
    fleet: 'default',
    runner,
    jobId: job[1],
    source: 'job-message',
    agent: 'runner-1',
    event,
  };
}

const assigned = (job: Job, more: Partial<Extract<JobEvent, { what: 'assigned' }>> = {}): JobEvent => ({
  what: 'assigned',
  job,
  runAttempt: '1',
  stage: null,
  sha: 'a'.repeat(40),
  headRef: null,
  baseRef: null,
  matrix: null,
  granted: null,
  hasIdentity: false,
  uses: [],
  steps: [],
  ...more,
});

/** What was heard of the jobs. */
export const jobs: readonly JobRecord[] = [
  heard(
    a,
    '10.0.0.1',
    0,
    assigned(build, {
      matrix: { os: 'debian' },
      granted: { contents: 'write', issues: 'read' },
      hasIdentity: true,
      uses: ['actions/checkout@v5'],
      steps: [{ id: 's1', name: 'Run tests' }],
    }),
  ),
  heard(a, '10.0.0.1', 2, {
    what: 'steps',
    steps: [
      {
        id: 's1',
        name: 'Run tests',
        number: 2,
        state: 'failed',
        startedMs: startMs + 2_000,
        endedMs: startMs + 3_000,
      },
    ],
  }),
  heard(a, '10.0.0.1', 9, { what: 'ended', conclusion: 'failed' }),
  heard(b, '10.0.0.2', 1, assigned(check)),
  heard(c, '10.0.0.2', 3, assigned(lint)),
  heard(d, '10.0.0.4', 6, assigned(odd)),
];
