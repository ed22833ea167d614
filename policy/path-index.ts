// Finds, among many rules of one host, those whose paths could cover a path: each pattern stands under the rarest of
// the literal segments that it must meet, and a path is looked up by its segments.

import type { Candidate } from './host-view.ts';
import type { PathPattern } from './match-path.ts';

export interface PathIndex<C extends Candidate> {
  readonly all: readonly C[];
  /** By literal segment, and under null what must be looked at for every path; null when there are few. */
  readonly bySegment: ReadonlyMap<string | null, readonly C[]> | null;
}

const fewCandidates = 12;

/** Indexes candidates in the order given; what is no http rule, or names no path, is always found. */
export function createPathIndex<C extends Candidate>(all: readonly C[]): PathIndex<C> {
  if (all.length <= fewCandidates) return { all, bySegment: null };
  const counts = countSegments(all);
  const bySegment = new Map<string | null, C[]>();
  for (const candidate of all) {
    for (const key of new Set(pathsOf(candidate)?.map((path) => rarestSegment(path, counts)) ?? [null])) {
      const list = bySegment.get(key);
      if (list === undefined) bySegment.set(key, [candidate]);
      else list.push(candidate);
    }
  }
  return { all, bySegment };
}

function pathsOf({ rule }: Candidate): readonly PathPattern[] | null {
  return rule.kind === 'http' ? rule.paths : null;
}

function countSegments(all: readonly Candidate[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const candidate of all) {
    for (const { tokens } of pathsOf(candidate) ?? []) {
      for (const token of tokens)
        if (token.kind === 'literal') counts.set(token.text, (counts.get(token.text) ?? 0) + 1);
    }
  }
  return counts;
}

/** Null for a pattern of wildcards only. */
function rarestSegment({ tokens }: PathPattern, counts: ReadonlyMap<string, number>): string | null {
  let rarest: string | null = null;
  for (const token of tokens) {
    if (token.kind !== 'literal') continue;
    if (rarest === null || counts.get(token.text)! < counts.get(rarest)!) rarest = token.text;
  }
  return rarest;
}

/** Candidates that could cover the canonical path, in the order of the policy. */
export function selectByPath<C extends Candidate>(index: PathIndex<C>, path: string): readonly C[] {
  const { bySegment } = index;
  if (bySegment === null) return index.all;
  const found = new Set(bySegment.get(null));
  for (const segment of new Set(path.slice(1).split('/')))
    for (const candidate of bySegment.get(segment) ?? []) found.add(candidate);
  return [...found].sort((a, b) => a.rule.order - b.rule.order);
}
