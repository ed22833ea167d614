// Control's table as one asks it: whose flows those of an address are. Two jobs on it, or a runner that starts its jobs
// elsewhere, and they are nobody's.

import { unattributed, type Attribution } from '../flow/job.ts';
import { attributionOfEntry, type LiveEntry, type PublishedTable } from './live-table.ts';

const inConflict: Attribution = { job: null, source: 'job-message', certainty: 'unknown', conflict: true };

export class PublishedJobs {
  readonly #entries: ReadonlyMap<string, readonly LiveEntry[]>;
  readonly #conflicts: ReadonlySet<string>;
  readonly #managers: ReadonlySet<string>;
  readonly #attributions = new Map<string, Attribution>();

  constructor({ jobs, managers, conflicts }: Pick<PublishedTable, 'jobs' | 'managers' | 'conflicts'>) {
    this.#entries = Map.groupBy(jobs, ({ address }) => address);
    this.#conflicts = new Set(conflicts);
    this.#managers = new Set(managers);
  }

  /** By a canonical address; the same object for the same address. An entry past its time says nothing. */
  attribute(address: string, nowMs: number): Attribution {
    if (this.#conflicts.has(address)) return inConflict;
    // Of a manager's jobs, which run elsewhere, nothing is certain.
    const entry = this.#entries
      .get(address)
      ?.find((one) => one.untilMs > nowMs && one.certainty !== 'unknown');
    if (entry === undefined) return unattributed;
    if (this.#managers.has(address)) return inConflict;
    const known = this.#attributions.get(address);
    if (known !== undefined && known.job === entry.message.job) return known;
    const attribution = attributionOfEntry(entry);
    this.#attributions.set(address, attribution);
    return attribution;
  }

  /** What is believed of a canonical address, the surest source first. */
  entriesOf(address: string): readonly LiveEntry[] {
    return this.#entries.get(address) ?? [];
  }

  /** Every address of which something is known. */
  addresses(): readonly string[] {
    return [...new Set([...this.#entries.keys(), ...this.#conflicts])];
  }
}
