// What requests to GitHub touch: repositories by name or number, owners, the platform itself.

import type { Job } from '../../flow/job.ts';
import type { Access, Touch } from '../../flow/operation.ts';
import type { GithubServer } from './github-server.ts';

/** A repository by its name; `.git` and `.wiki` at its end are not part of it, as on the platform. */
export function repositoryTouch(
  owner: string,
  written: string,
  access: Access,
  refs: readonly string[] | null = null,
): Touch {
  return { kind: 'repository', access, owner, name: repositoryName(written), id: null, refs };
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

export function ownerTouch(owner: string | null, access: Access): Touch {
  return { kind: 'owner', access, owner };
}

export function platformTouch(access: Access): Touch {
  return { kind: 'platform', access };
}

const ending = /\.git$/i;
const wiki = /\.wiki$/i;

/** `app`, `app.git`, `app.wiki` and `app.wiki.git` are one repository to policy. */
export function repositoryName(written: string): string {
  const bare = written.replace(ending, '').replace(wiki, '');
  return bare === '' ? written : bare;
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
