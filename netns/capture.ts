// A small sniffer: keeps what arrives in a namespace, parsed as far as a test or doctor needs to tell what got
// through. It reads whatever hostile bytes arrive: bounded, and a packet that makes no sense is kept as such.

import { closeSocket, openSocket, receivePacket, setOption, socketFamily, socketType } from './libc.ts';
import { formatAddress } from '../flow/address.ts';
import { inNamespace } from './socket.ts';

/** One packet; ports are null where its protocol or a fragment has none. */
export interface CapturedPacket {
  readonly timeMs: number;
  readonly family: 4 | 6;
  readonly source: string;
  readonly destination: string;
  /** IP protocol number after the extension headers that are understood. */
  readonly protocol: number;
  readonly sourcePort: number | null;
  readonly destinationPort: number | null;
  /** TCP flags, or null. */
  readonly flags: number | null;
  readonly isFragment: boolean;
  /** At most the first 256 bytes after the transport header (or after the IP header). */
  readonly payload: Buffer;
}

const everyProtocol = 0x0300; // ETH_P_ALL in network byte order
const outgoing = 4; // PACKET_OUTGOING, packet(7)
const keptPackets = 100_000;

/** Listens on every interface of a namespace from the moment it is made until `close`. */
export class Capture {
  readonly #fd: number;
  readonly #timer: NodeJS.Timeout;
  readonly #packets: CapturedPacket[] = [];
  readonly #frame = Buffer.alloc(2048);
  readonly #sender = Buffer.alloc(20);
  /** Packets that came in, also beyond those that are kept. */
  seen = 0;

  /** @throws SallyportError */
  constructor(namespace: string | null) {
    this.#fd = inNamespace(namespace, () => openSocket(socketFamily.packet, socketType.raw, everyProtocol));
    setOption(this.#fd, 1, 33, 16 * 1024 * 1024); // SO_RCVBUFFORCE
    this.#timer = setInterval(() => this.#drain(), 20).unref();
  }

  /** What arrived so far, in order. */
  packets(): readonly CapturedPacket[] {
    this.#drain();
    return this.#packets;
  }

  /** Forgets what arrived so far. */
  clear(): void {
    this.#drain();
    this.#packets.length = 0;
  }

  close(): void {
    clearInterval(this.#timer);
    closeSocket(this.#fd);
  }

  #drain(): void {
    for (;;) {
      const length = receivePacket(this.#fd, this.#frame, this.#sender);
      if (length === null) return;
      if (this.#sender[10] === outgoing) continue;
      this.seen++;
      const packet = parsePacket(this.#frame.subarray(14, Math.min(length, this.#frame.length)));
      if (packet !== null && this.#packets.length < keptPackets) this.#packets.push(packet);
    }
  }
}

/** Parses an IP packet; null when it is none (ARP, a stub). Never throws. */
export function parsePacket(bytes: Buffer): CapturedPacket | null {
  const version = (bytes[0] ?? 0) >> 4;
  if (version === 4) return parseV4(bytes);
  return version === 6 ? parseV6(bytes) : null;
}

function parseV4(bytes: Buffer): CapturedPacket | null {
  const headerBytes = (bytes[0]! & 15) * 4;
  if (headerBytes < 20 || bytes.length < headerBytes) return null;
  const end = Math.min(bytes.length, Math.max(headerBytes, bytes.readUInt16BE(2)));
  const fragment = bytes.readUInt16BE(6);
  return parseTransport(bytes.subarray(headerBytes, end), bytes[9]!, {
    family: 4,
    source: formatAddress(bytes.subarray(12, 16)),
    destination: formatAddress(bytes.subarray(16, 20)),
    isFragment: (fragment & 0x3fff) !== 0,
    hasTransport: (fragment & 0x1fff) === 0,
  });
}

function parseV6(bytes: Buffer): CapturedPacket | null {
  if (bytes.length < 40) return null;
  const end = Math.min(bytes.length, 40 + bytes.readUInt16BE(4));
  let [next, at, isFragment, hasTransport] = [bytes[6]!, 40, false, true];
  // Hop-by-hop, routing, fragment and destination options (RFC 8200 section 4), at most eight of them.
  for (let count = 0; count < 8 && [0, 43, 44, 60].includes(next) && at + 8 <= end; count++) {
    if (next === 44) {
      isFragment = true;
      hasTransport &&= (bytes.readUInt16BE(at + 2) & 0xfff8) === 0;
    }
    const length = next === 44 ? 8 : (bytes[at + 1]! + 1) * 8;
    next = bytes[at]!;
    at += length;
  }
  return parseTransport(bytes.subarray(Math.min(at, end), end), next, {
    family: 6,
    source: formatAddress(bytes.subarray(8, 24)),
    destination: formatAddress(bytes.subarray(24, 40)),
    isFragment,
    hasTransport,
  });
}

interface Network {
  readonly family: 4 | 6;
  readonly source: string;
  readonly destination: string;
  readonly isFragment: boolean;
  readonly hasTransport: boolean;
}

function parseTransport(bytes: Buffer, protocol: number, network: Network): CapturedPacket {
  const { hasTransport, ...address } = network;
  // TCP, UDP, DCCP, SCTP and UDP-Lite all begin with the two ports.
  const hasPorts = hasTransport && [6, 17, 33, 132, 136].includes(protocol) && bytes.length >= 4;
  const isTcp = protocol === 6 && hasPorts && bytes.length >= 20;
  const headerBytes = isTcp ? (bytes[12]! >> 4) * 4 : protocol === 17 && hasPorts ? 8 : 0;
  return {
    timeMs: Date.now(),
    ...address,
    protocol,
    sourcePort: hasPorts ? bytes.readUInt16BE(0) : null,
    destinationPort: hasPorts ? bytes.readUInt16BE(2) : null,
    flags: isTcp ? bytes[13]! : null,
    payload: Buffer.from(bytes.subarray(headerBytes, headerBytes + 256)),
  };
}
