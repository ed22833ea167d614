// Reads segments back: oldest first, line by line, without ever holding a file. Lines that a killed process or a
// full disk cut are skipped.

import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';

import type { FlowRecord } from '../flow/flow.ts';
import { recordVersion } from '../flow/flow.ts';
import { jobRecordVersion, type JobRecord } from '../flow/job-record.ts';
import { compareSegmentNames, parseSegmentName } from './segment-name.ts';
import { jobLineStart } from './serialise-job-record.ts';

const maxLineBytes = 1024 * 1024;

/** All records below a directory of segments; of one flow, opened comes before closed. */
export async function* readSegments(directory: string): AsyncGenerator<FlowRecord> {
  const names = (await readdir(directory)).filter((name) => parseSegmentName(name) !== null);
  for (const name of names.sort(compareSegmentNames)) yield* readSegment(join(directory, name));
}

/** The records of one segment; none when it was dropped meanwhile. */
export async function* readSegment(path: string): AsyncGenerator<FlowRecord> {
  for await (const line of readLines(path)) {
    const record = parseRecord(line);
    if (record !== null) yield record;
  }
}

/** The lines of one segment as text, in order; none when it was dropped meanwhile. */
export async function* readLines(path: string): AsyncGenerator<string> {
  const file = await open(path).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  });
  if (file === null) return;
  let rest: Buffer = Buffer.alloc(0);
  // The stream closes the file, also when the reader stops early.
  for await (const chunk of file.createReadStream()) {
    const bytes: Buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      yield bytes.toString('utf8', start, end);
      start = end + 1;
    }
    rest = bytes.subarray(start);
    // No line of ours is this long: what follows is skipped up to the next line end.
    if (rest.length > maxLineBytes) rest = Buffer.from('!');
  }
}

/** The flow record of one line; null for a line that was cut, is of another version, or tells of a job. */
export function parseRecord(line: string): FlowRecord | null {
  const value = parseLine(line);
  // Lines are written by serialise-record.ts alone, so that the version stands for the shape.
  return value !== null && value.v === recordVersion && value.kind !== 'job' ? (value as FlowRecord) : null;
}

/** The job record of one line; null for every other line. */
export function parseJobRecord(line: string): JobRecord | null {
  if (!line.startsWith(jobLineStart)) return null;
  const value = parseLine(line);
  // Written by serialise-job-record.ts alone.
  return value !== null && value.v === jobRecordVersion && value.kind === 'job' ? (value as JobRecord) : null;
}

function parseLine(line: string): { readonly v: unknown; readonly kind: unknown } | null {
  try {
    const value: unknown = JSON.parse(line);
    const isRecord = typeof value === 'object' && value !== null && 'v' in value && 'kind' in value;
    return isRecord && 'id' in value && typeof value.id === 'string' ? value : null;
  } catch {
    // A cut line.
    return null;
  }
}

/** One flow: what was recorded before it was dialled, and how it ended. Either may be missing. */
export interface RecordedFlow {
  readonly opened: FlowRecord | null;
  readonly closed: FlowRecord | null;
}

/** Records put together by flow id, in the order in which each id first came. Holds all of them in memory. */
export async function pairFlows(records: AsyncIterable<FlowRecord>): Promise<Map<string, RecordedFlow>> {
  const flows = new Map<string, RecordedFlow>();
  for await (const record of records) {
    const flow = flows.get(record.id) ?? { opened: null, closed: null };
    flows.set(
      record.id,
      record.phase === 'opened' ? { ...flow, opened: record } : { ...flow, closed: record },
    );
  }
  return flows;
}
