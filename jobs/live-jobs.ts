// Attribution source 1: jobs that the platform handed to a runner while we listened. An address with one live job is that
// job's; with two it is in conflict, and nobody's, until one of them has ended; with a runner that starts its jobs
// elsewhere it is never a job's.

import { LRUCache } from 'lru-cache';
import { formatAddress, parseAddress, unmapAddress } from '../flow/address.ts';
import { unattributed, type Attribution, type AttributionPort } from '../flow/job.ts';
import type { JobMessage } from '../flow/job-message.ts';
import type { JobName, JobNews, StepUpdate } from '../flow/job-news.ts';

export interface LiveJobsOptions {
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** A job that this gateway or another one has heard of, where its renewal is the first that is heard here. */
  readonly recall?: (name: JobName) => JobMessage | null;
  /** Called when an address is no longer what it was: flows and grants of its job are to be cut. */
  readonly onChange?: (address: string, attribution: Attribution) => void;
  readonly onEnd?: (address: string, job: LiveJob, conclusion: string | null) => void;
}

/** A job on an address. */
export interface LiveJob {
  readonly message: JobMessage;
  readonly agent: string | null;
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly steps: ReadonlyMap<string, StepUpdate>;
}

/** Without another word the platform gives a job up after this time (renewed each minute for ten). */
const leaseMs = 600_000;
/** No platform says more than this at once. */
const maxLeaseMs = 3_600_000;
const maxAddresses = 65_536;
const maxJobsPerAddress = 64;
const maxStepsPerJob = 2_000;
const maxAgents = 16;
/** A program that has asked for jobs counts for so long; each asks again within a minute. */
const agentMs = 120_000;

interface Place {
  readonly jobs: Map<string, LiveJob>;
  /** Programs that ask for jobs here, and when they did last: more than one is a conflict. */
  readonly agents: Map<string, number>;
  /** A runner here starts its jobs elsewhere. */
  isManager: boolean;
}

/** Bounded memory of who runs where; an address that falls out is nobody's. */
export class LiveJobs implements AttributionPort {
  readonly #options: LiveJobsOptions;
  readonly #now: () => number;
  readonly #places = new LRUCache<string, Place>({ max: maxAddresses });

  constructor(options: LiveJobsOptions = {}) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  attribute(runnerAddress: string): Attribution {
    const place = this.#places.get(canonical(runnerAddress));
    if (place === undefined) return unattributed;
    this.#expire(canonical(runnerAddress), place);
    return attributionOf(place);
  }

  /** The live jobs of an address. */
  jobsOf(runnerAddress: string): readonly LiveJob[] {
    const place = this.#places.get(canonical(runnerAddress));
    if (place === undefined) return [];
    this.#expire(canonical(runnerAddress), place);
    return [...place.jobs.values()];
  }

  /** Takes note of what was heard on a connection of this address, from a platform that is believed. */
  hear(runnerAddress: string, news: JobNews): void {
    const address = canonical(runnerAddress);
    const place = this.#places.get(address) ?? { jobs: new Map(), agents: new Map(), isManager: false };
    this.#places.set(address, place);
    this.#expire(address, place);
    const before = attributionOf(place);
    this.#note(address, place, news);
    const after = attributionOf(place);
    if (!isSame(before, after)) this.#options.onChange?.(address, after);
  }

  #note(address: string, place: Place, news: JobNews): void {
    switch (news.kind) {
      case 'polled':
        return this.#ask(place, nameOfAgent(news.server, news.agent));
      case 'left':
        return void place.agents.delete(nameOfAgent(news.server, news.agent));
      case 'assigned':
        return this.#assign(place, news);
      case 'renewed':
        return this.#renew(place, news);
      case 'steps':
        return update(place, news, (job) => ({ ...job, steps: withSteps(job.steps, news.steps) }));
      case 'ended':
        return this.#end(address, place, news);
    }
  }

  #ask({ agents }: Place, agent: string): void {
    if (agents.has(agent) || agents.size < maxAgents) agents.set(agent, this.#now());
  }

  #renew(place: Place, news: JobName & { readonly untilMs: number }): void {
    const key = nameOfJob(news);
    const recalled = place.jobs.has(key) ? null : this.#recalled(news);
    if (recalled !== null && place.jobs.size < maxJobsPerAddress) place.jobs.set(key, recalled);
    const untilMs = Math.min(news.untilMs, this.#now() + maxLeaseMs);
    update(place, news, (job) => ({ ...job, untilMs }));
  }

  #end(address: string, place: Place, news: JobName & { readonly conclusion: string | null }): void {
    const job = place.jobs.get(nameOfJob(news));
    if (job === undefined) return;
    place.jobs.delete(nameOfJob(news));
    // It asks again before its next job, or was made for this one alone.
    if (job.agent !== null) place.agents.delete(nameOfAgent(news.server, job.agent));
    this.#options.onEnd?.(address, job, news.conclusion);
  }

  #assign(place: Place, { message, agent, runsHere }: Extract<JobNews, { kind: 'assigned' }>): void {
    if (!runsHere) {
      place.isManager = true;
      return;
    }
    const now = this.#now();
    if (place.jobs.size >= maxJobsPerAddress) return;
    place.jobs.set(nameOfJob({ server: message.job.server, jobId: message.jobId }), {
      message,
      agent,
      sinceMs: now,
      untilMs: Math.min(message.leaseMs ?? now + leaseMs, now + maxLeaseMs),
      steps: new Map(),
    });
  }

  #recalled(name: JobName): LiveJob | null {
    const message = this.#options.recall?.(name) ?? null;
    if (message === null) return null;
    const now = this.#now();
    return { message, agent: null, sinceMs: now, untilMs: now + leaseMs, steps: new Map() };
  }

  #expire(address: string, place: Place): void {
    const now = this.#now();
    for (const [key, job] of place.jobs) {
      if (job.untilMs > now) continue;
      place.jobs.delete(key);
      this.#options.onEnd?.(address, job, null);
    }
    for (const [agent, heardMs] of place.agents) if (heardMs <= now - agentMs) place.agents.delete(agent);
  }
}

const nameOfAgent = (server: string, agent: string): string => `${server} ${agent}`;
const nameOfJob = ({ server, jobId }: JobName): string => `${server} ${jobId}`;

function update({ jobs }: Place, name: JobName, change: (job: LiveJob) => LiveJob): void {
  const job = jobs.get(nameOfJob(name));
  if (job !== undefined) jobs.set(nameOfJob(name), change(job));
}

function attributionOf({ jobs, agents, isManager }: Place): Attribution {
  const [first] = jobs.values();
  if (first === undefined) return unattributed;
  const all = new Set(agents.keys());
  for (const { agent, message } of jobs.values())
    if (agent !== null) all.add(nameOfAgent(message.job.server, agent));
  if (jobs.size > 1 || all.size > 1 || isManager)
    return { job: null, source: 'job-message', certainty: 'unknown', conflict: true };
  return { job: first.message.job, source: 'job-message', certainty: 'certain', conflict: false };
}

const isSame = (a: Attribution, b: Attribution): boolean => a.job === b.job && a.conflict === b.conflict;

function withSteps(
  known: ReadonlyMap<string, StepUpdate>,
  updates: readonly StepUpdate[],
): ReadonlyMap<string, StepUpdate> {
  const steps = new Map(known);
  for (const step of updates) if (steps.has(step.id) || steps.size < maxStepsPerJob) steps.set(step.id, step);
  return steps;
}

function canonical(address: string): string {
  const parsed = parseAddress(address);
  return parsed === null ? address : formatAddress(unmapAddress(parsed));
}
