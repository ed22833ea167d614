// A process's own append-only files of records. An opened record is with the operating system when `opened`
// returns, and everything buffered when `handOver` does; closed ones follow within 100 ms by themselves. Durability:
// what was written survives kill -9 of every process, since the kernel holds it; it does not survive a power failure
// or a kernel crash within the kernel's write-back time (about 30 s), since nothing is synced. A full disk refuses
// records, a slow one slows the process down: nothing is dialled or answered ahead of its record. Every start begins
// a new file, so that a line that a killed process left unfinished stays the last of its file.

import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

import { SallyportError } from '../flow/errors.ts';
import type { FlowRecord } from '../flow/flow.ts';
import type { JobRecord } from '../flow/job-record.ts';
import type { BatchRecorder, Meter, PreparedHalf } from '../flow/ports.ts';
import { FlowCounts } from './flow-counts.ts';
import { LineBuffer } from './line-buffer.ts';
import { PreparedOutcome, PreparedSource } from './prepared-record.ts';
import { processStart } from './process-start.ts';
import {
  compareSegmentNames,
  markerName,
  parseMarkerName,
  parseSegmentName,
  segmentName,
} from './segment-name.ts';
import { serialiseJobRecord } from './serialise-job-record.ts';
import { serialiseRecord } from './serialise-record.ts';

const flushAfterMs = 100;
const flushBytes = 64 * 1024;
/** Closed records kept in memory while the disk refuses them; more are lost, and counted. */
const maxPendingBytes = 1024 * 1024;
const lineEnd = Uint8Array.of(10);

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

/** Appends records. Every method but `job` and the two of `closed` throws SallyportError record-unavailable when the disk refuses. */
export class SegmentWriter implements BatchRecorder {
  readonly #options: SegmentOptions;
  readonly #startMs: number;
  #number = 0;
  #fd: number | null = null;
  #size = 0;
  #rotateAt: number;
  #isTorn = false;
  #isRefused = false;
  /** Among what is buffered are records that somebody waits for; and some of those were given up. */
  #isWaitedFor = false;
  #isGivenUp = false;
  readonly #single = new LineBuffer();
  readonly #pending = new LineBuffer();
  readonly #counts = new FlowCounts();
  #timer: NodeJS.Timeout | null = null;

  constructor(options: SegmentOptions) {
    this.#options = options;
    this.#startMs = (options.now ?? Date.now)();
    this.#rotateAt = options.maxSegmentBytes;
    mkdirSync(options.directory, { recursive: true });
    this.#openNext();
    this.#mark();
    this.#dropOldest();
  }

  /** Written to the operating system when it returns. */
  opened(record: FlowRecord): void {
    this.#single.clear();
    this.#single.add(serialiseRecord(record));
    this.#append(this.#single);
  }

  /** With the operating system when handOver() returns, in one write with what else is buffered. */
  openedTogether(record: FlowRecord): void {
    // While the disk refuses, what is buffered may be given up: none of it may be a record that a flow relies on.
    if (this.#isRefused) return this.opened(record);
    this.#pending.add(serialiseRecord(record));
    this.#isWaitedFor = true;
    this.#bound();
  }

  /** Buffered for at most 100 ms or 64 KB, and counted as a flow. Never throws: what cannot be written is lost. */
  closed(record: FlowRecord): void {
    this.#counts.of(record).flows++;
    this.#pending.add(serialiseRecord(record));
    this.#bound();
  }

  /** Buffered like a closed flow, of which it is none. Never throws: what cannot be written is lost. */
  job(record: JobRecord): void {
    this.#pending.add(serialiseJobRecord(record));
    this.#bound();
  }

  prepareSource(record: FlowRecord): PreparedHalf {
    return new PreparedSource(record);
  }

  prepareOutcome(record: FlowRecord): PreparedHalf {
    return new PreparedOutcome(record, this.#counts.of(record));
  }

  /** The same for halves that this recorder has prepared. */
  closedAgain(source: PreparedHalf, outcome: PreparedHalf, nowMs: number): void {
    if (!(source instanceof PreparedSource && outcome instanceof PreparedOutcome)) {
      throw new SallyportError('internal', 'a record was prepared by another recorder');
    }
    outcome.count.flows++;
    this.#pending.addPrepared(source, outcome, nowMs);
    this.#isWaitedFor = true;
    this.#bound();
  }

  /** Writes what is buffered, and nothing else: for the hot path, which calls it before its answers leave. */
  handOver(): void {
    const isGivenUp = this.#isGivenUp;
    this.#isGivenUp = false;
    this.#writePending();
    if (isGivenUp) throw unavailable('records that waited were given up');
  }

  #writePending(): void {
    if (this.#pending.lines === 0) return;
    try {
      this.#append(this.#pending);
    } catch (error) {
      this.#isRefused = true;
      throw error;
    }
    this.#isRefused = false;
    this.#isWaitedFor = false;
    this.#pending.clear();
  }

  /** Writes what is buffered and reports what was counted. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#counts.report(this.#options.meter);
    this.#writePending();
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
    // Not where something was lost: what is then still open is closed by whoever looks for it.
    rmSync(this.#markerPath(), { force: true });
  }

  // Whoever finds it once this process is gone knows that flows may stand open (unclosed-flows.ts).
  #mark(): void {
    const path = this.#markerPath();
    try {
      const start = processStart(process.pid);
      writeFileSync(path, `${process.pid}${start === null ? '' : ` ${start}`}`, { mode: 0o640 });
    } catch (error) {
      throw unavailable(`${path} cannot be made`, error);
    }
  }

  #markerPath(): string {
    return join(this.#options.directory, markerName(this.#options.process, this.#startMs));
  }

  #bound(): void {
    const { length } = this.#pending;
    if (length > maxPendingBytes) this.#loseAll();
    // While the disk refuses, the timer tries.
    else if (length >= flushBytes && !this.#isRefused) this.#flushOrKeep();
    this.#timer ??= setTimeout(() => this.#flushOrKeep(), flushAfterMs).unref();
  }

  #flushOrKeep(): void {
    try {
      this.flush();
    } catch (error) {
      if (!(error instanceof SallyportError)) throw error;
      // A full disk may have room again soon: tried once per interval, within a bound of memory.
      this.#timer = setTimeout(() => this.#flushOrKeep(), flushAfterMs).unref();
    }
  }

  #loseAll(): void {
    if (this.#pending.lines > 0) {
      this.#options.meter.count('sallyport_records_lost_total', {}, this.#pending.lines);
    }
    this.#isGivenUp ||= this.#isWaitedFor;
    this.#isWaitedFor = false;
    this.#pending.clear();
  }

  #append(lines: LineBuffer): void {
    if (this.#fd === null) throw unavailable('the segment is closed');
    if (this.#size > 0 && this.#size + lines.length > this.#rotateAt) this.#rotate();
    // A line that could not be taken back is ended, so that it never runs into the next one.
    if (this.#isTorn) this.#writeAll(this.#fd, lineEnd, 1);
    this.#isTorn = false;
    this.#writeAll(this.#fd, lines.bytes, lines.length);
  }

  #writeAll(fd: number, bytes: Uint8Array, length: number): void {
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

  /** Removes the oldest segments beyond the size of all. The newest of a process with a marker may still be written to. */
  #dropOldest(): void {
    const { directory, maxTotalBytes, maxSegmentBytes, meter } = this.#options;
    try {
      const files = readdirSync(directory);
      const names = files.filter((name) => parseSegmentName(name) !== null);
      const sizes = names
        .sort(compareSegmentNames)
        .map((name) => [name, sizeOf(join(directory, name))] as const);
      const newest = newestOfWriters(files, names);
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

/** The last segment of each process that has not ended well; `names` are the segments among the files, oldest first. */
function newestOfWriters(files: readonly string[], names: readonly string[]): ReadonlySet<string> {
  const keyOf = (parts: { process: string; start: string } | null) =>
    parts === null ? '' : `${parts.process} ${parts.start}`;
  const writers = new Set(files.map((name) => keyOf(parseMarkerName(name))));
  const newest = new Map(names.map((name) => [keyOf(parseSegmentName(name)), name]));
  return new Set([...newest].flatMap(([writer, name]) => (writers.has(writer) ? name : [])));
}

function sizeOf(path: string): number {
  // Another process may have dropped it meanwhile.
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function unavailable(message: string, cause?: unknown): SallyportError {
  return new SallyportError('record-unavailable', `${message}; free space or check the disk`, cause);
}
