// Finds, among many rules of one host, those whose paths could cover a path: by the literal segments that a pattern
// begins with, in as many look-ups as the path has segments.

import type { Candidate } from './host-view.ts';
import type { PathPattern } from './match-path.ts';

export interface PathIndex<C extends Candidate> {
  readonly all: readonly C[];
  /** Null when there are few: looking at all of them is then quicker. */
  readonly byPrefix: ReadonlyMap<string, readonly C[]> | null;
}

const fewCandidates = 12;

/** Indexes candidates in the order given; what is no http rule, or names no path, is always found. */
export function createPathIndex<C extends Candidate>(all: readonly C[]): PathIndex<C> {
  if (all.length <= fewCandidates) return { all, byPrefix: null };
  const byPrefix = new Map<string, C[]>();
  for (const candidate of all) {
    const { rule } = candidate;
    const paths = rule.kind === 'http' ? rule.paths : null;
    for (const prefix of new Set(paths?.map(literalPrefix) ?? [''])) {
      const list = byPrefix.get(prefix);
      if (list === undefined) byPrefix.set(prefix, [candidate]);
      else list.push(candidate);
    }
  }
  return { all, byPrefix };
}

/** `/v1` of `/v1/*` + `/x`, the whole of a path without wildcards. */
function literalPrefix({ tokens }: PathPattern): string {
  let prefix = '';
  for (const token of tokens) {
    if (token.kind !== 'literal') break;
    prefix += `/${token.text}`;
  }
  return prefix;
}

/** Candidates that could cover the canonical path, in the order of the policy. */
export function selectByPath<C extends Candidate>(index: PathIndex<C>, path: string): readonly C[] {
  if (index.byPrefix === null) return index.all;
  const found = [...(index.byPrefix.get('') ?? [])];
  for (let end = path.indexOf('/', 1); ; end = path.indexOf('/', end + 1)) {
    found.push(...(index.byPrefix.get(end === -1 ? path : path.slice(0, end)) ?? []));
    if (end === -1) break;
  }
  return found.sort((a, b) => a.rule.order - b.rule.order);
}
