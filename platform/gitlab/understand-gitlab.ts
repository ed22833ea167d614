// What a request to a GitLab means: its web host serves the API, git, LFS, pages and the tokens of its registry; the
// registry has a host of its own.

import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import type { HostRole } from '../../flow/platform-server.ts';
import { accessByMethod } from '../github/build-operation.ts';
import { splitPath } from '../github/split-path.ts';
import { platformTouch } from '../github/touches.ts';
import { unknownOperation } from './build-operation.ts';
import type { GitlabServer } from './gitlab-server.ts';
import { understandGraphql } from './graphql.ts';
import { understandGit } from './understand-git.ts';
import { understandPage } from './understand-page.ts';
import { understandRegistry, understandTokens, understandWebRegistry } from './understand-registry.ts';
import { understandRest } from './understand-rest.ts';

export function understandGitlab(server: GitlabServer, role: HostRole, request: AskedRequest): Understanding {
  const segments = splitPath(request.path);
  if (role === 'container') return understandRegistry(server, request, segments);
  const [first, second] = segments;
  if (first === 'api') return understandApi(server, request, segments);
  if (first === 'jwt' && second === 'auth' && segments.length === 2) return understandTokens(server, request);
  if (first === 'v2') return understandWebRegistry(server, request, segments);
  return understandGit(server, request, segments) ?? understandPage(server, request, segments);
}

function understandApi(
  server: GitlabServer,
  request: AskedRequest,
  segments: readonly string[],
): Understanding {
  if (segments[1] === 'graphql' && segments.length === 2) return understandGraphql(server, request);
  if (segments[1] === 'v4') return understandRest(server, request, segments.slice(2));
  const touches = [platformTouch(accessByMethod(request.method))];
  return { operation: unknownOperation(server, request, 'rest/unknown', touches), evidence: [] };
}
