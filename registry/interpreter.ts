// Says what requests to package and image registries mean. Which protocol a request speaks is told by its host, by
// configuration, or by its shape; each ecosystem's file reads the rest. No I/O, synchronous, never throws.

import type { AnswerReview, AskedRequest, Interpreter, Understanding } from '../flow/asked-request.ts';
import type { Access, Ecosystem, Operation, Touch } from '../flow/operation.ts';
import { publicRegistries, RegistryHosts } from '../flow/registry-server.ts';
import type { RegistryServer } from '../flow/registry-server.ts';
import { answerReader } from './answer-reader.ts';
import { AwaitedConfigs } from './learn-oci.ts';
import { readCargo } from './cargo.ts';
import { readDebian } from './debian.ts';
import { readGolang } from './golang.ts';
import { readMaven } from './maven.ts';
import { readNpm } from './npm.ts';
import { readNuget } from './nuget.ts';
import { readOci } from './oci.ts';
import { plainSlashes } from './plain-slashes.ts';
import { readPypi } from './pypi.ts';
import { splitPath, unknownMeaning } from './registry-request.ts';
import { learnFileTime } from './learn-file.ts';
import type { Learning, Meaning, RegistryRequest } from './registry-request.ts';
import { readGem } from './rubygems.ts';
import { recogniseShape } from './shape.ts';
import type { PackageTimes } from './times.ts';

export interface RegistryOptions {
  /** The operator's own registries and mirrors; they come before the public ones. */
  readonly registries: readonly RegistryServer[];
  /** Learns publish times from answers; null: answers are not read for them. */
  readonly times?: PackageTimes | null;
  /** Milliseconds since 1970: what redirects open ends some time after it. */
  readonly now?: () => number;
}

interface Reader {
  read(request: RegistryRequest): Meaning;
}

const readers: Partial<Record<Ecosystem, Reader>> = {
  npm: { read: readNpm },
  pypi: { read: readPypi },
  maven: { read: readMaven },
  nuget: { read: readNuget },
  cargo: { read: readCargo },
  golang: { read: readGolang },
  gem: { read: readGem },
  oci: { read: readOci },
  deb: { read: readDebian },
};

const maxTouches = 64;

export interface RegistryInterpreter extends Interpreter {
  /** The same of the hosts and paths that are known as a registry's alone; null for every other, whatever its shape. */
  understandNamed(request: AskedRequest): Understanding | null;
}

/** Makes the interpreter of registries. */
export function createRegistryInterpreter(options: RegistryOptions): RegistryInterpreter {
  const setting: Setting = {
    hosts: new RegistryHosts([...options.registries, ...publicRegistries]),
    times: options.times ?? null,
    awaited: new AwaitedConfigs(),
    now: options.now ?? Date.now,
  };
  return {
    understand: (asked) => understandAt(setting, asked, findPlace(setting, asked)),
    understandNamed: (asked) => understandAt(setting, asked, findNamed(setting.hosts, asked)),
    // What a shape alone tells is never held: hosts of the web wait for nothing.
    mayHold: (host) => setting.hosts.find(host).length > 0,
  };
}

interface Setting {
  readonly hosts: RegistryHosts;
  readonly times: PackageTimes | null;
  readonly awaited: AwaitedConfigs;
  readonly now: () => number;
}

/** Where a request was recognised, and the rest of its path. */
interface Place {
  readonly ecosystem: Ecosystem;
  readonly registry: string;
  readonly part: string | undefined;
  readonly path: string;
  readonly byShape: boolean;
}

function understandAt(setting: Setting, asked: AskedRequest, place: Place | null): Understanding | null {
  const reader = place === null ? undefined : readers[place.ecosystem];
  if (place === null || reader === undefined) return null;
  const segments = splitPath(place.path);
  const request: RegistryRequest = {
    ecosystem: place.ecosystem,
    registry: place.registry,
    part: place.part,
    method: asked.method,
    isRead: (asked.method === 'GET' || asked.method === 'HEAD') && !asked.hasBody,
    path: place.path,
    segments: segments ?? [],
    asked,
    learning: learningOf(setting, asked, place),
  };
  const meaning =
    segments === null ? unknownMeaning(request, 'bytes that are no UTF-8') : reader.read(request);
  return toUnderstanding(request, meaning, place.byShape, setting.now);
}

function findPlace({ hosts, awaited }: Setting, asked: AskedRequest): Place | null {
  return findNamed(hosts, asked) ?? findLed(awaited, asked) ?? findByShape(asked);
}

/** What a registry sent somebody to is what was asked of the registry; it opens nothing. */
function findLed(awaited: AwaitedConfigs, { host, path, method }: AskedRequest): Place | null {
  const led = method === 'GET' ? awaited.findLed(host, path) : null;
  return led === null ? null : { ...led, ecosystem: 'oci', part: undefined, byShape: true };
}

function findNamed(hosts: RegistryHosts, asked: AskedRequest): Place | null {
  for (const { server, pathPrefix } of hosts.find(asked.host)) {
    // In front of the protocol's own path one may be data: the name of a project.
    const written = asked.path;
    const spelt = pathBelow(written, pathPrefix) === null ? plainSlashes(asked, written) : written;
    const path = pathBelow(spelt, pathPrefix);
    if (path === null) continue;
    const name = nameOf(server, pathPrefix, asked.host, spelt, path);
    return { ecosystem: server.ecosystem, ...name, path: plainSlashes(asked, path), byShape: false };
  }
  return null;
}

function findByShape(asked: AskedRequest): Place | null {
  const spelt = plainSlashes(asked, asked.path);
  const shape = recogniseShape(spelt === asked.path ? asked : { ...asked, path: spelt });
  if (shape === null) return null;
  const { ecosystem, path } = shape;
  return { ecosystem, registry: asked.host, part: undefined, path, byShape: true };
}

// What comes unencrypted could be said by anybody on the way, and a mirror that nobody configured by anybody.
function learningOf({ times, awaited }: Setting, asked: AskedRequest, place: Place): Learning | null {
  if (times === null || asked.method !== 'GET') return null;
  const isTrusted = !place.byShape && asked.scheme === 'https';
  return {
    times,
    awaited,
    registry: `${place.registry}${place.part ?? ''}`,
    timeClass: isTrusted ? 'registry-stated' : 'mirror-stated',
  };
}

/**
 * Where a host is many people's, what one of them says is of no weight to another: the path is part of the name, or
 * beside it where the whole has a name that users know.
 */
function nameOf(
  { registry }: RegistryServer,
  prefix: string,
  host: string,
  path: string,
  rest: string,
): Pick<Place, 'registry' | 'part'> {
  if (!prefix.includes('*')) return { registry: registry ?? host, part: undefined };
  const part = path.slice(0, path.endsWith(rest) ? path.length - rest.length : path.length);
  return registry === null ? { registry: `${host}${part}`, part: undefined } : { registry, part };
}

/** The path below a prefix, with a slash in front; null when it is not below. `*` in a prefix is one segment. */
export function pathBelow(path: string, prefix: string): string | null {
  if (prefix === '') return path;
  let at = 0;
  for (const part of prefix.slice(1).split('/')) {
    const end = path.indexOf('/', at + 1);
    const segment = path.slice(at + 1, end < 0 ? path.length : end);
    if (segment === '' || (part !== '*' && part !== segment)) return null;
    at += segment.length + 1;
  }
  return at === path.length ? '/' : path.slice(at);
}

function toUnderstanding(
  request: RegistryRequest,
  meaning: Meaning,
  byShape: boolean,
  now: () => number,
): Understanding {
  const { hold, rewrite, review, leads } = meaning;
  const answer = meaning.answer ?? learnFileTime(request, meaning);
  const operation = toOperation(request, meaning, byShape);
  const isRead = operation.access === 'read' && request.isRead;
  const isRedirected = mayRedirect(meaning) && !byShape;
  return {
    operation,
    evidence: [],
    ...(hold === undefined || byShape
      ? {}
      : {
          hold: { ...hold, withBody: (body) => toUnderstanding(request, hold.withBody(body), byShape, now) },
        }),
    ...(isRead && (answer !== undefined || isRedirected)
      ? { answer: answerReader(answer ?? noStream, isRedirected ? now : null, leads) }
      : {}),
    ...(isRead && review !== undefined ? { review: reviewOf(request, review, byShape) } : {}),
    ...(isRead && rewrite !== undefined ? { rewrite } : {}),
  };
}

const noStream = (): null => null;

function reviewOf(
  request: RegistryRequest,
  { limits, read }: NonNullable<Meaning['review']>,
  byShape: boolean,
): AnswerReview {
  return {
    limits,
    about: 'images',
    wantsBody: ({ status }) => status >= 200 && status < 300,
    read: (body) => ({ operation: toOperation(request, read(body), byShape), grants: [], tokens: [] }),
  };
}

/** Files and blobs lie in storage that registries redirect to. Anything else that leads elsewhere opens nothing. */
function mayRedirect({ name, sureness }: Meaning): boolean {
  return sureness === 'known' && /\/install$|^oci\/pull(?:-blob)?$|^(?:maven|golang)\/metadata$/.test(name);
}

function toOperation(request: RegistryRequest, meaning: Meaning, byShape: boolean): Operation {
  return {
    platform: request.ecosystem,
    server: request.registry,
    name: meaning.name,
    access: highestAccess(meaning.touches),
    touches: meaning.touches.slice(0, maxTouches),
    needs: [{}],
    ungrantable: [],
    sureness: meaning.touches.length > maxTouches ? 'unknown' : meaning.sureness,
    widens: false,
    credential: request.asked.credential,
    detail: meaning.detail,
    ...(byShape ? { byShape } : {}),
  };
}

const levels: readonly Access[] = ['read', 'write', 'admin'];

function highestAccess(touches: readonly Touch[]): Access {
  return levels[Math.max(0, ...touches.map(({ access }) => levels.indexOf(access)))]!;
}
