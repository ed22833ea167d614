// What dgram hides: the inner handle of a socket and its descriptor, and send(2) on it without a request object.

import type { Socket } from 'node:dgram';
import { createRequire } from 'node:module';

/** The inner handle, found under a symbol; null when a later release hides it better. */
export function handleOf(socket: Socket): Record<string, unknown> | null {
  const symbol = Object.getOwnPropertySymbols(socket).find(
    ({ description }) => description === 'state symbol',
  );
  if (symbol === undefined) return null;
  const state: unknown = Reflect.get(socket, symbol);
  const handle: unknown = typeof state === 'object' && state !== null ? Reflect.get(state, 'handle') : null;
  // An object of the runtime; what is read of it is checked by the reader.
  return typeof handle === 'object' && handle !== null ? (handle as Record<string, unknown>) : null;
}

/** The descriptor of a bound or connected socket, or -1. */
export function descriptorOf(socket: Socket): number {
  const fd: unknown = handleOf(socket)?.['fd'];
  return typeof fd === 'number' ? fd : -1;
}

/** Sends a datagram on a connected socket at once; false when the kernel did not take it. */
export type SendNow = (fd: number, message: Uint8Array) => boolean;

/** send(2) through koffi; null where that is missing. */
export function openSend(): SendNow | null {
  if (process.platform !== 'linux') return null;
  try {
    // Required, not imported: without it there is still plain dgram.
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const send = koffi.load('libc.so.6').func('send', 'int', ['int', 'void *', 'size_t', 'int']);
    const dontWait = 0x40;
    return (fd, message) => send(fd, message, message.length, dontWait) === message.length;
  } catch {
    return null;
  }
}
