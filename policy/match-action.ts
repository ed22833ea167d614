// Patterns over actions as workflows write them: `owner/repo[/path][@ref]`. Owner and repository are compared without
// case, path and reference as they are written. `*` is a segment or a piece of one, `**` any number of them.

import type { ActionTouch } from '../flow/operation.ts';
import type { ReadPattern } from './match-host.ts';
import { matchesSequence, readToken, type Token } from './match-sequence.ts';

export interface ActionPattern {
  readonly text: string;
  readonly repository: readonly Token[];
  /** Null: every path. */
  readonly path: readonly Token[] | null;
  /** Null: every reference. */
  readonly ref: readonly Token[] | null;
}

const segmentForm = /^[A-Za-z0-9*._~+-]+$/;

/** Reads a pattern, for example `actions/*` or `acme/tools/build@v1.*`. */
export function readActionPattern(text: string): ReadPattern<ActionPattern> {
  const at = text.indexOf('@');
  const segments = (at < 0 ? text : text.slice(0, at)).split('/');
  if (segments.length < 2) return unreadable(text, 'it names an owner and a repository');
  if (segments.some((segment) => !segmentForm.test(segment)))
    return unreadable(text, 'a segment is empty or holds other characters');
  const repository = readTokens(segments.slice(0, 2).map((segment) => segment.toLowerCase()));
  const path = segments.length === 2 ? null : readTokens(segments.slice(2));
  const ref = at < 0 ? null : readTokens(text.slice(at + 1).split('/'));
  if (at === text.length - 1) return unreadable(text, 'nothing follows @');
  const tokens = [repository, path ?? [], ref ?? []];
  if (repository === null || tokens.includes(null)) return unreadable(text, '** is glued to other text');
  if (repository.some(({ kind }) => kind === 'many'))
    return unreadable(text, '** stands for owner and repository');
  return { pattern: { text, repository, path, ref } };
}

/** Null where one of them is no pattern. */
function readTokens(parts: readonly string[]): readonly Token[] | null {
  const tokens = parts.map(readToken);
  return tokens.some((token) => token === null) ? null : tokens.filter((token) => token !== null);
}

function unreadable(text: string, problem: string): ReadPattern<ActionPattern> {
  return {
    problem: `"${text}" is no action: ${problem}`,
    remedy: 'write for example actions/*, acme/deploy@v2 or acme/tools/build@*',
  };
}

/** True when the pattern covers the action; under the name that the platform found it by, too. */
export function matchesAction(pattern: ActionPattern, touch: ActionTouch): boolean {
  const { owner, name, path, ref, foundAs } = touch;
  if (owner === null || name === null || ref === null) return false;
  const names = [`${owner}/${name}`, ...(foundAs === undefined ? [] : [foundAs])];
  return (
    names.every((text) => matchesParts(pattern.repository, text.toLowerCase().split('/'))) &&
    (pattern.path === null || matchesParts(pattern.path, path === '' ? [] : path.split('/'))) &&
    (pattern.ref === null || matchesParts(pattern.ref, ref.split('/')))
  );
}

const matchesParts = (tokens: readonly Token[], parts: readonly string[]): boolean =>
  matchesSequence(tokens, parts, parts.length);
