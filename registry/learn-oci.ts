// When images were made, as their authors say: a manifest names its configuration, which says `created`
// (github.com/opencontainers/image-spec, config.md). A tag is learnt with the digest that it stood for.

import { LRUCache } from 'lru-cache';
import type { AnswerHead, AnswerStream } from '../flow/asked-request.ts';
import { imageRegistry } from './evidence.ts';
import { jsonStream, nothingTold } from './answer-reader.ts';
import type { Learning } from './registry-request.ts';
import { readTime } from './times.ts';

/** Where a registry sent somebody for a blob. */
export interface LedBlob {
  readonly registry: string;
  /** The path at the registry. */
  readonly path: string;
}

/**
 * Which tags and digests of an image wait for the configuration or manifest with a digest, which other blobs manifests
 * named, and where registries keep what is waited for.
 */
export class AwaitedConfigs {
  readonly #references = new LRUCache<string, Set<string>>({ max: 10_000 });
  readonly #named = new LRUCache<string, true>({ max: 50_000 });
  readonly #led = new LRUCache<string, LedBlob>({ max: 10_000 });
  readonly #ledHosts = new LRUCache<string, true>({ max: 1_000 });

  add(image: string, config: string, reference: string): void {
    const key = `${image} ${config}`;
    const references = this.#references.get(key) ?? new Set<string>();
    if (references.size < 64) references.add(reference);
    this.#references.set(key, references);
  }

  find(image: string, config: string): ReadonlySet<string> | null {
    return this.#references.get(`${image} ${config}`) ?? null;
  }

  /** A manifest named this blob as a layer: how old it is the configuration says. */
  addLayer(image: string, digest: string): void {
    this.#named.set(`${image} ${digest}`, true);
  }

  isLayer(image: string, digest: string): boolean {
    return this.#named.has(`${image} ${digest}`);
  }

  /** A registry sent somebody to this host and canonical path for a blob that is waited for. */
  lead(host: string, path: string, blob: LedBlob): void {
    this.#led.set(`${host}${path}`, blob);
    this.#ledHosts.set(host, true);
  }

  findLed(host: string, path: string): LedBlob | null {
    return this.#ledHosts.has(host) ? (this.#led.get(`${host}${path}`) ?? null) : null;
  }
}

/** Learns which configuration, or which manifest for one machine, belongs to a tag or digest. */
export function learnManifest(
  { awaited }: Learning,
  image: string,
  reference: string,
  head: AnswerHead,
): AnswerStream {
  const digest = head.header('docker-content-digest');
  // A tag leads to an index, the index to this manifest: its time is theirs too.
  const references = [reference, ...(awaited.find(image, reference) ?? [])];
  if (digest !== null && digest.length < 200) references.push(digest);
  return jsonStream(3, (path, kind, text) => {
    const isConfig = path.length === 2 && path[0] === 'config';
    const isManifest = path.length === 3 && path[0] === 'manifests';
    if (kind !== 'string' || text === null || text.length > 200 || path.at(-1) !== 'digest') return;
    if (isConfig || isManifest) for (const each of references) awaited.add(image, text, each);
    else if (path.length === 3 && path[0] === 'layers') awaited.addLayer(image, text);
  });
}

/** Learns `created` of a configuration that a manifest named; null for any other blob. */
export function learnConfig(
  { times, awaited }: Learning,
  image: string,
  digest: string,
): AnswerStream | null {
  const references = awaited.find(image, digest);
  if (references === null) return null;
  const learn = jsonStream(1, (path, kind, text) => {
    const timeMs = kind === 'string' && path[0] === 'created' ? readTime(text) : null;
    if (timeMs === null) return;
    for (const reference of [...references, digest]) {
      times.learn(imageRegistry(image), image, reference, { timeMs, timeClass: 'author-stated' });
    }
  });
  let bytes = 0;
  return {
    push(chunk) {
      bytes += chunk.length;
      if (bytes <= 8_388_608) learn.push(chunk);
    },
    end: () => nothingTold,
  };
}
