// The API of a GitHub below its root: REST, and GraphQL at one path.

import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import { unknownOperation } from './build-operation.ts';
import type { GithubServer } from './github-server.ts';
import { understandGraphql } from './graphql.ts';
import { platformTouch } from './touches.ts';
import { understandRest } from './understand-rest.ts';

export function understandApi(
  server: GithubServer,
  request: AskedRequest,
  segments: readonly string[],
): Understanding {
  if (segments[0] === 'graphql')
    return segments.length === 1 ? understandGraphql(server, request) : opaqueDocument(server, request);
  return understandRest(server, request, segments);
}

function opaqueDocument(server: GithubServer, request: AskedRequest): Understanding {
  const touches = [platformTouch('write')];
  return { operation: unknownOperation(server, request, 'graphql/opaque', touches), evidence: [] };
}
