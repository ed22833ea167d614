// Git LFS on a GitHub: the batch, whose body says whether it reads or writes and whose answer hands out the storage;
// locks; and the older form of one object at a time (github.com/git-lfs/git-lfs, docs/api).

import type { AnswerReader, AskedRequest, StorageGrant, Understanding } from '../../flow/asked-request.ts';
import type { Held } from '../../flow/held.ts';
import { buildOperation, unknownOperation, type Draft } from './build-operation.ts';
import { readContents, writeContents, type TouchAs } from './git-terms.ts';
import type { GithubServer } from './github-server.ts';
import { fieldOf, parseJson } from './read-json.ts';
import { storageGrant } from './storage-grant.ts';

const limits = { maxBytes: 1_048_576, maxDecodedBytes: 2_097_152, maxRatio: 100 };
const maxObjects = 1_000;

/** `rest` is what follows `info/lfs` in the path. */
export function understandLfs(
  server: GithubServer,
  request: AskedRequest,
  rest: readonly string[],
  touchAs: TouchAs,
): Understanding {
  const route = `${request.method === 'HEAD' ? 'GET' : request.method} ${rest.join('/')}`;
  if (route === 'POST objects/batch') return understandBatch(server, request, touchAs);
  const [name, isRead] = nameOf(route);
  if (name === null) {
    const touches = [touchAs(route.startsWith('GET ') ? 'read' : 'write', null)];
    return { operation: unknownOperation(server, request, 'lfs/unknown', touches), evidence: [] };
  }
  return { operation: buildOperation(server, request, draftOf(name, isRead, touchAs)), evidence: [] };
}

function nameOf(route: string): [name: string | null, isRead: boolean] {
  if (route === 'GET locks') return ['lfs/list-locks', true];
  if (route === 'POST locks/verify') return ['lfs/verify-locks', false];
  if (route === 'POST locks') return ['lfs/lock', false];
  if (/^POST locks\/[^/]+\/unlock$/.test(route)) return ['lfs/unlock', false];
  if (/^GET objects\/[^/]+$/.test(route)) return ['lfs/download', true];
  if (route === 'POST objects') return ['lfs/upload', false];
  return /^POST (?:objects\/[^/]+\/)?verify$/.test(route) ? ['lfs/verify', false] : [null, false];
}

function draftOf(name: string, isRead: boolean, touchAs: TouchAs): Draft {
  const touches = [touchAs(isRead ? 'read' : 'write', null)];
  return { name, touches, needs: isRead ? readContents : writeContents };
}

function understandBatch(server: GithubServer, request: AskedRequest, touchAs: TouchAs): Understanding {
  const withBody = (body: Held): Understanding => {
    const asked = readOperation(body);
    if (asked === null) return opaqueBatch(server, request, touchAs);
    const operation = buildOperation(server, request, draftOf(`lfs/${asked}`, asked === 'download', touchAs));
    return { operation, evidence: [], answer: batchReader(server) };
  };
  return { ...opaqueBatch(server, request, touchAs), hold: { ...limits, withBody } };
}

function opaqueBatch(server: GithubServer, request: AskedRequest, touchAs: TouchAs): Understanding {
  const detail = 'the batch does not say what it does';
  const operation = buildOperation(server, request, {
    ...draftOf('lfs/batch', false, touchAs),
    sureness: 'unknown',
    detail,
  });
  return { operation, evidence: [] };
}

// A second key of the name, in any case, would let the platform read another operation than we do.
function readOperation(body: Held): 'download' | 'upload' | null {
  if (body.kind === 'opaque') return null;
  const text = body.body
    .toString('utf8')
    .replaceAll(/\\u00([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  if (text.match(/"operation"\s*:/gi)?.length !== 1) return null;
  const operation = fieldOf(parseJson(body), 'operation');
  return operation === 'download' || operation === 'upload' ? operation : null;
}

function batchReader(server: GithubServer): AnswerReader {
  return {
    limits,
    wantsBody: (head) => head.status === 200,
    read: (_head, body) => ({ grants: readGrants(server, parseJson(body)), accepted: null, evidence: [] }),
  };
}

const methodsOf: Readonly<Record<string, readonly string[]>> = {
  download: ['GET', 'HEAD'],
  upload: ['PUT'],
  verify: ['POST'],
};

function readGrants(server: GithubServer, value: unknown): StorageGrant[] {
  const objects = fieldOf(value, 'objects');
  if (!Array.isArray(objects)) return [];
  return objects.slice(0, maxObjects).flatMap((object) =>
    Object.entries(methodsOf).flatMap(([name, methods]) => {
      const action = fieldOf(fieldOf(object, 'actions'), name);
      const grant = storageGrant(server, fieldOf(action, 'href'), methods, endOf(action));
      return grant === null ? [] : [grant];
    }),
  );
}

function endOf(action: unknown): number | null {
  const seconds = fieldOf(action, 'expires_in');
  if (typeof seconds === 'number' && Number.isFinite(seconds) && seconds !== 0)
    return Date.now() + seconds * 1000;
  const at = fieldOf(action, 'expires_at');
  const parsed = typeof at === 'string' ? Date.parse(at) : Number.NaN;
  return Number.isFinite(parsed) ? parsed : null;
}
