// Which test holds each known bypass: attempts of the suite by their id, and scenario tests elsewhere, whose title
// begins with the id in brackets (`[time-gateway-killed] the keeper killed: ...`).

import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { variants, type Variant } from './bypass.ts';

/** What is looked at of an attempt. */
export interface Held {
  readonly id: string;
  readonly notIn?: Partial<Readonly<Record<Variant, string>>>;
}

/** An id that stands at the head of a test's title, and the file. */
export interface Titled {
  readonly id: string;
  readonly file: string;
}

const root = join(import.meta.dirname, '../..');
const titleHead = /(?<=['"`])(?:\[[a-z][a-z0-9-]*\] ?)+/g;

/** Every id at the head of a title in the test files below `test/bypass` and `test/e2e`. */
export function readTitles(): Titled[] {
  return ['bypass', 'e2e']
    .map((folder) => join(root, 'test', folder))
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
    .filter((file) => file.endsWith('.test.ts'))
    .flatMap((file) => titledIds(readFileSync(file, 'utf8'), relative(root, file)));
}

/** Ids at the head of string literals, as `readTitles` takes them from a file. */
export function titledIds(text: string, file: string): Titled[] {
  return [...text.matchAll(titleHead)].flatMap(([head]) =>
    [...head.matchAll(/\[([^\]]+)\]/g)].map(([, id = '']) => ({ id, file })),
  );
}

/** What is wrong: ids without a test, tests of unknown ids, attempts that no variant makes. Empty when nothing is. */
export function findGaps(
  ids: readonly string[],
  attempts: readonly Held[],
  titles: readonly Titled[],
): string[] {
  const known = new Set(ids);
  const tested = new Set([...attempts, ...titles].map(({ id }) => id));
  return [
    ...ids.filter((id) => !tested.has(id)).map((id) => `${id} has no test`),
    ...attempts.filter(({ id }) => !known.has(id)).map(({ id }) => `an attempt names the unknown id ${id}`),
    ...titles
      .filter(({ id }) => !known.has(id))
      .map(({ id, file }) => `${file} names the unknown id ${id} in a title`),
    ...attempts
      .filter(({ notIn }) => variants.every((variant) => notIn?.[variant] !== undefined))
      .map(({ id }) => `an attempt of ${id} is made in no variant`),
  ];
}
