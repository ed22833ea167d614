// Collects the problems of one policy, each placed by the path of the value that it is about.

import type { Problem } from '../flow/errors.ts';

export type ValuePath = readonly (string | number)[];
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Where problems of one file go; `positionOf` answers the place of a value, or of its key with `key`. */
export interface ProblemList {
  readonly problems: Problem[];
  error(path: ValuePath, message: string, remedy?: string, at?: 'key' | 'value'): void;
  warn(path: ValuePath, message: string, remedy?: string): void;
}

export function createProblemList(
  file: string,
  positionOf: (path: ValuePath, at: 'key' | 'value') => Position,
  problems: Problem[],
): ProblemList {
  const add = (
    severity: Problem['severity'],
    path: ValuePath,
    message: string,
    remedy: string,
    at: 'key' | 'value',
  ) => problems.push({ file, ...positionOf(path, at), severity, message, remedy });
  return {
    problems,
    error: (path, message, remedy = '', at = 'value') => add('error', path, message, remedy, at),
    warn: (path, message, remedy = '') => add('warning', path, message, remedy, 'value'),
  };
}

/** A path as people read it: `scopes[2].http[0].host`. */
export function formatPath(path: ValuePath): string {
  let text = '';
  for (const part of path) text += typeof part === 'number' ? `[${part}]` : text === '' ? part : `.${part}`;
  return text;
}
