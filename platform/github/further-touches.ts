// What a path of the REST API touches besides the place that it begins with: a second repository by name or number, an
// organisation, the repository that a comparison reaches into.

import type { Job } from '../../flow/job.ts';
import type { Touch } from '../../flow/operation.ts';
import type { GithubServer } from './github-server.ts';
import type { Route } from './read-routes.ts';
import { decodeSegment } from './split-path.ts';
import { ownerTouch, repositoryIdTouch, repositoryTouch } from './touches.ts';

/** Where the parts of a route's path stand that name something more. */
interface Further {
  readonly kind: 'repository' | 'number' | 'owner';
  readonly at: number;
}

/** Finds them in a path, `/orgs/{org}/teams/{team_slug}/repos/{owner}/{repo}`, once for each route. */
export function findFurther(path: string): readonly Further[] {
  const parts = path.split('/').slice(1);
  return parts.flatMap((part, at): Further[] => {
    const isFirst = at === 1 && ['repos', 'orgs', 'organizations', 'users'].includes(parts[0]!);
    if (isFirst) return [];
    if (part === '{owner}' || part === '{repo_owner}') return [{ kind: 'repository', at }];
    if (part === '{repository_id}') return [{ kind: 'number', at }];
    return part === '{org}' ? [{ kind: 'owner', at }] : [];
  });
}

/** What a request for this route touches there, besides `place`; `job` is one of this server. */
export function furtherTouches(
  server: GithubServer,
  job: Job | null,
  segments: readonly string[],
  route: Route,
  further: readonly Further[],
  place: Touch,
): Touch[] {
  if (route.name === 'repos/compare-commits') return comparedTouches(segments, place);
  // `/repositories/{id}` is one segment shorter than the path that the table has.
  const shift = segments[0] === 'repositories' ? -1 : 0;
  return further.map(({ kind, at }) => {
    const written = segments[at + shift] ?? null;
    const name = segments[at + shift + 1];
    if (kind === 'number' && written !== null) return repositoryIdTouch(server, job, written, route.access);
    return kind === 'owner' || written === null || name === undefined
      ? ownerTouch(written, route.access)
      : repositoryTouch(written, name, route.access);
  });
}

/** `main...eve:main` reads a fork of eve's, `main...acme:other:main` another repository; branches have no colon. */
function comparedTouches(segments: readonly string[], place: Touch): Touch[] {
  const own = place.kind === 'repository' ? place : null;
  const basehead = segments
    .slice(segments[0] === 'repos' ? 4 : 3)
    .map(decodeSegment)
    .join('/');
  const sides = basehead.split(/\.{2,3}/, 3);
  return sides.flatMap((side): Touch[] => {
    const [whose = '', repository, branch] = side.split(':');
    if (repository === undefined || whose === '') return [];
    const isOwner = isSame(whose, own?.owner);
    if (branch === undefined) return isOwner ? [] : [ownerTouch(whose, 'read')];
    return isOwner && isSame(repository, own?.name) ? [] : [repositoryTouch(whose, repository, 'read')];
  });
}

function isSame(written: string, known: string | null | undefined): boolean {
  return written.toLowerCase() === known?.toLowerCase();
}
