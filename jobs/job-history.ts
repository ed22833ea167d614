// Who had an address when: what is counted in windows of time, or told late, is of whoever had it all the while, and never
// of the job that came next.

import { unattributed, type Attribution } from '../flow/job.ts';

interface Holding {
  readonly attribution: Attribution;
  readonly fromMs: number;
  /** Infinity while it lasts. */
  readonly untilMs: number;
}

const maxAddresses = 65_536;
const maxHoldings = 32;
/** What happened longer ago is asked of no more. */
const keptMs = 60_000;

export class JobHistory {
  readonly #byAddress = new Map<string, readonly Holding[]>();

  /** From `fromMs` on the address is somebody else's, or nobody's; the holder before had it until `endedMs`. */
  change(address: string, attribution: Attribution, fromMs: number, endedMs: number): void {
    const known = this.#byAddress.get(address) ?? [];
    const last = known.at(-1);
    const isSame = last?.untilMs === Infinity && isOne(last.attribution, attribution);
    const earlier = isSame ? known.slice(0, -1) : known.map((one) => endAt(one, endedMs));
    const isAnybody = attribution.job !== null || attribution.conflict;
    // Of a job that is only known better now the beginning stays what it was.
    const begun = isSame ? Math.min(last.fromMs, fromMs) : fromMs;
    const holdings = isAnybody ? [...earlier, { attribution, fromMs: begun, untilMs: Infinity }] : earlier;
    this.#byAddress.delete(address);
    this.#byAddress.set(address, holdings.slice(-maxHoldings));
    if (this.#byAddress.size > maxAddresses) this.#byAddress.delete(this.#byAddress.keys().next().value!);
  }

  /** Whoever had the address from the first to the last of these times; nobody where it changed hands between. */
  during(address: string, fromMs: number, untilMs: number): Attribution {
    const all = this.#byAddress.get(address) ?? [];
    const whole = all.find((one) => one.fromMs <= fromMs && untilMs <= one.untilMs);
    return whole?.attribution ?? unattributed;
  }

  /** Forgets what is over for a minute. */
  forget(nowMs: number): void {
    for (const [address, holdings] of this.#byAddress) {
      const kept = holdings.filter(({ untilMs }) => untilMs > nowMs - keptMs);
      if (kept.length === 0) this.#byAddress.delete(address);
      else if (kept.length < holdings.length) this.#byAddress.set(address, kept);
    }
  }
}

const isOne = (a: Attribution, b: Attribution): boolean =>
  a.conflict === b.conflict && (a.jobId ?? a.job) === (b.jobId ?? b.job);

const endAt = (holding: Holding, endedMs: number): Holding =>
  holding.untilMs === Infinity ? { ...holding, untilMs: Math.max(holding.fromMs, endedMs) } : holding;
