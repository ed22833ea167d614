// May this address be dialled? Asked at dial time of every address that a name led to (invariant 2).

import { cidrContains, classifyAddress, isNeverClass, parseAddress, type Cidr } from '../flow/address.ts';
import type { Reason } from '../flow/reason.ts';

/** Why the address may not be dialled, or null; `allowed` are the ranges that rules for the host name by `addresses`. */
export function checkAddress(address: string, allowed: readonly Cidr[]): Reason | null {
  const bytes = parseAddress(address);
  if (bytes === null) return 'never-address';
  const kind = classifyAddress(bytes);
  if (kind === 'public') return null;
  if (isNeverClass(kind)) return 'never-address';
  return allowed.some((cidr) => cidrContains(cidr, bytes)) ? null : 'private-address';
}
