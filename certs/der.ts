// DER building blocks over node-forge's ASN.1 module (X.690). Strict reading of DER is read-der.ts.
// Values go in and come out as Buffers; forge itself works on binary strings.

import asn1 from 'node-forge/lib/asn1.js';

export type DerNode = ReturnType<typeof asn1.create>;

const universal = 0x00;
const contextSpecific = 0x80;

function primitive(type: number, value: Uint8Array | string): DerNode {
  const text = typeof value === 'string' ? value : Buffer.from(value).toString('latin1');
  return asn1.create(universal, type, false, text);
}

/** The bytes of a node. */
export function encodeDer(node: DerNode): Buffer {
  return Buffer.from(asn1.toDer(node).getBytes(), 'latin1');
}

/** A node of bytes that are DER already (a Name, a SubjectPublicKeyInfo). */
export function rawDer(der: Uint8Array): DerNode {
  return asn1.fromDer(Buffer.from(der).toString('latin1'), { strict: true, decodeBitStrings: false });
}

export function sequence(...parts: readonly DerNode[]): DerNode {
  return asn1.create(universal, 16, true, parts);
}

export function setOf(...parts: readonly DerNode[]): DerNode {
  return asn1.create(universal, 17, true, parts);
}

/** `[tag] EXPLICIT` (or an IMPLICIT constructed one, which has the same bytes around its parts). */
export function tagged(tag: number, ...parts: readonly DerNode[]): DerNode {
  return asn1.create(contextSpecific, tag, true, parts);
}

/** `[tag] IMPLICIT` of a primitive type. */
export function taggedBytes(tag: number, value: Uint8Array): DerNode {
  return asn1.create(contextSpecific, tag, false, Buffer.from(value).toString('latin1'));
}

/** A non-negative INTEGER of at most 2^31 - 1, or of big-endian two's-complement bytes that are minimal already. */
export function integer(value: number | Uint8Array): DerNode {
  if (typeof value !== 'number') return primitive(2, value);
  const bytes: number[] = [];
  for (let rest = value; bytes.length === 0 || rest > 0; rest >>>= 8) bytes.unshift(rest & 255);
  if (bytes[0]! > 127) bytes.unshift(0);
  return primitive(2, Uint8Array.from(bytes));
}

export function oid(dotted: string): DerNode {
  return primitive(6, asn1.oidToDer(dotted).getBytes());
}

export function octetString(value: Uint8Array): DerNode {
  return primitive(4, value);
}

/** A BIT STRING whose last byte leaves `unusedBits` bits unused. */
export function bitString(value: Uint8Array, unusedBits = 0): DerNode {
  return primitive(3, Buffer.concat([Uint8Array.of(unusedBits), value]));
}

export function utf8String(text: string): DerNode {
  return primitive(12, Buffer.from(text, 'utf8'));
}

export function bmpString(text: string): DerNode {
  // forge writes two bytes for each unit of a BMPString by itself.
  return primitive(30, text);
}

export function nullValue(): DerNode {
  return primitive(5, '');
}

export function trueValue(): DerNode {
  return primitive(1, '\xff');
}

/** RFC 5280 4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050, whole seconds. */
export function time(timeMs: number): DerNode {
  const digits = new Date(timeMs).toISOString().replace(/[-:T]|\.\d+/g, '');
  return digits < '2050' ? primitive(23, digits.slice(2)) : primitive(24, digits);
}

/** One X.509 extension; `value` is what stands inside its OCTET STRING. */
export function extension(dotted: string, critical: boolean, value: DerNode): DerNode {
  const content = octetString(encodeDer(value));
  return critical ? sequence(oid(dotted), trueValue(), content) : sequence(oid(dotted), content);
}

/** Object identifiers of certs/ (RFC 5280, RFC 5480, RFC 5758, RFC 7292, RFC 8018). */
export const oids = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  anyExtendedKeyUsage: '2.5.29.37.0',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  data: '1.2.840.113549.1.7.1',
  encryptedData: '1.2.840.113549.1.7.6',
  pbes2: '1.2.840.113549.1.5.13',
  pbkdf2: '1.2.840.113549.1.5.12',
  hmacWithSha256: '1.2.840.113549.2.9',
  aes256Cbc: '2.16.840.1.101.3.4.1.42',
  sha256: '2.16.840.1.101.3.4.2.1',
  certBag: '1.2.840.113549.1.12.10.1.3',
  x509Certificate: '1.2.840.113549.1.9.22.1',
  friendlyName: '1.2.840.113549.1.9.20',
  /** Java's trusted-key attribute: without it keytool shows no trusted certificate in the store. */
  javaTrustedKeyUsage: '2.16.840.1.113894.746875.1.1',
} as const;
