// Opens a connection's TLS: the server is asked first what it speaks (mirror.ts), then the client's handshake is
// answered with a leaf of ours over the socket that was peeked at, and what speaks inside is handed to its relay.

import { TLSSocket } from 'node:tls';
import type { SecureContext } from 'node:tls';
import { blocked, isOpen } from '../flow/decision.ts';
import { SallyportError } from '../flow/errors.ts';
import type { Reason } from '../flow/reason.ts';
import type { ClientHello } from './client-hello.ts';
import type { Connection } from './connection.ts';
import { isDialBlock } from './dial.ts';
import { mirrorAlpn } from './mirror.ts';
import type { Mirrored } from './mirror.ts';
import { Relay } from './relay.ts';

/** Intercepts TLS and hands the stream to what relays its requests. @throws SallyportError without a leaf */
export async function intercept(connection: Connection, hello: ClientHello, bytes: Buffer): Promise<void> {
  const name = connection.host ?? connection.address;
  if (name === null) return connection.abort('no-server-name');
  const turn = connection.core.turns.take(connection.runner);
  if (turn !== null) await turn;
  if (connection.isClosed) return;
  const leaf = connection.core.ports.leafIssuer.contextFor(name, connection.runner);
  // It is minted while the server is dialled; a failure is met below, where it is waited for.
  if (leaf instanceof Promise) leaf.catch(() => {});
  const mirrored = await mirrorAlpn(connection, hello, bytes);
  if (mirrored === null) return;
  let isServed = false;
  try {
    const stream = await endTls(connection, hello, leaf, mirrored);
    if (typeof stream === 'string') return connection.abort(stream);
    serve(connection, stream, mirrored);
    isServed = true;
  } finally {
    if (!isServed) mirrored.upstream?.destroy();
  }
}

function serve(connection: Connection, stream: TLSSocket, { upstream }: Mirrored): void {
  const { http2 } = connection.core.ports;
  if (stream.alpnProtocol !== 'h2' || http2 === undefined)
    return new Relay(connection, stream, 'https', false).start(null);
  if (upstream !== null) return http2.start(connection, stream, upstream);
  const problem = connection.takeDialFailure();
  if (problem === null)
    return http2.answer(connection, stream, connection.decision, connection.decision.reason);
  const { failure } = problem;
  connection.told = problem.told;
  connection.meet(problem);
  const { rule, scope } = connection.decision;
  const decision = isDialBlock(failure) ? { ...blocked(failure), rule, scope } : connection.decision;
  http2.answer(connection, stream, decision, failure);
}

/** The decrypted stream, paused; or why there is none. */
async function endTls(
  connection: Connection,
  hello: ClientHello,
  leaf: SecureContext | Promise<SecureContext>,
  mirrored: Mirrored,
): Promise<TLSSocket | Reason> {
  const { core, socket } = connection;
  const startedAt = performance.now();
  const secureContext = leaf instanceof Promise ? await inTime(leaf, core.limits.handshakeMs) : leaf;
  if (connection.isClosed) return 'client-closed';
  socket.unshift(mirrored.bytes);
  const secured = new TLSSocket(socket, {
    isServer: true,
    secureContext,
    ...(mirrored.alpn === null ? {} : { ALPNProtocols: [mirrored.alpn] }),
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
    // Made when it is due: a stack costs as much as the signature that is waited for.
    const fail = () => reject(new SallyportError('keeper-unavailable', `no leaf within ${limitMs} ms`));
    timer = setTimeout(fail, limitMs);
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
      if (reason === 'client-rejected-certificate') noteRefusal(connection);
      connection.ended ??= reason;
      finish(reason);
    });
    secured.once('secure', () => finish(null));
    // Half-open sockets stay after their end: it is noticed here or when the time is up.
    secured.once('end', () => finish('client-closed'));
    secured.once('close', () => finish('client-closed'));
  });
}

/** Counted where a rule could open the host; a host that is blocked stays blocked whoever trusts us. */
function noteRefusal(connection: Connection): void {
  const { core, host, address, port, holder } = connection;
  if (!isOpen(connection.decision)) return;
  const proposed = core.proposals.refused(host ?? address ?? '', port, holder);
  if (proposed !== null) connection.evidence = [...connection.evidence, proposed];
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
