import { X509Certificate } from 'node:crypto';
import { connect as connectHttp2, createSecureServer } from 'node:http2';
import { connect as connectTcp, createServer as createTcp } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { connect as connectTls, createServer as createTls } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import t from 'tap';
import type { Test } from 'tap';
import { defaultLimits } from '../../proxy/limits.ts';
import type { Http2Port, ProxyPorts } from '../../proxy/options.ts';
import { noMeter } from '../../flow/ports.ts';
import { Proposals, type Proposal } from '../../proxy/proposals.ts';
import {
  asHost,
  collect,
  enterNamespace,
  jobNamed,
  listenOn,
  makeAuthority,
  makeRig,
  open,
  serverAddress,
  shut,
} from './rig.ts';
import { tryEch } from './ech-client.ts';
import type { Rig } from './rig.ts';

enterNamespace();
const authority = makeAuthority();
const leaf = authority.filesFor('origin.test');
const get = (path: string, host = 'origin.test', more = '') =>
  `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`;
const last = 'Connection: close\r\n';

interface Answered {
  readonly reasons: string[];
  started: number;
}

/** A stand-in for the relay of frames: bytes go through as they are, whole answers are noted and closed. */
function plainHttp2(): Http2Port & Answered {
  const answered: Answered = { reasons: [], started: 0 };
  return Object.assign(answered, {
    start: (_: unknown, client: Socket, upstream: Parameters<Http2Port['start']>[2]) => {
      answered.started++;
      upstream.owner = {
        onUpstreamData: (bytes) => void client.write(bytes),
        onUpstreamEnd: () => client.destroy(),
        onUpstreamDrain: () => {},
      };
      client.on('data', (bytes: Buffer) => upstream.socket.write(bytes));
      client.on('end', () => client.destroy());
      client.on('close', () => upstream.destroy());
      upstream.socket.resume();
      client.resume();
    },
    answer: (_: unknown, client: Socket, decision: { verdict: string }, reason: string) => {
      answered.reasons.push(`${decision.verdict} ${reason}`);
      client.destroy();
    },
  });
}

interface Server2 {
  readonly port: number;
  /** What the server chose for each connection. */
  readonly chosen: (string | false | null)[];
  /** TCP connections so far. */
  dials(): number;
}

/** A server that speaks these versions; an empty list speaks HTTP/1.1 without ALPN. */
async function serve(t: Test, speaks: readonly string[], files = leaf, port?: number): Promise<Server2> {
  const chosen: Server2['chosen'] = [];
  const respond = (socket: TLSSocket) => {
    socket.on('error', () => {});
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
  };
  const isHttp2 = speaks.includes('h2');
  const server = isHttp2
    ? createSecureServer({ ...files, allowHTTP1: speaks.includes('http/1.1') }, (_, response) =>
        response.end('ok'),
      )
    : createTls({ ...files, ...(speaks.length > 0 ? { ALPNProtocols: [...speaks] } : {}) }, respond);
  server.on('secureConnection', (socket: TLSSocket) => chosen.push(socket.alpnProtocol));
  let dialled = 0;
  server.on('connection', () => dialled++);
  const dials = () => dialled;
  if (port === undefined) return { port: await listenOn(t, server), chosen, dials };
  await new Promise<void>((resolve) => server.listen(port, serverAddress, resolve));
  t.teardown(() => server.close());
  return { port, chosen, dials };
}

async function rigFor(
  t: Test,
  port: number,
  ports: Partial<ProxyPorts> = {},
): Promise<Rig & { http2: Answered }> {
  const http2 = plainHttp2();
  const rig = await makeRig(authority, port, { http2, ...ports });
  t.teardown(() => rig.close());
  return Object.assign(rig, { http2 });
}

/** A client that offers these names; null when its handshake fails. */
async function offer(rig: Rig, names: readonly string[]): Promise<TLSSocket | null> {
  const options = { port: rig.port, host: '127.0.0.1', servername: 'origin.test', ca: authority.ca };
  const socket = connectTls({ ...options, ...(names.length > 0 ? { ALPNProtocols: [...names] } : {}) });
  return new Promise((resolve) => {
    socket.on('error', () => resolve(null));
    socket.once('close', () => resolve(null));
    socket.once('secureConnect', () => resolve(socket));
  });
}

await t.test('both sides speak what the server chose of the client’s list', async (t) => {
  const cases: readonly [
    client: readonly string[],
    server: readonly string[],
    client: string | false | null,
  ][] = [
    [['h2', 'http/1.1'], ['h2', 'http/1.1'], 'h2'],
    [['http/1.1', 'h2'], ['h2', 'http/1.1'], 'h2'],
    [['h2', 'http/1.1'], ['http/1.1'], 'http/1.1'],
    [['h2', 'http/1.1'], [], false],
    [['\u00ba\u00ba', 'h2', 'spdy/3', 'http/1.1'], ['h2', 'http/1.1'], 'h2'],
    [['h2'], ['h2'], 'h2'],
    [['http/1.1'], ['h2', 'http/1.1'], 'http/1.1'],
    [[], ['h2', 'http/1.1'], false],
    [['imap'], ['h2', 'http/1.1'], false],
  ];
  for (const [names, speaks, expected] of cases) {
    const server = await serve(t, speaks);
    const rig = await rigFor(t, server.port);
    const client = await offer(rig, names);
    const label = `${names.join()} to ${speaks.join()}`;
    t.equal(client?.alpnProtocol ?? null, expected, label);
    if (client === null) continue;
    if (expected === 'h2') {
      await rig.until(() => rig.http2.started === 1);
      t.same(server.chosen, ['h2'], label);
      client.destroy();
    } else {
      t.match(await collect(client, get('/', 'origin.test', last)), /^HTTP\/1.1 200 /, label);
      t.equal(server.chosen.length, 1, `${label}: what was dialled first serves the first request`);
    }
    await rig.until(() => rig.closed('connection').length === 1);
    const [record] = rig.closed('connection');
    t.match(record, { tls: { alpn: expected === false ? null : expected } }, label);
    t.equal(record?.destination.address, expected === 'h2' ? serverAddress : '203.0.113.9', label);
    t.same(rig.errors, [], label);
  }
});

await t.test('HTTP/2 flows between a client and the server that chose it', async (t) => {
  const { port } = await serve(t, ['h2', 'http/1.1']);
  const rig = await rigFor(t, port);
  const socket = (await offer(rig, ['h2']))!;
  const client = connectHttp2('https://origin.test', { createConnection: () => socket });
  for (const path of ['/1', '/2']) {
    const stream = client.request({ ':path': path });
    let body = '';
    for await (const bytes of stream) body += String(bytes);
    t.equal(body, 'ok');
  }
  client.destroy();
});

await t.test('HTTP/2 is offered to nobody when nothing relays it', async (t) => {
  const { port, chosen } = await serve(t, ['h2', 'http/1.1']);
  const rig = await makeRig(authority, port);
  t.teardown(() => rig.close());
  const client = (await offer(rig, ['h2', 'http/1.1']))!;
  t.equal(client.alpnProtocol, 'http/1.1');
  t.same(chosen, []);
  client.destroy();
});

await t.test(
  'a server that speaks HTTP/1.1 is remembered, and its clients answered without a dial',
  async (t) => {
    const { port, chosen } = await serve(t, ['http/1.1']);
    const rig = await rigFor(t, port);
    t.match(await collect((await offer(rig, ['h2', 'http/1.1']))!, get('/', 'origin.test', last)), / 200 /);
    t.equal(chosen.length, 1);
    rig.proxy.redecide();
    const second = (await offer(rig, ['h2', 'http/1.1']))!;
    t.equal(second.alpnProtocol, 'http/1.1');
    t.equal(chosen.length, 1, 'the pool is empty and nobody has dialled');
    t.match(await collect(second, get('/', 'origin.test', last)), / 200 /);
    t.equal(chosen.length, 2);
  },
);

await t.test('a remembered answer that turns out wrong closes the connection and is forgotten', async (t) => {
  const first = createTls({ ...leaf, ALPNProtocols: ['http/1.1'] }, (socket) => {
    socket.on('error', () => {});
    socket.on('data', () =>
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok'),
    );
  });
  const port = await listenOn(t, first);
  const rig = await rigFor(t, port);
  t.match(await collect((await offer(rig, ['h2', 'http/1.1']))!, get('/', 'origin.test', last)), / 200 /);
  await new Promise((resolve) => first.close(resolve));
  const { chosen } = await serve(t, ['h2'], leaf, port);
  const told = (await offer(rig, ['h2', 'http/1.1']))!;
  t.equal(told.alpnProtocol, 'http/1.1');
  const answer = await collect(told, get('/'));
  t.match(answer, /^HTTP\/1\.1 502 [^]*reason: upstream-protocol[^]*connection: close/);
  const again = await offer(rig, ['h2', 'http/1.1']);
  t.equal(again?.alpnProtocol, 'h2');
  await rig.until(() => chosen.includes('h2'));
  again?.destroy();
});

await t.test(
  'what is wrong with the server is explained in whatever the client speaks, without a second dial',
  async (t) => {
    const bad = await serve(t, ['h2', 'http/1.1'], authority.filesFor('other.test'));
    const good = await serve(t, ['h2', 'http/1.1']);
    const alone = await serve(t, ['http/1.1']);
    const nowhere = { resolver: { resolve: () => Promise.reject(new Error('no such name')) } };
    const cases: readonly [
      port: number,
      ports: Partial<ProxyPorts>,
      status: number,
      reason: string,
      told: string,
    ][] = [
      [bad.port, {}, 502, 'upstream-certificate', 'allow upstream-certificate'],
      [good.port, nowhere, 502, 'resolve-failed', 'allow resolve-failed'],
      [
        good.port,
        { isOwnAddress: (text) => text === serverAddress },
        403,
        'never-address',
        'block never-address',
      ],
    ];
    for (const [port, ports, status, reason, told] of cases) {
      const rig = await rigFor(t, port, ports);
      const both = (await offer(rig, ['h2', 'http/1.1']))!;
      t.equal(both.alpnProtocol, 'http/1.1', reason);
      const answer = await collect(both, get('/', 'origin.test', last));
      t.match(answer, new RegExp(`^HTTP/1\\.1 ${status} [^]*reason: ${reason}`));
      t.equal((await offer(rig, ['h2']))?.alpnProtocol, 'h2', reason);
      await rig.until(() => rig.http2.reasons.length === 1);
      t.same(rig.http2.reasons, [told]);
    }
    t.equal(bad.dials(), 2, 'one for each client');
    t.equal(good.dials(), 0);
    const rig = await rigFor(t, alone.port);
    await offer(rig, ['h2']);
    await rig.until(() => rig.http2.reasons.length === 1);
    t.same(rig.http2.reasons, ['allow upstream-protocol'], 'a server without HTTP/2');
  },
);

await t.test('a host that is blocked is answered without a dial', async (t) => {
  const { port, chosen } = await serve(t, ['h2', 'http/1.1']);
  const rig = await rigFor(t, port);
  rig.host = () => asHost(shut);
  const both = (await offer(rig, ['h2', 'http/1.1']))!;
  t.equal(both.alpnProtocol, 'http/1.1');
  t.match(await collect(both, get('/', 'origin.test', last)), /^HTTP\/1\.1 403 [^]*reason: no-rule/);
  t.equal((await offer(rig, ['h2']))?.alpnProtocol, 'h2');
  await rig.until(() => rig.http2.reasons.length === 1);
  t.same(rig.http2.reasons, ['block no-rule']);
  t.same(rig.resolved, []);
  t.same(chosen, []);
});

/** A server that accepts and says nothing. */
async function silentServer(t: Test): Promise<{ port: number; sockets: Socket[]; ended: Socket[] }> {
  const [sockets, ended]: [Socket[], Socket[]] = [[], []];
  const server = createTcp((socket) => {
    sockets.push(socket);
    socket.on('error', () => {}).resume();
    socket.on('close', () => ended.push(socket));
  });
  return { port: await listenOn(t, server), sockets, ended };
}

await t.test('a client that ends while the server is dialled ends the dial', async (t) => {
  for (const end of ['reset', 'half-close'] as const) {
    const { port, sockets, ended } = await silentServer(t);
    const rig = await rigFor(t, port);
    const options = { port: rig.port, host: '127.0.0.1', servername: 'origin.test', ca: authority.ca };
    const client = connectTls({ ...options, ALPNProtocols: ['h2', 'http/1.1'] });
    client.on('error', () => {});
    await rig.until(() => sockets.length === 1);
    if (end === 'reset') (client as unknown as { _parent?: Socket })._parent?.resetAndDestroy();
    client.destroy();
    await rig.until(() => ended.length === 1);
    await rig.until(() => rig.closed('connection').length === 1);
    t.match(rig.closed('connection')[0], { ended: 'client-closed', decision: { verdict: 'allow' } }, end);
    t.same(rig.errors, []);
  }
});

await t.test('a server that is silent is given up in time and the client told', async (t) => {
  const { port, ended } = await silentServer(t);
  const rig = await rigFor(t, port, { limits: { ...defaultLimits, connectMs: 300, lingerMs: 50 } });
  const client = (await offer(rig, ['h2', 'http/1.1']))!;
  t.match(await collect(client, get('/', 'origin.test', last)), /^HTTP\/1\.1 504 [^]*reason: timeout/);
  await rig.until(() => ended.length === 1);
});

await t.test('a policy that changes while the server is dialled counts', async (t) => {
  const { port, dials } = await serve(t, ['h2', 'http/1.1']);
  const changes: readonly [change: (rig: Rig) => void, expected: RegExp | null][] = [
    [(rig) => (rig.host = () => asHost(shut)), null],
    [(rig) => (rig.dial = () => 'private-address'), /^HTTP\/1\.1 403 [^]*reason: private-address/],
  ];
  for (const [change, expected] of changes) {
    const rig = await rigFor(t, port);
    const before = rig.dial;
    // The address passes before the dial, and the change comes right after.
    rig.dial = (address, allowed) => {
      rig.revision = 'r1';
      change(rig);
      return before(address, allowed);
    };
    const client = await offer(rig, ['h2', 'http/1.1']);
    if (expected === null) t.equal(client, null);
    else t.match(await collect(client!, get('/', 'origin.test', last)), expected);
    t.same(rig.errors, []);
  }
  t.equal(dials(), 2);
});

/** A client hello as a client sends it, then an alert (RFC 8446 §6) in place of what it would say next. */
async function refuse(rig: Rig, alert: number, name = 'origin.test'): Promise<void> {
  const socket = connectTcp(rig.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(await helloOf(name));
  await new Promise((resolve) => socket.once('data', resolve));
  socket.end(Buffer.of(21, 3, 3, 0, 2, 2, alert));
  socket.resume();
  await new Promise((resolve) => socket.once('close', resolve));
}

const hellos = new Map<string, Buffer>();

/** The bytes with which a real client opens TLS 1.2. */
async function helloOf(servername: string): Promise<Buffer> {
  const known = hellos.get(servername);
  if (known !== undefined) return known;
  const server = createTcp();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const client = connectTls({ port, host: '127.0.0.1', servername, maxVersion: 'TLSv1.2' });
  client.on('error', () => {});
  const hello = await new Promise<Buffer>((resolve) => {
    server.once('connection', (socket) => socket.on('error', () => {}).once('data', resolve));
  });
  client.destroy();
  server.close();
  hellos.set(servername, hello);
  return hello;
}

await t.test('however many hosts ask for certificates, the log is told of a hundred', (t) => {
  let [told, counted] = [0, 0];
  const meter = { ...noMeter, count: () => void counted++ };
  const proposals = new Proposals(meter, () => void told++);
  for (let i = 0; i < 5_000; i++) proposals.asked(`h${i}.example.com`, 443);
  t.same([told, counted], [100, 5_000]);
  t.end();
});

await t.test('clients of two jobs that refuse the leaf make a proposal, those of one do not', async (t) => {
  const { port } = await serve(t, ['http/1.1']);
  let job = 'a';
  const told: Proposal[] = [];
  const attribution = { attribute: () => jobNamed(job) };
  const rig = await rigFor(t, port, { attribution, onProposal: (proposal) => told.push(proposal) });
  const evidenceOf = async (alert: number, name?: string) => {
    const before = rig.closed('connection').length;
    await refuse(rig, alert, name);
    await rig.until(() => rig.closed('connection').length > before);
    const record = rig.closed('connection').at(-1);
    return `${record?.ended} ${record?.decision.verdict} ${record?.evidence.map(({ kind }) => kind).join()}`;
  };
  const refused = 'client-rejected-certificate allow ';
  for (const alert of [42, 46, 48, 48]) t.equal(await evidenceOf(alert), refused, `alert ${alert}`);
  job = 'b';
  t.not(await evidenceOf(40), `${refused}pass-through-proposed`, 'another alert is none');
  t.equal(await evidenceOf(48, 'other.test'), refused, 'each host for itself');
  t.same(told, []);
  t.equal(await evidenceOf(46), `${refused}pass-through-proposed`);
  t.equal(await evidenceOf(42), `${refused}pass-through-proposed`);
  t.same(told, [{ host: 'origin.test', port, cause: 'client-distrust' }], 'the log is told once');
  rig.host = () => asHost(shut);
  t.match(await evidenceOf(48), /^client-rejected-certificate block $/, 'a blocked host is not proposed');
});

await t.test('clients resume with both versions of TLS, and are decided anew', async (t) => {
  const { port } = await serve(t, ['http/1.1']);
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const rig = await rigFor(t, port);
    let ticket: Buffer | undefined;
    const connect = async (session: Buffer | undefined) => {
      const options = { port: rig.port, host: '127.0.0.1', servername: 'origin.test', ca: authority.ca };
      const more = { minVersion: version, maxVersion: version, ALPNProtocols: ['http/1.1'] };
      const client = connectTls({ ...options, ...more, ...(session === undefined ? {} : { session }) });
      client.on('error', () => {}).on('session', (bytes: Buffer) => (ticket = bytes));
      await new Promise((resolve) => client.once('secureConnect', resolve));
      t.equal(client.getProtocol(), version);
      const isResumed = client.isSessionReused();
      return `${isResumed} ${(await collect(client, get('/', 'origin.test', last))).slice(9, 12)}`;
    };
    t.equal(await connect(undefined), 'false 200', version);
    t.equal(await connect(ticket), 'true 200', version);
    rig.host = () => asHost(shut);
    t.equal(await connect(ticket), 'true 403', version);
    t.same(rig.errors, []);
  }
});

/** A relay on loopback that cuts what a client says first into these pieces. */
async function cutting(t: Test, rig: Rig, cut: (hello: Buffer) => readonly Buffer[]): Promise<number> {
  const server = createTcp({ noDelay: true }, (client) => {
    const through = connectTcp({ port: rig.port, host: '127.0.0.1', noDelay: true });
    through.on('error', () => {}).on('data', (bytes) => client.write(bytes));
    client.on('error', () => {}).on('close', () => through.destroy());
    client.once('data', (hello: Buffer) => {
      const pieces = [...cut(hello)];
      const next = () => {
        const piece = pieces.shift();
        if (piece === undefined) return void client.on('data', (bytes) => through.write(bytes));
        through.write(piece);
        setImmediate(next);
      };
      next();
    });
  });
  t.teardown(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

const inRecords = (hello: Buffer, size: number) => {
  const pieces: Buffer[] = [];
  for (let at = 5; at < hello.length; at += size) {
    const piece = hello.subarray(at, at + size);
    pieces.push(Buffer.concat([Buffer.of(22, 3, 1, piece.length >> 8, piece.length & 255), piece]));
  }
  return pieces;
};

await t.test('a hello is answered however it is cut, with a key share of any size', async (t) => {
  const { port } = await serve(t, ['http/1.1']);
  const rig = await rigFor(t, port);
  const cuts: readonly [title: string, cut: (hello: Buffer) => readonly Buffer[]][] = [
    ['byte by byte', (hello) => Array.from(hello, (byte) => Buffer.of(byte))],
    ['in records of one byte', (hello) => [Buffer.concat(inRecords(hello, 1))]],
    ['in records of one byte, one by one', (hello) => inRecords(hello, 1)],
    ['in two segments', (hello) => [hello.subarray(0, 1400), hello.subarray(1400)]],
    [
      'in two records, cut in the name of the host',
      (hello) => {
        const at = hello.indexOf('origin.test') + 3;
        return inRecords(hello, at - 5);
      },
    ],
  ];
  for (const [title, cut] of cuts) {
    const through = await cutting(t, rig, cut);
    for (const ecdhCurve of ['X25519', 'X25519MLKEM768']) {
      const options = { port: through, host: '127.0.0.1', servername: 'origin.test', ca: authority.ca };
      const client = connectTls({ ...options, ecdhCurve, ALPNProtocols: ['h2', 'http/1.1'] });
      client.on('error', (error) => t.fail(`${title}: ${error.message}`));
      const answer = await collect(client, get('/', 'origin.test', last));
      t.match(answer, /^HTTP\/1\.1 200 /, `${title}, ${ecdhCurve}`);
    }
  }
  t.equal(
    rig.closed('connection').every((record) => record.tls?.serverName === 'origin.test'),
    true,
  );
  t.same(rig.errors, []);
});

await t.test(
  'a client that names no host is decided by its address, and shown a certificate for it',
  async (t) => {
    const server = await serve(t, ['h2', 'http/1.1'], authority.filesFor(serverAddress));
    const rig = await rigFor(t, server.port);
    rig.original = { address: serverAddress, port: server.port };
    const hosts: unknown[] = [];
    rig.host = (query) => {
      hosts.push([query.host, query.address]);
      return asHost(open);
    };
    for (const names of [['http/1.1'], ['h2', 'http/1.1']]) {
      const options = { port: rig.port, host: '127.0.0.1', ca: authority.ca, ALPNProtocols: names };
      const client = connectTls({ ...options, checkServerIdentity: () => undefined });
      await new Promise((resolve) => client.once('secureConnect', resolve));
      t.equal(client.alpnProtocol, names[0]);
      t.equal(client.getPeerX509Certificate()?.subjectAltName, `IP Address:${serverAddress}`);
      client.destroy();
    }
    t.same(hosts[0], [null, serverAddress]);
    rig.host = () => asHost(shut);
    const options = { port: rig.port, host: '127.0.0.1', ca: authority.ca };
    const blocked = connectTls({ ...options, checkServerIdentity: () => undefined }).on('error', () => {});
    t.match(await collect(blocked, get('/', serverAddress, last)), /^HTTP\/1\.1 403 /);
    await rig.until(() => rig.closed('connection').length === 3);
    t.match(rig.closed('connection')[0]?.evidence, [{ kind: 'direct-address' }]);
    t.equal(server.dials(), 1, 'dialled for HTTP/2 alone');
  },
);

await t.test(
  'Encrypted ClientHello is answered for its outer name, without new keys, so that clients come in the clear',
  async (t) => {
    const { port, dials } = await serve(t, ['http/1.1']);
    const rig = await rigFor(t, port);
    const asked: (string | null)[] = [];
    for (const [decision, verdict] of [
      [shut, 'block'],
      [open, 'allow'],
    ] as const) {
      rig.host = (query) => {
        asked.push(query.host);
        return asHost(decision);
      };
      const shown = await tryEch(connectTcp(rig.port, '127.0.0.1'), 'origin.test');
      t.equal(shown.certificate.checkHost('origin.test'), 'origin.test');
      t.ok(shown.certificate.verify(new X509Certificate(authority.ca).publicKey));
      t.notOk(shown.extensions.includes(0xfe0d), 'no keys to try again with');
      await rig.until(() => rig.closed('connection').some((record) => record.decision.verdict === verdict));
      t.match(rig.closed('connection').at(-1), {
        destination: { host: 'origin.test' },
        evidence: [{ kind: 'encrypted-client-hello', detail: 'the outer name decides' }],
        ended: 'client-closed',
      });
    }
    t.same(asked, ['origin.test', 'origin.test']);
    t.equal(dials(), 0);
    const clear = (await offer(rig, ['http/1.1']))!;
    t.match(await collect(clear, get('/', 'origin.test', last)), /^HTTP\/1\.1 200 /);
    t.same(rig.errors, []);
  },
);
