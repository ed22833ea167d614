// Whether GitHub says that the job of a claim runs on the runner that it names (docs.github.com, REST: "List jobs for a
// workflow run attempt", "Get a workflow run", "Get a commit"), and what it says of the run.

import type { Claim } from '../claims/read-claim.ts';
import type { Confirmation } from '../claims/claims.ts';
import type { Job } from '../../flow/job.ts';
import { idAt, itemsAt, textAt, timeAt, valueAt } from '../read-object.ts';
import type { PlatformApi } from './platform-api.ts';

const maxPages = 5;
const pageJobs = 100;
const shaOnly = 'application/vnd.github.sha';

/** Asks for the jobs of the run, and about the run. Never rejects. */
export async function confirmGithub(api: Pick<PlatformApi, 'get'>, claim: Claim): Promise<Confirmation> {
  const { repository, runId } = claim.message.job;
  const attempt = claim.message.runAttempt ?? '1';
  if (repository === null || runId === null || claim.runner === null)
    return { kind: 'refused', detail: 'the claim does not name repository, run and runner' };
  const run = `/repos/${repository}/actions/runs/${runId}`;
  const found = await findJob(api, `${run}/attempts/${attempt}/jobs`, claim.runner);
  if ('kind' in found) return found;
  const answer = await api.get(run);
  if (answer.status !== 200) return problemOf(answer.status);
  return readRun(api, claim, answer.body, found);
}

interface RunningJob {
  readonly startedMs: number;
  readonly group: string | null;
}

/** The one job of the run that is on the runner now. */
async function findJob(
  api: Pick<PlatformApi, 'get'>,
  path: string,
  runner: string,
): Promise<RunningJob | Confirmation> {
  for (let page = 1; page <= maxPages; page++) {
    const answer = await api.get(`${path}?per_page=${pageJobs}&page=${page}`);
    if (answer.status !== 200) return problemOf(answer.status);
    const jobs = itemsAt(answer.body, 'jobs');
    for (const job of jobs) {
      if (textAt(job, 'runner_name') !== runner || textAt(job, 'status') !== 'in_progress') continue;
      const startedMs = timeAt(job, 'started_at');
      if (startedMs !== null) return { startedMs, group: textAt(job, 'runner_group_name') };
    }
    if (jobs.length < pageJobs) break;
  }
  return { kind: 'refused', detail: 'no job of the run is in progress on that runner' };
}

async function readRun(
  api: Pick<PlatformApi, 'get'>,
  claim: Claim,
  run: unknown,
  { startedMs, group }: RunningJob,
): Promise<Confirmation> {
  const { message } = claim;
  const own = textAt(run, 'repository', 'full_name');
  if (own === null || own.toLowerCase() !== message.job.repository?.toLowerCase())
    return { kind: 'refused', detail: 'the run is of another repository' };
  const attempt = idAt(run, 'run_attempt');
  if (attempt !== null && attempt !== (message.runAttempt ?? '1'))
    return { kind: 'refused', detail: 'the run is at another attempt' };
  const head = textAt(run, 'head_repository', 'full_name');
  const isPrivate = valueAt(run, 'repository', 'private');
  const job: Job = {
    platform: 'github',
    server: message.job.server,
    repository: own,
    repositoryId: idAt(run, 'repository', 'id'),
    workflow: textAt(run, 'path')?.replace(/@.*$/, '') ?? null,
    calledWorkflow: null,
    ref: await findRef(api, run, own),
    event: textAt(run, 'event'),
    // The API tells neither; what people call a job is up to the workflow.
    environment: null,
    name: null,
    runId: message.job.runId,
    runnerGroup: group,
    actor: textAt(run, 'actor', 'login'),
    fork: head === null || head.toLowerCase() !== own.toLowerCase(),
    protected: null,
    private: typeof isPrivate === 'boolean' ? isPrivate : null,
  };
  const sha = textAt(run, 'head_sha');
  const confirmed = { ...message, job, sha, headRef: null, baseRef: null, runAttempt: attempt };
  return { kind: 'confirmed', message: confirmed, startedMs };
}

/**
 * The run's full ref, where it is certain. The API says a name that a branch and a tag can have, so that both are looked
 * up: only where one of them alone is at the run's commit it is that one.
 */
async function findRef(
  api: Pick<PlatformApi, 'get'>,
  run: unknown,
  repository: string,
): Promise<string | null> {
  const [name, sha, event] = [textAt(run, 'head_branch'), textAt(run, 'head_sha'), textAt(run, 'event')];
  if (name === null || sha === null || event === null || event.startsWith('pull_request')) return null;
  if (!/^[^\s~^:?*[\\]+$/.test(name) || name.split('/').some((part) => /^\.{0,2}$/.test(part))) return null;
  const at = name.split('/').map(encodeURIComponent).join('/');
  const kinds = ['heads', 'tags'] as const;
  const tips = await Promise.all(
    kinds.map((kind) => api.get(`/repos/${repository}/commits/${kind}/${at}`, shaOnly)),
  );
  // 422: there is no such ref.
  if (tips.some(({ status }) => ![200, 404, 422].includes(status))) return null;
  const matching = kinds.filter((_, index) => tips[index]?.body === sha);
  return matching.length === 1 ? `refs/${matching[0]}/${name}` : null;
}

function problemOf(status: number): Confirmation {
  if (status === 404) return { kind: 'refused', detail: 'the token sees no such run' };
  return { kind: 'unknown', detail: status === 0 ? 'the API was not reached' : `the API answered ${status}` };
}
