// One pass over an upstream's answer: every length and pointer is checked before anything is believed.
// Names are expanded for the answer section only; elsewhere they are skipped, so that 64 KB of chained
// pointers stay linear (RFC 1035 4.1.4, 5452 9.1).

import { foldName, lowerByte, readName, skipName } from './name.ts';
import { type as recordType } from './codes.ts';

const maxRecords = 1024;

/** One record, by offsets into the message it was read from. */
export interface ResponseRecord {
  /** Expanded wire name, case kept, latin1; empty outside the answer section. */
  readonly owner: string;
  readonly nameAt: number;
  readonly type: number;
  /** Seconds; 0 where bit 31 was set (RFC 2181 8), at most a day. */
  readonly ttl: number;
  readonly dataAt: number;
  readonly dataLength: number;
}

export interface Response {
  readonly message: Uint8Array;
  /** With the upper bits of the OPT record. */
  readonly rcode: number;
  readonly truncated: boolean;
  readonly answers: readonly ResponseRecord[];
  readonly authority: readonly ResponseRecord[];
}

/** True when the message answers this query: id, QR, opcode, and the same question byte for byte. */
export function isAnswerTo(message: Uint8Array, query: Uint8Array, questionEnd: number): boolean {
  if (!hasHeadOf(message, query, questionEnd)) return false;
  for (let i = 12; i < questionEnd; i++) if (message[i] !== query[i]) return false;
  return true;
}

/** The same, but letters of the name may be of another case. */
export function isAnswerInAnyCase(message: Uint8Array, query: Uint8Array, questionEnd: number): boolean {
  if (!hasHeadOf(message, query, questionEnd)) return false;
  const nameEnd = questionEnd - 4;
  for (let i = 12; i < nameEnd; i++) if (lowerByte(message[i]!) !== lowerByte(query[i]!)) return false;
  for (let i = nameEnd; i < questionEnd; i++) if (message[i] !== query[i]) return false;
  return true;
}

function hasHeadOf(message: Uint8Array, query: Uint8Array, questionEnd: number): boolean {
  if (message.length < questionEnd || message.length < 12) return false;
  if (message[0] !== query[0] || message[1] !== query[1]) return false;
  return (message[2]! & 0xf8) === 0x80 && message[4] === 0 && message[5] === 1;
}

/** The answer and authority sections; null when anything in the message is malformed. `questionEnd` from the query. */
export function scanResponse(message: Uint8Array, questionEnd: number): Response | null {
  const counts = [6, 8, 10].map((at) => (message[at]! << 8) | message[at + 1]!);
  if (counts[0]! + counts[1]! + counts[2]! > maxRecords) return null;
  const answers: ResponseRecord[] = [];
  const authority: ResponseRecord[] = [];
  let rcode = message[3]! & 15;
  let at = questionEnd;
  for (const [section, count] of counts.entries()) {
    for (let i = 0; i < count; i++) {
      const nameEnd = skipName(message, at);
      if (nameEnd < 0 || nameEnd + 10 > message.length) return null;
      const record = readRecord(message, at, nameEnd, section === 0);
      if (record === null) return null;
      at = record.dataAt + record.dataLength;
      if (section === 0) answers.push(record);
      else if (section === 1) authority.push(record);
      else if (record.type === recordType.OPT) rcode |= message[nameEnd + 4]! << 4;
    }
  }
  return { message, rcode, truncated: (message[2]! & 2) !== 0, answers, authority };
}

function readRecord(
  message: Uint8Array,
  at: number,
  nameEnd: number,
  withOwner: boolean,
): ResponseRecord | null {
  const type = (message[nameEnd]! << 8) | message[nameEnd + 1]!;
  const isInternet = message[nameEnd + 2] === 0 && message[nameEnd + 3] === 1;
  const dataLength = (message[nameEnd + 8]! << 8) | message[nameEnd + 9]!;
  const dataAt = nameEnd + 10;
  if (dataAt + dataLength > message.length) return null;
  if (type !== recordType.OPT && !isInternet) return null;
  if (type === recordType.A && dataLength !== 4) return null;
  if (type === recordType.AAAA && dataLength !== 16) return null;
  const owner = withOwner ? readName(message, at) : '';
  if (owner === null) return null;
  return { owner, nameAt: at, type, ttl: readTtl(message, nameEnd + 4), dataAt, dataLength };
}

/** TTL in seconds: 0 where bit 31 is set, capped at a day. */
export function readTtl(message: Uint8Array, at: number): number {
  if (message[at]! & 0x80) return 0;
  const ttl = (message[at]! << 24) | (message[at + 1]! << 16) | (message[at + 2]! << 8) | message[at + 3]!;
  return ttl > 86_400 ? 86_400 : ttl;
}

/** Target of a CNAME or DNAME record as an expanded wire name; null when it is malformed or longer than its data. */
export function readTarget(message: Uint8Array, record: ResponseRecord): string | null {
  if (skipName(message, record.dataAt) !== record.dataAt + record.dataLength) return null;
  return readName(message, record.dataAt);
}

/** Folded owner: the form in which chains are followed. */
export function foldedOwner(record: ResponseRecord): string {
  return foldName(record.owner);
}
