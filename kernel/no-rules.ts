// What the keeper holds where it may change no rule of the kernel (backend `none`): nothing is redirected, forwarded or
// counted here. Runners are chosen for workers by their sockets; what else they may reach is held by a rule outside.

import type { NetworkPlan } from '../flow/network-plan.ts';
import type { BlockedRow } from './block-counts.ts';
import type { Difference, HeldRules } from './held-rules.ts';

export class NoRules implements HeldRules {
  readonly isOwned = true;
  readonly #steer: (workers: ReadonlyMap<string, number>) => void;
  #pins = '';

  /** `steer` puts pins in force. */
  constructor(steer: (workers: ReadonlyMap<string, number>) => void) {
    this.#steer = steer;
  }

  pin(workers: ReadonlyMap<string, number>): void {
    const pins = JSON.stringify([...workers]);
    if (pins === this.#pins) return;
    this.#steer(workers);
    this.#pins = pins;
  }

  start(_plan: NetworkPlan): void {}
  update(_plan: NetworkPlan): void {}
  bind(): void {}
  unbind(): void {}
  review(): void {}
  cut(): void {}
  closeBindings(): void {}
  quarantine(): void {}
  repair(): void {}
  watch(): void {}
  close(): void {}

  verify(): Difference | null {
    return null;
  }

  countBlocked(): BlockedRow[] {
    return [];
  }

  counters(): Record<string, number> {
    return {};
  }
}
