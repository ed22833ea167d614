// GitHub Packages by the protocols of npm, Maven, NuGet and RubyGems: whose packages they are and the permission that
// they need. Which package and which version is registry/'s to say.

import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import type { CredentialKind, Touch } from '../../flow/operation.ts';
import { accessByMethod, buildOperation, unknownOperation } from './build-operation.ts';
import type { GithubServer } from './github-server.ts';
import { decodeSegment } from './split-path.ts';
import { ownerTouch, platformTouch, repositoryTouch } from './touches.ts';
import { redirectReader } from './understand-download.ts';

/** Tokens that GitHub's registries give for the job's own are the job's own here. */
export const registryCredentials: readonly CredentialKind[] = ['job', 'derived'];

/** `type` is the registry's, where the path told it; else the host's first label does. */
export function understandPackages(
  server: GithubServer,
  request: AskedRequest,
  segments: readonly string[],
  type: string = request.host.slice(0, request.host.indexOf('.')),
): Understanding {
  const isAudit =
    type === 'npm' && request.method === 'POST' && segments.join('/').startsWith('-/npm/v1/security/');
  const access = isAudit ? 'read' : accessByMethod(request.method);
  const touch = placeOf(type, segments, access);
  if (touch === null) {
    const touches = [platformTouch(access)];
    return { operation: unknownOperation(server, request, 'packages/unknown', touches), evidence: [] };
  }
  const operation = buildOperation(server, request, {
    name: `packages/${access === 'read' ? 'download' : request.method === 'DELETE' ? 'delete' : 'publish'}`,
    touches: [touch],
    needs: [{ packages: access }],
    standsForJob: registryCredentials,
  });
  return { operation, evidence: [], answer: redirectReader(server) };
}

/** Whose packages: Maven names the repository, the others the owner. Null where the path is nobody's form. */
function placeOf(type: string, segments: readonly string[], access: 'read' | 'write'): Touch | null {
  const [first, second] = segments;
  switch (type) {
    case 'npm':
      return placeOfNpm(segments, access);
    case 'maven':
      return first === undefined || second === undefined ? null : repositoryTouch(first, second, access);
    case 'nuget':
    case 'rubygems':
      return first === undefined ? null : ownerTouch(first, access);
    default:
      return null;
  }
}

/** `/@acme%2Fapp`, `/@acme/app/-/…`, `/download/@acme/app/…`, `/-/package/@acme%2Fapp/dist-tags`, `/-/whoami`. */
function placeOfNpm(segments: readonly string[], access: 'read' | 'write'): Touch | null {
  const scope = segments.slice(0, 3).find((segment) => segment.startsWith('@'));
  if (scope !== undefined) {
    const owner = decodeSegment(scope).slice(1).split('/', 1)[0]!;
    return owner === '' ? null : ownerTouch(owner, access);
  }
  return segments[0] === '-' && access === 'read' ? platformTouch(access) : null;
}
