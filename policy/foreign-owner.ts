// Writes to another owner than the job's with a credential that is not the job's own: what stolen tokens are used for.

import { provenJob, type Attribution } from '../flow/job.ts';
import type { CredentialKind, Operation, Touch } from '../flow/operation.ts';

/** Credentials of somebody: what they write to without naming it may be anybody's. */
const personal: ReadonlySet<CredentialKind> = new Set(['app', 'pat', 'deploy-key']);

/** Whose the write would be, for people; null where it is none of these. */
export function findForeignOwner(operation: Operation | null, attribution: Attribution): string | null {
  if (operation === null || operation.access === 'read') return null;
  const { credential, platform } = operation;
  if (platform !== 'github' && platform !== 'gitlab') return null;
  const whose = credential === 'derived' ? (operation.root ?? null) : credential;
  if (whose === null || (!personal.has(whose) && whose !== 'unknown')) return null;
  const own = ownerOf(operation, attribution);
  for (const touch of operation.touches) {
    if (touch.access === 'read') continue;
    const owner = readOwner(touch);
    if (owner === undefined) continue;
    // A token that nobody knows may be the runner's own, which writes to its own service.
    if (owner === null ? personal.has(whose) : owner.toLowerCase() !== own)
      return owner ?? 'an owner that the request does not name';
  }
  return null;
}

/** In lower case; null where no job is known, or it is one of another server. */
function ownerOf({ platform, server }: Operation, attribution: Attribution): string | null {
  const job = provenJob(attribution);
  if (job === null || job.platform !== platform || job.server !== server) return null;
  return job.repository?.split('/')[0]?.toLowerCase() ?? null;
}

/** Null: hidden, or the account behind the credential; undefined: of nobody. */
function readOwner(touch: Touch): string | null | undefined {
  switch (touch.kind) {
    case 'repository':
      return touch.owner;
    case 'owner':
      return touch.owner?.split('/')[0] ?? null;
    case 'image':
      return touch.image.split('/')[1] ?? null;
    case 'platform':
      return null;
    case 'package':
    case 'cloud':
    case 'identity':
    case 'action':
      return undefined;
  }
}
