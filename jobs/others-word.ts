// What control published of everybody's jobs, as a worker asks it: by address, by machine, by token.

import type { JobMessage } from '../flow/job-message.ts';
import { instanceOf, type LiveEntry, type PublishedTable } from './live-table.ts';

type Entries = ReadonlyMap<string, readonly LiveEntry[]>;

export class OthersWord {
  #jobs: Entries = new Map();
  #recall: Entries = new Map();
  #machines: ReadonlyMap<string, readonly string[]> = new Map();
  #conflicts: ReadonlySet<string> = new Set();
  #managers: ReadonlySet<string> = new Set();

  /** Takes the place of what was said before. */
  follow({ jobs, recall, managers, conflicts, machines = [] }: PublishedTable): void {
    this.#jobs = Map.groupBy(jobs, ({ address }) => address);
    this.#recall = Map.groupBy([...jobs, ...recall].filter(isPlaced), ({ address }) => address);
    this.#machines = new Map(machines.flatMap((group) => group.map((address) => [address, group] as const)));
    this.#conflicts = new Set(conflicts);
    this.#managers = new Set(managers);
  }

  /** The addresses of the machine that has this one, as far as that is certain. */
  machineOf(address: string): readonly string[] {
    return this.#machines.get(address) ?? [address];
  }

  isInConflict(address: string): boolean {
    return this.#conflicts.has(address);
  }

  /** True for the address of a runner that starts its jobs elsewhere. */
  isManager(address: string): boolean {
    return this.#managers.has(address);
  }

  get hasManagers(): boolean {
    return this.#managers.size > 0;
  }

  /** What is said of an address and is not past its time, the surest first. */
  entriesOf(address: string, nowMs: number): readonly LiveEntry[] {
    return (this.#jobs.get(address) ?? []).filter((entry) => isPlaced(entry) && entry.untilMs > nowMs);
  }

  /** A job that was heard of on this machine before, by its instance. */
  recalled(machine: readonly string[], job: string): JobMessage | null {
    const known = machine.flatMap((address) => this.#recall.get(address) ?? []);
    return known.find(({ message }) => instanceOf(message) === job)?.message ?? null;
  }

  /** The job of a manager whose own token has this keyed hash. */
  managedBy(hash: string): LiveEntry | null {
    for (const address of this.#managers)
      for (const entry of this.#jobs.get(address) ?? []) if (entry.message.tokens.own === hash) return entry;
    return null;
  }
}

/** Jobs that run elsewhere than on the address at which they were heard of say nothing of it. */
const isPlaced = ({ certainty }: LiveEntry): boolean => certainty !== 'unknown';
