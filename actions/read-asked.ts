// Which actions a runner asks for, from the body of its call.

import type { Held } from '../flow/held.ts';
import type { ActionTouch } from '../flow/operation.ts';
import { fieldOf, maxActions, parseBody, readReference, readRepository, textOf } from './read-json.ts';

const maxPathLength = 255;

/** Stands for actions that nobody can name. */
export const unreadAction: ActionTouch = {
  kind: 'action',
  access: 'read',
  owner: null,
  name: null,
  path: '',
  ref: null,
};

/** The actions of a call, in its order; a text says why they cannot be read. */
export function readAsked(body: Held): readonly ActionTouch[] | string {
  if (body.kind === 'opaque') return body.detail;
  const entries = fieldOf(parseBody(body), 'actions');
  if (!Array.isArray(entries)) return 'the body is no list of actions';
  if (entries.length > maxActions) return `more than ${maxActions} actions`;
  const actions: ActionTouch[] = [];
  for (const entry of entries as readonly unknown[]) {
    const action = readEntry(entry);
    if (action === null) return 'an entry names no action';
    actions.push(action);
  }
  return actions;
}

function readEntry(entry: unknown): ActionTouch | null {
  const named = readRepository(textOf(entry, ['action', 'nameWithOwner']));
  const ref = readReference(textOf(entry, ['version', 'ref']));
  const path = fieldOf(entry, 'path') ?? '';
  if (named === null || ref === null || typeof path !== 'string' || path.length > maxPathLength) return null;
  return { ...unreadAction, ...named, ref, path: trimPath(path) };
}

const trimPath = (path: string): string => path.replaceAll('\\', '/').replace(/^\.?\/+|\/+$/g, '');
