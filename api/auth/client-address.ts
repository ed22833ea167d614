// Whose address a request comes from: the socket's, or what a configured proxy says of it. Nobody else's word counts.

import { formatAddress, parseAddress, unmapAddress } from '../../flow/address.ts';

/** An address in its shortest form, IPv4 also where it came mapped; null when it is none. */
export function plainAddress(text: string | undefined): string | null {
  const parsed = text === undefined ? null : parseAddress(text);
  return parsed === null ? null : formatAddress(unmapAddress(parsed));
}

/** The values of a header as they came, one for each line. */
export function headerLines(rawHeaders: readonly string[], name: string): string[] {
  const lines: string[] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2)
    if (rawHeaders[index]!.toLowerCase() === name) lines.push(rawHeaders[index + 1]!);
  return lines;
}

/**
 * The client's address. Behind a proxy of the configuration it is the last one of `X-Forwarded-For` that is no such proxy:
 * what stands before it may be the client's own invention.
 */
export function clientAddress(
  peer: string | undefined,
  rawHeaders: readonly string[],
  proxies: ReadonlySet<string>,
): string {
  let address = plainAddress(peer) ?? 'unknown';
  if (!proxies.has(address)) return address;
  const hops = headerLines(rawHeaders, 'x-forwarded-for')
    .flatMap((line) => line.slice(-8_192).split(','))
    .map((text) => plainAddress(text.trim()));
  for (const hop of hops.toReversed()) {
    if (hop === null) return address;
    address = hop;
    if (!proxies.has(hop)) return address;
  }
  return address;
}
