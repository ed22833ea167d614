// Live tables on disk: a worker writes its own one soon after it changed, and watches for control's. The last good one
// stays where a newer one is none.

import { closeSync, fstatSync, openSync, readFileSync, statSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { EntryTexts } from './entry-texts.ts';
import { maxTableBytes, readPublishedTable, type PublishedTable } from './live-table.ts';

/** Names a key of hashes without telling it. */
export function keyIdOf(key: Uint8Array): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 16);
}

/** The text of a file of ours, without what it was padded with; null when it is missing or too long. */
export function readTableText(path: string): string | null {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
  try {
    const stat = fstatSync(fd);
    return stat.isFile() && stat.size <= maxTableBytes ? readFileSync(fd, 'utf8').trimEnd() : null;
  } finally {
    closeSync(fd);
  }
}

/** What tells one state of a file from the next; '' when it is not there. */
export function stampOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? '' : `${stat.ino} ${stat.size} ${stat.mtimeMs}`;
}

export interface PublishedWatchOptions {
  readonly path: string;
  /** Called at once when there is a table already, and after every newer one. */
  readonly onChange: (table: PublishedTable) => void;
  readonly onError: (error: unknown) => void;
  readonly everyMs?: number;
}

/** Looks at control's table every 100 ms, and keeps the last good one; it keeps no process alive. */
export class PublishedWatch {
  readonly #options: PublishedWatchOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #entries = new EntryTexts();
  #stamp = '';
  #table: PublishedTable | null = null;

  constructor(options: PublishedWatchOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.check(), options.everyMs ?? 100).unref();
    this.check();
  }

  /** The last good one; null when there was none. */
  get table(): PublishedTable | null {
    return this.#table;
  }

  /** Looks now. */
  check(): void {
    const { path, onChange, onError } = this.#options;
    try {
      const stamp = stampOf(path);
      if (stamp === this.#stamp || stamp === '') return;
      const text = readTableText(path);
      this.#stamp = stamp;
      const table = text === null ? null : readPublishedTable(text, this.#entries.read);
      this.#entries.end();
      if (table === null) throw new Error(`${path} is no table of live jobs`);
      this.#table = table;
      onChange(table);
    } catch (error) {
      onError(error);
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

export interface TableWriterOptions {
  /** The text of the table as it is at that moment. */
  readonly collect: () => string;
  readonly write: (json: string) => void;
  readonly onError: (error: unknown) => void;
  /** How soon after a change it is written: jobs that came or went, and mere renewals. */
  readonly soonMs?: number;
  readonly laterMs?: number;
}

/** Writes a table soon after it changed, once for all changes until then. */
export class TableWriter {
  readonly #options: TableWriterOptions;
  #timer: NodeJS.Timeout | null = null;
  #dueMs = Infinity;

  constructor(options: TableWriterOptions) {
    this.#options = options;
  }

  /** Something changed; `renewed`: nothing but how long it holds. */
  changed(what: 'jobs' | 'renewed' = 'jobs'): void {
    const { soonMs = 20, laterMs = 5000 } = this.#options;
    const waitMs = what === 'jobs' ? soonMs : laterMs;
    const dueMs = performance.now() + waitMs;
    if (dueMs >= this.#dueMs) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#dueMs = dueMs;
    this.#timer = setTimeout(() => this.flush(), waitMs);
    this.#timer.unref();
  }

  /** Writes what is due now; at the end of a process. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#dueMs = Infinity;
    const { collect, write, onError } = this.#options;
    try {
      write(collect());
    } catch (error) {
      onError(error);
      this.changed('renewed');
    }
  }
}
