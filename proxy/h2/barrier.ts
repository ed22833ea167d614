// A PING of our own tells when a peer has read everything that went before it (RFC 9113 §6.7): only then can no more
// frames come that it sent without knowing that a stream is over.

import { randomBytes } from 'node:crypto';
import { makePing } from './frames.ts';
import type { Outlet } from './outlet.ts';

const askAfter = 512;

/** What waits for one peer's acknowledgement. */
export class Barrier<Item> {
  readonly #outlet: Outlet;
  readonly #onPassed: (item: Item) => void;
  #waiting: Item[] = [];
  #asked: Item[] = [];
  #payload: Buffer | null = null;

  constructor(outlet: Outlet, onPassed: (item: Item) => void) {
    this.#outlet = outlet;
    this.#onPassed = onPassed;
  }

  get size(): number {
    return this.#waiting.length + this.#asked.length;
  }

  add(item: Item): void {
    this.#waiting.push(item);
    if (this.#waiting.length >= askAfter) this.ask();
  }

  /** Asks now; what is added later waits for the next time. */
  ask(): void {
    if (this.#payload !== null || this.#waiting.length === 0) return;
    this.#payload = randomBytes(8);
    this.#asked = this.#waiting;
    this.#waiting = [];
    this.#outlet.inject(makePing(this.#payload));
  }

  /** True when this acknowledgement (payload at `at`) is of our own PING, and nobody else's business. */
  takeAck(bytes: Buffer, at: number): boolean {
    const payload = this.#payload;
    if (payload === null || payload.compare(bytes, at, at + 8) !== 0) return false;
    const passed = this.#asked;
    this.#payload = null;
    this.#asked = [];
    for (const item of passed) this.#onPassed(item);
    if (this.#waiting.length >= askAfter) this.ask();
    return true;
  }
}
