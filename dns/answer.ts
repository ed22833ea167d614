// Writes answers into a given buffer: those made here (blocked, local, failures) and copies of kept ones.
// A copy always: the runtime may still send a buffer after the next client's id went into it.

import type { Decision } from '../flow/decision.ts';
import { ede, maxUdpBytes, rcode as code } from './codes.ts';
import type { Wire } from './rebuild.ts';
import type { QueryScan } from './scan-query.ts';

/** An answer made here; immutable and shared by all queries that get it. */
export interface LocalAnswer {
  readonly rcode: number;
  readonly authoritative: boolean;
  /** 4 or 16 bytes, or null for an answer without data. */
  readonly address: Uint8Array | null;
  /** Seconds, of the address or of the negative answer. */
  readonly ttl: number;
  /** With an SOA in the authority section, so that the client keeps the negative answer (RFC 2308). */
  readonly hasSoa: boolean;
  /** EDNS option with the extended error, or null. */
  readonly option: Uint8Array | null;
  /** What records say of it. */
  readonly decision: Decision;
}

const maxTextBytes = 60;

/** The EDNS option of an extended error (RFC 8914), text at most 60 bytes of ASCII. */
export function edeOption(infoCode: number, text: string): Uint8Array {
  const bytes = Buffer.from(text.replace(/[^ -~]/g, '?').slice(0, maxTextBytes), 'latin1');
  const option = Buffer.alloc(6 + bytes.length);
  option.writeUInt16BE(15, 0);
  option.writeUInt16BE(2 + bytes.length, 2);
  option.writeUInt16BE(infoCode, 4);
  option.set(bytes, 6);
  return option;
}

const optionsByCode = new Map<number, Uint8Array>([
  [ede.stale, edeOption(ede.stale, '')],
  [ede.noReachableAuthority, edeOption(ede.noReachableAuthority, '')],
  [ede.networkError, edeOption(ede.networkError, '')],
]);

/** The option of an extended error without text, or null for code 0. */
export function plainEdeOption(infoCode: number): Uint8Array | null {
  return optionsByCode.get(infoCode) ?? null;
}

/** Header only: id, QR, opcode, RD and the code. The query's broken question is never echoed. Returns 12. */
export function writeHeaderOnly(out: Uint8Array, message: Uint8Array, rcode: number): number {
  out[0] = message[0]!;
  out[1] = message[1]!;
  out[2] = 0x80 | (message[2]! & 0x79);
  out[3] = rcode & 15;
  out.fill(0, 4, 12);
  return 12;
}

function writeHead(out: Uint8Array, message: Uint8Array, scan: QueryScan, rcode: number): number {
  const end = scan.questionEnd;
  out[0] = message[0]!;
  out[1] = message[1]!;
  out[2] = 0x80 | (message[2]! & 1);
  out[3] = 0x80 | (message[3]! & 0x10) | (rcode & 15);
  out[4] = 0;
  out[5] = 1;
  out.fill(0, 6, 12);
  for (let i = 12; i < end; i++) out[i] = message[i]!;
  return end;
}

function writeOpt(
  out: Uint8Array,
  at: number,
  scan: QueryScan,
  rcode: number,
  option: Uint8Array | null,
): number {
  const size = option === null ? 0 : option.length;
  out[11] = 1;
  out[at] = 0;
  out[at + 1] = 0;
  out[at + 2] = 41;
  out[at + 3] = maxUdpBytes >> 8;
  out[at + 4] = maxUdpBytes & 255;
  out[at + 5] = rcode >> 4;
  out[at + 6] = 0;
  out[at + 7] = scan.dnssecOk ? 0x80 : 0;
  out[at + 8] = 0;
  out[at + 9] = size >> 8;
  out[at + 10] = size & 255;
  if (option !== null) out.set(option, at + 11);
  return at + 11 + size;
}

/** Question (and OPT) with that code and nothing else. */
export function writeBare(
  out: Uint8Array,
  message: Uint8Array,
  scan: QueryScan,
  rcode: number,
  option: Uint8Array | null,
): number {
  const at = writeHead(out, message, scan, rcode);
  return scan.hasEdns ? writeOpt(out, at, scan, rcode, option) : at;
}

/** Question (and OPT) with TC set: the client comes back over TCP. */
export function writeTruncated(out: Uint8Array, message: Uint8Array, scan: QueryScan): number {
  const length = writeBare(out, message, scan, code.NOERROR, null);
  out[2]! |= 2;
  return length;
}

/** BADVERS (RFC 6891 6.1.3). The query's question was read whole. */
export function writeBadVersion(out: Uint8Array, message: Uint8Array, scan: QueryScan): number {
  return writeBare(out, message, scan, code.BADVERS, null);
}

/** An answer made here. At most the question and 150 bytes, so it never amplifies. */
export function writeLocal(
  out: Uint8Array,
  message: Uint8Array,
  scan: QueryScan,
  answer: LocalAnswer,
): number {
  let at = writeHead(out, message, scan, answer.rcode);
  if (answer.authoritative) out[2]! |= 4;
  if (answer.address !== null) {
    out[7] = 1;
    at = writeRecordHead(
      out,
      at,
      12,
      answer.address.length === 4 ? 1 : 28,
      answer.ttl,
      answer.address.length,
    );
    for (const byte of answer.address) out[at++] = byte;
  }
  if (answer.hasSoa) {
    out[9] = 1;
    at = writeSoa(out, at, message, answer.ttl);
  }
  return scan.hasEdns ? writeOpt(out, at, scan, answer.rcode, answer.option) : at;
}

function writeRecordHead(
  out: Uint8Array,
  at: number,
  nameAt: number,
  type: number,
  ttl: number,
  dataLength: number,
): number {
  out[at] = 0xc0 | (nameAt >> 8);
  out[at + 1] = nameAt & 255;
  out[at + 2] = 0;
  out[at + 3] = type;
  out[at + 4] = 0;
  out[at + 5] = 1;
  writeUint32(out, at + 6, ttl);
  out[at + 10] = 0;
  out[at + 11] = dataLength;
  return at + 12;
}

// Owner: the parent of the asked name, a pointer into the question. MNAME and RNAME are the root, since there is
// no such zone; serial 1, the usual intervals, and the MINIMUM that matters.
function writeSoa(out: Uint8Array, at: number, message: Uint8Array, ttl: number): number {
  const label = message[12]!;
  at = writeRecordHead(out, at, label === 0 ? 12 : 12 + label + 1, 6, ttl, 22);
  out[at] = 0;
  out[at + 1] = 0;
  writeUint32(out, at + 2, 1);
  writeUint32(out, at + 6, 1800);
  writeUint32(out, at + 10, 900);
  writeUint32(out, at + 14, 604_800);
  writeUint32(out, at + 18, ttl);
  return at + 22;
}

function writeUint32(out: Uint8Array, at: number, value: number): void {
  out[at] = value >>> 24;
  out[at + 1] = (value >>> 16) & 255;
  out[at + 2] = (value >>> 8) & 255;
  out[at + 3] = value & 255;
}

/**
 * A copy of a kept answer with the client's id, question bytes and flags, TTLs less `ageSeconds` (or `flatTtl`
 * for a stale one, -1 otherwise) and our OPT. Over `limit` bytes it is truncated to the question.
 */
export function writeKept(
  out: Uint8Array,
  limit: number,
  message: Uint8Array,
  scan: QueryScan,
  wire: Wire,
  ageSeconds: number,
  flatTtl: number,
  option: Uint8Array | null,
): number {
  const bytes = wire.bytes;
  const optBytes = scan.hasEdns ? 11 + (option === null ? 0 : option.length) : 0;
  if (bytes.length + optBytes > limit) return writeTruncated(out, message, scan);
  out.set(bytes, 0);
  out[0] = message[0]!;
  out[1] = message[1]!;
  out[2] = 0x80 | (message[2]! & 1);
  out[3] = 0x80 | (message[3]! & 0x10) | (bytes[3]! & 15);
  const end = scan.questionEnd;
  for (let i = 12; i < end; i++) out[i] = message[i]!;
  for (const at of wire.ttlOffsets) patchTtl(out, at, ageSeconds, flatTtl);
  return scan.hasEdns ? writeOpt(out, bytes.length, scan, bytes[3]! & 15, option) : bytes.length;
}

function patchTtl(out: Uint8Array, at: number, ageSeconds: number, flatTtl: number): void {
  const kept = (out[at]! << 24) | (out[at + 1]! << 16) | (out[at + 2]! << 8) | out[at + 3]!;
  writeUint32(out, at, flatTtl >= 0 ? flatTtl : kept > ageSeconds ? kept - ageSeconds : 0);
}
