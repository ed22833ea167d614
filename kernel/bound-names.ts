// Which name each binding was made for, as the keeper remembers it: so that records of packets name host and rule,
// and that a new policy can take back what it no longer allows. Bounded; the oldest are forgotten first.

import type { Binding } from '../flow/ports.ts';

/** A binding that may still hold; `host` is null when its name was forgotten or never known. */
export interface NamedBinding extends Omit<Binding, 'host'> {
  readonly host: string | null;
}

/** The part of a flow that a binding is found by. */
export interface BoundFlow {
  readonly runner: string;
  readonly destination: string | null;
  readonly protocolNumber: number;
  readonly port: number | null;
}

const maxNames = 65_536;
/** What the kernel adds to a binding's time, and the workers' before it. */
const graceMs = 600_000;
const protocolNumbers = { tcp: 6, udp: 17 } as const;

export class BoundNames {
  readonly #held = new Map<string, { readonly binding: NamedBinding; readonly until: number }>();

  remember(bindings: readonly Binding[], nowMs = performance.now()): void {
    for (const binding of bindings) {
      const key = keyOf(binding);
      this.#held.delete(key);
      const until = nowMs + binding.ttlMs + graceMs;
      this.#held.set(key, { binding: { ...binding, host: binding.host ?? null }, until });
      if (this.#held.size > maxNames) this.#held.delete(this.#held.keys().next().value!);
    }
  }

  forget(bindings: readonly Binding[]): void {
    for (const binding of bindings) this.#held.delete(keyOf(binding));
  }

  forgetRunner(runner: string): void {
    for (const [key, { binding }] of this.#held) if (binding.runner === runner) this.#held.delete(key);
  }

  /** The name that the flow's destination was bound for last, or null. */
  find({ runner, destination, protocolNumber, port }: BoundFlow): string | null {
    if (this.#held.size === 0 || destination === null || port === null) return null;
    return this.#held.get(`${runner} ${destination} ${protocolNumber} ${port}`)?.binding.host ?? null;
  }

  /** All that may still hold. */
  list(nowMs = performance.now()): NamedBinding[] {
    for (const [key, { until }] of this.#held) if (until < nowMs) this.#held.delete(key);
    return [...this.#held.values()].map(({ binding }) => binding);
  }
}

function keyOf({ runner, address, protocol, port }: Omit<Binding, 'host'>): string {
  return `${runner} ${address} ${protocolNumbers[protocol]} ${port}`;
}
