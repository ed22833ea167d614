// Finds the route of a path: a tree by segments, walked without turning back, so that the time is bounded by the
// path's length. Static segments win over parameters, as in the platform's own router.

import type { Route } from './read-routes.ts';
import { isEncodedName } from './touches.ts';

export interface RouteTree {
  readonly children: Map<string, RouteTree>;
  readonly routes: Map<string, Route>;
  parameter: RouteTree | null;
  /** The parameter is a number or a file's name: an encoded slash in it is another path to whoever decodes first. */
  isPlain: boolean;
  /** A parameter of one segment or more; its own children are what may stand behind it. */
  many: RouteTree | null;
}

function emptyTree(): RouteTree {
  return { children: new Map(), routes: new Map(), parameter: null, isPlain: false, many: null };
}

/** Builds the tree; the twins by number of repositories, organisations and users lead to the same routes. */
export function buildRouteTree(routes: readonly Route[]): RouteTree {
  const root = emptyTree();
  for (const route of routes) addRoute(root, route.path, route);
  const repository = descend(root, 'repos')?.parameter?.parameter ?? null;
  if (repository !== null) child(root, 'repositories').parameter = repository;
  for (const route of routes) {
    addTwin(root, route, '/orgs/{org}/', '/organizations/{organization_id}/');
    addTwin(root, route, '/users/{username}/', '/user/{account_id}/');
  }
  return root;
}

function addTwin(root: RouteTree, route: Route, prefix: string, twin: string): void {
  if (route.path.startsWith(prefix)) addRoute(root, twin + route.path.slice(prefix.length), route);
}

function addRoute(root: RouteTree, path: string, route: Route): void {
  let tree = root;
  for (const segment of path.split('/').filter((part) => part !== '')) {
    if (!segment.startsWith('{')) tree = child(tree, segment);
    else if (segment.endsWith('*}')) tree = tree.many ??= emptyTree();
    else {
      tree.isPlain ||= /_(?:id|number)\}$/.test(segment);
      tree = tree.parameter ??= emptyTree();
    }
  }
  if (!tree.routes.has(route.method)) tree.routes.set(route.method, route);
}

function child(tree: RouteTree, segment: string): RouteTree {
  const known = tree.children.get(segment);
  if (known !== undefined) return known;
  const made = emptyTree();
  tree.children.set(segment, made);
  return made;
}

function descend(tree: RouteTree, segment: string): RouteTree | null {
  return tree.children.get(segment) ?? null;
}

/** The route of these segments, or null. `HEAD` is `GET`. */
export function findRoute(root: RouteTree, method: string, segments: readonly string[]): Route | null {
  const asked = method === 'HEAD' ? 'GET' : method;
  let tree = root;
  for (let i = 0; i < segments.length; i++) {
    const next: RouteTree | null = tree.children.get(segments[i]!) ?? parameterFor(tree, segments[i]!);
    if (next === null) return tree.many === null ? null : findBehindMany(tree.many, asked, segments, i);
    tree = next;
  }
  return tree.routes.get(asked) ?? null;
}

const writing: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

/** True when a method that writes is admin at this path: a server may take another method for it. */
export function mayAdminister(root: RouteTree, method: string, segments: readonly string[]): boolean {
  if (!writing.has(method.toUpperCase())) return false;
  return [...writing].some((other) => findRoute(root, other, segments)?.access === 'admin');
}

function parameterFor(tree: RouteTree, segment: string): RouteTree | null {
  return tree.isPlain && isEncodedName(segment) ? null : tree.parameter;
}

// `commits/feature/x/status` is the status of feature/x: what is known to stand behind wins.
function findBehindMany(
  many: RouteTree,
  method: string,
  segments: readonly string[],
  from: number,
): Route | null {
  for (let end = from + 1; end < segments.length && many.children.size > 0; end++) {
    const route = findExactly(many, method, segments, end);
    // Of a ref with slashes that may end in the word: what needs more is taken.
    const isSure = end === from + 1 || (route !== null && !needsNothing(route));
    if (route !== null && isSure) return route;
  }
  return many.routes.get(method) ?? null;
}

function findExactly(
  tree: RouteTree,
  method: string,
  segments: readonly string[],
  from: number,
): Route | null {
  let at: RouteTree | null = tree.children.get(segments[from]!) ?? null;
  for (let i = from + 1; i < segments.length && at !== null; i++) at = at.children.get(segments[i]!) ?? null;
  return at?.routes.get(method) ?? null;
}

function needsNothing({ needs, ungrantable }: Route): boolean {
  return ungrantable.length === 0 && needs.some((set) => Object.keys(set).length === 0);
}
