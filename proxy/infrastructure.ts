// Whether a request is the runner program's own: asked of whoever knows jobs, with the question whose answer handed out its
// URL, where one did.

import type { Connection } from './connection.ts';
import { joinQuery } from './follow.ts';
import type { Judgement } from './judge.ts';

/** Asked once, by what is known from the head; counts the request for its connection. */
export function isOfRunnerProgram(
  { core, holder, attribution, carried }: Connection,
  { query, operation, search }: Judgement,
): boolean {
  carried.requests++;
  const { ports, storage, grants } = core;
  if (ports.isOfRunnerProgram === undefined || query?.scheme !== 'https') return false;
  const { host, port, path, method } = query;
  const from =
    storage.url(holder, query) ??
    storage.archive(holder, query) ??
    grants.url(holder, { host, port, pathAndQuery: joinQuery(path, search) }, method);
  const isOwn = ports.isOfRunnerProgram(attribution, operation, from?.asked?.query.operation ?? null);
  if (isOwn) carried.ofRunner++;
  return isOwn;
}
