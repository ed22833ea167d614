// The container registry of a GitLab: the token endpoint on its web host, then the distribution API on the registry's
// host; and the dependency proxy, which is a registry of a group on the web host.

import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import { accessByMethod } from '../github/build-operation.ts';
import { ownerTouch, platformTouch } from '../github/touches.ts';
import { understandContainer } from '../github/understand-container.ts';
import { adopt, buildOperation, unknownOperation } from './build-operation.ts';
import type { GitlabServer } from './gitlab-server.ts';
import { signedRedirectReader } from './signed-redirect.ts';
import { areNames } from './touches.ts';

/** The distribution API on the registry's own host. */
export function understandRegistry(
  server: GitlabServer,
  request: AskedRequest,
  segments: readonly string[],
): Understanding {
  const found = adopt(server, request, understandContainer(server.shared, request, segments));
  return { ...found, answer: signedRedirectReader(server) };
}

/** `/jwt/auth?service=container_registry&scope=repository:a/b/c:pull,push`: images lie on the registry's host. */
export function understandTokens(server: GitlabServer, request: AskedRequest): Understanding {
  const services = new URLSearchParams(request.query.slice(0, 16_384)).getAll('service');
  if (services.length === 1 && services[0] === 'dependency_proxy') return proxyToken(server, request);
  const asked = asRegistry(server, request);
  return adopt(server, request, understandContainer(server.shared, asked, ['token']));
}

/** The same request as one to the registry's host. */
function asRegistry(server: GitlabServer, request: AskedRequest): AskedRequest {
  const { scheme, port, method, path, query, hasBody, attribution, credential } = request;
  const header = (name: string): string | null => request.header(name);
  const host = server.registryHost;
  return { scheme, host, port, method, path, query, hasBody, header, attribution, credential };
}

function proxyToken(server: GitlabServer, request: AskedRequest): Understanding {
  const access = accessByMethod(request.method);
  const touches = [platformTouch(access)];
  const operation =
    access === 'read'
      ? buildOperation(server, request, { name: 'dependency-proxy/token', touches })
      : unknownOperation(server, request, 'dependency-proxy/token', touches);
  return { operation, evidence: [] };
}

/** `/v2/{group}/dependency_proxy/containers/{image}/…` on the web host; else the registry on a port of its own. */
export function understandWebRegistry(
  server: GitlabServer,
  request: AskedRequest,
  segments: readonly string[],
): Understanding {
  const at = segments.findIndex(
    (segment, index) => segment === 'dependency_proxy' && segments[index + 1] === 'containers',
  );
  if (at < 0) return understandRegistry(server, asRegistry(server, request), segments);
  const group = segments.slice(1, at);
  const access = accessByMethod(request.method);
  const isNamed = group.length > 0 && areNames(group);
  const touches = [ownerTouch(isNamed ? group.join('/') : null, access)];
  const operation =
    access === 'read'
      ? buildOperation(server, request, { name: 'dependency-proxy/pull', touches })
      : unknownOperation(server, request, 'dependency-proxy/unknown', touches);
  return { operation, evidence: [], answer: signedRedirectReader(server) };
}
