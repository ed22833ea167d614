// Entries of a published table as texts of their own: of some hundred jobs one comes or goes at a time, and a reader looks
// closely only at what it has not read before.

import { ReadProblem } from './read-shape.ts';
import { readLiveEntry, type LiveEntry, type PublishedTable } from './live-table.ts';

/** What was read of the last table, by its text; entries that are the same are the same object. */
export class EntryTexts {
  #last: ReadonlyMap<string, LiveEntry> = new Map();
  #next = new Map<string, LiveEntry>();

  /** Reads one entry, a text or the entry itself. @throws ReadProblem, SyntaxError */
  readonly read = (value: unknown): LiveEntry => {
    if (typeof value !== 'string') return readLiveEntry(value);
    const known = this.#next.get(value) ?? this.#last.get(value) ?? readText(value);
    this.#next.set(value, known);
    return known;
  };

  /** A table was read whole: what is not in it is forgotten. */
  end(): void {
    this.#last = this.#next;
    this.#next = new Map();
  }
}

function readText(text: string): LiveEntry {
  if (text.length > maxEntryLength) throw new ReadProblem();
  return readLiveEntry(JSON.parse(text));
}

const maxEntryLength = 16 * 1024 * 1024;
const texts = new WeakMap<LiveEntry, string>();

/** The text of control’s table. */
export function writePublishedTable(table: PublishedTable): string {
  return JSON.stringify({ ...table, jobs: table.jobs.map(textOf), recall: table.recall.map(textOf) });
}

function textOf(entry: LiveEntry): string {
  let text = texts.get(entry);
  if (text === undefined) texts.set(entry, (text = JSON.stringify(entry)));
  return text;
}
