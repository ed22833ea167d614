// Hosts for which a pass-through is proposed: their server asks for a client certificate, or clients of more than one
// job refused our leaf. A proposal is words in records, log and metrics; only a person opens a host, by a rule.

import { LRUCache } from 'lru-cache';
import type { Evidence } from '../flow/evidence.ts';
import type { Meter } from '../flow/ports.ts';

/** What the program log is told, once a day for each host and cause, and of 100 at most. */
export interface Proposal {
  readonly host: string;
  readonly port: number;
  readonly cause: 'client-certificate' | 'client-distrust';
}

const maxHosts = 1_024;
const rememberedMs = 7 * 86_400_000;
const toldMs = 86_400_000;
/** Whoever may choose names, and has a server that asks for certificates, must not fill the log. */
const maxToldADay = 100;
/** One job may have a client that is set up wrongly; two make it likely that the host's clients carry a list of their own. */
const jobsNeeded = 2;

/** Bounded memory of who refused us where. */
export class Proposals {
  readonly #refused = new LRUCache<string, Set<string>>({ max: maxHosts, ttl: rememberedMs });
  #dayBeganMs = Number.NEGATIVE_INFINITY;
  #toldToday = 0;
  readonly #told = new LRUCache<string, true>({ max: 2 * maxHosts, ttl: toldMs });
  readonly #meter: Meter;
  readonly #tell: (proposal: Proposal) => void;

  constructor(meter: Meter, tell: (proposal: Proposal) => void = () => {}) {
    this.#meter = meter;
    this.#tell = tell;
  }

  /** A client of this job refused our leaf for the host (RFC 8446 §6.2: 42, 46, 48); evidence once two jobs have. */
  refused(host: string, port: number, holder: string): Evidence | null {
    const key = `${host} ${port}`;
    const holders = this.#refused.get(key) ?? new Set();
    if (holders.size < jobsNeeded) holders.add(holder);
    this.#refused.set(key, holders);
    if (holders.size < jobsNeeded) return null;
    this.#propose({ host, port, cause: 'client-distrust' });
    const detail = `clients of ${jobsNeeded} jobs do not trust the gateway on ${host}:${port}: an opaque rule would pass it through`;
    return { kind: 'pass-through-proposed', detail };
  }

  /** The server insists on a client certificate. */
  asked(host: string, port: number): void {
    this.#propose({ host, port, cause: 'client-certificate' });
  }

  #propose(proposal: Proposal): void {
    const key = `${proposal.cause} ${proposal.host} ${proposal.port}`;
    if (this.#told.has(key)) return;
    this.#told.set(key, true);
    this.#meter.count('sallyport_pass_through_proposals_total', { cause: proposal.cause });
    const nowMs = performance.now();
    if (nowMs - this.#dayBeganMs >= toldMs) [this.#dayBeganMs, this.#toldToday] = [nowMs, 0];
    if (this.#toldToday++ < maxToldADay) this.#tell(proposal);
  }
}
