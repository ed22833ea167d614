// What the kernel was given last of a policy and of who runs where: when jobs come and go it is given another plan only
// where that differs.

import type { Attribution } from './flow/job.ts';
import type { NetworkPlan } from './flow/network-plan.ts';
import type { Policy } from './policy/compile.ts';
import { networkPlan } from './policy/network-plan.ts';

export interface PlanSource {
  /** Rejected when it cannot be said for certain that the kernel has it. */
  readonly give: (plan: NetworkPlan) => Promise<void>;
  /** Declared jobs by address and range. */
  readonly declared: () => ReadonlyMap<string, Attribution>;
  /** Live ones by address. */
  readonly live: () => ReadonlyMap<string, Attribution>;
}

export class PlanInForce {
  readonly #source: PlanSource;
  /** What the kernel certainly has. */
  #given: string | null = null;

  constructor(source: PlanSource) {
    this.#source = source;
  }

  /** A policy that was read: the kernel is given its plan in any case. */
  async put(policy: Policy): Promise<void> {
    await this.#give(this.#planOf(policy));
  }

  /** The same policy, after jobs came or went. */
  async putAgain(policy: Policy): Promise<void> {
    const plan = this.#planOf(policy);
    if (JSON.stringify(plan) !== this.#given) await this.#give(plan);
  }

  #planOf(policy: Policy): NetworkPlan {
    return networkPlan(policy, this.#source.declared(), this.#source.live());
  }

  async #give(plan: NetworkPlan): Promise<void> {
    this.#given = null;
    await this.#source.give(plan);
    this.#given = JSON.stringify(plan);
  }
}
