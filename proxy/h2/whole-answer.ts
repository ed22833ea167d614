// Answers every request of a connection that is blocked, or whose server cannot be reached, as a whole, to a client
// that speaks nothing but HTTP/2. Node's own server reads the frames; each request is judged and recorded.

import { performServerHandshake } from 'node:http2';
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { blocked, isOpen } from '../../flow/decision.ts';
import type { Decision } from '../../flow/decision.ts';
import type { Reason } from '../../flow/reason.ts';
import { explainRefused } from '../blocked-answer.ts';
import type { Carrier, Connection } from '../connection.ts';
import { BlockFields } from '../fields.ts';
import { judge } from '../judge.ts';
import { HpackBlock } from './hpack.ts';
import { HpackField } from './hpack-static.ts';
import { readRequest } from './request-block.ts';
import type { RequestBlock } from './request-block.ts';
import { recordMalformed } from './malformed.ts';
import { Stream } from './stream.ts';

const idleMs = 5_000;
const maxStreams = 64;
const protocolError = 1;

/** Answers each stream of the client (TLS done, h2 chosen) with this decision and reason, until it goes. */
export function answerHttp2(
  connection: Connection,
  client: Socket,
  decision: Decision,
  reason: Reason,
): void {
  // Node leaves it true on a TLSSocket that was made by hand, and would wait for an event that never comes.
  const secured = client as TLSSocket & { secureConnecting: boolean };
  secured.secureConnecting = false;
  const session = performServerHandshake(secured, {
    maxSessionMemory: 2,
    // A client of WebSockets asks only a server that says so (RFC 8441 section 3), and would not hear why it may not.
    settings: { maxConcurrentStreams: maxStreams, enablePush: false, enableConnectProtocol: true },
  });
  new WholeAnswer(connection, client, session, decision, reason).start();
}

class WholeAnswer implements Carrier {
  readonly #connection: Connection;
  readonly #client: Socket;
  readonly #session: ServerHttp2Session;
  readonly #decision: Decision;
  readonly #reason: Reason;

  constructor(
    connection: Connection,
    client: Socket,
    session: ServerHttp2Session,
    decision: Decision,
    reason: Reason,
  ) {
    this.#connection = connection;
    this.#client = client;
    this.#session = session;
    this.#decision = decision;
    this.#reason = reason;
  }

  start(): void {
    const connection = this.#connection;
    connection.carrier = this;
    connection.setDeadline(idleMs);
    this.#session.on('error', () => {});
    this.#session.on('stream', (stream, _headers, _flags, raw) => {
      stream.on('error', () => {});
      connection.core.guard(connection, () => this.#answer(stream, raw));
    });
    this.#session.once('close', () => connection.abort(null));
  }

  #answer(stream: ServerHttp2Stream, raw: readonly string[]): void {
    const connection = this.#connection;
    connection.setDeadline(idleMs);
    stream.resume();
    const block = blockOf(raw);
    const request = readRequest(block, stream.endAfterHeaders);
    if (typeof request === 'string') {
      recordMalformed(connection, request, 0);
      return stream.close(protocolError);
    }
    const judgement = judge(connection, request, 'https', false, new BlockFields(block));
    const told = new Stream(connection, null, stream.id ?? 0, request, judgement);
    const limit = connection.core.limiter.enterRequest(connection.runner);
    told.isCounted = limit === null;
    connection.settle();
    const isOwn = limit === null && !isOpen(judgement.decision);
    if (limit !== null) told.decision = blocked(limit);
    else if (!isOwn) told.decision = this.#decision;
    const ended = told.decision === this.#decision && isOpen(this.#decision) ? this.#reason : null;
    if (!told.open()) return this.#respond(stream, told, request, null);
    this.#respond(stream, told, request, ended);
  }

  #respond(stream: ServerHttp2Stream, told: Stream, request: RequestBlock, ended: Reason | null): void {
    const { decision, judgement } = told;
    const path = judgement.query?.path ?? '';
    const refused = {
      decision,
      reason: ended ?? decision.reason,
      host: judgement.host,
      method: request.sentMethod,
      path,
      told: ended === null ? undefined : this.#connection.told,
    };
    const { status, fields, body } = explainRefused(refused, (name) => fieldOf(request, name));
    const headers: IncomingHttpHeaders = { ':status': String(status), ...Object.fromEntries(fields) };
    const isBare = request.sentMethod === 'HEAD' || body.length === 0;
    stream.respond(headers, { endStream: isBare });
    if (!isBare) stream.end(body);
    told.status = status;
    told.receivedBytes = body.length;
    told.close(ended);
  }

  expire(): void {
    if (this.#session.closed) return this.#connection.abort(null);
    this.#session.close();
    this.#connection.setDeadline(this.#connection.core.limits.lingerMs);
  }

  mustEnd(): Reason | null {
    return null;
  }

  isIdle(): boolean {
    return true;
  }

  gone(): void {
    // Node read and wrote them: none passed through our hands.
    this.#connection.sentBytes = this.#client.bytesRead;
    this.#connection.receivedBytes = this.#client.bytesWritten;
    this.#session.destroy();
  }
}

function fieldOf(request: RequestBlock, name: string): string {
  if (name === 'accept') return request.accept;
  if (name === 'content-type') return request.contentType;
  return name === 'user-agent' ? request.userAgent : '';
}

/** The fields as Node read them, in the shape that all requests are read from. */
function blockOf(raw: readonly string[]): HpackBlock {
  const block = new HpackBlock();
  for (let i = 0; i + 1 < raw.length; i += 2) block.fields.push(new HpackField(raw[i]!, raw[i + 1]!, 0));
  block.count = block.fields.length;
  return block;
}
