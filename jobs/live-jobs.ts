// Attribution source 1: jobs that the platform handed to a runner while we listened. An address with one live job is that
// job's; with two it is in conflict, and nobody's, until one of them has ended; with a runner that starts its jobs
// elsewhere it is never a job's.

import { LRUCache } from 'lru-cache';
import { formatAddress, parseAddress, subnetOf, unmapAddress } from '../flow/address.ts';
import { unattributed, type Attribution, type AttributionPort } from '../flow/job.ts';
import type { JobMessage } from '../flow/job-message.ts';
import type { JobName, JobNews, StepUpdate } from '../flow/job-news.ts';
import { jobInstance } from '../flow/job-record.ts';
import { JobProgress } from './job-progress.ts';

export interface LiveJobsOptions {
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** A job that was heard of on this very address before, where its renewal is the first that is heard here. */
  readonly recall?: (name: JobName, address: string) => JobMessage | null;
  /** Called when an address is no longer what it was: flows and grants of its job are to be cut. */
  readonly onChange?: (address: string, attribution: Attribution) => void;
  readonly onEnd?: (address: string, job: LiveJob, conclusion: string | null) => void;
  /** What is new of a job that lives here: that it came, that it goes on, that its steps do. */
  readonly onNews?: (address: string, job: LiveJob, news: LiveNews) => void;
}

export type LiveNews =
  | { readonly kind: 'assigned' }
  | { readonly kind: 'renewed' }
  | { readonly kind: 'steps'; readonly steps: readonly StepUpdate[] };

/** A job on an address. */
export interface LiveJob {
  readonly message: JobMessage;
  readonly agent: string | null;
  /** Registration of the runner that it was handed to; null: not known. */
  readonly runner: string | null;
  readonly sinceMs: number;
  readonly untilMs: number;
  /** Somebody else was heard on its address since its platform last said that it goes on: it is nobody's until then. */
  readonly isDoubted: boolean;
  /** The same object for as long as it lives on the address. */
  readonly attribution: Attribution;
  readonly progress: JobProgress;
}

/** Without another word the platform gives a job up after this time (renewed each minute for ten). */
const leaseMs = 600_000;
/** No platform says more than this at once. */
const maxLeaseMs = 3_600_000;
const maxAddresses = 65_536;
const maxPerSubnet = 1_024;
const lapsedMs = 300_000;
const maxLapsed = 4_096;
const maxJobsPerAddress = 64;
/** Jobs that one runner has started elsewhere. */
const maxManaged = 1_024;
const maxAgents = 16;
/** A job that is in doubt is renewed within this time, twice over, or is taken for dead. */
const doubtMs = 120_000;
/** A program that has asked for jobs counts for so long; each asks again within a minute. */
const agentMs = 120_000;

interface Place {
  readonly jobs: Map<string, LiveJob>;
  /** Programs that ask for jobs here, and when they did last: more than one is a conflict. */
  readonly agents: Map<string, number>;
  /** Which registration a program said that it speaks for; the newest ones. */
  readonly runners: Map<string, string>;
  /** Programs that have left, and when: what they asked before is answered long after. */
  readonly left: Map<string, number>;
  /** Programs that were handed a job which nobody could read, and until when it may run. */
  readonly unread: Map<string, number>;
  /** A runner here starts its jobs elsewhere, and these are the ones that it was handed. */
  isManager: boolean;
  readonly managed: Map<string, LiveJob>;
}

/** Bounded memory of who runs where; an address that falls out is nobody's. */
export class LiveJobs implements AttributionPort {
  readonly #options: LiveJobsOptions;
  readonly #now: () => number;
  readonly #places = new LRUCache<string, Place>({
    max: maxAddresses,
    dispose: (_, address) => this.#countSubnet(address, -1),
    noDisposeOnSet: true,
  });
  /** How many addresses of one IPv6 network are known: a machine can take any of them. */
  readonly #subnets = new Map<string, number>();
  /** Jobs that nobody renewed in time, whose runner may try for five minutes yet. */
  readonly #lapsed = new LRUCache<string, LiveJob>({ max: maxLapsed, ttl: lapsedMs });
  readonly #managers = new Set<string>();
  /** Addresses with a job, or more than one program that asks: what may change with time. */
  readonly #busy = new Set<string>();

  constructor(options: LiveJobsOptions = {}) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /** The same object until something changes. */
  attribute(runnerAddress: string): Attribution {
    const address = canonicalAddress(runnerAddress);
    const place = this.#places.get(address);
    if (place === undefined) return unattributed;
    this.#review(address, place, () => {});
    return attributionOf(place);
  }

  /** Ends what nobody has renewed in time; to be called about once a second. */
  sweep(): void {
    for (const address of this.#busy) {
      const place = this.#places.peek(address);
      if (place === undefined) this.#busy.delete(address);
      else this.#review(address, place, () => {});
    }
  }

  /** Every live job with its address, or that of its runner where that starts it elsewhere. */
  *all(): Generator<readonly [address: string, job: LiveJob]> {
    for (const [address, { jobs, managed }] of this.#places.entries())
      for (const job of [...jobs.values(), ...managed.values()]) yield [address, job];
  }

  /** True for an address whose flows no other source may give to a job: several runners, or one for many machines. */
  isShared(runnerAddress: string): boolean {
    const place = this.#places.get(canonicalAddress(runnerAddress));
    return place !== undefined && (place.isManager || place.agents.size > 1);
  }

  get hasManagers(): boolean {
    return this.#managers.size > 0;
  }

  /** Addresses in conflict, and those whose runner starts its jobs elsewhere. */
  nobodys(): { readonly conflicts: readonly string[]; readonly managers: readonly string[] } {
    const places = [...this.#places.entries()];
    const isNobodys = ([, place]: [string, Place]): boolean => attributionOf(place).conflict;
    return {
      conflicts: places.filter((one) => isNobodys(one) && !one[1].isManager).map(([address]) => address),
      managers: places.filter(([, { isManager }]) => isManager).map(([address]) => address),
    };
  }

  /** The live jobs of an address. */
  jobsOf(runnerAddress: string): readonly LiveJob[] {
    return [...(this.#places.get(canonicalAddress(runnerAddress))?.jobs.values() ?? [])];
  }

  /** Takes note of what was heard on a connection of this address, from a platform that is believed. */
  hear(runnerAddress: string, news: JobNews): void {
    const address = canonicalAddress(runnerAddress);
    const known = this.#places.get(address);
    if (known === undefined && !this.#mayBegin(address, news)) return;
    const place = known ?? newPlace();
    if (known === undefined) this.#countSubnet(address, 1);
    this.#places.set(address, place);
    this.#review(address, place, () => this.#note(address, place, news));
    if (isEmpty(place)) this.#places.delete(address);
  }

  /** What is said of a job that nobody knows here makes no address known. */
  #mayBegin(address: string, news: JobNews): boolean {
    if (news.kind === 'ended' || news.kind === 'steps' || news.kind === 'left') return false;
    const subnet = subnetOf(address);
    return subnet === null || (this.#subnets.get(subnet) ?? 0) < maxPerSubnet;
  }

  #countSubnet(address: string, change: 1 | -1): void {
    const subnet = subnetOf(address);
    if (subnet === null) return;
    const count = (this.#subnets.get(subnet) ?? 0) + change;
    if (count > 0) this.#subnets.set(subnet, count);
    else this.#subnets.delete(subnet);
  }

  #review(address: string, place: Place, change: () => void): void {
    const before = attributionOf(place);
    this.#expire(address, place);
    change();
    if (attributionOf(place).conflict) this.#doubt(place);
    const mayChange = place.jobs.size > 0 || place.managed.size > 0 || place.agents.size > 1;
    if (mayChange) this.#busy.add(address);
    else this.#busy.delete(address);
    const after = attributionOf(place);
    if (before !== after) this.#options.onChange?.(address, after);
  }

  #note(address: string, place: Place, news: JobNews): void {
    switch (news.kind) {
      case 'polled':
        return this.#poll(place, nameOfAgent(news.server, news.agent));
      case 'began':
        return this.#begin(place, news);
      case 'left':
        return this.#leave(place, nameOfAgent(news.server, news.agent));
      case 'assigned':
        return this.#assign(address, place, news);
      case 'renewed':
        return this.#renew(address, place, news);
      case 'steps':
        return this.#step(address, place, news);
      case 'unread':
        return this.#leaveUnread(place, nameOfAgent(news.server, news.agent));
      case 'ended':
        return this.#end(address, place, news);
    }
  }

  /** Whatever else lives here, something nobody knows does too: it is in conflict, and never merely nobody's. */
  #leaveUnread(place: Place, agent: string): void {
    if (place.unread.has(agent) || place.unread.size < maxAgents)
      place.unread.set(agent, this.#now() + leaseMs);
    this.#doubt(place);
  }

  #poll(place: Place, agent: string): void {
    if ((place.left.get(agent) ?? -Infinity) <= this.#now() - agentMs) this.#ask(place, agent);
  }

  #leave({ agents, left }: Place, agent: string): void {
    agents.delete(agent);
    left.delete(agent);
    left.set(agent, this.#now());
    const [oldest] = left.keys();
    if (left.size > maxAgents && oldest !== undefined) left.delete(oldest);
  }

  #ask({ agents, left }: Place, agent: string): void {
    left.delete(agent);
    if (agents.has(agent) || agents.size < maxAgents) agents.set(agent, this.#now());
  }

  /** A machine that was started anew, or is another one: what ran on it may be over, and nobody will say so. */
  #begin(place: Place, { server, agent, runner }: Extract<JobNews, { kind: 'began' }>): void {
    const [name, registration] = [nameOfAgent(server, agent), nameOfAgent(server, runner ?? '')];
    for (const [other, known] of place.runners)
      if (runner !== null && known === registration) place.agents.delete(other);
    this.#ask(place, name);
    place.runners.delete(name);
    if (runner !== null) place.runners.set(name, registration);
    const [oldest] = place.runners.keys();
    if (place.runners.size > maxAgents && oldest !== undefined) place.runners.delete(oldest);
    this.#doubt(place);
  }

  #doubt({ jobs }: Place): void {
    const latestMs = this.#now() + doubtMs;
    for (const [key, job] of jobs)
      if (!job.isDoubted)
        jobs.set(key, { ...job, isDoubted: true, untilMs: Math.min(job.untilMs, latestMs) });
  }

  #renew(address: string, place: Place, news: JobName & { readonly untilMs: number }): void {
    const key = nameOfJob(news);
    const into = place.managed.has(key) ? place.managed : place.jobs;
    const job = into.get(key) ?? this.#lapsed.get(`${address} ${key}`) ?? this.#recalled(news, address);
    if (job === null || (!into.has(key) && into.size >= maxJobsPerAddress)) return;
    const untilMs = Math.min(news.untilMs, this.#now() + maxLeaseMs);
    const renewed = { ...job, untilMs, isDoubted: false };
    into.set(key, renewed);
    this.#options.onNews?.(address, renewed, { kind: 'renewed' });
  }

  #step(address: string, place: Place, news: JobName & { readonly steps: readonly StepUpdate[] }): void {
    const job = place.jobs.get(nameOfJob(news));
    const steps = job?.progress.note(news.steps) ?? [];
    if (job !== undefined && steps.length > 0) this.#options.onNews?.(address, job, { kind: 'steps', steps });
  }

  #end(address: string, place: Place, news: JobName & { readonly conclusion: string | null }): void {
    const key = nameOfJob(news);
    this.#lapsed.delete(`${address} ${key}`);
    const from = place.managed.has(key) ? place.managed : place.jobs;
    const job = from.get(key);
    if (job === undefined) return;
    from.delete(key);
    // It asks again before its next job, or was made for this one alone.
    if (job.agent !== null) place.agents.delete(nameOfAgent(news.server, job.agent));
    this.#options.onEnd?.(address, job, news.conclusion);
  }

  #assign(
    address: string,
    place: Place,
    { message, agent, runsHere }: Extract<JobNews, { kind: 'assigned' }>,
  ): void {
    place.isManager ||= !runsHere;
    if (place.isManager) this.#managers.add(address);
    const [into, max] = runsHere ? [place.jobs, maxJobsPerAddress] : [place.managed, maxManaged];
    const now = this.#now();
    const key = nameOfJob({ server: message.job.server, jobId: message.jobId });
    const known = into.get(key);
    // Handed out once more: whoever had it first keeps it, and another program that asks for it is one too many.
    if (known !== undefined && agent !== null) this.#ask(place, nameOfAgent(message.job.server, agent));
    if (known !== undefined || into.size >= max) return;
    const untilMs = Math.min(message.leaseMs ?? now + leaseMs, now + maxLeaseMs);
    const name = agent === null ? null : nameOfAgent(message.job.server, agent);
    const runner = name === null ? null : (place.runners.get(name) ?? null);
    // It asked again, and so is done with what nobody could read.
    if (name !== null && place.jobs.size === 0) place.unread.delete(name);
    if (runsHere && runner !== null) this.#endDoubted(address, place, runner, message);
    const job = newJob(message, agent, { now, untilMs, runner, hasBegun: false });
    into.set(key, job);
    this.#options.onNews?.(address, job, { kind: 'assigned' });
  }

  /**
   * A runner runs one job: its platform has given it another since it began anew. Numbers of registrations are told by the
   * program itself, and are each owner's own: a job of another owner ends nobody's.
   */
  #endDoubted(address: string, { jobs }: Place, runner: string, next: JobMessage): void {
    for (const [key, job] of jobs) {
      if (!job.isDoubted || job.runner !== runner || ownerOf(job.message) !== ownerOf(next)) continue;
      jobs.delete(key);
      this.#options.onEnd?.(address, job, null);
    }
  }

  #recalled(name: JobName, address: string): LiveJob | null {
    const message = this.#options.recall?.(name, address) ?? null;
    if (message === null) return null;
    const now = this.#now();
    return newJob(message, null, { now, untilMs: now + leaseMs, runner: null, hasBegun: true });
  }

  #expire(address: string, place: Place): void {
    const now = this.#now();
    for (const jobs of [place.jobs, place.managed])
      for (const [key, job] of jobs) {
        if (job.untilMs > now) continue;
        jobs.delete(key);
        if (jobs === place.jobs) this.#lapsed.set(`${address} ${key}`, job);
        this.#options.onEnd?.(address, job, null);
      }
    for (const [agent, heardMs] of place.agents) if (heardMs <= now - agentMs) place.agents.delete(agent);
    for (const [agent, untilMs] of place.unread) if (untilMs <= now) place.unread.delete(agent);
  }
}

const newPlace = (): Place => ({
  jobs: new Map(),
  agents: new Map(),
  runners: new Map(),
  isManager: false,
  managed: new Map(),
  left: new Map(),
  unread: new Map(),
});
const isEmpty = ({ jobs, agents, runners, left, unread, managed, isManager }: Place): boolean =>
  jobs.size + agents.size + runners.size + left.size + unread.size + managed.size === 0 && !isManager;
const nameOfAgent = (server: string, agent: string): string => `${server} ${agent}`;
const ownerOf = ({ job }: JobMessage): string =>
  `${job.server} ${job.repository?.split('/')[0]?.toLowerCase() ?? ''}`;
const nameOfJob = ({ server, jobId }: JobName): string => `${server} ${jobId}`;

function newJob(
  message: JobMessage,
  agent: string | null,
  about: Pick<LiveJob, 'untilMs' | 'runner'> & { readonly now: number; readonly hasBegun: boolean },
): LiveJob {
  const { now, untilMs, runner, hasBegun } = about;
  const { job, jobId, steps } = message;
  return {
    message,
    agent,
    runner,
    sinceMs: now,
    untilMs,
    isDoubted: false,
    attribution: {
      job,
      source: 'job-message',
      certainty: 'certain',
      conflict: false,
      jobId: jobInstance(job.server, jobId),
    },
    progress: new JobProgress(steps, hasBegun),
  };
}

const inConflict: Attribution = { job: null, source: 'job-message', certainty: 'unknown', conflict: true };

function attributionOf({ jobs, agents, unread, isManager }: Place): Attribution {
  const [first] = jobs.values();
  if (first === undefined) return unattributed;
  const all = new Set(agents.keys());
  for (const { agent, message } of jobs.values())
    if (agent !== null) all.add(nameOfAgent(message.job.server, agent));
  const isNobodys = jobs.size > 1 || all.size > 1 || unread.size > 0 || isManager || first.isDoubted;
  return isNobodys ? inConflict : first.attribution;
}

/** The text by which an address is known: IPv4 ones that are mapped into IPv6 as IPv4. */
export function canonicalAddress(address: string): string {
  const parsed = parseAddress(address);
  return parsed === null ? address : formatAddress(unmapAddress(parsed));
}
