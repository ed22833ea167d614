// The server of the operator's listener, plain or with TLS, with the time limits of heads and requests.

import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createSecureContext, Server as TlsServer } from 'node:tls';

/** PEM texts. */
export interface OperatorCertificate {
  readonly certificate: string;
  readonly key: string;
}

const limits = {
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  connectionsCheckingInterval: 1_000,
  maxHeaderSize: 16_384,
} as const;
const tlsLimits = { minVersion: 'TLSv1.2', handshakeTimeout: 5_000, ALPNProtocols: ['http/1.1'] } as const;

/** A server that does not listen yet. @throws Error when certificate and key do not fit */
export function createOperatorListener(
  handle: RequestListener,
  certificate: OperatorCertificate | null,
): Server {
  if (certificate === null) return createServer(limits, handle);
  const pair = { cert: certificate.certificate, key: certificate.key };
  // Checked before: a server with a broken pair would listen and answer nobody.
  createSecureContext(pair);
  const server: unknown = createTlsServer({ ...limits, ...tlsLimits, ...pair }, handle);
  // as: a server of node:https has all that one of node:http has.
  return server as Server;
}

/** Has new connections meet another certificate. @throws Error when it does not fit: the old one stays */
export function renewCertificate(server: Server, { certificate, key }: OperatorCertificate): void {
  const pair = { cert: certificate, key };
  createSecureContext(pair);
  const listener: unknown = server;
  if (listener instanceof TlsServer) listener.setSecureContext({ ...pair, minVersion: tlsLimits.minVersion });
}
