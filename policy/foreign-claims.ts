// What signed tokens (JWT) in a request claim of the run that they are for. Nobody verifies them here, so that a claim can
// only close: one that names another repository or ref than the job's is foreign, one that names the job's own proves nothing.

import { hostsOfAudience } from '../flow/audience-hosts.ts';
import type { Evidence } from '../flow/evidence.ts';
import type { Attribution, Job } from '../flow/job.ts';
import { findSigned, isHome } from '../flow/lineage.ts';

const maxFound = 4;
/** Events whose runs have their caches in the scope of their own ref, and no other. */
const ownScope: ReadonlySet<string> = new Set(['push', 'pull_request', 'schedule', 'workflow_dispatch']);

/** Where a request goes, and what the policy says of who takes identity tokens for an audience; null: nothing. */
export interface ClaimedAt {
  readonly host: string;
  /** A host of the job's own platform. */
  readonly isPlatform: boolean;
  takes(audience: string): boolean | null;
}

/**
 * Evidence of tokens that claim to be another repository's, another ref's runtime, or for an audience that the host is
 * none of; at most four.
 */
export function findForeignClaims(text: string, { job, conflict }: Attribution, at: ClaimedAt): Evidence[] {
  if (job === null || conflict) return [];
  const found: Evidence[] = [];
  for (const token of findSigned(text)) {
    const detail = contradiction(readClaims(token), job, at);
    if (detail !== null) found.push({ kind: 'foreign-token', detail });
    if (found.length >= maxFound) break;
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

function contradiction(claims: Claims, job: Job, at: ClaimedAt): string | null {
  const issuer = typeof claims['iss'] === 'string' ? claims['iss'].toLowerCase() : '';
  const named = claims[job.platform === 'gitlab' ? 'project_path' : 'repository'];
  const isOther =
    typeof named === 'string' &&
    job.repository !== null &&
    named.toLowerCase() !== job.repository.toLowerCase();
  const isIdentity = isIssuerOf(issuer, job);
  if (isOther && isIdentity) return 'an identity token that names another repository than the job’s';
  if (isIdentity && !at.isPlatform && isElsewhere(claims['aud'], at))
    return 'an identity token whose audience is another than the host';
  return writesElsewhere(claims['ac'], job) ? 'a runtime token whose caches are those of another ref' : null;
}

/** True where every audience names hosts, or the policy does, and this is none of them. */
function isElsewhere(audiences: unknown, { host, takes }: ClaimedAt): boolean {
  const list: unknown[] = Array.isArray(audiences) ? audiences.slice(0, 16) : [audiences];
  const isOut = (audience: unknown): boolean =>
    typeof audience === 'string' && !(takes(audience) ?? isHome(hostsOfAudience(audience), host));
  return list.length > 0 && list.every(isOut);
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
