// Control's store: opened in a thread of its own, and again whenever it could not be or has ended. Without it the gateway
// goes on: records wait in their segments, and whoever asks is told that it is away.

import type { Logger } from 'pino';
import { readFileSync } from 'node:fs';
import type { PoolConfig } from 'pg';
import { readHeaders } from './check-store.ts';
import type { Config } from './config.ts';
import { SallyportError } from './flow/errors.ts';
import type { Meter } from './flow/ports.ts';
import { readSecretLines } from './secret-lines.ts';
import type { StoreSource } from './store/opened-store.ts';
import type { SinkTarget } from './store/sinks/open-sinks.ts';
import type { BatchEvent } from './store/store-events.ts';
import type { StorePort, StoreStatus } from './store/store-port.ts';
import { ThreadedStore } from './store/threaded-store.ts';
import type { StateDirectory } from './store/state-directory.ts';

/** What stands in files of its own that root alone need be able to read; the keeper reads it for control. */
export interface StoreSecrets {
  readonly password: string | null;
  /** Headers of each sink, in the order of the configuration. */
  readonly headers: readonly Readonly<Record<string, string>>[];
}

/** Reads what the configuration names. @throws SallyportError config-invalid when a file is gone since it was checked */
export function readStoreSecrets({ store }: Config): StoreSecrets {
  const { source, sinks } = store;
  const file = source.kind === 'postgres' ? source.passwordFile : null;
  const [password = null] = file === null ? [] : (readSecretLines(file) ?? []);
  if (file !== null && password === null) throw gone(file);
  const headers = sinks.map((sink) => {
    if (sink.kind !== 'otlp' || sink.headersFile === null) return {};
    const found = readHeaders(sink.headersFile);
    if (found === null) throw gone(sink.headersFile);
    return found;
  });
  return { password, headers };
}

const gone = (path: string) =>
  new SallyportError('config-invalid', `${path} cannot be read; root must be able to`);

/** What `pg` dials; null where the store is embedded. @throws SallyportError config-invalid */
export function databaseOf({ store }: Config, secrets: StoreSecrets): PoolConfig | null {
  const { source } = store;
  if (source.kind === 'embedded') return null;
  const { place, tls, authorities } = source;
  const ca = authorities === null ? {} : { ca: readFileSync(authorities, 'utf8') };
  return {
    ...place,
    ...(secrets.password === null ? {} : { password: secrets.password }),
    ssl: tls === 'off' ? false : { rejectUnauthorized: true, servername: place.host, ...ca },
    application_name: 'sallyport',
  };
}

export interface StoreInForceOptions {
  readonly config: Config;
  readonly state: StateDirectory;
  readonly secrets: StoreSecrets;
  readonly log: Logger;
  readonly meter: Meter;
}

/** Files and folders that control writes to on its behalf. */
export function storePaths({ store }: Config): readonly string[] {
  const files = store.sinks.flatMap((sink) => (sink.kind === 'file' ? sink.path : []));
  return [...(store.source.kind === 'embedded' ? [store.source.folder] : []), ...files];
}

/** How the store stands, for `/ready`. */
export interface StoreFacts {
  readonly kind: 'embedded' | 'postgres';
  readonly problem: string | null;
  readonly backlogBytes: number | null;
  readonly lostBytes: number | null;
}

/** How old what `/ready` tells may be. */
const tellMs = 2_000;
const againMs = { first: 1_000, most: 30_000 };

export class StoreInForce {
  readonly #options: StoreInForceOptions;
  readonly #listeners = new Set<(batch: BatchEvent) => void>();
  #store: ThreadedStore | null = null;
  #problem: string | null = 'it is being opened';
  #status: StoreStatus | null = null;
  #told = { lost: 0, flows: 0, skipped: 0, sinks: [] as { delivered: number; lost: number }[] };
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #teller: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: StoreInForceOptions) {
    this.#options = options;
  }

  /** Opens it, now or later; resolves after the first try. */
  async start(): Promise<void> {
    if (this.#isClosed) return;
    this.#teller ??= setInterval(() => void this.tell(), tellMs).unref();
    try {
      this.#store = await this.#open();
      this.#failures = 0;
      this.#say(null);
    } catch (error) {
      this.#failAgain(error);
    }
  }

  /** Null while it is not open. */
  store(): ThreadedStore | null {
    return this.#store;
  }

  /** The same, rejected while it is away. */
  readonly port: Pick<StorePort, 'ask' | 'act'> = {
    ask: (name, ...values) => this.#opened().then((store) => store.ask(name, ...values)),
    act: (name, ...values) => this.#opened().then((store) => store.act(name, ...values)),
  };

  onBatch(listener: (batch: BatchEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Nothing is written or dropped for so long, or until it is 0. @throws SallyportError upstream when it is away */
  async pause(forMs: number): Promise<void> {
    const store = await this.#opened();
    await (forMs === 0 ? store.resume() : store.pause(forMs));
  }

  /** How it stands, for `/ready`. */
  facts(): StoreFacts {
    const { kind } = this.#options.config.store.source;
    const { backlogBytes = null, lostBytes = null } = this.#status ?? {};
    return { kind, problem: this.#problem ?? this.#status?.problem ?? null, backlogBytes, lostBytes };
  }

  /** Puts how it stands into the metrics. */
  async tell(): Promise<void> {
    const { meter } = this.#options;
    this.#status = (await this.#store?.status().catch(() => null)) ?? null;
    const isWell = this.facts().problem === null;
    meter.gauge('sallyport_store_up', isWell ? 1 : 0);
    if (this.#status === null) return;
    const { backlogBytes, lostBytes, flows, skippedLines, sinks } = this.#status;
    meter.gauge('sallyport_store_backlog_bytes', backlogBytes);
    meter.count('sallyport_store_lost_bytes_total', {}, Math.max(0, lostBytes - this.#told.lost));
    meter.count('sallyport_store_records_total', {}, Math.max(0, flows - this.#told.flows));
    meter.count('sallyport_store_skipped_lines_total', {}, Math.max(0, skippedLines - this.#told.skipped));
    const totals = sinks.map((sink, at) => this.#tellSink(sink, at));
    this.#told = { lost: lostBytes, flows, skipped: skippedLines, sinks: totals };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#teller);
    await this.#store?.close();
  }

  #tellSink({ kind, delivered, lost, waiting }: StoreStatus['sinks'][number], at: number) {
    const { meter } = this.#options;
    const sink = `${kind}-${at + 1}`;
    const before = this.#told.sinks[at] ?? { delivered: 0, lost: 0 };
    const count = (result: 'delivered' | 'lost', value: number): void =>
      meter.count('sallyport_sink_records_total', { sink, result }, Math.max(0, value - before[result]));
    count('delivered', delivered);
    count('lost', lost);
    meter.gauge('sallyport_sink_waiting_records', waiting, { sink });
    return { delivered, lost };
  }

  async #opened(): Promise<ThreadedStore> {
    if (this.#store !== null) return this.#store;
    throw new SallyportError('upstream', `the store is away: ${this.#problem ?? ''}`);
  }

  async #open(): Promise<ThreadedStore> {
    const { config, state, secrets } = this.#options;
    const { retention, maxBytes } = config.store;
    const store = await ThreadedStore.open({
      source: this.#source(),
      segments: state.segments,
      gateway: `${config.fleet}/${config.gateway}`,
      retention,
      maxBytes,
      sinks: config.store.sinks.map((sink, at) => targetOf(sink, secrets.headers[at] ?? {})),
      onProblem: (problem) => this.#say(problem),
      onOver: (over) => this.#sayOver(over),
      onRefused: ({ count, id, why }) =>
        this.#options.log.error(
          { count, id: id.slice(0, 36), why },
          'the store refuses records: they are lost',
        ),
      onEnd: (error) => this.#ended(error),
    });
    this.#told = { lost: 0, flows: 0, skipped: 0, sinks: [] };
    store.onBatch((batch) => this.#listeners.forEach((listener) => listener(batch)));
    return store;
  }

  #source(): StoreSource {
    const { config, secrets } = this.#options;
    const { source } = config.store;
    if (source.kind === 'embedded') return source;
    return { kind: 'postgres', config: databaseOf(config, secrets)! }; // null where it is embedded
  }

  #ended(error: Error): void {
    if (this.#isClosed || this.#store === null) return;
    this.#store = null;
    this.#failAgain(error);
  }

  #failAgain(error: unknown): void {
    this.#store = null;
    this.#say(error instanceof Error ? error.message : String(error));
    const waitMs = Math.min(againMs.first * 2 ** Math.min(this.#failures++, 10), againMs.most);
    if (!this.#isClosed) this.#timer = setTimeout(() => void this.start(), waitMs).unref();
  }

  #say(problem: string | null): void {
    if (problem === this.#problem) return;
    const { log } = this.#options;
    const isFirst = this.#problem === 'it is being opened';
    this.#problem = problem;
    if (problem !== null) log.error({ problem }, 'the store takes nothing; records wait in their segments');
    else if (isFirst) log.info('the store is open');
    else log.warn('the store takes records again');
  }

  #sayOver({
    sizeBytes,
    maxBytes,
    dropped,
  }: {
    sizeBytes: number;
    maxBytes: number;
    dropped: string | null;
  }): void {
    const { log, meter } = this.#options;
    if (dropped === null)
      log.warn({ sizeBytes, maxBytes }, 'the store is too large, and has no day to drop but today');
    else
      log.warn(
        { sizeBytes, maxBytes, day: dropped },
        'the store was too large: its oldest day of flows was dropped',
      );
    if (dropped !== null) meter.count('sallyport_store_dropped_partitions_total');
  }
}

function targetOf(
  sink: Config['store']['sinks'][number],
  headers: Readonly<Record<string, string>>,
): SinkTarget {
  if (sink.kind !== 'otlp') return sink;
  return { kind: sink.kind, limits: sink.limits, url: sink.url, headers };
}
