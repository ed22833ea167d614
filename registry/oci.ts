// Requests to container registries: the distribution specification (github.com/opencontainers/distribution-spec) and
// the token endpoints in front of them (distribution.github.io, "Token authentication").

import type { AnswerHead, AnswerStream } from '../flow/asked-request.ts';
import type { HoldLimits } from '../flow/held.ts';
import type { Access, Touch } from '../flow/operation.ts';
import { learnConfig, learnManifest } from './learn-oci.ts';
import { packageTouch, readQuery, unknownMeaning } from './registry-request.ts';
import type { ImageTouch, Learning, Meaning, RegistryRequest } from './registry-request.ts';

const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const imageName = new RegExp(`^${component}(?:/${component})*$`);
const reference = /^(?:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}|[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,128})$/;
const digest = /^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,128}$/;
const maxTouches = 64;

/** What a request to a container registry means. */
export function readOci(request: RegistryRequest): Meaning {
  const { segments, isRead } = request;
  if (isTokenPath(request)) return readToken(request);
  // What clients ask whether a registry speaks the first version of the protocol.
  if (isRead && request.path === '/v1/_ping') return plain(request, 'ping', 'metadata');
  if (segments[0] !== 'v2') return unknownMeaning(request, 'no path of the distribution API');
  const rest = segments.slice(1);
  if (rest.length === 0 || (rest.length === 1 && rest[0] === '')) {
    return isRead ? plain(request, 'ping', 'metadata') : unknownMeaning(request, 'a write to the root');
  }
  if (rest.length === 1 && rest[0] === '_catalog' && isRead) return plain(request, 'catalog', 'search');
  return readImage(request, rest) ?? unknownMeaning(request, 'no known path of an image');
}

function plain(request: RegistryRequest, verb: string, act: 'metadata' | 'search' | 'account'): Meaning {
  const touch = packageTouch(request, act, 'read', { purl: null });
  return { name: `oci/${verb}`, touches: [touch], sureness: 'known', detail: null };
}

/** An image by the registry and its path; official images of Docker Hub live under `library`. */
export function imageTouch(
  request: RegistryRequest,
  access: Access,
  name: string,
  reference: string | null,
): ImageTouch {
  const path = request.registry === 'docker.io' && !name.includes('/') ? `library/${name}` : name;
  return { kind: 'image', access, image: `${request.registry}/${path}`, reference };
}

// Names may hold the words of the API themselves: as the reference implementation does, the last one counts.
function readImage(request: RegistryRequest, rest: readonly string[]): Meaning | null {
  const tail = rest.at(-1)!;
  const word = rest.at(-2);
  if (word === 'manifests') return readManifest(request, rest.slice(0, -2), tail);
  if (word === 'tags' && tail === 'list') return onImage(request, rest.slice(0, -2), 'tags', 'read', null);
  if (word === 'referrers' && digest.test(tail))
    return onImage(request, rest.slice(0, -2), 'referrers', 'read', tail);
  if (word === 'blobs' && tail === 'uploads') return readUpload(request, rest.slice(0, -2));
  if (word === 'blobs' && digest.test(tail)) {
    return readBlob(request, rest.slice(0, -2), tail);
  }
  if (rest.at(-3) === 'blobs' && word === 'uploads') return readUpload(request, rest.slice(0, -3));
  return null;
}

function readBlob(request: RegistryRequest, name: readonly string[], tail: string): Meaning | null {
  if (request.method === 'DELETE') return onImage(request, name, 'delete-blob', 'write', tail);
  const meaning = request.isRead ? onImage(request, name, 'pull-blob', 'read', tail) : null;
  const { learning } = request;
  const touch = meaning?.touches[0];
  if (meaning === null || learning === null || touch?.kind !== 'image') return meaning;
  const references = learning.awaited.find(touch.image, tail);
  if (references !== null) return configMeaning(request, learning, touch, [...references]);
  // What no manifest named is of no known age, and nothing will tell it.
  const isLayer = learning.awaited.isLayer(touch.image, tail);
  return isLayer ? meaning : { ...meaning, touches: [{ ...touch, ageDue: 'now' }] };
}

const configLimits: HoldLimits = { maxBytes: 8_388_608, maxDecodedBytes: 8_388_608, maxRatio: 100 };
const maxReferences = 16;

/**
 * The configuration of an image, which says when it was made: asked for after the manifest, so that the age is judged
 * here, by the answer, before it goes on. What belongs to the tags and digests that led here is judged with it.
 */
function configMeaning(
  request: RegistryRequest,
  learning: Learning,
  touch: ImageTouch,
  references: readonly string[],
): Meaning {
  const digest = touch.reference!;
  const others = references
    .slice(0, maxReferences)
    .map((reference): ImageTouch => ({ ...touch, reference, ageDue: 'later' }));
  const meaning: Meaning = {
    name: 'oci/pull-blob',
    touches: [touch, ...others],
    sureness: 'known',
    detail: null,
    answer: () => learnConfig(learning, touch.image, digest),
    leads: (host, path) =>
      learning.awaited.lead(host, path, { registry: request.registry, path: request.path }),
  };
  return {
    ...meaning,
    review: {
      limits: configLimits,
      read(body) {
        const stream = body.kind === 'whole' ? learnConfig(learning, touch.image, digest) : null;
        if (body.kind === 'whole') stream?.push(body.body);
        return { ...meaning, touches: [{ ...touch, ageDue: 'now' }, ...others] };
      },
    },
  };
}

/** Adds what an answer about one image tells. */
function withAnswer(
  { learning }: RegistryRequest,
  meaning: Meaning | null,
  open: (learning: Learning, image: string, head: AnswerHead) => AnswerStream | null,
): Meaning | null {
  const touch = meaning?.touches[0];
  if (meaning === null || learning === null || touch?.kind !== 'image') return meaning;
  return { ...meaning, answer: (head) => open(learning, touch.image, head) };
}

function readManifest(request: RegistryRequest, name: readonly string[], tail: string): Meaning | null {
  if (!reference.test(tail)) return null;
  if (request.isRead) {
    const meaning = laterWhereMoving(onImage(request, name, 'pull', 'read', tail), tail);
    return withAnswer(request, meaning, (learning, image, head) =>
      learnManifest(learning, image, tail, head),
    );
  }
  if (request.method === 'PUT') return onImage(request, name, 'push', 'write', tail);
  return request.method === 'DELETE' ? onImage(request, name, 'delete', 'write', tail) : null;
}

/** A tag has no age: what it stands for has one, and may be another image tomorrow. */
function laterWhereMoving(meaning: Meaning | null, tail: string): Meaning | null {
  if (meaning === null || digest.test(tail)) return meaning;
  const touches = meaning.touches.map((touch): Touch =>
    touch.kind === 'image' ? { ...touch, ageDue: 'later' } : touch,
  );
  return { ...meaning, touches };
}

/** Uploads, whose state is a matter of those who push; a mount reads another image of the same registry. */
function readUpload(request: RegistryRequest, name: readonly string[]): Meaning | null {
  if (!['GET', 'HEAD', 'POST', 'PATCH', 'PUT', 'DELETE'].includes(request.method)) return null;
  const meaning = onImage(request, name, 'push-blob', 'write', null);
  if (meaning === null) return null;
  const query = readQuery(request.asked.query);
  const sources = query.getAll('from');
  if (sources.length === 0) return meaning;
  if (!sources.every((source) => imageName.test(source)) || sources.length >= maxTouches) {
    // What is read besides may be any image: nothing grants that.
    const hidden = packageTouch(request, 'publish', 'write', { purl: null });
    const touches = [...meaning.touches, hidden];
    return { ...meaning, touches, sureness: 'unknown', detail: 'a mount from an image that cannot be read' };
  }
  const read = sources.map((source) => imageTouch(request, 'read', source, query.get('mount')));
  return { ...meaning, name: 'oci/mount', touches: [...meaning.touches, ...read] };
}

function onImage(
  request: RegistryRequest,
  segments: readonly string[],
  verb: string,
  access: Access,
  reference: string | null,
): Meaning | null {
  const name = segments.join('/');
  if (name.length > 255 || !imageName.test(name)) return null;
  if (access === 'read' && !request.isRead) return null;
  const touch = imageTouch(request, access, name, reference);
  return { name: `oci/${verb}`, touches: [touch], sureness: 'known', detail: null };
}

/** Realms of registries end in one of these; anywhere else a query that speaks of scopes is one that nobody reads. */
const tokenWord = /^(?:token|auth|proxy_auth|exchange)$/;

function isTokenPath({ segments }: RegistryRequest): boolean {
  const named = segments.at(-1) === '' ? segments.slice(0, -1) : segments;
  const version = named.indexOf('v2');
  return tokenWord.test(named.at(-1) ?? '') && (version < 0 || version === named.length - 2);
}

/** Asks for a token: what it will be good for is what it touches. */
function readToken(request: RegistryRequest): Meaning {
  if (request.isRead) return scopeMeaning(request, readQuery(request.asked.query));
  if (request.method !== 'POST') return unknownMeaning(request, 'no known request for a token');
  const opaque = unknownMeaning(request, 'a request for a token whose scope cannot be read');
  return {
    ...opaque,
    hold: {
      maxBytes: 65_536,
      maxDecodedBytes: 65_536,
      maxRatio: 10,
      withBody: (held) =>
        held.kind === 'opaque' || held.body.length > 65_536
          ? opaque
          : scopeMeaning(
              request,
              new URLSearchParams(`${held.body.toString('latin1')}&${request.asked.query}`),
            ),
    },
  };
}

function scopeMeaning(request: RegistryRequest, query: URLSearchParams): Meaning {
  const scopes = query
    .getAll('scope')
    .flatMap((text) => text.split(' '))
    .filter((text) => text !== '');
  if (scopes.length === 0) return plain(request, 'login', 'account');
  const touches: Touch[] = [];
  let isKnown = scopes.length <= maxTouches;
  for (const scope of scopes.slice(0, maxTouches)) {
    const touch = readScope(request, scope);
    if (touch === null) isKnown = false;
    touches.push(touch ?? packageTouch(request, 'publish', 'write', { purl: null }));
  }
  return {
    name: 'oci/token',
    touches,
    sureness: isKnown ? 'known' : 'unknown',
    detail: isKnown ? null : 'a scope that is not known',
  };
}

/** `repository:{name}:{actions}` or `repository(class):…`; `registry:catalog:*`. A name may hold a host with a port. */
function readScope(request: RegistryRequest, scope: string): Touch | null {
  if (scope === 'registry:catalog:*') return packageTouch(request, 'search', 'read', { purl: null });
  const match = /^repository(?:\([a-z]+\))?:(.{1,255}):([a-z*,]*)$/.exec(scope);
  if (match === null || !imageName.test(match[1]!)) return null;
  const actions = match[2]!.split(',');
  const access = actions.every((action) => action === 'pull' || action === '')
    ? 'read'
    : actions.includes('*')
      ? 'admin'
      : 'write';
  return imageTouch(request, access, match[1]!, null);
}
