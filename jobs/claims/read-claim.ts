// What a hook on a runner says of the job that begins there (`POST /runner/v1/claims`): its form, and the job that it
// names. Whoever runs on the machine may have said it.

import { Ajv } from 'ajv';
import type { FromSchema, JSONSchema } from 'json-schema-to-ts';
import type { Job } from '../../flow/job.ts';
import type { JobMessage } from '../../flow/job-message.ts';
import { canonicalHost } from './canonical-host.ts';

const text = (maxLength: number, description: string, pattern?: string) =>
  ({ type: 'string', maxLength, description, ...(pattern === undefined ? {} : { pattern }) }) as const;
const digits = (description: string) => text(20, description, '^\\d*$');

/** The body of a claim. A field that is empty counts as left out. */
export const claimSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['platform', 'server', 'repository', 'runId'],
  properties: {
    platform: { enum: ['github', 'gitlab'], description: 'Whose job it is.' },
    server: text(255, 'URL or host of the forge (GITHUB_SERVER_URL, CI_SERVER_HOST).'),
    repository: text(
      512,
      'owner/name, or the path of a project (GITHUB_REPOSITORY, CI_PROJECT_PATH).',
      '^(?!.*(?:^|/)\\.{1,2}(?:/|$))[\\w.-]{1,255}(?:/[\\w.-]{1,255}){1,20}$',
    ),
    repositoryId: digits('GITHUB_REPOSITORY_ID, CI_PROJECT_ID.'),
    runId: text(20, 'GITHUB_RUN_ID, CI_PIPELINE_ID.', '^\\d{1,20}$'),
    runAttempt: digits('GITHUB_RUN_ATTEMPT.'),
    jobId: digits('CI_JOB_ID.'),
    job: text(512, 'GITHUB_JOB, CI_JOB_NAME.'),
    ref: text(1024, 'GITHUB_REF; of GitLab refs/tags/CI_COMMIT_TAG, else refs/heads/CI_COMMIT_REF_NAME.'),
    sha: text(64, 'GITHUB_SHA, CI_COMMIT_SHA.', '^[0-9a-f]*$'),
    event: text(128, 'GITHUB_EVENT_NAME, CI_PIPELINE_SOURCE.'),
    workflow: text(1024, 'GITHUB_WORKFLOW_REF.'),
    actor: text(256, 'GITHUB_ACTOR, GITLAB_USER_LOGIN.'),
    environment: text(256, 'CI_ENVIRONMENT_NAME.'),
    headRef: text(1024, 'GITHUB_HEAD_REF.'),
    baseRef: text(1024, 'GITHUB_BASE_REF.'),
    runner: text(256, 'RUNNER_NAME, CI_RUNNER_ID.'),
    machine: text(
      64,
      'The same random text in the claims of one machine over IPv4 and IPv6.',
      '^[0-9A-Za-z]*$',
    ),
  },
} as const satisfies JSONSchema;

export type ClaimBody = FromSchema<typeof claimSchema>;

/** A claim as it is kept. */
export interface Claim {
  readonly message: JobMessage;
  /** Name (GitHub) or id (GitLab) of the runner; null: it did not say. */
  readonly runner: string | null;
  readonly machine: string | null;
}

const maxUnits = 1024;
const validate = new Ajv({ allErrors: false, strict: true }).compile<ClaimBody>(claimSchema);

/** The claim that a body makes, or what is wrong with it, without repeating what it says. */
export function readClaim(body: unknown): Claim | { readonly problem: string } {
  if (!validate(body)) {
    const [first] = validate.errors ?? [];
    return {
      problem: `${first?.instancePath ?? ''} ${first?.message ?? 'is no claim'}`.trim().slice(0, 200),
    };
  }
  // The schema counts characters; those who read tables of jobs count as JavaScript does.
  if (Object.values(body).some((value) => value.length > maxUnits)) return { problem: 'a value is too long' };
  const server = canonicalHost(body.server);
  if (server === null) return { problem: '/server is no host' };
  if (body.platform === 'github' && body.repository.split('/').length !== 2)
    return { problem: '/repository must be owner/name' };
  if (body.platform === 'gitlab' && or(body.jobId) === null) return { problem: '/jobId must be there' };
  return {
    message: messageOf(body, server),
    runner: or(body.runner),
    machine: or(body.machine),
  };
}

function messageOf(body: ClaimBody, server: string): JobMessage {
  return {
    job: jobOf(body, server),
    // A hook of GitHub does not know the platform's own id.
    jobId: body.platform === 'gitlab' ? (body.jobId ?? '') : '',
    planId: null,
    runAttempt: or(body.runAttempt),
    stage: null,
    sha: or(body.sha),
    headRef: or(body.headRef),
    baseRef: or(body.baseRef),
    matrix: null,
    granted: null,
    hasIdentity: false,
    uses: [],
    steps: [],
    tokens: { own: null, runtime: null },
    leaseMs: null,
  };
}

function jobOf(body: ClaimBody, server: string): Job {
  const { platform, repository, runId } = body;
  const ref = or(body.ref);
  return {
    platform,
    server,
    repository,
    repositoryId: or(body.repositoryId),
    workflow: /^[^/]+\/[^/]+\/([^@]+)@/.exec(body.workflow ?? '')?.[1] ?? null,
    calledWorkflow: null,
    ref: ref?.startsWith('refs/') === true ? ref : null,
    event: or(body.event),
    environment: or(body.environment),
    name: or(body.job),
    runId,
    runnerGroup: null,
    actor: or(body.actor),
    fork: null,
    protected: null,
    private: null,
  };
}

const or = (value: string | undefined): string | null => (value === undefined || value === '' ? null : value);

/** True when two claims are of one job on one runner. */
export function isSameClaim(a: Claim, b: Claim): boolean {
  return keyOfClaim(a) === keyOfClaim(b);
}

/** One text for what only one machine can be: of GitHub a run's job on a runner, whatever its name; of GitLab a job. */
export function placeOfClaim({ message, runner }: Claim): string {
  const { platform, server, runId } = message.job;
  return JSON.stringify([server, ...(platform === 'gitlab' ? [message.jobId] : [runId, runner])]);
}

function keyOfClaim({ message, runner }: Claim): string {
  const { job, jobId, runAttempt } = message;
  const { platform, server, repository, runId, name } = job;
  return JSON.stringify([
    platform,
    server,
    repository?.toLowerCase(),
    runId,
    runAttempt,
    jobId,
    name,
    runner,
  ]);
}
