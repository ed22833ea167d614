// Upstreams over HTTPS (RFC 8484): what is sent, what is believed, and that a server that cannot be asked in this way
// is not asked in another.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createSecureServer } from 'node:http2';
import type { Http2SecureServer, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { Lookup } from '../../dns/lookup.ts';
import { nameFromText } from '../../dns/name.ts';
import type { UpstreamConfig } from '../../dns/upstream.ts';
import { noMeter } from '../../flow/ports.ts';
import { a, FakeUpstream } from './fixture.ts';

const directory = mkdtempSync(join(tmpdir(), 'sallyport-doh-'));
t.teardown(() => rmSync(directory, { recursive: true }));
const [key, certificate] = ['key.pem', 'certificate.pem'].map((name) => join(directory, name)) as [
  string,
  string,
];
const names = ['-subj', '/CN=doh', '-addext', 'subjectAltName=DNS:doh.example'];
const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
execFileSync('openssl', ['req', '-x509', ...ec, '-keyout', key, '-out', certificate, ...names], {
  stdio: 'ignore',
});
const ca = readFileSync(certificate, 'utf8');
const tls = { key: readFileSync(key, 'utf8'), cert: ca };

interface Reply {
  status?: number;
  headers?: Record<string, string>;
  body?: (encoded: Buffer) => Buffer;
  silent?: boolean;
  reset?: boolean;
}
interface Request {
  headers: Record<string, unknown>;
  query: Buffer;
  connection: ServerHttp2Session;
}

/** A server whose replies a script shapes; the messages themselves are dns2's. */
class HttpsUpstream {
  readonly requests: Request[] = [];
  readonly connections: ServerHttp2Session[] = [];
  readonly #server: Http2SecureServer = createSecureServer(tls);
  readonly #script: (request: Request, count: number) => Reply;
  readonly #codec = new FakeUpstream(({ name }) => ({ answers: [a(name, '93.184.216.34', 300)] }));
  port = 0;

  constructor(script: (request: Request, count: number) => Reply) {
    this.#script = script;
    this.#server.on('session', (session) => this.connections.push(session));
    this.#server.on('sessionError', () => {});
    this.#server.on('stream', (stream, headers) => {
      const chunks: Buffer[] = [];
      stream.on('error', () => {});
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => this.#reply(stream, { ...headers }, Buffer.concat(chunks)));
    });
  }

  #reply(stream: ServerHttp2Stream, headers: Record<string, unknown>, query: Buffer): void {
    const request = { headers, query, connection: stream.session as ServerHttp2Session };
    this.requests.push(request);
    const reply = this.#script(request, this.requests.length);
    if (reply.silent) return;
    if (reply.reset) {
      stream.close(7);
      return;
    }
    const [encoded] = this.#codec.answer(query, 'tls').messages;
    const type = { 'content-type': 'application/dns-message' };
    stream.respond({ ':status': reply.status ?? 200, ...type, ...reply.headers });
    stream.end(reply.body ? reply.body(encoded!) : encoded);
  }

  async open(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const address = this.#server.address();
    this.port = typeof address === 'object' && address ? address.port : 0;
    return this;
  }

  close(): void {
    for (const connection of this.connections) connection.destroy();
    this.#server.close();
  }
}

const toServer = (port: number, changes: Partial<UpstreamConfig> = {}): UpstreamConfig => ({
  address: '127.0.0.1',
  port,
  transport: 'https',
  serverName: 'doh.example',
  ca,
  ...changes,
});

type Teardown = { teardown(close: () => void): void };

function asker(t: Teardown, ...upstreams: UpstreamConfig[]) {
  const lookup = new Lookup({ upstreams, meter: noMeter });
  t.teardown(() => lookup.close());
  let count = 0;
  return async (text = `n${count++}.example`) => {
    const found = await lookup.find({ name: nameFromText(text)!, type: 1, variant: 0 });
    const { rcode, ede, wire } = found!.entry;
    return { rcode, ede, addresses: wire.addresses.map((bytes) => bytes.join('.')), ttl: wire.ttl };
  };
}

async function over(t: Teardown, script: (request: Request, count: number) => Reply = () => ({})) {
  const server = await new HttpsUpstream(script).open();
  t.teardown(() => server.close());
  return { server, ask: asker(t, toServer(server.port)) };
}
const answered = { rcode: 0, ede: 0, addresses: ['93.184.216.34'], ttl: 300 };
const failed = { rcode: 2, ede: 23, addresses: [] };

t.test(
  'questions go by POST over one connection, with id 0 and padded, to the configured path',
  async (t) => {
    const server = await new HttpsUpstream(() => ({})).open();
    t.teardown(() => server.close());
    const ask = asker(t, toServer(server.port, { path: '/fleet/dns' }));
    t.strictSame(await Promise.all([ask(), ask(), ask()]), [answered, answered, answered]);
    t.equal(server.connections.length, 1);
    for (const { headers, query } of server.requests) {
      t.match(headers, {
        ':method': 'POST',
        ':path': '/fleet/dns',
        ':authority': `doh.example:${server.port}`,
        'content-type': 'application/dns-message',
        accept: 'application/dns-message',
        'content-length': '128',
      });
      t.strictSame([query.readUInt16BE(0), query.length], [0, 128]);
    }
  },
);

t.test('what HTTP says of an answer’s life shortens it, and never lengthens it', async (t) => {
  const lives: readonly (readonly [Record<string, string>, number])[] = [
    [{ 'cache-control': 'max-age=60' }, 60],
    [{ 'cache-control': 'private, max-age=100', age: '40' }, 60],
    [{ age: '290' }, 10],
    [{ age: '900' }, 0],
    [{ 'cache-control': 'max-age=86400' }, 300],
    [{ 'cache-control': 's-maxage=5' }, 300],
    [{ 'cache-control': 'max-age=x', age: '-1' }, 300],
  ];
  const { ask } = await over(t, (_, count) => ({ headers: lives[count - 1]![0] }));
  for (const [headers, ttl] of lives) t.equal((await ask()).ttl, ttl, JSON.stringify(headers));
});

t.test('what is no answer to this question is none', async (t) => {
  const replies: readonly (readonly [string, Reply])[] = [
    ['a refusal', { status: 403 }],
    ['a redirect', { status: 302, headers: { location: '/elsewhere' } }],
    ['a page', { headers: { 'content-type': 'text/html' } }],
    ['nothing', { body: () => Buffer.alloc(0) }],
    ['another id', { body: (encoded) => Buffer.concat([Buffer.of(0, 1), encoded.subarray(2)]) }],
    ['too much', { body: (encoded) => Buffer.concat([encoded, Buffer.alloc(70_000)]) }],
    ['noise', { body: () => Buffer.alloc(300, 0xff) }],
    ['a reset stream', { reset: true }],
  ];
  for (const [title, reply] of replies) {
    const { ask, server } = await over(t, () => reply);
    t.match(await ask(), failed, title);
    t.equal(server.connections.length, 1, `${title}: the connection stays`);
  }
});

t.test('a connection that ends, or is said to end, is replaced', async (t) => {
  const { ask, server } = await over(t, ({ connection }, count) => {
    if (count === 2) connection.goaway(0);
    if (count === 4) connection.destroy();
    return count === 4 ? { silent: true } : {};
  });
  t.match(
    [await ask(), await ask()],
    [answered, answered],
    'what is under way when GOAWAY comes is answered',
  );
  t.match(await ask(), answered);
  t.equal(server.connections.length, 2);
  t.match(await ask(), answered, 'asked again where the connection was lost');
  t.equal(server.connections.length, 3);
  server.connections.at(-1)!.close();
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.match(await ask(), answered);
  t.equal(server.connections.length, 4);
});

t.test(
  'a server of another name, or without HTTP/2, is asked nothing, and nobody is asked in plain',
  async (t) => {
    const { server } = await over(t);
    t.match(await asker(t, toServer(server.port, { serverName: 'other.example' }))(), failed);
    const { ca: _, ...unknown } = toServer(server.port);
    t.match(await asker(t, unknown)(), failed, 'an authority that nobody knows');
    // The same port is open over UDP, and over TLS for HTTP/1.1.
    const other = new FakeUpstream(({ name }) => ({ answers: [a(name, '93.184.216.66')] }));
    await other.open({ ...tls, ALPNProtocols: ['http/1.1'] });
    t.teardown(() => other.close());
    t.match(await asker(t, toServer(other.port))(), failed);
    t.strictSame([server.requests.length, other.asked.length], [0, 0]);
  },
);
