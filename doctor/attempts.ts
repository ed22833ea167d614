// How a probe speaks: TCP, TLS, UDP and raw packets from the namespace of the process that calls.
// Every attempt is bounded by the time limit below, and its failure is an answer, not an exception.

import { createSocket } from 'node:dgram';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { parseAddress } from '../flow/address.ts';
import { closeSocket, openSocket, sendPacket, setOption, socketFamily, socketType } from '../netns/libc.ts';
import { socketAddress } from '../netns/socket.ts';

export const attemptLimitMs = 1500;

/** Connects, sends a text (if any) and answers what came back until the end or the time limit. */
export function tryTcp(host: string, port: number, text = ''): Promise<string> {
  const socket = connectTcp({ host, port });
  return converse(socket, 'connect', text);
}

/** The same over TLS; certificates are not looked at, since only what arrives counts. */
export function tryTls(host: string, port: number, serverName: string | null, text: string): Promise<string> {
  const name = serverName === null ? {} : { servername: serverName };
  const socket = connectTls({ host, port, rejectUnauthorized: false, ...name });
  return converse(socket, 'secureConnect', text);
}

function converse(socket: Socket, readyEvent: string, text: string): Promise<string> {
  return new Promise((resolve) => {
    let seen = '';
    const end = (why: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(`${seen.slice(0, 2000)}[${why}]`);
    };
    const timer = setTimeout(() => end('time limit'), attemptLimitMs);
    socket.once(readyEvent, () => text !== '' && socket.write(text));
    socket.on('data', (chunk) => (seen += chunk.toString('latin1')));
    socket.on('error', (error) => end(error.message));
    socket.on('close', () => end('closed'));
  });
}

/** Sends one datagram and answers what came back. */
export function tryUdp(host: string, port: number, bytes: Uint8Array): Promise<string> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  return new Promise((resolve) => {
    const end = (why: string): void => {
      clearTimeout(timer);
      socket.close();
      resolve(why);
    };
    const timer = setTimeout(() => end('[time limit]'), 500);
    socket.on('message', (answer) => end(`${answer.length} bytes came back`));
    socket.on('error', (error) => end(`[${error.message}]`));
    socket.connect(port, host, () => socket.send(bytes));
  });
}

/** An HTTP/1.1 request with this Host. */
export function requestText(host: string, path = '/', method = 'GET'): string {
  return `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
}

/** Fields of a hand-made IPv4 packet. */
export interface RawPacket {
  readonly destination: string;
  readonly protocol: number;
  readonly payload: Uint8Array;
  /** Default: the kernel fills in its own. */
  readonly source?: string;
  /** Flags and offset, as the header holds them (RFC 791): 0x2000 is "more fragments". */
  readonly fragment?: number;
  readonly identification?: number;
}

/** Sends IPv4 packets as they are. */
export async function sendRaw4(packets: readonly RawPacket[]): Promise<string> {
  const fd = openSocket(socketFamily.ipv4, socketType.raw, 255);
  try {
    return packets.map((packet) => sendOne(fd, packet)).join(', ');
  } finally {
    closeSocket(fd);
  }
}

function sendOne(fd: number, packet: RawPacket): string {
  const header = Buffer.alloc(20);
  header[0] = 0x45;
  header.writeUInt16BE(packet.identification ?? 0, 4);
  header.writeUInt16BE(packet.fragment ?? 0, 6);
  header[8] = 64;
  header[9] = packet.protocol;
  if (packet.source) header.set(parseAddress(packet.source) ?? [], 12);
  header.set(parseAddress(packet.destination) ?? [], 16);
  const bytes = Buffer.concat([header, packet.payload]);
  return sendPacket(fd, bytes, socketAddress(packet.destination, 0)) ?? 'sent';
}

/** Sends one IPv6 payload under this next-header number. */
export async function sendRaw6(destination: string, protocol: number, payload: Uint8Array): Promise<string> {
  const fd = openSocket(socketFamily.ipv6, socketType.raw, protocol);
  try {
    return sendPacket(fd, payload, socketAddress(destination, 0)) ?? 'sent';
  } finally {
    closeSocket(fd);
  }
}

/** Sends one IPv6 packet whose header is given too (IPV6_HDRINCL). */
export async function sendWhole6(destination: string, packet: Uint8Array): Promise<string> {
  const fd = openSocket(socketFamily.ipv6, socketType.raw, 255);
  try {
    setOption(fd, 41, 36, 1);
    return sendPacket(fd, packet, socketAddress(destination, 0)) ?? 'sent';
  } finally {
    closeSocket(fd);
  }
}

/** The Internet checksum (RFC 1071). */
export function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i]! << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** A UDP header and payload without checksum (allowed for IPv4, RFC 768). */
export function udpBytes(port: number, payload: string): Buffer {
  const bytes = Buffer.alloc(8 + payload.length);
  bytes.writeUInt16BE(40_000, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.writeUInt16BE(bytes.length, 4);
  bytes.write(payload, 8);
  return bytes;
}
