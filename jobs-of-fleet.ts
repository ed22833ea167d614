// Control's view of who runs where: puts together what workers, other sources and other gateways say of jobs, tells it to
// all workers in one file, and says when it is no longer what it was.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { formatAddress, parseAddress, unmapAddress } from './flow/address.ts';
import { unattributed, type Attribution } from './flow/job.ts';
import type { JobMessage } from './flow/job-message.ts';
import type { Meter } from './flow/ports.ts';
import type { DeclaredJobs } from './jobs/declared.ts';
import { EntryTexts, writePublishedTable } from './jobs/entry-texts.ts';
import { JobHistory } from './jobs/job-history.ts';
import type { JobSource, KnownJobs } from './jobs/job-source.ts';
import { keyIdOf, readTableText, TableWriter } from './jobs/live-table-file.ts';
import {
  instanceOf,
  maxAddresses,
  maxEntries,
  readPublishedTable,
  withoutTokens,
  type EndedJob,
  type LiveEntry,
  type LiveTable,
  type PublishedTable,
} from './jobs/live-table.ts';
import { mergeTables, type Heard, type Merged } from './jobs/merge-tables.ts';
import { PublishedJobs } from './jobs/published-jobs.ts';
import { WorkerTables } from './jobs/worker-tables.ts';
import {
  makeJobKey,
  tableBefore,
  writeStatus,
  writeWhole,
  type StateDirectory,
} from './store/state-directory.ts';

/** What other gateways of the fleet say. */
export interface OtherGateways {
  /** Those that are heard of. */
  living(): readonly Heard[];
  /** What those said that are not heard of any more. */
  before(): readonly LiveEntry[];
  /** They are to be told soon. */
  changed(): void;
}

export interface JobsOfFleetOptions {
  readonly declared: DeclaredJobs;
  readonly state: StateDirectory;
  readonly log: Logger;
  readonly meter: Meter;
  /** Workers that serve, and those that drain beside them. */
  readonly workers: () => readonly string[];
  /** Called when jobs came or went, with the addresses whose flows are somebody else's now. */
  readonly onChange: (addresses: readonly string[]) => void;
}

const lookEveryMs = 100;
/** What depends on nothing but the time is looked at this often. */
const againMs = 5_000;
/** Nobody who is gone can say that a job goes on longer. */
const maxLeaseMs = 3_600_000;
const emptyMerged: Merged = { jobs: [], recall: [], managers: [], conflicts: [], gone: [], before: [] };

export class JobsOfFleet {
  readonly #options: JobsOfFleetOptions;
  readonly #tables: WorkerTables;
  readonly #sources: JobSource[] = [];
  readonly #writer: TableWriter;
  #others: OtherGateways | null = null;
  #timer: NodeJS.Timeout | undefined;
  #key: Buffer;
  #gone: readonly LiveEntry[] = [];
  #before: readonly LiveEntry[] = [];
  #machines: readonly (readonly string[])[] = [];
  #merged: Merged = emptyMerged;
  readonly #history = new JobHistory();
  #jobs = new PublishedJobs(emptyMerged);
  #isDirty = true;
  #nextEndMs = Infinity;

  constructor(options: JobsOfFleetOptions) {
    const { state, log, workers } = options;
    this.#options = options;
    // Somebody may have removed it since the keeper made it.
    makeJobKey(state.jobKeyFile);
    this.#key = readFileSync(state.jobKeyFile);
    const onError = (error: unknown): void =>
      log.error({ err: error }, 'what workers know of jobs is not usable');
    this.#tables = new WorkerTables({ folder: state.jobs, workers, onError });
    this.#writer = new TableWriter({
      collect: () => writePublishedTable(this.#published()),
      write: (json) => writeStatus(state.jobsFile, json, 0o640),
      onError: (error) => log.error({ err: error }, 'workers cannot be told of jobs'),
    });
  }

  /** Reads what the one before it knew, and begins to look; the table is there when this returns. */
  start(): void {
    this.#recall();
    this.look();
    this.#writer.flush();
    this.#timer = setInterval(() => this.look(), lookEveryMs).unref();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#writer.flush();
  }

  /** Takes what another source knows; `changed` is called whenever that is another. */
  add(source: JobSource): void {
    this.#sources.push(source);
    this.changed();
  }

  /** Takes what other gateways know, in the same way. */
  setOthers(others: OtherGateways): void {
    this.#others = others;
    this.changed();
  }

  /** A source, or another gateway, says something else than before. */
  changed(): void {
    this.#isDirty = true;
  }

  /** Addresses of one machine each. */
  setMachines(machines: readonly (readonly string[])[]): void {
    this.#machines = machines;
    this.#writer.changed();
    this.changed();
  }

  /** What all sources together say at this moment. */
  get table(): Pick<PublishedTable, 'jobs' | 'recall' | 'managers' | 'conflicts'> {
    return this.#merged;
  }

  /** The key of hashes of tokens. */
  get key(): Buffer {
    return this.#key;
  }

  /** Another key counts from now on, here and after a restart: hashes under the last one say nothing any more. */
  setKey(key: Buffer): void {
    if (key.equals(this.#key)) return;
    this.#key = key;
    writeWhole(this.#options.state.jobKeyFile, key, 0o640);
    this.#gone = this.#gone.map(withoutTokens);
    this.#before = this.#before.map(withoutTokens);
    this.changed();
    this.look();
    this.#writer.flush();
  }

  /** What this gateway knows by itself, for the others. */
  own(): Heard {
    const tables = this.#heard();
    return {
      jobs: [...tables.flatMap(({ jobs }) => jobs), ...this.#merged.gone],
      managers: tables.flatMap(({ managers }) => managers),
      conflicts: tables.flatMap(({ conflicts }) => conflicts),
      ended: tables.flatMap(({ ended }) => ended),
    };
  }

  /** Whose the flows of an address are: a declared job's first. */
  attribute(address: string): Attribution {
    const declared = this.#options.declared.attribute(address);
    return declared.job !== null ? declared : this.#jobs.attribute(canonical(address), Date.now());
  }

  /** Whose the flows of an address were from the first to the last of these times, in milliseconds since 1970. */
  attributeDuring(address: string, fromMs: number, untilMs: number): Attribution {
    const declared = this.#options.declared.attribute(address);
    return declared.job !== null ? declared : this.#history.during(canonical(address), fromMs, untilMs);
  }

  /** Live jobs by address, without addresses of declared ones. */
  live(): ReadonlyMap<string, Attribution> {
    const { declared } = this.#options;
    const free = this.#jobs.addresses().filter((address) => declared.attribute(address).job === null);
    const found = free.map((address) => [address, this.attribute(address)] as const);
    return new Map(found.filter(([, attribution]) => attribution !== unattributed));
  }

  /** What other sources ask of it. */
  readonly known: KnownJobs = {
    entriesOf: (address) =>
      this.#jobs.entriesOf(canonical(address)).filter(({ source }) => source === 'job-message'),
    jobOf: (server, platformJobId) => this.#messageOf(server, platformJobId),
  };

  #messageOf(server: string, id: string): JobMessage | null {
    const { jobs, recall } = this.#merged;
    const isIt = ({ message }: LiveEntry): boolean => message.jobId === id && message.job.server === server;
    return (jobs.find(isIt) ?? recall.find(isIt))?.message ?? null;
  }

  /** Without hashes of another key than ours. */
  #readable(table: LiveTable): LiveTable {
    return table.keyId === keyIdOf(this.#key) ? table : withoutTokensOf(table);
  }

  #jobsLeftIn(path: string): readonly LiveEntry[] {
    const table = this.#tables.read(path);
    return table === null ? [] : this.#readable(table).jobs;
  }

  #heard(): readonly Heard[] {
    const tables = this.#tables.tables().map((table) => this.#readable(table));
    const sources = this.#sources.map((source) => ({
      jobs: source.entries(),
      managers: [],
      conflicts: source.conflicts(),
      ended: [],
    }));
    return [...tables, ...sources];
  }

  /** Looks now, as it does every 100 ms. */
  look(): void {
    try {
      const isNew = this.#tables.look();
      if (!isNew && !this.#isDirty && Date.now() < this.#nextEndMs) return;
      this.#isDirty = false;
      this.#merge();
    } catch (error) {
      this.#options.log.error({ err: error }, 'what is known of jobs could not be put together');
    }
  }

  #merge(): void {
    const nowMs = Date.now();
    const gone = [...this.#gone, ...this.#tables.takeGone().map(withinLease)];
    const before = [...this.#before, ...(this.#others?.before() ?? [])];
    const living = [...this.#heard(), ...this.#tables.nobodys(nowMs), ...(this.#others?.living() ?? [])];
    const last = this.#merged;
    this.#merged = mergeTables({ living, gone, before, machines: this.#machines }, nowMs);
    this.#gone = this.#merged.gone;
    // What others knew before is theirs to forget.
    this.#before = this.#before.filter((entry) => this.#merged.before.includes(entry));
    const ends = [...this.#merged.jobs, ...this.#merged.recall].map(({ untilMs }) => untilMs);
    this.#nextEndMs = ends.reduce((least, ms) => Math.min(least, ms), nowMs + againMs);
    this.#tell(
      last,
      living.flatMap(({ ended }) => ended),
    );
    this.#history.forget(nowMs);
  }

  #tell(last: Merged, ended: readonly EndedJob[]): void {
    const [before, after] = [keysByAddress(last), keysByAddress(this.#merged)];
    const addresses = new Set([...before.keys(), ...after.keys()]);
    const changed = [...addresses].filter((address) => before.get(address) !== after.get(address));
    const jobs = this.#jobs;
    this.#jobs = new PublishedJobs(this.#merged);
    for (const address of changed) this.#remember(address, jobs, ended);
    const isSame = changed.length === 0 && last.recall.length === this.#merged.recall.length;
    if (!isSame) this.#writer.changed();
    else if (untilAll(last) !== untilAll(this.#merged)) this.#writer.changed('renewed');
    if (isSame) return;
    this.#count();
    this.#others?.changed();
    if (changed.length > 0) this.#options.onChange(changed);
  }

  /** When each had the address, by the clock of whoever heard it. */
  #remember(address: string, jobs: PublishedJobs, ended: readonly EndedJob[]): void {
    const nowMs = Date.now();
    const [entry] = this.#jobs.entriesOf(address);
    const [before] = jobs.entriesOf(address);
    const name = before === undefined ? '' : instanceOf(before.message);
    const end = name === '' ? undefined : ended.findLast(({ job }) => job === name);
    const endedMs = end?.atMs ?? before?.untilMs ?? nowMs;
    const after = this.#jobs.attribute(address, nowMs);
    const fromMs = after.conflict ? nowMs : (entry?.sinceMs ?? nowMs);
    this.#history.change(address, after, Math.min(fromMs, nowMs), Math.min(endedMs, nowMs));
  }

  #count(): void {
    const { meter } = this.#options;
    const managers = new Set(this.#merged.managers);
    const placed = this.#merged.jobs.filter(({ address }) => !managers.has(address));
    const bySource = Map.groupBy(placed, ({ source }) => source);
    for (const source of ['job-message', 'kubernetes', 'job-token', 'confirmed-claim', 'hook-claim'] as const)
      meter.gauge('sallyport_live_jobs', bySource.get(source)?.length ?? 0, { source });
    meter.gauge('sallyport_job_conflicts', this.#merged.conflicts.length);
  }

  #published(): PublishedTable {
    const { jobs, recall, managers, conflicts } = this.#merged;
    return {
      v: 1,
      atMs: Date.now(),
      key: this.#key.toString('base64'),
      jobs: jobs.slice(0, maxEntries),
      recall: recall.slice(0, maxEntries),
      managers: managers.slice(0, maxAddresses),
      conflicts: conflicts.slice(0, maxAddresses),
      machines: this.#machines.slice(0, maxEntries),
    };
  }

  // The keeper puts aside what an earlier start left; what this start left is control's own, which was replaced.
  #recall(): void {
    const { state, log } = this.#options;
    const read = (path: string): PublishedTable | null => {
      const text = readTableText(path);
      const table = text === null ? null : readPublishedTable(text, new EntryTexts().read);
      if (text !== null && table === null)
        log.warn({ path }, 'what an earlier start knew of jobs cannot be read');
      return table === null || table.key === this.#key.toString('base64') ? table : withoutAllTokens(table);
    };
    const own = read(state.jobsFile);
    const earlier = read(tableBefore(state.jobsFile));
    this.#gone = [...(own?.jobs ?? []).map(soonSaidAgain), ...this.#tables.leftBehind()].map(withinLease);
    const tables = readdirSync(state.jobs).filter((name) => name.endsWith('.before'));
    this.#before = [
      ...(own?.recall ?? []),
      ...(earlier?.jobs ?? []),
      ...(earlier?.recall ?? []),
      ...tables.flatMap((name) => this.#jobsLeftIn(join(state.jobs, name))),
    ].map(withinLease);
  }
}

/** What control's own sources said is said again within seconds, or is over: nobody else tells of its end. */
const soonSaidAgainMs = 10_000;
const ofControl: ReadonlySet<LiveEntry['source']> = new Set(['kubernetes', 'confirmed-claim', 'hook-claim']);

function soonSaidAgain(entry: LiveEntry): LiveEntry {
  if (!ofControl.has(entry.source)) return entry;
  return { ...entry, untilMs: Math.min(entry.untilMs, Date.now() + soonSaidAgainMs) };
}

const untilAll = ({ jobs }: Merged): number => jobs.reduce((sum, { untilMs }) => sum + untilMs, 0);

/** What of each address makes a difference to whom its flows belong. */
function keysByAddress({ jobs, managers, conflicts }: Merged): ReadonlyMap<string, string> {
  const keys = new Map<string, string>();
  const add = (address: string, text: string): void => {
    keys.set(address, `${keys.get(address) ?? ''}${text}\n`);
  };
  for (const { address, source, certainty, machine, message } of jobs) {
    const job = message.jobId === '' ? JSON.stringify(message.job) : `${message.job.server} ${message.jobId}`;
    add(address, [source, certainty, machine ?? '', job].join(' '));
  }
  for (const address of managers) add(address, 'manager');
  for (const address of conflicts) add(address, 'conflict');
  return keys;
}

const withinLease = (entry: LiveEntry): LiveEntry => ({
  ...entry,
  untilMs: Math.min(entry.untilMs, Date.now() + maxLeaseMs),
});
const withoutTokensOf = <T extends { readonly jobs: readonly LiveEntry[] }>(table: T): T => ({
  ...table,
  jobs: table.jobs.map(withoutTokens),
});
const withoutAllTokens = (table: PublishedTable): PublishedTable => ({
  ...withoutTokensOf(table),
  recall: table.recall.map(withoutTokens),
});

function canonical(address: string): string {
  const bytes = parseAddress(address);
  return bytes === null ? address : formatAddress(unmapAddress(bytes));
}
