// The order of versions in each ecosystem, as far as ranges of advisories need it. What cannot be ordered is null: the
// caller takes the side of caution.

import type { Ecosystem } from '../flow/operation.ts';
import { compareDebian } from './order-debian.ts';
import { compareGem } from './order-gem.ts';
import { compareMaven } from './order-maven.ts';
import { compareSemver, parseSemver } from './order-npm.ts';
import { comparePep440 } from './order-pypi.ts';

/** Negative when `a` comes before `b`, 0 when they are the same version; null when one of them is none. */
export function compareVersions(ecosystem: Ecosystem, a: string, b: string): number | null {
  if (a.length > 256 || b.length > 256) return null;
  if (a === b) return 0;
  switch (ecosystem) {
    case 'npm':
    case 'cargo':
      return bySemver(a, b);
    case 'golang':
      return bySemver(goVersion(a), goVersion(b));
    case 'pypi':
      return comparePep440(a, b);
    case 'maven':
      return compareMaven(a, b);
    case 'nuget':
      return compareNuget(a, b);
    case 'gem':
      return compareGem(a, b);
    case 'deb':
      return compareDebian(a, b);
    case 'oci':
    case 'generic':
      return null;
  }
}

function bySemver(a: string, b: string): number | null {
  const [left, right] = [parseSemver(a), parseSemver(b)];
  return left === null || right === null ? null : compareSemver(left, right);
}

/** Of Go's versions advisories leave the `v` out; `+incompatible` says nothing of the order (go.dev/ref/mod). */
function goVersion(text: string): string {
  const full = /^v?\d+(?:\.\d+)?$/.test(text) ? `${text}${text.includes('.') ? '.0' : '.0.0'}` : text;
  // Releases of Go itself: `go1.21rc2`.
  return full.replace(/^go/, '');
}

/** SemVer with a fourth number, without case (learn.microsoft.com, "NuGet package versioning"). */
function compareNuget(a: string, b: string): number | null {
  const [left, right] = [splitNuget(a), splitNuget(b)];
  if (left === null || right === null) return null;
  for (let i = 0; i < 4; i++) {
    const difference = (left.numbers[i] ?? 0) - (right.numbers[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return bySemver(`0.0.0${left.pre}`, `0.0.0${right.pre}`);
}

function splitNuget(text: string): { numbers: number[]; pre: string } | null {
  const match = /^v?(\d{1,15}(?:\.\d{1,15}){0,3})(-[0-9a-z.-]+)?(?:\+[0-9a-z.-]*)?$/.exec(
    text.trim().toLowerCase(),
  );
  return match === null ? null : { numbers: match[1]!.split('.').map(Number), pre: match[2] ?? '' };
}

/** One spelling for a NuGet version: no zero in front, no fourth zero, no build metadata, lower case. */
export function normaliseNugetVersion(text: string): string {
  const parts = splitNuget(text);
  if (parts === null) return text.toLowerCase();
  const numbers = [...parts.numbers];
  while (numbers.length < 3) numbers.push(0);
  if (numbers[3] === 0) numbers.pop();
  return `${numbers.join('.')}${parts.pre}`;
}
