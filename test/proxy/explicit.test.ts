// The explicit proxy: credentials, tunnels to any port that policy opens, and several hosts on one connection.

import { spawn } from 'node:child_process';
import { createServer as createHttp } from 'node:http';
import { createSecureServer } from 'node:http2';
import { connect, createServer as createTcp } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import t from 'tap';
import { startHttp2 } from '../../proxy/h2/relay.ts';
import { answerHttp2 } from '../../proxy/h2/whole-answer.ts';
import { isUserLine, makeUserLine, ProxyUsers } from '../../proxy/proxy-users.ts';
import {
  asHost,
  asRequest,
  collect,
  enterNamespace,
  listenOn,
  makeAuthority,
  makeRig,
  open,
  serverAddress,
  shut,
} from './rig.ts';
import type { Rig } from './rig.ts';

enterNamespace();
const authority = makeAuthority();
const listen = (server: Server) => listenOn(t, server);
const seen: string[] = [];
const origin = await listen(
  createHttp((request, response) => {
    seen.push(`${request.headers.host} ${request.headers['proxy-authorization'] ?? 'none'}`);
    response.end('body');
  }),
);
const second = await listen(createHttp((_request, response) => response.end('second')));
const line = await makeUserLine('ci', 's3cret: canary');
const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
const right = basic('ci:s3cret: canary');
const wrong = basic('ci:wrong');

const rigOf = async (users: readonly string[] | null = [line]): Promise<Rig> => {
  const rig = await makeRig(authority, origin, users === null ? {} : { proxyUsers: new ProxyUsers(users) });
  t.teardown(() => rig.close());
  return rig;
};
const send = (rig: Rig, text: string, until?: RegExp) =>
  collect(connect(rig.explicitPort, '127.0.0.1'), text, until);
const field = (value: string | null) => (value === null ? '' : `Proxy-Authorization: ${value}\r\n`);
const get = (value: string | null, more = '', port = origin, host = 'a.test') =>
  `GET http://${host}:${port}/ HTTP/1.1\r\nHost: ${host}:${port}\r\n${field(value)}${more}\r\n`;
const tunnel = (value: string | null, target = `a.test:${origin}`) =>
  `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${field(value)}\r\n`;
const inside = `GET / HTTP/1.1\r\nHost: a.test:${origin}\r\nConnection: close\r\n\r\n`;
const last = 'Connection: close\r\n';
const statuses = (answer: string) =>
  (answer.match(/HTTP\/1\.1 \d{3}/g) ?? []).map((text) => Number(text.slice(9)));

await t.test('without the right credentials nothing is dialled, and 407 asks for them', async (t) => {
  const rig = await rigOf();
  const cases: readonly [title: string, value: string | null][] = [
    ['none', null],
    ['a wrong secret', wrong],
    ['an unknown user', basic('root:s3cret: canary')],
    ['an empty secret', basic('ci:')],
    ['no colon', basic('ci')],
    ['another scheme', 'Bearer abc'],
    ['no base64', 'Basic ???'],
    ['a part of the secret', basic('ci:s3cret')],
  ];
  for (const [title, value] of cases) {
    const answer = await send(rig, get(value, last));
    t.match(answer, /^HTTP\/1\.1 407 [^]*proxy-authenticate: Basic realm="proxy"/, title);
    t.match(await send(rig, tunnel(value), /407/), /^HTTP\/1\.1 407 /, `${title}, CONNECT`);
  }
  t.same(seen.splice(0), []);
  t.match(rig.closed('request')[0], { decision: { verdict: 'block', reason: 'proxy-authentication' } });
  // Wrong ones of this runner were too many: what is right is known only after a minute.
  t.same(statuses(await send(rig, get(right, last))), [407]);
  t.equal(await send(rig, '\x16\x03\x01\x00\x05hello'), '', 'TLS without a tunnel');
  t.same(rig.errors, []);
});

await t.test('the right ones open tunnels and requests, and never go further', async (t) => {
  const rig = await rigOf();
  t.match(await send(rig, get(right, last)), /^HTTP\/1\.1 200 [^]*body$/);
  t.match(
    await send(rig, tunnel(right) + inside, /body$/),
    /^HTTP\/1\.1 200 Connection[^]*HTTP\/1\.1 200 OK[^]*body$/,
  );
  t.same(seen.splice(0), [`a.test:${origin} none`, `a.test:${origin} none`]);
  t.notMatch(JSON.stringify(rig.records), /canary|Y2FuYXJ5|Basic|czNjcmV0/i);
});

await t.test('a connection stays after 407, and each request on it needs the same credentials', async (t) => {
  const rig = await rigOf();
  t.same(statuses(await send(rig, get(null) + get(right) + get(right, last))), [407, 200, 200]);
  t.same(
    statuses(await send(rig, tunnel(null) + tunnel(right) + inside)),
    [407, 200, 200],
    'all sent at once',
  );
  t.same(statuses(await send(rig, get(right) + get(null) + get(right, last))), [200, 407, 200]);
  t.same(statuses(await send(rig, get(right) + get(wrong, last))), [200, 407]);
  t.same(statuses(await send(rig, get(null).repeat(9))), [407, 407, 407, 407], 'no more than four');
  t.same(
    statuses(
      await send(
        rig,
        `POST http://a.test:${origin}/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\nabc`,
      ),
    ),
    [407],
    'a body is not waited for',
  );
  t.same(rig.errors, []);
});

await t.test('several hosts and ports on one connection are decided by themselves', async (t) => {
  const rig = await rigOf(null);
  rig.host = ({ host, port }) => asHost(host === 'b.test' && port === origin ? shut : open);
  rig.request = ({ host }) => asRequest(host === 'c.test' ? shut : open);
  const answer = await send(
    rig,
    get(null, '', origin, 'b.test') +
      get(null, '', second, 'b.test') +
      get(null, '', origin, 'c.test') +
      get(null, last, origin, 'a.test'),
  );
  t.same(statuses(answer), [403, 200, 403, 200]);
  t.match(answer, /second/);
});

await t.test('tunnels go to any port and address that policy opens', async (t) => {
  const echo = await listen(createTcp((socket) => void socket.on('error', () => {}).pipe(socket)));
  const rig = await rigOf(null);
  const asked = new Set<string>();
  rig.host = (query) => {
    asked.add(`${query.host} ${query.address} ${query.port} ${query.protocol}`);
    return asHost(query.port === echo || query.address !== null ? open : shut, 'pass-through');
  };
  rig.dial = () => null;
  t.match(await send(rig, `${tunnel(null, `db.test:${echo}`)}\0hello`, /hello/), /200 [^]*\0hello$/);
  t.match(await send(rig, `${tunnel(null, `db.test:${origin}`)}\0hello`), /^HTTP\/1\.1 200 [^\n]*\r\n\r\n$/);
  await send(rig, `${tunnel(null, '[2001:DB8:0::1]:9')}\0x`);
  t.same(
    [...asked],
    [`db.test null ${echo} unknown`, `db.test null ${origin} unknown`, 'null 2001:db8::1 9 unknown'],
  );
  for (const target of ['a.test', 'a.test:0', 'a.test:99999', '[::1', 'a b:1', '[::1]:80x'])
    t.same(statuses(await send(rig, tunnel(null, target))), [400], target);
});

await t.test('HTTP/2 goes through a tunnel like anywhere, credentials and all', async (t) => {
  const context = authority.contextFor('h2.test');
  const server = createSecureServer(
    { SNICallback: (_name, done) => done(null, context) },
    (request, response) =>
      response.end(`${request.httpVersion} ${request.headers['proxy-authorization'] ?? 'none'}`),
  );
  await new Promise<void>((resolve) => server.listen(0, serverAddress, resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const rig = await makeRig(authority, port, {
    proxyUsers: new ProxyUsers([line]),
    http2: { start: startHttp2, answer: answerHttp2 },
  });
  t.teardown(() => rig.close());
  const args = [
    '-skm',
    '8',
    '--http2',
    '-x',
    `http://127.0.0.1:${rig.explicitPort}`,
    `https://h2.test:${port}/`,
  ];
  const curl = async (...more: string[]) => {
    const child = spawn('curl', [...args, ...more, '-w', ' %{http_version}']);
    return Buffer.concat(await child.stdout.toArray()).toString();
  };
  t.equal(await curl('-U', 'ci:s3cret: canary'), '2.0 none 2');
  t.equal(await curl('-U', 'ci:wrong'), ' 0');
  await rig.until(() => rig.closed('request').some(({ http }) => http?.version === '2'));
  t.same(rig.errors, []);
});

await t.test('lines of users are read as they are made', (t) => {
  t.ok(isUserLine(line));
  for (const text of ['ci:s3cret', 'ci:scrypt:a:b', `${line}x`, line.replace('ci', 'a b'), ''])
    t.notOk(isUserLine(text), text);
  t.end();
});
