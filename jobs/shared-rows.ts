// What a gateway knows of jobs as rows for the others of its fleet, and theirs back again; a row that is none is left out.

import { ReadProblem } from './read-shape.ts';
import { instanceOf, readEndedJob, readLiveEntry, type EndedJob, type LiveEntry } from './live-table.ts';
import type { Heard } from './merge-tables.ts';

export interface JobRow {
  readonly kind: 'job' | 'ended' | 'manager' | 'conflict';
  readonly key: string;
  readonly untilMs: number;
  readonly entry: string;
}

/** The end of a job counts for as long as its platform could have gone on with it. */
const endedMs = 900_000;
/** What is written each ten seconds anyway holds until it is no longer. */
const nobodysMs = 60_000;

/** Rows of what is known; the same again while nothing changes but the time. */
export function toRows({ jobs, managers, conflicts, ended }: Heard, nowMs: number): JobRow[] {
  const roundMs = Math.ceil(nowMs / nobodysMs) * nobodysMs + nobodysMs;
  const nobodys = (kind: 'manager' | 'conflict', addresses: readonly string[]): JobRow[] =>
    addresses.map((address) => ({ kind, key: address, untilMs: roundMs, entry: JSON.stringify(address) }));
  return [
    ...jobs.map((entry) => ({
      kind: 'job' as const,
      key: `${entry.address} ${entry.source} ${instanceOf(entry.message)}`,
      untilMs: entry.untilMs,
      entry: JSON.stringify(entry),
    })),
    ...ended.map((end) => ({
      kind: 'ended' as const,
      key: `${end.address} ${end.job}`,
      untilMs: end.atMs + endedMs,
      entry: JSON.stringify(end),
    })),
    ...nobodys('manager', managers),
    ...nobodys('conflict', conflicts),
  ].filter(({ untilMs }) => untilMs > nowMs);
}

/** What another gateway’s rows say. */
export function fromRows(rows: readonly JobRow[]): Heard {
  const [jobs, ended]: [LiveEntry[], EndedJob[]] = [[], []];
  const [managers, conflicts]: [string[], string[]] = [[], []];
  for (const { kind, entry, key } of rows) {
    try {
      const value: unknown = JSON.parse(entry);
      if (kind === 'job') jobs.push(readLiveEntry(value));
      else if (kind === 'ended') ended.push(readEndedJob(value));
      else if (kind === 'manager') managers.push(key.slice(0, 45));
      else if (kind === 'conflict') conflicts.push(key.slice(0, 45));
    } catch (error) {
      if (!(error instanceof SyntaxError) && !(error instanceof ReadProblem)) throw error;
    }
  }
  return { jobs, ended, managers, conflicts };
}
