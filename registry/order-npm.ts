// The order of versions as npm has it (semver.org, 11).

export interface Semver {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  readonly pre: readonly (number | string)[];
}

const pattern =
  /^[v=\s]*(\d{1,16})\.(\d{1,16})\.(\d{1,16})(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?\s*$/;

/** Reads a version; null when it is none. Build metadata counts for nothing. */
export function parseSemver(text: string): Semver | null {
  const match = text.length > 256 ? null : pattern.exec(text);
  if (match === null) return null;
  const pre = (match[4] ?? '').split('.').filter((part) => part !== '');
  return {
    major: Number(match[1]),
    minor: Number(match[2]),
    patch: Number(match[3]),
    pre: pre.map((part) => (/^\d{1,16}$/.test(part) ? Number(part) : part)),
  };
}

/** Negative when `a` comes before `b`. */
export function compareSemver(a: Semver, b: Semver): number {
  return a.major - b.major || a.minor - b.minor || a.patch - b.patch || comparePre(a.pre, b.pre);
}

function comparePre(a: Semver['pre'], b: Semver['pre']): number {
  if (a.length === 0 || b.length === 0) return b.length - a.length;
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const [left, right] = [a[i], b[i]];
    if (left === undefined || right === undefined) return left === undefined ? -1 : 1;
    if (left === right) continue;
    if (typeof left !== typeof right) return typeof left === 'number' ? -1 : 1;
    return left < right ? -1 : 1;
  }
  return 0;
}
