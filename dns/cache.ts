// Answers kept by question: raw messages whose TTLs are patched into each copy. Bounded by entries and bytes,
// oldest out first; a seeded hash and short chains keep crafted names from slowing it.
// The entries of one question serve every runner: what one may see of them is judged when it is answered.

import type { QueryScan } from './scan-query.ts';
import type { Wire } from './rebuild.ts';

export interface CacheBounds {
  readonly entries: number;
  readonly bytes: number;
}
export const defaultBounds: CacheBounds = { entries: 20_000, bytes: 32 * 1024 * 1024 };

/** Seconds that an expired answer may still be served when no upstream answers (RFC 8767). */
export const staleSeconds = 3600;
const maxLinks = 8;
const entryOverheadBytes = 600;

/** One answer, positive, negative or a failure, of one (name, type, DO, CD). */
export class CacheEntry {
  readonly name: Uint8Array;
  readonly type: number;
  /** Bit 0: DO, bit 1: CD. */
  readonly variant: number;
  readonly rcode: number;
  readonly wire: Wire;
  /** Folded wire names of the CNAME targets. */
  readonly targets: readonly string[];
  /** True when every runner whose policy allows the name gets this very answer. */
  readonly isPlain: boolean;
  readonly storedAt: number;
  expiresAt: number;
  /** Extended error to tell clients, 0 for none. */
  readonly ede: number;
  next: CacheEntry | null = null;
  /** Neighbours in the order of storing. */
  older: CacheEntry | null = null;
  newer: CacheEntry | null = null;
  key = 0;
  /** Second of the last attempt to renew it after it expired. */
  retriedAt = 0;
  /** What the server made of it for its last few verdicts; opaque here. */
  readonly judgements: { readonly verdict: object; readonly judged: object }[] = [];

  constructor(fields: {
    name: Uint8Array;
    type: number;
    variant: number;
    rcode: number;
    wire: Wire;
    targets: readonly string[];
    isPlain: boolean;
    storedAt: number;
    ttl: number;
    ede: number;
  }) {
    this.name = fields.name;
    this.type = fields.type;
    this.variant = fields.variant;
    this.rcode = fields.rcode;
    this.wire = fields.wire;
    this.targets = fields.targets;
    this.isPlain = fields.isPlain;
    this.storedAt = fields.storedAt;
    this.expiresAt = fields.storedAt + fields.ttl;
    this.ede = fields.ede;
  }

  get sizeBytes(): number {
    return this.wire.bytes.length + entryOverheadBytes;
  }
}

/** DO and CD of a question as a number: part of the cache's key. */
export function variantOf(dnssecOk: boolean, checkingDisabled: boolean): number {
  return (dnssecOk ? 1 : 0) | (checkingDisabled ? 2 : 0);
}

function mixKey(hash: number, type: number, variant: number): number {
  return (hash ^ Math.imul(type, 0x9e3779b1) ^ (variant << 28)) & 0x3fffffff;
}

export class DnsCache {
  readonly #bounds: CacheBounds;
  readonly #heads = new Map<number, CacheEntry>();
  // A list of its own: a map whose first keys are taken away again and again gets slow.
  #oldest: CacheEntry | null = null;
  #newest: CacheEntry | null = null;
  #bytes = 0;
  #count = 0;

  constructor(bounds: CacheBounds = defaultBounds) {
    this.#bounds = bounds;
  }

  get entries(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The entry of this question, fresh or not, or null. */
  find(scan: QueryScan, variant: number): CacheEntry | null {
    let entry = this.#heads.get(mixKey(scan.hash, scan.type, variant)) ?? null;
    while (entry !== null && !isSame(entry, scan.name, scan.nameLength, scan.type, variant))
      entry = entry.next;
    return entry;
  }

  /** Keeps an answer under the hash of its name, in place of an older one of the same question. */
  store(hash: number, entry: CacheEntry): void {
    const key = mixKey(hash, entry.type, entry.variant);
    entry.key = key;
    this.#remove(key, entry);
    entry.next = this.#heads.get(key) ?? null;
    this.#heads.set(key, entry);
    entry.older = this.#newest;
    if (this.#newest === null) this.#oldest = entry;
    else this.#newest.newer = entry;
    this.#newest = entry;
    this.#count++;
    this.#bytes += entry.sizeBytes;
    this.#trimChain(entry);
    this.#evict();
  }

  #remove(key: number, like: CacheEntry): void {
    let previous: CacheEntry | null = null;
    for (let entry = this.#heads.get(key) ?? null; entry !== null; previous = entry, entry = entry.next) {
      if (!isSame(entry, like.name, like.name.length, like.type, like.variant)) continue;
      if (previous !== null) previous.next = entry.next;
      else if (entry.next !== null) this.#heads.set(key, entry.next);
      else this.#heads.delete(key);
      this.#account(entry);
      return;
    }
  }

  #account(gone: CacheEntry): void {
    this.#count--;
    this.#bytes -= gone.sizeBytes;
    if (gone.older === null) this.#oldest = gone.newer;
    else gone.older.newer = gone.newer;
    if (gone.newer === null) this.#newest = gone.older;
    else gone.newer.older = gone.older;
    gone.next = null;
    gone.older = null;
    gone.newer = null;
  }

  #trimChain(head: CacheEntry): void {
    let last = head;
    for (let links = 1; last.next !== null; links++, last = last.next) {
      if (links < maxLinks) continue;
      const gone = last.next;
      last.next = null;
      this.#account(gone);
      return;
    }
  }

  #evict(): void {
    while (this.#count > this.#bounds.entries || this.#bytes > this.#bounds.bytes) {
      if (this.#oldest === null) return;
      this.#remove(this.#oldest.key, this.#oldest);
    }
  }

  clear(): void {
    this.#heads.clear();
    this.#oldest = null;
    this.#newest = null;
    this.#bytes = 0;
    this.#count = 0;
  }
}

function isSame(entry: CacheEntry, name: Uint8Array, length: number, type: number, variant: number): boolean {
  if (entry.type !== type || entry.variant !== variant || entry.name.length !== length) return false;
  const own = entry.name;
  for (let i = 0; i < length; i++) if (own[i] !== name[i]) return false;
  return true;
}
