// Reads what was appended to segments since the last time, in bounded batches, and gives it to the store together with how
// far it has read. A line that is not whole yet waits; one that never will be (its writer was killed) is passed over.

import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { FlowRecord } from '../flow/flow.ts';
import { parseRecord } from './read-segments.ts';
import { compareSegmentNames, parseSegmentName } from './segment-name.ts';
import type { SegmentOffset } from './sqlite-store.ts';

/** Whoever keeps flows: both are kept, or neither, when the promise is fulfilled. */
export interface FlowSink {
  write(records: readonly FlowRecord[], offsets: readonly SegmentOffset[]): Promise<void>;
  offsets(gateway: string): Promise<ReadonlyMap<string, number>>;
}

export interface IngestOptions {
  readonly directory: string;
  readonly gateway: string;
  readonly sink: FlowSink;
  /** Records of one batch at most; 1,000 unless told. */
  readonly batchSize?: number;
}

const chunkBytes = 1_048_576;
/** No line of ours is this long. */
const maxLineBytes = 1_048_576;

export class Ingest {
  readonly #options: IngestOptions;
  #offsets: Map<string, number> | null = null;
  #lost = 0;

  constructor(options: IngestOptions) {
    this.#options = options;
  }

  /** Bytes that were dropped before they were read: the segments were full while the store was away. */
  get lostBytes(): number {
    return this.#lost;
  }

  /** Reads until nothing whole is left, or it is to end; answers how many records were given to the store. */
  async catchUp(mustEnd: () => boolean = () => false): Promise<number> {
    const offsets = await this.#known();
    let count = 0;
    for (const name of await this.#segments()) {
      while (!mustEnd()) {
        const read = await readBatch(
          join(this.#options.directory, name),
          offsets.get(name) ?? 0,
          this.#batchSize,
        );
        if (read === null || read.bytes === 0) break;
        const bytes = (offsets.get(name) ?? 0) + read.bytes;
        await this.#options.sink.write(read.records, [{ gateway: this.#options.gateway, name, bytes }]);
        offsets.set(name, bytes);
        count += read.records.length;
      }
    }
    return count;
  }

  /** Bytes that lie in segments and are not in the store. */
  async backlogBytes(): Promise<number> {
    const offsets = await this.#known();
    let total = 0;
    for (const name of await this.#segments()) {
      const size = await sizeOf(join(this.#options.directory, name));
      total += Math.max(0, size - (offsets.get(name) ?? 0));
    }
    return total;
  }

  get #batchSize(): number {
    return this.#options.batchSize ?? 1_000;
  }

  async #known(): Promise<Map<string, number>> {
    this.#offsets ??= new Map(await this.#options.sink.offsets(this.#options.gateway));
    return this.#offsets;
  }

  async #segments(): Promise<string[]> {
    const names = await readdir(this.#options.directory);
    return names.filter((name) => parseSegmentName(name) !== null).toSorted(compareSegmentNames);
  }
}

interface Batch {
  readonly records: readonly FlowRecord[];
  /** Whole lines that were read, in bytes. */
  readonly bytes: number;
}

/** Whole lines from an offset on, at most so many; null when the segment is gone. */
async function readBatch(path: string, from: number, limit: number): Promise<Batch | null> {
  const file = await open(path).catch(nullIfGone);
  if (file === null) return null;
  const records: FlowRecord[] = [];
  let bytes = 0;
  let rest: Buffer = Buffer.alloc(0);
  try {
    for (;;) {
      const chunk = Buffer.allocUnsafe(chunkBytes);
      const { bytesRead } = await file.read(chunk, 0, chunkBytes, from + bytes + rest.length);
      if (bytesRead === 0) return { records, bytes };
      const found = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
      let start = 0;
      for (let end = found.indexOf(10); end >= 0; end = found.indexOf(10, start)) {
        const record = parseRecord(found.toString('utf8', start, end));
        if (record !== null) records.push(record);
        bytes += end + 1 - start;
        start = end + 1;
        if (records.length >= limit) return { records, bytes };
      }
      rest = found.subarray(start);
      if (rest.length > maxLineBytes) {
        bytes += rest.length;
        rest = Buffer.alloc(0);
      }
    }
  } finally {
    await file.close();
  }
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(nullIfGone))?.size ?? 0;
}

function nullIfGone(error: unknown): null {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
  throw error;
}
