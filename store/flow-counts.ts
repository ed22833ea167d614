// Flows counted by their labels between two reports: the meter is asked once for many.

import type { FlowRecord } from '../flow/flow.ts';
import type { Meter } from '../flow/ports.ts';

/** Flows of one set of labels since the last report. */
export interface FlowCount {
  readonly labels: Readonly<Record<string, string>>;
  flows: number;
}

export class FlowCounts {
  // As many as there are sets of labels: all of them are words of ours.
  readonly #counts = new Map<string, FlowCount>();

  /** The count to which this record belongs; it stays valid. */
  of({ kind, destination, decision }: FlowRecord): FlowCount {
    const { verdict, reason } = decision;
    const { protocol } = destination;
    const enforced = decision.enforced ? 'true' : 'false';
    const key = `${kind} ${protocol} ${verdict} ${enforced} ${reason}`;
    let count = this.#counts.get(key);
    if (count === undefined) {
      count = { labels: { kind, protocol, verdict, enforced, reason }, flows: 0 };
      this.#counts.set(key, count);
    }
    return count;
  }

  /** Hands the counts to the meter. */
  report(meter: Meter): void {
    for (const count of this.#counts.values()) {
      if (count.flows > 0) meter.count('sallyport_flows_total', count.labels, count.flows);
      count.flows = 0;
    }
  }
}
