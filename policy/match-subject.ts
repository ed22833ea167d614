// Patterns over what operations touch: `owner/name` of a repository, the path of a project, an image. `*` is one
// segment or a piece of one, `**` any number; `{job.repo}` and its like stand for the job's own, and match nothing
// where no job is known. Compared without case.

import type { Job } from '../flow/job.ts';
import type { ReadPattern } from './match-host.ts';
import { matchesSequence, readToken, type Token } from './match-sequence.ts';

type Placeholder = { readonly kind: 'job'; readonly field: 'repo' | 'owner' };

export interface SubjectPattern {
  readonly text: string;
  readonly parts: readonly (Token | Placeholder)[];
  /** The parts, where nothing of them depends on the job. */
  readonly fixed: readonly Token[] | null;
}

const placeholders: Readonly<Record<string, Placeholder>> = {
  '{job.repo}': { kind: 'job', field: 'repo' },
  '{job.project}': { kind: 'job', field: 'repo' },
  '{job.owner}': { kind: 'job', field: 'owner' },
};

/** Reads a pattern of slash-separated segments, for example `acme/*` or `{job.owner}/app`. */
export function readSubjectPattern(text: string): ReadPattern<SubjectPattern> {
  const parts: (Token | Placeholder)[] = [];
  for (const segment of text.toLowerCase().split('/')) {
    const placeholder = placeholders[segment];
    if (placeholder !== undefined) parts.push(placeholder);
    else if (segment === '') return unreadable(text, 'a segment is empty');
    else if (segment.includes('{')) return unreadable(text, `"${segment}" holds no known placeholder`);
    else if (/[^a-z0-9*._~+-]/.test(segment)) return unreadable(text, `"${segment}" holds other characters`);
    else {
      const token = readToken(segment);
      if (token === null) return unreadable(text, `"${segment}" glues ** to other text`);
      if (token.kind === 'many') parts.push({ kind: 'one' });
      parts.push(token);
    }
  }
  const tokens = parts.filter((part) => part.kind !== 'job');
  return { pattern: { text, parts, fixed: tokens.length === parts.length ? tokens : null } };
}

function unreadable(text: string, problem: string): ReadPattern<SubjectPattern> {
  return {
    problem: `"${text}" is no pattern of names: ${problem}`,
    remedy: 'write owner/name, acme/*, {job.repo} or {job.owner}/*',
  };
}

/** True when the pattern covers the subject, whose segments are in lower case. */
export function matchesSubject(
  pattern: SubjectPattern,
  segments: readonly string[],
  job: Job | null,
): boolean {
  const tokens = pattern.fixed ?? fillIn(pattern, job);
  return tokens !== null && matchesSequence(tokens, segments, segments.length);
}

/** The pattern with the job's own names as literals; null where they are not known. */
function fillIn(pattern: SubjectPattern, job: Job | null): Token[] | null {
  const own = job?.repository?.toLowerCase().split('/') ?? null;
  if (own === null || own.includes('')) return null;
  return pattern.parts.flatMap((part) => {
    if (part.kind !== 'job') return part;
    return (part.field === 'repo' ? own : own.slice(0, 1)).map((text): Token => ({ kind: 'literal', text }));
  });
}

/** True when the pattern covers all that lies below these segments, for example `acme/*` all of `acme`. */
export function coversBelow(pattern: SubjectPattern, segments: readonly string[], job: Job | null): boolean {
  const tokens = pattern.fixed ?? fillIn(pattern, job);
  if (tokens === null) return false;
  const isWild = tokens.at(-1)?.kind === 'many' || tokens.at(-1)?.kind === 'one';
  // A name that no pattern spells out stands for all of them.
  return isWild && matchesSequence(tokens, [...segments, '\0'], segments.length + 1);
}
