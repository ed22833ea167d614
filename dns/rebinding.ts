// Guards answers against rebinding: which addresses a name may lead to. A rule's `addresses` opens private
// ranges; loopback, link-local, metadata and the gateway itself are never opened.

import { cidrContains, classifyAddress, formatAddress, isNeverClass } from '../flow/address.ts';
import type { Cidr } from '../flow/address.ts';
import type { Reason } from '../flow/reason.ts';

/**
 * Why a name may not lead to this address (4 or 16 bytes), or null when it may. The rule of policy/check-address,
 * on bytes, and with the gateway's own addresses (text) among the never-addresses.
 */
export function judgeAddress(
  address: Uint8Array,
  allowed: readonly Cidr[],
  own: ReadonlySet<string>,
): Reason | null {
  if (own.has(formatAddress(address))) return 'never-address';
  const kind = classifyAddress(address);
  if (kind === 'public') return null;
  if (isNeverClass(kind)) return 'never-address';
  return allowed.some((cidr) => cidrContains(cidr, address)) ? null : 'private-address';
}

/** Indexes of the addresses that the name may not have, each with the reason. */
export function findForbidden(
  addresses: readonly Uint8Array[],
  allowed: readonly Cidr[],
  own: ReadonlySet<string>,
): ReadonlyMap<number, Reason> {
  const forbidden = new Map<number, Reason>();
  for (const [index, address] of addresses.entries()) {
    const reason = judgeAddress(address, allowed, own);
    if (reason !== null) forbidden.set(index, reason);
  }
  return forbidden;
}
