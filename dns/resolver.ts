// Resolves hosts for the gateway's own dials, with the cache and upstreams of the DNS server. Blocks along CNAME
// chains, the name budget and the share of a runner hold here as they do for questions: a name in a ClientHello
// leaves the gateway just as one in a query does. The addresses are checked by the one who dials.

import { formatAddress, parseAddress, subnetOf } from '../flow/address.ts';
import { isOpen } from '../flow/decision.ts';
import { SallyportError } from '../flow/errors.ts';
import type { Asker, ResolverPort, UnresolvedHost } from '../flow/ports.ts';
import { steadyMs } from './clock.ts';
import { rcode as code, type as recordType } from './codes.ts';
import { judgeTargets } from './judged.ts';
import type { Lookup } from './lookup.ts';
import { nameFromText } from './name.ts';
import { sharesPerSubnet } from './rate.ts';
import { TunnelWatch } from './tunnel.ts';

export interface ResolverOptions {
  readonly lookup: Lookup;
  /** False where the gateway itself has no IPv6: AAAA is then not asked. */
  readonly ipv6: boolean;
  /** Shared with the DNS server. */
  readonly tunnels?: TunnelWatch;
  /** Names that one runner may have looked up at the same time. */
  readonly namesPerRunner?: number;
}

const namesPerRunner = 128;

export class Resolver implements ResolverPort {
  readonly #options: ResolverOptions;
  readonly #tunnels: TunnelWatch;
  readonly #open = new Map<string, number>();

  constructor(options: ResolverOptions) {
    this.#options = options;
    this.#tunnels = options.tunnels ?? new TunnelWatch();
  }

  /**
   * Addresses of a canonical host, IPv6 and IPv4 in turn (RFC 8305 4); an address literal answers itself.
   * @throws SallyportError upstream
   */
  async resolve(host: string, asker: Asker): Promise<readonly string[] | UnresolvedHost> {
    const literal = parseAddress(host);
    if (literal !== null) return [formatAddress(literal)];
    const name = nameFromText(host);
    if (name === null) throw new SallyportError('upstream', `${host} is not a name that can be asked for`);
    const subnet = subnetOf(asker.runner);
    const key = subnet ?? asker.runner;
    const open = this.#open.get(key) ?? 0;
    const share = this.#options.namesPerRunner ?? namesPerRunner;
    if (open >= share * (subnet === null ? 1 : sharesPerSubnet))
      return { refused: 'runner-limit', detail: 'too many names are looked up for this runner' };
    this.#open.set(key, open + 1);
    try {
      return this.#watchTunnel(host, name, asker) ?? (await this.#resolve(host, name, asker));
    } finally {
      const left = this.#open.get(key)! - 1;
      if (left > 0) this.#open.set(key, left);
      else this.#open.delete(key);
    }
  }

  #watchTunnel(host: string, name: string, asker: Asker): UnresolvedHost | null {
    if (this.#options.lookup.isKept({ name, type: recordType.A, variant: 0 })) return null;
    const { mode, wildcard } = asker.judge(host);
    const seen = this.#tunnels.ask(asker.runner, name, recordType.A, steadyMs(), wildcard);
    if ((seen !== 'budget' && seen !== 'tunnel') || mode !== 'block') return null;
    const detail = `too many, or too strange, names beside ${host}`;
    return { refused: seen === 'budget' ? 'dns-budget' : 'dns-tunnel', detail };
  }

  async #resolve(host: string, name: string, asker: Asker): Promise<readonly string[] | UnresolvedHost> {
    const [six, four] = await Promise.all([
      this.#options.ipv6 ? this.#addresses(host, name, recordType.AAAA, asker) : [],
      this.#addresses(host, name, recordType.A, asker),
    ]);
    if ('refused' in six) return six;
    if ('refused' in four) return four;
    const ordered: string[] = [];
    for (let i = 0; i < Math.max(six.length, four.length); i++) {
      if (i < six.length) ordered.push(six[i]!);
      if (i < four.length) ordered.push(four[i]!);
    }
    if (ordered.length === 0) throw new SallyportError('upstream', `${host} has no address`);
    return ordered;
  }

  async #addresses(
    host: string,
    name: string,
    type: number,
    asker: Asker,
  ): Promise<readonly string[] | UnresolvedHost> {
    const found = await this.#options.lookup.find({ name, type, variant: 0 });
    if (found === null) return [];
    const { rcode, targets, wire } = found.entry;
    this.#tunnels.answered(asker.runner, name, rcode === code.NXDOMAIN, wire.bytes.length);
    const decision = judgeTargets(targets, (target) => asker.judge(target));
    if (decision !== null && !isOpen(decision))
      return { refused: decision.reason, detail: `${host} leads to a name that is blocked` };
    return wire.addresses.map(formatAddress);
  }
}
