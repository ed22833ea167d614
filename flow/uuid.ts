// UUIDv7 (RFC 9562 §5.7): time-ordered ids for flows, monotonic within a process.

import { randomFillSync } from 'node:crypto';

const randomBytesPerId = 10;
const pool = new Uint8Array(819 * randomBytesPerId);
let offset = pool.length;
let lastMs = 0;
let sequence = 0;
const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const digits = Uint8Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0));

/** Moves on to the next id: `lastMs` and `sequence` are its own then; the answer is where its random bytes are. */
function advance(nowMs: number): number {
  if (offset >= pool.length) {
    randomFillSync(pool);
    offset = 0;
  }
  const at = offset;
  offset += randomBytesPerId;
  if (nowMs > lastMs) {
    lastMs = nowMs;
    // 11 of the 12 bits are random, so that the counter has room before it borrows from the clock.
    sequence = ((pool[at]! << 8) | pool[at + 1]!) & 0x7ff;
  } else if (++sequence > 0xfff) {
    lastMs += 1;
    sequence = 0;
  }
  return at;
}

/** A new id; ids made later in this process compare greater as strings. */
export function uuidv7(nowMs: number = Date.now()): string {
  const at = advance(nowMs);
  const time = lastMs.toString(16).padStart(12, '0');
  const low = (0x7000 | sequence).toString(16);
  const variant = hex[(pool[at + 2]! & 0x3f) | 0x80]! + hex[pool[at + 3]!]!;
  let tail = '';
  for (let i = 4; i < randomBytesPerId; i++) tail += hex[pool[at + i]!]!;
  return `${time.slice(0, 8)}-${time.slice(8)}-${low}-${variant}-${tail}`;
}

const timeText = new Uint8Array(13);
let timeOf = -1;

function writeTime(): void {
  timeOf = lastMs;
  const text = lastMs.toString(16).padStart(12, '0');
  for (let i = 0; i < 13; i++) timeText[i] = i === 8 ? 0x2d : text.charCodeAt(i < 8 ? i : i - 1);
}

function writeByte(into: Uint8Array, at: number, byte: number): void {
  into[at] = digits[byte >> 4]!;
  into[at + 1] = digits[byte & 15]!;
}

/** Writes a new id as 36 bytes of ASCII at `at`; of one sequence with those of uuidv7(). */
export function writeUuidv7(into: Uint8Array, at: number, nowMs: number): void {
  const random = advance(nowMs);
  if (lastMs !== timeOf) writeTime();
  for (let i = 0; i < 13; i++) into[at + i] = timeText[i]!;
  into[at + 13] = 0x2d;
  writeByte(into, at + 14, 0x70 | (sequence >> 8));
  writeByte(into, at + 16, sequence & 255);
  into[at + 18] = 0x2d;
  writeByte(into, at + 19, (pool[random + 2]! & 0x3f) | 0x80);
  writeByte(into, at + 21, pool[random + 3]!);
  into[at + 23] = 0x2d;
  for (let i = 4; i < randomBytesPerId; i++) writeByte(into, at + 16 + 2 * i, pool[random + i]!);
}
