// Reads who a job is out of GitLab's answer to a runner's request for one (gitlab-runner 19.4, common/spec). Only named
// fields are decoded. Of a variable that stands there more than once the first counts: later ones are the project's own.

import type { Job } from '../../flow/job.ts';
import type { HashToken, JobMessage } from '../../flow/job-message.ts';
import {
  entriesOf,
  flagOf,
  pick,
  textOf,
  wholeDocument,
  wordOf,
  type JsonSpan,
} from '../../flow/json-spans.ts';

type Span = JsonSpan | null | undefined;

const maxTextBytes = 1024;
const maxTokenBytes = 16_384;
const maxVariables = 10_000;
const maxSteps = 1_000;

const names = [
  'CI_COMMIT_REF_PROTECTED',
  'CI_CONFIG_PATH',
  'CI_MERGE_REQUEST_SOURCE_PROJECT_PATH',
  'CI_PIPELINE_SOURCE',
  'CI_PROJECT_PATH',
  'CI_PROJECT_VISIBILITY',
] as const;

/**
 * The job of an answer that came from `server` (a canonical host); null when the bytes are no such answer, or say one of
 * the fields twice.
 */
export function readGitlabJob(bytes: Buffer, server: string, hash: HashToken): JobMessage | null {
  const root = pick(
    bytes,
    wholeDocument(bytes),
    'id',
    'token',
    'job_info',
    'git_info',
    'variables',
    'steps',
    'image',
  );
  const text = (span: Span): string | null => textOf(bytes, span, maxTextBytes);
  const info = pick(
    bytes,
    root.job_info ?? null,
    'name',
    'stage',
    'pipeline_id',
    'project_id',
    'project_full_path',
  );
  const git = pick(bytes, root.git_info ?? null, 'ref', 'sha', 'ref_type', 'protected');
  const variables = readVariables(bytes, root.variables);
  const jobId = wordOf(bytes, root.id);
  const token = textOf(bytes, root.token, maxTokenBytes);
  const project = text(info.project_full_path) ?? variables.get('CI_PROJECT_PATH') ?? null;
  if (jobId === null || !/^\d+$/.test(jobId) || token === null || token === '') return null;
  if (project === null || !/^[\w.-]{1,255}(?:\/[\w.-]{1,255}){1,20}$/.test(project)) return null;
  return {
    job: {
      ...jobOfVariables(server, project, variables),
      repositoryId: wordOf(bytes, info.project_id),
      ref: fullRef(text(git.ref), text(git.ref_type)),
      name: text(info.name),
      runId: wordOf(bytes, info.pipeline_id),
      protected: flagOf(bytes, git.protected) ?? readFlag(variables.get('CI_COMMIT_REF_PROTECTED')),
    },
    jobId,
    planId: null,
    runAttempt: null,
    stage: text(info.stage),
    sha: text(git.sha),
    headRef: null,
    baseRef: null,
    matrix: null,
    granted: null,
    hasIdentity: false,
    uses: readImage(bytes, root.image),
    steps: readSteps(bytes, root.steps),
    tokens: { own: hash(token), runtime: null },
    leaseMs: null,
  };
}

function jobOfVariables(server: string, project: string, variables: ReadonlyMap<string, string>): Job {
  const visibility = variables.get('CI_PROJECT_VISIBILITY');
  const source = variables.get('CI_MERGE_REQUEST_SOURCE_PROJECT_PATH');
  return {
    platform: 'gitlab',
    server,
    repository: project,
    repositoryId: null,
    workflow: variables.get('CI_CONFIG_PATH') ?? null,
    calledWorkflow: null,
    ref: null,
    event: variables.get('CI_PIPELINE_SOURCE') ?? null,
    // Whoever writes the pipeline can say both where GitLab itself says nothing, or says it later.
    environment: null,
    name: null,
    runId: null,
    runnerGroup: null,
    actor: null,
    fork: source !== undefined && source.toLowerCase() !== project.toLowerCase(),
    protected: null,
    private: visibility === undefined ? null : visibility !== 'public',
  };
}

/** The known variables, each as it stood there first; a value that is no text counts as unsaid. */
function readVariables(bytes: Buffer, span: Span): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const seen = new Set<string>();
  if (span === null || span === undefined) return found;
  let count = 0;
  for (const entry of entriesOf(bytes, span)) {
    if (++count > maxVariables) break;
    const { key, value } = pick(bytes, entry, 'key', 'value');
    const name = names.find((known) => known === textOf(bytes, key, 64));
    if (name === undefined || seen.has(name)) continue;
    seen.add(name);
    const text = textOf(bytes, value, maxTextBytes);
    if (text !== null) found.set(name, text);
  }
  return found;
}

function fullRef(ref: string | null, type: string | null): string | null {
  if (ref === null || ref === '' || ref.startsWith('refs/')) return ref === '' ? null : ref;
  return type === 'branch' ? `refs/heads/${ref}` : type === 'tag' ? `refs/tags/${ref}` : null;
}

const readFlag = (text: string | undefined): boolean | null =>
  text === 'true' ? true : text === 'false' ? false : null;

function readImage(bytes: Buffer, span: Span): readonly string[] {
  const name = textOf(bytes, pick(bytes, span ?? null, 'name').name, maxTextBytes);
  return name === null || name === '' ? [] : [`docker://${name}`];
}

function readSteps(bytes: Buffer, span: Span): JobMessage['steps'] {
  if (span === null || span === undefined) return [];
  const steps: { id: string; name: string }[] = [];
  for (const entry of entriesOf(bytes, span)) {
    const name = textOf(bytes, pick(bytes, entry, 'name').name, maxTextBytes);
    if (name !== null && steps.length < maxSteps) steps.push({ id: name, name });
  }
  return steps;
}
