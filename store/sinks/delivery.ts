// Carries batches from a queue to a receiver, one at a time. A batch that fails is tried again, more and more slowly; what
// comes meanwhile waits in the queue.

import { setTimeout as sleep } from 'node:timers/promises';
import type { SinkQueue } from './sink-queue.ts';

export type Delivered =
  | { readonly kind: 'done' }
  /** Not to be sent again: the receiver will not have it. */
  | { readonly kind: 'refused'; readonly problem: string }
  | { readonly kind: 'failed'; readonly problem: string; readonly waitMs?: number };

export interface DeliveryOptions {
  readonly queue: SinkQueue;
  readonly batch: { readonly records: number; readonly characters: number };
  /** Gathers records for so long before it sends. */
  readonly everyMs: number;
  send(lines: readonly string[], signal: AbortSignal): Promise<Delivered>;
}

const [firstWaitMs, maxWaitMs, closeMs] = [500, 30_000, 3_000];

export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #abort = new AbortController();
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> | null = null;
  #isClosing = false;
  #failures = 0;

  constructor(options: DeliveryOptions) {
    this.#options = options;
  }

  /** Something waits. */
  wake(): void {
    if (this.#running !== null || this.#timer !== null || this.#isClosing) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#start();
    }, this.#options.everyMs);
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const end = setTimeout(() => this.#abort.abort(), closeMs);
    if (this.#running === null) this.#start();
    await this.#running;
    clearTimeout(end);
    // What nobody took until now is lost.
    this.#options.queue.lost += this.#options.queue.take(Number.POSITIVE_INFINITY).length;
  }

  #start(): void {
    this.#running = this.#run().finally(() => {
      this.#running = null;
      if (this.#options.queue.size > 0) this.wake();
    });
  }

  async #run(): Promise<void> {
    const { queue, batch } = this.#options;
    while (queue.size > 0 && !this.#abort.signal.aborted) {
      const lines = queue.take(batch.records, batch.characters);
      const result = await this.#send(lines);
      queue.problem = result.kind === 'done' ? null : result.problem;
      if (result.kind === 'done') queue.delivered += lines.length;
      if (result.kind === 'refused') queue.lost += lines.length;
      if (result.kind !== 'failed') {
        this.#failures = 0;
        continue;
      }
      queue.putBack(lines);
      await this.#wait(result.waitMs);
    }
  }

  async #send(lines: readonly string[]): Promise<Delivered> {
    try {
      return await this.#options.send(lines, this.#abort.signal);
    } catch (error) {
      return { kind: 'failed', problem: error instanceof Error ? error.message : String(error) };
    }
  }

  async #wait(waitMs: number | undefined): Promise<void> {
    const backOff = Math.min(firstWaitMs * 2 ** Math.min(this.#failures++, 10), maxWaitMs);
    const ms = Math.min(Math.max(waitMs ?? 0, backOff), maxWaitMs);
    await sleep(ms, undefined, { signal: this.#abort.signal }).catch(() => {});
  }
}
