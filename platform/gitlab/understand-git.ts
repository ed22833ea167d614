// Git over HTTP and LFS on a GitLab, of projects at any depth, their wikis, designs and snippets. Both protocols are
// those that every forge speaks; a job's token needs no permission for them, but a place on the target's allowlist.

import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import type { Access, Touch } from '../../flow/operation.ts';
import { accessByMethod } from '../github/build-operation.ts';
import type { GitTerms } from '../github/git-terms.ts';
import { ownerTouch } from '../github/touches.ts';
import { understandGit as understandShared } from '../github/understand-git.ts';
import { understandLfs } from '../github/understand-lfs.ts';
import { adopt, buildOperation, unknownOperation } from './build-operation.ts';
import type { GitlabServer } from './gitlab-server.ts';
import { signedRedirectReader } from './signed-redirect.ts';
import { areNames, hiddenProject, projectTouch } from './touches.ts';

/** Null for what is neither git nor LFS. */
export function understandGit(
  server: GitlabServer,
  request: AskedRequest,
  segments: readonly string[],
): Understanding | null {
  const end = findEnd(segments);
  if (end === null) return null;
  const path = segments.slice(0, end);
  const rest = segments.slice(end);
  const touchAs = (access: 'read' | 'write', refs: readonly string[] | null): Touch =>
    placeOf(path, access, refs);
  if (rest[0] === 'gitlab-lfs') return understandStorage(server, request, rest.slice(1), touchAs);
  if (rest[0] === 'info' && rest[1] === 'lfs')
    return adopt(server, request, understandLfs(server.shared, request, rest.slice(2), touchAs));
  const git = understandShared(server.shared, request, rest, touchAs, terms);
  if (git !== null) return adopt(server, request, git);
  // Below a path that ends in `.git` there is nothing but git.
  const touches = [touchAs(accessByMethod(request.method), null)];
  return { operation: unknownOperation(server, request, 'git/unknown', touches), evidence: [] };
}

/** A job's token needs no permission for git. */
const terms: GitTerms = {
  family: 'git',
  read: [{}],
  write: [{}],
  beyond: [],
  unseen: 'the files of a push are not seen',
};

const bare = /(?:^|\/)(?:info\/refs|git-upload-pack|git-receive-pack|info\/lfs\/.+|gitlab-lfs\/objects\/.+)$/;

/** Where the path of the repository ends: behind `.git`, or before what git asks of it. */
function findEnd(segments: readonly string[]): number | null {
  const dotted = segments.findIndex((segment) => /\.git$/i.test(segment));
  if (dotted >= 0) return dotted + 1 < segments.length ? dotted + 1 : null;
  if (!bare.test(segments.join('/'))) return null;
  const at = segments.findLastIndex(
    (segment, index) =>
      /^(?:git-upload-pack|git-receive-pack|gitlab-lfs)$/.test(segment) ||
      (segment === 'info' && /^(?:refs|lfs)$/.test(segments[index + 1] ?? '')),
  );
  return at > 0 ? at : null;
}

/** The project; of a snippet of its own the project too, of one without a project somebody's. */
function placeOf(path: readonly string[], access: Access, refs: readonly string[] | null): Touch {
  const isSnippet = path.at(-2) === 'snippets' && /^\d+\.git$/i.test(path.at(-1) ?? '');
  if (isSnippet && path.length === 2) return ownerTouch(null, access);
  const project = isSnippet ? path.slice(0, -2).filter((segment) => segment !== '-') : path;
  const wiki = /^([^/]+)\.wiki\.git$/i.exec(project.length === 1 ? project[0]! : '')?.[1];
  // The wiki of a group at the top.
  if (wiki !== undefined) return areNames([wiki]) ? ownerTouch(wiki, access) : hiddenProject(access);
  return projectTouch(project, access, refs);
}

/** `gitlab-lfs/objects/{oid}` and, to upload, `/{size}` and `/authorize`. */
function understandStorage(
  server: GitlabServer,
  request: AskedRequest,
  rest: readonly string[],
  touchAs: (access: 'read' | 'write', refs: null) => Touch,
): Understanding {
  const [kind, id, size, step] = rest;
  const access = accessByMethod(request.method);
  const touches = [touchAs(access, null)];
  const isObject = kind === 'objects' && id !== undefined && (step === undefined || step === 'authorize');
  const isKnown = isObject && (access === 'read' ? size === undefined : request.method === 'PUT');
  const operation = isKnown
    ? buildOperation(server, request, { name: access === 'read' ? 'lfs/download' : 'lfs/upload', touches })
    : unknownOperation(server, request, 'lfs/unknown', touches);
  return { operation, evidence: [], answer: signedRedirectReader(server) };
}
