// A process's own append-only files of records. An opened record is with the operating system when `opened`
// returns; closed ones follow within 100 ms. Durability: what was written survives kill -9 of every process, since
// the kernel holds it; it does not survive a power failure or a kernel crash within the kernel's write-back time
// (about 30 s), since nothing is synced. Every start begins a new file, so that a line that a killed process left
// unfinished stays the last of its file.

import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

import { SallyportError } from '../flow/errors.ts';
import type { FlowRecord } from '../flow/flow.ts';
import type { Meter, Recorder } from '../flow/ports.ts';
import { compareSegmentNames, parseSegmentName, segmentName } from './segment-name.ts';
import { serialiseRecord } from './serialise-record.ts';

const flushAfterMs = 100;
const flushBytes = 64 * 1024;
/** Closed records kept in memory while the disk refuses them; more are lost, and counted. */
const maxPendingBytes = 1024 * 1024;

export interface SegmentOptions {
  readonly directory: string;
  /** Name of the process, for example `worker-0`. */
  readonly process: string;
  readonly maxSegmentBytes: number;
  /** Of all segments in the directory; the oldest closed ones go first. */
  readonly maxTotalBytes: number;
  readonly meter: Meter;
  readonly now?: () => number;
}

/** Appends records. Every method but `closed` throws SallyportError record-unavailable when the disk refuses. */
export class SegmentWriter implements Recorder {
  readonly #options: SegmentOptions;
  readonly #startMs: number;
  readonly #scratch = Buffer.allocUnsafe(flushBytes);
  #number = 0;
  #fd: number | null = null;
  #size = 0;
  #rotateAt: number;
  #isTorn = false;
  #isRefused = false;
  #pending: string[] = [];
  #pendingBytes = 0;
  readonly #counts = new FlowCounts();
  #timer: NodeJS.Timeout | null = null;

  constructor(options: SegmentOptions) {
    this.#options = options;
    this.#startMs = (options.now ?? Date.now)();
    this.#rotateAt = options.maxSegmentBytes;
    mkdirSync(options.directory, { recursive: true });
    this.#openNext();
    this.#dropOldest();
  }

  /** Written to the operating system when it returns. */
  opened(record: FlowRecord): void {
    this.#append(serialiseRecord(record));
  }

  /** Buffered for at most 100 ms or 64 KB, and counted as a flow. Never throws: what cannot be written is lost. */
  closed(record: FlowRecord): void {
    this.#counts.add(record);
    const line = serialiseRecord(record);
    this.#pending.push(line);
    this.#pendingBytes += line.length;
    if (this.#pendingBytes >= flushBytes && !this.#isRefused) this.#flushOrKeep();
    else if (this.#pendingBytes > maxPendingBytes) this.#loseAll();
    else this.#timer ??= setTimeout(() => this.#flushOrKeep(), flushAfterMs).unref();
  }

  /** Writes what is buffered. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#counts.report(this.#options.meter);
    if (this.#pending.length === 0) return;
    this.#append(this.#pending.join(''));
    this.#pending = [];
    this.#pendingBytes = 0;
  }

  /** Writes what is buffered and gives the file back; nothing may be recorded afterwards. */
  close(): void {
    try {
      this.flush();
    } finally {
      this.#loseAll();
      if (this.#fd !== null) closeSync(this.#fd);
      this.#fd = null;
    }
  }

  #flushOrKeep(): void {
    try {
      this.flush();
      this.#isRefused = false;
    } catch (error) {
      if (!(error instanceof SallyportError)) throw error;
      // A full disk may have room again soon: tried once per interval, within a bound of memory.
      this.#isRefused = true;
      this.#timer = setTimeout(() => this.#flushOrKeep(), flushAfterMs).unref();
    }
  }

  #loseAll(): void {
    if (this.#pending.length > 0) {
      this.#options.meter.count('sallyport_records_lost_total', {}, this.#pending.length);
    }
    this.#pending = [];
    this.#pendingBytes = 0;
  }

  #append(text: string): void {
    if (this.#fd === null) throw unavailable('the segment is closed');
    if (this.#size > 0 && this.#size + text.length > this.#rotateAt) this.#rotate();
    // A line that could not be taken back is ended, so that it never runs into the next one.
    const whole = this.#isTorn ? `\n${text}` : text;
    const isShort = whole.length * 3 <= this.#scratch.length;
    const bytes = isShort ? this.#scratch : Buffer.from(whole);
    const length = isShort ? this.#scratch.write(whole) : bytes.length;
    this.#writeAll(this.#fd, bytes, length);
    this.#isTorn = false;
  }

  #writeAll(fd: number, bytes: Buffer, length: number): void {
    let written = 0;
    try {
      while (written < length) written += writeSync(fd, bytes, written, length - written);
    } catch (error) {
      this.#takeBack(fd, written);
      throw unavailable(`${this.#path()} cannot be written`, error);
    }
    this.#size += length;
  }

  #takeBack(fd: number, written: number): void {
    if (written === 0) return;
    try {
      ftruncateSync(fd, this.#size);
    } catch {
      // Ended by a line break before the next write instead; readers skip a line that is cut.
      this.#size += written;
      this.#isTorn = true;
    }
  }

  #rotate(): void {
    const full = this.#fd;
    try {
      this.#openNext();
    } catch (error) {
      if (!(error instanceof SallyportError)) throw error;
      // No descriptor or no room for a name: the full file takes an eighth more before the next try.
      this.#rotateAt = this.#size + Math.ceil(this.#options.maxSegmentBytes / 8);
      return;
    }
    if (full !== null) closeSync(full);
    this.#dropOldest();
  }

  #openNext(): void {
    this.#number += 1;
    try {
      this.#fd = openSync(this.#path(), 'ax', 0o640);
    } catch (error) {
      const path = this.#path();
      this.#number -= 1;
      throw unavailable(`${path} cannot be made`, error);
    }
    this.#size = 0;
    this.#isTorn = false;
    this.#rotateAt = this.#options.maxSegmentBytes;
  }

  #path(): string {
    return join(this.#options.directory, segmentName(this.#options.process, this.#startMs, this.#number));
  }

  /** Removes the oldest closed segments beyond the size of all. The newest of each process may still be written to. */
  #dropOldest(): void {
    const { directory, maxTotalBytes, maxSegmentBytes, meter } = this.#options;
    try {
      const names = readdirSync(directory).filter((name) => parseSegmentName(name) !== null);
      const sizes = names
        .sort(compareSegmentNames)
        .map((name) => [name, sizeOf(join(directory, name))] as const);
      const newest = new Set(new Map(names.map((name) => [parseSegmentName(name)?.process, name])).values());
      // Room for the one that has just begun.
      let total = sizes.reduce((sum, [, size]) => sum + size, maxSegmentBytes);
      for (const [name, size] of sizes) {
        if (total <= maxTotalBytes) return;
        if (newest.has(name)) continue;
        rmSync(join(directory, name), { force: true });
        meter.count('sallyport_segments_dropped_total');
        total -= size;
      }
    } catch (error) {
      throw unavailable(`${directory} cannot be kept within its size`, error);
    }
  }
}

function sizeOf(path: string): number {
  // Another process may have dropped it meanwhile.
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Flows counted since the last flush, by their labels: the meter is asked once for many. */
class FlowCounts {
  readonly #counts = new Map<string, { readonly labels: Record<string, string>; count: number }>();

  add({ kind, destination, decision }: FlowRecord): void {
    const { verdict, reason } = decision;
    const { protocol } = destination;
    const enforced = decision.enforced ? 'true' : 'false';
    const key = `${kind} ${protocol} ${verdict} ${enforced} ${reason}`;
    const known = this.#counts.get(key);
    if (known !== undefined) known.count += 1;
    else this.#counts.set(key, { labels: { kind, protocol, verdict, enforced, reason }, count: 1 });
  }

  report(meter: Meter): void {
    for (const { labels, count } of this.#counts.values())
      meter.count('sallyport_flows_total', labels, count);
    this.#counts.clear();
  }
}

function unavailable(message: string, cause?: unknown): SallyportError {
  return new SallyportError('record-unavailable', `${message}; free space or check the disk`, cause);
}
