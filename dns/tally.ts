// Counts on the hot path as plain numbers, handed to the meter twice a second: a meter look-up for every query
// would cost as much as the query. Flows are counted where their records are written.

import type { Decision } from '../flow/decision.ts';
import type { Meter } from '../flow/ports.ts';
import { rcodeName } from './codes.ts';

const flushMs = 500;
const codes = 32;

export class Tally {
  readonly #meter: Meter;
  readonly #queries = new Float64Array(codes * 2);
  readonly #timer: NodeJS.Timeout;
  #hits = 0;

  constructor(meter: Meter) {
    this.#meter = meter;
    this.#timer = setInterval(() => this.flush(), flushMs).unref();
  }

  /** One answered (or silently ended) question. */
  close(rcode: number, decision: Decision): void {
    const isBlock = decision.verdict === 'block' ? 1 : 0;
    this.#queries[(rcode & (codes - 1)) * 2 + isBlock]!++;
  }

  hit(): void {
    this.#hits++;
  }

  /** Hands the counts over. */
  flush(): void {
    if (this.#hits > 0) this.#meter.count('sallyport_dns_cache_total', { result: 'hit' }, this.#hits);
    this.#hits = 0;
    for (let i = 0; i < this.#queries.length; i++) {
      const count = this.#queries[i]!;
      if (count === 0) continue;
      const labels = { rcode: rcodeName(i >> 1), verdict: i & 1 ? 'block' : 'allow' };
      this.#meter.count('sallyport_dns_queries_total', labels, count);
      this.#queries[i] = 0;
    }
  }

  stop(): void {
    clearInterval(this.#timer);
    this.flush();
  }
}
