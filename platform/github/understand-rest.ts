// What a call of GitHub's REST API means: its route, what the path says it touches, and who reads its answer.

import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import type { Access, Touch } from '../../flow/operation.ts';
import {
  accessByMethod,
  buildOperation,
  isOverridden,
  sameServerJob,
  unknownOperation,
} from './build-operation.ts';
import { findFurther, furtherTouches } from './further-touches.ts';
import type { GithubServer } from './github-server.ts';
import { restAnswerReader } from './read-rest-answer.ts';
import { readRoutes, type Route } from './read-routes.ts';
import { buildRouteTree, findRoute, mayAdminister } from './route-tree.ts';
import { accountRoutes } from './routes/account.ts';
import { enterpriseRoutes } from './routes/enterprise.ts';
import { organizationRoutes } from './routes/organization.ts';
import { ownRoutes } from './routes/own.ts';
import { repositoryScopeRoutes } from './routes/repository-scopes.ts';
import { repositorySettingRoutes } from './routes/repository-settings.ts';
import { decodeSegment } from './split-path.ts';
import {
  hiddenRepository,
  isEncodedName,
  ownerTouch,
  platformTouch,
  repositoryIdTouch,
  repositoryTouch,
} from './touches.ts';

/** Every route that is mapped, or listed as unknown on purpose. */
export const routes: readonly Route[] = [
  repositoryScopeRoutes,
  repositorySettingRoutes,
  organizationRoutes,
  accountRoutes,
  enterpriseRoutes,
  ownRoutes,
].flatMap(readRoutes);
const tree = buildRouteTree(routes);
const further = new Map(routes.map(({ path }) => [path, findFurther(path)] as const));

/** `segments` are those of the path below the API's root. */
export function understandRest(
  server: GithubServer,
  request: AskedRequest,
  segments: readonly string[],
): Understanding {
  const isByName = ['repos', 'orgs', 'users'].includes(segments[0] ?? '');
  const teaches = request.scheme !== 'https' ? 'nothing' : isByName ? 'links' : 'bodies';
  const route = isPlain(request, segments) ? findRoute(tree, request.method, segments) : null;
  if (route === null) {
    const touches = [placeOfUnknown(server, request, segments)];
    const operation = unknownOperation(server, request, 'rest/unknown', touches);
    return { operation, evidence: [], answer: restAnswerReader(server, operation, teaches) };
  }
  const operation = buildOperation(server, request, {
    name: route.name,
    touches: touchesOf(server, request, segments, route),
    needs: route.needs,
    ungrantable: changesWorkflow(segments, route)
      ? [...route.ungrantable, 'workflows: write']
      : route.ungrantable,
    isOpen: route.isOpen,
    ...(route.isUnknown ? { sureness: 'unknown' as const } : {}),
  });
  return { operation, evidence: [], answer: restAnswerReader(server, operation, teaches) };
}

function isPlain(request: AskedRequest, segments: readonly string[]): boolean {
  return !isOverridden(request) && !isEncoded(segments);
}

// No owner, repository or number is written with a percent sign: whoever reads one there reads another path.
function isEncoded(segments: readonly string[]): boolean {
  return segments.slice(0, 3).some(isEncodedName);
}

/** Access by the method; what may be a setting under another method is admin (PATCH was once taken as POST too). */
function placeOfUnknown(server: GithubServer, request: AskedRequest, segments: readonly string[]): Touch {
  const isRead = !isOverridden(request) && accessByMethod(request.method) === 'read';
  const access = isRead ? 'read' : mayAdminister(tree, request.method, segments) ? 'admin' : 'write';
  if (isEncoded(segments)) return hiddenRepository(access);
  return placeOf(server, request, segments, access, null);
}

const fileChanges: ReadonlySet<string> = new Set([
  'repos/create-or-update-file-contents',
  'repos/delete-file',
]);

/** A workflow's file needs a permission besides that no workflow can be given. */
function changesWorkflow(segments: readonly string[], route: Route): boolean {
  if (!fileChanges.has(route.name)) return false;
  const file = segments.slice(segments.indexOf('contents', segments[0] === 'repos' ? 3 : 2) + 1);
  return /^\/*\.github\/+workflows\//i.test(file.map(decodeSegment).join('/'));
}

/** Operations that make a repository elsewhere: what they read is the source, where they write the path hides. */
const elsewhere: ReadonlySet<string> = new Set(['repos/create-fork', 'repos/create-using-template']);

function touchesOf(
  server: GithubServer,
  request: AskedRequest,
  segments: readonly string[],
  route: Route,
): Touch[] {
  const refs = refsOf(segments, route);
  const isElsewhere = elsewhere.has(route.name);
  const place = placeOf(server, request, segments, isElsewhere ? 'read' : route.access, refs);
  const touches = [place];
  if (isElsewhere || route.name === 'repos/transfer') touches.push(ownerTouch(null, 'admin'));
  const job = sameServerJob(server, request);
  touches.push(...furtherTouches(server, job, segments, route, further.get(route.path) ?? [], place));
  return touches;
}

/** What the beginning of a path says: `/repos/o/r`, `/repositories/1`, `/orgs/o`, `/users/u`, else the platform. */
function placeOf(
  server: GithubServer,
  request: AskedRequest,
  segments: readonly string[],
  access: Access,
  refs: readonly string[] | null,
): Touch {
  const [first, second, third] = segments;
  if (second === undefined) return first === 'gists' ? ownerTouch(null, access) : platformTouch(access);
  switch (first) {
    case 'repos':
      return third === undefined ? ownerTouch(second, access) : repositoryTouch(second, third, access, refs);
    case 'repositories':
      return repositoryIdTouch(server, sameServerJob(server, request), second, access, refs);
    case 'orgs':
    case 'users':
      return ownerTouch(second, access);
    case 'organizations':
      return ownerTouch(isNumber(second) ? server.twins.findOwner(first, second) : second, access);
    case 'user':
      return isNumber(second)
        ? ownerTouch(server.twins.findOwner(first, second), access)
        : platformTouch(access);
    // A gist is its maker's, whom the path does not tell.
    case 'gists':
      return ownerTouch(null, access);
    default:
      return platformTouch(access);
  }
}

function isNumber(segment: string): boolean {
  return /^\d+$/.test(segment);
}

const refChanges: ReadonlySet<string> = new Set(['git/update-ref', 'git/delete-ref']);

function refsOf(segments: readonly string[], route: Route): readonly string[] | null {
  if (!refChanges.has(route.name)) return null;
  const at = segments.indexOf('refs', segments[0] === 'repos' ? 3 : 2);
  return [
    `refs/${segments
      .slice(at + 1)
      .map(decodeSegment)
      .join('/')}`,
  ];
}
