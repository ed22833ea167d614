// GitHub Models: inference and its catalogue. Asking a model changes nothing there, whatever the method.

import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import type { Operation } from '../../flow/operation.ts';
import { accessByMethod, buildOperation } from './build-operation.ts';
import type { GithubServer } from './github-server.ts';
import { ownerTouch, platformTouch } from './touches.ts';

const readModels: Operation['needs'] = [{ models: 'read' }];

export function understandModels(
  server: GithubServer,
  request: AskedRequest,
  segments: readonly string[],
): Understanding {
  const isOfOwner = segments[0] === 'orgs' && segments[1] !== undefined;
  const rest = isOfOwner ? segments.slice(2) : segments;
  const name = nameOf(request.method, rest);
  const access = name === null ? accessByMethod(request.method) : 'read';
  const touches = [isOfOwner ? ownerTouch(segments[1]!, access) : platformTouch(access)];
  const operation = buildOperation(server, request, {
    name: name ?? 'models/call',
    touches,
    needs: readModels,
  });
  return { operation, evidence: [] };
}

function nameOf(method: string, rest: readonly string[]): string | null {
  const path = rest.join('/');
  if (method === 'GET' && path.startsWith('catalog/')) return 'models/catalog';
  return method === 'POST' && /^inference\/(?:chat\/completions|embeddings|images\/embeddings)$/.test(path)
    ? 'models/inference'
    : null;
}
