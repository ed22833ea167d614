// What references of actions stood for when they were seen last: a small table on disk that outlives restarts. Each
// process appends to a file of its own and reads those of all. The store takes this over behind the same port.

import {
  appendFileSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
  type Stats,
} from 'node:fs';
import { join } from 'node:path';
import { readCommit } from './read-json.ts';

/** Remembers commits of references. Neither throws. */
export interface SeenRefs {
  /** The commit that the reference stood for last, or null: not seen. */
  find(key: string): string | null;
  note(key: string, commit: string): void;
}

/** What a reference is known by: `server owner/name@ref`, names in lower case. */
export function refKey(server: string, owner: string, name: string, ref: string): string {
  return `${server} ${owner}/${name}`.toLowerCase() + `@${ref}`;
}

interface Seen {
  readonly commit: string;
  readonly atMs: number;
}

const maxRefs = 4_096;
const maxFiles = 64;
const maxFileBytes = 4_194_304;
const rewriteBytes = 2_097_152;

/** The table as files of one directory; `own` is the name of the one that this process alone writes. */
export class SeenRefFiles implements SeenRefs {
  readonly #directory: string;
  readonly #own: string;
  readonly #refs = new Map<string, Seen>();
  /** By file: what it looked like when it was read. */
  readonly #read = new Map<string, string>();
  readonly #onError: (error: unknown) => void;

  constructor(directory: string, own: string, onError: (error: unknown) => void = () => {}) {
    this.#directory = directory;
    this.#own = `${own}.refs`;
    this.#onError = onError;
  }

  find(key: string): string | null {
    this.#refresh();
    return this.#refs.get(key)?.commit ?? null;
  }

  note(key: string, commit: string): void {
    const known = this.#refs.get(key);
    if (known?.commit === commit) return;
    const seen = { commit, atMs: Math.max(Date.now(), (known?.atMs ?? 0) + 1) };
    this.#keep(key, seen);
    try {
      const path = join(this.#directory, this.#own);
      const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
      if (size > rewriteBytes) this.#rewrite(path);
      else appendFileSync(path, lineOf(key, seen), { mode: 0o640 });
    } catch (error) {
      this.#onError(error);
    }
  }

  /** Everything that is known, in place of what was written over time. */
  #rewrite(path: string): void {
    const text = [...this.#refs].map(([key, seen]) => lineOf(key, seen)).join('');
    writeFileSync(`${path}.new`, text, { mode: 0o640 });
    renameSync(`${path}.new`, path);
  }

  #refresh(): void {
    try {
      // Those that were written last, where upgrades have left many.
      const files = readdirSync(this.#directory)
        .filter((name) => name.endsWith('.refs'))
        .map((name) => ({ name, stat: statSync(join(this.#directory, name), { throwIfNoEntry: false }) }))
        .toSorted((a, b) => (b.stat?.mtimeMs ?? 0) - (a.stat?.mtimeMs ?? 0));
      for (const { name, stat } of files.slice(0, maxFiles))
        if (stat !== undefined) this.#readFile(name, stat);
    } catch (error) {
      this.#onError(error);
    }
  }

  #readFile(name: string, stat: Stats): void {
    const path = join(this.#directory, name);
    if (stat.size > maxFileBytes) return;
    const look = `${stat.ino} ${stat.size} ${stat.mtimeMs}`;
    if (this.#read.get(name) === look) return;
    this.#read.set(name, look);
    for (const line of readFileSync(path, 'utf8').split('\n')) this.#take(line);
  }

  // The last line of a file may be cut.
  #take(line: string): void {
    const match = /^(\d{1,16}) ([0-9a-f]{40,64}) (\S+ \S+)$/.exec(line);
    const commit = match === null ? null : readCommit(match[2]!);
    if (match === null || commit === null) return;
    const atMs = Number(match[1]);
    const key = match[3]!;
    if ((this.#refs.get(key)?.atMs ?? -1) < atMs) this.#keep(key, { commit, atMs });
  }

  /** The one that was seen longest ago goes first. */
  #keep(key: string, seen: Seen): void {
    this.#refs.delete(key);
    this.#refs.set(key, seen);
    if (this.#refs.size <= maxRefs) return;
    this.#refs.delete(this.#refs.keys().next().value!);
  }
}

const lineOf = (key: string, { commit, atMs }: Seen): string => `${atMs} ${commit} ${key}\n`;
