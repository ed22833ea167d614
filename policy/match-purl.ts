// Patterns over package URLs (ECMA-427): `pkg:npm/*` is every package of npm, `pkg:npm/@acme/*` those of a scope,
// `pkg:maven/org.acme.*/*` those of groups; a version may follow. Compared without case.

import type { ReadPattern } from './match-host.ts';
import { matchesSequence, readToken, type Token } from './match-sequence.ts';

export interface PurlPattern {
  readonly text: string;
  readonly tokens: readonly Token[];
  /** Null: every version. */
  readonly version: string | null;
}

/** Reads a pattern; `@` of a scope may be written as it is. */
export function readPurlPattern(text: string): ReadPattern<PurlPattern> {
  const form = /^pkg:([a-z*]+)\/(.+)$/.exec(text.toLowerCase());
  if (form === null) return unreadable(text, 'it begins with pkg: and a type');
  const [, type = '', rest = ''] = form;
  const at = rest.lastIndexOf('@');
  const hasVersion = at > 0 && rest[at - 1] !== '/';
  const name = hasVersion ? rest.slice(0, at) : rest;
  const tokens: Token[] = [];
  for (const segment of [type, ...name.split('/')]) {
    const token = segment === '' ? null : readToken(segment.replaceAll('@', '%40'));
    if (token === null) return unreadable(text, `"${segment}" is no segment`);
    if (token.kind === 'many') tokens.push({ kind: 'one' });
    tokens.push(token);
  }
  // Every package of a type lies at any depth below it.
  if (name === '*') tokens.push({ kind: 'many' });
  return { pattern: { text, tokens, version: hasVersion ? rest.slice(at + 1) : null } };
}

function unreadable(text: string, problem: string): ReadPattern<PurlPattern> {
  return {
    problem: `"${text}" is no package: ${problem}`,
    remedy: 'write for example pkg:npm/*, pkg:npm/@acme/* or pkg:pypi/requests',
  };
}

/** True when the pattern covers the package, and the version where it names one. */
export function matchesPurl(pattern: PurlPattern, purl: string, version: string | null): boolean {
  if (pattern.version !== null && pattern.version !== version?.toLowerCase()) return false;
  const segments = purl.slice('pkg:'.length).toLowerCase().split('/');
  return matchesSequence(pattern.tokens, segments, segments.length);
}
