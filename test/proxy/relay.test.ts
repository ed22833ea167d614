import { createHash, randomBytes } from 'node:crypto';
import { createServer as createHttp } from 'node:http';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { createServer as createHttps, request as requestHttps, Agent } from 'node:https';
import { connect, createServer as createTcp } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import t from 'tap';
import type { ProxyPorts } from '../../proxy/options.ts';
import {
  asHost,
  asRequest,
  collect,
  enterNamespace,
  makeAuthority,
  makeRig,
  open,
  openTls,
  serverAddress,
  shut,
  talk,
} from './rig.ts';
import type { Rig } from './rig.ts';

enterNamespace();
const authority = makeAuthority();
const httpsServer = async (listener: RequestListener) => {
  const context = authority.contextFor('origin.test');
  const server = createHttps(
    { SNICallback: (_name, done) => done(null, context), ALPNProtocols: ['http/1.1'] },
    listener,
  );
  return listen(server);
};
const httpServer = (listener: RequestListener) => listen(createHttp(listener));
const tcpServer = (accept: (socket: Socket) => void) => listen(createTcp({ allowHalfOpen: true }, accept));
async function listen(server: Server): Promise<{ port: number; server: Server }> {
  await new Promise<void>((resolve) => server.listen(0, serverAddress, resolve));
  t.teardown(() => server.close());
  return { server, port: (server.address() as AddressInfo).port };
}
const echo: RequestListener = (request: IncomingMessage, response: ServerResponse) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () =>
    response.end(`${request.method} ${request.url} ${Buffer.concat(chunks).toString()}`),
  );
};
const plainRig = async (port: number, ports: Partial<ProxyPorts> = {}): Promise<Rig> => {
  const rig = await makeRig(authority, port, ports);
  t.teardown(() => rig.close());
  return rig;
};
const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: origin.test\r\n${more}\r\n`;
const last = 'Connection: close\r\n';
/** The first bytes of the answer to this. */
const untilAnswered = (socket: Socket, text: string) =>
  new Promise<string>((resolve) => {
    socket.once('data', (bytes: Buffer) => resolve(bytes.toString('latin1')));
    socket.write(text);
  });

await t.test(
  'an allowed request over TLS is intercepted, relayed and recorded before it leaves',
  async (t) => {
    const { port } = await httpsServer(echo);
    const rig = await plainRig(port);
    const client = await openTls(rig.port, 'origin.test', authority.ca);
    const answer = await collect(client, get('/a?secret=1', last), /\/a\?secret=1 $/);
    t.match(answer, /^HTTP\/1\.1 200 /);
    t.match(answer, /GET \/a\?secret=1 $/);
    await rig.until(() => rig.closed('connection').length === 1);
    t.same(
      rig.records.map((record) => `${record.kind} ${record.phase}`),
      ['connection opened', 'request opened', 'request closed', 'connection closed'],
    );
    const [request] = rig.closed('request');
    t.match(request, {
      http: { method: 'GET', path: '/a', status: 200 },
      destination: { host: 'origin.test', address: serverAddress, port, protocol: 'https' },
      decision: { verdict: 'allow', rule: 'r1' },
      ended: null,
    });
    t.equal(request?.parent, rig.closed('connection')[0]?.id);
    t.match(rig.closed('connection')[0]?.tls, {
      serverName: 'origin.test',
      alpn: 'http/1.1',
      version: 'TLSv1.3',
      treatment: 'intercept',
    });
    t.same(rig.errors, []);
  },
);

await t.test('a blocked host over TLS is answered with an explanation and nothing is resolved', async (t) => {
  const rig = await plainRig(443);
  rig.host = () => asHost(shut);
  const client = await openTls(rig.port, 'evil.test', authority.ca);
  const answer = await collect(
    client,
    `GET /x HTTP/1.1\r\nHost: evil.test\r\nAccept: application/json\r\n${last}\r\n`,
  );
  t.match(answer, /^HTTP\/1\.1 403 Forbidden\r\n/);
  t.match(answer, /x-sallyport-rule: none\r\nx-sallyport-reason: no-rule\r\n/);
  t.equal(JSON.parse(answer.split('\r\n\r\n')[1]!).error.reason, 'no-rule');
  t.same(rig.resolved, []);
  await rig.until(() => rig.closed('connection').length === 1);
  t.match(rig.closed('request')[0], {
    http: { method: 'GET', path: '/x', status: 403 },
    decision: { verdict: 'block', reason: 'no-rule' },
  });
});

await t.test('requests of one connection are decided one by one and share a pooled upstream', async (t) => {
  let upstreams = 0;
  const { server, port } = await httpsServer(echo);
  server.on('connection', () => upstreams++);
  const rig = await plainRig(port);
  rig.request = (query) => asRequest(query.path === '/no' ? { ...shut, reason: 'path' } : open);
  const client = await openTls(rig.port, 'origin.test', authority.ca);
  const answer = await collect(client, get('/1') + get('/no') + get('/2') + get('/3', last));
  t.same(answer.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 403', 'HTTP/1.1 200', 'HTTP/1.1 200']);
  t.same(answer.match(/GET \/\d/g), ['GET /1', 'GET /2', 'GET /3']);
  t.equal(upstreams, 1);
});

await t.test('plain HTTP on any port is named by Host, each request by itself', async (t) => {
  const { port } = await httpServer(echo);
  const rig = await plainRig(port);
  rig.request = (query) => asRequest(query.host === 'other.test' ? shut : open);
  const answer = await talk(rig.port, get('/1') + get('/2', last).replace('origin.test', 'Other.TEST.'));
  t.same(answer.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 403']);
  await rig.until(() => rig.closed('request').length === 2);
  t.same(
    rig.closed('request').map((record) => record.destination.host),
    ['origin.test', 'other.test'],
  );
});

await t.test('bodies, trailers, interim answers, HEAD and 304 keep their framing', async (t) => {
  const { port } = await tcpServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => {
      const line = bytes.toString('latin1');
      if (line.startsWith('HEAD')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n');
      else if (line.includes('/304')) socket.write('HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n');
      else if (line.includes('/hints'))
        socket.write(
          'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nh',
        );
      else if (line.includes('/trailers'))
        socket.write(
          'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n',
        );
      else socket.end('HTTP/1.1 200 OK\r\n\r\nto the end');
    });
  });
  const rig = await plainRig(port);
  const text = `HEAD / HTTP/1.1\r\nHost: origin.test\r\n\r\n${get('/304')}${get('/hints')}${get('/trailers')}${get('/close')}`;
  const answer = await talk(rig.port, text);
  t.equal(
    answer,
    'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n' +
      'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nh' +
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n' +
      'HTTP/1.1 200 OK\r\n\r\nto the end',
  );
});

await t.test('request bodies by length and by chunks arrive whole, byte by byte too', async (t) => {
  const { port } = await httpServer(echo);
  const rig = await plainRig(port);
  const byLength = 'POST /l HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 5\r\n\r\nhello';
  const byChunks = `POST /c HTTP/1.1\r\nHost: origin.test\r\nTransfer-Encoding: chunked\r\n${last}\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n`;
  const client = connect(rig.port, '127.0.0.1').setNoDelay(true);
  const answer = collect(client, '');
  for (const byte of Buffer.from(byLength + byChunks)) {
    client.write(Buffer.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.same((await answer).match(/POST \/\w (?:hello|abc)/g), ['POST /l hello', 'POST /c abc']);
});

await t.test('Expect: 100-continue is answered by the upstream, or at once by a block', async (t) => {
  const { port } = await httpServer(echo);
  const rig = await plainRig(port);
  const head = `POST /e HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 2\r\nExpect: 100-continue\r\n${last}\r\n`;
  const client = connect(rig.port, '127.0.0.1');
  client.once('data', (bytes: Buffer) => {
    t.equal(bytes.toString(), 'HTTP/1.1 100 Continue\r\n\r\n');
    client.write('ab');
  });
  t.match(await collect(client, head), /POST \/e ab$/);
  rig.request = (query) => asRequest(query.hasBody ? { ...shut, reason: 'method' } : open);
  t.match(await talk(rig.port, head), /^HTTP\/1\.1 403 /);
  const getWithBody = 'GET / HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 2\r\n\r\nab';
  t.match(
    await talk(rig.port, getWithBody),
    /^HTTP\/1\.1 403 /,
    'a GET with a body is told to policy as such',
  );
});

const smuggling: readonly [title: string, text: string, status: string, reason: string][] = [
  [
    'two Host fields',
    'GET / HTTP/1.1\r\nHost: origin.test\r\nHost: evil.test\r\n\r\n',
    '400',
    'request-smuggling',
  ],
  [
    'length and chunks',
    'POST / HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    '400',
    'request-smuggling',
  ],
  [
    'another coding',
    'POST / HTTP/1.1\r\nHost: origin.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n',
    '400',
    'request-smuggling',
  ],
  ['a folded line', 'GET / HTTP/1.1\r\nHost: origin.test\r\nX: a\r\n b\r\n\r\n', '400', 'malformed-request'],
  ['a bare LF', 'GET / HTTP/1.1\nHost: origin.test\n\n', '400', 'malformed-request'],
  ['a NUL', 'GET / HTTP/1.1\r\nHost: origin.test\r\nX: a\0b\r\n\r\n', '400', 'malformed-request'],
  ['a space before the colon', 'GET / HTTP/1.1\r\nHost : origin.test\r\n\r\n', '400', 'malformed-request'],
  [
    'authority-form',
    'CONNECT origin.test:443 HTTP/1.1\r\nHost: origin.test\r\n\r\n',
    '400',
    'malformed-request',
  ],
  ['asterisk-form', 'OPTIONS * HTTP/1.1\r\nHost: origin.test\r\n\r\n', '400', 'malformed-request'],
  [
    'absolute-form of another host',
    'GET http://evil.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n',
    '421',
    'misdirected',
  ],
  ['a dot segment', 'GET /a/../b HTTP/1.1\r\nHost: origin.test\r\n\r\n', '400', 'ambiguous-path'],
  [
    'a head without end',
    `GET / HTTP/1.1\r\nHost: origin.test\r\nX: ${'a'.repeat(70_000)}`,
    '431',
    'too-large',
  ],
  ['an address that was not dialled', 'GET / HTTP/1.1\r\nHost: 203.0.113.10\r\n\r\n', '421', 'misdirected'],
  ['HTTP/2 with prior knowledge', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', '', 'unknown-protocol'],
  [
    'a broken chunk',
    'POST / HTTP/1.1\r\nHost: origin.test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
    '400',
    'request-smuggling',
  ],
];
await t.test('what could be read in two ways is refused, recorded and not dialled', async (t) => {
  const { port } = await httpServer(echo);
  for (const [title, text, status, reason] of smuggling) {
    const rig = await plainRig(80);
    if (title === 'a broken chunk') rig.original = { address: '203.0.113.9', port };
    const answer = await talk(rig.port, text);
    t.equal(answer.slice(9, 12), status, title);
    await rig.until(() => rig.closed('connection').length === 1);
    const reasons = rig.records
      .filter(({ phase }) => phase === 'closed')
      .map(({ decision }) => decision.reason);
    t.ok(reasons.includes(reason as never), `${title}: ${reasons.join()}`);
    if (title !== 'a broken chunk') t.same(rig.resolved, [], title);
    t.same(rig.errors, [], title);
  }
});

await t.test('Host that differs from SNI is misdirected on every request', async (t) => {
  const { port } = await httpsServer(echo);
  const rig = await plainRig(port);
  const client = await openTls(rig.port, 'origin.test', authority.ca);
  const answer = await collect(client, get('/1') + get('/2', last).replace('origin.test', 'evil.test'));
  t.same(answer.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 421']);
  await rig.until(() => rig.closed('request').length === 2);
  t.equal(rig.closed('request')[1]?.evidence[0]?.kind, 'sni-mismatch');
});

await t.test('a method override must be allowed as what it claims to be', async (t) => {
  const { port } = await httpServer(echo);
  const rig = await plainRig(port);
  rig.request = (query) => asRequest(query.method === 'GET' ? open : { ...shut, reason: 'method' });
  const answer = await talk(rig.port, get('/', `X-HTTP-Method-Override: delete\r\n${last}`));
  t.match(answer, /^HTTP\/1\.1 403 [^]*reason: method\r\n/);
  t.equal(rig.closed('request')[0]?.evidence[0]?.kind, 'method-override');
});

await t.test('upgrades need a decision of their own; h2c is stripped', async (t) => {
  const { port } = await tcpServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (bytes: Buffer) => {
      const text = bytes.toString('latin1');
      if (!/\r\nUpgrade: websocket\r\n/.test(text))
        return socket.end(
          `HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
        );
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
          'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x05early',
        'latin1',
      );
      socket.on('data', () => void socket.write('\x81\x05frame', 'latin1'));
      socket.on('end', () => socket.end());
      return undefined;
    });
  });
  const rig = await plainRig(port);
  rig.request = (query) =>
    asRequest(query.upgrade === null || query.path === '/ws' ? open : { ...shut, reason: 'websocket' });
  // The example of RFC 6455 section 1.3.
  const key = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
  const ask = (path: string) => get(path, `Connection: Upgrade\r\nUpgrade: websocket\r\n${key}`);
  t.match(await talk(rig.port, ask('/no'), /websocket\]/), /^HTTP\/1\.1 403 [^]*reason: websocket/);
  const client = connect(rig.port, '127.0.0.1');
  const answer = collect(client, Buffer.from(`${ask('/ws')}\x81\x80\0\0\0\0`, 'latin1'), /frame$/);
  t.match(await answer, /^HTTP\/1\.1 101 [^]*early\x81\x05frame$/);
  await rig.until(() => rig.closed('request').length === 2);
  t.equal(rig.closed('request')[1]?.http?.status, 101);
  const h2c = await talk(
    rig.port,
    get(
      '/h2c',
      'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\nX-Kept: 1\r\n',
    ),
  );
  t.equal(
    h2c.split('\r\n\r\n').slice(1).join('\r\n\r\n'),
    'GET /h2c HTTP/1.1\r\nHost: origin.test\r\nX-Kept: 1\r\n\r\n',
  );
});

await t.test('an upload over its limit is refused by its length and cut while it streams', async (t) => {
  const { port } = await httpServer(echo);
  const rig = await plainRig(port);
  rig.request = () => asRequest(open, { maxUploadBytes: 10 });
  const declared = await talk(
    rig.port,
    `POST / HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 11\r\n\r\nhello world`,
  );
  t.match(declared, /^HTTP\/1\.1 413 [^]*reason: max-upload/);
  const chunked = await talk(
    rig.port,
    `POST / HTTP/1.1\r\nHost: origin.test\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n`,
  );
  t.match(chunked, /^HTTP\/1\.1 413 [^]*reason: max-upload/);
  t.same(
    rig.closed('request').map(({ decision }) => decision.reason),
    ['max-upload', 'max-upload'],
  );
});

await t.test('pass-through relays TLS unread to our own resolution of its server name', async (t) => {
  const { port } = await httpsServer(echo);
  const rig = await plainRig(port);
  rig.host = () => asHost(open, 'pass-through');
  const client = await openTls(rig.port, 'origin.test', authority.ca);
  t.match(await collect(client, get('/p', last), /GET \/p/), /GET \/p/);
  await rig.until(() => rig.closed('connection').length === 1);
  const [record] = rig.closed('connection');
  t.same(rig.resolved, ['origin.test']);
  t.match(record, { tls: { treatment: 'pass-through' }, destination: { address: serverAddress } });
  t.ok(record!.bytes!.sent > 300 && record!.bytes!.received > 300);
  t.same(rig.closed('request'), []);
});

await t.test('without a name the address is decided and dialled, and only that one', async (t) => {
  const { port } = await httpServer(echo);
  const rig = await plainRig(port);
  const asked: unknown[] = [];
  rig.host = (query) => {
    asked.push([query.host, query.address]);
    return asHost(open);
  };
  rig.original = { address: serverAddress, port };
  t.match(await talk(rig.port, get('/', last).replace('origin.test', serverAddress)), /^HTTP\/1\.1 200 /);
  t.same(asked, [[null, serverAddress]]);
  rig.original = { address: '192.0.2.77', port };
  const client = connect(rig.port, '127.0.0.1');
  t.equal(await collect(client, 'SSH-2.0-x\r\n'), '');
  rig.original = { address: '192.0.2.77', port: 65_001 };
  t.equal(await talk(rig.port, get('/')), '');
  await rig.until(() => rig.closed('connection').length === 3);
  t.same(
    rig
      .closed('connection')
      .slice(1)
      .map(({ decision }) => decision.reason),
    ['unknown-protocol', 'direct-port'],
  );
});

await t.test('a name that leads to a private address is blocked when it is dialled', async (t) => {
  const rig = await plainRig(80);
  rig.request = () => asRequest(open, { addresses: [] });
  const answer = await talk(rig.port, get('/', last));
  t.match(answer, /^HTTP\/1\.1 403 [^]*reason: private-address/);
  t.match(rig.closed('request')[0], {
    decision: { verdict: 'block', reason: 'private-address' },
    ended: 'private-address',
  });
});

await t.test('failures of the upstream are told apart', async (t) => {
  const dead = await tcpServer((socket) => socket.destroy());
  const odd = await tcpServer((socket) => void socket.end('SSH-2.0-x\r\n\r\n'));
  const cut = await tcpServer((socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc'));
  const cases: readonly [port: number, status: string, reason: string][] = [
    [1, '502', 'connect-failed'],
    [dead.port, '502', 'upstream-closed'],
    [odd.port, '502', 'upstream-protocol'],
    [cut.port, '200', 'upstream-closed'],
  ];
  for (const [port, status, reason] of cases) {
    const rig = await plainRig(port);
    const answer = await talk(rig.port, get('/', last));
    t.equal(answer.slice(9, 12), status, reason);
    await rig.until(() => rig.closed('request').length === 1);
    t.equal(rig.closed('request')[0]?.ended, reason);
  }
  const { port } = await httpsServer(echo);
  const rig = await plainRig(port, { extraAuthorities: [] });
  const client = await openTls(rig.port, 'origin.test', authority.ca);
  t.match(await collect(client, get('/', last)), /^HTTP\/1\.1 502 [^]*reason: upstream-certificate/);
});

await t.test('a 300 MB body streams both ways unchanged in flat memory', async (t) => {
  const size = 300 * 1024 * 1024;
  const block = randomBytes(1024 * 1024);
  const { port } = await httpsServer((request, response) => {
    const hash = createHash('sha1');
    request.on('data', (bytes: Buffer) => hash.update(bytes));
    request.on('end', () => {
      response.setHeader('x-sum', hash.digest('hex'));
      let left = size / block.length;
      const more = () => {
        while (left-- > 0) if (!response.write(block)) return void response.once('drain', more);
        response.end();
      };
      more();
    });
  });
  const rig = await plainRig(port);
  const agent = new Agent({ ca: authority.ca, servername: 'origin.test' });
  let peak = 0;
  const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 20);
  const before = process.memoryUsage.rss();
  const request = requestHttps({
    host: '127.0.0.1',
    port: rig.port,
    method: 'PUT',
    path: '/big',
    headers: { host: 'origin.test', 'content-length': size },
    agent,
  });
  const expected = createHash('sha1');
  for (let i = 0; i < size / block.length; i++) {
    expected.update(block);
    if (!request.write(block)) await new Promise((resolve) => request.once('drain', resolve));
  }
  request.end();
  const response = await new Promise<IncomingMessage>((resolve) => request.once('response', resolve));
  const got = createHash('sha1');
  for await (const bytes of response) got.update(bytes as Buffer);
  clearInterval(watch);
  const sum = expected.digest('hex');
  t.equal(response.headers['x-sum'], sum);
  t.equal(got.digest('hex'), sum);
  t.ok(peak - before < 120 * 1024 * 1024, `grew by ${Math.round((peak - before) / 1048576)} MB`);
  agent.destroy();
});

await t.test('a record that cannot be written keeps back every request of its turn', async (t) => {
  const served: string[] = [];
  const { port } = await httpServer((request, response) => {
    served.push(request.url ?? '');
    response.end('ok');
  });
  // The disk is full from the first late record on, which only waited: as the segment does, all are refused then.
  let isFull = false;
  let isLate = false;
  const rig = await plainRig(port, {
    recorder: {
      opened: () => {},
      closed: () => {},
      openedTogether: () => {
        if (isFull) throw new Error('no space');
        isFull = isLate;
      },
      handOver: () => {
        if (isFull) throw new Error('no space');
      },
    },
  });
  const clients = [connect(rig.port, '127.0.0.1'), connect(rig.port, '127.0.0.1')];
  const warm = clients.map((client) => untilAnswered(client, get('/warm')));
  t.match(await Promise.all(warm), [/^HTTP\/1\.1 200 /, /^HTTP\/1\.1 200 /]);
  isLate = true;
  const answers = await Promise.all(clients.map((client) => untilAnswered(client, get('/late'))));
  t.match(answers, [/^HTTP\/1\.1 503 /, /^HTTP\/1\.1 503 /]);
  t.same(served, ['/warm', '/warm']);
  for (const client of clients) client.destroy();
});
