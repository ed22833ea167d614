// Records that a database refuses for what they say: found by halves, so that one of them holds up none of the others. A
// database that is away, full or locked refuses no record: its errors are passed on.

import type { FlowRecord } from '../flow/flow.ts';
import type { JobRecord } from '../flow/job-record.ts';

/** What was passed over in one batch. */
export interface RefusedRecords {
  readonly count: number;
  /** Id of the first of them, and the code of its error. */
  readonly id: string;
  readonly why: string;
}

export type Refused = Map<FlowRecord | JobRecord, string>;
type Write = (flows: readonly FlowRecord[], jobs: readonly JobRecord[]) => Promise<void>;

/** SQLite: too big, constraint (datatypes of strict tables among them), mismatch, range. */
const sqliteCodes = new Set([18, 19, 20, 25]);
/** PostgreSQL: data exception, integrity constraint violation, program limit exceeded (a key too long for its index). */
const postgresClass = /^(?:22|23|54)[0-9A-Z]{3}$/;
/** Of the first of these classes, but about a sequence that has no more numbers: no record is to blame. */
const sequenceEnded = '2200H';

/** A short code where an error is about what was to be written; null where it is about the database. */
export function faultOfData(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  if ('errcode' in error) {
    const code = Number(error.errcode);
    return sqliteCodes.has(code & 255) ? `sqlite ${code}` : null;
  }
  // A record of another shape than ours has no columns.
  if (error instanceof TypeError || error instanceof RangeError) return error.name;
  const code = 'code' in error ? String(error.code) : '';
  return postgresClass.test(code) && code !== sequenceEnded ? `postgres ${code}` : null;
}

/** Writes whatever can be written, all of it at first; answers what cannot. @throws whatever is not about a record */
export async function writeByHalves(
  write: Write,
  flows: readonly FlowRecord[],
  jobs: readonly JobRecord[],
  refused: Refused = new Map(),
): Promise<Refused> {
  const count = flows.length + jobs.length;
  if (count === 0) return refused;
  try {
    await write(flows, jobs);
    return refused;
  } catch (error) {
    const why = faultOfData(error);
    if (why === null) throw error;
    if (count === 1) return refused.set((flows[0] ?? jobs[0])!, why);
  }
  const isMixed = flows.length > 0 && jobs.length > 0;
  const [ofFlows, ofJobs] = isMixed ? [0, jobs.length] : [flows.length >> 1, jobs.length >> 1];
  await writeByHalves(write, flows.slice(0, ofFlows), jobs.slice(0, ofJobs), refused);
  return writeByHalves(write, flows.slice(ofFlows), jobs.slice(ofJobs), refused);
}
