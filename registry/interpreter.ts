// Says what requests to package and image registries mean. Which protocol a request speaks is told by its host, by
// configuration, or by its shape; each ecosystem's file reads the rest. No I/O, synchronous, never throws.

import type { AskedRequest, Interpreter, Understanding } from '../flow/asked-request.ts';
import type { Access, Ecosystem, Operation, Touch } from '../flow/operation.ts';
import { publicRegistries, RegistryHosts } from '../flow/registry-server.ts';
import type { RegistryServer } from '../flow/registry-server.ts';
import { readNpm } from './npm.ts';
import { readOci } from './oci.ts';
import { readPypi } from './pypi.ts';
import { splitPath, unknownMeaning } from './registry-request.ts';
import type { Meaning, RegistryRequest } from './registry-request.ts';
import { recogniseShape } from './shape.ts';

export interface RegistryOptions {
  /** The operator's own registries and mirrors; they come before the public ones. */
  readonly registries: readonly RegistryServer[];
}

interface Reader {
  read(request: RegistryRequest): Meaning;
}

const readers: Partial<Record<Ecosystem, Reader>> = {
  npm: { read: readNpm },
  pypi: { read: readPypi },
  oci: { read: readOci },
};

const maxTouches = 64;

/** Makes the interpreter of registries. */
export function createRegistryInterpreter(options: RegistryOptions): Interpreter {
  const hosts = new RegistryHosts([...options.registries, ...publicRegistries]);
  return { understand: (asked) => understand(hosts, asked) };
}

function understand(hosts: RegistryHosts, asked: AskedRequest): Understanding | null {
  for (const { server, pathPrefix } of hosts.find(asked.host)) {
    const path = pathBelow(asked.path, pathPrefix);
    if (path !== null) return interpret(asked, server.ecosystem, server.registry, path, false);
  }
  const shape = recogniseShape(asked);
  if (shape === null) return null;
  return interpret(asked, shape.ecosystem, asked.host, asked.path.slice(shape.prefixLength), true);
}

/** The path below a prefix, with a slash in front; null when it is not below. */
export function pathBelow(path: string, prefix: string): string | null {
  if (prefix === '') return path;
  if (!path.startsWith(prefix)) return null;
  if (path.length === prefix.length) return '/';
  return path[prefix.length] === '/' ? path.slice(prefix.length) : null;
}

function interpret(
  asked: AskedRequest,
  ecosystem: Ecosystem,
  registry: string,
  path: string,
  byShape: boolean,
): Understanding | null {
  const reader = readers[ecosystem];
  if (reader === undefined) return null;
  const segments = splitPath(path);
  const isRead = (asked.method === 'GET' || asked.method === 'HEAD') && !asked.hasBody;
  const request = {
    ecosystem,
    registry,
    method: asked.method,
    isRead,
    path,
    segments: segments ?? [],
    asked,
  };
  const meaning =
    segments === null ? unknownMeaning(request, 'bytes that are no UTF-8') : reader.read(request);
  return toUnderstanding(request, meaning, byShape);
}

function toUnderstanding(request: RegistryRequest, meaning: Meaning, byShape: boolean): Understanding {
  const { hold, answer } = meaning;
  return {
    operation: toOperation(request, meaning, byShape),
    evidence: [],
    ...(hold === undefined
      ? {}
      : { hold: { ...hold, withBody: (body) => toUnderstanding(request, hold.withBody(body), byShape) } }),
    ...(answer === undefined ? {} : { answer }),
  };
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
