// What requests to a GitLab touch: projects by path or number, groups, the platform itself. A path that could be read
// in two ways names nothing.

import type { AskedRequest } from '../../flow/asked-request.ts';
import type { Access, Touch } from '../../flow/operation.ts';
import { ownerTouch, repositoryName } from '../github/touches.ts';
import { ownJob } from './build-operation.ts';
import type { GitlabServer } from './gitlab-server.ts';

const maxDepth = 22;
const maxLength = 1_024;
// "Limitations on project and group names", docs.gitlab.com: never a dash in front, which marks the platform's own.
const name = /^[A-Za-z0-9_.][A-Za-z0-9_.-]*$/;

/** A project that the request does not name. */
export function hiddenProject(access: Access): Touch {
  return { kind: 'repository', access, owner: null, name: null, id: null, refs: null };
}

/** A project by the segments of its path; hidden where they are none. `.git` and `.wiki` are no part of it. */
export function projectTouch(
  segments: readonly string[],
  access: Access,
  refs: readonly string[] | null = null,
): Touch {
  const [owner, ...rest] = segments;
  if (owner === undefined || rest.length === 0 || !areNames(segments)) return hiddenProject(access);
  const last = repositoryName(rest.at(-1)!).replace(/\.design$/i, '');
  const path = [...rest.slice(0, -1), last];
  return { kind: 'repository', access, owner, name: path.join('/'), id: null, refs };
}

/** Names of a path, none of which is empty, encoded or a way up. */
export function areNames(segments: readonly string[]): boolean {
  return (
    segments.length <= maxDepth &&
    segments.every((segment) => name.test(segment) && segment !== '.' && segment !== '..') &&
    segments.join('/').length <= maxLength
  );
}

/** What `:id` of a route names: a number, or a path with `%2F` for each slash. */
export function projectByParameter(
  server: GitlabServer,
  request: AskedRequest,
  written: string,
  access: Access,
): Touch {
  if (/^\d{1,20}$/.test(written)) return projectById(server, request, written, access);
  const segments = readEncodedPath(written);
  return segments === null ? hiddenProject(access) : projectTouch(segments, access);
}

function projectById(server: GitlabServer, request: AskedRequest, id: string, access: Access): Touch {
  const job = ownJob(server, request);
  const told = server.shared.twins.find(id);
  const path = job?.repositoryId === id ? job.repository : told && `${told.owner}/${told.name}`;
  const known = path === null ? hiddenProject(access) : projectTouch(path.split('/'), access);
  return known.kind === 'repository' ? { ...known, id } : known;
}

/** A group by number or path; of a number nobody knows which. */
export function groupByParameter(written: string, access: Access): Touch {
  const segments = /^\d+$/.test(written) ? null : readEncodedPath(written);
  const isNamed = segments !== null && segments.length > 0 && areNames(segments);
  return ownerTouch(isNamed ? segments.join('/') : null, access);
}

/** Decodes once, `%2F` alone: no path of GitLab has any other percent sign. */
export function readEncodedPath(written: string): string[] | null {
  const segments = written.split(/%2f/i);
  return segments.some((segment) => segment === '' || segment.includes('%')) ? null : segments;
}

/** The job's own project, to what comes with its token; hidden to everybody else. */
export function ownProject(server: GitlabServer, request: AskedRequest, access: Access): Touch {
  const path = request.credential === 'job' ? (ownJob(server, request)?.repository ?? null) : null;
  return path === null ? hiddenProject(access) : projectTouch(path.split('/'), access);
}
