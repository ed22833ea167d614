// UUIDv7 (RFC 9562 §5.7): time-ordered ids for flows, monotonic within a process.

import { randomFillSync } from 'node:crypto';

const pool = new Uint8Array(8192);
let offset = pool.length;
let lastMs = 0;
let sequence = 0;
const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** A new id; ids made later in this process compare greater as strings. */
export function uuidv7(nowMs: number = Date.now()): string {
  if (offset + 8 > pool.length) {
    randomFillSync(pool);
    offset = 0;
  }
  const at = offset;
  offset += 8;
  if (nowMs > lastMs) {
    lastMs = nowMs;
    // 11 of the 12 bits are random, so that the counter has room before it borrows from the clock.
    sequence = ((pool[at]! << 8) | pool[at + 1]!) & 0x7ff;
  } else if (++sequence > 0xfff) {
    lastMs += 1;
    sequence = 0;
  }
  const time = lastMs.toString(16).padStart(12, '0');
  const low = (0x7000 | sequence).toString(16);
  const variant = hex[(pool[at + 2]! & 0x3f) | 0x80]! + hex[pool[at + 3]!]!;
  const tail =
    hex[pool[at + 4]!]! + hex[pool[at + 5]!]! + hex[pool[at + 6]!]! + hex[pool[at + 7]!]! + tailRandom();
  return `${time.slice(0, 8)}-${time.slice(8)}-${low}-${variant}-${tail}`;
}

function tailRandom(): string {
  if (offset + 2 > pool.length) {
    randomFillSync(pool);
    offset = 0;
  }
  const at = offset;
  offset += 2;
  return hex[pool[at]!]! + hex[pool[at + 1]!]!;
}
