// The store's tokens and logins, remembered for a short while so that not every request is a question to the store. What is
// revoked or ended here counts at once; on other gateways of the same store when their memory of it is over.

import { LRUCache } from 'lru-cache';
import type {
  AccessStore,
  AuditEntry,
  AuditOutcome,
  AuditQuestion,
  StoredLogin,
  StoredToken,
} from './access-port.ts';

/** How long a token that was revoked on another gateway may go on here. */
const rememberedMs = 30_000;
const most = 2_000;

export interface CachedAccessOptions {
  readonly store: AccessStore;
  readonly clock: () => number;
  /** Told that the time of a last use could not be kept: nobody is refused for it. */
  onUntouched(error: unknown): void;
}

interface Remembered<T> {
  readonly value: T;
  readonly atMs: number;
}

export class CachedAccess implements AccessStore {
  readonly #options: CachedAccessOptions;
  readonly #store: AccessStore;
  readonly #tokens = new LRUCache<string, Remembered<StoredToken>>({ max: most });
  readonly #logins = new LRUCache<string, Remembered<StoredLogin>>({ max: most });
  /** Grows with every change: an answer that was asked for before it is not remembered. */
  #changes = 0;

  constructor(options: CachedAccessOptions) {
    this.#options = options;
    this.#store = options.store;
  }

  tokenOf(id: string): Promise<StoredToken | null> {
    return this.#recall(this.#tokens, id, () => this.#store.tokenOf(id));
  }

  loginOf(digest: string): Promise<StoredLogin | null> {
    return this.#recall(this.#logins, digest, () => this.#store.loginOf(digest));
  }

  async revokeToken(id: string, revokedMs: number): Promise<boolean> {
    this.#forget(this.#tokens, id);
    try {
      return await this.#store.revokeToken(id, revokedMs);
    } finally {
      this.#forget(this.#tokens, id);
    }
  }

  async removeLogin(digest: string): Promise<void> {
    this.#forget(this.#logins, digest);
    try {
      await this.#store.removeLogin(digest);
    } finally {
      this.#forget(this.#logins, digest);
    }
  }

  async touchToken(id: string, usedMs: number): Promise<void> {
    const known = this.#tokens.peek(id);
    if (known !== undefined) this.#tokens.set(id, { ...known, value: { ...known.value, usedMs } });
    await this.#store.touchToken(id, usedMs).catch((error: unknown) => this.#options.onUntouched(error));
  }

  async touchLogin(digest: string, usedMs: number): Promise<void> {
    const known = this.#logins.peek(digest);
    if (known !== undefined) this.#logins.set(digest, { ...known, value: { ...known.value, usedMs } });
    await this.#store.touchLogin(digest, usedMs).catch((error: unknown) => this.#options.onUntouched(error));
  }

  addToken(token: StoredToken): Promise<void> {
    return this.#store.addToken(token);
  }

  tokens(): Promise<readonly StoredToken[]> {
    return this.#store.tokens();
  }

  addLogin(login: StoredLogin): Promise<void> {
    return this.#store.addLogin(login);
  }

  dropLogins(createdBeforeMs: number): Promise<void> {
    return this.#store.dropLogins(createdBeforeMs);
  }

  addEntry(entry: AuditEntry): Promise<void> {
    return this.#store.addEntry(entry);
  }

  endEntry(id: string, outcome: AuditOutcome, target: string): Promise<void> {
    return this.#store.endEntry(id, outcome, target);
  }

  entries(question: AuditQuestion): Promise<readonly AuditEntry[]> {
    return this.#store.entries(question);
  }

  async #recall<T extends object>(
    cache: LRUCache<string, Remembered<T>>,
    key: string,
    ask: () => Promise<T | null>,
  ): Promise<T | null> {
    const known = cache.get(key);
    const nowMs = this.#options.clock();
    // A clock that was set back makes nothing last longer.
    if (known !== undefined && Math.abs(nowMs - known.atMs) < rememberedMs) return known.value;
    const changes = this.#changes;
    const value = await ask();
    if (value !== null && changes === this.#changes) cache.set(key, { value, atMs: nowMs });
    else cache.delete(key);
    return value;
  }

  #forget<T extends object>(cache: LRUCache<string, Remembered<T>>, key: string): void {
    this.#changes += 1;
    cache.delete(key);
  }
}
