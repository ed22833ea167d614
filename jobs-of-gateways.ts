// Control's talk with the other gateways of its fleet: writes what it knows of jobs at every change and each ten seconds,
// and reads what they know each five. While the database is away everybody goes on with what was known.

import type { Logger } from 'pino';
import type { PoolConfig } from 'pg';
import type { Config } from './config.ts';
import type { JobsOfFleet, OtherGateways } from './jobs-of-fleet.ts';
import { keyIdOf } from './jobs/live-table-file.ts';
import { withoutTokens, type LiveEntry } from './jobs/live-table.ts';
import type { Heard } from './jobs/merge-tables.ts';
import { fromRows, toRows } from './jobs/shared-rows.ts';
import type { SharedGateway, SharedJobs } from './store/shared-jobs.ts';

export interface JobsOfGatewaysOptions {
  readonly shared: Pick<SharedJobs, 'key' | 'mine' | 'write' | 'others' | 'close'>;
  readonly log: Logger;
  /** What this gateway knows by itself. */
  readonly own: () => Heard;
  readonly key: () => Buffer;
  readonly setKey: (key: Buffer) => void;
  /** Others say something else than before. */
  readonly onChange: () => void;
}

export interface ShareOptions {
  readonly config: Pick<Config, 'fleet' | 'gateway'>;
  readonly fleet: JobsOfFleet;
  /** Null where the store is this machine’s own. @throws SallyportError while what it needs cannot be read */
  readonly database: () => PoolConfig | null;
  readonly log: Logger;
}

/** Lets the gateways of a fleet know each other’s jobs, where they share a database. */
export async function shareJobs(options: ShareOptions): Promise<void> {
  try {
    await share(options);
  } catch (error) {
    options.log.error({ err: error }, 'gateways cannot tell each other of jobs; it is tried again');
    setTimeout(() => void shareJobs(options), shareAgainMs).unref();
  }
}

async function share({ config, fleet, database, log }: ShareOptions): Promise<void> {
  const place = database();
  if (place === null) return;
  // Control without it has no need of its code.
  const { SharedJobs } = await import('./store/shared-jobs.ts');
  const gateways = new JobsOfGateways({
    shared: new SharedJobs(place, config.fleet, config.gateway),
    log,
    own: () => fleet.own(),
    key: () => fleet.key,
    setKey: (key) => fleet.setKey(key),
    onChange: () => fleet.changed(),
  });
  fleet.setOthers(gateways);
  await gateways.start();
}

const shareAgainMs = 30_000;
const readEveryMs = 5_000;
const writeEveryMs = 10_000;
const writeSoonMs = 200;
/** Longer than a renewal takes: by then whoever serves its runners now has heard of their jobs. */
const silentMs = 90_000;

export class JobsOfGateways implements OtherGateways {
  readonly #options: JobsOfGatewaysOptions;
  readonly #timers: NodeJS.Timeout[] = [];
  #soon: NodeJS.Timeout | null = null;
  #busy: Promise<void> = Promise.resolve();
  #text = '';
  #living: readonly Heard[] = [];
  #before: readonly LiveEntry[] = [];
  #mine: readonly LiveEntry[] = [];
  #failure: string | null = null;
  #hasKey = false;

  constructor(options: JobsOfGatewaysOptions) {
    this.#options = options;
  }

  /** Resolves when the others were asked once, whatever came of it. */
  async start(): Promise<void> {
    this.#timers.push(setInterval(() => void this.#do(() => this.#read()), readEveryMs).unref());
    this.#timers.push(setInterval(() => void this.#do(() => this.#write()), writeEveryMs).unref());
    await this.#do(() => this.#read());
    await this.#do(() => this.#write());
  }

  living(): readonly Heard[] {
    return this.#living;
  }

  before(): readonly LiveEntry[] {
    return [...this.#mine, ...this.#before];
  }

  /** What this gateway knows has changed. */
  changed(): void {
    this.#soon ??= setTimeout(() => {
      this.#soon = null;
      void this.#do(() => this.#write());
    }, writeSoonMs).unref();
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    if (this.#soon !== null) clearTimeout(this.#soon);
    await this.#busy;
    await this.#options.shared.close();
  }

  // One after the other; what fails is tried again at the next turn, and told once.
  #do(act: () => Promise<void>): Promise<void> {
    this.#busy = this.#busy.then(act).then(
      () => void (this.#failure = null),
      (error: unknown) => this.#report(error),
    );
    return this.#busy;
  }

  #report(error: unknown): void {
    const failure = error instanceof Error ? error.message : String(error);
    if (failure !== this.#failure)
      this.#options.log.error({ err: error }, 'gateways cannot tell each other of jobs at the moment');
    this.#failure = failure;
  }

  async #read(): Promise<void> {
    const { shared, key, setKey, onChange } = this.#options;
    if (!this.#hasKey) {
      setKey(await shared.key(key()));
      this.#mine = fromRows(await shared.mine(Date.now())).jobs;
      this.#hasKey = true;
      onChange();
      this.changed();
    }
    const gateways = await shared.others(Date.now());
    const [fresh, silent] = [gateways.filter(isFresh), gateways.filter((other) => !isFresh(other))];
    const text = JSON.stringify([fresh.map(saidBy), silent.map(saidBy)]);
    if (text === this.#text) return;
    this.#text = text;
    const keyId = keyIdOf(key());
    this.#living = fresh.map((other) => heardOf(other, keyId));
    this.#before = silent.flatMap((other) => heardOf(other, keyId).jobs);
    onChange();
  }

  async #write(): Promise<void> {
    const { shared, own, key } = this.#options;
    if (!this.#hasKey) return;
    await shared.write(toRows(own(), Date.now()), keyIdOf(key()));
  }
}

const isFresh = ({ ageMs }: SharedGateway): boolean => ageMs < silentMs;
const saidBy = ({ gateway, keyId, rows }: SharedGateway): unknown => [gateway, keyId, rows];

function heardOf({ rows, keyId }: SharedGateway, ownKeyId: string): Heard {
  const heard = fromRows(rows);
  return keyId === ownKeyId ? heard : { ...heard, jobs: heard.jobs.map(withoutTokens) };
}
