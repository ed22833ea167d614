// A stand-in of GitHub: REST by its real paths, with links of pages that name repositories by number, validators and
// the header of permissions; GraphQL; uploads and archives. It takes every write that carries its token: what does
// not arrive was refused by the gateway.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ArrivedRequest } from '../../netns/web-server.ts';
import { type ForgeGit, isGitPath } from './forge-git.ts';

/** A call of the API, below its root. */
interface Call {
  readonly root: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly hasToken: boolean;
  readonly body: string;
  header(name: string): string;
}

interface Told {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

const ids: Readonly<Record<string, number>> = {
  'acme/app': 7,
  'acme/lib': 8,
  'acme/vault': 9,
  'evil/app': 666,
};
const orgIds: Readonly<Record<string, number>> = { acme: 77 };
const nameOf = (id: string): string =>
  Object.entries(ids).find(([, known]) => String(known) === id)?.[0] ?? '';
const orgOf = (id: string): string =>
  Object.entries(orgIds).find(([, known]) => String(known) === id)?.[0] ?? '';
const accepted = (permissions: string): { readonly 'x-accepted-github-permissions': string } => ({
  'x-accepted-github-permissions': permissions,
});
const notFound: Told = { status: 404, body: { message: 'Not Found', status: '404' } };
const issueUrl = (kind: string): string => `https://github.com/acme/app/${kind}/1#issuecomment-1`;

const either = 'issues=write; pull_requests=write';
type Route = readonly [
  method: string,
  path: RegExp,
  answer: (call: Call, name: string, rest: string) => Told,
];
const repository = (rest: string): RegExp => new RegExp(`^/repos/([^/]+/[^/]+)${rest}$`);

/** The first that fits; what a write makes is told by 201. */
const routes: readonly Route[] = [
  ['GET', repository(''), (_, name) => ({ status: 200, body: { id: ids[name], full_name: name, name } })],
  ['GET', repository('/issues'), (call, name) => listIssues(call, name)],
  ['GET', /^\/repositories\/(\d+)\/issues$/, (call, id) => listIssues(call, nameOf(id))],
  ['GET', /^\/orgs\/([^/]+)\/repos$/, (call, org) => listRepositories(call, org)],
  ['GET', /^\/organizations\/(\d+)\/repos$/, (call, id) => listRepositories(call, orgOf(id))],
  ['POST', repository('/issues'), () => made('issues=write', { number: 6, html_url: issueUrl('issues') })],
  // One is an issue; two is a pull request, which the path does not tell.
  ['POST', repository('/issues/1/comments'), () => made(either, { html_url: issueUrl('issues') })],
  ['POST', repository('/issues/2/comments'), () => made(either, { html_url: issueUrl('pull') })],
  ['POST', repository('/issues/1/labels'), () => made('issues=write', [])],
  ['POST', repository('/labels'), () => made(either, { name: 'x' })],
  ['POST', repository('/statuses/[0-9a-f]+'), () => made('statuses=write', {})],
  ['POST', repository('/releases'), () => made('contents=write', { id: 1 })],
  ['POST', repository('/releases/\\d+/assets'), () => made('contents=write', { id: 1, state: 'uploaded' })],
  ['POST', repository('/attestations'), () => made('attestations=write', { id: 1 })],
  ['POST', repository('/keys'), () => made('administration=write', { id: 1 })],
  [
    'GET',
    repository('/pulls/\\d+'),
    () => ({ status: 200, body: {}, headers: accepted('pull_requests=read; contents=read') }),
  ],
  ['GET', repository('/actions/secrets'), () => ({ status: 200, body: { total_count: 0, secrets: [] } })],
  ['GET', repository('/widgets'), () => ({ status: 200, body: [] })],
  [
    'POST',
    repository('/check-runs'),
    () => ({
      status: 403,
      body: { message: 'Resource not accessible by integration' },
      headers: accepted('checks=write'),
    }),
  ],
  [
    'GET',
    repository('/tarball/(.+)'),
    (call, name, ref) => ({
      status: 302,
      headers: { location: `${archiveRoot(call.root)}/${name}/legacy.tar.gz/${ref}?token=x` },
    }),
  ],
  ['GET', /^\/([^/]+\/[^/]+)\/legacy\.tar\.gz\/(.+)$/, () => ({ status: 200, body: 'the archive' })],
  [
    'GET',
    repository('/actions/artifacts/\\d+/zip'),
    () => ({ status: 302, headers: { location: signedUrl() } }),
  ],
  ['GET', /^\/results\/artifact\.zip$/, () => ({ status: 200, body: 'the artifact' })],
  ['POST', /^(?:\/api)?\/graphql$/, answerGraphql],
  // Of the runner's own service and of the registry.
  ['GET', /\/idtoken\//, () => ({ status: 200, body: { value: 'x' } })],
  ['GET', /^\/token$/, () => ({ status: 200, body: { token: 'x' } })],
];

/** Where artifacts lie, good for five minutes. */
export const storageHost = 'productionresultssa3.blob.core.windows.net';
const signedUrl = (): string =>
  `https://${storageHost}/results/artifact.zip?se=${new Date(Date.now() + 300_000).toISOString()}&sig=x`;

function made(permissions: string, body: unknown): Told {
  return { status: 201, body, headers: accepted(permissions) };
}

function archiveRoot(root: string): string {
  return root.replace('//api.', '//codeload.').replace(/\/api\/v3$/, '/_codeload');
}

/** Five items, by pages; the links name what is listed by its number, as GitHub's do. */
function page(call: Call, path: string, items: readonly unknown[]): Told {
  const each = Number(call.query.get('per_page') ?? 30);
  const at = Number(call.query.get('page') ?? 1);
  const last = Math.ceil(items.length / each);
  const link = (to: number, relation: string): string =>
    `<${call.root}${path}?per_page=${each}&page=${to}>; rel="${relation}"`;
  const links = at < last ? { link: `${link(at + 1, 'next')}, ${link(last, 'last')}` } : {};
  const etag = `W/"${path}-${at}"`;
  const headers = { ...links, etag, ...accepted('issues=read') };
  if (call.header('if-none-match') === etag) return { status: 304, headers };
  return { status: 200, body: items.slice((at - 1) * each, at * each), headers };
}

function listIssues(call: Call, name: string): Told {
  const items = [1, 2, 3, 4, 5].map((number) => ({ number, title: `issue ${number} of ${name}` }));
  return page(call, `/repositories/${ids[name]}/issues`, items);
}

function listRepositories(call: Call, org: string): Told {
  const items = Object.entries(ids)
    .filter(([name]) => name.startsWith(`${org}/`))
    .map(([name, id]) => ({ id, full_name: name }));
  return page(call, `/organizations/${orgIds[org]}/repos`, items);
}

/** Knows a few documents: what they ask for is told by their text. */
function answerGraphql(call: Call): Told {
  const { query, variables } = JSON.parse(call.body) as {
    readonly query: string;
    readonly variables?: Readonly<Record<string, unknown>>;
  }; // every client of the tests sends these
  if (query.includes('createDeployment'))
    return {
      status: 200,
      body: {
        data: null,
        errors: [{ type: 'FORBIDDEN', message: 'Resource not accessible by integration' }],
      },
    };
  if (query.includes('createIssue'))
    return {
      status: 200,
      body: {
        data: {
          createIssue: { issue: { id: 'I_6', number: 6, url: 'https://github.com/acme/app/issues/6' } },
        },
      },
    };
  const [owner, name] = [variables?.['owner'] ?? 'acme', variables?.['name'] ?? 'app'].map(String);
  const settings = {
    hasIssuesEnabled: true,
    hasWikiEnabled: false,
    description: '',
    viewerPermission: 'WRITE',
    parent: null,
  };
  const repository = {
    id: 'R_7',
    name,
    owner: { login: owner },
    nameWithOwner: `${owner}/${name}`,
    defaultBranchRef: { name: 'main' },
    issues: { totalCount: 5, nodes: [{ number: 1 }] },
    ...settings,
  };
  return { status: 200, body: { data: { repository } } };
}

/** Answers requests to any GitHub: `api.` and `uploads.` hosts, `/api/v3` of a server of one's own, git on web hosts. */
export function answerGithub(
  git: ForgeGit,
  token: string,
): (request: IncomingMessage, response: ServerResponse, arrived: ArrivedRequest) => void {
  return (request, response, { host, target }) => {
    if (isGitPath(target)) git.answer(request, response);
    else void answerApi(token, request, response, host);
  };
}

async function answerApi(
  token: string,
  request: IncomingMessage,
  response: ServerResponse,
  host: string,
): Promise<void> {
  let body = '';
  for await (const chunk of request) body += String(chunk);
  const url = new URL(request.url ?? '/', `https://${host}`);
  const below = /^\/(?:api\/(?:v3|uploads)|_codeload)(?=\/)/.exec(url.pathname)?.[0] ?? '';
  const authorization = request.headers.authorization ?? '';
  const call: Call = {
    root: `https://${host}${below}`,
    path: url.pathname.slice(below.length),
    query: url.searchParams,
    hasToken: carries(authorization, token),
    body,
    header: (name) => String(request.headers[name] ?? ''),
  };
  const told = tell(request.method ?? '', call);
  const isJson = typeof told.body !== 'string';
  response.writeHead(told.status, {
    'content-type': isJson ? 'application/json; charset=utf-8' : 'application/x-gzip',
    ...told.headers,
  });
  response.end(told.body === undefined ? '' : isJson ? JSON.stringify(told.body) : told.body);
}

function tell(method: string, call: Call): Told {
  for (const [known, path, answer] of routes) {
    const match = known === method ? path.exec(call.path) : null;
    if (match === null) continue;
    if (method !== 'GET' && !call.hasToken)
      return { status: 401, body: { message: 'Bad credentials', status: '401' } };
    return answer(call, match[1] ?? '', match[2] ?? '');
  }
  return notFound;
}

/** The token by itself, or as the password of Basic credentials. */
function carries(authorization: string, token: string): boolean {
  const [, value = ''] = authorization.split(' ');
  return value === token || Buffer.from(value, 'base64').toString().split(':').includes(token);
}
