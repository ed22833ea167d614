// Lines that recur: a query that is answered from memory differs from the last one of its kind in id and time only,
// so that its line is two copies and sixty bytes. The bytes are those of serialise-record.ts.

import type { FlowRecord } from '../flow/flow.ts';
import { writeUuidv7 } from '../flow/uuid.ts';
import type { FlowCount } from './flow-counts.ts';
import { outcomeText, sourceText } from './serialise-record.ts';

const idBytes = 36;
const timeBytes = 24;
const timeText = new Uint8Array(timeBytes);
let timeOf = -1;

function writeTime(into: Uint8Array, at: number, nowMs: number): void {
  if (nowMs !== timeOf) {
    timeOf = nowMs;
    const text = new Date(nowMs).toISOString();
    for (let i = 0; i < timeBytes; i++) timeText[i] = text.charCodeAt(i);
  }
  for (let i = 0; i < timeBytes; i++) into[at + i] = timeText[i]!;
}

/** A line up to `destination`, with room for id and time. */
export class PreparedSource {
  readonly bytes: Buffer;
  readonly #idAt: number;
  readonly #timeAt: number;

  constructor(record: FlowRecord) {
    const start = `{"v":${record.v},"id":"`;
    const middle = `","phase":"closed","kind":"${record.kind}","time":"`;
    this.#idAt = start.length;
    this.#timeAt = start.length + idBytes + middle.length;
    const [id, time] = [' '.repeat(idBytes), ' '.repeat(timeBytes)];
    this.bytes = Buffer.from(`${start}${id}${middle}${time}",${sourceText(record)}`);
  }

  /** Writes `bytes` at `at`, with a new id and the time. */
  write(into: Uint8Array, at: number, nowMs: number): void {
    into.set(this.bytes, at);
    writeUuidv7(into, at + this.#idAt, nowMs);
    writeTime(into, at + this.#timeAt, nowMs);
  }
}

/** A line from `destination` on, and where its flows are counted. */
export class PreparedOutcome {
  readonly bytes: Buffer;
  readonly count: FlowCount;

  constructor(record: FlowRecord, count: FlowCount) {
    this.bytes = Buffer.from(outcomeText(record));
    this.count = count;
  }
}
