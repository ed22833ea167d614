// From question to kept answer: cache, coalescing, upstreams, chains that go on in another answer, serve-stale.
// Knows no policy and no client; the server and the proxy's resolver share one of it.

import { classifyAddress, formatAddress } from '../flow/address.ts';
import type { Meter } from '../flow/ports.ts';
import { CacheEntry, DnsCache, staleSeconds } from './cache.ts';
import type { CacheBounds } from './cache.ts';
import { steadySeconds } from './clock.ts';
import { followChain, maxChainSteps } from './cname-chain.ts';
import type { Chain } from './cname-chain.ts';
import { ede, rcode as code } from './codes.ts';
import { nameBytes } from './name.ts';
import { rebuildNegative, rebuildPositive } from './rebuild.ts';
import type { Wire } from './rebuild.ts';
import { hashName, QueryScan } from './scan-query.ts';
import type { Response } from './scan-response.ts';
import { questionBytes } from './upstream-query.ts';
import type { Question } from './upstream-query.ts';
import type { UpstreamConfig } from './upstream.ts';
import { Upstreams } from './upstreams.ts';
import type { ForwardZone } from './upstreams.ts';

export interface LookupOptions {
  readonly upstreams: readonly UpstreamConfig[];
  readonly forwardZones?: readonly ForwardZone[];
  readonly meter: Meter;
  readonly cache?: CacheBounds;
  /** Addresses of the gateway itself as canonical text, read anew each time: answers that lead there are judged one by one. */
  readonly ownAddresses?: ReadonlySet<string>;
}

/** What a look-up came to; `isStale` answers are older than their TTL and go out with 30 s. */
export interface Found {
  readonly entry: CacheEntry;
  readonly isStale: boolean;
}

/** Twice what the DNS server holds: its sources and the proxy's runners have shares of their own. */
const maxKeys = 8192;
const maxWaiting = 256;
const maxChainQuestions = 4;
const patienceMs = 1800;
const retryStaleSeconds = 30;
const failureSeconds = 2;
const maxKeptSeconds = 86_400;

export class Lookup {
  readonly #upstreams: Upstreams;
  readonly #meter: Meter;
  readonly cache: DnsCache;
  readonly #open = new Map<string, { promise: Promise<CacheEntry>; waiting: number }>();
  readonly #scan = new QueryScan();
  readonly #own: ReadonlySet<string>;

  constructor(options: LookupOptions) {
    this.#upstreams = new Upstreams(options.upstreams, options.forwardZones ?? [], options.meter);
    this.#meter = options.meter;
    this.cache = new DnsCache(options.cache);
    this.#own = options.ownAddresses ?? new Set();
  }

  /** True when a forward zone covers this folded wire name. */
  isForwarded(name: string): boolean {
    return this.#upstreams.isForwarded(name);
  }

  /** A fresh kept answer of this question, or null; an NXDOMAIN counts for every type (RFC 2308 5). */
  findFresh(scan: QueryScan, variant: number, nowSeconds: number): CacheEntry | null {
    const entry = this.cache.find(scan, variant);
    if (entry !== null && entry.expiresAt > nowSeconds) return entry;
    const type = scan.type;
    scan.type = 0;
    const absent = this.cache.find(scan, variant);
    scan.type = type;
    return absent !== null && absent.expiresAt > nowSeconds ? absent : null;
  }

  /** True when the answer is kept and fresh: asking for it leaves nothing. */
  isKept(question: Question): boolean {
    return this.findFresh(this.#fill(question), question.variant, steadySeconds()) !== null;
  }

  /**
   * The answer to this question, from the cache or an upstream. A stale one is given when the upstreams take more
   * than 1.8 s or fail (RFC 8767). Null when too many questions wait already. Never rejects.
   */
  async find(question: Question): Promise<Found | null> {
    const now = steadySeconds();
    const scan = this.#fill(question);
    const fresh = this.findFresh(scan, question.variant, now);
    if (fresh !== null) return { entry: fresh, isStale: false };
    const old = this.cache.find(scan, question.variant);
    const stale =
      old !== null && old.rcode !== code.SERVFAIL && old.expiresAt + staleSeconds > now ? old : null;
    if (stale !== null && now - stale.retriedAt < retryStaleSeconds) return this.#serveStale(stale);
    const answer = this.#coalesce(question);
    if (answer === null) return stale === null ? null : this.#serveStale(stale);
    const entry = stale === null ? await answer : await raceTimer(answer, patienceMs);
    if (entry !== null && (stale === null || entry.rcode !== code.SERVFAIL)) return { entry, isStale: false };
    if (stale === null) return null;
    stale.retriedAt = steadySeconds();
    return this.#serveStale(stale);
  }

  #serveStale(entry: CacheEntry): Found {
    this.#meter.count('sallyport_dns_cache_total', { result: 'stale' });
    return { entry, isStale: true };
  }

  #fill(question: Question): QueryScan {
    const scan = this.#scan;
    const bytes = nameBytes(question.name);
    scan.name.set(bytes);
    scan.nameLength = bytes.length;
    scan.hash = hashName(bytes);
    scan.type = question.type;
    return scan;
  }

  #coalesce(question: Question): Promise<CacheEntry> | null {
    const key = `${question.type}/${question.variant}/${question.name}`;
    const open = this.#open.get(key);
    if (open) {
      if (open.waiting >= maxWaiting) return null;
      open.waiting++;
      this.#meter.count('sallyport_dns_cache_total', { result: 'coalesced' });
      return open.promise;
    }
    if (this.#open.size >= maxKeys) return null;
    this.#meter.count('sallyport_dns_cache_total', { result: 'miss' });
    const promise = this.#ask(question).finally(() => this.#open.delete(key));
    this.#open.set(key, { promise, waiting: 1 });
    return promise;
  }

  async #ask(question: Question): Promise<CacheEntry> {
    const entry = await this.#resolve(question);
    const old = this.cache.find(this.#fill(question), question.variant);
    // A failure never replaces an answer that may still be served stale.
    const now = steadySeconds();
    const keepsOld = entry.rcode === code.SERVFAIL && old !== null && old.expiresAt + staleSeconds > now;
    if (entry.expiresAt > entry.storedAt && !keepsOld) this.cache.store(hashName(entry.name), entry);
    return entry;
  }

  async #resolve(question: Question): Promise<CacheEntry> {
    const parts: { response: Response; chain: Chain }[] = [];
    let name = question.name;
    const seen = new Set<string>();
    for (let asked = 0; asked < maxChainQuestions; asked++) {
      const response = await this.#upstreams.exchange({ ...question, name });
      if (response === 'none') return makeFailure(question, ede.noReachableAuthority);
      if (response === 'failed') return makeFailure(question, ede.networkError);
      if (response.rcode !== code.NOERROR && response.rcode !== code.NXDOMAIN)
        return makeFailure(question, 0);
      const chain = followChain(response, name, question.type);
      if (chain === null || chain.targets.some((target) => seen.has(target))) return makeFailure(question, 0);
      for (const target of chain.targets) seen.add(target);
      if (seen.size > maxChainSteps) return makeFailure(question, 0);
      parts.push({ response, chain });
      const isOver = chain.found > 0 || chain.targets.length === 0 || isAboutEnd(response);
      if (isOver) return makeEntry(question, parts, this.#own);
      name = chain.end;
    }
    return makeFailure(question, 0);
  }

  close(): void {
    this.#upstreams.close();
  }
}

// A negative answer at the end of a chain says so by its response code or by an SOA.
function isAboutEnd(response: Response): boolean {
  return response.rcode === code.NXDOMAIN || response.authority.some((record) => record.type === 6);
}

function makeEntry(
  question: Question,
  parts: readonly { response: Response; chain: Chain }[],
  own: ReadonlySet<string>,
): CacheEntry {
  const last = parts.at(-1)!;
  const withSignatures = (question.variant & 1) !== 0;
  const bytes = questionBytes(question);
  const isPositive = last.chain.found > 0;
  const rcode = isPositive ? code.NOERROR : last.response.rcode;
  const wire = isPositive
    ? rebuildPositive(bytes, question.name, parts, withSignatures)
    : rebuildNegative(bytes, question.name, rcode, parts, withSignatures);
  if (wire === null) return makeFailure(question, 0);
  const targets = parts.flatMap(({ chain }) => chain.targets);
  const isPlain = targets.length === 0 && wire.addresses.every((bytes) => isHarmless(bytes, own));
  return entryOf(question, rcode, wire, targets, 0, Math.min(wire.ttl, maxKeptSeconds), isPlain);
}

function makeFailure(question: Question, extended: number): CacheEntry {
  const header = Uint8Array.of(0, 0, 0x80, 0x82, 0, 1, 0, 0, 0, 0, 0, 0);
  const bytes = Buffer.concat([header, questionBytes(question)]);
  const wire = { bytes, ttlOffsets: [], addresses: [], starts: [], ttl: failureSeconds };
  return entryOf(question, code.SERVFAIL, wire, [], extended, failureSeconds, true);
}

function entryOf(
  question: Question,
  rcode: number,
  wire: Wire,
  targets: readonly string[],
  extended: number,
  ttl: number,
  isPlain: boolean,
): CacheEntry {
  return new CacheEntry({
    name: nameBytes(question.name),
    // NXDOMAIN says that the name has no records at all; behind a CNAME it speaks of another name.
    type: rcode === code.NXDOMAIN && targets.length === 0 ? 0 : question.type,
    variant: question.variant,
    rcode,
    wire,
    targets,
    isPlain,
    storedAt: steadySeconds(),
    ttl,
    ede: extended,
  });
}

function isHarmless(address: Uint8Array, own: ReadonlySet<string>): boolean {
  return classifyAddress(address) === 'public' && !own.has(formatAddress(address));
}

function raceTimer<T>(promise: Promise<T>, timeoutMs: number): Promise<T | null> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, timeoutMs, null);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
