// Path patterns: `*` is one segment or a piece of one, `**` any number of segments. Both sides are canonical;
// the query is never matched.

import { canonicalisePath } from './canonicalise-path.ts';
import type { ReadPattern } from './match-host.ts';
import { matchesSequence, readToken, type Token } from './match-sequence.ts';

export interface PathPattern {
  readonly text: string;
  readonly form: 'exact' | 'prefix' | 'tokens';
  /** The whole path (`exact`) or what it begins with, slash included (`prefix`). */
  readonly literal: string;
  readonly tokens: readonly Token[];
}

/** Reads a path pattern of a policy, for example `/acme/**` or `/api/*` + `/envelope/`. */
export function readPathPattern(text: string): ReadPattern<PathPattern> {
  const path = canonicalisePath(text);
  if (path.kind === 'ambiguous') return unreadable(text, path.detail);
  if (text.includes('?')) return unreadable(text, 'a query is never matched');
  const segments = path.path.slice(1).split('/');
  const tokens: Token[] = [];
  for (const [index, segment] of segments.entries()) {
    const token = readToken(segment);
    if (token === null) return unreadable(text, `"${segment}" glues ** to other text`);
    // At the end `**` needs the slash before it: /acme/** does not cover /acme.
    if (token.kind === 'many' && index === segments.length - 1) tokens.push({ kind: 'any' });
    tokens.push(token);
  }
  return { pattern: { text: path.path, tokens, ...readForm(path.path, segments) } };
}

function readForm(path: string, segments: readonly string[]): Pick<PathPattern, 'form' | 'literal'> {
  if (!path.includes('*')) return { form: 'exact', literal: path };
  const isPrefix = segments.at(-1) === '**' && path.indexOf('*') === path.length - 2;
  return isPrefix ? { form: 'prefix', literal: path.slice(0, -2) } : { form: 'tokens', literal: '' };
}

function unreadable(text: string, problem: string): ReadPattern<PathPattern> {
  return {
    problem: `"${text}" is no path: ${problem}`,
    remedy: 'write a path such as "/acme/app", "/acme/*" (one segment) or "/acme/**" (any depth)',
  };
}

/** True when the pattern covers the canonical path. */
export function matchesPath(pattern: PathPattern, path: string): boolean {
  if (pattern.form === 'exact') return path === pattern.literal;
  if (pattern.form === 'prefix') return path.startsWith(pattern.literal);
  const segments = splitPath(path);
  return matchesSequence(pattern.tokens, segments, segments.length);
}

// One decision asks many patterns of one path.
let lastPath = '/';
let lastSegments: readonly string[] = [''];

function splitPath(path: string): readonly string[] {
  if (path !== lastPath) {
    lastSegments = path.slice(1).split('/');
    lastPath = path;
  }
  return lastSegments;
}
