// Asks the kernel where a redirected connection was really going (SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST).
// It must be read at accept: once the conntrack entry is gone there is no answer.

import { formatAddress, unmapAddress } from '../flow/address.ts';
import { readOption, readSocketName } from './libc.ts';

const originalDestinationOption = 80;
const answer = Buffer.alloc(28);

/**
 * The destination before redirection of the accepted TCP socket `fd`; null when conntrack knows none.
 * `isV6` is the family of the socket's peer: false for a v4-mapped peer of a dual-stack socket.
 */
export function originalDestination(fd: number, isV6: boolean): { address: string; port: number } | null {
  if (isV6 && readOption(fd, 41, originalDestinationOption, answer)) {
    return { address: formatAddress(answer.subarray(8, 24)), port: answer.readUInt16BE(2) };
  }
  // A v4-mapped connection answers at the IPv4 level also on an IPv6 socket.
  if (readOption(fd, 0, originalDestinationOption, answer.subarray(0, 16))) {
    return { address: formatAddress(answer.subarray(4, 8)), port: answer.readUInt16BE(2) };
  }
  return null;
}

/** Where a connection arrived that nothing redirected; `standing` says which port clients mean by the one they reach. */
export function localDestination(
  fd: number,
  standing: Readonly<Record<number, number>>,
): { address: string; port: number } | null {
  if (!readSocketName(fd, answer)) return null;
  const bytes = answer.readUInt16LE(0) === 10 ? answer.subarray(8, 24) : answer.subarray(4, 8);
  const port = answer.readUInt16BE(2);
  return { address: formatAddress(unmapAddress(bytes)), port: standing[port] ?? port };
}
