// Sockets that live in another network namespace while their owner stays where it is: a socket belongs to the
// namespace in which it was made, so the calling thread steps inside, makes it and steps back.

import { closeSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { parseAddress } from '../flow/address.ts';
import { SallyportError } from '../flow/errors.ts';
import {
  bindSocket,
  closeSocket,
  connectSocket,
  listenSocket,
  openSocket,
  setNetworkNamespace,
  setOption,
  socketFamily,
  socketType,
} from './libc.ts';

/** Path of a named network namespace. */
export function namespacePath(name: string): string {
  return `/run/netns/${name}`;
}

/** Runs a synchronous function with this thread inside the namespace (null: stay here). @throws SallyportError */
export function inNamespace<T>(name: string | null, run: () => T): T {
  if (name === null) return run();
  const own = openSync('/proc/thread-self/ns/net', 'r');
  try {
    const other = openSync(namespacePath(name), 'r');
    try {
      setNetworkNamespace(other);
    } finally {
      closeSync(other);
    }
    try {
      return run();
    } finally {
      setNetworkNamespace(own);
    }
  } finally {
    closeSync(own);
  }
}

/** sockaddr_in or sockaddr_in6 of a literal address. @throws SallyportError usage */
export function socketAddress(address: string, port: number): Uint8Array {
  const bytes = parseAddress(address);
  if (bytes === null) throw new SallyportError('usage', `${address} is not an address`);
  const isV4 = bytes.length === 4;
  const out = Buffer.alloc(isV4 ? 16 : 28);
  out.writeUInt16LE(isV4 ? socketFamily.ipv4 : socketFamily.ipv6, 0);
  out.writeUInt16BE(port, 2);
  out.set(bytes, isV4 ? 4 : 8);
  return out;
}

function familyOf(address: string): number {
  return address.includes(':') ? socketFamily.ipv6 : socketFamily.ipv4;
}

/** A listening TCP socket in the namespace, to be given to `server.listen({ fd })`. @throws SallyportError */
export function listenTcp(namespace: string | null, address: string, port: number): number {
  return openBound(namespace, address, port, socketType.stream);
}

/** A bound UDP socket in the namespace, to be given to `dgram.bind({ fd })`. @throws SallyportError */
export function bindUdp(namespace: string | null, address: string, port: number): number {
  return openBound(namespace, address, port, socketType.datagram);
}

function openBound(namespace: string | null, address: string, port: number, type: number): number {
  const fd = inNamespace(namespace, () => openSocket(familyOf(address), type));
  try {
    setOption(fd, 1, 2, 1);
    // IPV6_V6ONLY: the IPv4 socket of the same port is one of its own.
    if (address.includes(':')) setOption(fd, 41, 26, 1);
    bindSocket(fd, socketAddress(address, port));
    if (type === socketType.stream) listenSocket(fd);
    return fd;
  } catch (error) {
    closeSocket(fd);
    throw error;
  }
}

/**
 * A TCP connection that starts inside the namespace, from one of its addresses when `source` names it; a failure
 * arrives as the socket's error. @throws SallyportError
 */
export function dialTcp(namespace: string | null, address: string, port: number, source?: string): Socket {
  const fd = inNamespace(namespace, () => openSocket(familyOf(address), socketType.stream));
  try {
    if (source !== undefined) bindSocket(fd, socketAddress(source, 0));
    connectSocket(fd, socketAddress(address, port));
  } catch (error) {
    closeSocket(fd);
    throw error;
  }
  return new Socket({ fd, readable: true, writable: true });
}
