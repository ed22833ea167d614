// The web servers of the demo, doctor and the lab: HTTP and HTTPS on chosen addresses of a namespace, a leaf for
// whatever name is asked, and a log of every request that arrived. What they answer is a function of the caller's.

import {
  createServer as createHttp,
  type IncomingMessage,
  type ServerResponse,
  type Server,
} from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { Duplex } from 'node:stream';
import { createSecureContext, TLSSocket, type SecureContext } from 'node:tls';
import { once } from 'node:events';
import type { TestAuthority } from './authority.ts';
import { listenTcp } from './socket.ts';

/** One request as it arrived. */
export interface ArrivedRequest {
  readonly method: string;
  /** The request target, query included. */
  readonly target: string;
  readonly host: string;
  readonly serverName: string | null;
  readonly isTls: boolean;
  /** Where it arrived. */
  readonly address: string;
  readonly port: number;
  readonly headers: NodeJS.Dict<string | string[]>;
}

export type Answer = (request: IncomingMessage, response: ServerResponse, arrived: ArrivedRequest) => void;

export interface WebServerOptions {
  readonly namespace: string | null;
  readonly addresses: readonly string[];
  /** Plain ports and TLS ports. */
  readonly http: readonly number[];
  readonly https: readonly number[];
  readonly authority: TestAuthority;
  readonly answer: Answer;
  readonly upgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  /** A context other than the one the authority gives; null for the ordinary one. */
  readonly contextFor?: (serverName: string) => SecureContext | null;
}

/** Serves until `close`. */
export class WebServer {
  readonly #options: WebServerOptions;
  readonly #servers: Server[] = [];
  readonly #contexts = new Map<string, SecureContext>();
  readonly arrived: ArrivedRequest[] = [];

  constructor(options: WebServerOptions) {
    this.#options = options;
  }

  /** Opens every port on every address. @throws SallyportError */
  async start(): Promise<void> {
    const { namespace, addresses, http, https } = this.#options;
    for (const address of addresses) {
      for (const port of [...http, ...https]) {
        const server = https.includes(port) ? this.#makeTls(address) : createHttp();
        server.on('request', (request: IncomingMessage, response: ServerResponse) =>
          this.#serve(request, response),
        );
        server.on('clientError', (_error: Error, socket: Duplex) => socket.destroy());
        const { upgrade } = this.#options;
        if (upgrade) {
          server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
            this.arrived.push(describe(request));
            upgrade(request, socket, head);
          });
        }
        server.listen({ fd: listenTcp(namespace, address, port) });
        this.#servers.push(server);
        await once(server, 'listening');
      }
    }
  }

  close(): void {
    for (const server of this.#servers) {
      server.close();
      server.closeAllConnections();
    }
  }

  #makeTls(address: string): Server {
    const certificate = this.#options.authority.issue([address]);
    return createHttps({
      cert: certificate.certificate,
      key: certificate.key,
      SNICallback: (serverName, done) => done(null, this.#contextFor(serverName)),
    });
  }

  #contextFor(serverName: string): SecureContext {
    const known = this.#contexts.get(serverName);
    if (known) return known;
    const { certificate, key } = this.#options.authority.issue([serverName]);
    const context = this.#options.contextFor?.(serverName) ?? createSecureContext({ cert: certificate, key });
    this.#contexts.set(serverName, context);
    return context;
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const arrived = describe(request);
    this.arrived.push(arrived);
    this.#options.answer(request, response, arrived);
  }
}

function describe(request: IncomingMessage): ArrivedRequest {
  const { socket } = request;
  const isTls = socket instanceof TLSSocket;
  return {
    method: request.method ?? '',
    target: request.url ?? '',
    host: request.headers.host ?? '',
    serverName: isTls && typeof socket.servername === 'string' ? socket.servername : null,
    isTls,
    address: socket.localAddress ?? '',
    port: socket.localPort ?? 0,
    headers: request.headers,
  };
}
