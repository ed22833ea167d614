// Runs and jobs: who it was. A run lists its jobs, a job its steps and what happened to it.

import type { JobFilter, StoredJob, StoredJobDetail, StoredRun } from '../../store/read-jobs.ts';
import { listRoute } from '../answer-list.ts';
import { ProblemError } from '../problem.ts';
import type { AskStore } from '../store-question.ts';
import { objectOf, orNull, type ApiRoute, type Call, type Fields } from './api-route.ts';
import { asked, between, count, flag, isoOrNull, isoTime, number, pick, readBetween } from './fields.ts';
import { text, time, totalFields, word } from './fields.ts';

const ownerRead = {
  method: 'GET',
  role: 'viewer',
  owners: 'filtered',
  audited: false,
  rate: 'read',
} as const;
const platforms = ['github', 'gitlab'] as const;
const states = ['running', 'ended', 'unknown'] as const;

export const jobFields: Fields = {
  id: count('Number of the job in the store.'),
  instance: orNull(text('Server and the platform’s own id; null where no live source knows it.')),
  platform: word('Platform.', platforms),
  server: text('Host of the platform.'),
  repositoryId: count('Number of the repository.'),
  repository: text('Repository or project.'),
  run: text('Name of its run, for /v1/runs.'),
  runId: orNull(text('The platform’s id of the run or pipeline.')),
  runAttempt: orNull(text('Which attempt of the run.')),
  workflow: text('Workflow file; empty: not known.'),
  calledWorkflow: orNull(text('Reusable workflow that it is a job of.')),
  name: text('Name within the workflow; empty: not known.'),
  stage: orNull(text('Stage (GitLab).')),
  ref: orNull(text('Full ref.')),
  headRef: orNull(text('Branch that a pull request comes from.')),
  baseRef: orNull(text('Branch that it goes to.')),
  sha: orNull(text('Commit.')),
  event: orNull(text('What set it off.')),
  environment: orNull(text('Environment.')),
  actor: orNull(text('Who set it off.')),
  isFork: orNull(flag('Whether it runs a fork’s code.')),
  isProtected: orNull(flag('Whether its ref is protected.')),
  runner: text('Address of the runner.'),
  runnerGroup: orNull(text('Group of the runner.')),
  agent: orNull(text('Program that asked for it, as the platform names it.')),
  gateway: text('Gateway that heard of it first.'),
  source: text('How it is known.'),
  certainty: text('How surely.'),
  conflicts: count('How often a second job or program claimed its address.'),
  state: word('Where it stands; `unknown`: only flows of it are known, or nobody said how it ended.', states),
  conclusion: orNull(text('How the platform says that it ended.')),
  startedAt: time('When it was first heard of.'),
  lastAt: time('When it was last heard of.'),
  endedAt: orNull(time('When it ended.')),
  ...totalFields,
};

/** A job as the API shows it. */
export function showJob({ startedMs, lastMs, endedMs, ...rest }: StoredJob): object {
  return { ...rest, startedAt: isoTime(startedMs), lastAt: isoTime(lastMs), endedAt: isoOrNull(endedMs) };
}

const stepFields: Fields = {
  number: orNull(count('As the runner counts.')),
  name: text('Name.'),
  state: text('Where it stands.'),
  startedAt: orNull(time('When it began.')),
  endedAt: orNull(time('When it ended.')),
};

const eventFields: Fields = {
  time: time('When.'),
  what: text('`assigned`, `ended` or `conflict`.'),
  gateway: text('Gateway that heard it.'),
  runner: text('Address of the runner.'),
};

const open = (description: string) => ({ type: ['object', 'null'], description, additionalProperties: true });

const detailFields: Fields = {
  ...jobFields,
  matrix: open('Values of the matrix.'),
  granted: open('What its token was granted.'),
  uses: {
    type: ['array', 'null'],
    items: { type: 'string' },
    description: 'Actions and images of its steps.',
  },
  hasIdentity: orNull(flag('It may ask for identity tokens.')),
  steps: { type: 'array', items: objectOf(stepFields), description: 'Its steps, in order.' },
  events: { type: 'array', items: objectOf(eventFields), description: 'What happened to it.' },
};

function showDetail({ steps, events, ...job }: StoredJobDetail): object {
  return {
    ...showJob(job),
    steps: steps.map(({ startedMs, endedMs, ...step }) => {
      return { ...step, startedAt: isoOrNull(startedMs), endedAt: isoOrNull(endedMs) };
    }),
    events: events.map(({ atMs, ...event }) => ({ ...event, time: isoTime(atMs) })),
  };
}

const runFields: Fields = {
  id: text('Name of the run in the store.'),
  platform: word('Platform.', platforms),
  server: text('Host of the platform.'),
  repositoryId: count('Number of the repository.'),
  repository: text('Repository or project.'),
  runId: orNull(text('The platform’s id; null: a job without a run.')),
  workflow: text('Workflow file; empty: not known.'),
  ref: orNull(text('Full ref.')),
  event: orNull(text('What set it off.')),
  actor: orNull(text('Who set it off.')),
  jobs: count('Jobs that are known.'),
  running: count('Those that run.'),
  failed: count('Those that failed.'),
  startedAt: time('When its first job began.'),
  lastAt: time('When it was last heard of.'),
  ...totalFields,
};

function showRun({ startedMs, lastMs, ...rest }: StoredRun): object {
  return { ...rest, startedAt: isoTime(startedMs), lastAt: isoTime(lastMs) };
}

const filters: Fields = {
  ...between,
  repository: number('Number of a repository.'),
  runId: asked('The platform’s id of a run.'),
  platform: word('Platform.', platforms),
  server: asked('Host of the platform.', 255),
  workflow: asked('Workflow file.', 1_000),
  ref: asked('Full ref.', 1_000),
  event: asked('What set it off.', 100),
  actor: asked('Who set it off.'),
  runner: asked('Address of a runner.', 45),
  blocked: flag('Whether any flow was blocked.'),
  running: flag('Whether it runs.'),
  search: asked('A part of the repository, workflow, job or ref.'),
};

const jobFilters: Fields = {
  ...filters,
  name: asked('Name within the workflow.', 1_000),
  environment: asked('Environment.'),
  source: asked('How it is known.', 40),
  certainty: asked('How surely.', 40),
  conclusion: asked('How it ended.', 40),
};

const sameNames = [
  ...(['repository', 'runId', 'platform', 'server', 'workflow', 'ref', 'event', 'actor'] as const),
  ...(['runner', 'search', 'name', 'environment', 'source', 'certainty', 'conclusion'] as const),
];

function readFilter({ query, actor }: Call): JobFilter {
  const { blocked, running } = query;
  return {
    ...pick<JobFilter>(query, sameNames),
    ...readBetween(query),
    ...(typeof blocked === 'boolean' ? { isBlocked: blocked } : {}),
    ...(typeof running === 'boolean' ? { isRunning: running } : {}),
    owners: actor?.owners ?? null,
  };
}

const isOldestFirst = (sort: string): boolean => sort === 'started';

export function jobRoutes(ask: AskStore): readonly ApiRoute[] {
  return [
    listRoute({
      path: '/v1/runs',
      id: 'listRuns',
      summary: 'Runs of workflows and pipelines, those that began last first.',
      tag: 'jobs',
      filters,
      sorts: ['-started', 'started'],
      item: runFields,
      find: async (call, { limit, cursor, sort }) => {
        const page = { limit, cursor, isOldestFirst: isOldestFirst(sort) };
        const found = await ask('runs', readFilter(call), page);
        return { items: found.items.map(showRun), next: found.next };
      },
    }),
    {
      rule: { ...ownerRead, path: '/v1/runs/:id' },
      id: 'getRun',
      summary: 'One run with its jobs, 1,000 at most.',
      tag: 'jobs',
      params: { id: asked('Name of the run in the store.', 300) },
      answer: objectOf({ ...runFields, of: { type: 'array', items: objectOf(jobFields) } }),
      handle: async ({ params, actor }) => {
        const run = await ask('run', String(params['id']), actor?.owners ?? null);
        if (run === null) throw new ProblemError('not-found');
        return { ...showRun(run), of: run.of.map(showJob) };
      },
    },
    listRoute({
      path: '/v1/jobs',
      id: 'listJobs',
      summary: 'Jobs, those that began last first.',
      tag: 'jobs',
      filters: jobFilters,
      sorts: ['-started', 'started'],
      item: jobFields,
      find: async (call, { limit, cursor, sort }) => {
        const page = { limit, cursor, isOldestFirst: isOldestFirst(sort) };
        const found = await ask('jobs', readFilter(call), page);
        return { items: found.items.map(showJob), next: found.next };
      },
    }),
    {
      rule: { ...ownerRead, path: '/v1/jobs/:id' },
      id: 'getJob',
      summary: 'One job with its steps and what happened to it.',
      tag: 'jobs',
      params: { id: number('Number of the job in the store.') },
      answer: objectOf(detailFields),
      handle: async ({ params, actor }) => {
        const job = await ask('job', Number(params['id']), actor?.owners ?? null);
        if (job === null) throw new ProblemError('not-found');
        return showDetail(job);
      },
    },
  ];
}
