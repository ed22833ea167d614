// Cursors of the API: where a list goes on, bound to the very question that it belongs to. A cursor opens nothing: every
// page asks again whose rows the caller may see.

import { createHash } from 'node:crypto';
import { ProblemError } from './problem.ts';

/** Everything that makes two questions different ones. */
export type Question = Readonly<Record<string, unknown>>;

const longest = 400;

/** The cursor to answer with; `inner` is the store's own. */
export function writeListCursor(question: Question, inner: string): string {
  return Buffer.from(`${markOf(question, inner)}.${inner}`).toString('base64url');
}

/** The store's cursor in one that came back. @throws ProblemError invalid-cursor */
export function readListCursor(question: Question, cursor: string): string {
  const text = cursor.length > longest ? '' : Buffer.from(cursor, 'base64url').toString('latin1');
  const at = text.indexOf('.');
  const inner = text.slice(at + 1);
  if (at < 1 || text.slice(0, at) !== markOf(question, inner))
    throw new ProblemError('invalid-cursor', 'begin again without a cursor, and keep the query as it was');
  return inner;
}

function markOf(question: Question, inner: string): string {
  const said = Object.entries(question).filter(([, value]) => value !== undefined);
  const sorted = said.toSorted(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify([sorted, inner]))
    .digest('base64url')
    .slice(0, 12);
}
