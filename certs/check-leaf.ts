// What the keeper checks before it signs: the bytes are a P-256 server leaf of ours for one name, and nothing else.
// A worker that was taken over may ask for anything; whatever this file lets through it may impersonate for days,
// so that an authority, another issuer, a second name, a wildcard or an unknown extension must never pass.

import { createPublicKey } from 'node:crypto';

import { SallyportError } from '../flow/errors.ts';
import type { PublicAuthority } from './authority.ts';
import { readElement, readElements, readParts, readTime } from './read-der.ts';
import type { DerElement } from './read-der.ts';

const maxBytes = 1500;
const maxValidityMs = 10 * 86_400_000;
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const version3 = hex('a0 03 02 01 02');
const ecdsaWithSha256 = hex('30 0a 06 08 2a 86 48 ce 3d 04 03 02');
const emptyName = hex('30 00');
/** Everything of a P-256 SubjectPublicKeyInfo before the 64 bytes of its uncompressed point (RFC 5480). */
const p256Head = hex('30 59 30 13 06 07 2a 86 48 ce 3d 02 01 06 08 2a 86 48 ce 3d 03 01 07 03 42 00 04');

/**
 * Returns when `toBeSigned` may be signed with the authority's key.
 * @throws SallyportError authority, naming what is wrong with the bytes
 */
export function checkToBeSigned(
  toBeSigned: Uint8Array,
  authority: PublicAuthority,
  nowMs: number = Date.now(),
): void {
  const problem = findProblem(toBeSigned, authority, nowMs);
  if (problem !== null) throw new SallyportError('authority', `not a leaf that may be signed: ${problem}`);
}

function findProblem(input: Uint8Array, authority: PublicAuthority, nowMs: number): string | null {
  if (input.length > maxBytes) return `over ${maxBytes} bytes`;
  const bytes = Buffer.from(input.buffer, input.byteOffset, input.length);
  const outer = readElement(bytes, 0, bytes.length);
  const parts = outer?.end === bytes.length ? readParts(bytes, outer, 0x30) : null;
  // Unique identifiers ([1], [2]) would make it nine or ten.
  if (parts?.length !== 8) return 'no to-be-signed certificate of eight fields in DER';
  const [version, serial, algorithm, issuer, validity, subject, key, extensions] = parts;
  if (!equals(bytes, version, version3)) return 'version is not 3';
  if (!isSerial(bytes, serial)) return 'serial number is not a positive integer of at most 20 bytes';
  if (!equals(bytes, algorithm, ecdsaWithSha256)) return 'signature algorithm is not ecdsa-with-SHA256';
  if (!equals(bytes, issuer, authority.subjectDer)) return 'issuer is not this authority';
  if (!equals(bytes, subject, emptyName)) return 'subject is not empty';
  return (
    validityProblem(bytes, validity, authority, nowMs) ??
    keyProblem(bytes, key, authority) ??
    extensionsProblem(bytes, extensions, authority)
  );
}

function equals(bytes: Buffer, element: DerElement | undefined, wanted: Buffer): boolean {
  return element !== undefined && bytes.subarray(element.start, element.end).equals(wanted);
}

function isSerial(bytes: Buffer, element: DerElement | undefined): boolean {
  if (element?.tag !== 0x02) return false;
  const serial = bytes.subarray(element.content, element.end);
  const [first = 0x80, second = 0] = serial;
  const isMinimal = first !== 0 || second > 127;
  return serial.length <= 20 && first < 128 && isMinimal;
}

function validityProblem(
  bytes: Buffer,
  element: DerElement | undefined,
  authority: PublicAuthority,
  nowMs: number,
): string | null {
  const times = readParts(bytes, element, 0x30);
  const from = readTime(bytes, times?.[0]);
  const to = readTime(bytes, times?.[1]);
  if (times?.length !== 2 || from === null || to === null) return 'validity is malformed';
  if (to < from || to - from > maxValidityMs) return 'validity is longer than 10 days';
  if (from < authority.notBeforeMs || to > authority.notAfterMs)
    return 'validity is not within the authority’s';
  // A leaf for next year would outlive the discovery of whoever asked for it.
  return to > nowMs + maxValidityMs ? 'validity ends more than 10 days from now' : null;
}

function keyProblem(
  bytes: Buffer,
  element: DerElement | undefined,
  authority: PublicAuthority,
): string | null {
  const key = element ? bytes.subarray(element.start, element.end) : bytes;
  if (key.length !== p256Head.length + 64 || !key.subarray(0, p256Head.length).equals(p256Head)) {
    return 'key is not an uncompressed P-256 point';
  }
  if (key.equals(authority.publicKeyDer)) return 'key is the authority’s own';
  return isOnCurve(key) ? null : 'key is not a point of P-256';
}

/** Keys that were found to be points already: a worker asks with one key all its life, and the check costs 50 µs. */
const knownPoints = new Set<string>();

function isOnCurve(key: Buffer): boolean {
  const text = key.toString('latin1');
  if (knownPoints.has(text)) return true;
  try {
    createPublicKey({ key, format: 'der', type: 'spki' });
  } catch {
    // OpenSSL says nothing more than that it is none.
    return false;
  }
  if (knownPoints.size >= 64) knownPoints.clear();
  knownPoints.add(text);
  return true;
}

type ValueCheck = (value: Buffer, authority: PublicAuthority) => string | null;
const keyUsageOid = '551d0f';
const extendedKeyUsageOid = '551d25';
const subjectAltNameOid = '551d11';
/** The extensions that a leaf may have, by the hex of their object identifiers. */
const extensionChecks: Readonly<Record<string, ValueCheck>> = {
  '551d13': (value) => (value.equals(emptyName) ? null : 'basicConstraints says more than CA:FALSE'),
  '551d23': (value, authority) => {
    const size = authority.keyIdentifier.length;
    const wanted = Buffer.concat([Uint8Array.of(0x30, size + 2, 0x80, size), authority.keyIdentifier]);
    return value.equals(wanted) ? null : 'authorityKeyIdentifier is not this authority’s';
  },
  // digitalSignature alone: neither keyCertSign nor cRLSign, in the one form that DER gives it.
  [keyUsageOid]: (value) =>
    value.equals(hex('03 02 07 80')) ? null : 'keyUsage is not digitalSignature alone',
  [extendedKeyUsageOid]: (value) =>
    value.equals(hex('30 0a 06 08 2b 06 01 05 05 07 03 01'))
      ? null
      : 'extendedKeyUsage is not serverAuth alone',
  [subjectAltNameOid]: nameProblem,
};

function extensionsProblem(
  bytes: Buffer,
  element: DerElement | undefined,
  authority: PublicAuthority,
): string | null {
  const inner = element?.tag === 0xa3 ? readElement(bytes, element.content, element.end) : null;
  const entries = inner?.end === element?.end ? readParts(bytes, inner, 0x30) : null;
  if (entries === null) return 'extensions are malformed';
  const seen = new Set<string>();
  for (const entry of entries) {
    const extension = readExtension(bytes, entry);
    if (extension === null) return 'an extension is malformed';
    const check = Object.hasOwn(extensionChecks, extension.id) ? extensionChecks[extension.id] : undefined;
    if (!check || seen.has(extension.id)) return 'an extension is unknown or stands there twice';
    seen.add(extension.id);
    // Only a critical name may stand for an empty subject (RFC 5280 4.2.1.6).
    if (extension.id === subjectAltNameOid && !extension.critical) return 'the name is not critical';
    const problem = check(extension.value, authority);
    if (problem !== null) return problem;
  }
  const missing = [keyUsageOid, extendedKeyUsageOid, subjectAltNameOid].some((id) => !seen.has(id));
  return missing ? 'keyUsage, extendedKeyUsage or subjectAltName is missing' : null;
}

function readExtension(
  bytes: Buffer,
  entry: DerElement,
): { id: string; critical: boolean; value: Buffer } | null {
  const parts = readParts(bytes, entry, 0x30);
  const critical = parts?.length === 3;
  if (!parts || parts.length < 2 || parts.length > 3) return null;
  // FALSE is the default, which DER never writes.
  if (critical && !equals(bytes, parts[1], hex('01 01 ff'))) return null;
  const [id, value] = [parts[0]!, parts.at(-1)!];
  if (id.tag !== 0x06 || value.tag !== 0x04) return null;
  return {
    id: bytes.toString('hex', id.content, id.end),
    critical,
    value: bytes.subarray(value.content, value.end),
  };
}

/** Exactly one dNSName or iPAddress. */
function nameProblem(value: Buffer): string | null {
  const outer = readElement(value, 0, value.length);
  const names =
    outer?.tag === 0x30 && outer.end === value.length ? readElements(value, outer.content, outer.end) : null;
  const [name] = names ?? [];
  if (names?.length !== 1 || !name) return 'subjectAltName is not one name';
  const size = name.end - name.content;
  if (name.tag === 0x87) return size === 4 || size === 16 ? null : 'iPAddress is not 4 or 16 bytes';
  if (name.tag !== 0x82) return 'subjectAltName is neither dNSName nor iPAddress';
  return isHostName(value.toString('latin1', name.content, name.end)) ? null : 'dNSName is no host name';
}

const label = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** Lower-case labels without wildcard; a name whose last label is a number would read as an address. */
function isHostName(name: string): boolean {
  const labels = name.split('.');
  return name.length <= 253 && labels.every((part) => label.test(part)) && !/^\d+$/.test(labels.at(-1)!);
}
