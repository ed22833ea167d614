// One canonical form for every way to write a host: names in lower-case A-labels, addresses in RFC 5952 text.
// What two readers could take for different hosts is refused. Ports and URLs are the caller's business.

import { domainToASCII, domainToUnicode } from 'node:url';
import { formatAddress, parseAddress, unmapAddress } from '../flow/address.ts';

export type CanonicalHost =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'address'; readonly address: string }
  | { readonly kind: 'ambiguous'; readonly detail: string };

const plainName = /^[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/;
const numericLabel = /^(?:\d+|0x[0-9a-f]*)$/;
// IDNA 2003 and 2008 map these to different names (UTS 46 "deviation" characters).
const deviations = /[\u00df\u1e9e\u03c2\u200c\u200d]/;
const otherDots = /[\u3002\uff0e\uff61]/;
const maxNameLength = 253;

/** Reads a host as written in SNI, `Host`, a URL or a policy; never throws (RFC 1035, RFC 3986 3.2.2, UTS 46). */
export function canonicaliseHost(text: string): CanonicalHost {
  if (text.length === 0) return ambiguous('the host is empty');
  if (text.length > 1024) return ambiguous('the host is longer than a name can be');
  const odd = findOddCharacter(text);
  if (odd !== null) return ambiguous(odd);
  if (text.startsWith('[')) return readBrackets(text);
  if (text.includes(':')) return readAddress(text);
  const name = text.endsWith('.') ? text.slice(0, -1) : text;
  return isAscii(name) ? readAsciiName(lowerAscii(name)) : readUnicodeName(name);
}

function ambiguous(detail: string): CanonicalHost {
  return { kind: 'ambiguous', detail };
}

function findOddCharacter(text: string): string | null {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code <= 32 || code === 127) return 'a control character or space in the host';
    if (code === 37) return 'a percent sign in the host';
    if (code === 92 || code === 47) return 'a slash or backslash in the host';
    if (code === 64) return 'user information in the host';
    if (code === 63 || code === 35) return 'a query or fragment in the host';
  }
  return null;
}

function readBrackets(text: string): CanonicalHost {
  const inner = text.slice(1, -1);
  if (!text.endsWith(']') || !inner.includes(':'))
    return ambiguous('brackets around something else than IPv6');
  return readAddress(inner);
}

function readAddress(text: string): CanonicalHost {
  const bytes = text.length > 45 ? null : parseAddress(text);
  if (bytes === null) return ambiguous('a colon in the host, and no IPv6 address');
  return { kind: 'address', address: formatAddress(unmapAddress(bytes)) };
}

function readAsciiName(name: string): CanonicalHost {
  if (name.length > maxNameLength || !plainName.test(name))
    return ambiguous('labels that no host name can have');
  const last = name.slice(name.lastIndexOf('.') + 1);
  if (numericLabel.test(last)) return readNumericHost(name);
  if (name.includes('xn--') && !name.split('.').every(isValidLabel)) {
    return ambiguous('a label that is no valid punycode');
  }
  return { kind: 'name', name };
}

// node leaves a label that it cannot decode as it is, instead of answering with an error.
function isValidLabel(label: string): boolean {
  if (!label.startsWith('xn--')) return true;
  const decoded = domainToUnicode(label);
  return !decoded.startsWith('xn--') && domainToASCII(decoded) === label;
}

/** Decimal, hexadecimal, octal and shortened IPv4 as inet_aton reads them. */
function readNumericHost(name: string): CanonicalHost {
  const parts = name.split('.');
  const numbers = parts.map(readNumber);
  const last = numbers.at(-1)!;
  const isValid =
    parts.length <= 4 &&
    numbers.every((value) => value >= 0) &&
    numbers.slice(0, -1).every((value) => value <= 255) &&
    last < 256 ** (5 - parts.length);
  if (!isValid) return ambiguous('a number where a name or an IPv4 address should be');
  let value = last;
  for (const [index, part] of numbers.slice(0, -1).entries()) value += part * 256 ** (3 - index);
  const bytes = [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256);
  return { kind: 'address', address: bytes.join('.') };
}

/** -1 when the text is no number of its base. */
function readNumber(text: string): number {
  if (text.length > 16) return -1;
  if (text.startsWith('0x')) return /^0x[0-9a-f]+$/.test(text) ? Number.parseInt(text.slice(2), 16) : -1;
  if (text.length > 1 && text.startsWith('0')) return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : -1;
  return /^\d+$/.test(text) ? Number(text) : -1;
}

function readUnicodeName(name: string): CanonicalHost {
  if (otherDots.test(name)) return ambiguous('a full stop of another script');
  if (deviations.test(name)) return ambiguous('a character that IDNA 2003 and 2008 map differently');
  const labels: string[] = [];
  for (const label of name.split('.')) {
    const ascii = isAscii(label) ? lowerAscii(label) : domainToASCII(label);
    // A label that only mapping makes ASCII (fullwidth digits, the Kelvin sign) is another name to who does not map.
    if (!isAscii(label) && !ascii.startsWith('xn--'))
      return ambiguous('a character that stands for an ASCII one');
    labels.push(ascii);
  }
  return readAsciiName(labels.join('.'));
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}

// toLowerCase would fold U+212A to k.
function lowerAscii(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
