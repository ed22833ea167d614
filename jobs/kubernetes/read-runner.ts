// What is taken of an EphemeralRunner (actions.github.com/v1alpha1), the object by which actions-runner-controller says
// which job a runner of GitHub Actions was given.

import { idAt, textAt } from '../read-object.ts';

export interface EphemeralRunner {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** Host of the forge that it is registered at. */
  readonly server: string;
  /** Null while it waits for one. */
  readonly job: RunnerJob | null;
}

export interface RunnerJob {
  /** The platform's id of the job; null where the controller does not say it. */
  readonly jobId: string | null;
  /** `owner/name` */
  readonly repository: string;
  readonly runId: string | null;
}

/** The runner, or null where the object is none that can be used. */
export function readRunner(object: unknown): EphemeralRunner | null {
  const [uid, name] = [textAt(object, 'metadata', 'uid'), textAt(object, 'metadata', 'name')];
  const namespace = textAt(object, 'metadata', 'namespace');
  const url = textAt(object, 'spec', 'githubConfigUrl');
  if (uid === null || name === null || namespace === null || url === null || !URL.canParse(url)) return null;
  return { uid, namespace, name, server: new URL(url).host.toLowerCase(), job: readJob(object) };
}

// Neither the workflow nor the ref: what is said is the workflow that the job stands in, which another one may have
// called, of another ref than the run's. Nor a name: what is said is the one for people.
function readJob(object: unknown): RunnerJob | null {
  const jobId = textAt(object, 'status', 'jobId');
  const wasGiven = jobId !== null || idAt(object, 'status', 'jobRequestId') !== null;
  const repository = textAt(object, 'status', 'jobRepositoryName');
  if (!wasGiven || repository === null || !/^[\w.-]{1,100}\/[\w.-]{1,100}$/.test(repository)) return null;
  const isGuid = jobId !== null && /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(jobId);
  return { jobId: isGuid ? jobId : null, repository, runId: idAt(object, 'status', 'workflowRunId') };
}
