// Keeps a store as far as the segments are: again and again, and after a failure more slowly, until it is ended. What
// cannot be written waits in the segments.

import type { Ingest } from './ingest.ts';

export interface LoopOptions {
  readonly everyMs?: number;
  /** Told of a failure once, and of its end by null. */
  readonly onProblem?: (problem: string | null) => void;
}

const maxWaitMs = 5_000;

export class IngestLoop {
  readonly #ingest: Ingest;
  readonly #everyMs: number;
  readonly #onProblem: (problem: string | null) => void;
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> = Promise.resolve();
  #isEnded = false;
  #failures = 0;
  #pausedUntilMs = 0;
  flows = 0;
  problem: string | null = null;

  constructor(ingest: Ingest, options: LoopOptions = {}) {
    this.#ingest = ingest;
    this.#everyMs = options.everyMs ?? 250;
    this.#onProblem = options.onProblem ?? (() => {});
  }

  start(): void {
    this.#running = this.#turn();
  }

  /** Nothing is written for so long; answered when the batch at hand is. */
  async pause(forMs: number): Promise<void> {
    this.#pausedUntilMs = performance.now() + forMs;
    await this.#running;
  }

  resume(): void {
    this.#pausedUntilMs = 0;
  }

  /** A batch of so many records is in the store, whatever comes of those after it. */
  succeeded(records: number): void {
    this.flows += records;
    this.#failures = 0;
    this.#tell(null);
  }

  /** Ends after the batch at hand. */
  async end(): Promise<void> {
    this.#isEnded = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#running;
  }

  get #mustRest(): boolean {
    return this.#isEnded || performance.now() < this.#pausedUntilMs;
  }

  async #turn(): Promise<void> {
    try {
      if (!this.#mustRest) await this.#ingest.catchUp(() => this.#mustRest);
      this.succeeded(0);
    } catch (error) {
      this.#failures++;
      this.#tell(error instanceof Error ? error.message : String(error));
    }
    if (this.#isEnded) return;
    const waitMs = Math.min(this.#everyMs * 2 ** Math.min(this.#failures, 10), maxWaitMs);
    this.#timer = setTimeout(() => this.start(), waitMs);
  }

  #tell(problem: string | null): void {
    if (problem === this.problem) return;
    this.problem = problem;
    this.#onProblem(problem);
  }
}
