// How often a peer may do what costs it nothing and us something: buckets that refill with time, one for each
// kind of flood (rapid reset, CVE-2023-44487; MadeYouReset, CVE-2025-8671; pings, settings, empty frames).

/** Tokens of a bucket: so many a second, and so many at most. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** RST_STREAM and malformed requests; a blocked request counts a quarter. */
export const resetRate: Rate = { perSecond: 200, burst: 1_000 };
/** PING, SETTINGS, PRIORITY, unknown and empty frames. */
export const idleFrameRate: Rate = { perSecond: 100, burst: 1_000 };

/** One bucket, full at first. */
export class Bucket {
  readonly #rate: Rate;
  #tokens: number;
  #filledMs: number;

  constructor(rate: Rate, nowMs: number) {
    this.#rate = rate;
    this.#tokens = rate.burst;
    this.#filledMs = nowMs;
  }

  /** Takes so many; false when the peer does this too often. */
  take(nowMs: number, tokens = 1): boolean {
    const { perSecond, burst } = this.#rate;
    if (nowMs > this.#filledMs) {
      this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#filledMs) * perSecond) / 1000);
      this.#filledMs = nowMs;
    }
    this.#tokens -= tokens;
    return this.#tokens >= 0;
  }
}
