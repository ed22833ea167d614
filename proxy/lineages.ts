// What credentials each job was handed, by keyed hash, in this worker's memory: bounded, gone with the job or after a
// day. No text of a token is kept.

import { createHmac, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { findSigned, type Lineage } from '../flow/lineage.ts';

const lifetimeMs = 86_400_000;
/** Identity tokens live for minutes; bodies of a job are looked at for one no longer than this. */
const identityMs = 3_600_000;
const maxHolders = 4_096;
const maxTokens = 65_536;
const maxHolderTokens = 256;

interface Holding {
  /** The oldest first. */
  readonly tokens: Map<string, Lineage>;
  identityUntilMs: number;
}

/** Identities go last: asking for many other tokens makes nobody forget where one of them may go. */
function findOldest(tokens: ReadonlyMap<string, Lineage>): string {
  let first = '';
  for (const [id, { made }] of tokens) {
    if (made !== 'identity') return id;
    if (first === '') first = id;
  }
  return first;
}

/** Lineages by holder (`grantHolder`). */
export class Lineages {
  readonly #holders = new LRUCache<string, Holding>({
    max: maxHolders,
    maxSize: maxTokens,
    ttl: lifetimeMs,
    updateAgeOnGet: false,
  });
  readonly #key: Uint8Array;
  readonly #now: () => number;

  /** Workers that are given one key write the same hashes. */
  constructor(key: Uint8Array = randomBytes(32), now: () => number = Date.now) {
    this.#key = key;
    this.#now = now;
  }

  /** 96 bits of HMAC-SHA256 in hexadecimal. */
  hash(token: string): string {
    return createHmac('sha256', this.#key).update(token).digest('hex').slice(0, 24);
  }

  keep(holder: string, lineage: Lineage): void {
    const holding = this.#holders.get(holder) ?? { tokens: new Map<string, Lineage>(), identityUntilMs: 0 };
    holding.tokens.delete(lineage.id);
    holding.tokens.set(lineage.id, lineage);
    if (holding.tokens.size > maxHolderTokens) holding.tokens.delete(findOldest(holding.tokens));
    if (lineage.made === 'identity') holding.identityUntilMs = this.#now() + identityMs;
    this.#holders.set(holder, holding, { size: holding.tokens.size });
  }

  /** True when the job was handed anything: else nobody hashes what its requests carry. */
  has(holder: string): boolean {
    return this.#holders.has(holder);
  }

  /** True while an identity token of the job may be on its way somewhere. */
  hasIdentity(holder: string): boolean {
    return (this.#holders.get(holder)?.identityUntilMs ?? 0) > this.#now();
  }

  find(holder: string, tokens: readonly string[]): Lineage | null {
    const known = this.#holders.get(holder)?.tokens;
    if (known === undefined) return null;
    for (const token of tokens) {
      const lineage = known.get(this.hash(token));
      if (lineage !== undefined) return lineage;
    }
    return null;
  }

  /** An identity token in a text. */
  findIdentity(holder: string, text: string): Lineage | null {
    const found = this.find(holder, findSigned(text));
    return found?.made === 'identity' ? found : null;
  }

  clear(holder: string): void {
    this.#holders.delete(holder);
  }
}
