// A web server of the lab as they are on the internet now: TLS with h2 and http/1.1 on one port, plain HTTP on another,
// delays, events, WebSockets over both versions. Keeps what arrived and what it answered, in bytes where it knows them.

import { createServer as createHttp } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createSecureServer } from 'node:http2';
import type {
  Http2SecureServer,
  Http2ServerRequest,
  Http2ServerResponse,
  ServerHttp2Session,
} from 'node:http2';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import { createSecureContext, TLSSocket, type SecureContext } from 'node:tls';
import type { TestAuthority } from '../../netns/authority.ts';
import { listenTcp } from '../../netns/socket.ts';
import { acceptWebSocket } from './web-socket-echo.ts';

export type ModernRequest = IncomingMessage | Http2ServerRequest;
export type ModernResponse = ServerResponse | Http2ServerResponse;

/** One request, as the server saw it at its end. */
export interface Served {
  readonly method: string;
  readonly host: string;
  /** The request target, query included. */
  readonly target: string;
  readonly version: '1.0' | '1.1' | '2';
  readonly status: number;
  readonly isTls: boolean;
  /** Body bytes, without framing. */
  readonly received: number;
  readonly answered: number;
  /** Bytes of both heads on an h1 connection where a head says how long the body is; null where nobody can tell. */
  readonly heads: { readonly request: number; readonly answer: number } | null;
}

export interface ModernServerOptions {
  readonly namespace: string | null;
  readonly addresses: readonly string[];
  readonly authority: TestAuthority;
  /** Answers some requests itself; false leaves them to the server's own routes. */
  readonly answer?: (request: ModernRequest, response: ModernResponse, host: string) => boolean;
}

/** Serves 80 and 443 until `close`. */
export class ModernServer {
  readonly served: Served[] = [];
  readonly #options: ModernServerOptions;
  readonly #servers: (Server | Http2SecureServer)[] = [];
  readonly #contexts = new Map<string, SecureContext>();
  readonly #open = new Set<Socket | ServerHttp2Session>();
  readonly #acknowledged = new Map<string, () => void>();

  constructor(options: ModernServerOptions) {
    this.#options = options;
  }

  /** Opens both ports on every address. @throws SallyportError */
  async start(): Promise<void> {
    for (const address of this.#options.addresses) {
      for (const [port, server] of [[80, createHttp()] as const, [443, this.#makeTls(address)] as const]) {
        this.#take(server);
        server.listen({ fd: listenTcp(this.#options.namespace, address, port) });
        this.#servers.push(server);
        await once(server, 'listening');
      }
    }
  }

  close(): void {
    for (const server of this.#servers) server.close();
    for (const open of this.#open) open.destroy();
  }

  /** What was served to this host, in the order of its ends. */
  servedTo(host: string): Served[] {
    return this.served.filter((request) => request.host === host);
  }

  #makeTls(address: string): Http2SecureServer {
    const { certificate, key } = this.#options.authority.issue([address]);
    return createSecureServer({
      cert: certificate,
      key,
      allowHTTP1: true,
      settings: { enableConnectProtocol: true },
      SNICallback: (name, done) => done(null, this.#contextFor(name)),
    });
  }

  #contextFor(name: string): SecureContext {
    const known = this.#contexts.get(name);
    if (known) return known;
    const { certificate, key } = this.#options.authority.issue([name]);
    const context = createSecureContext({ cert: certificate, key });
    this.#contexts.set(name, context);
    return context;
  }

  #take(server: Server | Http2SecureServer): void {
    const keep = (open: Socket | ServerHttp2Session): void => {
      this.#open.add(open);
      open.on('error', () => open.destroy());
      open.on('close', () => this.#open.delete(open));
    };
    server.on('connection', keep);
    server.on('session', keep);
    server.on('clientError', (_error: Error, socket: Duplex) => socket.destroy());
    server.on('request', (request: ModernRequest, response: ModernResponse) => {
      this.#serve(request, response);
    });
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      const counted = acceptWebSocket(request, socket, head);
      const heads = { request: requestHeadBytes(request), answer: 0 };
      socket.on('close', () => this.#record(request, 101, counted, heads));
    });
    // Extended CONNECT (RFC 8441): Node's compatibility layer gives it to this event.
    server.on('connect', (request: ModernRequest, response: ModernResponse) => {
      if (!('stream' in response)) return void request.socket.destroy();
      response.stream.respond({ ':status': 200 });
      const counted = acceptWebSocket(null, response.stream, Buffer.alloc(0));
      response.stream.on('close', () => this.#record(request, 200, counted, null));
    });
  }

  #serve(request: ModernRequest, response: ModernResponse): void {
    const counted = { received: 0, answered: 0 };
    request.on('data', (chunk: Buffer) => (counted.received += chunk.length));
    request.on('error', () => response.destroy());
    countAnswer(response, counted);
    response.on('close', () => {
      const status = response.statusCode;
      this.#record(request, status, counted, headSizes(request, response));
    });
    const host = hostOf(request);
    if (this.#options.answer?.(request, response, host) === true) return;
    request.resume();
    this.#answerRoute(request, response, host);
  }

  #answerRoute(request: ModernRequest, response: ModernResponse, host: string): void {
    const [path = '', query = ''] = (request.url ?? '').split('?');
    const [, kind = '', value = ''] = path.split('/');
    const stream = `${host} ${query}`;
    if (kind === 'events') return void this.#sendEvents(response, stream, Number(value));
    if (kind === 'acknowledge') this.#acknowledged.get(`${stream} ${value}`)?.();
    if (kind === 'size') return send(response, 200, Buffer.alloc(Number(value), 'sallyport '));
    if (kind === 'status') return send(response, Number(value), `${value}\n`);
    const answer = (): void => send(response, 200, `${request.method} ${host}${request.url}\n`);
    if (kind === 'delay') setTimeout(answer, Number(value));
    else if (request.readableEnded) answer();
    else request.on('end', answer);
  }

  /** Server-sent events, each only after the client has acknowledged the one before: what is held back never ends. */
  async #sendEvents(response: ModernResponse, stream: string, count: number): Promise<void> {
    response.setHeader('content-type', 'text/event-stream');
    response.setHeader('cache-control', 'no-store');
    for (let at = 0; at < count; at++) {
      const seen = new Promise<void>((done) => this.#acknowledged.set(`${stream} ${at}`, done));
      writeText(response, `id: ${at}\ndata: event ${at}\n\n`);
      await seen;
    }
    response.end();
  }

  #record(
    request: ModernRequest,
    status: number,
    { received, answered }: { received: number; answered: number },
    heads: Served['heads'],
  ): void {
    // Node gives '1.0', '1.1' or '2.0' here.
    const version = request.httpVersion === '2.0' ? '2' : (request.httpVersion as '1.0' | '1.1');
    const isTls = request.socket instanceof TLSSocket || version === '2';
    const about = { method: request.method ?? '', host: hostOf(request), target: request.url ?? '' };
    this.served.push({ ...about, version, status, isTls, received, answered, heads });
  }
}

function hostOf(request: ModernRequest): string {
  return String(request.headers[':authority'] ?? request.headers.host ?? '').replace(/:(?:80|443)$/, '');
}

/** A whole answer with its length. */
export function send(
  response: ModernResponse,
  status: number,
  body: string | Buffer,
  type = 'text/plain',
): void {
  const bytes = Buffer.from(body);
  response.statusCode = status;
  response.setHeader('content-type', type);
  response.setHeader('content-length', bytes.length);
  response.end(bytes);
}

function writeText(response: ModernResponse, text: string): void {
  if ('stream' in response) response.write(text);
  else response.write(text);
}

/** Counts what passes `write` and `end`; Node's `end` may call `write` itself. */
function countAnswer(response: ModernResponse, counted: { answered: number }): void {
  let isEnding = false;
  const wrap = (name: 'write' | 'end'): void => {
    // Both classes have the two methods with the same shape; their overloads cannot be named together.
    const plain = (response[name] as (...args: unknown[]) => unknown).bind(response);
    Reflect.set(response, name, (chunk: unknown, ...rest: unknown[]) => {
      if (!isEnding && (typeof chunk === 'string' || chunk instanceof Uint8Array))
        counted.answered += Buffer.byteLength(chunk);
      if (name === 'end') isEnding = true;
      return plain(chunk, ...rest);
    });
  };
  wrap('write');
  wrap('end');
}

/** Sizes of both heads as they stood on the wire (RFC 9112), where no chunk sizes stand between the bytes of a body. */
function headSizes(request: ModernRequest, response: ModernResponse): Served['heads'] {
  if ('stream' in request || 'stream' in response) return null;
  if (request.headers['transfer-encoding'] !== undefined) return null;
  if (response.getHeader('content-length') === undefined) return null;
  const answer: unknown = Reflect.get(response, '_header');
  if (typeof answer !== 'string') return null;
  return { request: requestHeadBytes(request), answer: answer.length };
}

function requestHeadBytes({ rawHeaders, method = '', url = '' }: IncomingMessage): number {
  // A colon and a space, or the line's end, after each name and value.
  const fields = rawHeaders.reduce((sum, text) => sum + text.length + 2, 0);
  return method.length + 1 + url.length + ' HTTP/1.1\r\n'.length + fields + 2;
}
