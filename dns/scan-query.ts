// One pass over a query's bytes: no objects, no strings, nothing sized by a count in the message.
// The order of checks is fixed and the first hit decides (RFC 1035 4.1, 6891 6.1, 9619).

import { randomBytes } from 'node:crypto';
import { lowerByte, maxNameBytes } from './name.ts';
import { maxUdpBytes, type as recordType } from './codes.ts';

/** `silent` queries get no answer at all; the others are answered with that response code. */
export type QueryFault = 'silent' | 'not-implemented' | 'malformed' | 'refused' | 'bad-version';

/** What one query says; a single object is filled again and again by scanQuery. */
export class QueryScan {
  /** Folded wire name in the first `nameLength` bytes. */
  readonly name = new Uint8Array(256);
  nameLength = 0;
  type = 0;
  /** End of the question section, which starts at 12. */
  questionEnd = 0;
  /** FNV-1a of the folded name under a seed of this process; not negative. */
  hash = 0;
  recursionDesired = false;
  checkingDisabled = false;
  hasEdns = false;
  dnssecOk = false;
  /** Bytes that the client takes over UDP: 512 to 1232. */
  udpSize = 512;
}

const seed = randomBytes(4).readInt32LE(0);

/** Reads the first `length` bytes of `message` into `into`; null when the query is to be answered. Never throws. */
export function scanQuery(message: Uint8Array, length: number, into: QueryScan): QueryFault | null {
  if (length < 12) return 'silent';
  const flags = message[2]!;
  if (flags & 0x80) return 'silent';
  into.hasEdns = false;
  into.dnssecOk = false;
  into.udpSize = 512;
  into.recursionDesired = (flags & 1) !== 0;
  into.checkingDisabled = (message[3]! & 0x10) !== 0;
  if (flags & 0x78) return 'not-implemented';
  // One question; nothing in answer and authority.
  if (message[4] !== 0 || message[5] !== 1) return 'malformed';
  if (message[6]! | message[7]! | message[8]! | message[9]!) return 'malformed';
  const nameEnd = scanQuestionName(message, length, into);
  if (nameEnd < 0 || nameEnd + 4 > length) return 'malformed';
  into.type = (message[nameEnd]! << 8) | message[nameEnd + 1]!;
  into.questionEnd = nameEnd + 4;
  if (message[nameEnd + 2] !== 0 || message[nameEnd + 3] !== 1) return 'refused';
  return scanAdditional(message, length, into);
}

function scanQuestionName(message: Uint8Array, length: number, into: QueryScan): number {
  const name = into.name;
  let hash = seed;
  let at = 12;
  for (;;) {
    if (at >= length) return -1;
    const label = message[at]!;
    if (label >= 0x40 || at - 12 + label + 1 > maxNameBytes) return -1;
    const end = at + label + 1;
    if (end > length) return -1;
    name[at - 12] = label;
    hash = Math.imul(hash ^ label, 0x01000193);
    for (at++; at < end; at++) {
      const byte = lowerByte(message[at]!);
      name[at - 12] = byte;
      hash = Math.imul(hash ^ byte, 0x01000193);
    }
    if (label === 0) break;
  }
  into.nameLength = at - 12;
  // The low bits of FNV are its weak ones.
  into.hash = (hash ^ (hash >>> 15)) & 0x3fffffff;
  return at;
}

function scanAdditional(message: Uint8Array, length: number, into: QueryScan): QueryFault | null {
  const count = (message[10]! << 8) | message[11]!;
  const at = into.questionEnd;
  if (count === 0) return at === length ? null : 'malformed';
  // Only one OPT record owned by the root may follow; TSIG and SIG(0) are not kept here.
  if (count !== 1 || at + 11 > length) return 'malformed';
  if (message[at] !== 0 || message[at + 1] !== 0 || message[at + 2] !== recordType.OPT) return 'malformed';
  const end = at + 11 + ((message[at + 9]! << 8) | message[at + 10]!);
  if (end > length || !areOptionsWhole(message, at + 11, end)) return 'malformed';
  into.hasEdns = true;
  into.dnssecOk = (message[at + 7]! & 0x80) !== 0;
  const size = (message[at + 3]! << 8) | message[at + 4]!;
  into.udpSize = size < 512 ? 512 : size > maxUdpBytes ? maxUdpBytes : size;
  if (message[at + 6] !== 0) return 'bad-version';
  return end === length ? null : 'malformed';
}

function areOptionsWhole(message: Uint8Array, at: number, end: number): boolean {
  while (at < end) {
    if (at + 4 > end) return false;
    at += 4 + ((message[at + 2]! << 8) | message[at + 3]!);
  }
  return at === end;
}

/** The hash that scanQuery computes, for a folded wire name. */
export function hashName(name: Uint8Array): number {
  let hash = seed;
  for (const byte of name) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash ^ (hash >>> 15)) & 0x3fffffff;
}
