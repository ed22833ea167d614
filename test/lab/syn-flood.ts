// Half-open connections as bytes: SYN segments from many ports of one runner, which never answers what comes back.

import { createHash } from 'node:crypto';
import { closeSocket, openSocket, sendPacket, socketFamily, socketType } from '../../netns/libc.ts';
import { inNamespace, socketAddress } from '../../netns/socket.ts';
import { parseAddress } from '../../flow/address.ts';

interface SynFlood {
  readonly source: string;
  readonly first: number;
  readonly count: number;
  readonly address: string;
  readonly port: number;
}

/** Sends one SYN (RFC 9293 3.5) from each of `count` ports, from `first` on, of the IPv4 address `source`. */
export function sendSyns(namespace: string, { source, first, count, address, port }: SynFlood): void {
  const fd = inNamespace(namespace, () => openSocket(socketFamily.ipv4, socketType.raw, 6));
  const aim = socketAddress(address, 0);
  for (let at = 0; at < count; at++) sendPacket(fd, segment(source, address, first + at, port), aim);
  closeSocket(fd);
}

function segment(source: string, address: string, from: number, to: number): Buffer {
  const tcp = Buffer.alloc(20);
  tcp.writeUInt16BE(from, 0);
  tcp.writeUInt16BE(to, 2);
  createHash('sha256').update(`${from}`).digest().copy(tcp, 4, 0, 4);
  tcp[12] = 0x50;
  tcp[13] = 2;
  tcp.writeUInt16BE(64_240, 14);
  tcp.writeUInt16BE(checksum(source, address, tcp), 16);
  return tcp;
}

/** The checksum over pseudo header and segment (RFC 9293 3.1). */
function checksum(source: string, address: string, tcp: Buffer): number {
  const bytes = Buffer.concat([
    parseAddress(source)!,
    parseAddress(address)!,
    Buffer.of(0, 6, 0, tcp.length),
    tcp,
  ]);
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  sum = (sum & 0xffff) + (sum >>> 16);
  return ~(sum + (sum >>> 16)) & 0xffff;
}
