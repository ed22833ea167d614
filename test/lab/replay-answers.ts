// Stand-ins of what the jobs of the replays speak to: forges, the runner's service with its storage, registries. They
// take whatever comes: what does not arrive was refused by the gateway.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Answer } from '../../netns/web-server.ts';
import { type ForgeGit, isGitPath } from './forge-git.ts';
import type { NpmRegistry } from './npm-registry.ts';

export const storageHost = 'productionresultssa7.blob.core.windows.net';
export const resultsHost = 'results-receiver.actions.githubusercontent.com';
export const identityHost = 'run-actions-1.actions.githubusercontent.com';

const resolvePath = '/runnerresolve/actions';
/** Where a tag was moved to: no branch is there. */
const movedTo = 'dead'.repeat(10);

/** Answers for every host. */
export function answerReplays(repositories: ForgeGit, registry: NpmRegistry): Answer {
  return (request, response, arrived) => {
    const [path = ''] = arrived.target.split('?');
    if (isGitPath(path)) return repositories.answer(request, response, true);
    if (!path.endsWith(resolvePath)) request.resume();
    response.setHeader('content-type', 'application/json');
    if (path.endsWith('/CreateArtifact')) {
      const url = `https://${storageHost}/results/7/a.zip?sig=1`;
      response.end(JSON.stringify({ ok: true, signed_upload_url: url }));
    } else if (path.endsWith(resolvePath)) void resolveActions(path, request, response, repositories);
    else if (arrived.host === 'pypi.org') answerPython(path, response);
    else if (arrived.host === registry.host && arrived.method === 'GET') answerNpm(registry, path, response);
    else response.end('{"ok":true}');
  };
}

/** Every reference is the main branch's commit, a commit itself, or, for the job called so, what a tag was moved to. */
async function resolveActions(
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
  repositories: ForgeGit,
): Promise<void> {
  const text = Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>)).toString(); // no encoding is set
  const { actions } = JSON.parse(text) as {
    readonly actions: readonly { readonly action: string; readonly version: string }[];
  }; // the replays ask so
  const entries = actions.map(({ action, version }) => {
    const isMoved = path.includes('/jobs/moved/');
    const commit = isMoved ? movedTo : /^[0-9a-f]{40}$/.test(version) ? version : repositories.commit(action);
    const archives = { tar_url: `https://codeload.github.com/${action}/tar.gz/${commit}` };
    const authentication = { token: null, expires_at: null };
    const resolved = { name: action, resolved_name: action, resolved_sha: commit, version };
    return [`${action}@${version}`, { ...resolved, ...archives, authentication }];
  });
  response.end(JSON.stringify({ actions: Object.fromEntries(entries) }));
}

function answerNpm(registry: NpmRegistry, path: string, response: ServerResponse): void {
  const body = registry.answer(path);
  if (typeof body !== 'string') response.setHeader('content-type', 'application/octet-stream');
  response.statusCode = body === null ? 404 : 200;
  response.end(body ?? '');
}

/** A project of two versions, the second of them two hours old (PEP 691, PEP 700). */
function answerPython(path: string, response: ServerResponse): void {
  const name = path.split('/')[2] ?? '';
  const files = [1, 2].map((version) => ({
    filename: `${name}-${version}.0-py3-none-any.whl`,
    url: `https://files.pythonhosted.org/packages/aa/bb/${'c'.repeat(60)}/${name}-${version}.0-py3-none-any.whl`,
    hashes: {},
    'upload-time': new Date(Date.now() - (version === 1 ? 2000 : 2) * 3_600_000).toISOString(),
  }));
  response.setHeader('content-type', 'application/vnd.pypi.simple.v1+json');
  response.end(JSON.stringify({ meta: { 'api-version': '1.1' }, name, versions: ['1.0', '2.0'], files }));
}
