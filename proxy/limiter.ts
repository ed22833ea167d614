// Counts what each runner and all runners hold. A runner at its share is refused; others never notice. A runner can
// take any address of its IPv6 subnet, so that a subnet as a whole holds half of everything at most.

import { subnetOf } from '../flow/address.ts';
import type { Reason } from '../flow/reason.ts';
import type { Limits } from './limits.ts';

interface Held {
  connections: number;
  halfOpen: number;
  requests: number;
  keptBytes: number;
}
interface RunnerHeld extends Held {
  /** What all runners of the IPv6 subnet hold together; null for IPv4. */
  readonly subnet: Held | null;
  readonly subnetKey: string;
}
type Counted = keyof Held;

const nothing = (): Held => ({ connections: 0, halfOpen: 0, requests: 0, keptBytes: 0 });

/** Every `enter` that answered null is matched by one `leave`. */
export class Limiter {
  readonly #limits: Limits;
  readonly #runners = new Map<string, RunnerHeld>();
  readonly #subnets = new Map<string, Held>();
  readonly #all = nothing();

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** A new connection, half-open at first; answers the limit that forbids it. */
  enterConnection(runner: string): Reason | null {
    const held = this.#runners.get(runner) ?? this.#make(runner);
    const { connections, connectionsPerRunner, halfOpen, halfOpenPerRunner } = this.#limits;
    const reason =
      this.#limitOf(held, 'connections', connectionsPerRunner, connections) ??
      this.#limitOf(held, 'halfOpen', halfOpenPerRunner, halfOpen);
    if (reason !== null) return reason;
    this.#runners.set(runner, held);
    if (held.subnet !== null) this.#subnets.set(held.subnetKey, held.subnet);
    this.#add(held, 'connections', 1);
    this.#add(held, 'halfOpen', 1);
    return null;
  }

  leaveConnection(runner: string, isHalfOpen: boolean): void {
    const held = this.#runners.get(runner);
    if (held === undefined) return;
    this.#add(held, 'connections', -1);
    if (isHalfOpen) this.#add(held, 'halfOpen', -1);
    this.#forgetIdle(runner, held);
  }

  // Not before its requests have left too, in whatever order: the subnet counts them.
  #forgetIdle(runner: string, held: RunnerHeld): void {
    if (held.connections > 0 || held.requests > 0) return;
    this.#runners.delete(runner);
    if (held.subnet?.connections === 0 && held.subnet.requests === 0) this.#subnets.delete(held.subnetKey);
  }

  leaveHalfOpen(runner: string): void {
    const held = this.#runners.get(runner);
    if (held !== undefined) this.#add(held, 'halfOpen', -1);
  }

  enterRequest(runner: string): Reason | null {
    const held = this.#runners.get(runner);
    if (held === undefined) return 'runner-limit';
    const reason = this.#limitOf(held, 'requests', this.#limits.requestsPerRunner, this.#limits.requests);
    if (reason === null) this.#add(held, 'requests', 1);
    return reason;
  }

  leaveRequest(runner: string): void {
    const held = this.#runners.get(runner);
    if (held === undefined) return;
    this.#add(held, 'requests', -1);
    this.#forgetIdle(runner, held);
  }

  /** So many bytes more (or fewer) wait for this runner; answers the limit that they pass. They are counted all the same. */
  keep(runner: string, bytes: number): Reason | null {
    const held = this.#runners.get(runner);
    if (held === undefined) return null;
    const { keptBytesPerRunner, keptBytes } = this.#limits;
    this.#add(held, 'keptBytes', bytes);
    return bytes > 0 ? this.#limitOf(held, 'keptBytes', keptBytesPerRunner, keptBytes) : null;
  }

  /** More than one runner is here. */
  get isShared(): boolean {
    return this.#runners.size > 1;
  }

  get connections(): number {
    return this.#all.connections;
  }

  #make(runner: string): RunnerHeld {
    const subnetKey = subnetOf(runner);
    if (subnetKey === null) return { ...nothing(), subnet: null, subnetKey: '' };
    return { ...nothing(), subnet: this.#subnets.get(subnetKey) ?? nothing(), subnetKey };
  }

  #limitOf(held: RunnerHeld, what: Counted, perRunner: number, all: number): Reason | null {
    const isSubnetFull = held.subnet !== null && held.subnet[what] >= all / 2;
    if (held[what] >= perRunner || isSubnetFull) return 'runner-limit';
    return this.#all[what] >= all ? 'gateway-limit' : null;
  }

  #add(held: RunnerHeld, what: Counted, by: number): void {
    held[what] += by;
    this.#all[what] += by;
    if (held.subnet !== null) held.subnet[what] += by;
  }
}
