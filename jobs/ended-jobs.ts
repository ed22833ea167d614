// Jobs that were heard to end, by address: what others still say of them is of no effect there, for as long as anybody
// may still say it.

import type { EndedJob } from './live-table.ts';

const keptMs = 900_000;
const maxKept = 1_000;

export class EndedJobs {
  readonly #ended = new Map<string, EndedJob>();

  add(address: string, job: string, atMs: number): void {
    this.#ended.delete(keyOf(address, job));
    this.#ended.set(keyOf(address, job), { address, job, atMs });
    const [oldest] = this.#ended.keys();
    if (this.#ended.size > maxKept && oldest !== undefined) this.#ended.delete(oldest);
  }

  /** It lives after all: it was handed out again. */
  remove(address: string, job: string): void {
    this.#ended.delete(keyOf(address, job));
  }

  has(address: string, job: string): boolean {
    return this.#ended.has(keyOf(address, job));
  }

  /** The newest ones, the oldest first. */
  list(nowMs: number): readonly EndedJob[] {
    for (const [key, { atMs }] of this.#ended) {
      if (atMs > nowMs - keptMs) break;
      this.#ended.delete(key);
    }
    return [...this.#ended.values()];
  }
}

const keyOf = (address: string, job: string): string => `${address} ${job}`;
