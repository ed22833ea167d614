// Storage that answers hand out: a host and port, a path with what lies beneath it, and methods, until it expires. Open
// to the job that was answered (the same address when no job is known) and to nobody else.

import { LRUCache } from 'lru-cache';
import type { StorageGrant } from '../flow/asked-request.ts';
import { canonicaliseHost } from '../policy/canonicalise-host.ts';
import { canonicalisePath } from '../policy/canonicalise-path.ts';
import type { FollowGrant } from './follow.ts';

const maxLifetimeMs = 86_400_000;
const maxHolders = 4_096;
const maxBytes = 64 * 1_048_576;
// Room for some dozens of LFS batches; what one job is given takes nothing from another's.
const maxHolderBytes = 4 * 1_048_576;
/** About what a URL takes besides its text, the request that it is owed to included. */
const urlBytes = 1_000;
const maxPathLength = 8_192;
const maxMethods = 8;

interface OpenUrl {
  readonly hostKey: string;
  readonly pathLength: number;
  readonly expiresMs: number;
  readonly from: FollowGrant;
  readonly isArchive: boolean;
}

interface OpenHost {
  /** How many URLs have a path of this length. */
  readonly lengths: Map<number, number>;
  untilMs: number;
  from: FollowGrant;
}

/** What one holder was given, the oldest first. */
class Holding {
  readonly #urls = new Map<string, OpenUrl>();
  readonly #hosts = new Map<string, OpenHost>();
  bytes = 0;

  add(hostKey: string, method: string, path: string, rest: Omit<OpenUrl, 'hostKey' | 'pathLength'>): void {
    const key = keyOf(hostKey, method, path, rest.isArchive);
    const { expiresMs, from } = rest;
    this.#remove(key);
    this.#urls.set(key, { hostKey, pathLength: path.length, ...rest });
    this.bytes += key.length + urlBytes;
    const host = this.#hosts.get(hostKey) ?? { lengths: new Map<number, number>(), untilMs: 0, from };
    host.lengths.set(path.length, (host.lengths.get(path.length) ?? 0) + 1);
    host.untilMs = Math.max(host.untilMs, expiresMs);
    host.from = from;
    this.#hosts.set(hostKey, host);
    for (const oldest of this.#urls.keys()) {
      if (this.bytes <= maxHolderBytes) break;
      this.#remove(oldest);
    }
  }

  #remove(key: string): void {
    const url = this.#urls.get(key);
    if (url === undefined) return;
    this.#urls.delete(key);
    this.bytes -= key.length + urlBytes;
    const { lengths } = this.#hosts.get(url.hostKey)!; // every URL has its host
    const left = lengths.get(url.pathLength)! - 1;
    if (left > 0) lengths.set(url.pathLength, left);
    else lengths.delete(url.pathLength);
    if (lengths.size === 0) this.#hosts.delete(url.hostKey);
  }

  host(hostKey: string, nowMs: number): FollowGrant | null {
    const host = this.#hosts.get(hostKey);
    return host !== undefined && host.untilMs > nowMs ? host.from : null;
  }

  archive(hostKey: string, method: string, path: string, nowMs: number): FollowGrant | null {
    const url = this.#urls.get(keyOf(hostKey, method, path, true));
    return url !== undefined && url.expiresMs > nowMs ? url.from : null;
  }

  url(hostKey: string, method: string, path: string, nowMs: number): FollowGrant | null {
    const lengths = this.#hosts.get(hostKey)?.lengths.keys() ?? [];
    for (const length of lengths) {
      if (!isBeneath(path, length)) continue;
      const url = this.#urls.get(keyOf(hostKey, method, path.slice(0, length), false));
      if (url !== undefined && url.expiresMs > nowMs) return url.from;
    }
    return null;
  }
}

// Archives are kept apart: nothing lies beneath them.
const keyOf = (hostKey: string, method: string, path: string, isArchive: boolean): string =>
  `${isArchive ? 'archive ' : ''}${method} ${hostKey}${path}`;

/** True when the first so many characters are whole segments of the path. */
function isBeneath(path: string, length: number): boolean {
  return (
    length === path.length || (length < path.length && (path[length] === '/' || path[length - 1] === '/'))
  );
}

/** Bounded memory of what was handed out, by holder (`grantHolder`). */
export class StorageGrants {
  readonly #holders = new LRUCache<string, Holding>({ max: maxHolders, maxSize: maxBytes });
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** Opens what is canonical and has not expired; `from` is the rule whose answer handed it out. */
  open(holder: string, grants: readonly StorageGrant[], from: FollowGrant): void {
    const holding = this.#holders.get(holder) ?? new Holding();
    for (const grant of grants) this.#add(holding, grant, from);
    if (holding.bytes > 0) this.#holders.set(holder, holding, { size: holding.bytes });
  }

  #add(holding: Holding, grant: StorageGrant, from: FollowGrant): void {
    const { port, methods, pathPrefix } = grant;
    const now = this.#now();
    const expiresMs = Math.min(grant.expiresMs, now + maxLifetimeMs);
    const host = canonicaliseHost(grant.host);
    const path = canonicalisePath(pathPrefix);
    if (host.kind !== 'name' || path.kind !== 'path' || path.query !== '' || pathPrefix.includes('?')) return;
    // The root would be the whole host.
    if (path.path === '/' || path.path.length > maxPathLength || !(expiresMs > now)) return;
    if (!Number.isInteger(port) || port < 1 || port > 65_535) return;
    const isArchive = grant.isArchive === true;
    // What the platform made for the job opens also what rules on repositories speak of.
    const { isImplied: _, ...explicit } = from;
    const owed = { expiresMs, from: isArchive ? explicit : from, isArchive };
    for (const method of methods.slice(0, maxMethods))
      if (/^[A-Z]{1,16}$/.test(method)) holding.add(`${host.name}:${port}`, method, path.path, owed);
  }

  /** A grant that lets this holder connect to the host at all. */
  host(holder: string, host: string, port: number): FollowGrant | null {
    return this.#holders.get(holder)?.host(`${host}:${port}`, this.#now()) ?? null;
  }

  /** The grant of a request with this method and canonical path. */
  url(
    holder: string,
    { host, port, method, path }: { host: string; port: number; method: string; path: string },
  ): FollowGrant | null {
    return this.#holders.get(holder)?.url(`${host}:${port}`, method, path, this.#now()) ?? null;
  }

  /** The grant of an archive at exactly this path. */
  archive(
    holder: string,
    { host, port, method, path }: { host: string; port: number; method: string; path: string },
  ): FollowGrant | null {
    return this.#holders.get(holder)?.archive(`${host}:${port}`, method, path, this.#now()) ?? null;
  }

  clear(holder: string): void {
    this.#holders.delete(holder);
  }
}
