// Makes the answer that is kept out of what an upstream sent: a fresh message with the question, the chain,
// the data at its end, and for negative answers the SOA. Nothing else of the upstream's bytes survives.

import { formatAddress } from '../flow/address.ts';
import type { Chain } from './cname-chain.ts';
import { type as recordType } from './codes.ts';
import { foldName, nameBytes, readName, skipName } from './name.ts';
import { foldedOwner, readTtl } from './scan-response.ts';
import type { Response, ResponseRecord } from './scan-response.ts';

/** A message without OPT whose TTLs can be patched in place. */
export interface Wire {
  readonly bytes: Uint8Array;
  /** Offsets of the TTL fields. */
  readonly ttlOffsets: readonly number[];
  /** Addresses of A and AAAA records. */
  readonly addresses: readonly Uint8Array[];
  /** Where each of `addresses` begins its record, for leaving records out. */
  readonly starts: readonly number[];
  /** Seconds that the message may be kept. */
  readonly ttl: number;
}

const maxMessageBytes = 65_535 - 600;
// Where names stand inside record data: bytes before the first name, and how many names.
const dataNames: ReadonlyMap<number, readonly [skip: number, names: number]> = new Map([
  [recordType.NS, [0, 1]],
  [recordType.CNAME, [0, 1]],
  [recordType.PTR, [0, 1]],
  [recordType.DNAME, [0, 1]],
  [recordType.MX, [2, 1]],
  [recordType.SRV, [6, 1]],
  [recordType.SOA, [0, 2]],
]);

class Builder {
  readonly #chunks: Uint8Array[] = [];
  readonly #offsets = new Map<string, number>();
  readonly ttlOffsets: number[] = [];
  readonly addresses: Uint8Array[] = [];
  readonly starts: number[] = [];
  size = 0;
  ttl = Number.MAX_SAFE_INTEGER;

  constructor(header: Uint8Array, question: Uint8Array, name: string) {
    this.#push(header);
    this.#offsets.set(name, 12);
    this.#push(question);
  }

  #push(bytes: Uint8Array): void {
    this.#chunks.push(bytes);
    this.size += bytes.length;
  }

  /** Appends one record; false when its data is malformed or the message would grow too large. */
  add(message: Uint8Array, record: ResponseRecord, owner: string): boolean {
    const data = expandData(message, record);
    if (data === null) return false;
    const known = this.#offsets.get(foldName(owner));
    const name = known === undefined ? nameBytes(owner) : Uint8Array.of(0xc0 | (known >> 8), known & 255);
    if (known === undefined && this.size < 0x3fff) this.#offsets.set(foldName(owner), this.size);
    if (this.size + name.length + 10 + data.length > maxMessageBytes) return false;
    if (record.type === recordType.A || record.type === recordType.AAAA) {
      this.addresses.push(data);
      this.starts.push(this.size);
    }
    this.#push(name);
    this.ttlOffsets.push(this.size + 4);
    this.#push(fixedPart(record, data.length));
    if (record.type === recordType.CNAME && this.size < 0x3fff) {
      this.#offsets.set(foldName(Buffer.from(data).toString('latin1')), this.size);
    }
    this.#push(data);
    this.ttl = Math.min(this.ttl, record.ttl);
    return true;
  }

  finish(): Wire {
    const { ttlOffsets, addresses, starts, ttl } = this;
    return { bytes: Buffer.concat(this.#chunks), ttlOffsets, addresses, starts, ttl };
  }
}

function fixedPart(record: ResponseRecord, dataLength: number): Uint8Array {
  const fixed = Buffer.allocUnsafe(10);
  fixed.writeUInt16BE(record.type, 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt32BE(record.ttl, 4);
  fixed.writeUInt16BE(dataLength, 8);
  return fixed;
}

// Names inside the data are written out, since the message that their pointers led into is gone.
function expandData(message: Uint8Array, record: ResponseRecord): Uint8Array | null {
  const end = record.dataAt + record.dataLength;
  const shape = dataNames.get(record.type);
  if (!shape) return message.slice(record.dataAt, end);
  const parts: Uint8Array[] = [message.slice(record.dataAt, record.dataAt + shape[0])];
  let at = record.dataAt + shape[0];
  for (let i = 0; i < shape[1]; i++) {
    const name = at < end ? readName(message, at) : null;
    if (name === null) return null;
    at = skipName(message, at);
    parts.push(nameBytes(name));
  }
  if (at > end || at < 0) return null;
  const tail = message.slice(at, end);
  if (tail.length !== (record.type === recordType.SOA ? 20 : 0)) return null;
  return Buffer.concat([...parts, tail]);
}

function header(rcode: number, answers: number, authority: number): Uint8Array {
  return Uint8Array.of(
    0,
    0,
    0x80,
    0x80 | (rcode & 15),
    0,
    1,
    answers >> 8,
    answers & 255,
    0,
    authority,
    0,
    0,
  );
}

/** Answer records of one or more responses that form one chain; null when a record cannot be carried over. */
export function rebuildPositive(
  question: Uint8Array,
  name: string,
  parts: readonly { response: Response; chain: Chain }[],
  withSignatures: boolean,
): Wire | null {
  const chosen: [Uint8Array, ResponseRecord][] = [];
  for (const { response, chain } of parts) {
    for (const record of chain.records) chosen.push([response.message, record]);
    if (!withSignatures) continue;
    const owners = new Set(chain.records.map(foldedOwner));
    for (const record of response.answers) {
      if (record.type === recordType.RRSIG && owners.has(foldedOwner(record))) {
        chosen.push([response.message, record]);
      }
    }
  }
  const builder = new Builder(header(0, chosen.length, 0), question, name);
  for (const [message, record] of chosen) if (!builder.add(message, record, record.owner)) return null;
  return builder.finish();
}

const maxNegativeSeconds = 900;
const secondsWithoutSoa = 5;

/**
 * A negative answer (RFC 2308): the CNAMEs that led to it and the first SOA. It lives min(SOA TTL, SOA MINIMUM),
 * at most 15 minutes, 5 seconds without an SOA.
 */
export function rebuildNegative(
  question: Uint8Array,
  name: string,
  rcode: number,
  parts: readonly { response: Response; chain: Chain }[],
  withSignatures: boolean,
): Wire | null {
  const last = parts.at(-1)!.response;
  const aliases = parts.flatMap(({ response, chain }) =>
    chain.records.map((record): [Uint8Array, ResponseRecord] => [response.message, record]),
  );
  const soa = last.authority.find((record) => record.type === recordType.SOA);
  const proofs = withSignatures ? last.authority.filter((record) => isProof(record.type)).slice(0, 16) : [];
  const authority = soa ? [soa, ...proofs] : [];
  const builder = new Builder(header(rcode, aliases.length, authority.length), question, name);
  for (const [message, record] of aliases) if (!builder.add(message, record, record.owner)) return null;
  for (const record of authority) {
    const owner = readName(last.message, record.nameAt);
    const ttl = Math.min(record.ttl, soa ? soaMinimum(last.message, soa) : 0, maxNegativeSeconds);
    if (owner === null || !builder.add(last.message, { ...record, ttl }, owner)) return null;
  }
  if (!soa) builder.ttl = Math.min(builder.ttl, secondsWithoutSoa);
  return builder.finish();
}

function isProof(type: number): boolean {
  return type === recordType.RRSIG || type === recordType.NSEC || type === recordType.NSEC3;
}

function soaMinimum(message: Uint8Array, soa: ResponseRecord): number {
  return soa.dataLength < 22 ? 0 : readTtl(message, soa.dataAt + soa.dataLength - 4);
}

/** The message without the address records at these indexes of `addresses`; a validator finds what is left bogus. */
export function withoutAddresses(wire: Wire, bad: ReadonlySet<number>): Wire {
  const chunks: Uint8Array[] = [];
  const ttlOffsets: number[] = [];
  let from = 0;
  let removed = 0;
  const cuts = [...bad].map((index) => ({
    at: wire.starts[index]!,
    end: endOfRecord(wire.bytes, wire.starts[index]!),
  }));
  for (const cut of cuts) {
    chunks.push(wire.bytes.subarray(from, cut.at));
    from = cut.end;
  }
  chunks.push(wire.bytes.subarray(from));
  const bytes = Buffer.concat(chunks);
  const count = ((wire.bytes[6]! << 8) | wire.bytes[7]!) - cuts.length;
  bytes.writeUInt16BE(count, 6);
  const starts: number[] = [];
  for (const offset of wire.ttlOffsets) {
    if (cuts.some((cut) => offset > cut.at && offset < cut.end)) continue;
    removed = cuts.reduce((sum, cut) => (cut.end <= offset ? sum + cut.end - cut.at : sum), 0);
    ttlOffsets.push(offset - removed);
  }
  const addresses = wire.addresses.filter((_, index) => !bad.has(index));
  return { bytes, ttlOffsets, addresses, starts, ttl: wire.ttl };
}

function endOfRecord(bytes: Uint8Array, at: number): number {
  const fixed = skipName(bytes, at);
  return fixed + 10 + ((bytes[fixed + 8]! << 8) | bytes[fixed + 9]!);
}

/** Texts of the first `limit` addresses, for records. */
export function addressTexts(wire: Wire, limit: number): string[] {
  return wire.addresses.slice(0, limit).map(formatAddress);
}
