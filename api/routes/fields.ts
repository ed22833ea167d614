// Pieces of the routes' schemas, and how a checked query is read.

import { ProblemError } from '../problem.ts';
import type { Call, Fields, Schema } from './api-route.ts';

type Query = Call['query'];

/** Text that records hold or that is looked for in them. */
export const text = (description: string): Schema => ({ type: 'string', description });
/** A text of a query, with a bound. */
export const asked = (description: string, maxLength = 256): Schema => {
  return { type: 'string', minLength: 1, maxLength, description };
};
export const word = (description: string, words: readonly string[]): Schema => {
  return { type: 'string', enum: words, description };
};
export const count = (description: string): Schema => ({ type: 'integer', description });
export const flag = (description: string): Schema => ({ type: 'boolean', description });
export const time = (description: string): Schema => ({ type: 'string', format: 'date-time', description });
export const number = (description: string): Schema => {
  return { type: 'integer', minimum: 1, maximum: 2_147_483_647, description };
};

/** What every list over time takes. */
export const between: Fields = {
  from: time('From this time on (RFC 3339; a date alone is its first moment by UTC).'),
  until: time('Before this time.'),
};

/** Sums that runs, jobs and destinations have. */
export const totalFields: Fields = {
  flows: count('Flows that have ended.'),
  blocked: count('Those that were blocked.'),
  wouldBlock: count('Those that would be in mode block.'),
  sent: count('Bytes to the destinations.'),
  received: count('Bytes from them.'),
};

/** RFC 3339, by UTC with milliseconds. */
export const isoTime = (ms: number): string => new Date(ms).toISOString();
export const isoOrNull = (ms: number | null | undefined): string | null =>
  ms === null || ms === undefined ? null : isoTime(ms);

/** The fields of a query that are texts or numbers, under the names that the store's filters have. */
export function pick<T extends object>(query: Query, names: readonly (keyof T & string)[]): Partial<T> {
  const found = names.filter((name) => query[name] !== undefined).map((name) => [name, query[name]]);
  // Checked against the route's schema, whose types are those of the filter.
  return Object.fromEntries(found) as Partial<T>;
}

/** `from` and `until` in milliseconds. @throws ProblemError invalid-query */
export function readBetween(query: Query): { fromMs?: number; untilMs?: number } {
  const [fromMs, untilMs] = [readTime(query, 'from'), readTime(query, 'until')];
  if (fromMs !== undefined && untilMs !== undefined && untilMs <= fromMs)
    throw new ProblemError('invalid-query', 'until is after from');
  return {
    ...(fromMs === undefined ? {} : { fromMs }),
    ...(untilMs === undefined ? {} : { untilMs }),
  };
}

function readTime(query: Query, name: string): number | undefined {
  const value = query[name];
  if (value === undefined) return undefined;
  const ms = Date.parse(String(value));
  if (Number.isNaN(ms) || ms < 0)
    throw new ProblemError('invalid-query', `${name} is a time like 2026-11-25T01:00:00Z`);
  return ms;
}

/** The day of a time by UTC: `YYYY-MM-DD`. */
export const dayOf = (ms: number): string => isoTime(ms).slice(0, 10);
