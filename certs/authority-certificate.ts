// The self-signed certificate of a new authority: pathLen 0, so that nothing that it signs can sign in turn.

import { createPublicKey, hash, randomBytes, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

import {
  bitString,
  encodeDer,
  extension,
  integer,
  octetString,
  oid,
  oids,
  rawDer,
  sequence,
  setOf,
  tagged,
  taggedBytes,
  time,
  trueValue,
  utf8String,
} from './der.ts';
import { readElement, readParts } from './read-der.ts';

const dayMs = 86_400_000;
const authorityDays = 5 * 365;

/** PEM (RFC 7468) of DER bytes, with a final newline. */
export function toPem(label: string, der: Uint8Array): string {
  const lines = Buffer.from(der)
    .toString('base64')
    .match(/.{1,64}/g);
  return `-----BEGIN ${label}-----\n${(lines ?? []).join('\n')}\n-----END ${label}-----\n`;
}

/** RFC 7093 method 1: the first 20 bytes of SHA-256 over the public key's bits. */
export function keyIdentifierOf(publicKeyDer: Buffer): Buffer {
  const parts = readParts(publicKeyDer, readElement(publicKeyDer, 0, publicKeyDer.length), 0x30);
  const bits = parts?.[1];
  // Skips the byte that counts unused bits. The key comes from node:crypto, so that the shape is given.
  const key = bits ? publicKeyDer.subarray(bits.content + 1, bits.end) : publicKeyDer;
  return hash('sha256', key, 'buffer').subarray(0, 20);
}

/** A serial number of 16 bytes: positive, minimal, and of fixed length (RFC 5280 4.1.2.2). */
export function newSerial(): Buffer {
  const serial = randomBytes(16);
  serial[0] = (serial[0]! & 0x3f) | 0x40;
  return serial;
}

/** A self-signed authority certificate (PEM) for this P-256 key, valid for five years. */
export function createAuthorityCertificate(key: KeyObject, nowMs: number = Date.now()): string {
  const publicKeyDer = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const keyIdentifier = keyIdentifierOf(publicKeyDer);
  const algorithm = sequence(oid(oids.ecdsaWithSha256));
  // A name of its own for each key: clients that hold two authorities of ours never confuse their chains.
  const name = sequence(
    attribute(oids.organization, 'Sallyport'),
    attribute(oids.commonName, `Sallyport authority ${keyIdentifier.toString('hex', 0, 4)}`),
  );
  const toBeSigned = sequence(
    tagged(0, integer(2)),
    integer(newSerial()),
    algorithm,
    name,
    sequence(time(nowMs - dayMs), time(nowMs + authorityDays * dayMs)),
    name,
    rawDer(publicKeyDer),
    tagged(3, authorityExtensions(keyIdentifier)),
  );
  const signature = sign('sha256', encodeDer(toBeSigned), key);
  return toPem('CERTIFICATE', encodeDer(sequence(toBeSigned, algorithm, bitString(signature))));
}

function attribute(type: string, text: string) {
  return setOf(sequence(oid(type), utf8String(text)));
}

function authorityExtensions(keyIdentifier: Buffer) {
  return sequence(
    extension(oids.basicConstraints, true, sequence(trueValue(), integer(0))),
    // keyCertSign and cRLSign: bits 5 and 6.
    extension(oids.keyUsage, true, bitString(Uint8Array.of(0x06), 1)),
    extension(oids.subjectKeyIdentifier, false, octetString(keyIdentifier)),
    extension(oids.authorityKeyIdentifier, false, sequence(taggedBytes(0, keyIdentifier))),
  );
}
