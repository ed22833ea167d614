// Links to further pages of a list name by number what was asked for by name (`/repositories/7/issues?page=2`, RFC
// 8288): the number is known from then on, so that clients which follow them are understood.

import type { AnswerHead } from '../../flow/asked-request.ts';
import type { Operation } from '../../flow/operation.ts';
import type { GithubServer } from './github-server.ts';

const maxLength = 16_384;
const maxLinks = 8;
const form =
  /<https:\/\/([a-z0-9.-]+)(?::\d{1,5})?(?:\/api\/v3)?\/(repositories|organizations|user)\/(\d{1,19})\//gi;

/** Learns from the answer to a list that the operation asked for by name; what does not agree teaches nothing. */
export function learnFromLinks(server: GithubServer, operation: Operation, head: AnswerHead): void {
  const link = head.status === 200 && operation.sureness !== 'unknown' ? head.header('link') : null;
  if (link === null || link.length > maxLength) return;
  // A comma parts links; what a query repeats of the request is encoded there, and would be a link too many here.
  const parts = link.split(/,\s*(?=<)/);
  const named = [...link.matchAll(form)].map(([, host, kind, id]) => ({ host, kind, id }));
  const [first] = named;
  if (first === undefined || named.length !== parts.length || parts.length > maxLinks) return;
  if (!named.every(({ host, kind, id }) => host === first.host && kind === first.kind && id === first.id))
    return;
  if (server.isOwnHost(first.host!.toLowerCase())) learn(server, operation, first.kind!, first.id!);
}

function learn(server: GithubServer, { touches }: Operation, kind: string, id: string): void {
  const [touch] = touches;
  if (touch?.kind === 'repository' && kind === 'repositories') {
    const { owner, name } = touch;
    if (owner !== null && name !== null)
      server.twins.learn({ id: Number(id), full_name: `${owner}/${name}` });
  } else if (touch?.kind === 'owner' && touch.owner !== null && kind !== 'repositories')
    server.twins.learnOwner(kind, id, touch.owner);
}
