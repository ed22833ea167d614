// What requests to GitHub touch: repositories by name or number, owners, the platform itself.

import type { Job } from '../../flow/job.ts';
import type { Access, Touch } from '../../flow/operation.ts';
import type { GithubServer } from './github-server.ts';

/**
 * A repository by its name; `.git` and `.wiki` at its end are not part of it, as on the platform. Hidden where the path
 * encodes something that no name has: whoever decodes it reads another path.
 */
export function repositoryTouch(
  written: string,
  rest: string,
  access: Access,
  refs: readonly string[] | null = null,
): Touch {
  const owner = readName(written);
  const name = owner === null ? null : readName(rest);
  if (name === null) return hiddenRepository(access, refs);
  return { kind: 'repository', access, owner, name: repositoryName(name), id: null, refs };
}

/** A repository that the request does not surely name. */
export function hiddenRepository(access: Access, refs: readonly string[] | null = null): Touch {
  return { kind: 'repository', access, owner: null, name: null, id: null, refs };
}

/** A repository by its number, with its name where an answer or the job told it; `job` is one of this server. */
export function repositoryIdTouch(
  server: GithubServer,
  job: Job | null,
  id: string,
  access: Access,
  refs: readonly string[] | null = null,
): Touch {
  const own = job?.repositoryId === id ? job.repository : null;
  const slash = own?.indexOf('/') ?? -1;
  const known =
    own !== null && slash > 0
      ? { owner: own.slice(0, slash), name: own.slice(slash + 1) }
      : server.twins.find(id);
  return { kind: 'repository', access, owner: known?.owner ?? null, name: known?.name ?? null, id, refs };
}

/** An owner by its name; null where none is told. */
export function ownerTouch(written: string | null, access: Access): Touch {
  return { kind: 'owner', access, owner: written === null ? null : readName(written) };
}

export function platformTouch(access: Access): Touch {
  return { kind: 'platform', access };
}

/** Brackets are part of a bot's name, `dependabot[bot]`, and always encoded; nothing else in a name is. */
export function isEncodedName(segment: string): boolean {
  return /%(?!5B|5D)/.test(segment);
}

function readName(segment: string): string | null {
  if (!segment.includes('%')) return segment;
  return isEncodedName(segment) ? null : segment.replaceAll('%5B', '[').replaceAll('%5D', ']');
}

const endings = ['.git', '.wiki'] as const;

/** `app`, `app.git`, `app.wiki` and `app.wiki.git` are one repository to policy, however often an ending is there. */
export function repositoryName(written: string): string {
  let bare = written;
  for (let ending = endingOf(bare); ending !== undefined; ending = endingOf(bare))
    bare = bare.slice(0, -ending.length);
  return bare === '' ? written : bare;
}

function endingOf(name: string): string | undefined {
  const end = name.slice(-5).toLowerCase();
  return endings.find((ending) => end.endsWith(ending));
}

/**
 * False where everything that is touched is surely another's, but for the platform itself and owners that nobody
 * names: a second repository beside the job's own takes nothing away from what its token needs.
 */
export function isAboutOwn(touches: readonly Touch[], job: Job | null): boolean {
  const placed = touches.filter(
    (touch) => touch.kind !== 'platform' && (touch.kind !== 'owner' || touch.owner !== null),
  );
  return placed.length === 0 || placed.some((touch) => isOwn(touch, job) !== false);
}

/** Whether a touch is of the job's own; null: cannot be told. */
export function isOwn(touch: Touch, job: Job | null): boolean | null {
  if (job === null) return null;
  const repository = job.repository?.toLowerCase() ?? null;
  switch (touch.kind) {
    case 'repository': {
      if (touch.owner !== null && touch.name !== null && repository !== null)
        return repository === `${touch.owner}/${touch.name}`.toLowerCase();
      if (touch.id !== null && job.repositoryId !== null) return touch.id === job.repositoryId;
      return null;
    }
    case 'owner':
      return touch.owner === null || repository === null
        ? null
        : repository.startsWith(`${touch.owner.toLowerCase()}/`);
    // Packages are their owner's; which repository one belongs to is written nowhere in a request.
    case 'image': {
      const owner = touch.image.split('/')[1]?.toLowerCase();
      const isOthers = owner !== undefined && repository !== null && !repository.startsWith(`${owner}/`);
      return isOthers ? false : null;
    }
    case 'package':
      return null;
    default:
      return true;
  }
}
