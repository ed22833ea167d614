// Whom a worker itself keeps out, beside the kernel's rules or without any: quarantined runners, and where no rule does
// it, who is no runner.

import { cidrContains, parseAddress, type Cidr } from '../flow/address.ts';
import type { Reason } from '../flow/reason.ts';

/** By canonical address; quarantines hold until their time has passed. */
export class KeptOut {
  readonly #untilMs = new Map<string, number>();
  readonly #networks: readonly Cidr[] | null;

  /** `networks`: those that runners may speak from; null where the kernel's rules look at that. */
  constructor(networks: readonly Cidr[] | null) {
    this.#networks = networks;
  }

  /** Why this address gets nothing, or null. */
  reason(runner: string): Reason | null {
    if (this.#networks !== null && !this.#isRunner(runner, this.#networks)) return 'spoofed-source';
    return this.#holds(runner) ? 'quarantine' : null;
  }

  #isRunner(address: string, networks: readonly Cidr[]): boolean {
    const bytes = parseAddress(address);
    return bytes !== null && networks.some((network) => cidrContains(network, bytes));
  }

  /** Keeps a runner out for `durationMs`; 0 lifts it. */
  set(runner: string, durationMs: number): void {
    if (durationMs > 0) this.#untilMs.set(runner, performance.now() + durationMs);
    else this.#untilMs.delete(runner);
  }

  #holds(runner: string): boolean {
    if (this.#untilMs.size === 0) return false;
    const untilMs = this.#untilMs.get(runner);
    if (untilMs === undefined) return false;
    if (untilMs > performance.now()) return true;
    this.#untilMs.delete(runner);
    return false;
  }
}
