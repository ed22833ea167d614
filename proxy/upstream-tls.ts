// TLS to real servers over a connected socket: always verified (authorities.ts says by whom), resumed where the server
// allows it. Revocation is not checked, and must-staple (RFC 7633) not heeded: docs/limitations.md.

import { LRUCache } from 'lru-cache';
import { isIP } from 'node:net';
import type { Socket } from 'node:net';
import { checkServerIdentity, connect } from 'node:tls';
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
import type { Authorities } from './authorities.ts';
import { nobodyWaits } from './dial.ts';
import type { DialFailure } from './dial.ts';
import { readTlsProblem } from './upstream-problem.ts';

const maxResumable = 2_048;
/** What is asked of a server, and for whom a ticket of its is good. */
export interface Wanted {
  readonly host: string;
  readonly port: number;
  readonly resumeKey: string;
  /** ALPN names, in order. */
  readonly offered: readonly string[];
  /** Aborted when nobody waits for the handshake any more. */
  readonly signal?: AbortSignal | undefined;
}

/** Verifies servers; keeps tickets for resumption, which hold for one host and thus for one set of authorities. */
export class UpstreamTls {
  readonly #authorities: Authorities;
  readonly #limitMs: number;
  readonly #resumable = new LRUCache<string, Buffer>({ max: maxResumable });

  constructor(authorities: Authorities, limitMs: number) {
    this.#authorities = authorities;
    this.#limitMs = limitMs;
  }

  /** The verified stream to a name or an address. Never rejects; the socket is destroyed on a failure. */
  secure(
    socket: Socket,
    { host, port, resumeKey, offered, signal }: Wanted,
  ): Promise<TLSSocket | DialFailure> {
    const session = this.#resumable.get(resumeKey);
    return new Promise((resolve) => {
      const secured: TLSSocket = connect({
        socket,
        host,
        servername: isIP(host) === 0 ? host : '',
        secureContext: this.#authorities.contextFor(host),
        ALPNProtocols: [...offered],
        rejectUnauthorized: true,
        checkServerIdentity: () => identityProblem(secured, host),
        ...(session === undefined ? {} : { session }),
      });
      // Node describes the whole chain to checkServerIdentity, which is a tenth of the handshake's cost; ours reads
      // the certificate itself. The type is that of the description, which nobody looks at.
      secured.getPeerCertificate = () => ({}) as DetailedPeerCertificate;
      const limit = setTimeout(
        () => fail({ failure: 'timeout', detail: 'no TLS handshake in time' }),
        this.#limitMs,
      );
      const fail = (failure: DialFailure) => {
        clearTimeout(limit);
        signal?.removeEventListener('abort', onAbort);
        secured.destroy();
        socket.destroy();
        resolve(failure);
      };
      const onAbort = () => fail(nobodyWaits);
      if (signal?.aborted === true) return onAbort();
      signal?.addEventListener('abort', onAbort);
      secured.on('session', (ticket: Buffer) => this.#resumable.set(resumeKey, ticket));
      secured.on('error', (error: NodeJS.ErrnoException) => {
        this.#resumable.delete(resumeKey);
        fail(readTlsProblem(error, { host, port }, wantsCertificate(secured)));
      });
      secured.once('secureConnect', () => {
        clearTimeout(limit);
        signal?.removeEventListener('abort', onAbort);
        const chosen = secured.alpnProtocol;
        // RFC 7301 §3.2: nothing else than what was offered.
        if (typeof chosen === 'string' && !offered.includes(chosen))
          fail({ failure: 'upstream-protocol', detail: 'the server chose a protocol that was not offered' });
        else resolve(secured);
      });
    });
  }
}

/** Why the server's certificate is not one for this host (RFC 9110 §4.3.4), or undefined. */
function identityProblem(secured: TLSSocket, host: string): Error | undefined {
  const certificate = secured.getPeerX509Certificate();
  if (certificate === undefined) return new Error('the server showed no certificate');
  const matched = isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host);
  // OpenSSL lets a wildcard cover no underscore; Node's own check does, and names what it found.
  return matched === undefined ? checkServerIdentity(host, certificate.toLegacyObject()) : undefined;
}

/**
 * True when the server sent a CertificateRequest (RFC 5246 §7.4.4, RFC 8446 §4.3.2): only that message tells a client
 * signature algorithms, and nothing else of it can be seen from Node.
 */
export function wantsCertificate(secured: TLSSocket): boolean {
  // Null, against its type, once the handle is gone.
  const algorithms = secured.getSharedSigalgs() as string[] | null;
  return algorithms !== null && algorithms.length > 0;
}
