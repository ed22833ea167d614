// Leaves: one TLS context per server name, minted by a signature from the keeper, cached, coalesced and limited
// per runner. The worker holds the leaf's key only; the authority's never leaves the keeper.

import { generateKeyPairSync } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { SecureContext } from 'node:tls';

import { LRUCache } from 'lru-cache';

import { subnetOf } from '../flow/address.ts';
import { SallyportError } from '../flow/errors.ts';
import type { KeeperPort, Meter } from '../flow/ports.ts';
import { toPem } from './authority-certificate.ts';
import type { PublicAuthority } from './authority.ts';
import { bitString, encodeDer } from './der.ts';
import { createLeafTemplate, signatureAlgorithmDer, wrap } from './leaf-template.ts';
import type { LeafTemplate } from './leaf-template.ts';

const hourMs = 3_600_000;
// What an ECDSA leaf can use of Node's defaults: reading all of those costs a fifth of making a context.
const ciphers = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-SHA256',
  'ECDHE-ECDSA-AES256-SHA384',
  'ECDHE-ECDSA-AES128-SHA',
  'ECDHE-ECDSA-AES256-SHA',
].join(':');
const maxRunners = 10_000;
const runnersPerSubnet = 4;

export interface LeafIssuerOptions {
  readonly authority: PublicAuthority;
  readonly sign: KeeperPort['sign'];
  readonly meter: Meter;
  /** Contexts kept; each holds about 14 KB. Default 4,096. */
  readonly cacheSize?: number;
  /** New leaves for one runner in a minute, which may come at once. Default 600. */
  readonly mintsPerRunnerPerMinute?: number;
  readonly now?: () => number;
}

/** Gives TLS contexts for server names. One per worker. */
export class LeafIssuer {
  readonly #authority: PublicAuthority;
  readonly #sign: KeeperPort['sign'];
  readonly #meter: Meter;
  readonly #now: () => number;
  readonly #perMinute: number;
  readonly #template: LeafTemplate;
  readonly #keyPem: string;
  readonly #contexts: LRUCache<string, { context: SecureContext; staleMs: number }>;
  readonly #minting = new Map<string, Promise<SecureContext>>();
  readonly #budgets: LRUCache<string, { left: number; atMs: number }>;

  constructor(options: LeafIssuerOptions) {
    this.#authority = options.authority;
    this.#sign = options.sign;
    this.#meter = options.meter;
    this.#now = options.now ?? Date.now;
    this.#perMinute = options.mintsPerRunnerPerMinute ?? 600;
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.#keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    this.#template = createLeafTemplate(options.authority, publicKey.export({ type: 'spki', format: 'der' }));
    this.#contexts = new LRUCache({ max: options.cacheSize ?? 4096 });
    this.#budgets = new LRUCache({ max: maxRunners });
  }

  /**
   * The context for a canonical name or address; synchronous when it is cached.
   * The promise is rejected with SallyportError: runner-limit, keeper-unavailable, or authority.
   */
  contextFor(serverName: string, runner: string): SecureContext | Promise<SecureContext> {
    const nowMs = this.#now();
    const cached = this.#contexts.get(serverName);
    if (cached && nowMs < cached.staleMs) return cached.context;
    const running = this.#minting.get(serverName);
    if (running) return running;
    if (!this.#mayMint(runner, nowMs)) return Promise.reject(tooFast(runner, this.#perMinute));
    const minting = this.#mint(serverName, nowMs).finally(() => this.#minting.delete(serverName));
    this.#minting.set(serverName, minting);
    return minting;
  }

  async #mint(serverName: string, nowMs: number): Promise<SecureContext> {
    const { der, notAfterMs } = this.#template.fill(serverName, nowMs);
    if (notAfterMs <= nowMs) throw new SallyportError('authority', 'the authority has expired; renew it');
    const signature = await this.#sign(der);
    const certificate = wrap(0x30, der, signatureAlgorithmDer, encodeDer(bitString(signature)));
    const context = createSecureContext({
      key: this.#keyPem,
      cert: toPem('CERTIFICATE', certificate) + intermediatesPem(this.#authority),
      ciphers,
      // Ours first: by their own order most clients choose AES-256 and SHA-384, which is dearer and no stronger than a
      // P-256 certificate.
      honorCipherOrder: true,
    });
    this.#contexts.set(serverName, { context, staleMs: Math.max(notAfterMs - hourMs, nowMs) });
    this.#meter.count('sallyport_leaves_minted_total');
    this.#meter.gauge('sallyport_cache_entries', this.#contexts.size, { cache: 'leaves' });
    return context;
  }

  /** A token bucket per runner, so that one that asks for endless names cannot keep the keeper busy. */
  #mayMint(runner: string, nowMs: number): boolean {
    // Addresses of an IPv6 subnet cost nothing: all of them have the budget of a few runners together.
    const subnet = subnetOf(runner);
    const [key, perMinute] =
      subnet === null ? [runner, this.#perMinute] : [subnet, this.#perMinute * runnersPerSubnet];
    const budget = this.#budgets.get(key) ?? { left: perMinute, atMs: nowMs };
    const refill = (Math.max(0, nowMs - budget.atMs) / 60_000) * perMinute;
    const left = Math.min(perMinute, budget.left + refill);
    this.#budgets.set(key, { left: left < 1 ? left : left - 1, atMs: nowMs });
    return left >= 1;
  }
}

/** What a server sends after its leaf: our own certificate when another authority stands above it. */
function intermediatesPem(authority: PublicAuthority): string {
  return authority.chainPem === '' ? '' : authority.certificatePem + authority.chainPem;
}

function tooFast(runner: string, perMinute: number): SallyportError {
  return new SallyportError(
    'runner-limit',
    `${runner} asked for more than ${perMinute} new leaves in a minute`,
  );
}
