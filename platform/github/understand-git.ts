// Git over HTTP on a GitHub: the smart protocol (versions 1 and 2 are alike from outside: upload-pack reads,
// receive-pack writes the refs of its command list), the dumb one, and the wiki of a repository.

import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import type { Held } from '../../flow/held.ts';
import type { Operation, Touch } from '../../flow/operation.ts';
import { buildOperation, unknownOperation } from './build-operation.ts';
import type { GithubServer } from './github-server.ts';
import { readPushCommands } from './pkt-line.ts';

export const readContents: Operation['needs'] = [{ contents: 'read' }];
export const writeContents: Operation['needs'] = [{ contents: 'write' }];

/** The touch of the repository that the path names, with this access and these refs. */
export type TouchAs = (access: 'read' | 'write', refs: readonly string[] | null) => Touch;

// The commands come first: what does not fit is the pack, which nobody reads here.
const pushLimits = { maxBytes: 262_144, maxDecodedBytes: 524_288, maxRatio: 100 };
const unseen = 'files under .github/workflows cannot be seen in a push';

/** `rest` is what follows the repository in the path; null when it is not git's. */
export function understandGit(
  server: GithubServer,
  request: AskedRequest,
  rest: readonly string[],
  touchAs: TouchAs,
): Understanding | null {
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  const path = rest.join('/');
  if (path === 'info/refs' && isRead) return understandRefs(server, request, touchAs);
  if (path === 'git-upload-pack') return request.method === 'POST' ? fetch(server, request, touchAs) : null;
  if (path === 'git-receive-pack')
    return request.method === 'POST' ? heldPush(server, request, touchAs) : null;
  const isDumb = path === 'HEAD' || (rest[0] === 'objects' && rest.length > 1);
  return isDumb && isRead ? fetch(server, request, touchAs) : null;
}

function understandRefs(server: GithubServer, request: AskedRequest, touchAs: TouchAs): Understanding {
  const query = decoded(request.query);
  if (query !== null && query.includes('receive-pack')) return push(server, request, touchAs, null, null);
  // Without a service it is the dumb protocol, which only reads.
  if (query === 'service=git-upload-pack' || (query !== null && !query.includes('service')))
    return fetch(server, request, touchAs);
  if (query !== null && /(?:^|&)service=git-upload-pack(?:&|$)/.test(query))
    return fetch(server, request, touchAs);
  const touches = [touchAs('write', null)];
  return { operation: unknownOperation(server, request, 'git/unknown', touches), evidence: [] };
}

function decoded(query: string): string | null {
  try {
    return decodeURIComponent(query).toLowerCase();
  } catch {
    return null;
  }
}

function fetch(server: GithubServer, request: AskedRequest, touchAs: TouchAs): Understanding {
  const operation = buildOperation(server, request, {
    name: 'git/fetch',
    touches: [touchAs('read', null)],
    needs: readContents,
    isOpen: true,
  });
  return { operation, evidence: [] };
}

function push(
  server: GithubServer,
  request: AskedRequest,
  touchAs: TouchAs,
  refs: readonly string[] | null,
  detail: string | null,
): Understanding {
  const operation = buildOperation(server, request, {
    name: 'git/push',
    touches: [touchAs('write', refs)],
    needs: writeContents,
    detail,
  });
  return { operation, evidence: [] };
}

function heldPush(server: GithubServer, request: AskedRequest, touchAs: TouchAs): Understanding {
  const withBody = (body: Held): Understanding => {
    const refs = readPushCommands(headOf(request, body));
    const detail = refs === null ? `the refs of the push cannot be told; ${unseen}` : unseen;
    return push(server, request, touchAs, refs, detail);
  };
  return { ...push(server, request, touchAs, null, unseen), hold: { ...pushLimits, withBody } };
}

// A large push is opaque as a whole; its commands are in what was kept, unless that is compressed.
function headOf(request: AskedRequest, body: Held): Buffer {
  if (body.kind === 'whole') return body.body;
  const coding = request.header('content-encoding') ?? 'identity';
  return coding === 'identity' ? Buffer.concat(body.raw) : Buffer.alloc(0);
}
