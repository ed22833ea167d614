// An operation in the words of `explain`: one flat row.

import type { Operation, Touch } from '../flow/operation.ts';

/** What is said of a request to a host that no platform has: it needs nothing of any token. */
const nobodyKnows = {
  operation: null,
  platform: null,
  owner: null,
  repo: null,
  access: null,
  needs: [{}],
  ungrantable: [],
  sureness: 'unknown',
  widens: false,
} as const;

/** The fields of an answer that say what a request means. */
export function describeOperation(operation: Operation | null): Readonly<Record<string, unknown>> {
  if (operation === null) return nobodyKnows;
  const { name, platform, access, needs, ungrantable, sureness, widens, touches, credential, detail } =
    operation;
  const { owner, repo } = findPlace(touches);
  const meaning = { operation: name, platform, owner, repo, access, needs, ungrantable, sureness, widens };
  return { ...meaning, touches, credential, ...(detail === null ? {} : { meaning: detail }) };
}

/** The repository that is spoken of first, else an owner. */
function findPlace(touches: readonly Touch[]): { owner: string | null; repo: string | null } {
  for (const touch of touches)
    if (touch.kind === 'repository') return { owner: touch.owner, repo: touch.name };
  for (const touch of touches) if (touch.kind === 'action') return { owner: touch.owner, repo: touch.name };
  for (const touch of touches) {
    if (touch.kind === 'owner') return { owner: touch.owner, repo: null };
    if (touch.kind === 'image') {
      const [, owner = null, ...rest] = touch.image.split('/');
      return { owner, repo: rest.length === 0 ? null : rest.join('/') };
    }
  }
  return { owner: null, repo: null };
}
