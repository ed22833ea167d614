// Bodies of the two services that resolve actions, read without trust: GitHub's run service writes its keys with
// underscores, the older service of GitHub Enterprise Server in camel case.

import type { Held } from '../flow/held.ts';

/** How many actions one call may name. */
export const maxActions = 64;

const repository = /^([A-Za-z0-9_-]{1,100})\/([A-Za-z0-9._-]{1,100})$/;
const reference = /^[^\s\p{Cc}]{1,255}$/u;
const commit = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** The JSON of a whole body; undefined where it is none. */
export function parseBody(body: Held): unknown {
  if (body.kind !== 'whole') return undefined;
  try {
    const value: unknown = JSON.parse(body.body.toString('utf8'));
    return value;
  } catch {
    return undefined;
  }
}

/** An own field of an object. */
export function fieldOf(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Record<string, unknown>)[key]; // an object with this key, as just seen
}

/** The one of two spellings that is there and is a text; null where none is, or both say different things. */
export function textOf(value: unknown, spellings: readonly [string, string]): string | null {
  const [first, second] = spellings.map((key) => fieldOf(value, key));
  if (first !== undefined && second !== undefined && first !== second) return null;
  const text = first ?? second;
  return typeof text === 'string' ? text : null;
}

/** Owner and name, or null where it is no `owner/name`. */
export function readRepository(text: string | null): { owner: string; name: string } | null {
  const match = text === null ? null : repository.exec(text);
  if (match === null || /^\.{1,2}$/.test(match[2]!)) return null;
  return { owner: match[1]!, name: match[2]! };
}

/** A branch, tag or commit as it is written behind `@`, or null. */
export function readReference(text: string | null): string | null {
  return text !== null && reference.test(text) ? text : null;
}

/** A whole commit id (SHA-1 or SHA-256) in lower case, or null. */
export function readCommit(text: string | null): string | null {
  const lower = text?.toLowerCase() ?? '';
  return commit.test(lower) ? lower : null;
}
