// Ends the client's TLS with a leaf of ours over the socket that was peeked at, whose bytes are given back
// first. Only http/1.1 is offered; what the client says afterwards is the relay's business.

import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { SallyportError } from '../flow/errors.ts';
import type { ClientHello } from './client-hello.ts';
import type { Connection } from './connection.ts';
import type { Reason } from '../flow/reason.ts';

/** The decrypted stream, paused; or why there is none. Never rejects. */
export async function interceptTls(
  connection: Connection,
  hello: ClientHello,
  bytes: Buffer,
): Promise<Socket | Reason> {
  const { core, socket, runner } = connection;
  const name = connection.host ?? connection.address;
  if (name === null) return 'no-server-name';
  const startedAt = performance.now();
  const leaf = core.ports.leafIssuer.contextFor(name, runner);
  const secureContext = leaf instanceof Promise ? await inTime(leaf, core.limits.handshakeMs) : leaf;
  if (connection.isClosed) return 'client-closed';
  socket.unshift(bytes);
  const offersHttp1 = hello.alpn.includes('http/1.1');
  const secured = new TLSSocket(socket, {
    isServer: true,
    secureContext,
    // An overlap is required once we name any: a client that offers none of ours is told so by OpenSSL.
    ...(offersHttp1 || hello.alpn.includes('h2') ? { ALPNProtocols: ['http/1.1'] } : {}),
  });
  const problem = await handshake(connection, secured);
  if (problem !== null) return problem;
  connection.handshakeMs = performance.now() - startedAt;
  core.ports.meter.observe('sallyport_handshake_seconds', connection.handshakeMs / 1000);
  connection.tls = {
    serverName: hello.serverName,
    alpn: secured.alpnProtocol === false ? null : secured.alpnProtocol,
    version: secured.getProtocol(),
    treatment: 'intercept',
  };
  return secured;
}

/** A keeper that is there and does not answer must not hold the connection for ever. */
async function inTime<T>(leaf: Promise<T>, limitMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    const error = new SallyportError('keeper-unavailable', `no leaf within ${limitMs} ms`);
    timer = setTimeout(() => reject(error), limitMs);
  });
  try {
    return await Promise.race([leaf, limit]);
  } finally {
    clearTimeout(timer);
  }
}

function handshake(connection: Connection, secured: TLSSocket): Promise<Reason | null> {
  return new Promise((resolve) => {
    const finish = (reason: Reason | null) => {
      connection.onDeadline = null;
      resolve(reason);
    };
    connection.onDeadline = () => finish('timeout');
    connection.setDeadline(connection.core.limits.handshakeMs);
    // Stays for the life of the socket: an alert may come long after the handshake.
    secured.on('error', (error: NodeJS.ErrnoException) => {
      const reason = tlsReason(error);
      connection.ended ??= reason;
      finish(reason);
    });
    secured.once('secure', () => finish(null));
    secured.once('close', () => finish('client-closed'));
  });
}

/** Alerts by which a client says that it does not trust our authority (RFC 8446 §6.2). */
function tlsReason(error: NodeJS.ErrnoException): Reason {
  const text = `${error.code ?? ''} ${error.message}`;
  if (
    /UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_UNKNOWN|unknown ca|bad certificate|certificate unknown/i.test(
      text,
    )
  ) {
    return 'client-rejected-certificate';
  }
  if (/no_application_protocol|NO_SHARED|NO_APPLICATION/i.test(text)) return 'unknown-protocol';
  return /ECONNRESET|EPIPE/.test(text) ? 'client-closed' : 'malformed-tls';
}
