// Which repository, organisation or user a number stands for, as answers of the platform itself told. Bounded; an
// entry lives an hour, since a repository may be renamed or handed on.

import { LRUCache } from 'lru-cache';

export interface RepositoryName {
  readonly owner: string;
  readonly name: string;
}

const maxEntries = 10_000;
const lifetimeMs = 3_600_000;
const ownerName = /^[A-Za-z0-9-]{1,100}(?:_[A-Za-z0-9]{1,50})?$/;
const fullName = /^([A-Za-z0-9-]{1,100}(?:_[A-Za-z0-9]{1,50})?)\/([A-Za-z0-9._-]{1,100})$/;

export class RepositoryTwins {
  readonly #names = new LRUCache<string, RepositoryName>({ max: maxEntries, ttl: lifetimeMs });
  readonly #owners = new LRUCache<string, string>({ max: maxEntries, ttl: lifetimeMs });

  find(id: string): RepositoryName | null {
    return this.#names.get(id) ?? null;
  }

  /** Takes what looks like a repository's object of the API: `id` and `full_name`; anything else is nothing. */
  learn(value: unknown): void {
    if (typeof value !== 'object' || value === null) return;
    const { id, full_name: full } = value as { id?: unknown; full_name?: unknown }; // checked in the next lines
    if (typeof id !== 'number' || !Number.isSafeInteger(id) || typeof full !== 'string') return;
    const match = fullName.exec(full);
    if (match !== null) this.#names.set(String(id), { owner: match[1]!, name: match[2]! });
  }

  /** Takes a project of a GitLab, whose path may be deep; the caller has read its names. */
  learnProject(id: string, name: RepositoryName): void {
    this.#names.set(id, name);
  }

  /** The owner behind `/organizations/77` or `/user/77`; null: not told. */
  findOwner(kind: string, id: string): string | null {
    return this.#owners.get(`${kind} ${id}`) ?? null;
  }

  learnOwner(kind: string, id: string, owner: string): void {
    if (ownerName.test(owner)) this.#owners.set(`${kind} ${id}`, owner);
  }
}
