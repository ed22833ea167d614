// Opens the ports of `network` rules in the kernel before an answer leaves, and remembers until when, so that most
// answers need no message to the keeper. The memory errs on the short side: half forgotten is bound again.

import { formatAddress } from '../flow/address.ts';
import type { Binding, KeeperPort } from '../flow/ports.ts';
import type { NameVerdictOfPolicy } from './policy-port.ts';

const minTtlSeconds = 60;
const graceSeconds = 300;
const renewMarginSeconds = 60;
const maxRemembered = 10_000;

type Ports = NameVerdictOfPolicy['bind'];

export class Bindings {
  readonly #keeper: KeeperPort;
  /** Second until which the kernel holds the element at least. */
  readonly #boundUntil = new Map<string, number>();

  #generation = 0;

  constructor(keeper: KeeperPort) {
    this.#keeper = keeper;
  }

  /** True when the kernel holds all of them for the answer's TTL and a minute more. */
  areHeld(
    runner: string,
    addresses: readonly Uint8Array[],
    ports: Ports,
    ttl: number,
    nowSeconds: number,
  ): boolean {
    return this.#missing(runner, addresses, ports, ttl, nowSeconds).length === 0;
  }

  /** Resolves when the kernel holds all of them. @throws SallyportError keeper-unavailable */
  async hold(
    runner: string,
    addresses: readonly Uint8Array[],
    ports: Ports,
    ttl: number,
    nowSeconds: number,
    host: string | null,
  ): Promise<void> {
    const missing = this.#missing(runner, addresses, ports, ttl, nowSeconds);
    if (missing.length === 0) return;
    const generation = this.#generation;
    await this.#keeper.bind(host === null ? missing : missing.map((binding) => ({ ...binding, host })));
    // Bound before a cut, acknowledged after it: the kernel may hold it no longer.
    if (generation !== this.#generation) return;
    for (const binding of missing) this.#remember(keyOf(binding), nowSeconds + binding.ttlMs / 1000);
  }

  #missing(
    runner: string,
    addresses: readonly Uint8Array[],
    ports: Ports,
    ttl: number,
    nowSeconds: number,
  ): Binding[] {
    const ttlMs = (Math.max(ttl, minTtlSeconds) + graceSeconds) * 1000;
    const missing: Binding[] = [];
    for (const bytes of addresses) {
      const address = formatAddress(bytes);
      for (const { protocol, port } of ports) {
        const binding: Binding = { runner, address, protocol, port, ttlMs };
        const until = this.#boundUntil.get(keyOf(binding)) ?? 0;
        if (until - nowSeconds <= ttl + renewMarginSeconds) missing.push(binding);
      }
    }
    return missing;
  }

  #remember(key: string, until: number): void {
    this.#boundUntil.delete(key);
    this.#boundUntil.set(key, until);
    if (this.#boundUntil.size <= maxRemembered) return;
    const oldest = this.#boundUntil.keys().next().value;
    if (oldest !== undefined) this.#boundUntil.delete(oldest);
  }

  /** Forgets what is bound, after the kernel's set was changed by others (a cut, a new policy). */
  clear(): void {
    this.#boundUntil.clear();
    this.#generation++;
  }
}

function keyOf(binding: Binding): string {
  return `${binding.runner} ${binding.address} ${binding.protocol} ${binding.port}`;
}
