// Packets for the tests of the rule set: drawn at random over what the rules tell apart, and built as bytes.

import { parseAddress } from '../../flow/address.ts';
import type { Packet } from './evaluate.ts';

const sources = {
  4: ['10.77.0.2', '10.77.0.2', '10.77.0.3', '10.77.0.3', '10.77.9.9', '192.168.9.9', '203.0.113.99'],
  6: ['fd77::2', 'fd77::2', 'fd77::2', 'fd77::3', 'fd99::9', 'fe80::2'],
} as const;
const destinations = {
  4: [
    '203.0.113.10',
    '203.0.113.11',
    '203.0.113.12',
    '203.0.113.66',
    '198.51.100.53',
    '169.254.169.254',
    '168.63.129.16',
    '10.77.0.1',
    '192.168.1.1',
    '224.0.0.251',
  ],
  6: ['2001:db8::10', '2001:db8::66', 'fd00:ec2::254', 'fd77::1', 'fe80::1', 'ff02::fb', '64:ff9b::a00:1'],
} as const;
const own = new Set<string>(['10.77.0.1', 'fd77::1', 'fe80::1']);
const ports = [
  22, 53, 80, 123, 443, 784, 853, 2200, 2205, 2211, 5000, 8443, 8853, 9440, 9441, 10001, 10002, 4444,
];
const protocols = {
  4: [6, 6, 6, 17, 17, 1, 2, 4, 47, 50, 132, 33],
  6: [6, 6, 6, 17, 17, 58, 41, 47, 50, 132],
} as const;

/** `count` packets, the same for the same seed (a linear congruential generator). */
export function drawPackets(count: number, seed: number): Packet[] {
  let state = seed;
  const draw = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const pick = <T>(list: readonly T[]): T => list[draw(list.length)]!;
  return Array.from({ length: count }, () => {
    const family = draw(2) === 0 ? 4 : 6;
    const protocolNumber = pick<number>(protocols[family]);
    const hasPort = protocolNumber === 6 || protocolNumber === 17;
    const source = pick<string>(sources[family]);
    const destination = pick<string>(destinations[family]);
    return {
      family,
      source,
      destination,
      protocolNumber,
      port: hasPort ? pick(ports) : -1,
      icmpType:
        protocolNumber === 1
          ? pick([8, 13])
          : protocolNumber === 58
            ? pick([128, 133, 134, 135, 136, 137, 143])
            : -1,
      inputInterface: draw(20) === 0 ? 'ext0' : 'int0',
      outputInterface: draw(10) === 0 ? 'int0' : 'ext0',
      state: draw(4) === 0 ? pick(['ongoing', 'invalid'] as const) : 'new',
      isLocal: own.has(destination),
      isUnrouted: source === '192.168.9.9' || source === 'fd99::9' || source === '203.0.113.99',
      isQuarantined: draw(20) === 0,
      isBound: draw(10) === 0,
    };
  });
}

/** The packet as bytes of IP with right checksums: a SYN, a datagram, an echo or eight bytes of anything else. */
export function packetBytes(packet: Packet, sourcePort: number): Buffer {
  const [source, destination] = [parseAddress(packet.source)!, parseAddress(packet.destination)!];
  const payload = payloadBytes(packet, sourcePort);
  const pseudo = Buffer.alloc(packet.family === 4 ? 12 : 40);
  pseudo.set(source, 0);
  pseudo.set(destination, source.length);
  if (packet.family === 4) {
    pseudo[9] = packet.protocolNumber;
    pseudo.writeUInt16BE(payload.length, 10);
  } else {
    pseudo.writeUInt32BE(payload.length, 32);
    pseudo[39] = packet.protocolNumber;
  }
  const at = { 6: 16, 17: 6, 1: 2, 58: 2 }[packet.protocolNumber];
  if (at !== undefined) {
    const over = packet.protocolNumber === 1 ? payload : Buffer.concat([pseudo, payload]);
    payload.writeUInt16BE(checksum(over), at);
  }
  return Buffer.concat([header(packet, source, destination, payload.length), payload]);
}

function payloadBytes(packet: Packet, sourcePort: number): Buffer {
  if (packet.protocolNumber === 6) {
    const tcp = Buffer.alloc(20);
    tcp.writeUInt16BE(sourcePort, 0);
    tcp.writeUInt16BE(packet.port, 2);
    tcp.writeUInt32BE(1, 4);
    tcp[12] = 0x50;
    tcp[13] = 2;
    tcp.writeUInt16BE(1024, 14);
    return tcp;
  }
  if (packet.protocolNumber === 17) {
    const udp = Buffer.alloc(12);
    udp.writeUInt16BE(sourcePort, 0);
    udp.writeUInt16BE(packet.port, 2);
    udp.writeUInt16BE(12, 4);
    return udp;
  }
  const other = Buffer.alloc(24);
  if (packet.icmpType >= 0) other[0] = packet.icmpType;
  other.writeUInt16BE(sourcePort, 4);
  return other;
}

function header(packet: Packet, source: Uint8Array, destination: Uint8Array, length: number): Buffer {
  if (packet.family === 6) {
    const head = Buffer.alloc(40);
    head[0] = 0x60;
    head.writeUInt16BE(length, 4);
    head[6] = packet.protocolNumber;
    head[7] = 64;
    head.set(source, 8);
    head.set(destination, 24);
    return head;
  }
  const head = Buffer.alloc(20);
  head[0] = 0x45;
  head.writeUInt16BE(20 + length, 2);
  head[8] = 64;
  head[9] = packet.protocolNumber;
  head.set(source, 12);
  head.set(destination, 16);
  head.writeUInt16BE(checksum(head), 10);
  return head;
}

function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i]! << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
