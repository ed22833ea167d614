// Who is talking, of everything that this worker knows: what the operator declared, what it heard itself, what control
// published, tokens that it met, in this order. Whoever is claimed by two is nobody; nobody is ever replaced by another.

import { LRUCache } from 'lru-cache';
import { unattributed, type Attribution, type AttributionPort } from '../flow/job.ts';
import type { HashToken, JobMessage } from '../flow/job-message.ts';
import type { JobName, JobNews } from '../flow/job-news.ts';
import { jobInstance, type JobRecord } from '../flow/job-record.ts';
import type { FlowStep } from '../flow/flow.ts';
import type { StepPort } from '../flow/ports.ts';
import type { DeclaredJobs } from './declared.ts';
import { EndedJobs } from './ended-jobs.ts';
import { JobRecords } from './job-records.ts';
import { canonicalAddress, LiveJobs, type LiveJob } from './live-jobs.ts';
import { attributionOfEntry, instanceOf, type LiveEntry, type LiveTable } from './live-table.ts';
import type { PublishedTable } from './live-table.ts';
import { keyIdOf } from './live-table-file.ts';
import type { JobPhase } from './runner-program.ts';
import { OthersWord } from './others-word.ts';
import { isSameJob } from './same-job.ts';
import { TokenBinding } from './token-binding.ts';
import { hashTokensBy } from './token-hash.ts';

export interface JobSourcesOptions {
  readonly declared: DeclaredJobs;
  readonly gateway: string;
  readonly fleet: string;
  /** Of hashes of tokens, 32 bytes; null: not known yet, and until then nothing is heard. */
  readonly key: Uint8Array | null;
  readonly record: (record: JobRecord) => void;
  /** The flows of an address belong to somebody else from now on; `ended` are those whose grants are over. */
  readonly onChange: (address: string, ended: readonly Attribution[]) => void;
  /** The table is another one. */
  readonly onTable: (what: 'jobs' | 'renewed') => void;
  readonly now?: () => number;
}

/** What is known of the job behind an attribution. */
interface Known {
  readonly message: JobMessage;
  /** The key under which its hashes were made. */
  readonly key: Uint8Array | null;
  readonly live: LiveJob | null;
}

const maxKnown = 16_384;
const maxListed = 16_384;
const inConflict: Attribution = { job: null, source: 'job-message', certainty: 'unknown', conflict: true };

export class JobSources implements AttributionPort, StepPort {
  readonly #options: JobSourcesOptions;
  readonly #now: () => number;
  readonly #startedMs: number;
  readonly #live: LiveJobs;
  readonly #ended = new EndedJobs();
  readonly #records: JobRecords;
  readonly #binding: TokenBinding;
  /** What was answered last, by address as it was asked for. */
  readonly #answers = new LRUCache<string, Attribution>({ max: maxKnown });
  readonly #ofEntries = new LRUCache<string, { readonly text: string; readonly attribution: Attribution }>({
    max: maxKnown,
  });
  readonly #about = new WeakMap<Attribution, Known>();
  #key: Uint8Array | null;
  #hash: HashToken | null;
  readonly #others = new OthersWord();
  /** When a listener began on an address: what others knew of it from before may be over. */
  readonly #begun = new LRUCache<string, number>({ max: maxKnown });
  #ending: readonly Attribution[] = [];

  constructor(options: JobSourcesOptions) {
    this.#options = options;
    const { gateway, fleet, record: write, key } = options;
    this.#now = options.now ?? Date.now;
    this.#startedMs = this.#now();
    this.#key = key;
    this.#hash = key === null ? null : hashTokensBy(key);
    this.#records = new JobRecords({ gateway, fleet, write, now: this.#now });
    this.#binding = new TokenBinding({
      jobOf: (hash) => this.#managedBy(hash),
      isTaken: (address) => this.#isTaken(address),
    });
    this.#live = new LiveJobs({
      now: this.#now,
      recall: (name, address) => this.#recalled(name, address),
      onChange: (address) => {
        // Others are told also where what they say themselves still holds here.
        options.onTable('jobs');
        this.#changed(address);
      },
      onEnd: (address, job, conclusion) => this.#end(address, job, conclusion),
      onNews: (address, job, news) => {
        this.#ended.remove(address, jobInstance(job.message.job.server, job.message.jobId));
        this.#about.set(job.attribution, { message: job.message, key: this.#key, live: job });
        this.#records.news(address, job, news);
        if (news.kind !== 'steps') options.onTable(news.kind === 'assigned' ? 'jobs' : 'renewed');
      },
    });
  }

  /** Makes the hashes by which tokens are known; null while there is no key. */
  get hash(): HashToken | null {
    return this.#hash;
  }

  /** The same object for the same job on the same address. */
  attribute(address: string): Attribution {
    const known = this.#answers.get(address);
    if (known !== undefined) return known;
    const found = this.#find(address);
    this.#answers.set(address, found);
    return found;
  }

  /** Takes note of what a platform told a runner at this address, over TLS that was verified. */
  hear(address: string, news: readonly JobNews[]): void {
    for (const one of news) {
      const place = this.#placeOf(canonicalAddress(address));
      if (one.kind === 'ended') this.#noteOthers(place, jobInstance(one.server, one.jobId));
      if (one.kind === 'began') this.#doubtOthers(place);
      this.#live.hear(place, one);
      if (one.kind === 'ended' || one.kind === 'renewed')
        for (const other of this.#others.machineOf(place))
          if (other !== place && this.#live.jobsOf(other).some((job) => isNamed(job, one)))
            this.#live.hear(other, one);
    }
  }

  /** Takes what control makes of all sources. */
  follow(table: PublishedTable): void {
    const key = Buffer.from(table.key, 'base64');
    if (this.#key === null || !key.equals(this.#key)) {
      this.#key = key;
      this.#hash = hashTokensBy(key);
    }
    this.#others.follow(table);
    for (const entry of table.jobs) if (entry.source === 'kubernetes') this.#endBefore(entry);
    this.#reviewAll();
  }

  /** Another pod has the address since: whatever ran there before is over. */
  #endBefore({ address, sinceMs, message: newer }: LiveEntry): void {
    for (const { message, sinceMs: heardMs, attribution } of this.#live.jobsOf(address)) {
      if (heardMs >= sinceMs || isOfJob(newer, attribution)) continue;
      const name = { server: message.job.server, jobId: message.jobId };
      this.hear(address, [{ kind: 'ended', ...name, conclusion: null }]);
    }
  }

  /** Ends what is past its time; to be called about once a second. */
  sweep(): void {
    this.#live.sweep();
    this.#reviewAll();
  }

  /** True while some runner starts its jobs elsewhere: they are looked for. */
  get hasManagers(): boolean {
    return this.#others.hasManagers || this.#live.hasManagers;
  }

  /** Takes note of a job's own token on a request of nobody: jobs that a runner started elsewhere are found by it. */
  meet(address: string, token: string): void {
    if (this.#hash === null) return;
    const canonical = canonicalAddress(address);
    if (this.#binding.met(canonical, this.#hash(token), this.#now()) !== null) this.#changed(canonical);
  }

  isOwnToken(attribution: Attribution, token: string): boolean {
    if (this.#options.declared.isOwnToken(attribution, token)) return true;
    const own = this.#tokensOf(attribution)?.own ?? null;
    return own !== null && this.#hash?.(token) === own;
  }

  /** Tells the token of the job's runtime from others; null where nobody knows it. */
  runtimeToken(attribution: Attribution): ((token: string) => boolean) | null {
    const declared = this.#options.declared.runtimeToken(attribution);
    const runtime = this.#tokensOf(attribution)?.runtime ?? null;
    const hash = this.#hash;
    return declared ?? (runtime === null || hash === null ? null : (token) => hash(token) === runtime);
  }

  stepOf(attribution: Attribution): FlowStep | null {
    return this.#about.get(attribution)?.live?.progress.step ?? null;
  }

  phaseOf(attribution: Attribution): JobPhase {
    const live = this.#about.get(attribution)?.live ?? null;
    return { hasJob: attribution.job !== null, hasBegun: live?.progress.hasBegun ?? true };
  }

  /** What this worker has to say of who runs where. */
  table(): LiveTable {
    const nowMs = this.#now();
    const { conflicts, managers } = this.#live.nobodys();
    const isManager = new Set(managers);
    const own = [...this.#live.all()].map(([address, { agent, sinceMs, untilMs, ...job }]): LiveEntry => {
      const certainty = isManager.has(address) ? 'unknown' : 'certain';
      // Hashes under another key would be taken for those of another job's tokens.
      const isHashed = this.#about.get(job.attribution)?.key === this.#key;
      const message = isHashed ? job.message : { ...job.message, tokens: { own: null, runtime: null } };
      return { address, agent, source: 'job-message', certainty, sinceMs, untilMs, message };
    });
    return {
      v: 1,
      startedMs: this.#startedMs,
      atMs: nowMs,
      keyId: this.#key === null ? '' : keyIdOf(this.#key),
      jobs: [...own, ...this.#binding.entries(nowMs)].slice(0, maxListed),
      managers,
      conflicts,
      ended: this.#ended.list(nowMs),
    };
  }

  #find(address: string): Attribution {
    const declared = this.#options.declared.attribute(address);
    if (declared !== unattributed) return declared;
    const canonical = canonicalAddress(address);
    const machine = this.#others.machineOf(canonical);
    const live = this.#heardOn(machine);
    const others = this.#candidates(canonical, machine, live);
    const firm = others.filter(isFirm);
    const isShared = machine.some((one) => this.#live.isShared(one) || this.#others.isManager(one));
    if (live.conflict || this.#others.isInConflict(canonical)) return inConflict;
    if (isShared) return live === unattributed && firm.length === 0 ? unattributed : inConflict;
    if (live !== unattributed) return firm.some(({ message }) => !isOfJob(message, live)) ? inConflict : live;
    const [first] = others;
    if (first === undefined) return unattributed;
    const begunMs = Math.max(...machine.map((one) => this.#begun.get(one) ?? -1));
    if (first.source === 'job-message' && first.sinceMs <= begunMs) return inConflict;
    // The intersection of what several say: where they contradict each other nothing is left.
    return firm.some((entry) => !isOne(entry, first)) ? inConflict : this.#ofEntry(canonical, first);
  }

  /** A machine speaks now over one family and now over the other: all of it is kept in one place. */
  #placeOf(address: string): string {
    const machine = this.#others.machineOf(address);
    return machine.find((one) => this.#live.jobsOf(one).length > 0) ?? machine[0] ?? address;
  }

  /** What was heard here, on any address of the machine. */
  #heardOn(machine: readonly string[]): Attribution {
    const all = machine.map((address) => this.#live.attribute(address));
    const [first = unattributed, ...others] = all.filter((attribution) => attribution !== unattributed);
    // One job may have been heard on both before they were known to be one machine's.
    return others.some(({ jobId }) => jobId === undefined || jobId !== first.jobId) ? inConflict : first;
  }

  /** What others say of an address, the surest first, without what has ended and what is known better here. */
  #candidates(address: string, machine: readonly string[], live: Attribution): readonly LiveEntry[] {
    const nowMs = this.#now();
    const published = this.#others.entriesOf(address, nowMs).filter(({ message }) => {
      const job = instanceOf(message);
      return job !== live.jobId && !machine.some((one) => this.#ended.has(one, job));
    });
    const bound = this.#binding.entryOf(address, nowMs);
    return bound === null ? published : [...published, bound];
  }

  /** The same object for as long as the entry says the same. */
  #ofEntry(address: string, entry: LiveEntry): Attribution {
    const { message, source, certainty, machine } = entry;
    const text = JSON.stringify([message.job, message.jobId, source, certainty, machine]);
    const known = this.#ofEntries.get(address);
    const attribution = known?.text === text ? known.attribution : attributionOfEntry(entry);
    if (known?.text !== text) this.#ofEntries.set(address, { text, attribution });
    this.#about.set(attribution, { message, key: this.#key, live: null });
    return attribution;
  }

  #tokensOf(attribution: Attribution): JobMessage['tokens'] | null {
    const known = attribution.conflict ? undefined : this.#about.get(attribution);
    // Hashes under another key say nothing, neither that a token is the job's nor that it is not.
    return known === undefined || known.key !== this.#key ? null : known.message.tokens;
  }

  #end(address: string, job: LiveJob, conclusion: string | null): void {
    this.#records.ended(address, job, conclusion);
    this.#ending = [...this.#ending, job.attribution];
    const { server } = job.message.job;
    this.#note(address, jobInstance(server, job.message.jobId));
    for (const other of this.#binding.endOf(server, job.message.jobId)) this.#changed(other);
  }

  /** Only of jobs that others speak of: whoever names many that never were makes nobody forget one that was. */
  #noteOthers(address: string, job: string): void {
    if (this.#others.recalled(this.#others.machineOf(address), job) !== null) this.#note(address, job);
  }

  #note(address: string, job: string): void {
    this.#ended.add(address, job, this.#now());
    this.#options.onTable('jobs');
    this.#changed(address);
  }

  #doubtOthers(address: string): void {
    this.#begun.set(address, this.#now());
    this.#changed(address);
  }

  #recalled({ server, jobId }: JobName, address: string): JobMessage | null {
    const job = jobInstance(server, jobId);
    const machine = this.#others.machineOf(address);
    const isKnownBetter = machine.some((one) => this.#others.isManager(one) || this.#ended.has(one, job));
    return isKnownBetter ? null : this.#others.recalled(machine, job);
  }

  #managedBy(hash: string): LiveEntry | null {
    for (const [address, { message, agent, sinceMs, untilMs }] of this.#live.all()) {
      if (message.tokens.own !== hash || !this.#live.isShared(address)) continue;
      return { address, agent, source: 'job-message', certainty: 'unknown', sinceMs, untilMs, message };
    }
    return this.#others.managedBy(hash);
  }

  #isTaken(address: string): boolean {
    if (this.#options.declared.attribute(address) !== unattributed) return true;
    if (this.#live.attribute(address) !== unattributed || this.#live.isShared(address)) return true;
    if (this.#others.isInConflict(address) || this.#others.isManager(address)) return true;
    const entries = this.#others.entriesOf(address, this.#now());
    return entries.some(({ source }) => source !== 'job-token' && source !== 'hook-claim');
  }

  #reviewAll(): void {
    const asked = Array.from(this.#answers.keys());
    for (const address of asked) if (this.#mayChange(address)) this.#changed(address);
  }

  /** Only what comes from elsewhere: of what is heard here each change is told. */
  #mayChange(address: string): boolean {
    const before = this.#answers.peek(address);
    return before !== undefined && this.#find(address) !== before;
  }

  #changed(address: string): void {
    const ended = this.#ending;
    this.#ending = [];
    for (const one of this.#others.machineOf(address)) this.#changedOn(one, ended);
  }

  #changedOn(address: string, ended: readonly Attribution[]): void {
    const before = this.#answers.peek(address);
    this.#answers.delete(address);
    this.#answers.delete(`::ffff:${address}`);
    const after = this.attribute(address);
    if (before === after && ended.length === 0) return;
    if (after.conflict && before?.conflict !== true)
      this.#records.conflict(address, this.#live.jobsOf(address));
    this.#options.onTable('jobs');
    const isOver = before !== undefined && before.jobId !== after.jobId && before.job !== null;
    this.#options.onChange(address, isOver && !ended.includes(before) ? [...ended, before] : ended);
  }
}

const isNamed = ({ message }: LiveJob, { server, jobId }: JobName): boolean =>
  message.jobId === jobId && message.job.server === server;

/** Sources that a program on the runner can speak for: they give way, and never make a conflict. */
const isFirm = ({ source }: LiveEntry): boolean => source !== 'hook-claim' && source !== 'process';

function isOfJob(message: JobMessage, { job, jobId }: Attribution): boolean {
  if (job === null) return false;
  return message.jobId === '' || jobId === undefined
    ? isSameJob(message.job, job)
    : instanceOf(message) === jobId;
}

function isOne(a: LiveEntry, b: LiveEntry): boolean {
  return a.message.jobId === '' || b.message.jobId === ''
    ? isSameJob(a.message.job, b.message.job)
    : instanceOf(a.message) === instanceOf(b.message);
}
