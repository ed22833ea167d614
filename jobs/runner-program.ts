// Which requests are the runner program's own and none of what its job does: by what they mean, by the credential that
// they carry, and by whether the job has begun. Never by what a program calls itself.

import type { Operation } from '../flow/operation.ts';

/** How far the job of an address is. */
export interface JobPhase {
  /** A job is known on the address. */
  readonly hasJob: boolean;
  /** A step of its workflow has begun, or may have. */
  readonly hasBegun: boolean;
}

/** The listener and the worker of GitHub's runner, and GitLab's runner, at their platform's service. */
const ofListener: ReadonlySet<string> = new Set([
  'runner/session',
  'runner/poll',
  'runner/acknowledge',
  'runner/acquire-job',
  'runner/renew-job',
  'runner/complete-job',
  'runner/token',
  'runner/request-job',
  'runner/update-job',
  'runner/append-trace',
  'runners/verify',
]);
const ofWorker: ReadonlySet<string> = new Set(['job/steps', 'job/events', 'log/upload', 'service/health']);
/** By job code too: it is the runner's only before the job's code runs. */
const ofPreparation: ReadonlySet<string> = new Set([
  'actions/resolve',
  'actions/download',
  'archive/download',
]);
const ofSetup: ReadonlySet<string> = new Set(['runner/register', 'runner/list']);

/** `handedOutBy` is what was asked where the answer handed out this very URL; null: nothing did. */
export function isOfRunnerProgram(
  operation: Operation | null,
  handedOutBy: Operation | null,
  { hasJob, hasBegun }: JobPhase,
): boolean {
  // A log goes where the service said; whoever is given the place is the one that asked for it.
  if (handedOutBy?.name === 'log/upload' && handedOutBy.credential !== 'job') return true;
  if (hasJob && !hasBegun && handedOutBy?.name === 'actions/resolve') return true;
  if (operation === null) return false;
  const { name, platform, credential } = operation;
  if (platform !== 'github' && platform !== 'gitlab') return false;
  // GitLab's runner shows the job's own token where it speaks of the job.
  if (ofListener.has(name)) return platform === 'gitlab' || credential !== 'job';
  if (ofWorker.has(name)) return credential !== 'job';
  if (ofSetup.has(name)) return !hasJob;
  return hasJob && !hasBegun && ofPreparation.has(name);
}
