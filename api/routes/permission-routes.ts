// What the tokens of jobs need, out of the flows that the store has: beside what each was granted, and as YAML to paste.

import { deriveAllowlists } from '../../advise/derive-allowlists.ts';
import { derivePermissions, type JobPermissions } from '../../advise/derive-permissions.ts';
import { compareGranted } from '../../advise/granted-permissions.ts';
import { writePermissions } from '../../advise/write-permissions.ts';
import { writeAllowlists } from '../../advise/write-allowlists.ts';
import type { FlowRecord } from '../../flow/flow.ts';
import type { Permission } from '../../flow/operation.ts';
import type { StoredJob } from '../../store/read-jobs.ts';
import type { StoredFlow } from '../../store/read-store.ts';
import { gathered } from '../answer-room.ts';
import { ProblemError } from '../problem.ts';
import { recordOf } from '../stored-record.ts';
import type { AskStore } from '../store-question.ts';
import { objectOf, orNull, type ApiRoute, type Call, type Schema } from './api-route.ts';
import { asked, between, count, flag, number, readBetween, text } from './fields.ts';

const usualMs = 7 * 86_400_000;
const pageSize = 1_000;
/** Requests that are looked at for one answer, the newest first. */
const mostFlows = 20_000;
const timeMs = 8_000;
const mostJobs = 200;

const permission: Schema = {
  type: 'object',
  description: 'Keys of `permissions:` with `read` or `write`.',
  additionalProperties: { type: 'string' },
};
const list = (description: string): Schema => ({
  type: 'array',
  description,
  items: { type: 'object', additionalProperties: true },
});
const names = (description: string): Schema => ({ type: 'array', items: { type: 'string' }, description });

const jobPermissions = objectOf({
  server: text('Host of the platform.'),
  repository: orNull(text('Repository.')),
  workflow: orNull(text('Workflow file.')),
  job: orNull(text('Job within it.')),
  runs: count('Runs that were looked at.'),
  calls: count('Calls that were counted.'),
  needed: permission,
  granted: {
    ...permission,
    type: ['object', 'null'],
    description: 'What its last job was granted; null: not known.',
  },
  differences: {
    ...objectOf(
      {
        remove: names('Granted and not needed.'),
        lower: names('Granted as write where read is enough.'),
        add: names('Needed and not granted.'),
      },
      'Null: it is not known what was granted.',
    ),
    type: ['object', 'null'],
  },
  checkout: flag('`contents: read` stands for the checkout.'),
  lines: list('Each key with the calls that need it.'),
  undecided: list('Calls that several sets would do for.'),
  ungrantable: list('Calls that no key grants.'),
  unknown: list('Calls whose needs nobody knows.'),
  notCounted: { type: 'object', additionalProperties: { type: 'integer' }, description: 'Calls by why not.' },
  yaml: text('To be pasted into the workflow.'),
});

export function permissionRoutes(ask: AskStore): readonly ApiRoute[] {
  return [
    {
      rule: {
        method: 'GET',
        path: '/v1/permissions',
        role: 'viewer',
        owners: 'filtered',
        audited: false,
        rate: 'search',
      },
      id: 'listPermissions',
      summary:
        'The least permissions of each job of a repository, from its requests of the last 7 days unless told.',
      tag: 'permissions',
      query: {
        ...between,
        repository: number('Number of a repository; needed.'),
        workflow: asked('Workflow file, or the last part of it.', 1_000),
        name: asked('Job within it.', 1_000),
      },
      answer: objectOf({
        jobs: { type: 'array', items: jobPermissions },
        allowlists: list('For GitLab: projects that must let the job’s token in.'),
        allowlistsYaml: text('The same to paste; empty: none.'),
        requests: count('Requests that were looked at.'),
        isWhole: flag('False: there were more than are looked at, and the oldest were left out.'),
      }),
      handle: (call) => answerPermissions(ask, call),
    },
  ];
}

async function answerPermissions(ask: AskStore, { query, actor }: Call): Promise<object> {
  const { repository } = query;
  if (typeof repository !== 'number')
    throw new ProblemError('invalid-query', 'repository is the number of one of /v1/repositories');
  const { fromMs, untilMs = Date.now() + 60_000 } = readBetween(query);
  const owners = actor?.owners ?? null;
  const filter = {
    repository,
    owners,
    kind: 'request',
    fromMs: fromMs ?? untilMs - usualMs,
    untilMs,
  } as const;
  const { records, last, isWhole } = await collectFew(ask, filter, actor, (job) => isWanted(job, query));
  const found = await derivePermissions(each(records));
  const allowlists = await deriveAllowlists(each(records));
  const jobs = await Promise.all(
    found.jobs.map(async (job) =>
      show(job, await grantedOf(ask, last.get(keyOf(job.workflow, job.job)), owners)),
    ),
  );
  return {
    jobs,
    allowlists,
    allowlistsYaml: allowlists.length === 0 ? '' : writeAllowlists(allowlists),
    requests: records.length,
    isWhole,
  };
}

interface Collected {
  readonly records: readonly FlowRecord[];
  /** The last job of each workflow and name. */
  readonly last: ReadonlyMap<string, number>;
  readonly isWhole: boolean;
}

/** @throws ProblemError rate-limit */
async function collectFew(
  ask: AskStore,
  filter: Parameters<typeof pageOf>[1],
  actor: Call['actor'],
  isJobWanted: (job: StoredJob) => boolean,
): Promise<Collected> {
  const give = gathered.take(actor, mostFlows);
  try {
    return await collect(ask, filter, isJobWanted);
  } finally {
    give();
  }
}

async function collect(
  ask: AskStore,
  filter: Parameters<typeof pageOf>[1],
  isJobWanted: (job: StoredJob) => boolean,
): Promise<Collected> {
  const jobs = new Map<number, StoredJob>();
  const records: FlowRecord[] = [];
  const endMs = performance.now() + timeMs;
  let cursor: string | null = null;
  let isWhole = false;
  while (records.length < mostFlows && performance.now() < endMs) {
    const page: Awaited<ReturnType<typeof pageOf>> = await pageOf(ask, filter, cursor);
    const ids = new Set(page.items.flatMap(({ job }) => (job === null || jobs.has(job) ? [] : [job])));
    for (const job of await ask('jobsOf', [...ids], filter.owners)) jobs.set(job.id, job);
    for (const flow of page.items) {
      const job = flow.job === null ? undefined : jobs.get(flow.job);
      if (job !== undefined && isJobWanted(job)) records.push(recordOf(flow, job));
    }
    cursor = page.next;
    isWhole = cursor === null;
    if (isWhole) break;
  }
  const newest = [...jobs.values()].filter(isJobWanted).toSorted((a, b) => a.startedMs - b.startedMs);
  return { records, isWhole, last: new Map(newest.map((job) => [keyOf(job.workflow, job.name), job.id])) };
}

function pageOf(
  ask: AskStore,
  filter: {
    readonly repository: number;
    readonly owners: readonly string[] | null;
    readonly kind: StoredFlow['kind'];
    readonly fromMs: number;
    readonly untilMs: number;
  },
  cursor: string | null,
) {
  return ask('flows', filter, { limit: pageSize, cursor, withDetail: true });
}

async function* each(records: readonly FlowRecord[]): AsyncGenerator<FlowRecord> {
  yield* records;
}

const keyOf = (workflow: string | null, name: string | null): string =>
  JSON.stringify([workflow ?? '', name ?? '']);

function isWanted({ workflow: file, name: job }: StoredJob, { workflow, name }: Call['query']): boolean {
  if (name !== undefined && job !== name) return false;
  return workflow === undefined || file === workflow || file.endsWith(`/${String(workflow)}`);
}

/** What a job's token was granted, as its platform's message said. */
async function grantedOf(
  ask: AskStore,
  id: number | undefined,
  owners: readonly string[] | null,
): Promise<Permission | null> {
  const job = id === undefined ? null : await ask('job', id, owners);
  const granted = job?.granted ?? null;
  if (typeof granted !== 'object' || granted === null) return null;
  const levels = Object.entries(granted).slice(0, mostJobs);
  return Object.fromEntries(
    levels.flatMap(([key, level]: [string, unknown]) =>
      level === 'read' || level === 'write' ? [[key, level] as const] : [],
    ),
  );
}

function show(job: JobPermissions, granted: Permission | null): object {
  const { permissions: needed, ...rest } = job;
  return {
    ...rest,
    needed,
    granted,
    differences: granted === null ? null : compareGranted(granted, needed),
    yaml: writePermissions([job], granted),
  };
}
