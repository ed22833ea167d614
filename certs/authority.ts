// The authority: the P-256 certificate and key that sign leaves. Only the keeper and commands hold the key;
// workers get the public half (PublicAuthority). Minting is leaf.ts, what runners trust is bundle.ts.

import { X509Certificate, createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

import { SallyportError } from '../flow/errors.ts';
import { createAuthorityCertificate, keyIdentifierOf, toPem } from './authority-certificate.ts';
import { readElement, readElements, readParts } from './read-der.ts';
import { oids, encodeDer, oid } from './der.ts';

/** What may leave the keeper: everything of the authority but its key. */
export interface PublicAuthority {
  /** The issuing certificate. */
  readonly certificatePem: string;
  readonly certificateDer: Buffer;
  /** Certificates above the issuing one, nearest first, as given; empty when it is self-signed. */
  readonly chainPem: string;
  /** The Name of the issuing certificate, bytes exactly as they stand in it. */
  readonly subjectDer: Buffer;
  readonly keyIdentifier: Buffer;
  /** SubjectPublicKeyInfo of the authority. */
  readonly publicKeyDer: Buffer;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export interface Authority extends PublicAuthority {
  readonly keyPem: string;
}

/** Files of an authority that the operator brings: an intermediate with its chain, PEM. */
export interface AuthorityFiles {
  readonly certificate: string;
  readonly key: string;
  readonly chain?: string;
}

/**
 * The authority in `directory` (certificate.pem, key.pem 0600); made on first start, once, whatever dies meanwhile.
 * @throws SallyportError authority
 */
export function loadOrCreateAuthority(directory: string): Authority {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const files = { certificate: join(directory, 'certificate.pem'), key: join(directory, 'key.pem') };
  const certificate = readIfThere(files.certificate);
  const key = readIfThere(files.key);
  if (certificate !== null && key === null) {
    throw unusable(
      `${files.key} is missing`,
      `restore it, or remove ${files.certificate} to start a new authority`,
    );
  }
  if (certificate === null) {
    // The key comes first: cut off between the two, the next start makes the certificate for the same key.
    if (key === null) createFile(files.key, newKeyPem());
    const keyPem = readText(files.key);
    createFile(files.certificate, createAuthorityCertificate(parseKey(keyPem, files.key)));
  }
  return loadAuthority(files);
}

/**
 * An authority from files that the operator names.
 * @throws SallyportError authority when certificate and key do not fit, are no authority, or have expired
 */
export function loadAuthority(files: AuthorityFiles, nowMs: number = Date.now()): Authority {
  const chain = files.chain === undefined ? '' : readText(files.chain);
  const authority = readPublicAuthority(`${readText(files.certificate)}\n${chain}`, files.certificate);
  const keyPem = readText(files.key);
  const key = parseKey(keyPem, files.key);
  const publicKeyDer = createPublicKey(key).export({ type: 'spki', format: 'der' });
  if (!publicKeyDer.equals(authority.publicKeyDer)) {
    throw unusable(
      `${files.key} is not the key of ${files.certificate}`,
      'give the two that were made together',
    );
  }
  checkMayIssue(authority, files.certificate, nowMs);
  return { ...authority, keyPem };
}

/**
 * The public half from PEM text: the issuing certificate first, then its chain.
 * @throws SallyportError authority when it is no certificate that can issue leaves
 */
export function readPublicAuthority(pem: string, name = 'authority.pem'): PublicAuthority {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  const certificates = blocks.map((block) => parseCertificate(block, name));
  const [issuing, ...chain] = certificates;
  if (!issuing)
    throw unusable(
      `${name} holds no certificate`,
      'give a PEM file that starts with the issuing certificate',
    );
  const publicKeyDer = issuing.publicKey.export({ type: 'spki', format: 'der' });
  return {
    certificatePem: toPem('CERTIFICATE', issuing.raw),
    certificateDer: issuing.raw,
    chainPem: chain.map((certificate) => toPem('CERTIFICATE', certificate.raw)).join(''),
    subjectDer: subjectOf(issuing.raw, name),
    keyIdentifier: subjectKeyIdentifier(issuing.raw) ?? keyIdentifierOf(publicKeyDer),
    publicKeyDer,
    notBeforeMs: issuing.validFromDate.getTime(),
    notAfterMs: issuing.validToDate.getTime(),
  };
}

function checkMayIssue(authority: PublicAuthority, name: string, nowMs: number): void {
  const certificate = new X509Certificate(authority.certificateDer);
  const usage = extensionValue(authority.certificateDer, oids.keyUsage);
  const curve = certificate.publicKey.asymmetricKeyDetails?.namedCurve ?? '';
  const [from, to] = [authority.notBeforeMs, authority.notAfterMs].map((ms) => new Date(ms).toISOString());
  const requirements: readonly (readonly [met: boolean, problem: string, remedy: string])[] = [
    // Before `ca`, which OpenSSL answers with no when the usage forbids it too. keyCertSign is bit 5 of a
    // BIT STRING: tag, length, unused bits, bits.
    [
      usage === null || ((usage[3] ?? 0) & 0x04) !== 0,
      'may not sign certificates',
      'give one with keyUsage keyCertSign',
    ],
    [certificate.ca, 'is no CA certificate', 'give one with basicConstraints CA:TRUE'],
    [
      ['prime256v1', 'secp384r1'].includes(curve),
      'has a key that is not P-256 or P-384',
      'issue an intermediate with such a key',
    ],
    [authority.keyIdentifier.length <= 64, 'has a key identifier of over 64 bytes', 'shorten it'],
    [authority.subjectDer.length <= 512, 'has a subject of over 512 bytes', 'shorten it'],
    [
      nowMs < authority.notAfterMs && nowMs >= authority.notBeforeMs,
      `is valid from ${from} to ${to} only`,
      'renew it, or correct the clock',
    ],
  ];
  const unmet = requirements.find(([met]) => !met);
  if (unmet) throw unusable(`${name} ${unmet[1]}`, unmet[2]);
}

function parseCertificate(pem: string, name: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw unusable(`${name} holds a malformed certificate`, 'give PEM certificates', error);
  }
}

function parseKey(pem: string, name: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw unusable(`${name} holds no private key that can be read`, 'give an unencrypted PEM key', error);
  }
}

/** TBSCertificate fields: [0] version, serial, algorithm, issuer, validity, subject, … */
function tbsParts(certificateDer: Buffer) {
  const certificate = readParts(certificateDer, readElement(certificateDer, 0, certificateDer.length), 0x30);
  return readParts(certificateDer, certificate?.[0], 0x30);
}

function subjectOf(certificateDer: Buffer, name: string): Buffer {
  const subject = tbsParts(certificateDer)?.[5];
  if (subject?.tag !== 0x30 || subject.end === subject.content) {
    throw unusable(
      `${name} has no subject or is not version 3`,
      'give an X.509 version 3 authority with a subject',
    );
  }
  return certificateDer.subarray(subject.start, subject.end);
}

/** What stands inside the OCTET STRING of an extension, or null. */
function extensionValue(certificateDer: Buffer, dotted: string): Buffer | null {
  const wrapper = tbsParts(certificateDer)?.find((part) => part.tag === 0xa3);
  const list =
    wrapper && readParts(certificateDer, readElement(certificateDer, wrapper.content, wrapper.end), 0x30);
  const wanted = encodeDer(oid(dotted));
  for (const entry of list ?? []) {
    const parts = readElements(certificateDer, entry.content, entry.end) ?? [];
    const last = parts.at(-1);
    if (!parts[0] || !last || !certificateDer.subarray(parts[0].start, parts[0].end).equals(wanted)) continue;
    return certificateDer.subarray(last.content, last.end);
  }
  return null;
}

function subjectKeyIdentifier(certificateDer: Buffer): Buffer | null {
  const value = extensionValue(certificateDer, oids.subjectKeyIdentifier);
  const element = value && readElement(value, 0, value.length);
  return value && element?.tag === 4 ? value.subarray(element.content, element.end) : null;
}

function newKeyPem(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** Whole or not at all, on disk when it returns; a file that another process made meanwhile is left alone. */
function createFile(path: string, text: string): void {
  const partial = `${path}.${process.pid}`;
  rmSync(partial, { force: true });
  const fd = openSync(partial, 'wx', 0o600);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
    linkSync(partial, path);
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw unusable(`${path} cannot be written`, 'see the cause', error);
  } finally {
    closeSync(fd);
    rmSync(partial, { force: true });
  }
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isCode(error, 'ENOENT')) return null;
    throw unusable(`${path} cannot be read`, 'check its owner and mode', error);
  }
}

function readText(path: string): string {
  const text = readIfThere(path);
  if (text === null) throw unusable(`${path} does not exist`, 'give the path of an existing file');
  return text;
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function unusable(problem: string, remedy: string, cause?: unknown): SallyportError {
  return new SallyportError('authority', `${problem}; ${remedy}`, cause);
}
