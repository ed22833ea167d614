// What runners trust: the public files of an authority. Variables that replace a client's roots need the whole
// bundle (system roots and ours), those that add need our certificate alone (trust-variables.ts).

import { X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';

import type { PublicAuthority } from './authority.ts';
import { createTrustStore } from './trust-store.ts';

/** Names of the public files, below the state directory's `public/`. */
export const publicFiles = {
  pem: 'authority.pem',
  der: 'authority.der',
  p12: 'authority.p12',
  bundle: 'bundle.pem',
} as const;

const systemBundles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];
const certificatePattern = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The machine's trusted roots, PEM; the roots built into Node where the machine has no bundle. */
export function readSystemRoots(paths: readonly string[] = systemBundles): string[] {
  for (const path of paths) {
    const blocks = readTextOrEmpty(path).match(certificatePattern);
    if (blocks) return blocks.map((block) => `${block}\n`);
  }
  return rootCertificates.map((certificate) => `${certificate}\n`);
}

function readTextOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // The next path, and Node's own roots in the end, stand in for a bundle that cannot be read.
    return '';
  }
}

/** Our certificate with its chain: what clients add to their roots. */
export function authorityPem(authority: PublicAuthority): string {
  return authority.certificatePem + authority.chainPem;
}

/** System roots and ours, PEM: what replaces a client's roots. */
export function bundlePem(
  authority: PublicAuthority,
  systemRoots: readonly string[] = readSystemRoots(),
): string {
  return authorityPem(authority) + systemRoots.join('');
}

/** The same as a PKCS#12 trust store, since Java's trust store replaces its roots. */
export function bundleTrustStore(
  authority: PublicAuthority,
  systemRoots: readonly string[] = readSystemRoots(),
): Buffer {
  const blocks = bundlePem(authority, systemRoots).match(certificatePattern) ?? [];
  const ders = new Map(blocks.map((block) => [block, derOf(block)]));
  const unique = new Map(
    [...ders.values()].filter((der) => der !== null).map((der) => [der.toString('hex'), der]),
  );
  return createTrustStore(
    [...unique.values()].map((der, index) => ({ alias: index === 0 ? 'sallyport' : `root-${index}`, der })),
  );
}

function derOf(pem: string): Buffer | null {
  try {
    return new X509Certificate(pem).raw;
  } catch {
    // One malformed root of the machine must not take the whole store away.
    return null;
  }
}

/** Writes the public files of an authority into `directory`, each renamed into place. Mode 0644. */
export function publishAuthority(authority: PublicAuthority, directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  const roots = readSystemRoots();
  const contents: readonly [string, string | Buffer][] = [
    [publicFiles.pem, authorityPem(authority)],
    [publicFiles.der, authority.certificateDer],
    [publicFiles.p12, bundleTrustStore(authority, roots)],
    [publicFiles.bundle, bundlePem(authority, roots)],
  ];
  for (const [name, content] of contents) {
    const path = join(directory, name);
    writeFileSync(`${path}.${process.pid}`, content, { mode: 0o644 });
    renameSync(`${path}.${process.pid}`, path);
  }
}
