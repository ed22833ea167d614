// Pages of a GitLab's web host: downloads of a project, what Go asks where a module lies, and everything else by what
// its path surely names.

import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import type { Access, Touch } from '../../flow/operation.ts';
import { accessByMethod } from '../github/build-operation.ts';
import { ownerTouch, platformTouch } from '../github/touches.ts';
import { buildOperation, unknownOperation, type Draft } from './build-operation.ts';
import type { GitlabServer } from './gitlab-server.ts';
import { signedRedirectReader } from './signed-redirect.ts';
import { areNames, hiddenProject, projectTouch } from './touches.ts';

/** First segments that are no group's ("Reserved project and group names", docs.gitlab.com). */
const reserved: ReadonlySet<string> = new Set(
  (
    '- .well-known 404.html 422.html 500.html 502.html 503.html admin api apple-touch-icon.png assets dashboard ' +
    'deploy.html explore favicon.ico favicon.png files groups health_check help import jwt login oauth profile projects ' +
    'public robots.txt s search sitemap sitemap.xml sitemap.xml.gz slash-command-logo.png snippets unsubscribes uploads ' +
    'users v2'
  ).split(' '),
);

/** Names that no project and no group below the top has: with them a page of the project begins. */
const pages: ReadonlySet<string> = new Set(
  '- badges blame blob builds commits create create_dir edit files find_file new preview raw refs tree update wikis'.split(
    ' ',
  ),
);

const downloads: readonly (readonly [form: RegExp, name: string])[] = [
  [/^-\/archive\/./, 'archive/download'],
  [/^-\/raw\/./, 'raw/download'],
  [/^-\/jobs\/(?:[^/]+\/artifacts|artifacts)\/./, 'artifacts/download'],
  [/^-\/releases\/[^/]+\/downloads\/./, 'releases/download'],
];

export function understandPage(
  server: GitlabServer,
  request: AskedRequest,
  segments: readonly string[],
): Understanding {
  const access = accessByMethod(request.method);
  const known = access === 'read' ? (readModule(request, segments) ?? readDownload(segments)) : null;
  const operation =
    known === null
      ? unknownOperation(server, request, 'web/page', [placeOf(segments, access)])
      : buildOperation(server, request, known);
  return { operation, evidence: [], answer: signedRedirectReader(server) };
}

/** `?go-get=1` is answered with where the module lies, whatever follows its name (go.dev/ref/mod#vcs-find). */
function readModule({ query }: AskedRequest, segments: readonly string[]): Draft | null {
  const isAsked = query === 'go-get=1' && segments.length >= 2 && !reserved.has(segments[0]!.toLowerCase());
  return isAsked ? { name: 'go/discover', touches: [projectTouch(segments, 'read')] } : null;
}

function readDownload(segments: readonly string[]): Draft | null {
  const dash = segments.indexOf('-');
  if (dash < 2 || reserved.has(segments[0]!.toLowerCase())) return null;
  const rest = segments.slice(dash).join('/');
  const name = downloads.find(([form]) => form.test(rest))?.[1];
  if (name === undefined) return null;
  const isArtifact = name === 'artifacts/download';
  return {
    name,
    touches: [projectTouch(segments.slice(0, dash), 'read')],
    needs: [isArtifact ? { jobs: 'read' } : name === 'releases/download' ? { releases: 'read' } : {}],
    ungrantable: isArtifact || name === 'releases/download' ? [] : ['read_api'],
    isOpen: true,
  };
}

function placeOf(segments: readonly string[], access: Access): Touch {
  const [first, second] = segments;
  if (first === undefined) return platformTouch(access);
  // Snippets of people: whose they are no path tells.
  if (first === 'snippets' || (first === '-' && second === 'snippets')) return ownerTouch(null, access);
  if (first.toLowerCase() === 'groups' && second !== undefined) return groupOfPage(segments.slice(1), access);
  if (reserved.has(first.toLowerCase())) return platformTouch(access);
  const end = segments.findIndex((segment, index) => index >= 2 && pages.has(segment.toLowerCase()));
  // Without such a word a page of a project and a project further down look alike.
  if (end < 0 && segments.length > 2) return hiddenProject(access);
  const path = (end < 0 ? segments : segments.slice(0, end)).map((segment) =>
    segment.replace(/\.atom$/i, ''),
  );
  return path.length === 1 ? groupOfPage(path, access) : projectTouch(path, access);
}

function groupOfPage(segments: readonly string[], access: Access): Touch {
  const dash = segments.indexOf('-');
  const path = dash < 0 ? segments : segments.slice(0, dash);
  return ownerTouch(path.length > 0 && areNames(path) ? path.join('/') : null, access);
}
