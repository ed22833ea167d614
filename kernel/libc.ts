// The calls of the C library that the kernel edge needs, bound once through koffi and typed here.
// Failures become SallyportError with the call's name and errno; what the calls are for is the callers' business.

import koffi, { type KoffiFunc } from 'koffi';
import { getSystemErrorName } from 'node:util';
import { SallyportError } from '../flow/errors.ts';

type OnBytes = (fd: number, bytes: Uint8Array, length: number) => number;
type OnBytesWithFlags = (fd: number, bytes: Uint8Array, length: number, flags: number) => number;
type OnOption = (fd: number, level: number, option: number, value: Uint8Array, length: number) => number;

const library = koffi.load(null);
// koffi types every foreign function as `any`: the C prototypes beside the types are the contract.
const call = {
  socket: library.func('int socket(int, int, int)') as (f: number, t: number, p: number) => number,
  bind: library.func('int bind(int, void *, uint32_t)') as OnBytes,
  listen: library.func('int listen(int, int)') as (fd: number, backlog: number) => number,
  close: library.func('int close(int)') as (fd: number) => number,
  setsockopt: library.func('int setsockopt(int, int, int, void *, uint32_t)') as OnOption,
  getsockopt: library.func('int getsockopt(int, int, int, void *, void *)') as (
    ...args: [fd: number, level: number, option: number, value: Uint8Array, length: Uint8Array]
  ) => number,
  getsockname: library.func('int getsockname(int, void *, void *)') as (
    ...args: [fd: number, address: Uint8Array, length: Uint8Array]
  ) => number,
  send: library.func('intptr_t send(int, void *, size_t, int)') as OnBytesWithFlags,
  recv: library.func('intptr_t recv(int, void *, size_t, int)') as OnBytesWithFlags,
  poll: library.func('int poll(void *, unsigned long, int)') as KoffiFunc<
    (fds: Uint8Array, count: number, timeoutMs: number) => number
  >,
  prctl: library.func('int prctl(int, uintptr_t, uintptr_t, uintptr_t, uintptr_t)') as (
    ...args: [option: number, a: number, b: number, c: number, d: number]
  ) => number,
  setrlimit: library.func('int setrlimit(int, void *)') as (which: number, limit: Uint8Array) => number,
  syscall: library.func('long syscall(long, uintptr_t, uintptr_t, void *)') as (
    ...args: [number: number, a: number, b: number, pointer: Uint8Array]
  ) => number,
  capset: library.func('int capset(void *, void *)') as (header: Uint8Array, data: Uint8Array) => number,
  if_nametoindex: library.func('uint32_t if_nametoindex(str)') as (name: string) => number,
  if_indextoname: library.func('void *if_indextoname(uint32_t, void *)') as (
    ...args: [index: number, name: Uint8Array]
  ) => unknown,
};

const cloexecNonblock = 0o2000000 | 0o4000;
const dontWait = 0x40;

/** Name of the errno of the last failed call on this thread, for example `EPERM`. */
export function lastErrorName(): string {
  return getSystemErrorName(-koffi.errno());
}

/** Passes a result that is not negative. @throws SallyportError missing-privilege or kernel, naming call and errno */
export function checked(result: number, name: string): number {
  if (result >= 0) return result;
  const errno = lastErrorName();
  const code = errno === 'EPERM' || errno === 'EACCES' ? 'missing-privilege' : 'kernel';
  throw new SallyportError(code, `${name} failed with ${errno}`);
}

/** A close-on-exec, non-blocking socket. @throws SallyportError */
export function openSocket(family: number, type: number, protocol: number): number {
  return checked(call.socket(family, type | cloexecNonblock, protocol), 'socket');
}

/** Closes a descriptor; one that is closed already is no error. */
export function closeFd(fd: number): void {
  call.close(fd);
}

/** Binds to a sockaddr. @throws SallyportError */
export function bindSocket(fd: number, address: Uint8Array, what: string): void {
  checked(call.bind(fd, address, address.length), `bind to ${what}`);
}

/** @throws SallyportError */
export function listenSocket(fd: number, backlog: number): void {
  checked(call.listen(fd, backlog), 'listen');
}

/** Sets an option to a 32-bit integer; false when the kernel refuses. */
export function trySetOption(fd: number, level: number, option: number, value: number): boolean {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return call.setsockopt(fd, level, option, bytes, 4) === 0;
}

/** Sets an option to a 32-bit integer. @throws SallyportError */
export function setOption(fd: number, level: number, option: number, value: number): void {
  checked(trySetOption(fd, level, option, value) ? 0 : -1, `setsockopt ${level}/${option}`);
}

/** Sets an option to a structure; false when the kernel refuses. */
export function setOptionBytes(fd: number, level: number, option: number, value: Uint8Array): boolean {
  return call.setsockopt(fd, level, option, value, value.length) === 0;
}

const optionLength = Buffer.alloc(4);

/** Reads an option into `value`; false when the kernel has no answer. */
export function readOption(fd: number, level: number, option: number, value: Uint8Array): boolean {
  optionLength.writeUInt32LE(value.length);
  return call.getsockopt(fd, level, option, value, optionLength) === 0;
}

/** Reads the socket's own address into `address`; false when it has none. */
export function readSocketName(fd: number, address: Uint8Array): boolean {
  optionLength.writeUInt32LE(address.length);
  return call.getsockname(fd, address, optionLength) === 0;
}

/** Sends one message whole. @throws SallyportError */
export function sendBytes(fd: number, bytes: Uint8Array, what: string): void {
  checked(call.send(fd, bytes, bytes.length, 0), what);
}

/** Bytes of the next waiting message, null when none waits, or the errno's name. */
export function receiveBytes(fd: number, into: Uint8Array): number | null | string {
  const length = call.recv(fd, into, into.length, dontWait);
  if (length >= 0) return length;
  const errno = lastErrorName();
  return errno === 'EAGAIN' || errno === 'EINTR' ? null : errno;
}

/** Resolves true when `fd` is readable, false after `timeoutMs`; occupies one thread of the pool meanwhile. */
export function waitReadable(fd: number, timeoutMs: number): Promise<boolean> {
  const polled = Buffer.alloc(8);
  polled.writeInt32LE(fd, 0);
  polled.writeInt16LE(1, 4);
  return new Promise((resolve, reject) => {
    call.poll.async(polled, 1, timeoutMs, (error: unknown, ready: number) =>
      error === null || error === undefined ? resolve(ready > 0) : reject(error),
    );
  });
}

/** prctl(2) with numeric arguments; its result, negative on failure. */
export function processControl(option: number, a = 0): number {
  return call.prctl(option, a, 0, 0, 0);
}

/** Sets the soft and hard limit of a resource, both to `value`. @throws SallyportError */
export function setResourceLimit(which: number, value: number): void {
  const limit = Buffer.alloc(16);
  limit.writeBigUInt64LE(BigInt(value), 0);
  limit.writeBigUInt64LE(BigInt(value), 8);
  checked(call.setrlimit(which, limit), 'setrlimit');
}

/** Replaces the capabilities of the calling thread (version 3 header and data of capset(2)). @throws SallyportError */
export function setCapabilities(header: Uint8Array, data: Uint8Array): void {
  checked(call.capset(header, data), 'capset');
}

/** A system call by number, with two integers and a pointer. @throws SallyportError */
export function systemCall(number: number, a: number, b: number, pointer: Uint8Array, name: string): number {
  return checked(call.syscall(number, a, b, pointer), name);
}

/** The address of bytes in memory, for structures that point at each other; the bytes must outlive the use. */
export function addressOf(bytes: Uint8Array): bigint {
  return koffi.address(bytes);
}

/** Name of an interface by index, or null when it is gone. */
export function interfaceName(index: number): string | null {
  const name = Buffer.alloc(16);
  if (call.if_indextoname(index, name) === null) return null;
  const end = name.indexOf(0);
  return name.toString('latin1', 0, end < 0 ? 16 : end);
}

/** Index of an interface, or 0 when there is none of that name. */
export function interfaceIndex(name: string): number {
  return call.if_nametoindex(name);
}
