// Elements of the live sets as netlink bytes: keys of runners, bindings and counts, written in batches and read
// back with their time left or their counter (linux/netfilter/nf_tables.h gives the numbers).

import { formatAddress, parseAddress } from '../flow/address.ts';
import { SallyportError } from '../flow/errors.ts';
import {
  attribute,
  bigEndian32,
  bigEndian64,
  dump,
  flags,
  nested,
  readAttributes,
  stringBytes,
  type Request,
} from './netlink.ts';
import { inet, nftMessage } from './nft.ts';
import type { Family } from './rule-model.ts';

// A nested attribute's length is 16 bits: 256 elements of the longest kind take 24 KB.
const elementsPerMessage = 256;

export interface NewElement {
  readonly key: Uint8Array;
  readonly timeoutMs?: number;
  /** Chain that the element of a verdict map goes to. */
  readonly chain?: string;
}

/** Requests that add elements. One that exists keeps its old time limit before Linux 6.12. */
export function addElements(table: string, set: string, elements: readonly NewElement[]): Request[] {
  return chunked(elements).map((chunk) => ({
    type: nftMessage.newElement,
    flags: flags.create,
    family: inet,
    body: elementList(table, set, chunk.map(encodeElement)),
  }));
}

/** Requests that delete elements; the transaction fails with ENOENT when one is missing. */
export function deleteElements(table: string, set: string, keys: readonly Uint8Array[]): Request[] {
  return chunked(keys).map((chunk) => ({
    type: nftMessage.delElement,
    flags: 0,
    family: inet,
    body: elementList(
      table,
      set,
      chunk.map((key) => encodeElement({ key })),
    ),
  }));
}

/** A request that empties a set. */
export function flushSet(table: string, set: string): Request {
  const body = Buffer.concat([attribute(1, stringBytes(table)), attribute(2, stringBytes(set))]);
  return { type: nftMessage.delElement, flags: 0, family: inet, body };
}

function chunked<T>(items: readonly T[]): T[][] {
  const chunks: T[][] = [];
  for (let at = 0; at < items.length; at += elementsPerMessage) {
    chunks.push(items.slice(at, at + elementsPerMessage));
  }
  return chunks;
}

function elementList(table: string, set: string, elements: readonly Buffer[]): Buffer {
  return Buffer.concat([
    attribute(1, stringBytes(table)),
    attribute(2, stringBytes(set)),
    nested(3, ...elements),
  ]);
}

function encodeElement(element: NewElement): Buffer {
  const parts = [nested(1, attribute(1, element.key))];
  if (element.chain !== undefined) parts.push(nested(2, verdictGoto(element.chain)));
  if (element.timeoutMs !== undefined) parts.push(attribute(4, bigEndian64(Math.max(1, element.timeoutMs))));
  return nested(1, ...parts);
}

/** The data attribute of a verdict that goes to a chain. */
export function verdictGoto(chain: string): Buffer {
  return nested(2, attribute(1, bigEndian32(-4)), attribute(2, stringBytes(chain)));
}

export interface HeldElement {
  readonly key: Buffer;
  /** Milliseconds left, or null without a time limit. */
  readonly leftMs: number | null;
  readonly packets: number | null;
}

/** All elements of a set, as the kernel holds them. @throws SallyportError kernel */
export function readElements(fd: number, table: string, set: string): HeldElement[] {
  const body = Buffer.concat([attribute(1, stringBytes(table)), attribute(2, stringBytes(set))]);
  return dump(fd, { type: nftMessage.getElement, flags: 0, family: inet, body }).flatMap((answer) => {
    const held: HeldElement[] = [];
    for (const [type, list] of readAttributes(answer, 4)) {
      if (type !== 3) continue;
      for (const [, element] of readAttributes(list)) held.push(readElement(element));
    }
    return held;
  });
}

function readElement(bytes: Buffer): HeldElement {
  let key = Buffer.alloc(0);
  let leftMs: number | null = null;
  let packets: number | null = null;
  for (const [type, value] of readAttributes(bytes)) {
    if (type === 1) key = Buffer.from(firstAttribute(value) ?? key);
    else if (type === 5 && value.length === 8) leftMs = Number(value.readBigUInt64BE());
    else if (type === 7) packets ??= readCounter(value);
    else if (type === 11) packets ??= readCounter(firstAttribute(value) ?? Buffer.alloc(0));
  }
  return { key, leftMs, packets };
}

function firstAttribute(bytes: Buffer): Buffer | null {
  for (const [, value] of readAttributes(bytes)) return value;
  return null;
}

function readCounter(expression: Buffer): number | null {
  for (const [type, data] of readAttributes(expression)) {
    if (type !== 2) continue;
    for (const [inner, value] of readAttributes(data)) {
      if (inner === 2 && value.length === 8) return Number(value.readBigUInt64BE());
    }
  }
  return null;
}

/** Bytes and family of an address. @throws SallyportError kernel */
export function addressKey(address: string): { readonly bytes: Uint8Array; readonly family: Family } {
  const bytes = parseAddress(address);
  if (bytes === null) throw new SallyportError('kernel', `${address} is no address`);
  return { bytes, family: bytes.length === 4 ? 4 : 6 };
}

/** Key of `runner . address . protocol . port`; every part is padded to four bytes. */
export function tupleKey(
  source: Uint8Array,
  destination: Uint8Array,
  protocol: number,
  port: number,
): Buffer {
  const key = Buffer.alloc(source.length + destination.length + 8);
  key.set(source, 0);
  key.set(destination, source.length);
  key.writeUInt8(protocol, source.length + destination.length);
  key.writeUInt16BE(port, source.length + destination.length + 4);
  return key;
}

export interface ReadTuple {
  readonly source: string;
  readonly destination: string;
  readonly protocolNumber: number;
  readonly port: number | null;
}

/** Reads a key of `source . destination . protocol [. port]` of a family. */
export function readTuple(key: Buffer, family: Family): ReadTuple {
  const size = family === 4 ? 4 : 16;
  return {
    source: formatAddress(key.subarray(0, size)),
    destination: formatAddress(key.subarray(size, 2 * size)),
    protocolNumber: key[2 * size] ?? 0,
    port: key.length >= 2 * size + 6 ? key.readUInt16BE(2 * size + 4) : null,
  };
}
