// The query that goes to an upstream: our own bytes, never the client's. Client subnet and cookies do not pass
// (RFC 7871, 7873); queries over TLS are padded (RFC 8467).

import { randomFillSync } from 'node:crypto';
import { maxUdpBytes } from './codes.ts';
import { lowerByte, nameBytes } from './name.ts';

/** One question in the form that the cache and the upstreams share. */
export interface Question {
  /** Folded wire name, latin1. */
  readonly name: string;
  readonly type: number;
  /** Bit 0: DO, bit 1: CD. */
  readonly variant: number;
}

const ids = new Uint16Array(2048);
let nextId = ids.length;

/** An unpredictable 16-bit id, from the system's random source in blocks (RFC 5452 4.5). */
export function randomId(): number {
  if (nextId === ids.length) {
    randomFillSync(ids);
    nextId = 0;
  }
  return ids[nextId++]!;
}

/** End of the question section in every query for this name. */
export function questionEndOf(name: string): number {
  return 12 + name.length + 4;
}

/** The wire question: name, type, class IN. */
export function questionBytes(question: Question): Buffer {
  const bytes = Buffer.alloc(question.name.length + 4);
  bytes.set(nameBytes(question.name), 0);
  bytes.writeUInt16BE(question.type, question.name.length);
  bytes.writeUInt16BE(1, question.name.length + 2);
  return bytes;
}

/** The query of an upstream that knows no EDNS (RFC 6891 7), with id 0. */
export function buildPlainQuery(question: Question): Buffer {
  const query = Buffer.alloc(questionEndOf(question.name));
  query[2] = 1;
  query[3] = question.variant & 2 ? 0x10 : 0;
  query[5] = 1;
  query.set(questionBytes(question), 12);
  return query;
}

/** A query with id 0, to be given an id by its transport; `padTo` 0 for none, else a block size in bytes. */
export function buildQuery(question: Question, padTo: number): Buffer {
  const end = questionEndOf(question.name);
  const withoutPadding = end + 11;
  const padding = padTo === 0 ? 0 : (padTo - ((withoutPadding + 4) % padTo)) % padTo;
  const query = Buffer.alloc(padTo === 0 ? withoutPadding : withoutPadding + 4 + padding);
  query[2] = 1;
  query[3] = question.variant & 2 ? 0x10 : 0;
  query[5] = 1;
  query[11] = 1;
  query.set(questionBytes(question), 12);
  query[end + 2] = 41;
  query.writeUInt16BE(maxUdpBytes, end + 3);
  query[end + 7] = question.variant & 1 ? 0x80 : 0;
  if (padTo > 0) {
    query.writeUInt16BE(padding + 4, end + 9);
    query.writeUInt16BE(12, end + 11);
    query.writeUInt16BE(padding, end + 13);
  }
  return query;
}

const coins = new Uint8Array(4096);
let nextCoin = coins.length;

/** Gives the letters of the question random case, from the system's random source in blocks. */
export function mixCase(query: Uint8Array, questionEnd: number): void {
  for (let at = 12; at < questionEnd - 4; at++) {
    const byte = query[at]! | 0x20;
    // A length never is a letter: labels have 63 bytes at most.
    if (byte < 0x61 || byte > 0x7a || query[at]! < 0x41) continue;
    if (nextCoin === coins.length) {
      randomFillSync(coins);
      nextCoin = 0;
    }
    query[at] = coins[nextCoin++]! & 1 ? byte : byte & 0xdf;
  }
}

/** The same message with the question in lower case, in place: records that point into it read alike then. */
export function foldQuestion<M extends Uint8Array>(message: M, questionEnd: number): M {
  for (let at = 12; at < questionEnd - 4; at++) message[at] = lowerByte(message[at]!);
  return message;
}
