// Patterns over package URLs (ECMA-427): `pkg:npm/*` is every package of npm, `pkg:npm/@acme/*` those of a scope,
// `pkg:maven/org.acme.*/*` those of groups; a version may follow. Compared without case.

import type { ReadPattern } from './match-host.ts';
import { matchesSequence, readToken, type Token } from './match-sequence.ts';

export interface PurlPattern {
  readonly text: string;
  readonly tokens: readonly Token[];
  /** In one spelling; null: every version. */
  readonly version: string | null;
}

/** How many segments stand behind the type (ECMA-427, types of package URLs). */
const lengths: Readonly<Record<string, { readonly least: number; readonly most: number }>> = {
  npm: { least: 1, most: 2 },
  pypi: { least: 1, most: 1 },
  maven: { least: 2, most: 2 },
  nuget: { least: 1, most: 1 },
  cargo: { least: 1, most: 1 },
  golang: { least: 1, most: Infinity },
  gem: { least: 1, most: 1 },
  deb: { least: 2, most: 2 },
  oci: { least: 1, most: Infinity },
  generic: { least: 1, most: Infinity },
};
const otherNames: Readonly<Record<string, string>> = {
  go: 'golang',
  rubygems: 'gem',
  crates: 'cargo',
  python: 'pypi',
  pip: 'pypi',
  docker: 'oci',
  debian: 'deb',
};

/** Reads a pattern; `@` of a scope may be written as it is. */
export function readPurlPattern(text: string): ReadPattern<PurlPattern> {
  const form = /^pkg:([a-z*]+)\/(.+)$/.exec(text.toLowerCase());
  if (form === null) return unreadable(text, 'it begins with pkg: and a type');
  const [, type = '', rest = ''] = form;
  if (/[?#]/.test(rest)) return unreadable(text, 'qualifiers and subpaths are never matched');
  const at = rest.lastIndexOf('@');
  const hasVersion = at > 0 && rest[at - 1] !== '/';
  const segments = spell(type, hasVersion ? rest.slice(0, at) : rest).split('/');
  const problem = findProblem(type, segments);
  if (problem !== null) return unreadable(text, problem);
  const tokens: Token[] = [];
  for (const segment of [type, ...segments]) {
    const token = segment === '' ? null : readToken(segment.replaceAll('@', '%40'));
    if (token === null) return unreadable(text, `"${segment}" is no segment`);
    if (token.kind === 'many') tokens.push({ kind: 'one' });
    tokens.push(token);
  }
  // Every package of a type lies at any depth below it.
  if (segments.length === 1 && segments[0] === '*') tokens.push({ kind: 'many' });
  const version = hasVersion ? spellVersion(type, rest.slice(at + 1)) : null;
  return { pattern: { text, tokens, version } };
}

/** Why no package could ever be meant, or null. */
function findProblem(type: string, segments: readonly string[]): string | null {
  if (type.includes('*') || segments.includes('')) return null;
  const length = lengths[type];
  if (length === undefined) {
    const meant = otherNames[type];
    return `"${type}" is no type; ${meant === undefined ? `known are ${Object.keys(lengths).join(', ')}` : `its name is ${meant}`}`;
  }
  const [first = ''] = segments;
  if (segments.some((segment) => segment.includes('**')) || (segments.length === 1 && first === '*'))
    return null;
  const isScope = type === 'npm' && /^(?:@|%40)/.test(first);
  if (isScope && segments.length < 2) return `all of a scope is pkg:npm/${first}/*`;
  if (type === 'npm' && segments.length === 2 && !isScope && !first.startsWith('*'))
    return 'a scope begins with @';
  if (segments.length < length.least) return `all of a group is pkg:${type}/${first}/*`;
  return segments.length > length.most ? `a package of ${type} has no so long name` : null;
}

function unreadable(text: string, problem: string): ReadPattern<PurlPattern> {
  return {
    problem: `"${text}" is no package: ${problem}`,
    remedy: 'write for example pkg:npm/*, pkg:npm/@acme/* or pkg:pypi/requests',
  };
}

/** Names as their registries compare them: PEP 503; of crates one of `a-b` and `a_b` can exist. */
function spell(type: string, name: string): string {
  if (type === 'pypi') return name.replaceAll(/[-_.]+/g, '-');
  return type === 'cargo' ? name.replaceAll('_', '-') : name;
}

/** Versions that are the same one to the registry in one spelling: `1.0` and `1.0.0` of Python (PEP 440) and NuGet. */
function spellVersion(type: string, text: string): string {
  const lower = text.toLowerCase();
  if (type === 'golang') return lower.replace(/^v?(?=\d)/, 'v');
  if (type === 'npm' || type === 'cargo') return lower.replace(/^[v=]+/, '').replace(/\+.*$/, '');
  if (type !== 'pypi' && type !== 'nuget') return lower;
  const parts = /^v?((?:\d+!)?\d+(?:\.\d+)*)(.*)$/s.exec(
    type === 'nuget' ? lower.replace(/\+.*$/s, '') : lower,
  );
  if (parts === null) return lower;
  const [, numbers = '', rest = ''] = parts;
  const release = numbers.replaceAll(/(^|[.!])0+(?=\d)/g, '$1').replace(/(?:\.0)+$/, '');
  return `${release}${type === 'pypi' ? rest.replaceAll(/[-_.]+/g, '') : rest}`;
}

/** True when the pattern covers the package, and the version where it names one. */
export function matchesPurl(pattern: PurlPattern, purl: string, version: string | null): boolean {
  const lower = purl.slice('pkg:'.length).toLowerCase();
  const type = lower.slice(0, lower.indexOf('/'));
  if (pattern.version !== null && (version === null || pattern.version !== spellVersion(type, version)))
    return false;
  const segments = spell(type, lower).split('/');
  if (matchesSequence(pattern.tokens, segments, segments.length)) return true;
  // A later major version of a module lies below its first one (go.dev/ref/mod, "Major version suffixes").
  const isMajor = type === 'golang' && /^v\d+$/.test(segments.at(-1)!);
  const last = pattern.tokens.at(-1)?.kind;
  return (
    isMajor &&
    (last === 'one' || last === 'glob') &&
    matchesSequence(pattern.tokens, segments, segments.length - 1)
  );
}
