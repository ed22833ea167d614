// The few calls of the C library that namespaces, raw probes and the capture need, typed for our callers.
// Errors become SallyportError with the call's name and errno; nothing here knows what a namespace is for.

import koffi from 'koffi';
import { getSystemErrorName } from 'node:util';
import { SallyportError } from '../flow/errors.ts';

const library = koffi.load(null);
// koffi types every foreign function as `any`: the prototypes beside them are the contract.
const call = {
  setns: library.func('int setns(int, int)') as (fd: number, kind: number) => number,
  socket: library.func('int socket(int, int, int)') as (
    family: number,
    type: number,
    protocol: number,
  ) => number,
  bind: library.func('int bind(int, void *, uint32_t)') as Addressed,
  connect: library.func('int connect(int, void *, uint32_t)') as Addressed,
  listen: library.func('int listen(int, int)') as (fd: number, backlog: number) => number,
  close: library.func('int close(int)') as (fd: number) => number,
  setsockopt: library.func('int setsockopt(int, int, int, void *, uint32_t)') as (
    fd: number,
    level: number,
    option: number,
    value: Uint8Array,
    length: number,
  ) => number,
  sendto: library.func('intptr_t sendto(int, void *, size_t, int, void *, uint32_t)') as (
    fd: number,
    bytes: Uint8Array,
    length: number,
    flags: number,
    address: Uint8Array,
    addressLength: number,
  ) => number,
  recvfrom: library.func(
    'intptr_t recvfrom(int, _Out_ void *, size_t, int, _Out_ void *, _Inout_ uint32_t *)',
  ) as (
    fd: number,
    bytes: Uint8Array,
    length: number,
    flags: number,
    address: Uint8Array,
    addressLength: Uint32Array,
  ) => number,
};
type Addressed = (fd: number, address: Uint8Array, length: number) => number;

const cloexecNonblock = 0o2000000 | 0o4000;
export const socketFamily = { ipv4: 2, ipv6: 10, packet: 17 } as const;
export const socketType = { stream: 1, datagram: 2, raw: 3 } as const;
const dontWait = 0x40;
const connectionInProgress = 115;

/** Errno of the last failed call, by its name (`EPERM`). */
export function lastErrorName(): string {
  return getSystemErrorName(-koffi.errno());
}

function checked(result: number, name: string): number {
  if (result >= 0) return result;
  const code = lastErrorName();
  const isRight = code === 'EPERM' || code === 'EACCES';
  throw new SallyportError(isRight ? 'missing-privilege' : 'kernel', `${name} failed with ${code}`);
}

/** Moves the calling thread into the network namespace behind `fd`. @throws SallyportError */
export function setNetworkNamespace(fd: number): void {
  checked(call.setns(fd, 0x4000_0000), 'setns');
}

/** A close-on-exec, non-blocking socket. @throws SallyportError */
export function openSocket(family: number, type: number, protocol = 0): number {
  return checked(call.socket(family, type | cloexecNonblock, protocol), 'socket');
}

export function closeSocket(fd: number): void {
  call.close(fd);
}

/** @throws SallyportError */
export function bindSocket(fd: number, address: Uint8Array): void {
  checked(call.bind(fd, address, address.length), 'bind');
}

/** @throws SallyportError */
export function listenSocket(fd: number): void {
  checked(call.listen(fd, 4096), 'listen');
}

/** Begins to connect; a connection in progress is no error. @throws SallyportError */
export function connectSocket(fd: number, address: Uint8Array): void {
  // libuv, which names errors for Node, has no name for this one.
  if (call.connect(fd, address, address.length) === 0 || koffi.errno() === connectionInProgress) return;
  checked(-1, 'connect');
}

/** Sets an integer option. @throws SallyportError */
export function setOption(fd: number, level: number, option: number, value: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  checked(call.setsockopt(fd, level, option, bytes, 4), `setsockopt ${level}/${option}`);
}

/** Sends one packet; null on success, else the name of the errno (a blocked packet is no exception). */
export function sendPacket(fd: number, bytes: Uint8Array, address: Uint8Array): string | null {
  return call.sendto(fd, bytes, bytes.length, dontWait, address, address.length) < 0 ? lastErrorName() : null;
}

/** Reads one packet into `bytes` and its sender into `address`; null when none waits. @throws SallyportError */
export function receivePacket(fd: number, bytes: Uint8Array, address: Uint8Array): number | null {
  const length = call.recvfrom(fd, bytes, bytes.length, dontWait, address, Uint32Array.of(address.length));
  if (length >= 0) return length;
  if (lastErrorName() === 'EAGAIN' || lastErrorName() === 'ENETDOWN') return null;
  return checked(-1, 'recvfrom');
}
