// Turns of costly beginnings (TLS handshakes): few in one round of the event loop, and runner by runner, so that the
// thousand of one runner do not stand before the one of another.

/** How many begin in one round; each costs about a millisecond in all its steps. */
const perRound = 4;

export class Turns {
  readonly #waiting = new Map<string, (() => void)[]>();
  #left = perRound;
  #isScheduled = false;

  /** Null when it may begin at once; otherwise resolves when it is this runner's turn. */
  take(runner: string): Promise<void> | null {
    this.#schedule();
    if (this.#left > 0 && this.#waiting.size === 0) {
      this.#left--;
      return null;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    const queue = this.#waiting.get(runner);
    if (queue === undefined) this.#waiting.set(runner, [resolve]);
    else queue.push(resolve);
    return promise;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#round());
  }

  // Whoever was served goes behind the others.
  #round(): void {
    this.#isScheduled = false;
    this.#left = perRound;
    while (this.#left > 0) {
      const [next] = this.#waiting;
      if (next === undefined) return;
      const [runner, queue] = next;
      this.#left--;
      queue.shift()?.();
      this.#waiting.delete(runner);
      if (queue.length > 0) this.#waiting.set(runner, queue);
    }
    this.#schedule();
  }
}
