// The next whole lines of a segment, at most so many. A line that is not whole yet waits for its end; one that never is
// whole because its writer was killed, or that is no record, is passed over and counted.

import { open } from 'node:fs/promises';
import type { FlowRecord } from '../flow/flow.ts';
import type { JobRecord } from '../flow/job-record.ts';
import { parseJobRecord, parseRecord } from './read-segments.ts';

export interface Batch {
  readonly flows: FlowRecord[];
  readonly jobs: JobRecord[];
  /** Lines of ended flows and of jobs, for whoever passes them on. */
  readonly lines: string[];
  /** Whole lines that were read, in bytes. */
  bytes: number;
  /** Lines that are no record. */
  skipped: number;
}

const chunkBytes = 1_048_576;
/** No line of ours is this long. */
const maxLineBytes = 1_048_576;

/** Whole lines from an offset on, `limit` records at most; null when the segment is gone. */
export async function readBatch(path: string, from: number, limit: number): Promise<Batch | null> {
  const file = await open(path).catch(nullIfGone);
  if (file === null) return null;
  const batch: Batch = { flows: [], jobs: [], lines: [], bytes: 0, skipped: 0 };
  let rest: Buffer = Buffer.alloc(0);
  try {
    for (;;) {
      const chunk = Buffer.allocUnsafe(chunkBytes);
      const { bytesRead } = await file.read(chunk, 0, chunkBytes, from + batch.bytes + rest.length);
      if (bytesRead === 0) return batch;
      const found = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
      const start = takeLines(found, batch, limit);
      if (isFull(batch, limit)) return batch;
      rest = found.subarray(start);
      if (rest.length <= maxLineBytes) continue;
      batch.bytes += rest.length;
      batch.skipped++;
      rest = Buffer.alloc(0);
    }
  } finally {
    await file.close();
  }
}

/** Answers how many bytes of `found` it took. */
function takeLines(found: Buffer, batch: Batch, limit: number): number {
  let start = 0;
  for (let end = found.indexOf(10); end >= 0; end = found.indexOf(10, start)) {
    takeLine(found.toString('utf8', start, end), batch);
    batch.bytes += end + 1 - start;
    start = end + 1;
    if (isFull(batch, limit)) break;
  }
  return start;
}

const isFull = ({ flows, jobs, skipped }: Batch, limit: number): boolean =>
  flows.length + jobs.length + skipped >= limit;

function takeLine(line: string, batch: Batch): void {
  const job = parseJobRecord(line);
  const flow = job === null ? parseRecord(line) : null;
  if (job !== null) batch.jobs.push(job);
  else if (flow !== null) batch.flows.push(flow);
  // What could not be taken back on a full disk was ended by a line break.
  else if (line !== '') batch.skipped++;
  if (job !== null || flow?.phase === 'closed') batch.lines.push(line);
}

/** For files that whoever keeps the segments within their size may have removed. */
export function nullIfGone(error: unknown): null {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
  throw error;
}
