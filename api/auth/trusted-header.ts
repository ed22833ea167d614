// Login by a proxy in front that says who it is. Believed only from peers that the configuration names, by the socket's own
// address, and only where the name is there once and plain.

import { plainAddress } from './client-address.ts';

const plainName = /^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$/;

/** Whether a text can be the name of somebody in audit rows. */
export function isPlainName(text: string): boolean {
  return plainName.test(text);
}

/** The user that a proxy names; null from any other peer (`peers`: addresses), or for a name that is not plain. */
export function userOfProxy(
  values: readonly string[],
  peer: string,
  peers: ReadonlySet<string>,
): string | null {
  const address = plainAddress(peer);
  if (address === null || !peers.has(address)) return null;
  const [name] = values;
  return values.length === 1 && isPlainName(name!) ? name! : null;
}
