// The tables of the workers that serve, as control reads them again whenever they change; what those said that have ended
// is handed over once.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readTableText, stampOf } from './live-table-file.ts';
import { readLiveTable, type LiveEntry, type LiveTable } from './live-table.ts';
import type { Heard } from './merge-tables.ts';

export interface WorkerTablesOptions {
  readonly folder: string;
  readonly workers: () => readonly string[];
  readonly onError: (error: unknown) => void;
}

/** What an ended worker would not ascribe to anybody is heard of again within this time, or is over. */
const nobodysMs = 120_000;
const maxNobodys = 65_536;

export class WorkerTables {
  readonly #options: WorkerTablesOptions;
  readonly #read = new Map<string, { readonly stamp: string; readonly table: LiveTable | null }>();
  readonly #nobodys = new Map<string, number>();
  #gone: LiveEntry[] = [];

  constructor(options: WorkerTablesOptions) {
    this.#options = options;
  }

  /** Reads what is new; true when there was anything. */
  look(): boolean {
    const names = new Set(this.#options.workers());
    let isNew = false;
    for (const name of names) if (this.#lookAt(name)) isNew = true;
    for (const [name, { table }] of this.#read) {
      if (names.has(name)) continue;
      this.#read.delete(name);
      this.#bury(table);
      isNew = true;
    }
    return isNew;
  }

  tables(): readonly LiveTable[] {
    return [...this.#read.values()].flatMap(({ table }) => table ?? []);
  }

  /** What workers knew that ended since it was asked last. */
  takeGone(): readonly LiveEntry[] {
    const gone = this.#gone;
    this.#gone = [];
    return gone;
  }

  /** Addresses that ended workers ascribed to nobody, for as long as that may still be so. */
  nobodys(nowMs: number): readonly Heard[] {
    for (const [address, untilMs] of this.#nobodys) if (untilMs <= nowMs) this.#nobodys.delete(address);
    return [{ jobs: [], managers: [], conflicts: [...this.#nobodys.keys()], ended: [] }];
  }

  /** What workers left that ended while nobody looked. */
  leftBehind(): readonly LiveEntry[] {
    const { folder, workers } = this.#options;
    const serving = new Set(workers().map((name) => `${name}.json`));
    const left = readdirSync(folder).filter((name) => name.endsWith('.json') && !serving.has(name));
    return left.flatMap((name) => this.read(join(folder, name))?.jobs ?? []);
  }

  /** One table; null when there is none. */
  read(path: string): LiveTable | null {
    const text = readTableText(path);
    const table = text === null ? null : readLiveTable(text);
    if (text !== null && table === null) this.#options.onError(new Error(`${path} is no table of live jobs`));
    return table;
  }

  #lookAt(name: string): boolean {
    const path = join(this.#options.folder, `${name}.json`);
    const known = this.#read.get(name);
    try {
      const stamp = stampOf(path);
      if (stamp === (known?.stamp ?? '')) return false;
      // A newer one that is none leaves the last good one.
      const table = this.read(path) ?? known?.table ?? null;
      if (known?.table && known.table.startedMs !== table?.startedMs) this.#bury(known.table);
      this.#read.set(name, { stamp, table });
      return true;
    } catch (error) {
      this.#options.onError(error);
      return false;
    }
  }

  #bury(table: LiveTable | null): void {
    if (table === null) return;
    this.#gone.push(...table.jobs);
    for (const address of [...table.conflicts, ...table.managers])
      if (this.#nobodys.size < maxNobodys) this.#nobodys.set(address, Date.now() + nobodysMs);
  }
}
