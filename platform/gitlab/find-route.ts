// Finds the route of a path of GitLab's REST API, in the forms that its router takes: with a format at the end, with
// another method named beside the one that stands there, with parts of issues and merge requests that are only read.

import type { AskedRequest } from '../../flow/asked-request.ts';
import type { Access } from '../../flow/operation.ts';
import type { Route as SharedRoute } from '../github/read-routes.ts';
import { buildRouteTree, findRoute as findInTree } from '../github/route-tree.ts';
import { readRoutes, type Route } from './read-routes.ts';
import { groupRoutes } from './routes/group.ts';
import { instanceRoutes } from './routes/instance.ts';
import { projectRoutes } from './routes/project.ts';

/** Every route that is mapped. */
export const routes: readonly Route[] = [projectRoutes, groupRoutes, instanceRoutes].flatMap(readRoutes);
const tree = buildRouteTree(routes);
const ours = new Map<SharedRoute, Route>(routes.map((route) => [route, route]));
const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;
const rank: Readonly<Record<Access, number>> = { read: 0, write: 1, admin: 2 };

/** The route of these segments, which are those below `/api/v4`; null for what no table has. */
export function findRoute(method: string, segments: readonly string[]): Route | null {
  return (
    findPlain(method, segments) ?? findPlain(method, withoutFormat(segments)) ?? findPart(method, segments)
  );
}

function findPlain(method: string, segments: readonly string[]): Route | null {
  const found = findInTree(tree, method, segments);
  return found === null ? null : (ours.get(found) ?? null);
}

/** Routes end in `(.:format)`: `issues.json` is `issues`. */
function withoutFormat(segments: readonly string[]): readonly string[] {
  const last = segments.at(-1) ?? '';
  return /^[a-z_]+\.(?:json|xml|txt)$/i.test(last)
    ? [...segments.slice(0, -1), last.slice(0, last.lastIndexOf('.'))]
    : segments;
}

/** What is read below an issue, whose parts the table lists for those that write. */
function findPart(method: string, segments: readonly string[]): Route | null {
  if ((method !== 'GET' && method !== 'HEAD') || segments[0] !== 'projects' || segments.length < 5)
    return null;
  return findPlain(method, [...segments.slice(0, segments[2] === 'repository' ? 5 : 4), 'any-part']);
}

/** The highest access that any method has at this path: another may be named in the body of a form. */
export function highestAt(segments: readonly string[]): Access {
  let highest: Access = 'read';
  for (const method of methods) {
    const access = findRoute(method, segments)?.access ?? 'read';
    if (rank[access] > rank[highest]) highest = access;
  }
  return highest;
}

/** A form may carry `_method`, which Rack puts in place of POST. */
export function mayBeOverridden(request: AskedRequest): boolean {
  const type = request.header('content-type')?.toLowerCase() ?? '';
  return request.method === 'POST' && request.hasBody && !type.startsWith('application/json');
}
