// Resolves hosts for the gateway's own dials: the cache and upstreams of the DNS server, and none of its policy
// but the blocklist along CNAME chains. The addresses are checked by the one who dials.

import { parseAddress } from '../flow/address.ts';
import { formatAddress } from '../flow/address.ts';
import { SallyportError } from '../flow/errors.ts';
import type { ResolverPort } from '../flow/ports.ts';
import { type as recordType } from './codes.ts';
import type { Lookup } from './lookup.ts';
import { nameFromText, nameText } from './name.ts';

export interface ResolverOptions {
  readonly lookup: Lookup;
  /** True for a canonical name that the blocklist blocks in every mode. */
  readonly isBlocklisted: (name: string) => boolean;
  /** False where the gateway itself has no IPv6: AAAA is then not asked. */
  readonly ipv6: boolean;
}

export class Resolver implements ResolverPort {
  readonly #options: ResolverOptions;

  constructor(options: ResolverOptions) {
    this.#options = options;
  }

  /**
   * Addresses of a canonical host, IPv6 and IPv4 in turn (RFC 8305 4); an address literal answers itself.
   * @throws SallyportError upstream
   */
  async resolve(host: string): Promise<readonly string[]> {
    const literal = parseAddress(host);
    if (literal !== null) return [formatAddress(literal)];
    const name = nameFromText(host);
    if (name === null) throw new SallyportError('upstream', `${host} is not a name that can be asked for`);
    const [six, four] = await Promise.all([
      this.#options.ipv6 ? this.#addresses(host, name, recordType.AAAA) : [],
      this.#addresses(host, name, recordType.A),
    ]);
    const ordered: string[] = [];
    for (let i = 0; i < Math.max(six.length, four.length); i++) {
      if (i < six.length) ordered.push(six[i]!);
      if (i < four.length) ordered.push(four[i]!);
    }
    if (ordered.length === 0) throw new SallyportError('upstream', `${host} has no address`);
    return ordered;
  }

  async #addresses(host: string, name: string, type: number): Promise<readonly string[]> {
    const found = await this.#options.lookup.find({ name, type, variant: 0 });
    if (found === null) return [];
    for (const target of found.entry.targets) {
      const text = nameText(target);
      if (text === null || this.#options.isBlocklisted(text)) {
        throw new SallyportError('upstream', `${host} leads to a name on the blocklist`);
      }
    }
    return found.entry.wire.addresses.map(formatAddress);
  }
}
