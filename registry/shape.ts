// Which registry protocol a request to any other host speaks, by its shape alone: mirrors that nobody configured. It
// adds reasons to block (age, malware, internal names); what it finds never opens a host.

import type { AskedRequest } from '../flow/asked-request.ts';
import type { Ecosystem } from '../flow/operation.ts';
import { countRepository, readMavenPath } from './maven.ts';
import { takeName, versionOfTarball } from './npm.ts';
import { readFileName } from './pypi-names.ts';
import { splitPath } from './registry-request.ts';

export interface Shape {
  readonly ecosystem: Ecosystem;
  /** The protocol's own path, with a slash in front. */
  readonly path: string;
}

/** One look at the path tells most requests of the web apart from those of package clients. */
const hint =
  /^\/v2\/|\/-\/|\/simple\/|\/packages\/|\/@v\/|\/@latest$|\/pool\/|\/dists\/|\/api\/v[12]\/(?:crates|gems|rubygems|package)(?:\/|$)|\/(?:gems|quick)\/|maven-metadata\.xml|\.(?:whl|whl\.metadata|nupkg|crate|gem|jar|pom|aar|war|ear|klib|module)(?:\.(?:sha1|md5|sha256|sha512|asc))?$/;

/** Recognises a protocol; null for anything else. Never throws. */
export function recogniseShape(asked: AskedRequest): Shape | null {
  if (!hint.test(asked.path)) return recogniseByHeaders(asked);
  const segments = splitPath(asked.path);
  if (segments === null) return null;
  for (const recognise of recognisers) {
    const shape = recognise(asked, segments);
    if (shape !== null) return shape;
  }
  return recogniseByHeaders(asked);
}

type Recognise = (asked: AskedRequest, segments: readonly string[]) => Shape | null;

/** The path from segment number `index` on, as it came. */
function pathFrom(path: string, index: number): string {
  let at = 0;
  for (let i = 0; i < index; i++) at = path.indexOf('/', at + 1);
  return path.slice(at);
}

function recogniseOci(asked: AskedRequest, segments: readonly string[]): Shape | null {
  if (segments[0] !== 'v2') return null;
  const word = segments.at(-2) ?? '';
  const isImage =
    ((word === 'manifests' || word === 'blobs' || word === 'referrers') && segments.length >= 4) ||
    (word === 'uploads' && segments.at(-3) === 'blobs') ||
    (word === 'tags' && segments.at(-1) === 'list');
  // What a POST asks for stands in its body, which is not held by shape.
  const isToken = asked.method !== 'POST' && /(?:^|&)scope=repository/.test(asked.query);
  return isImage || isToken ? { ecosystem: 'oci', path: asked.path } : null;
}

/** `…/{name}/-/{name}-{version}.tgz`, and the services of the public registry. */
function recogniseNpm({ path }: AskedRequest, segments: readonly string[]): Shape | null {
  const dash = segments.indexOf('-');
  if (dash < 0) return null;
  const service = segments.slice(dash + 1, dash + 3).join('/');
  if (/^(?:npm\/v1|v1\/search|user\/org\.couchdb\.user:.*|whoami|package\/.*)$/.test(service)) {
    return { ecosystem: 'npm', path: pathFrom(path, dash) };
  }
  const isScoped = dash > 1 && segments[dash - 2]!.startsWith('@');
  const start = isScoped ? dash - 2 : dash - 1;
  const found = start < 0 ? null : takeName(segments.slice(start, dash));
  if (found === null || found.rest.length > 0) return null;
  const file = segments
    .slice(dash + 1)
    .join('/')
    .replace(/\/-rev\/.*$/, '');
  return versionOfTarball(found.name, file) === null
    ? null
    : { ecosystem: 'npm', path: pathFrom(path, start) };
}

const pythonClient = /^(?:pip|uv|poetry|pdm|twine|Pipenv|setuptools|hatch)\//;

function recognisePypi(asked: AskedRequest, segments: readonly string[]): Shape | null {
  const simple = segments.lastIndexOf('simple');
  const after = segments.length - simple - 1;
  const isPage =
    simple >= 0 && segments[simple + 1] !== '' && (after === 1 || (after === 2 && segments.at(-1) === ''));
  if (isPage) return { ecosystem: 'pypi', path: pathFrom(asked.path, simple) };
  const file = segments.at(-1)!;
  const isMeant = /\.whl(?:\.metadata)?$/.test(file) || pythonClient.test(asked.header('user-agent') ?? '');
  if (!isMeant || readFileName(file) === null) return null;
  return { ecosystem: 'pypi', path: `/packages/${encodeURIComponent(file)}` };
}

/** A module's path begins with a host. */
function recogniseGolang({ path, method }: AskedRequest, segments: readonly string[]): Shape | null {
  const marker =
    segments.lastIndexOf('@v') >= 0 ? segments.lastIndexOf('@v') : segments.lastIndexOf('@latest');
  const isFile =
    segments[marker] === '@latest' || /^list$|\.(?:info|mod|zip)$/.test(segments[marker + 1] ?? '');
  const start = segments.findIndex((segment) => segment.includes('.'));
  if (marker < 1 || !isFile || start < 0 || start >= marker || method === 'POST') return null;
  return { ecosystem: 'golang', path: pathFrom(path, start) };
}

/** First words of most groups: what stands before one of them is the repository. */
const groupRoots =
  /^(?:com|org|io|net|dev|edu|gov|info|biz|me|co|app|ai|cc|tv|de|fr|uk|jp|cn|ru|ch|nl|eu|us|at|be|cz|dk|es|fi|in|it|kr|no|pl|pt|ro|se|tr|ua|br|ca|au|nz|za|javax|jakarta|androidx|android)$/;

function recogniseMaven({ path }: AskedRequest, segments: readonly string[]): Shape | null {
  const known = countRepository(segments);
  const root = segments.slice(known, -3).findIndex((segment) => groupRoots.test(segment));
  const start = known > 0 ? known : Math.max(root, 0);
  return readMavenPath(segments.slice(start)) === null
    ? null
    : { ecosystem: 'maven', path: pathFrom(path, start) };
}

/** `…/{id}/{version}/{id}.{version}.nupkg`, and pushes of V2. */
function recogniseNuget({ path, method }: AskedRequest, segments: readonly string[]): Shape | null {
  const api = segments.findIndex(
    (segment, index) => segment === 'api' && /^v2$/i.test(segments[index + 1] ?? ''),
  );
  const isPush = method === 'PUT' && segments[api + 2] === 'package';
  if (api >= 0 && (isPush || (segments[api + 2] === 'package' && segments.length >= api + 5))) {
    return { ecosystem: 'nuget', path: pathFrom(path, api) };
  }
  const [id = '', version = '', file = ''] = segments.slice(-3);
  if (segments.length < 3 || file.toLowerCase() !== `${id}.${version}.nupkg`.toLowerCase()) return null;
  return { ecosystem: 'nuget', path: `/flatcontainer${pathFrom(path, segments.length - 3)}` };
}

function recogniseCargo({ path }: AskedRequest, segments: readonly string[]): Shape | null {
  const api = segments.findIndex(
    (segment, i) => segment === 'api' && segments[i + 1] === 'v1' && segments[i + 2] === 'crates',
  );
  const last = segments.at(-1)!;
  if (api >= 0 && /^(?:new|download|yank|unyank|owners)$/.test(last))
    return { ecosystem: 'cargo', path: pathFrom(path, api) };
  const name = /^(.+?)-\d+\.\d+\.\d+.*\.crate$/.exec(last)?.[1];
  if (name === undefined) return null;
  const parent = segments.at(-2) ?? name;
  return { ecosystem: 'cargo', path: `/crates/${last.startsWith(`${parent}-`) ? parent : name}/${last}` };
}

function recogniseGem({ path }: AskedRequest, segments: readonly string[]): Shape | null {
  const folder = Math.max(segments.lastIndexOf('gems'), segments.lastIndexOf('quick'));
  const isFile = folder >= 0 && /\.(?:gem|gemspec\.rz)$/.test(segments.at(-1)!);
  if (isFile) return { ecosystem: 'gem', path: pathFrom(path, folder) };
  const api = segments.findIndex(
    (segment, i) => segment === 'api' && segments[i + 1] === 'v1' && segments[i + 2] === 'gems',
  );
  return api >= 0 ? { ecosystem: 'gem', path: pathFrom(path, api) } : null;
}

function recogniseDebian({ path }: AskedRequest, segments: readonly string[]): Shape | null {
  const file = segments.at(-1)!;
  const isPool = segments.includes('pool') && /_.*\.(?:u?deb|dsc)$/.test(file);
  const isList =
    segments.includes('dists') &&
    /^(?:In)?Release(?:\.gpg)?$|^(?:Packages|Sources|Contents-.*)(?:\.[a-z0-9]+)?$|^[0-9a-f]{32,128}$/.test(
      file,
    );
  return isPool || isList ? { ecosystem: 'deb', path } : null;
}

const recognisers: readonly Recognise[] = [
  recogniseOci,
  recogniseNpm,
  recognisePypi,
  recogniseGolang,
  recogniseNuget,
  recogniseCargo,
  recogniseGem,
  recogniseDebian,
  recogniseMaven,
];

/** Lists of versions look like any other path: their clients say what they want. */
function recogniseByHeaders(asked: AskedRequest): Shape | null {
  const accept = asked.header('accept') ?? '';
  const isNpm =
    accept.includes('application/vnd.npm.install-v1+json') ||
    (asked.method === 'PUT' && /^(?:npm|pnpm)\//.test(asked.header('user-agent') ?? ''));
  if (!isNpm) return null;
  const segments = splitPath(asked.path) ?? [];
  const start = segments.findIndex((segment) => segment.startsWith('@'));
  const from = Math.max(start >= 0 ? start : segments.length - 1, 0);
  return takeName(segments.slice(from)) === null
    ? null
    : { ecosystem: 'npm', path: pathFrom(asked.path, from) };
}
