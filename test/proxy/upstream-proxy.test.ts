// A proxy in front of the gateway: a real squid with credentials, and stubs that are hostile.

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttps } from 'node:https';
import { createServer as createHttp } from 'node:http';
import { connect, createServer as createTcp } from 'node:net';
import type { Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { parseCidr } from '../../flow/address.ts';
import { UpstreamProxy, type UpstreamProxyOptions } from '../../proxy/upstream-proxy.ts';
import {
  asHost,
  asRequest,
  collect,
  enterNamespace,
  listenOn,
  makeAuthority,
  makeRig,
  open,
  openTls,
  serverAddress,
} from './rig.ts';
import type { Rig } from './rig.ts';

enterNamespace();
const authority = makeAuthority();
const none = { names: [], ranges: [] };
const listen = (server: Server) => listenOn(t, server);
const rigOf = async (port: number, options: Partial<UpstreamProxyOptions>, limits = {}): Promise<Rig> => {
  const proxy = { host: serverAddress, port: 1, credentials: null, resolve: 'local', direct: none } as const;
  const upstreamProxy = new UpstreamProxy({ ...proxy, ...options });
  const rig = await makeRig(authority, port, { upstreamProxy, limits: { lingerMs: 50, ...limits } });
  t.teardown(() => rig.close());
  return rig;
};
const get = (host: string, port: number) =>
  `GET / HTTP/1.1\r\nHost: ${host}:${port}\r\nConnection: close\r\n\r\n`;
const ask = (rig: Rig, port: number, host = 'origin.test') =>
  collect(
    connect(rig.explicitPort, '127.0.0.1'),
    get(host, port).replace('GET /', `GET http://${host}:${port}/`),
  );

const origin = await listen(createHttp((request, response) => response.end(`to ${request.headers.host}`)));

/** A proxy that answers each connection with these bytes, after what it was sent. */
async function stub(
  answer: (socket: Socket, asked: string) => void,
): Promise<{ port: number; asked: string[] }> {
  const asked: string[] = [];
  const port = await listen(
    createTcp((socket) => {
      socket.on('error', () => {});
      socket.once('data', (bytes: Buffer) => {
        asked.push(bytes.toString('latin1'));
        answer(socket, bytes.toString('latin1'));
      });
    }),
  );
  return { port, asked };
}
/** One that does what it is told, names included. */
const honest = () =>
  stub((socket, asked) => {
    const port = Number(/^CONNECT \S+:(\d+) /.exec(asked)?.[1]);
    const server = connect(port, serverAddress, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.pipe(server).pipe(socket);
    });
    server.on('error', () => socket.destroy());
  });

await t.test('what it refuses, and what is no answer, is told apart and explained', async (t) => {
  const cases: readonly [title: string, answer: string | Buffer, reason: string][] = [
    [
      '407',
      'HTTP/1.1 407 no\r\nProxy-Authenticate: Basic realm="x"\r\n\r\nlong page',
      'upstream-proxy-credentials',
    ],
    ['403', 'HTTP/1.1 403 no\r\nContent-Length: 2\r\n\r\nno', 'upstream-proxy-refused'],
    ['302', 'HTTP/1.1 302 no\r\nLocation: https://login.test/\r\n\r\n', 'upstream-proxy-refused'],
    ['502', 'HTTP/1.1 502 no\r\n\r\n', 'upstream-proxy-failed'],
    ['no HTTP', 'SSH-2.0-x\r\n\r\n', 'upstream-proxy-failed'],
    ['zeros', Buffer.alloc(64), 'upstream-proxy-failed'],
    ['a head without an end', `HTTP/1.1 200 OK\r\n${'X-A: b\r\n'.repeat(3000)}`, 'upstream-proxy-failed'],
    ['101', 'HTTP/1.1 101 x\r\n\r\n', 'upstream-proxy-failed'],
    ['half a head', 'HTTP/1.1 200 OK\r\n', 'upstream-proxy-failed'],
    ['interim answers without an end', 'HTTP/1.1 100 x\r\n\r\n'.repeat(5000), 'upstream-proxy-failed'],
  ];
  for (const [title, answer, reason] of cases) {
    const { port } = await stub((socket) => void socket.write(answer));
    const rig = await rigOf(origin, { port, credentials: 'user:canary-secret' }, { connectMs: 200 });
    const answered = await ask(rig, origin);
    t.match(answered, new RegExp(`^HTTP/1.1 502 [^]*reason: ${reason}`), title);
    await rig.until(() => rig.closed('request').length === 1);
    t.match(rig.closed('request')[0], { ended: reason, evidence: [{ kind: 'upstream-proxy' }] }, title);
    t.notMatch(JSON.stringify(rig.records) + answered, /canary|Y2FuYXJ5|dXNlcjpj/, `${title}: no secret`);
    t.same(rig.errors, []);
  }
  const gone = await rigOf(origin, { port: 1 });
  t.match(await ask(gone, origin), /reason: upstream-proxy-failed/, 'no proxy there');
  const closing = await stub((socket) => void socket.destroy());
  t.match(await ask(await rigOf(origin, { port: closing.port }), origin), /reason: upstream-proxy-failed/);
});

await t.test('local: the address that was checked is asked for, and private ranges stay shut', async (t) => {
  const { port, asked } = await honest();
  const rig = await rigOf(origin, { port, credentials: 'ci:s3cret' });
  t.match(await ask(rig, origin), /^HTTP\/1\.1 200 [^]*to origin\.test/);
  t.equal(
    asked[0],
    `CONNECT ${serverAddress}:${origin} HTTP/1.1\r\nHost: ${serverAddress}:${origin}\r\nProxy-Authorization: Basic Y2k6czNjcmV0\r\n\r\n`,
  );
  await rig.until(() => rig.closed('request').length === 1);
  t.equal(rig.closed('request')[0]?.destination.address, serverAddress);
  rig.request = () => asRequest(open, { addresses: [] });
  t.match(await ask(rig, origin), /reason: private-address/);
  t.equal(asked.length, 1, 'it was not asked');
});

await t.test('proxy: the name is asked for, and what needs an address is refused', async (t) => {
  const { port, asked } = await honest();
  const rig = await rigOf(origin, { port, resolve: 'proxy' });
  rig.request = () => asRequest(open, { addresses: [] });
  t.match(await ask(rig, origin), /^HTTP\/1\.1 200 /);
  t.match(asked[0], new RegExp(`^CONNECT origin\\.test:${origin} HTTP/1\\.1\r\nHost: [^\r]*\r\n\r\n$`));
  t.same(rig.resolved, []);
  await rig.until(() => rig.closed('request').length === 1);
  t.equal(rig.closed('request')[0]?.destination.address, null, 'nobody here knows the address');
  for (const name of ['intranet', 'db.local', 'metadata.google.internal', 'a.localhost'])
    t.match(await ask(rig, origin, name), /reason: never-address/, name);
  t.match(
    await ask(rig, origin, '10.1.2.3'),
    /reason: private-address/,
    'literal addresses are checked here',
  );
  rig.request = () => asRequest(open);
  t.match(
    await ask(rig, origin, 'other.test'),
    /reason: private-address/,
    'a rule that opens private ranges',
  );
  t.equal(asked.length, 1, 'it was asked once');
});

await t.test('the no-proxy list: names, suffixes and ranges go directly', async (t) => {
  const { port, asked } = await honest();
  const direct = { names: ['a.test', '.corp.test'], ranges: [] };
  const rig = await rigOf(origin, { port, direct });
  for (const name of ['a.test', 'x.corp.test', 'y.x.corp.test'])
    t.match(await ask(rig, origin, name), /^HTTP\/1\.1 200 /, name);
  t.equal(asked.length, 0);
  for (const name of ['x.a.test', 'corp.test', 'xcorp.test'])
    t.match(await ask(rig, origin, name), /^HTTP\/1\.1 200 /, name);
  t.equal(asked.length, 3);
  const ranged = await rigOf(origin, { port, direct: { names: [], ranges: [parseCidr('10.99.0.0/24')!] } });
  t.match(await ask(ranged, origin), /^HTTP\/1\.1 200 /);
  t.equal(asked.length, 3, 'by range');
});

await t.test('a server that speaks first behind it loses nothing', async (t) => {
  const { port } = await stub((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nX-A: b\r\n\r\n220 ready\r\n');
  });
  const rig = await rigOf(25, { port });
  rig.host = () => asHost(open, 'pass-through');
  rig.original = { address: serverAddress, port: 25 };
  t.equal(await collect(connect(rig.port, '127.0.0.1'), '\0x', /ready\r\n$/), '220 ready\r\n');
});

const squid = '/usr/sbin/squid';
await t.test(
  'squid: TLS and plain HTTP through CONNECT, with credentials and with wrong ones',
  { skip: existsSync(squid) ? false : 'squid is not installed' },
  async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'squid-test-'));
    const secure = createHttps({ SNICallback: (name, done) => done(null, authority.contextFor(name)) });
    secure.on('request', (_request, response) => response.end('secure'));
    const tls = await listen(secure);
    const [port, file] = [30_128, join(directory, 'squid.conf')];
    const digest = execFileSync('openssl', ['passwd', '-apr1', 's3cret'], { encoding: 'utf8' });
    writeFileSync(join(directory, 'users'), `ci:${digest}`);
    const lines = [
      `http_port ${serverAddress}:${port}`,
      `auth_param basic program /usr/lib/squid/basic_ncsa_auth ${join(directory, 'users')}`,
      'auth_param basic children 1 startup=1',
      'acl known proxy_auth REQUIRED',
      'acl closed port 9',
      'http_access deny closed',
      'http_access allow known',
      'http_access deny all',
      'cache deny all',
      'access_log none',
      'cache_log /dev/null',
      'pid_filename none',
      'shutdown_lifetime 0 seconds',
      'dns_nameservers 127.0.0.1',
    ];
    writeFileSync(file, `${lines.join('\n')}\n`);
    spawnSync('chmod', ['-R', 'a+rX', directory]);
    const child = spawn(squid, ['-N', '-f', file], { stdio: 'ignore' });
    t.teardown(async () => {
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('exit', resolve));
      rmSync(directory, { recursive: true });
    });
    const rig = await rigOf(tls, { port, credentials: 'ci:s3cret' });
    const isUp = () =>
      new Promise<boolean>((resolve) => {
        const probe = connect(port, serverAddress, () => resolve(true));
        probe.on('error', () => resolve(false));
      });
    for (let attempt = 0; attempt < 100 && !(await isUp()); attempt++)
      await new Promise((resolve) => setTimeout(resolve, 50));
    t.match(
      await collect(await openTls(rig.port, 'origin.test', authority.ca), get('origin.test', tls)),
      /secure$/,
    );
    t.match(await ask(rig, origin), /^HTTP\/1\.1 200 [^]*to origin\.test/);
    t.match(await ask(rig, 9), /reason: upstream-proxy-refused/, 'a port that it refuses');
    t.match(await ask(rig, 2), /reason: upstream-proxy-failed/, 'a server that is not there');
    const wrong = await rigOf(tls, { port, credentials: 'ci:wrong' });
    t.match(await ask(wrong, origin), /reason: upstream-proxy-credentials/);
    const nobody = await rigOf(tls, { port });
    t.match(await ask(nobody, origin), /reason: upstream-proxy-credentials/);
  },
);
