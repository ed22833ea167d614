// Reads what was appended to segments since the last time, in bounded batches, and gives it to the store together with how
// far it has read.

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { FlowRecord } from '../flow/flow.ts';
import type { JobRecord } from '../flow/job-record.ts';
import { nullIfGone, readBatch, type Batch } from './read-batch.ts';
import { faultOfData, writeByHalves, type RefusedRecords } from './refused-records.ts';
import { compareSegmentNames, parseSegmentName } from './segment-name.ts';
import type { SegmentOffset } from './sqlite-store.ts';

/** Whoever keeps records: all is kept, or nothing, when the promise is fulfilled. */
export interface FlowSink {
  write(
    records: readonly FlowRecord[],
    offsets: readonly SegmentOffset[],
    jobs: readonly JobRecord[],
  ): Promise<void>;
  offsets(gateway: string): Promise<ReadonlyMap<string, number>>;
  /** Forgets how far segments were read that are gone. */
  forgetSegments?(gateway: string, names: readonly string[]): Promise<void>;
}

export interface IngestOptions {
  readonly directory: string;
  readonly gateway: string;
  readonly sink: FlowSink;
  /** Records of one batch at most; 1,000 unless told. */
  readonly batchSize?: number;
  /** Told of each batch once the store has it. */
  readonly onBatch?: (batch: Batch) => void;
  /** Told when records of a batch were passed over, since the store refuses what they say. */
  readonly onRefused?: (refused: RefusedRecords) => void;
}

export class Ingest {
  readonly #options: IngestOptions;
  #offsets: Map<string, number> | null = null;
  #areSure = false;
  /** Segments that were dropped before anybody knew how far they had been read. */
  readonly #gone = new Map<string, number>();
  /** As large as each segment was when it was seen last. */
  #sizes = new Map<string, number>();
  #lost = 0;
  /** Lines that were no record, or one that the store refuses. */
  skipped = 0;

  constructor(options: IngestOptions) {
    this.#options = options;
  }

  /** Bytes that were dropped before they were read: the segments were full while the store was away. */
  get lostBytes(): number {
    return this.#lost;
  }

  /** Reads until nothing whole is left, or it is to end; answers how many records were given to the store. */
  async catchUp(mustEnd: () => boolean = () => false): Promise<number> {
    // Before anything that may fail: what is dropped while the store is away is seen here.
    const names = await this.#look();
    let count = 0;
    try {
      const offsets = await this.#known();
      await this.#forgetGone(names, offsets);
      for (const name of names) count += await this.#read(name, offsets, mustEnd);
      return count;
    } catch (error) {
      // Whether the last batch is in the store is for the store to say.
      this.#areSure = false;
      throw error;
    }
  }

  /** Bytes that lie in segments and are not in the store. */
  async backlogBytes(): Promise<number> {
    await this.#look();
    const offsets = this.#offsets;
    let total = 0;
    for (const [name, size] of this.#sizes) total += Math.max(0, size - (offsets?.get(name) ?? 0));
    return total;
  }

  async #read(name: string, offsets: Map<string, number>, mustEnd: () => boolean): Promise<number> {
    const { directory, gateway, batchSize = 1_000, onBatch } = this.#options;
    let count = 0;
    while (!mustEnd()) {
      const from = offsets.get(name) ?? 0;
      if (from >= (this.#sizes.get(name) ?? 0)) break;
      const batch = await readBatch(join(directory, name), from, batchSize);
      if (batch === null || batch.bytes === 0) break;
      const bytes = from + batch.bytes;
      const kept = await this.#write(batch, { gateway, name, bytes });
      offsets.set(name, bytes);
      count += kept.flows.length + kept.jobs.length;
      this.skipped += kept.skipped;
      onBatch?.(kept);
    }
    return count;
  }

  /** Answers what of a batch is in the store: what it refuses is passed over. */
  async #write(batch: Batch, offset: SegmentOffset): Promise<Batch> {
    const { sink, onRefused } = this.#options;
    const { flows, jobs } = batch;
    try {
      await sink.write(flows, [offset], jobs);
      return batch;
    } catch (error) {
      if (faultOfData(error) === null) throw error;
    }
    // Parts of it may come again, as the whole may: what is there adds nothing.
    const refused = await writeByHalves((some, of) => sink.write(some, [], of), flows, jobs);
    await sink.write([], [offset], []);
    const [first] = refused;
    if (first !== undefined) onRefused?.({ count: refused.size, id: first[0].id, why: first[1] });
    const isKept = (record: FlowRecord | JobRecord): boolean => !refused.has(record);
    const skipped = batch.skipped + refused.size;
    return { ...batch, flows: flows.filter(isKept), jobs: jobs.filter(isKept), skipped };
  }

  /** Segments, oldest first; counts what went unread since the last look. */
  async #look(): Promise<readonly string[]> {
    const { directory } = this.#options;
    const names = (await readdir(directory)).filter((name) => parseSegmentName(name) !== null);
    const sizes = new Map<string, number>();
    for (const name of names) {
      const size = (await stat(join(directory, name)).catch(nullIfGone))?.size;
      if (size !== undefined) sizes.set(name, size);
    }
    for (const [name, size] of this.#sizes) if (!sizes.has(name)) this.#gone.set(name, size);
    this.#settle();
    this.#sizes = sizes;
    return [...sizes.keys()].toSorted(compareSegmentNames);
  }

  async #known(): Promise<Map<string, number>> {
    if (!this.#areSure) this.#offsets = new Map(await this.#options.sink.offsets(this.#options.gateway));
    this.#areSure = true;
    this.#settle();
    return this.#offsets!; // set just now, or before
  }

  #settle(): void {
    if (this.#offsets === null) return;
    for (const [name, size] of this.#gone) this.#lost += Math.max(0, size - (this.#offsets.get(name) ?? 0));
    this.#gone.clear();
  }

  async #forgetGone(names: readonly string[], offsets: Map<string, number>): Promise<void> {
    const present = new Set(names);
    const gone = [...offsets.keys()].filter((name) => !present.has(name)).slice(0, 1_000);
    if (gone.length === 0) return;
    await this.#options.sink.forgetSegments?.(this.#options.gateway, gone);
    for (const name of gone) offsets.delete(name);
  }
}
