// Flows that a killed process left open: found by the marker that each writer keeps beside its segments, and closed in a
// segment of their own, so that in the end every opened record has its closed one.

import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import type { FlowRecord } from '../flow/flow.ts';
import type { Reason } from '../flow/reason.ts';
import { processStart } from './process-start.ts';
import { parseRecord, readLines } from './read-segments.ts';
import { SegmentWriter, type SegmentOptions } from './segment.ts';
import {
  compareSegmentNames,
  parseMarkerName,
  parseSegmentName,
  type SegmentNameParts,
} from './segment-name.ts';

/** Why such a flow ended. */
const endedBy: Reason = 'worker-ended';

/** A process that writes segments, or did so when it was killed. */
export interface SegmentWriterMark {
  readonly marker: string;
  readonly process: string;
  /** As it stands in the names of its segments. */
  readonly start: string;
  readonly pid: number;
  /** When that process began (process-start.ts); null where it could not tell. */
  readonly began: string | null;
}

/** True when the process of the mark's number may be the one that made the mark. */
export function mayLive({ pid, began }: SegmentWriterMark): boolean {
  const start = processStart(pid);
  return start === null || began === null || start === began;
}

/** The marks in a directory of segments, of living and of dead processes. */
export function listMarks(directory: string): SegmentWriterMark[] {
  return readdirSync(directory).flatMap((marker) => {
    const parts = parseMarkerName(marker);
    const writer = parts === null ? null : writerIn(join(directory, marker));
    return parts === null || writer === null ? [] : [{ marker, ...parts, ...writer }];
  });
}

function writerIn(path: string): Pick<SegmentWriterMark, 'pid' | 'began'> | null {
  try {
    const [, pid = '0', began = null] =
      /^(\d{1,10})(?: (\d{1,20}))?$/.exec(readFileSync(path, 'latin1').trim()) ?? [];
    return { pid: Number(pid), began };
  } catch {
    // Removed meanwhile: its process has ended well.
    return null;
  }
}

/**
 * Closes what the processes of these marks left open and removes the marks. Resolves with the number of flows.
 * @throws SallyportError record-unavailable; the marks then stay for the next attempt
 */
export async function closeUnclosed(
  options: Omit<SegmentOptions, 'process'>,
  marks: readonly SegmentWriterMark[],
): Promise<number> {
  if (marks.length === 0) return 0;
  const writer = new SegmentWriter({ ...options, process: 'recovered' });
  let count = 0;
  try {
    for (const mark of marks) {
      for await (const record of unclosedOf(options.directory, mark)) {
        writer.closed(closedForm(record));
        count++;
      }
      writer.handOver();
      rmSync(join(options.directory, mark.marker), { force: true });
    }
  } finally {
    writer.close();
  }
  return count;
}

/** What the flow’s end is recorded as: how much passed, and how long it took, died with the process. */
function closedForm(opened: FlowRecord): FlowRecord {
  return { ...opened, phase: 'closed', time: new Date().toISOString(), ended: endedBy };
}

// Only what is open at one time is held: at most as much as one worker may have open.
async function* unclosedOf(
  directory: string,
  { process, start }: Pick<SegmentNameParts, 'process' | 'start'>,
): AsyncGenerator<FlowRecord> {
  const open = new Map<string, string>();
  const names = readdirSync(directory).filter((name) => {
    const parts = parseSegmentName(name);
    return parts?.process === process && parts.start === start;
  });
  for (const name of names.sort(compareSegmentNames)) {
    for await (const line of readLines(join(directory, name))) {
      const [, id, phase] = /^\{"v":\d+,"id":"([^"]{1,64})","phase":"(opened|closed)"/.exec(line) ?? [];
      if (id === undefined) continue;
      if (phase === 'opened') open.set(id, line);
      else open.delete(id);
    }
  }
  for (const line of open.values()) {
    const record = parseRecord(line);
    if (record !== null) yield record;
  }
}
