// Grants from redirects: the https Location of an allowed answer of a `follow: true` rule opens, for the same job (or
// the same address when no job is known), ten minutes, that one URL: for reading, or by the method that is kept.

import { LRUCache } from 'lru-cache';
import { provenJob, type Attribution } from '../flow/job.ts';
import { canonicaliseHost } from '../policy/canonicalise-host.ts';
import { canonicalisePath } from '../policy/canonicalise-path.ts';
import type { RequestQuery } from './options.ts';

const grantMs = 600_000;
const maxHops = 5;
const maxLocationBytes = 8_192;

/** One opened URL, with the rule whose answer opened it. */
export interface FollowGrant {
  readonly rule: string | null;
  readonly scope: string | null;
  /** How many redirects lie behind it. */
  readonly hops: number;
  /** No rule asks for it: it opens nothing but what no rule names. */
  readonly isImplied?: true;
  /** The request whose answer it was: a policy that would block it now closes what it led to. */
  readonly asked?: {
    readonly revision: string | null;
    readonly attribution: Attribution;
    readonly query: RequestQuery;
  };
}

export interface FollowedUrl {
  readonly host: string;
  readonly port: number;
  /** Canonical path, with `?query` as sent when there is one. */
  readonly pathAndQuery: string;
}

/**
 * Who a grant belongs to: the job when one is known for sure, else the runner's address. A job that its platform names is
 * itself alone, also where the next one says the same of itself.
 */
export function grantHolder(attribution: Attribution, runner: string): string {
  const job = provenJob(attribution);
  if (job === null) return `runner ${runner}`;
  if (attribution.jobId !== undefined) return `job ${attribution.jobId}`;
  // Storage may be reached over the other family than the answer that handed it out.
  const machine = attribution.machine ?? runner;
  return `job ${job.server} ${job.repository} ${job.runId} ${job.name} ${job.runId === null ? machine : ''}`;
}

const reading: readonly string[] = ['GET', 'HEAD'];

/**
 * The methods by which a client may go where this answer sends it (RFC 9110 §15.4); none where it is no redirect. What
 * no rule asks for is opened for reading alone.
 */
export function followedMethods(
  status: number,
  method: string,
  { isImplied }: FollowGrant,
): readonly string[] {
  if (![300, 301, 302, 303, 307, 308].includes(status)) return [];
  const isKept = (status === 307 || status === 308) && !reading.includes(method);
  return isKept && isImplied !== true ? [method] : reading;
}

interface OpenUrl {
  readonly grant: FollowGrant;
  readonly methods: readonly string[];
}

/** Bounded memory of grants. */
export class FollowGrants {
  readonly #urls: LRUCache<string, OpenUrl>;
  readonly #hosts: LRUCache<string, FollowGrant>;

  constructor(max = 8_192, ttlMs = grantMs) {
    this.#urls = new LRUCache({ max, ttl: ttlMs });
    this.#hosts = new LRUCache({ max, ttl: ttlMs });
  }

  /** Reads a Location (RFC 9110 §10.2.2) and opens it; answers what it opened, or null when it may not be. */
  open(
    holder: string,
    location: string,
    base: FollowedUrl,
    from: FollowGrant,
    methods: readonly string[] = reading,
  ): FollowedUrl | null {
    if (from.hops >= maxHops || methods.length === 0) return null;
    const url = readLocation(location, base);
    if (url === null) return null;
    const grant = { ...from, hops: from.hops + 1 };
    this.#urls.set(urlKey(holder, url), { grant, methods });
    this.#hosts.set(hostKey(holder, url), grant);
    return url;
  }

  /** A grant that lets this holder connect to the host at all. */
  host(holder: string, host: string, port: number): FollowGrant | null {
    return this.#hosts.get(hostKey(holder, { host, port })) ?? null;
  }

  /** A grant for exactly this URL by this method. */
  url(holder: string, url: FollowedUrl, method = 'GET'): FollowGrant | null {
    const open = this.#urls.get(urlKey(holder, url));
    return open?.methods.includes(method) === true ? open.grant : null;
  }

  clear(holder: string): void {
    for (const map of [this.#urls, this.#hosts]) {
      for (const key of map.keys()) if (key.startsWith(`${holder}\n`)) map.delete(key);
    }
  }
}

const hostKey = (holder: string, url: { host: string; port: number }) => `${holder}\n${url.host}:${url.port}`;
const urlKey = (holder: string, url: FollowedUrl) => `${hostKey(holder, url)}${url.pathAndQuery}`;

function readLocation(location: string, base: FollowedUrl): FollowedUrl | null {
  if (location.length > maxLocationBytes) return null;
  const text =
    location.startsWith('/') && !location.startsWith('//')
      ? `https://${base.host}:${base.port}${location}`
      : location;
  const parts = /^https:\/\/([^/?#@\\]+)([/?][^#]*)?(?:#.*)?$/i.exec(
    text.startsWith('//') ? `https:${text}` : text,
  );
  if (parts === null) return null;
  const [, authority = '', rest = '/'] = parts;
  const colon = /:(\d{1,5})$/.exec(authority);
  const host = canonicaliseHost(colon === null ? authority : authority.slice(0, colon.index));
  const path = canonicalisePath(rest.startsWith('?') ? `/${rest}` : rest);
  if (host.kind !== 'name' || path.kind !== 'path') return null;
  return {
    host: host.name,
    port: colon === null ? 443 : Number(colon[1]),
    pathAndQuery: joinQuery(path.path, path.query),
  };
}

/** The canonical path with its query, as grants are keyed. */
export function joinQuery(path: string, query: string): string {
  return query === '' ? path : `${path}?${query.startsWith('?') ? query.slice(1) : query}`;
}
