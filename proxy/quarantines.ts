// Which runners a worker itself keeps out, beside the kernel's rules or without any.

/** Runners by canonical address, each until its time has passed. */
export class Quarantines {
  readonly #untilMs = new Map<string, number>();

  /** Keeps a runner out for `durationMs`; 0 lifts it. */
  set(runner: string, durationMs: number): void {
    if (durationMs > 0) this.#untilMs.set(runner, performance.now() + durationMs);
    else this.#untilMs.delete(runner);
  }

  holds(runner: string): boolean {
    if (this.#untilMs.size === 0) return false;
    const untilMs = this.#untilMs.get(runner);
    if (untilMs === undefined) return false;
    if (untilMs > performance.now()) return true;
    this.#untilMs.delete(runner);
    return false;
  }
}
