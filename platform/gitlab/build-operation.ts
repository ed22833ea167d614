// Makes the operation of what was read of a request to a GitLab: access, what a public project lets anybody read, and
// whether the call says anything of the job's own project.

import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import { provenJob, type Job } from '../../flow/job.ts';
import type { Operation, Sureness, Touch } from '../../flow/operation.ts';
import { accessByMethod, highestAccess, isOverridden } from '../github/build-operation.ts';
import { isAboutOwn, isOwn } from '../github/touches.ts';
import type { GitlabServer } from './gitlab-server.ts';

export interface Draft {
  readonly name: string;
  readonly touches: readonly Touch[];
  /** Permissions of a job's token on the target (`packages`, `jobs`, …); `[{}]` when left out. */
  readonly needs?: Operation['needs'];
  /** Scopes that no job's token has: `api`, `read_api`. */
  readonly ungrantable?: readonly string[];
  /** A public project lets anybody. */
  readonly isOpen?: boolean;
  /** `known` when left out. */
  readonly sureness?: Sureness;
  readonly detail?: string | null;
}

const nothing: Operation['needs'] = [{}];

export function buildOperation(server: GitlabServer, request: AskedRequest, draft: Draft): Operation {
  const asksForAnother = isOverridden(request);
  const isMore = asksForAnother || carriesData(request);
  const touches = isMore ? draft.touches.map(raiseToWrite) : draft.touches;
  const job = ownJob(server, request);
  const own = touches.map((touch) => isOwn(touch, job));
  const isFree = draft.isOpen === true && job?.private === false && own.every((mine) => mine === true);
  return {
    platform: 'gitlab',
    server: server.name,
    name: draft.name,
    access: highestAccess(touches),
    touches,
    needs: isFree ? nothing : (draft.needs ?? nothing),
    ungrantable: isFree ? [] : (draft.ungrantable ?? []),
    sureness: asksForAnother ? 'unknown' : (draft.sureness ?? 'known'),
    widens: request.credential === 'job' && isSameServer(server, request) && isAboutOwn(touches, job),
    credential: request.credential,
    detail: draft.detail ?? null,
  };
}

/** What no table places: access by the method, no needs, and says so. */
export function unknownOperation(
  server: GitlabServer,
  request: AskedRequest,
  name: string,
  touches: readonly Touch[],
  detail: string | null = null,
): Operation {
  return buildOperation(server, request, { name, touches, sureness: 'unknown', detail });
}

/** What readers of a shared protocol understood, as a call on this GitLab: it needs no permission of a job's token. */
export function adopt(server: GitlabServer, request: AskedRequest, found: Understanding): Understanding {
  const { operation, hold } = found;
  const adopted = operation === null ? null : adoptOperation(server, request, operation);
  if (hold === undefined) return { ...found, operation: adopted };
  const withBody: typeof hold.withBody = (body) => adopt(server, request, hold.withBody(body));
  return { ...found, operation: adopted, hold: { ...hold, withBody } };
}

function adoptOperation(server: GitlabServer, request: AskedRequest, operation: Operation): Operation {
  const { name, touches, detail, sureness } = operation;
  return buildOperation(server, request, { name, touches, detail, sureness });
}

/** The job, where it surely is one of this server. */
export function ownJob(server: GitlabServer, request: AskedRequest): Job | null {
  const job = provenJob(request.attribution);
  return job !== null && job.platform === 'gitlab' && job.server === server.name ? job : null;
}

// A call of nobody's job may be anybody's; one of another server's job is not.
function isSameServer(server: GitlabServer, request: AskedRequest): boolean {
  return provenJob(request.attribution) === null || ownJob(server, request) !== null;
}

// A GET with a body carries something out: nobody reads it as a read.
function carriesData(request: AskedRequest): boolean {
  return request.hasBody && accessByMethod(request.method) === 'read';
}

function raiseToWrite(touch: Touch): Touch {
  return touch.access === 'read' ? { ...touch, access: 'write' } : touch;
}
