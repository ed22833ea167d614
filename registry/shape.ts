// Which registry protocol a request to any other host speaks, by its shape alone: mirrors that nobody configured. It
// adds reasons to block (age, malware, internal names); what it finds never opens a host.

import type { AskedRequest } from '../flow/asked-request.ts';
import type { Ecosystem } from '../flow/operation.ts';
import { takeName, versionOfTarball } from './npm.ts';
import { readFileName } from './pypi-names.ts';
import { splitPath } from './registry-request.ts';

export interface Shape {
  readonly ecosystem: Ecosystem;
  /** Characters of the path before the protocol's own. */
  readonly prefixLength: number;
}

/** One look at the path tells most requests of the web apart from those of package clients. */
const hint = /^\/v2\/|\/-\/|\/simple\/|\/packages\/|\.whl(?:\.metadata)?$/;

/** Recognises a protocol; null for anything else. Never throws. */
export function recogniseShape(asked: AskedRequest): Shape | null {
  const { path } = asked;
  if (!hint.test(path)) return recogniseByHeaders(asked);
  const segments = splitPath(path);
  if (segments === null) return null;
  return (
    recogniseOci(asked, segments) ??
    recogniseNpmPath(path, segments) ??
    recognisePypi(asked, segments) ??
    recogniseByHeaders(asked)
  );
}

/** Length of the path in front of segment number `index`. */
function lengthBefore(path: string, index: number): number {
  let at = 0;
  for (let i = 0; i < index; i++) at = path.indexOf('/', at + 1);
  return at;
}

function recogniseOci(asked: AskedRequest, segments: readonly string[]): Shape | null {
  if (segments[0] !== 'v2') return null;
  const word = segments.at(-2) ?? '';
  const isImage =
    (word === 'manifests' && segments.length >= 4) ||
    (word === 'blobs' && segments.length >= 4) ||
    (word === 'uploads' && segments.at(-3) === 'blobs') ||
    (word === 'tags' && segments.at(-1) === 'list') ||
    (word === 'referrers' && segments.length >= 4);
  if (isImage) return { ecosystem: 'oci', prefixLength: 0 };
  return /(?:^|&)scope=repository/.test(asked.query) ? { ecosystem: 'oci', prefixLength: 0 } : null;
}

/** `…/{name}/-/{name}-{version}.tgz`, and the services of the public registry. */
function recogniseNpmPath(path: string, segments: readonly string[]): Shape | null {
  const dash = segments.indexOf('-');
  if (dash < 0) return null;
  const service = segments.slice(dash + 1, dash + 3).join('/');
  if (/^(?:npm\/v1|v1\/search|user\/org\.couchdb\.user:.*|whoami|package\/.*)$/.test(service)) {
    return { ecosystem: 'npm', prefixLength: lengthBefore(path, dash) };
  }
  const isScoped = dash > 1 && segments[dash - 2]!.startsWith('@');
  const start = isScoped ? dash - 2 : dash - 1;
  const found = start < 0 ? null : takeName(segments.slice(start, dash));
  if (found === null || found.rest.length > 0) return null;
  const file = segments.slice(dash + 1).join('/');
  return versionOfTarball(found.name, file) === null
    ? null
    : { ecosystem: 'npm', prefixLength: lengthBefore(path, start) };
}

const pythonClient = /^(?:pip|uv|poetry|pdm|twine|Pipenv|setuptools|hatch)\//;

function recognisePypi(asked: AskedRequest, segments: readonly string[]): Shape | null {
  const simple = segments.lastIndexOf('simple');
  const isPage =
    simple >= 0 &&
    (segments.length === simple + 2 || (segments.length === simple + 3 && segments.at(-1) === ''));
  if (isPage && segments[simple + 1] !== '') {
    return { ecosystem: 'pypi', prefixLength: lengthBefore(asked.path, simple) };
  }
  const file = segments.at(-1)!;
  const isWheel = /\.whl(?:\.metadata)?$/.test(file);
  const isPythonClient = pythonClient.test(asked.header('user-agent') ?? '');
  if ((!isWheel && !isPythonClient) || readFileName(file) === null) return null;
  const folder = Math.max(segments.lastIndexOf('packages'), simple);
  // A file anywhere is read as `/packages/…/file` is: only its last segment counts.
  return folder >= 0 ? { ecosystem: 'pypi', prefixLength: lengthBefore(asked.path, folder) } : null;
}

/** Lists of versions look like any other path: their clients say what they want. */
function recogniseByHeaders(asked: AskedRequest): Shape | null {
  const accept = asked.header('accept') ?? '';
  const isNpm =
    accept.includes('application/vnd.npm.install-v1+json') ||
    (asked.method === 'PUT' && /^(?:npm|pnpm)\//.test(asked.header('user-agent') ?? ''));
  if (!isNpm) return null;
  const segments = splitPath(asked.path) ?? [];
  const start = segments.findIndex((segment) => segment.startsWith('@'));
  const from = start >= 0 ? start : segments.length - 1;
  return takeName(segments.slice(Math.max(from, 0))) === null
    ? null
    : { ecosystem: 'npm', prefixLength: lengthBefore(asked.path, from) };
}
