// The older cache service: `_apis/artifactcache/…`.

import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import { accessByMethod, buildOperation, unknownOperation } from './build-operation.ts';
import type { GithubServer } from './github-server.ts';
import { queryValues } from './split-path.ts';
import { platformTouch } from './touches.ts';
import { grantReader, touchOf } from './understand-twirp.ts';

/** `segments` are those below `artifactcache`. */
export function understandCacheV1(
  server: GithubServer,
  request: AskedRequest,
  segments: readonly string[],
): Understanding {
  const found = nameOf(request.method, segments.join('/'));
  if (found === null) {
    const touches = [platformTouch(accessByMethod(request.method))];
    return { operation: unknownOperation(server, request, 'service/unknown', touches), evidence: [] };
  }
  const access = found === 'cache/save' ? 'write' : 'read';
  const operation = buildOperation(server, request, {
    name: found,
    touches: [touchOf([found, access])],
    detail: queryValues(request.query, 'keys')?.[0]?.slice(0, 512) ?? null,
  });
  return { operation, evidence: [], ...(found === 'cache/restore' ? { answer: grantReader(server) } : {}) };
}

function nameOf(method: string, path: string): string | null {
  if (accessByMethod(method) === 'read')
    return path === 'cache' ? 'cache/restore' : path === 'caches' ? 'cache/list' : null;
  const isSave =
    (method === 'POST' && /^caches(?:\/\d+)?$/.test(path)) ||
    (method === 'PATCH' && /^caches\/\d+$/.test(path));
  return isSave ? 'cache/save' : null;
}
