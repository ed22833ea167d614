// Protocols that are neither TLS nor HTTP: who may pass unread, who speaks first, and what is recorded of them.

import fc from 'fast-check';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { createServer as createHttps } from 'node:https';
import t from 'tap';
import { describeFirstBytes } from '../../proxy/first-bytes.ts';
import {
  asHost,
  asRequest,
  collect,
  enterNamespace,
  makeAuthority,
  makeRig,
  open,
  serverAddress,
  shut,
} from './rig.ts';
import type { Rig } from './rig.ts';

enterNamespace();
const authority = makeAuthority();
async function listen(accept: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    accept(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, serverAddress, resolve));
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}
/** Connections aimed at the server; what is neither TLS nor HTTP is decided as said. */
const rigOf = async (port: number, decision = open): Promise<Rig> => {
  const rig = await makeRig(authority, port, { limits: { lingerMs: 50, silenceMs: 60, peekMs: 300 } });
  t.teardown(() => rig.close());
  rig.original = { address: serverAddress, port };
  rig.host = ({ protocol }) => (protocol === 'unknown' ? asHost(decision, 'pass-through') : asHost(open));
  return rig;
};

await t.test('the shape of first bytes says their kind and number, never their content', (t) => {
  const cases: readonly [bytes: string, shape: string][] = [
    ['', 'nothing: the client waits for the server'],
    ['EHLO canary\r\n', 'text line, 13 bytes'],
    ['canary', 'text without a line end, 6 bytes'],
    ['one\r\ntwo\r\n', 'text lines, 10 bytes'],
    ['SSH-2.0-canary\r\n', 'an SSH banner, 16 bytes'],
    ['\0\0\0\x08\x04\xd2\x16\x2f', 'a PostgreSQL start, 8 bytes'],
    ['0033git-upload-pack /canary.git\0host=x\0', 'a git request, 39 bytes'],
    ['*1\r\n$4\r\nPING\r\n', 'a Redis command, 14 bytes'],
    ['AMQP\0\0\x09\x01', 'an AMQP header, 8 bytes'],
    ['\x05\x01\0', 'a SOCKS greeting, 3 bytes'],
    ['\0\0\0\x06canary', 'binary, length-prefixed (4 bytes), 10 bytes'],
    ['\x06\0canary', 'binary, length-prefixed (2 bytes), 8 bytes'],
    ['\x06canary', 'binary, length-prefixed (1 byte), 7 bytes'],
    ['\xff\xfecanary\x01', 'binary, 9 bytes'],
  ];
  for (const [bytes, shape] of cases) t.equal(describeFirstBytes(Buffer.from(bytes, 'latin1')), shape);
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      (bytes) => describeFirstBytes(Buffer.from(bytes)).length < 70,
    ),
    { numRuns: Number(process.env['FUZZ_CASES'] ?? 2000) },
  );
  t.end();
});

await t.test('a blocked protocol is recorded by its shape, also one that waits for its server', async (t) => {
  let reached = 0;
  const port = await listen(() => void reached++);
  const rig = await rigOf(port, { ...shut, reason: 'direct-address' });
  const cases: readonly [sent: string, reason: string, shape: string][] = [
    ['canary-token-1234\r\n', 'direct-address', 'text line, 19 bytes'],
    ['SSH-2.0-x\r\n', 'direct-address', 'an SSH banner, 11 bytes'],
    ['', 'unknown-protocol', 'nothing: the client waits for the server'],
    ['\x16\x03\x01', 'timeout', 'a TLS record, 3 bytes'],
  ];
  for (const [index, [sent, reason, shape]] of cases.entries()) {
    const answer = await collect(connect(rig.port, '127.0.0.1'), Buffer.from(sent, 'latin1'));
    t.match(answer, sent.startsWith('SSH') ? /^SSH-2\.0-Sallyport\r\n[^]*\[direct-address\]/ : /^$/);
    await rig.until(() => rig.closed('connection').length > index);
    const record = rig.closed('connection')[index]!;
    t.match(record, { decision: { verdict: 'block', reason } }, shape);
    t.ok(
      record.evidence.some(({ kind, detail }) => kind === 'first-bytes' && detail === shape),
      shape,
    );
  }
  t.equal(reached, 0, 'nothing was dialled');
  t.notMatch(JSON.stringify(rig.records), /canary/);
});

await t.test(
  'a blocked SSH client prints why',
  { skip: existsSync('/usr/bin/ssh') ? false : 'ssh is not installed' },
  async (t) => {
    const rig = await rigOf(22, { ...shut, rule: 'no-ssh', reason: 'block-rule' });
    const child = spawn('ssh', ['-o', 'ConnectTimeout=3', '-p', String(rig.port), 'x@127.0.0.1']);
    const said = Buffer.concat(await child.stderr.toArray()).toString();
    t.match(
      said,
      /disconnect from 127\.0\.0\.1[^]*a rule of the policy blocks it \(rule no-ssh\) \[block-rule\]/,
    );
    await rig.until(() => rig.closed('connection').length === 1);
    t.match(rig.closed('connection')[0], { destination: { protocol: 'ssh' }, decision: { rule: 'no-ssh' } });
    t.same(rig.errors, []);
  },
);

await t.test(
  'a server that goes away while its client begins to speak does not hold the client',
  async (t) => {
    let reset = () => {};
    const port = await listen((socket) => {
      reset = () => void socket.resetAndDestroy();
    });
    const rig = await rigOf(port);
    const client = connect(rig.port, '127.0.0.1');
    const answer = collect(client, '', /\r\n\r\n/);
    await rig.until(() => rig.records.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    client.write('GET /x HTTP/1.1\r\n');
    await new Promise((resolve) => setTimeout(resolve, 50));
    reset();
    await new Promise((resolve) => setTimeout(resolve, 50));
    rig.request = () => asRequest(shut);
    client.write('Host: a.example.com\r\n\r\n');
    t.match(await answer, /^HTTP\/1\.1 403 /);
  },
);

await t.test('a server that speaks first is heard, and the whole is one flow with exact bytes', async (t) => {
  const port = await listen((socket) => {
    socket.write('SSH-2.0-server\r\n');
    socket.on('data', (bytes: Buffer) => void socket.end(`got ${bytes.length}`));
  });
  const rig = await rigOf(port);
  const client = connect(rig.port, '127.0.0.1');
  client.once('data', () => client.write('SSH-2.0-scan\r\n'));
  t.equal(await collect(client, ''), 'SSH-2.0-server\r\ngot 14');
  await rig.until(() => rig.closed('connection').length === 1);
  t.match(rig.closed('connection')[0], {
    destination: { address: serverAddress, port, protocol: 'ssh' },
    decision: { verdict: 'allow', rule: 'r1' },
    bytes: { sent: 14, received: 22 },
    ended: null,
  });
  t.equal(rig.records[0]?.phase, 'opened');
  t.same(rig.resolved, []);
  t.same(rig.errors, []);
});

await t.test('a client that was only slow goes the usual way', async (t) => {
  let dialled = 0;
  const server = createHttps({ SNICallback: (name, done) => done(null, authority.contextFor(name)) });
  server.on('connection', () => dialled++);
  server.on('request', (_request, response) => response.end('secure'));
  await new Promise<void>((resolve) => server.listen(0, serverAddress, resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const rig = await rigOf(port);
  const raw = connect(rig.port, '127.0.0.1');
  await rig.until(() => dialled === 1);
  // A hello that comes late is opened all the same.
  const { connect: connectTls } = await import('node:tls');
  const client = connectTls({ socket: raw, servername: 'origin.test', ca: authority.ca });
  t.match(
    await collect(client, 'GET / HTTP/1.1\r\nHost: origin.test\r\nConnection: close\r\n\r\n'),
    /secure$/,
  );
  await rig.until(() => rig.closed('connection').length === 1);
  t.match(rig.closed('connection')[0], {
    destination: { host: 'origin.test' },
    tls: { treatment: 'intercept', serverName: 'origin.test' },
  });
  t.same(rig.closed('request').length, 1);
  // And one that speaks another protocol late keeps the server that was dialled.
  const echo = await listen((socket) => void socket.pipe(socket));
  const late = await rigOf(echo);
  const slow = connect(late.port, '127.0.0.1');
  setTimeout(() => slow.end('\0late'), 120);
  t.equal(await collect(slow, ''), '\0late');
  await late.until(() => late.closed('connection').length === 1);
  t.match(late.closed('connection')[0], {
    destination: { protocol: 'tcp' },
    bytes: { sent: 5, received: 5 },
  });
  t.same([...rig.errors, ...late.errors], []);
});

await t.test('a server that is silent too, gone or unreachable ends the wait', async (t) => {
  const silent = await rigOf(await listen(() => {}));
  t.equal(await collect(connect(silent.port, '127.0.0.1'), ''), '');
  const closing = await rigOf(await listen((socket) => void socket.destroy()));
  t.equal(await collect(connect(closing.port, '127.0.0.1'), ''), '');
  const gone = await rigOf(1);
  t.equal(await collect(connect(gone.port, '127.0.0.1'), ''), '');
  for (const [rig, ended] of [
    [silent, 'timeout'],
    [closing, 'upstream-closed'],
    [gone, 'connect-failed'],
  ] as const) {
    await rig.until(() => rig.closed('connection').length === 1);
    t.equal(rig.closed('connection')[0]?.ended, ended);
    t.same(rig.errors, []);
  }
});

await t.test('inside a tunnel too the server may be the first to speak', async (t) => {
  const port = await listen((socket) => void socket.end('220 mail\r\n'));
  const rig = await rigOf(port);
  const target = `mail.test:${port}`;
  const answer = await collect(
    connect(rig.explicitPort, '127.0.0.1'),
    `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`,
  );
  t.match(answer, /^HTTP\/1\.1 200 [^]*\r\n\r\n220 mail\r\n$/);
  t.same(rig.resolved, ['mail.test']);
});
