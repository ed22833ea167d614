// The three system calls by which a program sends datagrams without connecting first: sendto(2), sendmsg(2) and
// sendmmsg(2), made for real on a socket in a runner's namespace.

import koffi from 'koffi';
import { closeSocket, openSocket, socketFamily, socketType } from '../../netns/libc.ts';
import { inNamespace, socketAddress } from '../../netns/socket.ts';

koffi.struct('iovec', { base: 'void *', length: 'size_t' });
koffi.struct('msghdr', {
  name: 'void *',
  nameLength: 'uint32_t',
  vector: 'iovec *',
  vectorLength: 'size_t',
  control: 'void *',
  controlLength: 'size_t',
  flags: 'int',
});
koffi.struct('mmsghdr', { header: 'msghdr', length: 'uint' });
const library = koffi.load(null);
// koffi types every foreign function as `any`: the prototypes beside them are the contract.
const sendto = library.func('intptr_t sendto(int, void *, size_t, int, void *, uint32_t)') as (
  fd: number,
  bytes: Uint8Array,
  length: number,
  flags: number,
  address: Uint8Array,
  addressLength: number,
) => number;
const sendmsg = library.func('intptr_t sendmsg(int, msghdr *, int)') as (
  fd: number,
  message: object,
  flags: number,
) => number;
const sendmmsg = library.func('int sendmmsg(int, mmsghdr *, uint, int)') as (
  fd: number,
  messages: readonly object[],
  count: number,
  flags: number,
) => number;

export type SendCall = 'sendto' | 'sendmsg' | 'sendmmsg';

/** Sends one datagram to each address, with one call for all where it can; true when the kernel took all of them. */
export function sendBy(
  call: SendCall,
  namespace: string,
  addresses: readonly string[],
  port: number,
): boolean {
  const isV6 = addresses[0]?.includes(':') ?? false;
  const fd = inNamespace(namespace, () =>
    openSocket(isV6 ? socketFamily.ipv6 : socketFamily.ipv4, socketType.datagram),
  );
  const payload = Buffer.from(`by ${call}`);
  const names = addresses.map((address) => socketAddress(address, port));
  const messages = names.map((name) => messageTo(name, payload));
  try {
    if (call === 'sendmmsg') {
      const vector = messages.map((header) => ({ header, length: 0 }));
      return sendmmsg(fd, vector, vector.length, 0) === vector.length;
    }
    if (call === 'sendmsg') return messages.every((message) => sendmsg(fd, message, 0) === payload.length);
    return names.every(
      (name) => sendto(fd, payload, payload.length, 0, name, name.length) === payload.length,
    );
  } finally {
    closeSocket(fd);
  }
}

function messageTo(name: Uint8Array, payload: Buffer): object {
  return {
    name,
    nameLength: name.length,
    vector: { base: payload, length: payload.length },
    vectorLength: 1,
    control: null,
    controlLength: 0,
    flags: 0,
  };
}
