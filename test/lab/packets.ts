// Packets that a test sends from a runner by itself, at once and without a program: sockets of the test's own process
// that live in the runner's namespace.

import { createSocket } from 'node:dgram';
import {
  bindSocket,
  closeSocket,
  openSocket,
  sendPacket,
  socketFamily,
  socketType,
} from '../../netns/libc.ts';
import { bindUdp, dialTcp, inNamespace, socketAddress } from '../../netns/socket.ts';

const isV6 = (address: string): boolean => address.includes(':');

/** Sends one datagram; that the kernel refuses it is no error. */
export function sendUdp(
  namespace: string,
  address: string,
  port: number,
  payload: string,
  source?: string,
): void {
  send(namespace, { address, port, source }, socketType.datagram, 0, Buffer.from(payload));
}

/** Sends one echo request (RFC 792, RFC 4443 4.1). */
export function sendPing(namespace: string, address: string, source?: string): void {
  const isSix = isV6(address);
  // Identifier and sequence are zero, so that the type alone makes the checksum; the kernel fills in that of ICMPv6.
  const bytes = Buffer.from([isSix ? 128 : 8, 0, 0xf7, 0xff, 0, 0, 0, 0]);
  send(namespace, { address, port: 0, source }, socketType.raw, isSix ? 58 : 1, bytes);
}

interface Aim {
  readonly address: string;
  readonly port: number;
  readonly source: string | undefined;
}

function send(namespace: string, aim: Aim, type: number, protocol: number, bytes: Uint8Array): void {
  const family = isV6(aim.address) ? socketFamily.ipv6 : socketFamily.ipv4;
  const fd = inNamespace(namespace, () => openSocket(family, type, protocol));
  if (aim.source !== undefined) bindSocket(fd, socketAddress(aim.source, 0));
  sendPacket(fd, bytes, socketAddress(aim.address, aim.port));
  closeSocket(fd);
}

/** Begins a connection, says something that is no known protocol, and gives it up after `limitMs`. */
export async function knock(
  namespace: string,
  address: string,
  port: number,
  source?: string,
  limitMs = 400,
): Promise<void> {
  const socket = dialTcp(namespace, address, port, source);
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  const timer = setTimeout(() => socket.destroy(), limitMs);
  // Neither TLS nor HTTP.
  socket.write('\0knock');
  await closed;
  clearTimeout(timer);
}

/** What a name server said, as far as tests look at it. */
export interface NameAnswer {
  readonly rcode: number;
  readonly answers: number;
}

/** Asks one question over UDP (RFC 1035 4.1); null when nothing came back in time. `onAnswer` runs at once. */
export function askName(
  namespace: string,
  server: string,
  name: string,
  type: 'A' | 'AAAA',
  onAnswer: () => void = () => {},
  source = isV6(server) ? '::' : '0.0.0.0',
): Promise<NameAnswer | null> {
  const socket = createSocket(isV6(server) ? 'udp6' : 'udp4');
  const { promise, resolve } = Promise.withResolvers<NameAnswer | null>();
  const end = (answer: NameAnswer | null): void => {
    clearTimeout(timer);
    socket.close();
    resolve(answer);
  };
  const timer = setTimeout(() => end(null), 4000);
  socket.on('message', (bytes) => {
    onAnswer();
    end({ rcode: bytes[3]! & 15, answers: bytes.readUInt16BE(6) });
  });
  socket.bind({ fd: bindUdp(namespace, source, 0) }, () => socket.send(question(name, type), 53, server));
  return promise;
}

function question(name: string, type: 'A' | 'AAAA'): Buffer {
  const labels = name.split('.').flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)]);
  const header = Buffer.from([0x5a, 0x11, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([header, ...labels, Buffer.from([0, 0, type === 'A' ? 1 : 28, 0, 1])]);
}
