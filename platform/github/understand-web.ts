// The host that people and git know: git, LFS, downloads and pages. On GitHub Enterprise Server without subdomains its
// API, archives, gists, packages and the runner's service are paths of this host as well.

import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import { accessByMethod, unknownOperation } from './build-operation.ts';
import type { TouchAs } from './git-terms.ts';
import type { GithubServer } from './github-server.ts';
import { ownerTouch, platformTouch, repositoryTouch } from './touches.ts';
import { download, understandCodeload, understandGist, understandRaw } from './understand-download.ts';
import { understandGit } from './understand-git.ts';
import { understandLfs } from './understand-lfs.ts';
import { understandPackages } from './understand-packages.ts';
import { understandApi } from './understand-api.ts';
import { understandService } from './understand-service.ts';

/** First segments that are the platform's own pages and no owner's. */
const reserved: ReadonlySet<string> = new Set(
  (
    'about account api apps codeload codespaces collections contact copilot customer-stories dashboard devices ' +
    'discussions enterprise enterprises events explore features gist github-copilot graphql issues join login logout ' +
    'manage marketplace models new notifications organizations orgs password_reset pricing pulls raw readme search ' +
    'security session sessions settings setup signup site sponsors stafftools stars storage suggestions team topics ' +
    'trending uploads users watching _codeload _registry _services'
  ).split(' '),
);

export function understandWeb(
  server: GithubServer,
  request: AskedRequest,
  segments: readonly string[],
): Understanding {
  const own = server.hasApiHost ? null : understandEnterprise(server, request, segments);
  if (own !== null) return own;
  const [first, second] = segments;
  if (first === undefined || second === undefined || isReserved(first))
    return page(server, request, segments);
  return understandRepository(server, request, first, second, segments.slice(2));
}

function isReserved(segment: string): boolean {
  return reserved.has(segment.toLowerCase());
}

/** What GitHub Enterprise Server serves on its one host; null for everything else. */
function understandEnterprise(
  server: GithubServer,
  request: AskedRequest,
  segments: readonly string[],
): Understanding | null {
  const [first, second] = segments;
  const rest = segments.slice(1);
  switch (first) {
    case 'api':
      if (second === 'v3' || second === 'uploads') return understandApi(server, request, segments.slice(2));
      return second === 'graphql' ? understandApi(server, request, rest) : null;
    case 'manage':
      return second === 'v1' ? understandApi(server, request, segments) : null;
    case 'codeload':
    case '_codeload':
      return understandCodeload(server, request, rest);
    case 'raw':
      return understandRaw(server, request, rest);
    case 'gist':
      return understandGist(server, request, rest);
    case '_registry':
      return understandPackages(server, request, segments.slice(2), second);
    case '_services':
      return understandService(server, request, rest);
    default:
      return null;
  }
}

function understandRepository(
  server: GithubServer,
  request: AskedRequest,
  owner: string,
  name: string,
  rest: readonly string[],
): Understanding {
  const touchAs: TouchAs = (access, refs) => repositoryTouch(owner, name, access, refs);
  if (rest[0] === 'info' && rest[1] === 'lfs') return understandLfs(server, request, rest.slice(2), touchAs);
  const git = understandGit(server, request, rest, touchAs);
  if (git !== null) return git;
  const downloaded = nameOfDownload(rest);
  if (downloaded !== null) return download(server, request, downloaded, touchAs('read', null));
  return page(server, request, [owner, name, ...rest]);
}

function nameOfDownload(rest: readonly string[]): string | null {
  const [first, second, third] = rest;
  if (third !== undefined && first === 'releases') {
    const isFile =
      (second === 'download' && rest.length > 3) || (second === 'latest' && third === 'download');
    return isFile ? 'release/download' : null;
  }
  if (second === undefined) return null;
  if (first === 'archive' || first === 'tarball' || first === 'zipball') return 'archive/download';
  return first === 'raw' ? 'raw/download' : null;
}

function page(server: GithubServer, request: AskedRequest, segments: readonly string[]): Understanding {
  const access = accessByMethod(request.method);
  const touches = [placeOfPage(access, segments)];
  return { operation: unknownOperation(server, request, 'web/page', touches), evidence: [] };
}

function placeOfPage(access: 'read' | 'write', segments: readonly string[]): ReturnType<TouchAs> {
  const [first, second] = segments;
  if (first === undefined) return platformTouch(access);
  if (/^(?:orgs|users|organizations)$/i.test(first) && second !== undefined)
    return ownerTouch(second, access);
  if (isReserved(first)) return platformTouch(access);
  return second === undefined ? ownerTouch(first, access) : repositoryTouch(first, second, access);
}
