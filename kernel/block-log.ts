// The block log: what the kernel let pass on paper only, blocked or allowed by address, one event per key and
// window over NFLOG. The keeper opens it, an unprivileged process that inherits the descriptor reads it.

import { formatAddress } from '../flow/address.ts';
import { SallyportError } from '../flow/errors.ts';
import { watchFd, type FdWatch } from './fd-watch.ts';
import { closeFd, interfaceName, receiveBytes } from './libc.ts';
import { attribute, bigEndian32, openNetfilter, readAttributes, readMessages, transact } from './netlink.ts';

const [packetMessage, configMessage] = [4 << 8, (4 << 8) | 1];
const copyBytes = 192;
const [tcp, udp] = [6, 17];

export interface BlockEvent {
  /** Verdict and reason code, as in `block quic`. */
  readonly prefix: string;
  readonly runner: string;
  readonly destination: string;
  readonly protocolNumber: number;
  /** Destination port of TCP and UDP, else null. */
  readonly port: number | null;
  /** Name of the interface that the packet came from, or null. */
  readonly interface: string | null;
  /** Events that the kernel could not deliver before this one. */
  readonly lost: number;
}

/** Opens the log of a group: needs NET_ADMIN, once. @throws SallyportError kernel or missing-privilege */
export function openBlockLog(group: number): number {
  const fd = openNetfilter([], 16 * 1024 * 1024);
  const copyMode = Buffer.alloc(6);
  copyMode.writeUInt32BE(copyBytes);
  copyMode.writeUInt8(2, 4);
  const steps = [
    attribute(1, Uint8Array.of(1)), // bind the group
    Buffer.concat([
      attribute(2, copyMode),
      attribute(4, bigEndian32(5)), // wait at most 50 ms to fill a message
      attribute(5, bigEndian32(16)),
      attribute(6, Uint8Array.of(0, 1)), // sequence numbers
    ]),
  ];
  for (const body of steps) {
    const failure = transact(fd, { type: configMessage, flags: 0, family: 0, resource: group, body });
    if (failure === null) continue;
    closeFd(fd);
    const hint = failure === 'EBUSY' ? '; another program listens to it' : '';
    throw new SallyportError('kernel', `NFLOG group ${group}: ${failure}${hint}`);
  }
  return fd;
}

/** Reads events until closed, also in a process without any right. Malformed packets are passed over. */
export function readBlockLog(
  fd: number,
  onEvent: (event: BlockEvent) => void,
  onError: (error: unknown) => void = () => {},
): FdWatch {
  const reader = new BlockLogReader(onEvent);
  const bytes = Buffer.alloc(256 * 1024);
  return watchFd(
    fd,
    () => {
      for (;;) {
        const length = receiveBytes(fd, bytes);
        if (length === null) return;
        // ENOBUFS: the sequence of the next event tells how many were lost.
        if (length === 'ENOBUFS') continue;
        if (typeof length === 'string') throw new SallyportError('kernel', `block log: ${length}`);
        reader.read(bytes.subarray(0, length));
      }
    },
    onError,
  );
}

/** Turns NFLOG messages into events; keeps the sequence and the names of interfaces. Never throws. */
export class BlockLogReader {
  readonly #onEvent: (event: BlockEvent) => void;
  readonly #names = new Map<number, string | null>();
  #lastSequence: number | null = null;

  constructor(onEvent: (event: BlockEvent) => void) {
    this.#onEvent = onEvent;
  }

  /** One read's worth of messages. */
  read(bytes: Buffer): void {
    for (const message of readMessages(bytes)) if (message.type === packetMessage) this.#packet(message.body);
  }

  #packet(body: Buffer): void {
    let prefix = '';
    let packet: PacketHead | null = null;
    let inputInterface: string | null = null;
    let lost = 0;
    for (const [type, value] of readAttributes(body, 4)) {
      if (type === 9) packet = readPacketHead(value);
      else if (type === 10) prefix = readPrefix(value);
      else if (type === 4 && value.length === 4) inputInterface = this.#name(value.readUInt32BE());
      else if (type === 12 && value.length === 4) lost = this.#missed(value.readUInt32BE());
    }
    if (packet !== null) this.#onEvent({ prefix, ...packet, interface: inputInterface, lost });
  }

  #missed(sequence: number): number {
    const expected = this.#lastSequence === null ? sequence : (this.#lastSequence + 1) >>> 0;
    this.#lastSequence = sequence;
    return (sequence - expected) >>> 0;
  }

  #name(index: number): string | null {
    const known = this.#names.get(index);
    if (known !== undefined) return known;
    if (this.#names.size > 256) this.#names.clear();
    const name = interfaceName(index);
    this.#names.set(index, name);
    return name;
  }
}

type PacketHead = Pick<BlockEvent, 'runner' | 'destination' | 'protocolNumber' | 'port'>;

function readPrefix(value: Buffer): string {
  const end = value.indexOf(0);
  const text = value.toString('latin1', 0, Math.min(end < 0 ? value.length : end, 64));
  return /^[ -~]*$/.test(text) ? text : '';
}

/** Addresses, protocol and destination port of an IPv4 or IPv6 packet (RFC 791, RFC 8200); null when cut short. */
export function readPacketHead(bytes: Buffer): PacketHead | null {
  const version = (bytes[0] ?? 0) >> 4;
  if (version === 4 && bytes.length >= 20) {
    const at = (bytes[0]! & 15) * 4;
    if (at < 20) return null;
    // Only the first fragment holds ports.
    const isFirst = (bytes.readUInt16BE(6) & 0x1fff) === 0;
    return head(bytes, 12, 4, bytes[9]!, isFirst ? at : bytes.length);
  }
  if (version === 6 && bytes.length >= 40) {
    const { protocol, at } = skipExtensions(bytes);
    return head(bytes, 8, 16, protocol, at);
  }
  return null;
}

function head(
  bytes: Buffer,
  addresses: number,
  size: number,
  protocolNumber: number,
  at: number,
): PacketHead {
  const hasPort = (protocolNumber === tcp || protocolNumber === udp) && at + 4 <= bytes.length;
  return {
    runner: formatAddress(bytes.subarray(addresses, addresses + size)),
    destination: formatAddress(bytes.subarray(addresses + size, addresses + 2 * size)),
    protocolNumber,
    port: hasPort ? bytes.readUInt16BE(at + 2) : null,
  };
}

const maxExtensions = 8;
const [hopByHop, routing, fragment, destinationOptions] = [0, 43, 44, 60];

function skipExtensions(bytes: Buffer): { protocol: number; at: number } {
  let protocol = bytes[6]!;
  let at = 40;
  for (let i = 0; i < maxExtensions && at + 8 <= bytes.length; i++) {
    const sizeBytes =
      protocol === fragment
        ? 8
        : protocol === hopByHop || protocol === routing || protocol === destinationOptions
          ? (bytes[at + 1]! + 1) * 8
          : 0;
    if (sizeBytes === 0) break;
    if (protocol === fragment && (bytes.readUInt16BE(at + 2) & 0xfff8) !== 0) {
      return { protocol: bytes[at]!, at: bytes.length };
    }
    protocol = bytes[at]!;
    at += sizeBytes;
  }
  return { protocol, at };
}
