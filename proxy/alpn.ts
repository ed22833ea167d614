// Which HTTP version a client is offered (RFC 7301): what the server itself chose, once, for a while. Servers that
// spoke HTTP/1.1 are remembered, so that their clients are answered without a dial; HTTP/2 needs a connection of
// its own to the server in any case, and whoever dials it asks anew.

import { LRUCache } from 'lru-cache';

const maxRemembered = 4_096;
// A server that learns HTTP/2 is noticed after this time at the latest.
const rememberedMs = 600_000;

/** The names of a client's list that can be relayed, in the client's order; GREASE and other protocols are left out. */
export function httpNames(offered: readonly string[]): readonly string[] {
  return offered.filter((name) => name === 'h2' || name === 'http/1.1');
}

/** Servers that chose HTTP/1.1, or no name at all, when HTTP/2 was offered; by host and port. */
export class AlpnMemory {
  readonly #http1 = new LRUCache<string, true>({ max: maxRemembered, ttl: rememberedMs });

  isHttp1(host: string, port: number): boolean {
    return this.#http1.get(`${host} ${port}`) === true;
  }

  rememberHttp1(host: string, port: number): void {
    this.#http1.set(`${host} ${port}`, true);
  }

  forget(host: string, port: number): void {
    this.#http1.delete(`${host} ${port}`);
  }
}
