// The header X-Accepted-GitHub-Permissions: `;` separates alternatives, `,` joins within one
// (`issues=write; pull_requests=write`). docs.github.com, "Troubleshooting the REST API".

import type { Operation, Permission } from '../../flow/operation.ts';

const maxLength = 4_096;
const maxAlternatives = 32;
/** Keys of a workflow's `permissions:` in the header's spelling. */
const grantable: ReadonlySet<string> = new Set(
  (
    'actions artifact_metadata attestations checks code_quality contents deployments discussions issues models ' +
    'packages pages pull_requests repository_projects security_events statuses'
  ).split(' '),
);
const readOnly: ReadonlySet<string> = new Set(['vulnerability_alerts']);

/**
 * The alternatives that a workflow can grant; empty when it can grant none of them, null when the header is absent or
 * cannot be read.
 */
export function readAccepted(header: string | null): Operation['needs'] | null {
  if (header === null || header.trim() === '' || header.length > maxLength) return null;
  const parts = header.split(';').map((part) => part.trim());
  const sets = parts.filter((part) => part !== '' && part !== 'allows_permissionless_access=true');
  if (sets.length > maxAlternatives) return null;
  if (sets.length === 0) return [{}];
  const alternatives: Permission[] = [];
  for (const set of sets) {
    const read = readSet(set);
    if (read === 'unreadable') return null;
    if (read !== 'beyond') alternatives.push(read);
  }
  return alternatives;
}

function readSet(set: string): Permission | 'beyond' | 'unreadable' {
  const needed: Record<string, 'read' | 'write'> = {};
  let isBeyond = false;
  for (const pair of set.split(',')) {
    const match = /^\s*([a-z_]{1,64})\s*=\s*(read|write|admin|true)\s*$/.exec(pair);
    if (match === null) return 'unreadable';
    const [, key, level] = match;
    if (key === 'metadata' || key === 'allows_permissionless_access') continue;
    const may = (grantable.has(key!) && level !== 'admin') || (readOnly.has(key!) && level === 'read');
    if (may && level !== 'true') needed[key!.replaceAll('_', '-')] = level === 'write' ? 'write' : 'read';
    else isBeyond = true;
  }
  return isBeyond ? 'beyond' : needed;
}
