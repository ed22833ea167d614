// What a request to a GitHub means, by the role of the host that it goes to.

import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import type { HostRole } from '../../flow/platform-server.ts';
import { accessByMethod, unknownOperation } from './build-operation.ts';
import type { GithubServer } from './github-server.ts';
import { splitPath } from './split-path.ts';
import { platformTouch } from './touches.ts';
import { understandRest } from './understand-rest.ts';
import { understandWeb } from './understand-web.ts';

type Reader = (server: GithubServer, request: AskedRequest, segments: readonly string[]) => Understanding;

const readers: Readonly<Record<HostRole, Reader>> = {
  web: understandWeb,
  api: understandRest,
  uploads: understandRest,
  codeload: unplaced,
  raw: unplaced,
  gist: unplaced,
  container: unplaced,
  packages: unplaced,
  models: unplaced,
  service: unplaced,
};

export function understandGithub(server: GithubServer, role: HostRole, request: AskedRequest): Understanding {
  return readers[role](server, request, splitPath(request.path));
}

function unplaced(server: GithubServer, request: AskedRequest): Understanding {
  const touches = [platformTouch(accessByMethod(request.method))];
  return { operation: unknownOperation(server, request, 'host/unknown', touches), evidence: [] };
}
