// PKCS#12 trust stores (RFC 7292) that Java reads: certificates with the trusted-key attribute, no keys.
// DER by der.ts; encryption (PBES2, RFC 8018) and MAC by node:crypto.

import { createCipheriv, createHmac, hash, pbkdf2Sync, randomBytes } from 'node:crypto';

import {
  bmpString,
  encodeDer,
  integer,
  nullValue,
  octetString,
  oid,
  oids,
  sequence,
  setOf,
  tagged,
  taggedBytes,
} from './der.ts';
import type { DerNode } from './der.ts';

const iterations = 10_000;

/** The password that Java itself uses for its trust store: it keeps nothing secret. */
export const trustStorePassword = 'changeit';

export interface TrustedCertificate {
  /** Unique within the store. */
  readonly alias: string;
  readonly der: Uint8Array;
}

/** A trust store with these certificates, readable by Java 8u301 and later and by OpenSSL. */
export function createTrustStore(certificates: readonly TrustedCertificate[]): Buffer {
  const bags = encodeDer(sequence(...certificates.map(certificateBag)));
  const safe = encodeDer(sequence(encryptedContent(bags)));
  const content = sequence(oid(oids.data), tagged(0, octetString(safe)));
  return encodeDer(sequence(integer(3), content, macData(safe)));
}

function certificateBag(certificate: TrustedCertificate): DerNode {
  const value = sequence(oid(oids.x509Certificate), tagged(0, octetString(certificate.der)));
  const attributes = setOf(
    sequence(oid(oids.friendlyName), setOf(bmpString(certificate.alias))),
    sequence(oid(oids.javaTrustedKeyUsage), setOf(oid(oids.anyExtendedKeyUsage))),
  );
  return sequence(oid(oids.certBag), tagged(0, value), attributes);
}

function encryptedContent(plain: Buffer): DerNode {
  const [salt, iv] = [randomBytes(16), randomBytes(16)];
  const key = pbkdf2Sync(trustStorePassword, salt, iterations, 32, 'sha256');
  const cipher = createCipheriv('aes-256-cbc', key, iv);
  const encrypted = Buffer.concat([cipher.update(plain), cipher.final()]);
  const derivation = sequence(
    oid(oids.pbkdf2),
    sequence(
      octetString(salt),
      integer(iterations),
      integer(32),
      sequence(oid(oids.hmacWithSha256), nullValue()),
    ),
  );
  const algorithm = sequence(
    oid(oids.pbes2),
    sequence(derivation, sequence(oid(oids.aes256Cbc), octetString(iv))),
  );
  const content = sequence(oid(oids.data), algorithm, taggedBytes(0, encrypted));
  return sequence(oid(oids.encryptedData), tagged(0, sequence(integer(0), content)));
}

function macData(safe: Buffer): DerNode {
  const salt = randomBytes(16);
  const mac = createHmac('sha256', macKey(salt)).update(safe).digest();
  const digest = sequence(sequence(oid(oids.sha256), nullValue()), octetString(mac));
  return sequence(digest, octetString(salt), integer(iterations));
}

/** RFC 7292 appendix B.2 for SHA-256 and purpose 3 (MAC): one block is all that is asked for. */
function macKey(salt: Buffer): Buffer {
  const password = Buffer.from(`${trustStorePassword}\0`, 'utf16le').swap16();
  let digest = Buffer.concat([Buffer.alloc(64, 3), repeatTo64(salt), repeatTo64(password)]);
  for (let i = 0; i < iterations; i++) digest = hash('sha256', digest, 'buffer');
  return digest;
}

function repeatTo64(bytes: Buffer): Buffer {
  return Buffer.alloc(Math.ceil(bytes.length / 64) * 64, bytes);
}
