// Reads the header of the PROXY protocol, version 2 (haproxy.org, proxy-protocol.txt 2.2), by which a load balancer
// says who speaks. Strict: what could be read in two ways, or is none of TCP over IPv4 or IPv6, is refused.

import { formatAddress, unmapAddress } from '../flow/address.ts';

/** Longest header that is read, signature included; load balancers of the clouds send below 300 bytes. */
export const maxHeaderBytes = 2_048;

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const fixedBytes = 16;
const [local, proxy] = [0x20, 0x21];
/** Transport and family of the header: TCP over IPv4, TCP over IPv6. */
const [tcp4, tcp6] = [0x11, 0x21];
const [noop, checksum, unique] = [0x04, 0x03, 0x05];

/** What a header says; `bytes` is its length. */
export type ProxyHeader =
  | { readonly kind: 'proxied'; readonly address: string; readonly port: number; readonly bytes: number }
  /** The balancer itself connected, to see whether we are there. */
  | { readonly kind: 'local'; readonly bytes: number }
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'none' }
  | { readonly kind: 'malformed'; readonly detail: string };

const incomplete: ProxyHeader = { kind: 'incomplete' };
const none: ProxyHeader = { kind: 'none' };

/** Reads the header at the start of `bytes`; never throws, and looks at each byte once. */
export function parseProxyHeader(bytes: Buffer): ProxyHeader {
  const known = Math.min(bytes.length, signature.length);
  if (signature.compare(bytes, 0, known, 0, known) !== 0) return none;
  if (bytes.length < fixedBytes) return incomplete;
  const command = bytes[12]!;
  if (command !== local && command !== proxy) return malformed('version or command is unknown');
  const end = fixedBytes + bytes.readUInt16BE(14);
  if (end > maxHeaderBytes) return malformed('the header is too long');
  if (bytes.length < end) return incomplete;
  // Whatever addresses it has mean nothing (2.2).
  if (command === local) return { kind: 'local', bytes: end };
  return readAddresses(bytes, bytes[13]!, end);
}

function readAddresses(bytes: Buffer, family: number, end: number): ProxyHeader {
  if (family !== tcp4 && family !== tcp6) return malformed('it speaks of something else than TCP over IP');
  const size = family === tcp4 ? 4 : 16;
  const after = fixedBytes + 2 * size + 4;
  if (after > end) return malformed('the addresses are cut');
  const problem = checkFields(bytes, after, end);
  if (problem !== null) return malformed(problem);
  const source = unmapAddress(bytes.subarray(fixedBytes, fixedBytes + size));
  const port = bytes.readUInt16BE(fixedBytes + 2 * size);
  if (port === 0) return malformed('the source has no port');
  return { kind: 'proxied', address: formatAddress(source), port, bytes: end };
}

/** Type, length and value of each further field must fill the header exactly; what they say is not used. */
function checkFields(bytes: Buffer, start: number, end: number): string | null {
  const seen = new Set<number>();
  for (let at = start; at < end;) {
    if (at + 3 > end) return 'a field is cut';
    const type = bytes[at]!;
    const next = at + 3 + bytes.readUInt16BE(at + 1);
    if (next > end) return 'a field is cut';
    if (type === 0) return 'a field has no type';
    if (type === checksum && next - at !== 7) return 'the checksum is not one';
    if (type === unique && next - at > 131) return 'a field is too long';
    if (type !== noop && type < 0xe0 && seen.has(type)) return 'a field stands there twice';
    seen.add(type);
    at = next;
  }
  return null;
}

function malformed(detail: string): ProxyHeader {
  return { kind: 'malformed', detail };
}
