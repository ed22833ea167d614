// Whether GitLab says that the job of a claim runs on the runner that it names (docs.gitlab.com, Jobs API: "Get a single
// job"), and what it says of the job.

import type { Claim } from '../claims/read-claim.ts';
import type { Confirmation } from '../claims/claims.ts';
import type { Job } from '../../flow/job.ts';
import { idAt, textAt, timeAt, valueAt } from '../read-object.ts';
import type { PlatformApi } from './platform-api.ts';

/** Asks for the job. Never rejects. */
export async function confirmGitlab(api: Pick<PlatformApi, 'get'>, claim: Claim): Promise<Confirmation> {
  const { job, jobId } = claim.message;
  const project = job.repositoryId ?? encodeURIComponent(job.repository ?? '');
  if (!/^\d+$/.test(jobId) || project === '' || claim.runner === null)
    return { kind: 'refused', detail: 'the claim does not name project, job and runner' };
  const { status, body } = await api.get(`/projects/${project}/jobs/${jobId}`);
  if (status === 404) return { kind: 'refused', detail: 'the token sees no such job' };
  if (status !== 200)
    return {
      kind: 'unknown',
      detail: status === 0 ? 'the API was not reached' : `the API answered ${status}`,
    };
  return readAnswer(claim, body);
}

function readAnswer({ message, runner }: Claim, body: unknown): Confirmation {
  const startedMs = timeAt(body, 'started_at');
  const own = projectOf(textAt(body, 'web_url'));
  if (textAt(body, 'status') !== 'running' || startedMs === null || idAt(body, 'id') !== message.jobId)
    return { kind: 'refused', detail: 'the job does not run' };
  if (idAt(body, 'runner', 'id') !== runner)
    return { kind: 'refused', detail: 'the job runs on another runner' };
  if (own === null || own.toLowerCase() !== message.job.repository?.toLowerCase())
    return { kind: 'refused', detail: 'the job is of another project' };
  const ref = refOf(textAt(body, 'ref'), valueAt(body, 'tag'));
  const job: Job = {
    platform: 'gitlab',
    server: message.job.server,
    repository: own,
    repositoryId: idAt(body, 'pipeline', 'project_id') ?? message.job.repositoryId,
    workflow: null,
    calledWorkflow: null,
    ref,
    event: textAt(body, 'pipeline', 'source'),
    environment: null,
    name: textAt(body, 'name'),
    runId: idAt(body, 'pipeline', 'id'),
    runnerGroup: null,
    actor: textAt(body, 'user', 'username'),
    fork: ref === null || ref.startsWith('refs/merge-requests/') ? null : false,
    protected: null,
    private: null,
  };
  const [sha, stage] = [textAt(body, 'commit', 'id'), textAt(body, 'stage')];
  return {
    kind: 'confirmed',
    message: { ...message, job, sha, stage, headRef: null, baseRef: null },
    startedMs,
  };
}

/** `https://HOST/GROUP/PROJECT/-/jobs/ID` */
function projectOf(url: string | null): string | null {
  if (url === null || !URL.canParse(url)) return null;
  return /^\/(.+)\/-\/jobs\/\d+$/.exec(new URL(url).pathname)?.[1] ?? null;
}

function refOf(ref: string | null, tag: unknown): string | null {
  if (ref === null || ref.startsWith('refs/')) return ref;
  return typeof tag === 'boolean' ? `refs/${tag ? 'tags' : 'heads'}/${ref}` : null;
}
