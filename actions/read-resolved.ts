// What a platform's answer made of the actions: for each the commit and the archive that the runner fetches then.

import type { StorageGrant } from '../flow/asked-request.ts';
import type { Held } from '../flow/held.ts';
import type { ActionTouch } from '../flow/operation.ts';
import { archiveGrant } from './archive-grant.ts';
import { unreadAction } from './read-asked.ts';
import {
  fieldOf,
  maxActions,
  parseBody,
  readCommit,
  readReference,
  readRepository,
  textOf,
} from './read-json.ts';

const maxTokenLength = 4_096;

/** One action of an answer, with its archives and what the job is to fetch them with. */
export interface ResolvedAction {
  readonly touch: ActionTouch;
  readonly grants: readonly StorageGrant[];
  /** Never recorded. */
  readonly token: string | null;
}

/** Reads an answer to `asked`, which adds the paths that the answer leaves out; a text says why it cannot be read. */
export function readResolved(body: Held, asked: readonly ActionTouch[]): readonly ResolvedAction[] | string {
  if (body.kind === 'opaque') return body.detail;
  const entries = fieldOf(parseBody(body), 'actions');
  if (typeof entries !== 'object' || entries === null || Array.isArray(entries))
    return 'the answer is no table of actions';
  const all: readonly unknown[] = Object.values(entries);
  if (all.length > maxActions) return `more than ${maxActions} actions in the answer`;
  const found: ResolvedAction[] = [];
  for (const entry of all) {
    const actions = readEntry(entry, asked);
    if (actions === null) return 'an entry of the answer cannot be read';
    found.push(...actions);
  }
  return found.length > maxActions ? `more than ${maxActions} actions in the answer` : found;
}

/** One for each path that was asked below the repository. */
function readEntry(entry: unknown, asked: readonly ActionTouch[]): ResolvedAction[] | null {
  const named = readRepository(textOf(entry, ['name', 'nameWithOwner']));
  const ref = readReference(textOf(entry, ['version', 'ref']));
  const commit = readCommit(textOf(entry, ['resolved_sha', 'resolvedSha']));
  const foundText = textOf(entry, ['resolved_name', 'resolvedNameWithOwner']);
  const found = readRepository(foundText);
  if (named === null || ref === null || commit === null) return null;
  // A name that is there and is none would be fetched from nobody knows where.
  if (found === null && fieldOf(entry, 'resolved_name') != null) return null;
  if (found === null && fieldOf(entry, 'resolvedNameWithOwner') != null) return null;
  const name = `${named.owner}/${named.name}`;
  const foundAs = found === null ? name : `${found.owner}/${found.name}`;
  const isSame = foundAs.toLowerCase() === name.toLowerCase();
  const touch = { ...unreadAction, ...named, ref, commit, ...(isSame ? {} : { foundAs }) };
  const grants = readArchives(entry, [name, foundAs], commit);
  const token = readToken(entry);
  const paths = asked.filter((one) => isOf(one, touch)).map(({ path }) => path);
  return [...new Set(paths.length === 0 ? [''] : paths)].map((path) => ({
    touch: { ...touch, path },
    grants,
    token,
  }));
}

function isOf(asked: ActionTouch, { owner, name, ref }: ActionTouch): boolean {
  return (
    asked.ref === ref && `${asked.owner}/${asked.name}`.toLowerCase() === `${owner}/${name}`.toLowerCase()
  );
}

function readArchives(entry: unknown, names: readonly string[], commit: string): StorageGrant[] {
  const details = fieldOf(entry, 'package_details') ?? fieldOf(entry, 'packageDetails');
  const digest = textOf(details, ['manifest_digest', 'manifestDigest']);
  const urls = [textOf(entry, ['tar_url', 'tarballUrl']), textOf(entry, ['zip_url', 'zipballUrl'])];
  const marks = digest === null || !/^sha256:[0-9a-f]{64}$/.test(digest) ? [commit] : [commit, digest];
  return urls.flatMap((url) => archiveGrant(url, names, marks) ?? []);
}

function readToken(entry: unknown): string | null {
  const token = fieldOf(fieldOf(entry, 'authentication'), 'token');
  return typeof token === 'string' && token.length <= maxTokenLength && /^[\x21-\x7e]+$/.test(token)
    ? token
    : null;
}
