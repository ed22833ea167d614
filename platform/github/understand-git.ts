// Git over HTTP on a GitHub: the smart protocol (versions 1 and 2 are alike from outside: upload-pack reads,
// receive-pack writes the refs of its command list) and the dumb one, of repositories, their wikis, and gists.

import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import type { Held } from '../../flow/held.ts';
import { buildOperation, unknownOperation } from './build-operation.ts';
import { repositoryTerms, type GitTerms, type TouchAs } from './git-terms.ts';
import type { GithubServer } from './github-server.ts';
import { readPushCommands } from './pkt-line.ts';

// The commands come first: what does not fit is the pack, which nobody reads here.
const pushLimits = { maxBytes: 262_144, maxDecodedBytes: 524_288, maxRatio: 100 };

/** `rest` is what follows the repository in the path; null when it is not git's. */
export function understandGit(
  server: GithubServer,
  request: AskedRequest,
  rest: readonly string[],
  touchAs: TouchAs,
  terms: GitTerms = repositoryTerms,
): Understanding | null {
  const call: GitCall = { server, request, touchAs, terms };
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  const path = rest.join('/');
  if (path === 'info/refs' && isRead) return understandRefs(call);
  if (path === 'git-upload-pack') return request.method === 'POST' ? fetch(call) : null;
  if (path === 'git-receive-pack') return request.method === 'POST' ? heldPush(call) : null;
  const isDumb = path === 'HEAD' || (rest[0] === 'objects' && rest.length > 1);
  return isDumb && isRead ? fetch(call) : null;
}

interface GitCall {
  readonly server: GithubServer;
  readonly request: AskedRequest;
  readonly touchAs: TouchAs;
  readonly terms: GitTerms;
}

function understandRefs(call: GitCall): Understanding {
  const query = decoded(call.request.query);
  if (query?.includes('receive-pack') === true) return push(call, null, null);
  // Without a service it is the dumb protocol, which only reads.
  const isFetch =
    query !== null && (!query.includes('service') || /(?:^|&)service=git-upload-pack(?:&|$)/.test(query));
  if (isFetch) return fetch(call);
  const touches = [call.touchAs('write', null)];
  return {
    operation: unknownOperation(call.server, call.request, `${call.terms.family}/unknown`, touches),
    evidence: [],
  };
}

function decoded(query: string): string | null {
  try {
    return decodeURIComponent(query).toLowerCase();
  } catch {
    return null;
  }
}

function fetch({ server, request, touchAs, terms }: GitCall): Understanding {
  const operation = buildOperation(server, request, {
    name: `${terms.family}/fetch`,
    touches: [touchAs('read', null)],
    needs: terms.read,
    isOpen: true,
  });
  return { operation, evidence: [] };
}

function push(
  { server, request, touchAs, terms }: GitCall,
  refs: readonly string[] | null,
  detail: string | null,
): Understanding {
  const operation = buildOperation(server, request, {
    name: `${terms.family}/push`,
    touches: [touchAs('write', refs)],
    needs: terms.write,
    ungrantable: terms.beyond,
    detail,
  });
  return { operation, evidence: [] };
}

function heldPush(call: GitCall): Understanding {
  const withBody = (body: Held): Understanding => {
    const refs = readPushCommands(headOf(call.request, body));
    const { unseen } = call.terms;
    return push(call, refs, refs === null ? `the refs of the push cannot be told; ${unseen}` : unseen);
  };
  return { ...push(call, null, call.terms.unseen), hold: { ...pushLimits, withBody } };
}

// A large push is opaque as a whole; its commands are in what was kept, unless that is compressed.
function headOf(request: AskedRequest, body: Held): Buffer {
  if (body.kind === 'whole') return body.body;
  const coding = request.header('content-encoding') ?? 'identity';
  return coding === 'identity' ? Buffer.concat(body.raw) : Buffer.alloc(0);
}
