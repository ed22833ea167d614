// The internet of the lab: an authoritative name server, web servers on several addresses, and servers of other
// protocols. They live in the test's own process (their sockets in the internet's namespace), so that a test
// reads what arrived without asking anybody; a test therefore never blocks the event loop (no spawnSync).

import { createHash } from 'node:crypto';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { createSecureContext } from 'node:tls';
import { H2Origin } from './h2-origin.ts';
import { TestAuthority } from '../../netns/authority.ts';
import { NameServer, type NameEntry } from '../../netns/name-server.ts';
import { bindUdp, listenTcp } from '../../netns/socket.ts';
import { WebServer, type ArrivedRequest } from '../../netns/web-server.ts';

/** Addresses of the lab's internet; all look public but the last four. */
export const labAddresses = {
  web4: '93.184.216.34',
  web6: '2606:2800:220:1::34',
  other4: '151.101.1.6',
  other6: '2a04:4e42::6',
  /** A server that speaks HTTP/2 and takes everything. */
  h24: '93.184.216.36',
  h26: '2606:2800:220:1::36',
  dns4: '198.41.0.4',
  dns6: '2001:503:ba3e::2:30',
  /** A resolver that is not ours: a name server listens here too. */
  resolver4: '8.8.8.8',
  resolver6: '2001:4860:4860::8888',
  private4: '192.168.77.5',
  metadata4: '169.254.169.254',
  azure4: '168.63.129.16',
  metadata6: 'fd00:ec2::254',
} as const;

const a = { a: [labAddresses.web4], aaaa: [labAddresses.web6] };
const other = { a: [labAddresses.other4], aaaa: [labAddresses.other6] };
const h2 = { a: [labAddresses.h24], aaaa: [labAddresses.h26] };
const longText = 'x'.repeat(200);
const baseNames: Readonly<Record<string, NameEntry>> = {
  'allowed.example.com': a,
  'api.example.com': a,
  'www.example.com': a,
  'h2.example.com': h2,
  'other-h2.example.com': h2,
  'v4only.example.com': { a: a.a },
  'v6only.example.com': { aaaa: a.aaaa },
  'blocked.example.net': other,
  'other.example.net': other,
  'resolver.example.net': { a: [labAddresses.resolver4], aaaa: [labAddresses.resolver6] },
  '*.wild.example.com': a,
  'alias.example.com': { cname: 'api.example.com' },
  'alias-blocked.example.com': { cname: 'blocked.example.net' },
  'alias-allowed.example.net': { cname: 'allowed.example.com' },
  'private.example.com': { a: [labAddresses.private4] },
  'loopback.example.com': { a: ['127.0.0.1'], aaaa: ['::1'] },
  'metadata.example.com': { a: [labAddresses.metadata4], aaaa: [labAddresses.metadata6] },
  'mapped.example.com': { aaaa: ['::ffff:169.254.169.254'] },
  'mixed.example.com': { a: [labAddresses.web4, '10.1.2.3'] },
  'short.example.com': { ...a, ttl: 1 },
  'slow.example.com': { ...a, delayMs: 1500 },
  'silent.example.com': { silent: true },
  'refused.example.com': { rcode: 5 },
  'failing.example.com': { rcode: 2 },
  'texts.example.com': { txt: Array.from({ length: 20 }, (_, i) => `${i}${longText}`) },
  'many.example.com': { a: Array.from({ length: 60 }, (_, i) => `93.184.216.${i + 1}`) },
  'expired.example.com': a,
  'wrong-name.example.com': a,
  'untrusted.example.com': a,
};

/** Bytes that reached a server of another protocol. */
export interface ArrivedBytes {
  readonly transport: 'tcp' | 'udp';
  readonly address: string;
  readonly port: number;
  readonly bytes: Buffer;
}

export const plainPorts = { echo: 7, ssh: 22, dot: 853, odd: 8081, smtp: 25 } as const;
const webAddresses = [labAddresses.web4, labAddresses.web6, labAddresses.other4, labAddresses.other6];
const sinkAddresses = [
  ...webAddresses,
  labAddresses.private4,
  labAddresses.metadata4,
  labAddresses.resolver4,
];
export const udpPorts = { echo: 7, ntp: 123, quic: 443, doq: 853 } as const;

export class Origins {
  readonly authority = new TestAuthority('Lab authority');
  /** An authority that nobody trusts. */
  readonly stranger = new TestAuthority('Stranger');
  readonly names = new Map<string, NameEntry>(Object.entries(baseNames));
  readonly dns: NameServer;
  /** The resolver that jobs must not reach. */
  readonly resolver: NameServer;
  readonly web: WebServer;
  readonly h2 = new H2Origin();
  readonly bytes: ArrivedBytes[] = [];
  readonly #internet: string;
  readonly #servers: Server[] = [];
  readonly #sockets: UdpSocket[] = [];
  readonly #open = new Set<Socket>();

  constructor(internet: string) {
    this.#internet = internet;
    const { dns4, dns6, resolver4, resolver6 } = labAddresses;
    this.dns = new NameServer({ namespace: internet, addresses: [dns4, dns6], names: this.names });
    this.resolver = new NameServer({
      namespace: internet,
      addresses: [resolver4, resolver6],
      names: this.names,
    });
    this.web = new WebServer({
      namespace: internet,
      addresses: [...webAddresses, labAddresses.private4, labAddresses.metadata4, resolver4, resolver6],
      http: [80, 8080],
      https: [443, 8443],
      authority: this.authority,
      answer: answerEcho,
      upgrade: answerWebSocket,
      contextFor: (serverName) => this.#badContext(serverName),
    });
  }

  async start(): Promise<void> {
    await Promise.all([this.dns.start(), this.resolver.start(), this.web.start()]);
    await this.h2.start(this.#internet, [labAddresses.h24, labAddresses.h26], this.authority);
    for (const address of sinkAddresses) {
      for (const port of Object.values(plainPorts)) await this.#serveTcp(address, port);
      for (const port of Object.values(udpPorts)) this.#serveUdp(address, port);
    }
  }

  /** Every request whose Host names this host. */
  requestsTo(host: string): ArrivedRequest[] {
    return this.web.arrived.filter((request) => request.host === host || request.host.startsWith(`${host}:`));
  }

  /** Questions for this name or below it that reached any name server. */
  questionsFor(name: string): string[] {
    const asked = [...this.dns.asked, ...this.resolver.asked];
    return asked
      .map((question) => question.name)
      .filter((asked) => asked === name || asked.endsWith(`.${name}`));
  }

  /** Forgets what arrived. */
  clear(): void {
    for (const list of [this.dns.asked, this.resolver.asked, this.web.arrived, this.bytes]) list.length = 0;
    this.h2.heard = [];
  }

  close(): void {
    for (const server of [this.dns, this.resolver, this.web, this.h2]) server.close();
    for (const server of this.#servers) server.close();
    for (const socket of this.#open) socket.destroy();
    for (const socket of this.#sockets) socket.close();
  }

  #badContext(serverName: string) {
    const bad =
      serverName === 'expired.example.com'
        ? this.authority.issue([serverName], -1)
        : serverName === 'wrong-name.example.com'
          ? this.authority.issue(['somebody-else.example.org'])
          : serverName === 'untrusted.example.com'
            ? this.stranger.issue([serverName])
            : null;
    return bad && createSecureContext({ cert: bad.certificate, key: bad.key });
  }

  async #serveTcp(address: string, port: number): Promise<void> {
    const server = createServer((socket) => {
      this.#open.add(socket);
      socket.on('close', () => this.#open.delete(socket));
      socket.on('error', () => socket.destroy());
      if (port === plainPorts.ssh) socket.write('SSH-2.0-lab\r\n');
      socket.on('data', (bytes) => {
        this.bytes.push({ transport: 'tcp', address, port, bytes });
        if (port !== plainPorts.ssh) socket.write(bytes);
      });
    });
    server.listen({ fd: listenTcp(this.#internet, address, port) });
    this.#servers.push(server);
    await once(server, 'listening');
  }

  #serveUdp(address: string, port: number): void {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    socket.on('message', (bytes, from) => {
      this.bytes.push({ transport: 'udp', address, port, bytes });
      socket.send(bytes, from.port, from.address, () => {});
    });
    socket.bind({ fd: bindUdp(this.#internet, address, port) });
    this.#sockets.push(socket);
  }
}

/**
 * Answers by path: `/bytes/N` N bytes, `/slow/MS` after a wait, `/redirect?to=URL`, `/chunked` with a trailer,
 * `/status/N`, `/close` without a length; everything else an echo of the request with its body's length and hash.
 */
function answerEcho(request: IncomingMessage, response: ServerResponse, arrived: ArrivedRequest): void {
  const url = new URL(arrived.target, 'http://lab');
  const [, kind, value = ''] = url.pathname.split('/');
  const number = Number(value);
  if (kind === 'bytes') return sendBytes(response, number);
  if (kind === 'slow') return void setTimeout(() => response.end('slow\n'), number);
  if (kind === 'status') return void response.writeHead(number).end();
  if (kind === 'redirect')
    return void response.writeHead(302, { location: url.searchParams.get('to') ?? '/' }).end();
  if (kind === 'close') return void response.writeHead(200, { connection: 'close' }).end('closing\n');
  if (kind === 'chunked') {
    response.writeHead(200, { trailer: 'x-trailer' });
    response.write('one ');
    response.addTrailers({ 'x-trailer': 'end' });
    return void response.end('two\n');
  }
  const hash = createHash('sha256');
  let bodyBytes = 0;
  request.on('error', () => response.destroy());
  request.on('data', (chunk: Buffer) => {
    bodyBytes += chunk.length;
    hash.update(chunk);
  });
  request.on('end', () => {
    const body = JSON.stringify({
      ...arrived,
      bodyBytes,
      bodySha256: hash.digest('hex'),
      trailers: request.trailers,
    });
    response.writeHead(200, { 'content-type': 'application/json' }).end(`${body}\n`);
  });
}

function sendBytes(response: ServerResponse, total: number): void {
  const chunk = Buffer.alloc(65_536, 'sallyport ');
  response.writeHead(200, { 'content-length': total });
  let left = total;
  const more = (): void => {
    while (left > 0 && !response.destroyed) {
      const part = chunk.subarray(0, Math.min(left, chunk.length));
      left -= part.length;
      if (!response.write(part)) return void response.once('drain', more);
    }
    response.end();
  };
  more();
}

/** Accepts an upgrade (RFC 6455 section 4.2.2 for `websocket`) and echoes what follows, unmasked where it is small frames. */
function answerWebSocket(request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const key = request.headers['sec-websocket-key'] ?? '';
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  socket.on('error', () => socket.destroy());
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: ${request.headers.upgrade}\r\nConnection: Upgrade\r\n` +
      `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  const echo = (bytes: Buffer): void => {
    // Text frames that the client masked with zeros, as the tests do, one or more in a read; anything else goes back as it came.
    let rest = bytes;
    while (rest.length >= 6 && rest[0] === 0x81 && rest.length >= 6 + (rest[1]! & 127)) {
      const end = 6 + (rest[1]! & 127);
      socket.write(Buffer.concat([Buffer.from([0x81, rest[1]! & 127]), rest.subarray(6, end)]));
      rest = rest.subarray(end);
    }
    if (rest.length > 0) socket.write(rest);
  };
  if (head.length > 0) echo(head);
  socket.on('data', echo);
  socket.on('end', () => socket.end());
}
