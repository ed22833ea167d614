// GitHub's container registries: the token endpoint by its scopes, then the distribution API by its verbs
// (github.com/opencontainers/distribution-spec).

import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import type { Held } from '../../flow/held.ts';
import type { Access, Operation, Touch } from '../../flow/operation.ts';
import { accessByMethod, buildOperation, highestAccess, unknownOperation } from './build-operation.ts';
import type { GithubServer } from './github-server.ts';
import { platformTouch } from './touches.ts';
import { redirectReader } from './understand-download.ts';
import { registryCredentials } from './understand-packages.ts';

const limits = { maxBytes: 65_536, maxDecodedBytes: 65_536, maxRatio: 10 };
const maxScopes = 16;
const imageName = /^[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)+$/i;
const maxNameLength = 255;

export function understandContainer(
  server: GithubServer,
  request: AskedRequest,
  segments: readonly string[],
): Understanding {
  if (segments.length === 1 && segments[0] === 'token') return understandToken(server, request);
  if (segments[0] !== 'v2') return unplaced(server, request);
  if (segments.length === 1 && accessByMethod(request.method) === 'read')
    return answered(server, request, 'container/ping', [platformTouch('read')]);
  const rest = segments.slice(1);
  return understandImage(server, request, rest) ?? unplaced(server, request, rest);
}

function answered(
  server: GithubServer,
  request: AskedRequest,
  name: string,
  touches: readonly Touch[],
  needs: Operation['needs'] = [{}],
): Understanding {
  const draft = { name, touches, needs, standsForJob: registryCredentials };
  return { operation: buildOperation(server, request, draft), evidence: [], answer: redirectReader(server) };
}

// What is no form of the API is still below the name that it begins with.
function unplaced(server: GithubServer, request: AskedRequest, rest: readonly string[] = []): Understanding {
  const access = accessByMethod(request.method);
  const isNobodys = rest.length === 0 || rest[0] === '_catalog';
  const touches = [isNobodys ? platformTouch(access) : imageTouch(request, rest.join('/'), access, null)];
  return { operation: unknownOperation(server, request, 'container/unknown', touches), evidence: [] };
}

// A name may hold the words of the API itself: the last one with something behind it counts.
function understandImage(
  server: GithubServer,
  request: AskedRequest,
  segments: readonly string[],
): Understanding | null {
  const at = segments.findLastIndex(
    (segment, index) => index + 1 < segments.length && /^(?:manifests|blobs|tags|referrers)$/.test(segment),
  );
  const name = segments.slice(0, at).join('/');
  const tail = segments.slice(at + 1);
  if (at < 2 || tail.length === 0 || tail.length > 3 || !isImageName(name)) return null;
  const access = accessByMethod(request.method);
  const reference = segments[at] === 'manifests' || segments[at] === 'referrers' ? tail[0]! : null;
  const touches = [imageTouch(request, name, access, reference), ...mountedFrom(request)];
  const verb = access === 'read' ? 'pull' : request.method === 'DELETE' ? 'delete' : 'push';
  return answered(server, request, `container/${verb}`, touches, [{ packages: access }]);
}

function isImageName(name: string): boolean {
  return name.length <= maxNameLength && imageName.test(name);
}

function imageTouch(request: AskedRequest, name: string, access: Access, reference: string | null): Touch {
  return { kind: 'image', access, image: `${request.host}/${name}`, reference };
}

/** A mount reads another image: `POST …/blobs/uploads/?mount=…&from=acme/base`. */
function mountedFrom(request: AskedRequest): Touch[] {
  if (!request.query.includes('from=')) return [];
  const names = new URLSearchParams(request.query).getAll('from').slice(0, maxScopes);
  return names.map((name) =>
    isImageName(name) ? imageTouch(request, name, 'read', null) : platformTouch('write'),
  );
}

function understandToken(server: GithubServer, request: AskedRequest): Understanding {
  if (request.method === 'GET' || request.method === 'HEAD') return byScopes(server, request, request.query);
  if (request.method !== 'POST') return unplaced(server, request);
  const withBody = (body: Held): Understanding =>
    body.kind === 'opaque'
      ? unplaced(server, request)
      : byScopes(server, request, `${body.body.toString('utf8')}&${request.query}`);
  return { ...unplaced(server, request), hold: { ...limits, withBody } };
}

function byScopes(server: GithubServer, request: AskedRequest, query: string): Understanding {
  const scopes = new URLSearchParams(query.slice(0, limits.maxBytes))
    .getAll('scope')
    .flatMap((text) => text.split(' '))
    .filter((text) => text !== '');
  if (scopes.length > maxScopes) return unplaced(server, request);
  // Without a scope the token only says that the user is one.
  if (scopes.length === 0) return answered(server, request, 'container/login', [platformTouch('read')]);
  const touches = scopes.map((scope) => readScope(request, scope));
  if (touches.includes(null)) return scopeUnknown(server, request, touches);
  const known = touches.filter((touch) => touch !== null);
  const level = highestAccess(known) === 'read' ? 'read' : 'write';
  return answered(server, request, 'container/token', known, [{ packages: level }]);
}

function scopeUnknown(
  server: GithubServer,
  request: AskedRequest,
  touches: readonly (Touch | null)[],
): Understanding {
  const all = touches.map((touch) => touch ?? platformTouch('write'));
  const operation = buildOperation(server, request, {
    name: 'container/token',
    touches: all,
    needs: [{ packages: 'write' }],
    sureness: 'unknown',
    detail: 'a scope that cannot be read',
    standsForJob: registryCredentials,
  });
  return { operation, evidence: [] };
}

/** `repository:acme/app:pull,push`; null for any other form. */
function readScope(request: AskedRequest, scope: string): Touch | null {
  const match = /^repository(?:\([a-z]+\))?:([^:]{1,255}):([a-z*,]{1,64})$/.exec(scope);
  if (match === null || !isImageName(match[1]!)) return null;
  const access = match[2]!.split(',').every((action) => action === 'pull') ? 'read' : 'write';
  return imageTouch(request, match[1]!, access, null);
}
