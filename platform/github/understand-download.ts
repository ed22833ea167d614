// Files and archives of repositories and gists: codeload, raw, gist and the downloads of the web host.

import type { AnswerReader, AskedRequest, Understanding } from '../../flow/asked-request.ts';
import type { Touch } from '../../flow/operation.ts';
import { accessByMethod, buildOperation, unknownOperation } from './build-operation.ts';
import { gistTerms, readContents } from './git-terms.ts';
import type { GithubServer } from './github-server.ts';
import { redirectGrants } from './storage-grant.ts';
import { isEncodedName, ownerTouch, platformTouch, repositoryTouch } from './touches.ts';
import { understandGit } from './understand-git.ts';

const archives: ReadonlySet<string> = new Set(['tar.gz', 'zip', 'legacy.tar.gz', 'legacy.zip']);

/** `/{owner}/{repo}/{tar.gz|zip|legacy.…}/{ref}`. */
export function understandCodeload(
  server: GithubServer,
  request: AskedRequest,
  segments: readonly string[],
): Understanding {
  const [owner, name, format, ref] = segments;
  const isArchive = format !== undefined && archives.has(format) && ref !== undefined;
  return isArchive && isPlain(owner!, name!)
    ? download(server, request, 'archive/download', repositoryTouch(owner!, name!, 'read'))
    : unplaced(server, request, segments);
}

/** `/{owner}/{repo}/{ref}/{path}`, and `/wiki/{owner}/{repo}/{page}`. */
export function understandRaw(
  server: GithubServer,
  request: AskedRequest,
  segments: readonly string[],
): Understanding {
  const place = segments[0] === 'wiki' && segments.length > 3 ? segments.slice(1) : segments;
  const [owner, name, ref] = place;
  return ref === undefined || !isPlain(owner!, name!)
    ? unplaced(server, request, place)
    : download(server, request, 'raw/download', repositoryTouch(owner!, name!, 'read'));
}

function isPlain(owner: string, name: string): boolean {
  return !isEncodedName(owner) && !isEncodedName(name);
}

/** A read of a repository's contents; any other method is not placed. */
export function download(
  server: GithubServer,
  request: AskedRequest,
  name: string,
  touch: Touch,
): Understanding {
  if (accessByMethod(request.method) === 'write') {
    const touches = [{ ...touch, access: 'write' as const }];
    return { operation: unknownOperation(server, request, 'web/page', touches), evidence: [] };
  }
  const operation = buildOperation(server, request, {
    name,
    touches: [touch],
    needs: readContents,
    isOpen: true,
  });
  return { operation, evidence: [], answer: redirectReader(server) };
}

/** Reads the head of an answer alone: where it sends the job to. */
export function redirectReader(server: GithubServer): AnswerReader {
  return {
    limits: { maxBytes: 0, maxDecodedBytes: 0, maxRatio: 1 },
    wantsBody: () => false,
    read: (head) => ({ grants: redirectGrants(server, head), accepted: null, evidence: [] }),
  };
}

function unplaced(server: GithubServer, request: AskedRequest, segments: readonly string[]): Understanding {
  const access = accessByMethod(request.method);
  const [owner, name] = segments;
  const touch =
    owner === undefined
      ? platformTouch(access)
      : name === undefined
        ? ownerTouch(owner, access)
        : repositoryTouch(owner, name, access);
  return { operation: unknownOperation(server, request, 'web/page', [touch]), evidence: [] };
}

const gistId = /^[0-9a-f]{7,64}(?:\.git)?$/i;

/** Gists by path and by git: `/{user}/{id}` and `/{id}`, whose maker the path hides. */
export function understandGist(
  server: GithubServer,
  request: AskedRequest,
  segments: readonly string[],
): Understanding {
  const [first, second] = segments;
  const hasOwner = first !== undefined && second !== undefined && gistId.test(second);
  const isHidden = first !== undefined && !hasOwner && gistId.test(first);
  const owner = hasOwner ? first : null;
  const rest = segments.slice(hasOwner ? 2 : 1);
  if (hasOwner || isHidden) {
    const git = understandGit(server, request, rest, (access) => ownerTouch(owner, access), gistTerms);
    if (git !== null) return git;
  }
  const access = accessByMethod(request.method);
  const touches = [ownerTouch(hasOwner || isHidden ? owner : null, access)];
  if ((hasOwner || isHidden) && access === 'read' && (rest.length === 0 || rest[0] === 'raw'))
    return { operation: buildOperation(server, request, { name: 'gist/download', touches }), evidence: [] };
  return { operation: unknownOperation(server, request, 'gist/page', touches), evidence: [] };
}
