// Why a TLS connection to a server came to nothing, in words for three readers: a reason code, a short phrase for the
// job (never an internal of ours), evidence for the record. RFC 5280 and RFC 8446 §6.2 name the cases.

import type { Evidence } from '../flow/evidence.ts';
import type { DialFailure } from './dial.ts';

/** OpenSSL's verdict on a certificate, as Node names it, and what a job is told of it. */
const certificateProblems: readonly (readonly [code: RegExp, told: string])[] = [
  [/^CERT_HAS_EXPIRED$/, 'a certificate has expired'],
  [/^CERT_NOT_YET_VALID$/, 'a certificate is not yet valid'],
  [/^DEPTH_ZERO_SELF_SIGNED_CERT$/, 'the certificate is self-signed'],
  [/^ERR_TLS_CERT_ALTNAME_|^HOSTNAME_MISMATCH$/, 'the certificate is for another name'],
  [
    /ISSUER|^SELF_SIGNED_CERT_IN_CHAIN$|VERIFY_LEAF|UNTRUSTED/,
    'the certificate comes from an unknown authority',
  ],
  [/SIGNATURE/, 'a signature in the certificate chain is wrong'],
  [
    /^INVALID_CA$|^INVALID_PURPOSE$|PATH_LENGTH|CHAIN_TOO_LONG/,
    'the certificate chain is not one for a server',
  ],
  [/CERT|CRL|_TOO_SMALL$|_TOO_WEAK$|HOSTNAME/, 'the certificate is not acceptable'],
];

/** Where the server is, for evidence. */
export interface Server {
  readonly host: string;
  readonly port: number;
}

/** Reads the error that ended a handshake; `asksCertificate` when the server had asked for a client certificate. */
export function readTlsProblem(
  error: NodeJS.ErrnoException,
  server: Server,
  asksCertificate: boolean,
): DialFailure {
  const detail = error.message;
  const code = error.code ?? '';
  if (asksCertificate) return certificateAsked(server, detail);
  const told = code.startsWith('ERR_SSL_') ? weaknessOf(code) : certificateProblem(code);
  if (told !== null) {
    const evidence = {
      kind: 'upstream-certificate',
      detail: `${server.host}:${server.port}: ${told}`,
    } as const;
    return { failure: 'upstream-certificate', detail, told, evidence };
  }
  const isProtocol = code.startsWith('ERR_SSL') || code.startsWith('EPROTO');
  return { failure: isProtocol ? 'upstream-protocol' : 'connect-failed', detail };
}

function certificateProblem(code: string): string | null {
  return certificateProblems.find(([pattern]) => pattern.test(code))?.[1] ?? null;
}

/** What OpenSSL refuses of a certificate before it verifies the chain; other library errors are the protocol's. */
function weaknessOf(code: string): string | null {
  return /_(?:KEY|MD)_TOO_(?:SMALL|WEAK)$/.test(code) ? 'the certificate is too weak' : null;
}

/** The server wants to know its client by a certificate, which only a connection that is passed through can show. */
export function certificateAsked({ host, port }: Server, detail: string): DialFailure {
  const evidence: Evidence = {
    kind: 'pass-through-proposed',
    detail: `${host}:${port} asks for a client certificate: an opaque rule would let the client show its own`,
  };
  return { failure: 'client-certificate', detail, evidence };
}
