// Whom the certificates of servers may come from: the system's authorities, those that the operator trusts for every
// host, and for some hosts further ones, which count there alone. One TLS context for each set that is met.

import { LRUCache } from 'lru-cache';
import { createSecureContext, DEFAULT_CIPHERS, getCACertificates, rootCertificates } from 'node:tls';
import type { SecureContext } from 'node:tls';
import { matchesHost } from '../policy/match-host.ts';
import type { HostPattern } from '../policy/match-host.ts';

/** Authorities (PEM) that count for the hosts of one pattern, besides those that count for all. */
export interface HostAuthorities {
  readonly pattern: HostPattern;
  readonly authorities: readonly string[];
}

const maxHosts = 4_096;
const preferred = 'TLS_AES_128_GCM_SHA256';
// What browsers offer, with the cheaper of equally strong ciphers first.
const ciphers = [preferred, ...DEFAULT_CIPHERS.split(':').filter((cipher) => cipher !== preferred)].join(':');
// A key share for both: the hybrid one keeps what is recorded today shut to a later quantum computer, and a server
// that knows only the other one need not ask again.
const groups = '*X25519MLKEM768:*X25519:P-256:P-384:P-521';

/** Gives the context that verifies a host. */
export class Authorities {
  readonly #forAll: readonly string[];
  readonly #forHosts: readonly HostAuthorities[];
  readonly #contexts = new Map<string, SecureContext>();
  readonly #setOf = new LRUCache<string, string>({ max: maxHosts });

  constructor(forAll: readonly string[], forHosts: readonly HostAuthorities[] = []) {
    this.#forAll = forAll;
    this.#forHosts = forHosts;
  }

  /** For a canonical name or address. */
  contextFor(host: string): SecureContext {
    const set = this.#setFor(host);
    const known = this.#contexts.get(set);
    if (known !== undefined) return known;
    const own = this.#forHosts.filter((_, index) => set.split(',').includes(`${index}`));
    const context = createSecureContext({
      ca: [...systemAuthorities(), ...this.#forAll, ...own.flatMap(({ authorities }) => authorities)],
      ciphers,
      ecdhCurve: groups,
    });
    this.#contexts.set(set, context);
    return context;
  }

  /** Which entries cover the host, by their places. */
  #setFor(host: string): string {
    if (this.#forHosts.length === 0) return '';
    const known = this.#setOf.get(host);
    if (known !== undefined) return known;
    const set = this.#forHosts
      .flatMap(({ pattern }, index) => (matchesHost(pattern, host) ? [index] : []))
      .join();
    this.#setOf.set(host, set);
    return set;
  }
}

function systemAuthorities(): readonly string[] {
  const system = getCACertificates('system');
  return system.length > 0 ? system : rootCertificates;
}
