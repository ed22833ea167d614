// The host that people and git know: git, LFS, downloads and pages; on GitHub Enterprise Server its API as well.

import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import { accessByMethod, unknownOperation } from './build-operation.ts';
import type { GithubServer } from './github-server.ts';
import { ownerTouch, platformTouch, repositoryTouch } from './touches.ts';
import { understandGit } from './understand-git.ts';
import { understandRest } from './understand-rest.ts';

/** First segments that are the platform's own pages and no owner's. */
const reserved: ReadonlySet<string> = new Set(
  (
    'about api apps codespaces collections contact customer-stories dashboard discussions enterprise enterprises ' +
    'events explore features gist join login logout marketplace models new notifications orgs organizations ' +
    'password_reset pricing pulls issues raw readme search security sessions session settings site sponsors stars ' +
    'team topics trending users watching _services _registry codeload storage setup manage graphql'
  ).split(' '),
);

export function understandWeb(
  server: GithubServer,
  request: AskedRequest,
  segments: readonly string[],
): Understanding {
  const [first, second] = segments;
  if (!server.hasApiHost && first === 'api' && second === 'v3')
    return understandRest(server, request, segments.slice(2));
  if (!server.hasApiHost && first === 'api' && second === 'uploads')
    return understandRest(server, request, segments.slice(2));
  if (first === undefined || reserved.has(first.toLowerCase())) return page(server, request, segments);
  if (second === undefined) return page(server, request, segments);
  const git = understandGit(server, request, segments.slice(2), (access, refs) =>
    repositoryTouch(first, second, access, refs),
  );
  return git ?? page(server, request, segments);
}

function page(server: GithubServer, request: AskedRequest, segments: readonly string[]): Understanding {
  const access = accessByMethod(request.method);
  const [first, second] = segments;
  const isReserved = first === undefined || reserved.has(first.toLowerCase());
  const touch = isReserved
    ? platformTouch(access)
    : second === undefined
      ? ownerTouch(first, access)
      : repositoryTouch(first, second, access);
  return { operation: unknownOperation(server, request, 'web/page', [touch]), evidence: [] };
}
