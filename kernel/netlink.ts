// Netlink as bytes: messages, attributes, acknowledgements and dumps over sockets of libc.ts. Used for nf_tables,
// ctnetlink and the block log; which message means what is their business (RFC 3549 gives the framing).

import { SallyportError } from '../flow/errors.ts';
import { getSystemErrorName } from 'node:util';
import { bindSocket, closeFd, openSocket, receiveBytes, sendBytes, setOption, trySetOption } from './libc.ts';

const familyNetlink = 16;
const raw = 3;
/** NETLINK_NETFILTER, the only protocol that we speak. */
export const netfilterProtocol = 12;
export const flags = { request: 1, ack: 4, dump: 0x300, create: 0x400, append: 0x800 } as const;
const [typeError, typeDone] = [2, 3];
const dumpInterrupted = 0x10;
const [forceSendBuffer, forceReceiveBuffer, receiveBuffer] = [32, 33, 8];

/** Opens a netfilter netlink socket, subscribed to the given multicast groups. @throws SallyportError */
export function openNetfilter(groups: readonly number[] = [], receiveBufferBytes = 4 * 1024 * 1024): number {
  const fd = openSocket(familyNetlink, raw, netfilterProtocol);
  try {
    const address = Buffer.alloc(12);
    address.writeUInt16LE(familyNetlink, 0);
    bindSocket(fd, address, 'a netlink port');
    growBuffers(fd, receiveBufferBytes);
    for (const group of groups) setOption(fd, 270, 1, group);
    return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

/** Raises both buffers beyond the system's limits where the process may. */
export function growBuffers(fd: number, sizeBytes: number): void {
  trySetOption(fd, 1, forceSendBuffer, sizeBytes);
  if (!trySetOption(fd, 1, forceReceiveBuffer, sizeBytes)) trySetOption(fd, 1, receiveBuffer, sizeBytes);
}

/** An attribute with its padding. */
export function attribute(type: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc((payload.length + 7) & ~3);
  bytes.writeUInt16LE(payload.length + 4, 0);
  bytes.writeUInt16LE(type, 2);
  bytes.set(payload, 4);
  return bytes;
}

/** An attribute that holds others (NLA_F_NESTED). */
export function nested(type: number, ...inner: readonly Uint8Array[]): Buffer {
  return attribute(type | 0x8000, Buffer.concat(inner));
}

/** Payload of a string attribute. */
export function stringBytes(text: string): Buffer {
  return Buffer.from(`${text}\0`, 'latin1');
}

/** Payload of a big-endian 32-bit attribute. */
export function bigEndian32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** Payload of a big-endian 64-bit attribute. */
export function bigEndian64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(Math.trunc(value)));
  return bytes;
}

export interface Request {
  /** Subsystem << 8 | message of nfnetlink. */
  readonly type: number;
  readonly flags: number;
  /** Address family of the nfgenmsg header. */
  readonly family: number;
  /** Resource id of the nfgenmsg header. */
  readonly resource?: number;
  readonly body?: Uint8Array;
}

/** One nfnetlink message with its sequence number. */
export function encodeRequest(request: Request, sequence: number): Buffer {
  const body = request.body ?? new Uint8Array(0);
  const bytes = Buffer.alloc(20 + body.length);
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt16LE(request.type, 4);
  bytes.writeUInt16LE(request.flags | flags.request, 6);
  bytes.writeUInt32LE(sequence, 8);
  bytes.writeUInt8(request.family, 16);
  bytes.writeUInt16BE(request.resource ?? 0, 18);
  bytes.set(body, 20);
  return bytes;
}

export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** Behind the 16-byte netlink header: nfgenmsg and attributes, or an errno. */
  readonly body: Buffer;
}

/** Splits what one read gave; stops at the first malformed header. */
export function* readMessages(bytes: Buffer): Generator<Message> {
  for (let at = 0; at + 16 <= bytes.length;) {
    const length = bytes.readUInt32LE(at);
    if (length < 16 || at + length > bytes.length) return;
    yield {
      type: bytes.readUInt16LE(at + 4),
      flags: bytes.readUInt16LE(at + 6),
      sequence: bytes.readUInt32LE(at + 8),
      body: bytes.subarray(at + 16, at + length),
    };
    at += (length + 3) & ~3;
  }
}

/** Walks attributes from `start`; stops at the first malformed one. Types come without their flag bits. */
export function* readAttributes(bytes: Buffer, start = 0): Generator<readonly [type: number, value: Buffer]> {
  for (let at = start; at + 4 <= bytes.length;) {
    const length = bytes.readUInt16LE(at);
    if (length < 4 || at + length > bytes.length) return;
    yield [bytes.readUInt16LE(at + 2) & 0x3fff, bytes.subarray(at + 4, at + length)];
    at += (length + 3) & ~3;
  }
}

const inbox = Buffer.alloc(256 * 1024);
let lastSequence = Math.trunc(Date.now() / 1000) & 0xff_ffff;

/** The next sequence number of this process. */
export function nextSequence(): number {
  lastSequence = (lastSequence + 1) >>> 0;
  return lastSequence;
}

/** Reads all that waits on the socket. Netfilter acts inside send, so what it has to say is there when send returns. */
export function drain(fd: number, onMessage: (message: Message) => void): void {
  for (;;) {
    const length = receiveBytes(fd, inbox);
    if (length === null) return;
    if (typeof length === 'string') {
      // The buffer overflowed: answers are missing, those that follow still count.
      if (length === 'ENOBUFS') continue;
      throw new SallyportError('kernel', `netlink read failed with ${length}`);
    }
    for (const message of readMessages(inbox.subarray(0, length))) onMessage(message);
  }
}

/** Errno name of an error message, or null when it is an acknowledgement. */
export function errorName(message: Message): string | null {
  const errno = message.body.length >= 4 ? message.body.readInt32LE(0) : -22;
  return errno === 0 ? null : getSystemErrorName(errno);
}

/** Sends one request and waits for its acknowledgement; the errno's name, or null when it was done. */
export function transact(fd: number, request: Request): string | null {
  const sequence = nextSequence();
  sendBytes(fd, encodeRequest({ ...request, flags: request.flags | flags.ack }, sequence), 'netlink send');
  let outcome: string | null | undefined;
  drain(fd, (message) => {
    if (message.type === typeError && message.sequence === sequence) outcome = errorName(message);
  });
  return outcome === undefined ? 'EIO' : outcome;
}

const maxDumpTries = 5;

/** Dumps what the request names: the bodies of all answers. @throws SallyportError kernel */
export function dump(fd: number, request: Request): Buffer[] {
  for (let attempt = 0; attempt < maxDumpTries; attempt++) {
    const answers = dumpOnce(fd, request);
    if (answers !== null) return answers;
  }
  throw new SallyportError('kernel', `the kernel’s tables changed during ${maxDumpTries} dumps`);
}

function dumpOnce(fd: number, request: Request): Buffer[] | null {
  const sequence = nextSequence();
  sendBytes(fd, encodeRequest({ ...request, flags: request.flags | flags.dump }, sequence), 'netlink dump');
  const answers: Buffer[] = [];
  let isInterrupted = false;
  let failure: string | null = null;
  drain(fd, (message) => {
    if (message.sequence !== sequence) return;
    if ((message.flags & dumpInterrupted) !== 0) isInterrupted = true;
    if (message.type === typeError) failure = errorName(message);
    else if (message.type !== typeDone) answers.push(Buffer.from(message.body));
  });
  if (failure !== null && failure !== 'ENOENT') {
    throw new SallyportError('kernel', `netlink dump failed with ${String(failure)}`);
  }
  return isInterrupted ? null : answers;
}

/** Sends one request that is answered by one message; its body, or null when the kernel knows no such thing. */
export function ask(fd: number, request: Request): Buffer | null {
  const sequence = nextSequence();
  sendBytes(fd, encodeRequest(request, sequence), 'netlink request');
  let answer: Buffer | null = null;
  drain(fd, (message) => {
    if (message.sequence === sequence && message.type !== typeError) answer = Buffer.from(message.body);
  });
  return answer;
}
