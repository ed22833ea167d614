// Attribution source 3: an address without a job of its own from which the token of a live job is met is ascribed to that
// job. For pods and machines that a runner starts its jobs on elsewhere; bounded, and never a change of what is known.

import type { LiveEntry } from './live-table.ts';

/** What the worker knows besides tokens. Addresses are canonical. */
export interface TokenBindingPorts {
  /** The live job whose own token has this keyed hash, wherever its runner is; null: nobody's. */
  jobOf(hash: string): LiveEntry | null;
  /** Something else already says which job the address has, or that it has none to itself. */
  isTaken(address: string): boolean;
}

interface Bound {
  readonly entry: LiveEntry;
  /** Server and id of the job. */
  readonly job: string;
}

/** Pods of one job: the runner's own and those that it starts; what comes after stays nobody's. */
const maxAddressesPerJob = 8;
const maxAddresses = 16_384;
/** Without another request with the token an address is nobody's again: it may be somebody else's by then. */
const idleMs = 600_000;

/** Which addresses are some job's because its token was met there. */
export class TokenBinding {
  readonly #ports: TokenBindingPorts;
  readonly #bound = new Map<string, Bound>();
  readonly #addressesOf = new Map<string, Set<string>>();

  constructor(ports: TokenBindingPorts) {
    this.#ports = ports;
  }

  /**
   * Takes note of a token on a request that only a job makes; the entry by which the address is attributed from then on,
   * or null. An address that has a job keeps it: another job's token there is foreign.
   */
  met(address: string, hash: string, nowMs: number): LiveEntry | null {
    const home = this.#ports.jobOf(hash);
    if (home === null || home.untilMs <= nowMs) return null;
    const job = nameOf(home);
    const known = this.entryOf(address, nowMs);
    if (known !== null && nameOf(known) !== job) return null;
    if (this.#ports.isTaken(address) || (known === null && !this.#hasRoom(job, nowMs))) return null;
    const entry = known ?? toEntry(home, address, nowMs);
    return this.#bind(job, { ...entry, untilMs: Math.min(home.untilMs, nowMs + idleMs) });
  }

  /** The job of the address, or null. */
  entryOf(address: string, nowMs: number): LiveEntry | null {
    const bound = this.#bound.get(address);
    if (bound === undefined) return null;
    if (bound.entry.untilMs > nowMs && !this.#ports.isTaken(address)) return bound.entry;
    this.#unbind(address, bound.job);
    return null;
  }

  /** Forgets the addresses of a job that has ended, and tells which they were. */
  endOf(server: string, jobId: string): readonly string[] {
    const job = `${server} ${jobId}`;
    const addresses = [...(this.#addressesOf.get(job) ?? [])];
    for (const address of addresses) this.#unbind(address, job);
    return addresses;
  }

  /** What is bound at the moment. */
  entries(nowMs: number): readonly LiveEntry[] {
    return [...this.#bound.keys()].flatMap((address) => this.entryOf(address, nowMs) ?? []);
  }

  #hasRoom(job: string, nowMs: number): boolean {
    for (const address of this.#addressesOf.get(job) ?? []) this.entryOf(address, nowMs);
    const count = this.#addressesOf.get(job)?.size ?? 0;
    return count < maxAddressesPerJob && this.#bound.size < maxAddresses;
  }

  #bind(job: string, entry: LiveEntry): LiveEntry {
    this.#bound.set(entry.address, { entry, job });
    const addresses = this.#addressesOf.get(job) ?? new Set();
    this.#addressesOf.set(job, addresses.add(entry.address));
    return entry;
  }

  #unbind(address: string, job: string): void {
    this.#bound.delete(address);
    const addresses = this.#addressesOf.get(job);
    addresses?.delete(address);
    if (addresses?.size === 0) this.#addressesOf.delete(job);
  }
}

/**
 * True for the calls by which GitLab's runner itself uses the token of a job that it may have started elsewhere: reports
 * of its state and its log. They say nothing of where the job is.
 */
export function isRunnersUse(method: string, path: string): boolean {
  return (method === 'PUT' || method === 'PATCH') && /^\/(?:.+\/)?api\/v4\/jobs\/\d+(?:\/trace)?$/.test(path);
}

const nameOf = ({ message }: LiveEntry): string => `${message.job.server} ${message.jobId}`;

function toEntry(home: LiveEntry, address: string, nowMs: number): LiveEntry {
  const { agent, untilMs, message } = home;
  return { address, agent, source: 'job-token', certainty: 'likely', sinceMs: nowMs, untilMs, message };
}
