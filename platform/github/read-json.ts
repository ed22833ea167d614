// JSON of bodies that were held, read without trust: what does not parse or has not the form is undefined.

import type { AnswerHead } from '../../flow/asked-request.ts';
import type { Held } from '../../flow/held.ts';

export function parseJson(body: Held | null): unknown {
  if (body?.kind !== 'whole') return undefined;
  try {
    const value: unknown = JSON.parse(body.body.toString('utf8'));
    return value;
  } catch {
    return undefined;
  }
}

/** True for an answer that says it is JSON. */
export function isJson(head: AnswerHead): boolean {
  return /^application\/(?:[\w.-]+\+)?json\b/i.test(head.header('content-type') ?? '');
}

/** An own field of an object. */
export function fieldOf(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Record<string, unknown>)[key]; // an object with this key, as just seen
}

/** The first of several fields that is a text of this length at most. */
export function textOf(value: unknown, keys: readonly string[], maxLength: number): string | null {
  for (const key of keys) {
    const text = fieldOf(value, key);
    if (typeof text === 'string' && text.length <= maxLength) return text;
  }
  return null;
}
