// Opens the gateway's listening sockets so that other processes inherit them. Node's own listen() cannot do
// this: it binds in the process that serves, and a killed process would take its waiting connections along.

import { rmSync } from 'node:fs';
import { parseAddress } from '../flow/address.ts';
import { SallyportError } from '../flow/errors.ts';
import {
  bindSocket,
  closeFd,
  listenSocket,
  openSocket,
  readOption,
  readSocketName,
  setOption,
  trySetOption,
} from './libc.ts';

const unix = 1;
const ipv4 = 2;
const ipv6 = 10;
const [stream, datagram] = [1, 2];
const [levelSocket, levelIp, levelIpv6] = [1, 0, 41];
const [reuseAddress, reusePort, receiveBuffer, receiveBufferForce] = [2, 15, 8, 33];
const [v6Only, ipFreebind, v6Freebind] = [26, 15, 78];

export interface SocketOptions {
  /** Numeric address: `0.0.0.0`, `::`, or one of the machine's own. */
  readonly address: string;
  /** 0 lets the kernel choose; `socketPort` tells which. */
  readonly port: number;
  /** For `::`: false also takes IPv4, whose peers then look v4-mapped. Default true. */
  readonly v6Only?: boolean;
  /** Connections that may wait to be accepted (TCP). Default 4096, capped by net.core.somaxconn. */
  readonly backlog?: number;
  /** Receive buffer in bytes (UDP). Default 4 MiB. */
  readonly receiveBufferBytes?: number;
  /** Binds although the address is not (yet) on an interface, as an IPv6 one during duplicate detection. */
  readonly mayBeAbsent?: boolean;
  /** Others of the same user may bind the same port and take a share (SO_REUSEPORT). */
  readonly isShared?: boolean;
}

/** A listening TCP socket, close-on-exec and non-blocking. @throws SallyportError kernel or missing-privilege */
export function openTcpListener(options: SocketOptions): number {
  return bound(options, stream, (fd) => listenSocket(fd, options.backlog ?? 4096));
}

/** A bound UDP socket, close-on-exec and non-blocking. @throws SallyportError kernel or missing-privilege */
export function openUdpSocket(options: SocketOptions): number {
  return bound(options, datagram, (fd) => {
    const sizeBytes = options.receiveBufferBytes ?? 4 * 1024 * 1024;
    if (!trySetOption(fd, levelSocket, receiveBufferForce, sizeBytes)) {
      trySetOption(fd, levelSocket, receiveBuffer, sizeBytes);
    }
  });
}

/**
 * A listening Unix socket that only its owner may connect to; an older one of that name is replaced.
 * @throws SallyportError kernel, config-invalid when the path is too long
 */
export function openUnixListener(path: string): number {
  const bytes = Buffer.from(path, 'utf8');
  // sun_path holds 108 bytes with the closing zero (unix(7)).
  if (bytes.length > 107) {
    throw new SallyportError(
      'config-invalid',
      `${path} is too long for a socket; choose a shorter state directory`,
    );
  }
  const address = Buffer.alloc(3 + bytes.length);
  address.writeUInt16LE(unix, 0);
  address.set(bytes, 2);
  rmSync(path, { force: true });
  const fd = openSocket(unix, stream, 0);
  // The mode comes with the name: there is no moment in which others could connect.
  const mask = process.umask(0o177);
  try {
    bindSocket(fd, address, path);
    listenSocket(fd, 16);
    return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  } finally {
    process.umask(mask);
  }
}

/** Closes a socket for this process; others that inherited it keep theirs. */
export function closeSocket(fd: number): void {
  closeFd(fd);
}

/** The port that a socket is bound to. @throws SallyportError kernel */
export function socketPort(fd: number): number {
  const address = Buffer.alloc(28);
  if (!readSocketName(fd, address)) throw new SallyportError('kernel', `descriptor ${fd} has no address`);
  return address.readUInt16BE(2);
}

/** True when the descriptor is a socket of this family and protocol; used to find and to check inherited ones. */
export function isSocketOf(fd: number, family: number, protocol: number): boolean {
  const value = Buffer.alloc(4);
  if (!readOption(fd, levelSocket, 39, value) || value.readInt32LE() !== family) return false;
  return readOption(fd, levelSocket, 38, value) && value.readInt32LE() === protocol;
}

function bound(options: SocketOptions, type: number, prepare: (fd: number) => void): number {
  const bytes = parseAddress(options.address);
  if (bytes === null) throw new SallyportError('kernel', `${options.address} is no address to listen on`);
  const isV6 = bytes.length === 16;
  const fd = openSocket(isV6 ? ipv6 : ipv4, type, 0);
  try {
    // UDP would let a second process bind the same port and take a share of the queries.
    if (type === stream) setOption(fd, levelSocket, reuseAddress, 1);
    if (options.isShared === true) setOption(fd, levelSocket, reusePort, 1);
    if (isV6) setOption(fd, levelIpv6, v6Only, options.v6Only === false ? 0 : 1);
    if (options.mayBeAbsent === true) {
      setOption(fd, isV6 ? levelIpv6 : levelIp, isV6 ? v6Freebind : ipFreebind, 1);
    }
    bindSocket(fd, socketAddress(bytes, options.port), `${options.address} port ${options.port}`);
    prepare(fd);
    return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

function socketAddress(bytes: Uint8Array, port: number): Buffer {
  const isV6 = bytes.length === 16;
  const address = Buffer.alloc(isV6 ? 28 : 16);
  address.writeUInt16LE(isV6 ? ipv6 : ipv4, 0);
  address.writeUInt16BE(port, 2);
  address.set(bytes, isV6 ? 8 : 4);
  return address;
}
