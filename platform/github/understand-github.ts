// What a request to a GitHub means, by the role of the host that it goes to.

import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import type { HostRole } from '../../flow/platform-server.ts';
import type { GithubServer } from './github-server.ts';
import { splitPath } from './split-path.ts';
import { understandApi } from './understand-api.ts';
import { understandContainer } from './understand-container.ts';
import { understandCodeload, understandGist, understandRaw } from './understand-download.ts';
import { understandModels } from './understand-models.ts';
import { understandPackages } from './understand-packages.ts';
import { understandRest } from './understand-rest.ts';
import { understandService } from './understand-service.ts';
import { understandWeb } from './understand-web.ts';

type Reader = (server: GithubServer, request: AskedRequest, segments: readonly string[]) => Understanding;

const readers: Readonly<Record<HostRole, Reader>> = {
  web: understandWeb,
  api: understandApi,
  uploads: understandUploads,
  codeload: understandCodeload,
  raw: understandRaw,
  gist: understandGist,
  container: understandContainer,
  packages: (server, request, segments) => understandPackages(server, request, segments),
  models: understandModels,
  service: understandService,
};

export function understandGithub(server: GithubServer, role: HostRole, request: AskedRequest): Understanding {
  return readers[role](server, request, splitPath(request.path));
}

/** Files of releases; on GitHub Enterprise Server below `/api/uploads`. */
function understandUploads(
  server: GithubServer,
  request: AskedRequest,
  segments: readonly string[],
): Understanding {
  const isBelow = segments[0] === 'api' && segments[1] === 'uploads';
  return understandRest(server, request, isBelow ? segments.slice(2) : segments);
}
