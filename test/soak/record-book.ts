// Keeps count of a gateway's records while they are written: how many flows were opened, closed, and are open still. It
// holds the ids of open flows alone, however long it runs.

import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { compareSegmentNames } from '../../store/segment-name.ts';

export class RecordBook {
  readonly #directory: string;
  readonly #read = new Map<string, { at: number; rest: string }>();
  readonly #open = new Set<string>();
  /** Closed before their opened record was read: two files are read one after the other. */
  readonly #early = new Set<string>();
  opened = 0;
  closed = 0;
  twice = 0;
  recovered = 0;

  constructor(stateDirectory: string) {
    this.#directory = join(stateDirectory, 'segments');
  }

  get open(): number {
    return this.#open.size;
  }

  get flows(): number {
    return this.closed + this.open;
  }

  /** Reads what was added. */
  update(): void {
    const names = readdirSync(this.#directory).filter((name) => name.endsWith('.jsonl'));
    // The tenth segment comes after the ninth.
    for (const name of names.sort(compareSegmentNames)) {
      const file = this.#read.get(name) ?? { at: 0, rest: '' };
      this.#read.set(name, file);
      const isRecovered = name.startsWith('recovered-');
      const lines = (file.rest + readMore(join(this.#directory, name), file)).split('\n');
      file.rest = lines.pop() ?? '';
      for (const line of lines) this.#take(line, isRecovered);
    }
  }

  #take(line: string, isRecovered: boolean): void {
    const [, id, phase] = /^\{"v":1,"id":"([^"]+)","phase":"(opened|closed)"/.exec(line) ?? [];
    if (id === undefined) return;
    if (phase === 'opened') {
      this.opened++;
      if (!this.#early.delete(id)) this.#open.add(id);
      return;
    }
    this.closed++;
    if (isRecovered) this.recovered++;
    if (this.#open.delete(id)) return;
    // DNS and packets have no opened record; only what recovery closed must have had one.
    if (isRecovered && this.#early.has(id)) this.twice++;
    if (isRecovered) this.#early.add(id);
  }
}

function readMore(path: string, file: { at: number }): string {
  const fd = openSync(path, 'r');
  const chunk = Buffer.alloc(1024 * 1024);
  let text = '';
  for (let size = -1; size !== 0; file.at += size) {
    size = readSync(fd, chunk, 0, chunk.length, file.at);
    text += chunk.toString('latin1', 0, size);
  }
  closeSync(fd);
  return text;
}
