// Makes the operation of what was read of a request: the access, what a public repository lets anybody do, and
// whether the call says anything of the job's own token.

import type { AskedRequest } from '../../flow/asked-request.ts';
import { provenJob, type Job } from '../../flow/job.ts';
import type { Access, CredentialKind, Operation, Sureness, Touch } from '../../flow/operation.ts';
import type { GithubServer } from './github-server.ts';
import { isAboutOwn, isOwn } from './touches.ts';

export interface Draft {
  readonly name: string;
  readonly touches: readonly Touch[];
  /** `[{}]` when left out. */
  readonly needs?: Operation['needs'];
  readonly ungrantable?: readonly string[];
  /** A public repository lets anybody. */
  readonly isOpen?: boolean;
  /** Left out: `ambiguous` with several alternatives, else `known`. */
  readonly sureness?: Sureness;
  readonly detail?: string | null;
  /** Credentials that stand for the job's own here; the job's token alone when left out. */
  readonly standsForJob?: readonly CredentialKind[];
}

const ranks: Readonly<Record<Access, number>> = { read: 0, write: 1, admin: 2 };
const nothing: Operation['needs'] = [{}];
const jobAlone: readonly CredentialKind[] = ['job'];

export function buildOperation(server: GithubServer, request: AskedRequest, draft: Draft): Operation {
  const asksForAnother = isOverridden(request);
  const isMore = asksForAnother || carriesData(request);
  const touches = isMore ? draft.touches.map(raiseToWrite) : draft.touches;
  const job = sameServerJob(server, request);
  const own = touches.map((touch) => isOwn(touch, job));
  // What is read of another repository beside its own says nothing of the job's token.
  const isPublicOwn = job?.private === false && own.includes(true) && !own.includes(null);
  const needs = draft.isOpen === true && isPublicOwn ? nothing : (draft.needs ?? nothing);
  return {
    platform: 'github',
    server: server.name,
    name: draft.name,
    access: highestAccess(touches),
    touches,
    needs,
    ungrantable: draft.ungrantable ?? [],
    sureness: asksForAnother ? 'unknown' : (draft.sureness ?? (needs.length > 1 ? 'ambiguous' : 'known')),
    widens: widens(server, request, draft, touches),
    credential: request.credential,
    detail: draft.detail ?? null,
  };
}

/** What no table places: access by the method, no needs, and says so. */
export function unknownOperation(
  server: GithubServer,
  request: AskedRequest,
  name: string,
  touches: readonly Touch[],
  detail: string | null = null,
): Operation {
  return buildOperation(server, request, { name, touches, sureness: 'unknown', detail });
}

export function accessByMethod(method: string): 'read' | 'write' {
  return method === 'GET' || method === 'HEAD' ? 'read' : 'write';
}

const overrides = ['x-http-method-override', 'x-http-method', 'x-method-override'] as const;

/** The platform may read another method than the one that stands there. */
export function isOverridden(request: AskedRequest): boolean {
  return overrides.some((name) => {
    const method = request.header(name);
    return method !== null && method.trim().toUpperCase() !== request.method;
  });
}

export function highestAccess(touches: readonly Touch[]): Access {
  let highest: Access = 'read';
  for (const { access } of touches) if (ranks[access] > ranks[highest]) highest = access;
  return highest;
}

// A GET with a body carries something out: nobody reads it as a read.
function carriesData(request: AskedRequest): boolean {
  return request.hasBody && (request.method === 'GET' || request.method === 'HEAD');
}

function raiseToWrite(touch: Touch): Touch {
  return touch.access === 'read' ? { ...touch, access: 'write' } : touch;
}

/** The job, where it surely is one of this server. */
export function sameServerJob(server: GithubServer, request: AskedRequest): Job | null {
  const job = provenJob(request.attribution);
  return job !== null && job.platform === 'github' && job.server === server.name ? job : null;
}

// False only where it is sure: another repository, another server, another credential.
function widens(
  server: GithubServer,
  request: AskedRequest,
  draft: Draft,
  touches: readonly Touch[],
): boolean {
  if (!(draft.standsForJob ?? jobAlone).includes(request.credential)) return false;
  const job = provenJob(request.attribution);
  if (job !== null && (job.platform !== 'github' || job.server !== server.name)) return false;
  return isAboutOwn(touches, sameServerJob(server, request));
}
