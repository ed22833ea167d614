// Owners whose name is one slip away from one that everybody knows: `actlons` for `actions`. Evidence alone.

import type { Evidence } from '../flow/evidence.ts';
import type { ActionTouch } from '../flow/operation.ts';

/** Owners of actions that many workflows use (github.com/marketplace), of five letters and more. */
const known = [
  'actions',
  'github',
  'docker',
  'azure',
  'hashicorp',
  'google-github-actions',
  'aws-actions',
  'codecov',
  'softprops',
  'peter-evans',
  'pnpm',
  'gradle',
  'sigstore',
  'golangci',
  'dtolnay',
  'ruby',
  'shivammathur',
  'peaceiris',
  'reviewdog',
  'tj-actions',
  'aquasecurity',
  'snyk',
  'sonarsource',
  'dependabot',
  'renovatebot',
  'super-linter',
  'crazy-max',
].filter((name) => name.length >= 5);
const knownNames: ReadonlySet<string> = new Set(known);

/** What is evident of the owners of these actions. */
export function findLookAlikes(actions: readonly ActionTouch[]): Evidence[] {
  const owners = new Set(actions.map(({ owner }) => owner?.toLowerCase() ?? ''));
  return [...owners].flatMap((owner): Evidence[] => {
    const twin = findTwin(owner);
    return twin === null ? [] : [{ kind: 'look-alike', detail: `the owner ${owner} looks like ${twin}` }];
  });
}

/** The known owner that is one letter more, less, other or swapped, or null. */
export function findTwin(owner: string): string | null {
  if (owner.length < 4 || owner.length > 40 || knownNames.has(owner)) return null;
  return known.find((name) => isOneSlip(owner, name)) ?? null;
}

function isOneSlip(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1) return false;
  let start = 0;
  while (start < a.length && a[start] === b[start]) start++;
  let end = 0;
  const most = Math.min(a.length, b.length) - start;
  while (end < most && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  const [left, right] = [a.slice(start, a.length - end), b.slice(start, b.length - end)];
  if (left.length <= 1 && right.length <= 1) return true;
  return left.length === 2 && right.length === 2 && left[0] === right[1] && left[1] === right[0];
}
