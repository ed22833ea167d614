// Has the store drop what is too old or too much, now and then; a turn that fails is told and tried again.

import { Retention, type RetentionDays, type RetentionOptions } from './retention.ts';

export interface RetentionLoopOptions extends Omit<RetentionOptions, 'days'> {
  /** Null: nothing ever goes because of its age. */
  readonly days: RetentionDays | null;
  readonly everyMs: number;
}

const forEver: RetentionDays = {
  dns: null,
  connection: null,
  request: null,
  packet: null,
  jobs: null,
  sums: null,
  audit: null,
};

const againMs = 1_000;

export class RetentionLoop {
  readonly #retention: Retention;
  readonly #everyMs: number;
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> = Promise.resolve();
  #isEnded = false;
  #pausedUntilMs = 0;
  problem: string | null = null;

  constructor({ everyMs, days, ...rest }: RetentionLoopOptions) {
    this.#retention = new Retention({ ...rest, days: days ?? forEver });
    this.#everyMs = everyMs;
  }

  start(): void {
    this.#running = this.#turn();
  }

  /** Nothing is dropped for so long; answered when what is under way is over. */
  async pause(forMs: number): Promise<void> {
    this.#pausedUntilMs = performance.now() + forMs;
    await this.#running;
  }

  resume(): void {
    this.#pausedUntilMs = 0;
  }

  async end(): Promise<void> {
    this.#isEnded = true;
    this.#retention.end();
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#running;
  }

  async #turn(): Promise<void> {
    try {
      if (performance.now() >= this.#pausedUntilMs) await this.#retention.turn();
      this.problem = null;
    } catch (error) {
      this.problem = `what is too old cannot be dropped: ${error instanceof Error ? error.message : String(error)}`;
    }
    // What is told is to be true: a store that is back is noticed soon.
    const waitMs = this.problem === null ? this.#everyMs : Math.min(this.#everyMs, againMs);
    if (!this.#isEnded) this.#timer = setTimeout(() => this.start(), waitMs).unref();
  }
}
