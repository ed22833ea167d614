// GitLab's package registries: of a project, of a group, and those that are asked without naming either
// (docs.gitlab.com, "Packages and registries"). Reading needs READ_PACKAGES of a job's token, writing ADMIN_PACKAGES.

import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import type { Access, Operation, Touch } from '../../flow/operation.ts';
import { accessByMethod, isOverridden } from '../github/build-operation.ts';
import { ownerTouch } from '../github/touches.ts';
import { buildOperation, unknownOperation } from './build-operation.ts';
import { mayBeOverridden } from './find-route.ts';
import type { GitlabServer } from './gitlab-server.ts';
import { signedRedirectReader } from './signed-redirect.ts';
import { areNames, groupByParameter, hiddenProject, projectByParameter, projectTouch } from './touches.ts';

const formats: ReadonlySet<string> = new Set(
  'cargo composer conan debian debian_distributions generic go helm maven ml_models npm nuget pypi rpm rubygems terraform'.split(
    ' ',
  ),
);
const reading: Operation['needs'] = [{ packages: 'read' }];
const writing: Operation['needs'] = [{ packages: 'write' }];

interface PackageCall {
  readonly format: string;
  /** What follows the format. */
  readonly rest: readonly string[];
  readonly touch: (access: Access) => Touch;
}

/** `segments` are those below `/api/v4`; null when they name no package registry. */
export function understandPackages(
  server: GitlabServer,
  request: AskedRequest,
  segments: readonly string[],
): Understanding | null {
  const call = findCall(server, request, segments);
  if (call === null) return null;
  const access = accessOf(request, call);
  if (isOverridden(request)) return unplaced(server, request, call);
  const isPost = request.method === 'POST' && access === 'read' && mayBeOverridden(request);
  // What only asks comes as JSON; a form might ask for something else.
  const level = isPost ? 'write' : access;
  const operation = buildOperation(server, request, {
    name: `packages/${verbOf(request, level)}`,
    touches: [call.touch(level)],
    needs: level === 'read' ? reading : writing,
    isOpen: level === 'read',
    detail: call.format,
  });
  return { operation, evidence: [], answer: signedRedirectReader(server) };
}

function unplaced(server: GitlabServer, request: AskedRequest, call: PackageCall): Understanding {
  const operation = unknownOperation(server, request, 'packages/unknown', [call.touch('write')]);
  return { operation, evidence: [] };
}

function verbOf({ method }: AskedRequest, level: 'read' | 'write'): string {
  if (level === 'read') return 'download';
  return method === 'DELETE' ? 'delete' : 'publish';
}

// What clients ask by POST and nothing changes: where to upload, and what is known to be vulnerable.
const asks =
  /^(?:(?:.*\/)?upload_urls|(?:.*\/)?-\/npm\/v1\/security\/(?:advisories\/bulk|audits\/quick|audits))$/;

function accessOf(request: AskedRequest, { format, rest }: PackageCall): 'read' | 'write' {
  const isAsking = request.method === 'POST' && asks.test(rest.join('/'));
  if (isAsking && (format === 'conan' || format === 'npm')) return 'read';
  return accessByMethod(request.method);
}

function findCall(
  server: GitlabServer,
  request: AskedRequest,
  segments: readonly string[],
): PackageCall | null {
  const [first, second = '', third, fourth] = segments;
  switch (first) {
    case 'projects':
      return third === 'packages' || third === 'debian_distributions'
        ? callOf(segments.slice(3), (access) => projectByParameter(server, request, second, access))
        : null;
    case 'groups':
    case 'group':
      return third === '-' && fourth === 'packages'
        ? callOf(segments.slice(4), (access) => groupByParameter(second, access))
        : null;
    case 'packages':
      return callOf(segments.slice(1), null);
    default:
      return null;
  }
}

function callOf(segments: readonly string[], touch: PackageCall['touch'] | null): PackageCall | null {
  const [format = '', ...rest] = segments;
  if (!formats.has(format)) return null;
  return { format, rest, touch: touch ?? ((access) => touchByName(format, rest, access)) };
}

/** Registries of the whole platform: the names of their packages tell whose they are, or nothing does. */
function touchByName(format: string, rest: readonly string[], access: Access): Touch {
  if (format === 'npm') return scopeTouch(rest, access);
  if (format === 'terraform' && rest[0] === 'modules' && rest[2] !== undefined && areNames([rest[2]]))
    return ownerTouch(rest[2], access);
  const conan = format === 'conan' ? rest.indexOf('conans') : -1;
  // `conans/{name}/{version}/{project with + for slashes}/{channel}`.
  const username = conan < 0 ? undefined : rest[conan + 3];
  return username?.includes('+') === true ? projectTouch(username.split('+'), access) : hiddenProject(access);
}

/** A scope is the name of a top-level group ("Naming convention" of the npm registry). */
function scopeTouch(rest: readonly string[], access: Access): Touch {
  const at = rest[0] === '-' && rest[1] === 'package' ? 2 : 0;
  const scope = /^(?:@|%40)([^/%]+)(?:%2F[^/]*)?$/i.exec(rest[at] ?? '')?.[1];
  return scope !== undefined && areNames([scope]) ? ownerTouch(scope, access) : hiddenProject(access);
}
