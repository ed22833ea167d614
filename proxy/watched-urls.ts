// Which URLs of storage take logs, as the answers said that handed them out. It opens nothing: policy may have let the
// job there by a rule of its own, or only watch (mode audit).

import { LRUCache } from 'lru-cache';
import type { BodyWatcher, StorageGrant } from '../flow/asked-request.ts';
import { canonicaliseHost } from '../policy/canonicalise-host.ts';
import { canonicalisePath } from '../policy/canonicalise-path.ts';

const maxUrls = 8_192;
const maxPathLength = 8_192;
const maxLifetimeMs = 86_400_000;

/** Bounded memory of them, by holder (`grantHolder`). */
export class WatchedUrls {
  readonly #urls = new LRUCache<string, BodyWatcher>({ max: maxUrls });

  /** Remembers those of an answer that came over TLS. A URL that is handed out again goes on being the same log. */
  note(holder: string, grants: readonly StorageGrant[]): void {
    for (const { host, port, pathPrefix, expiresMs, watch } of grants) {
      if (watch === undefined) continue;
      const name = canonicaliseHost(host);
      const path = canonicalisePath(pathPrefix);
      const ttl = Math.min(expiresMs - Date.now(), maxLifetimeMs);
      if (name.kind !== 'name' || path.kind !== 'path' || path.path.length > maxPathLength || ttl <= 0)
        continue;
      const key = keyOf(holder, name.name, port, path.path);
      this.#urls.set(key, this.#urls.get(key) ?? watch, { ttl });
    }
  }

  /** Who reads what is sent to this URL, or null. */
  find(
    holder: string,
    { host, port, path }: { host: string; port: number; path: string },
  ): BodyWatcher | null {
    return this.#urls.size === 0 ? null : (this.#urls.get(keyOf(holder, host, port, path)) ?? null);
  }
}

const keyOf = (holder: string, host: string, port: number, path: string): string =>
  `${holder}\n${host}:${port}${path}`;
