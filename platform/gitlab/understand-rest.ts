// What a call of GitLab's REST API means (docs.gitlab.com, "REST API resources"): its route, what the path says it
// touches, and which other project a body may name.

import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import type { Access, Touch } from '../../flow/operation.ts';
import { accessByMethod, isOverridden } from '../github/build-operation.ts';
import { ownerTouch, platformTouch } from '../github/touches.ts';
import { buildOperation, unknownOperation } from './build-operation.ts';
import { findRoute, highestAt, mayBeOverridden } from './find-route.ts';
import type { GitlabServer } from './gitlab-server.ts';
import { hearGitlabJobs } from './hear-jobs.ts';
import { crossingLimits, findCrossing } from './read-crossing.ts';
import type { Route } from './read-routes.ts';
import { restAnswerReader } from './project-answer.ts';
import { signedRedirectReader } from './signed-redirect.ts';
import { groupByParameter, hiddenProject, ownProject, projectByParameter } from './touches.ts';
import { understandPackages } from './understand-packages.ts';

/** `segments` are those of the path below `/api/v4`. */
export function understandRest(
  server: GitlabServer,
  request: AskedRequest,
  segments: readonly string[],
): Understanding {
  const packages = understandPackages(server, request, segments);
  if (packages !== null) return packages;
  const route = isOverridden(request) ? null : findRoute(request.method, segments);
  if (route === null) return unplaced(server, request, segments);
  if (route.crosses === null)
    return heard(server, request, segments, route, placed(server, request, segments, route, []));
  const parameter = route.crosses;
  const withBody = (crossed: Touch[]): Understanding => placed(server, request, segments, route, crossed);
  const fromQuery = findCrossing(server, request, parameter, null);
  if (!request.hasBody || fromQuery.length > 0) return withBody(fromQuery);
  return {
    ...withBody([hiddenProject('write')]),
    hold: {
      ...crossingLimits,
      withBody: (held) => withBody(findCrossing(server, request, parameter, held)),
    },
  };
}

/** What is heard of jobs in a call of a runner (over TLS alone, since anybody could answer without), and logs. */
function heard(
  { name: server, hearing, traces }: GitlabServer,
  request: AskedRequest,
  segments: readonly string[],
  route: Route,
  placedCall: Understanding,
): Understanding {
  const [first, second = ''] = segments;
  const jobId = first === 'jobs' && /^\d{1,20}$/.test(second) ? second : null;
  const isLog = route.name === 'runner/append-trace' && jobId !== null;
  const meaning = isLog ? traces.watch(placedCall, request, jobId) : placedCall;
  const hash = request.scheme === 'https' ? (hearing?.hash() ?? null) : null;
  if (hearing === null || hash === null) return meaning;
  return hearGitlabJobs(meaning, route.name, jobId, { server, hash, now: hearing.now });
}

function placed(
  server: GitlabServer,
  request: AskedRequest,
  segments: readonly string[],
  route: Route,
  crossed: readonly Touch[],
): Understanding {
  const own = mayBeOverridden(request) ? highestAt(segments) : 'read';
  const access = own === 'admin' ? own : route.access;
  const operation = buildOperation(server, request, {
    name: route.name,
    touches: [...touchesOf(server, request, segments, route, access), ...crossed],
    needs: route.needs,
    ungrantable: route.ungrantable,
    isOpen: route.isOpen,
  });
  return { operation, evidence: [], answer: restAnswerReader(server, route.name) };
}

/** Words of paths below which a write opens the platform, where no table says more. */
const administers =
  /hook|runner|deploy_key|deploy_token|variable|member|protect|access_token|impersonat|push_rule|approval_rule|integration|service|invitation|share|mirror|secret|transfer|archive|cluster|allowlist|saml|scim|ldap|ssh|keys|cert/i;

function unplaced(server: GitlabServer, request: AskedRequest, segments: readonly string[]): Understanding {
  const method = isOverridden(request) ? 'write' : accessByMethod(request.method);
  const isAdmin = method === 'write' && (highestAt(segments) === 'admin' || namesAdministration(segments));
  const touches = [placeOf(server, request, segments, isAdmin ? 'admin' : method)];
  return {
    operation: unknownOperation(server, request, 'rest/unknown', touches),
    evidence: [],
    answer: signedRedirectReader(server),
  };
}

// The names of projects and groups are no words of the API.
function namesAdministration(segments: readonly string[]): boolean {
  const isPlaced = segments[0] === 'projects' || segments[0] === 'groups';
  return segments.slice(isPlaced ? 2 : 0).some((segment) => administers.test(segment));
}

function touchesOf(
  server: GitlabServer,
  request: AskedRequest,
  segments: readonly string[],
  route: Route,
  access: Access,
): Touch[] {
  if (route.isOwn) return [ownProject(server, request, access === 'read' ? 'read' : 'write')];
  if (route.isHidden) return [ownerTouch(null, access)];
  const isSource = route.name === 'projects/fork';
  const touches = [placeOf(server, request, segments, isSource ? 'read' : access)];
  if (route.isElsewhere) touches.push(ownerTouch(null, 'admin'));
  return [...touches, ...secondProject(server, request, segments, route)];
}

/** A second project in the path: what is moved into a group, whose members are taken over. */
function secondProject(
  server: GitlabServer,
  request: AskedRequest,
  segments: readonly string[],
  route: Route,
): Touch[] {
  const [, , , written] = segments;
  if (written === undefined) return [];
  switch (route.name) {
    case 'groups/move-project-in':
      return [projectByParameter(server, request, written, 'admin')];
    case 'members/import':
    case 'projects/set-fork':
      return [projectByParameter(server, request, written, 'read')];
    default:
      return [];
  }
}

/** Words that follow `/projects` and are no project. */
const instanceWords: ReadonlySet<string> = new Set(['import', 'remote-import', 'remote-import-s3', 'user']);

/** What the beginning of a path says: a project, a group, a user, else the platform. */
function placeOf(
  server: GitlabServer,
  request: AskedRequest,
  segments: readonly string[],
  access: Access,
): Touch {
  const [first, second] = segments;
  if (second === undefined) return platformTouch(access);
  switch (first) {
    case 'projects':
      return instanceWords.has(second)
        ? platformTouch(access)
        : projectByParameter(server, request, second, access);
    case 'groups':
    case 'group':
    case 'namespaces':
      return groupByParameter(second, access);
    case 'users':
      return groupByParameter(second, access);
    default:
      return platformTouch(access);
  }
}
