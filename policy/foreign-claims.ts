// What signed tokens (JWT) in a request claim of the run that they are for. Nobody verifies them here, so that a claim can
// only close: one that names another repository or ref than the job's is foreign, one that names the job's own proves nothing.

import type { Evidence } from '../flow/evidence.ts';
import type { Attribution, Job } from '../flow/job.ts';
import { findSigned } from '../flow/lineage.ts';

const maxFound = 4;
/** Events whose runs have their caches in the scope of their own ref, and no other. */
const ownScope: ReadonlySet<string> = new Set(['push', 'pull_request', 'schedule', 'workflow_dispatch']);

/** Evidence of tokens that claim to be another repository's, or another ref's runtime; at most four. */
export function findForeignClaims(text: string, { job, conflict }: Attribution): Evidence[] {
  if (job === null || conflict) return [];
  const found: Evidence[] = [];
  for (const token of findSigned(text)) {
    const detail = contradiction(readClaims(token), job);
    if (detail !== null && found.length < maxFound) found.push({ kind: 'foreign-token', detail });
  }
  return found;
}

type Claims = Readonly<Record<string, unknown>>;

function readClaims(token: string): Claims {
  try {
    const value: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
    // Only own keys are read, each as unknown.
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Claims) : {};
  } catch {
    return {};
  }
}

function contradiction(claims: Claims, job: Job): string | null {
  const issuer = typeof claims['iss'] === 'string' ? claims['iss'].toLowerCase() : '';
  const named = claims[job.platform === 'gitlab' ? 'project_path' : 'repository'];
  const isOther =
    typeof named === 'string' &&
    job.repository !== null &&
    named.toLowerCase() !== job.repository.toLowerCase();
  if (isOther && isIssuerOf(issuer, job))
    return 'an identity token that names another repository than the job’s';
  return writesElsewhere(claims['ac'], job) ? 'a runtime token whose caches are those of another ref' : null;
}

/** The issuers of identity tokens of github.com (also one of an enterprise's own), of a GitHub and of a GitLab of one's own. */
function isIssuerOf(issuer: string, { platform, server }: Job): boolean {
  const host = /^https:\/\/([^/]+)(?:\/|$)/.exec(issuer)?.[1] ?? '';
  if (host === server || host.endsWith(`.${server}`)) return true;
  return platform === 'github' && server === 'github.com' && host === 'token.actions.githubusercontent.com';
}

/** `[{"Scope":"refs/heads/main","Permission":3}]`: 1 is reading, 2 writing. */
function writesElsewhere(scopes: unknown, { ref, event }: Job): boolean {
  if (typeof scopes !== 'string' || ref === null || event === null || !ownScope.has(event)) return false;
  let list: unknown;
  try {
    list = JSON.parse(scopes);
  } catch {
    return false;
  }
  if (!Array.isArray(list)) return false;
  const written = list.slice(0, 16).flatMap((entry: unknown) => {
    if (typeof entry !== 'object' || entry === null) return [];
    const { Scope: scope, Permission: permission } = entry as Claims; // checked in the next line
    return typeof scope === 'string' && typeof permission === 'number' && (permission & 2) !== 0
      ? [scope]
      : [];
  });
  return written.length > 0 && !written.includes(ref);
}
