// `sallyport ca show|export`: what the authority is, and its certificate in the form that a client takes.
// Reads the public files only, so that no right over the key is needed.

import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { SallyportError, exitCodes } from '../flow/errors.ts';
import { readPublicAuthority } from './authority.ts';
import type { PublicAuthority } from './authority.ts';
import { authorityPem, bundleTrustStore, publicFiles } from './bundle.ts';

/** Where a command writes; `process` is one. */
export interface CommandIo {
  readonly stdout: { write(chunk: string | Uint8Array): unknown };
  readonly stderr: { write(chunk: string | Uint8Array): unknown };
}

const usage = `usage: sallyport ca show|export [--format pem|der|p12] [--state DIR] [--json]

show tells the authority's subject, fingerprint and validity, export writes its certificate to standard output.
  --format pem|der|p12   form of the export (default pem); p12 has the trusted-key attribute that Java wants
  --state DIR            state directory of the gateway (default /var/lib/sallyport)
  --json                 show: {authority: {subject, sha256, keyIdentifier, notBefore, notAfter, selfSigned}};
                         export: {format, base64}

Exit codes: 0 done, 2 invalid command line, 69 there is no authority that can be read.
`;
const formats = ['pem', 'der', 'p12'] as const;
type Format = (typeof formats)[number];
const defaultState = '/var/lib/sallyport';

interface CaOptions {
  readonly action: 'show' | 'export';
  readonly format: Format;
  readonly state: string;
  readonly json: boolean;
}

/** Runs `ca` with the arguments after it; resolves to the exit code. */
export async function runCaCommand(args: readonly string[], io: CommandIo): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    io.stdout.write(usage);
    return exitCodes.ok;
  }
  const options = parseOptions(args);
  if (options === null) {
    io.stderr.write(usage);
    return exitCodes.usage;
  }
  try {
    const authority = findAuthority(options.state);
    io.stdout.write(options.action === 'show' ? show(authority, options.json) : exportAs(authority, options));
    return exitCodes.ok;
  } catch (error) {
    if (!(error instanceof SallyportError)) throw error;
    io.stderr.write(`sallyport: ${error.message}\n`);
    return exitCodes.unavailable;
  }
}

function parseOptions(args: readonly string[]): CaOptions | null {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        format: { type: 'string', default: 'pem' },
        state: { type: 'string', default: defaultState },
        json: { type: 'boolean', default: false },
      },
    });
    const [action] = positionals;
    const format = formats.find((name) => name === values.format);
    if (positionals.length !== 1 || !format || (action !== 'show' && action !== 'export')) return null;
    return { action, format, state: values.state, json: values.json };
  } catch {
    // parseArgs throws on unknown options: the usage line is the answer to both.
    return null;
  }
}

function findAuthority(state: string): PublicAuthority {
  const published = join(state, 'public', publicFiles.pem);
  const path = existsSync(published) ? published : join(state, 'authority', 'certificate.pem');
  try {
    return readPublicAuthority(readFileSync(path, 'utf8'), path);
  } catch (error) {
    if (error instanceof SallyportError) throw error;
    const remedy = 'start the gateway once, or name its state directory with --state';
    throw new SallyportError('authority', `${published} cannot be read; ${remedy}`, error);
  }
}

/** What `ca show` tells of an authority. */
export function describeAuthority(authority: PublicAuthority) {
  const certificate = new X509Certificate(authority.certificateDer);
  return {
    subject: certificate.subject.replaceAll('\n', ', '),
    sha256: certificate.fingerprint256,
    keyIdentifier: authority.keyIdentifier.toString('hex'),
    notBefore: new Date(authority.notBeforeMs).toISOString(),
    notAfter: new Date(authority.notAfterMs).toISOString(),
    selfSigned: authority.chainPem === '',
  };
}

function show(authority: PublicAuthority, json: boolean): string {
  const description = describeAuthority(authority);
  if (json) return `${JSON.stringify({ authority: description })}\n`;
  return [
    `subject         ${description.subject}`,
    `sha256          ${description.sha256}`,
    `key identifier  ${description.keyIdentifier}`,
    `valid           ${description.notBefore} to ${description.notAfter}`,
    '',
  ].join('\n');
}

function exportAs(authority: PublicAuthority, { format, json }: CaOptions): string | Buffer {
  const content = {
    pem: () => Buffer.from(authorityPem(authority)),
    der: () => authority.certificateDer,
    p12: () => bundleTrustStore(authority),
  }[format]();
  return json ? `${JSON.stringify({ format, base64: content.toString('base64') })}\n` : content;
}
