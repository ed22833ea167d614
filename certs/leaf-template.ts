// The to-be-signed bytes of a leaf (RFC 5280 4.1.2): everything that leaves share is encoded once, and each leaf
// adds serial, validity and the one name. The subject is empty and the name critical (4.2.1.6), so that names
// longer than a common name may be fit too. check-leaf.ts judges the same bytes by its own reading.

import { parseAddress, unmapAddress } from '../flow/address.ts';
import { newSerial } from './authority-certificate.ts';
import type { PublicAuthority } from './authority.ts';
import {
  bitString,
  encodeDer,
  extension,
  integer,
  oid,
  oids,
  rawDer,
  sequence,
  tagged,
  taggedBytes,
  time,
} from './der.ts';

const dayMs = 86_400_000;

export interface ToBeSigned {
  readonly der: Buffer;
  readonly notAfterMs: number;
}

export interface LeafTemplate {
  /** To-be-signed bytes for a canonical host or address, valid from a day ago for a week, within the authority's time. */
  fill(serverName: string, nowMs: number): ToBeSigned;
}

/** DER of the signature algorithm, which stands in the to-be-signed bytes and after them. */
export const signatureAlgorithmDer = encodeDer(sequence(oid(oids.ecdsaWithSha256)));

/** A template for one authority and one leaf key. */
export function createLeafTemplate(authority: PublicAuthority, publicKeyDer: Buffer): LeafTemplate {
  const version = encodeDer(tagged(0, integer(2)));
  const issuer = Buffer.concat([signatureAlgorithmDer, authority.subjectDer]);
  const subject = encodeDer(sequence());
  const subjectAndKey = Buffer.concat([subject, encodeDer(rawDer(publicKeyDer))]);
  const shared = Buffer.concat([
    encodeDer(extension(oids.keyUsage, true, bitString(Uint8Array.of(0x80), 7))),
    encodeDer(extension(oids.extendedKeyUsage, false, sequence(oid(oids.serverAuth)))),
    encodeDer(
      extension(oids.authorityKeyIdentifier, false, sequence(taggedBytes(0, authority.keyIdentifier))),
    ),
  ]);
  const fill = (serverName: string, nowMs: number): ToBeSigned => {
    const notBeforeMs = Math.max(nowMs - dayMs, authority.notBeforeMs);
    const notAfterMs = Math.min(nowMs + 7 * dayMs, authority.notAfterMs);
    const validity = encodeDer(sequence(time(notBeforeMs), time(notAfterMs)));
    const extensions = wrap(0xa3, wrap(0x30, shared, nameExtension(serverName)));
    const serial = wrap(0x02, newSerial());
    return { der: wrap(0x30, version, serial, issuer, validity, subjectAndKey, extensions), notAfterMs };
  };
  return { fill };
}

function nameExtension(serverName: string): Buffer {
  const address = parseAddress(serverName);
  const name = address
    ? taggedBytes(7, unmapAddress(address))
    : taggedBytes(2, Buffer.from(serverName, 'latin1'));
  return encodeDer(extension(oids.subjectAltName, true, sequence(name)));
}

/** Tag and length around bytes that are DER already, without a walk through them as nodes. */
export function wrap(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const head =
    length < 128
      ? [tag, length]
      : length < 256
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 255];
  return Buffer.concat([Uint8Array.from(head), ...parts]);
}
