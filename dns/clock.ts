// Time for everything that lasts: limits, TTLs, patience. The machine's clock may be set, this one never goes back
// or jumps; only records tell the machine's time.

const origin = performance.timeOrigin;

/** Milliseconds since the epoch as of this process's start, running on steadily. */
export function steadyMs(): number {
  return origin + performance.now();
}

/** The same in whole seconds. */
export function steadySeconds(): number {
  return Math.floor(steadyMs() / 1000);
}
