// Reads what workers say of themselves. A worker parses hostile bytes: one that was taken over may put anything into
// that folder, so what is read is bounded in number, size and time, and nothing of its text is passed on.

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';

const maxBytes = 4 * 1024 * 1024;
const maxAheadMs = 5000;
const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;

export interface WorkerStats {
  readonly worker: string;
  /** Another one after a restart; no two workers share one. */
  readonly instance: string;
  /** Milliseconds of the wall clock. */
  readonly time: number;
  /** Revision of the policy that it decides by; null when there is none. */
  readonly revision: string | null;
  /** Not checked yet: MetricsSum takes what the table of metrics knows. */
  readonly snapshot: unknown;
}

/** What is wrong with a worker's file, in our own words; `missing` until it has written one. */
export interface UnreadStats {
  readonly worker: string;
  readonly problem: 'missing' | 'no regular file' | 'too large' | 'unreadable' | 'no statistics';
}

/** The statistics of these workers, whatever else lies in the folder. Never throws. */
export function readWorkerStats(
  directory: string,
  workers: readonly string[],
  nowMs: number,
): (WorkerStats | UnreadStats)[] {
  return workers.map((worker) => {
    const text = readBounded(join(directory, `${worker}.json`));
    if (typeof text === 'string') return { worker, problem: text };
    return parseStats(worker, text, nowMs) ?? { worker, problem: 'no statistics' };
  });
}

function readBounded(path: string): Buffer | UnreadStats['problem'] {
  let fd: number;
  try {
    // A link is not followed, and a pipe without a writer is not waited for.
    fd = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null;
    return code === 'ENOENT' ? 'missing' : code === 'ELOOP' ? 'no regular file' : 'unreadable';
  }
  try {
    const status = fstatSync(fd);
    if (!status.isFile()) return 'no regular file';
    if (status.size > maxBytes) return 'too large';
    const buffer = Buffer.alloc(status.size);
    return buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, 0));
  } catch {
    return 'unreadable';
  } finally {
    closeSync(fd);
  }
}

function parseStats(worker: string, bytes: Buffer, nowMs: number): WorkerStats | null {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    // Caught half written, or a lie: its text belongs in no log.
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const { instance, time, revision, snapshot } = value as Record<string, unknown>;
  if (typeof instance !== 'string' || instance.length > 64) return null;
  // A time to come would make a dead worker look alive.
  if (typeof time !== 'number' || !(time <= nowMs + maxAheadMs)) return null;
  const isRevision = typeof revision === 'string' && /^[0-9a-f]{1,64}$/.test(revision);
  return {
    worker,
    instance: `${worker}/${instance}`,
    time,
    revision: isRevision ? revision : null,
    snapshot,
  };
}
