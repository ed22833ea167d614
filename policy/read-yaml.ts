// Reads any YAML file that a person wrote (sallyport.yaml) with the same care as a policy: every problem at once,
// with its place and remedy.

import { readFileSync } from 'node:fs';
import { InvalidInputError, type Problem } from '../flow/errors.ts';
import { checkBySchema } from './check-schema.ts';
import { parseYaml } from './parse-yaml.ts';
import type { ProblemList } from './problem-list.ts';

/** Data that fits its schema, and what is odd about it all the same. */
export interface CheckedYaml<T> {
  readonly data: T;
  readonly warnings: readonly Problem[];
}

/**
 * Parses, checks by schema, then by `checkMeaning`, which reports what a schema cannot say. It is given what fits the
 * schema: where the rest stood, keys are missing and items of lists are undefined, whatever the type says.
 * @throws InvalidInputError config-invalid with every problem
 */
export function readYamlFile<T>(
  path: string,
  schema: object,
  empty: T,
  checkMeaning: (data: T, list: ProblemList) => void,
): CheckedYaml<T> {
  const problems: Problem[] = [];
  const { data, list } = parseYaml(path, readText(path), problems);
  const checked = data === null && problems.length > 0 ? empty : checkBySchema(data, schema, list, empty);
  if (checked !== empty) checkMeaning(checked, list);
  const sorted = problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
  if (sorted.some(({ severity }) => severity === 'error')) {
    throw new InvalidInputError('config-invalid', sorted);
  }
  return { data: checked, warnings: sorted };
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const remedy = 'name a readable file with --config';
    throw new InvalidInputError('config-invalid', [
      { file: path, line: 1, column: 1, severity: 'error', message: `cannot be read: ${message}`, remedy },
    ]);
  }
}
