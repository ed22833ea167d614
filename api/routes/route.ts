// What each route of the operator's side needs, said once. A route is registered through this table only, so that none
// is without a rule; what the rule asks is decided here, before the route's own code runs.

import { SallyportError } from '../../flow/errors.ts';
import { hasRole, type Actor, type Role } from '../auth/role.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';
export type RateClass = 'read' | 'search' | 'write' | 'login';

/** A route and its rule. */
export interface Route {
  readonly method: Method;
  /** As registered: `/v1/jobs/:id`. */
  readonly path: string;
  /** Null: for everybody, as only the login is. */
  readonly role: Role | null;
  /** `filtered`: answers only with what is the caller's; `everything`: refused to a caller limited to owners. */
  readonly owners: 'filtered' | 'everything' | 'none';
  readonly audited: boolean;
  readonly rate: RateClass;
  /** What an audited route is done for where the caller need not say, as at login. */
  readonly reason?: string;
  /** The parameter of the path, or field of the body, that an audit row names. Default: the parameters of the path. */
  readonly target?: string;
}

export type Refusal = 'not-recognised' | 'role' | 'owner-limit' | 'reason-missing';

/** The routes by method and path; throws `internal` where two are the same or a rule contradicts itself. */
export class RouteTable {
  readonly #routes = new Map<string, Route>();
  constructor(routes: readonly Route[]) {
    for (const route of routes) {
      const key = `${route.method} ${route.path}`;
      const problem = this.#routes.has(key) ? 'it is there twice' : problemOf(route);
      if (problem !== null) throw new SallyportError('internal', `route ${key}: ${problem}`);
      this.#routes.set(key, route);
    }
  }

  /** The rule of a route that is about to be registered; throws `internal` where there is none. */
  ruleOf(method: string, path: string): Route {
    const route = this.#routes.get(`${method} ${path}`);
    if (route === undefined) throw new SallyportError('internal', `route ${method} ${path} has no rule`);
    return route;
  }
}

function problemOf(route: Route): string | null {
  if (!route.path.startsWith('/v1/')) return 'its path does not begin with /v1/';
  if (route.method !== 'GET' && !route.audited) return 'a write is audited';
  if (route.role === null && route.rate !== 'login') return 'only the login is for everybody';
  if (route.role === null && route.owners !== 'none') return 'without a caller there are no owners';
  return null;
}

/** Why a caller is refused, or null; `reason` is what an audited write is done for (1 to 500 characters). */
export function refusalOf(route: Route, actor: Actor | null, reason: string | null): Refusal | null {
  if (route.role === null) return null;
  if (actor === null) return 'not-recognised';
  if (!hasRole(actor, route.role)) return 'role';
  if (route.owners === 'everything' && actor.owners !== null) return 'owner-limit';
  return route.audited && !isReason(route.reason ?? reason) ? 'reason-missing' : null;
}

/** Why a caller is refused before its body is read, or null. */
export function refusalOfCaller(route: Route, actor: Actor | null): Refusal | null {
  return refusalOf({ ...route, reason: '-' }, actor, null);
}

/** Whether a text can be the reason of a write: 1 to 500 characters. */
export function isReason(text: string | null): boolean {
  return text !== null && text.length <= 500 && text.trim() !== '';
}
