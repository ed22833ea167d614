// Limits of every state of a connection, and the counting of what each runner and all runners hold.
// A runner at its share is refused; others never notice.

import type { Reason } from '../flow/reason.ts';

/** Times in milliseconds, sizes in bytes, the rest are counts. */
export interface Limits {
  readonly attributionMs: number;
  readonly peekMs: number;
  readonly handshakeMs: number;
  readonly headMs: number;
  readonly idleMs: number;
  readonly connectMs: number;
  readonly firstByteMs: number;
  readonly bodyIdleMs: number;
  readonly tunnelIdleMs: number;
  /** How long a client may go on sending after its answer before it is cut. */
  readonly lingerMs: number;
  readonly drainMs: number;
  readonly pooledIdleMs: number;
  readonly headBytes: number;
  readonly helloBytes: number;
  readonly pipelineBytes: number;
  readonly connectionsPerRunner: number;
  readonly connections: number;
  /** Connections that have not yet brought one whole request or tunnel. */
  readonly halfOpenPerRunner: number;
  readonly halfOpen: number;
  readonly requestsPerRunner: number;
  readonly requests: number;
  readonly pooledPerRunner: number;
}

export const defaultLimits: Limits = {
  attributionMs: 5_000,
  peekMs: 10_000,
  handshakeMs: 10_000,
  headMs: 20_000,
  idleMs: 90_000,
  connectMs: 10_000,
  firstByteMs: 300_000,
  bodyIdleMs: 120_000,
  tunnelIdleMs: 3_600_000,
  lingerMs: 5_000,
  drainMs: 30_000,
  pooledIdleMs: 55_000,
  headBytes: 65_536,
  helloBytes: 32_768,
  pipelineBytes: 65_536,
  connectionsPerRunner: 4_096,
  connections: 16_384,
  halfOpenPerRunner: 1_024,
  halfOpen: 8_192,
  requestsPerRunner: 2_048,
  requests: 8_192,
  pooledPerRunner: 128,
};

interface Held {
  connections: number;
  halfOpen: number;
  requests: number;
}

/** Counts what is held per runner and in all. Every `enter` that answered null is matched by one `leave`. */
export class Limiter {
  readonly #limits: Limits;
  readonly #runners = new Map<string, Held>();
  readonly #all: Held = { connections: 0, halfOpen: 0, requests: 0 };

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** A new connection, half-open at first; answers the limit that forbids it. */
  enterConnection(runner: string): Reason | null {
    const held = this.#runners.get(runner) ?? { connections: 0, halfOpen: 0, requests: 0 };
    const limits = this.#limits;
    if (held.connections >= limits.connectionsPerRunner || held.halfOpen >= limits.halfOpenPerRunner) {
      return 'runner-limit';
    }
    if (this.#all.connections >= limits.connections || this.#all.halfOpen >= limits.halfOpen) {
      return 'gateway-limit';
    }
    this.#runners.set(runner, held);
    for (const counts of [held, this.#all]) {
      counts.connections++;
      counts.halfOpen++;
    }
    return null;
  }

  leaveConnection(runner: string, isHalfOpen: boolean): void {
    const held = this.#runners.get(runner);
    if (held === undefined) return;
    held.connections--;
    this.#all.connections--;
    if (isHalfOpen) this.leaveHalfOpen(runner);
    if (held.connections === 0) this.#runners.delete(runner);
  }

  leaveHalfOpen(runner: string): void {
    const held = this.#runners.get(runner);
    if (held === undefined) return;
    held.halfOpen--;
    this.#all.halfOpen--;
  }

  enterRequest(runner: string): Reason | null {
    const held = this.#runners.get(runner);
    if (held === undefined || held.requests >= this.#limits.requestsPerRunner) return 'runner-limit';
    if (this.#all.requests >= this.#limits.requests) return 'gateway-limit';
    held.requests++;
    this.#all.requests++;
    return null;
  }

  leaveRequest(runner: string): void {
    const held = this.#runners.get(runner);
    this.#all.requests--;
    if (held !== undefined) held.requests--;
  }

  get connections(): number {
    return this.#all.connections;
  }
}
