// Certificates for the servers that the demo, doctor and the lab start themselves: a P-256 authority and leaves,
// written in DER by hand (RFC 5280) so that neither openssl nor the gateway's own authority is needed for them.

import { createHash, createSign, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import { parseAddress } from '../flow/address.ts';

/** A certificate with its key, both PEM. */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

const oid = {
  ecPublicKeySha256: '06082a8648ce3d040302',
  commonName: '0603550403',
  basicConstraints: '0603551d13',
  keyUsage: '0603551d0f',
  subjectAltName: '0603551d11',
  extendedKeyUsage: '0603551d25',
  subjectKeyIdentifier: '0603551d0e',
  authorityKeyIdentifier: '0603551d23',
  serverAuth: '06082b06010505070301',
} as const;

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const { length } = body;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), body]);
}

const hex = (text: string) => Buffer.from(text, 'hex');
const sequence = (...parts: readonly Uint8Array[]) => der(0x30, ...parts);
const extension = (id: string, isCritical: boolean, value: Uint8Array) =>
  sequence(hex(id), ...(isCritical ? [hex('0101ff')] : []), der(0x04, value));
const algorithm = sequence(hex(oid.ecPublicKeySha256));

function commonName(text: string): Buffer {
  return sequence(der(0x31, sequence(hex(oid.commonName), der(0x0c, Buffer.from(text)))));
}

function generalizedTime(date: Date): Buffer {
  return der(0x18, Buffer.from(`${date.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`));
}

/** Method 1 of RFC 5280 4.2.1.2, over the whole SubjectPublicKeyInfo: any unique value serves. */
const keyIdentifier = (publicKey: Uint8Array) => createHash('sha1').update(publicKey).digest();

function alternativeName(name: string): Buffer {
  const address = parseAddress(name);
  return address === null ? der(0x82, Buffer.from(name)) : der(0x87, address);
}

/** An authority of its own for test servers: valid from an hour ago for `days` days. */
export class TestAuthority {
  readonly #key: KeyObject;
  readonly #name: string;
  readonly #identifier: Buffer;
  readonly #leafKey: KeyObject;
  readonly #leafPublic: Buffer;
  /** PEM of the authority's certificate. */
  readonly certificate: string;

  constructor(name: string, days = 2) {
    const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const leaf = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.#key = own.privateKey;
    this.#name = name;
    this.#leafKey = leaf.privateKey;
    this.#leafPublic = leaf.publicKey.export({ type: 'spki', format: 'der' });
    const publicKey = own.publicKey.export({ type: 'spki', format: 'der' });
    this.#identifier = keyIdentifier(publicKey);
    this.certificate = this.#sign(name, publicKey, days * 24, [
      extension(oid.basicConstraints, true, sequence(hex('0101ff'))),
      extension(oid.keyUsage, true, hex('03020106')),
    ]);
  }

  /** A server certificate for these names or addresses; `hours` below zero gives one that has expired, `from` above zero one that is not yet valid. */
  issue(names: readonly string[], hours = 48, from = Math.min(0, hours) - 1): Certificate {
    const extensions = [
      extension(oid.keyUsage, true, hex('03020780')),
      extension(oid.extendedKeyUsage, false, sequence(hex(oid.serverAuth))),
      extension(oid.subjectAltName, false, sequence(...names.map(alternativeName))),
    ];
    const certificate = this.#sign(names[0] ?? 'server', this.#leafPublic, hours, extensions, from);
    return { certificate, key: this.#leafKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
  }

  #sign(
    subject: string,
    publicKey: Uint8Array,
    hours: number,
    extensions: readonly Uint8Array[],
    from = -1,
  ): string {
    const now = Date.now();
    const serial = randomBytes(16);
    serial[0] = (serial[0]! & 0x7f) | 0x40;
    const start = new Date(now + from * 3_600_000);
    const identifiers = [
      extension(oid.subjectKeyIdentifier, false, der(0x04, keyIdentifier(publicKey))),
      extension(oid.authorityKeyIdentifier, false, sequence(der(0x80, this.#identifier))),
    ];
    const signed = sequence(
      hex('a003020102'),
      der(0x02, serial),
      algorithm,
      commonName(this.#name),
      sequence(generalizedTime(start), generalizedTime(new Date(now + hours * 3_600_000))),
      commonName(subject.slice(0, 64)),
      publicKey,
      der(0xa3, sequence(...extensions, ...identifiers)),
    );
    const signature = createSign('sha256').update(signed).sign(this.#key);
    const bytes = sequence(signed, algorithm, der(0x03, Buffer.of(0), signature));
    const lines = bytes.toString('base64').replace(/.{64}/g, '$&\n').trimEnd();
    return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
  }
}
