import { once } from 'node:events';
import { connect as connectHttp2, createSecureServer } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import { createServer as createTcp } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { connect as connectTls, createServer as createTls } from 'node:tls';
import type { TlsOptions } from 'node:tls';
import t from 'tap';
import { TestAuthority } from '../../netns/authority.ts';
import type { Certificate } from '../../netns/authority.ts';
import { loadPolicy } from '../../policy/load.ts';
import { readHostPattern } from '../../policy/match-host.ts';
import type { HostPattern } from '../../policy/match-host.ts';
import { startHttp2 } from '../../proxy/h2/relay.ts';
import { answerHttp2 } from '../../proxy/h2/whole-answer.ts';
import { deciderOf } from '../../proxy/policy-decider.ts';
import type { Upstream } from '../../proxy/upstream.ts';
import {
  asRequest,
  collect,
  enterNamespace,
  jobNamed,
  listenOn,
  makeAuthority,
  makeRig,
  open,
  openTls,
  selfSigned,
  serverAddress,
  talk,
} from './rig.ts';

enterNamespace();
const authority = makeAuthority();
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const get = (path: string, host = 'origin.test', more = '') =>
  `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`;

const listen = (server: Server) => listenOn(t, server);

/** A server that answers every request and remembers its connections. */
async function countingServer(): Promise<{ port: number; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const server = createTcp((socket) => {
    sockets.push(socket);
    socket.on('error', () => {}).on('data', () => socket.write(ok));
  });
  return { port: await listen(server), sockets };
}

await t.test('a pooled connection serves one job only', async (t) => {
  const { port, sockets } = await countingServer();
  let job = jobNamed('build');
  const rig = await makeRig(authority, port, { attribution: { attribute: () => job } });
  t.teardown(() => rig.close());
  await talk(rig.port, get('/1'), /ok$/);
  await talk(rig.port, get('/2'), /ok$/);
  t.equal(sockets.length, 1);
  job = jobNamed('publish');
  await talk(rig.port, get('/3'), /ok$/);
  t.equal(sockets.length, 2);
});

await t.test('a pooled connection is looked at again by a decision that opens other ranges', async (t) => {
  const { port, sockets } = await countingServer();
  const rig = await makeRig(authority, port);
  t.teardown(() => rig.close());
  await talk(rig.port, get('/private'), /ok$/);
  rig.request = () => asRequest(open, { addresses: [] });
  const answer = await talk(rig.port, get('/public', 'origin.test', 'Connection: close\r\n'));
  t.match(answer, /^HTTP\/1\.1 403 [^]*reason: private-address/);
  t.equal(sockets.length, 1);
});

await t.test('too many idle connections end the one that was idle for longest', async (t) => {
  const { port, sockets } = await countingServer();
  const rig = await makeRig(authority, port, { limits: { lingerMs: 50, pooledPerRunner: 2 } });
  t.teardown(() => rig.close());
  for (const host of ['a.test', 'b.test', 'c.test']) await talk(rig.port, get('/', host), /ok$/);
  t.equal(sockets.length, 3);
  await talk(rig.port, get('/', 'b.test'), /ok$/);
  await talk(rig.port, get('/', 'c.test'), /ok$/);
  t.equal(sockets.length, 3, 'what was used last is still there');
  await talk(rig.port, get('/', 'a.test'), /ok$/);
  t.equal(sockets.length, 4);
});

await t.test('a name that leads to a blocklisted address is blocked when it is dialled', async (t) => {
  const { port, sockets } = await countingServer();
  const policy = `version: 1
mode: audit
http:
  - {id: r, host: origin.test, scheme: http, port: ${port}, addresses: 10.0.0.0/8}
opaque:
  - {id: o, host: pinned.test, port: ${port}, addresses: 10.0.0.0/8, reason: test}
blocklist: [{files: list.yaml}]
`;
  const files = { 'policy.yaml': policy, 'list.yaml': 'addresses: [10.99.0.0/24]\n' };
  const decider = deciderOf(loadPolicy({ entry: 'policy.yaml', files }).policy);
  const rig = await makeRig(authority, port, { decider: () => decider });
  t.teardown(() => rig.close());
  const answer = await talk(rig.port, get('/', 'origin.test', 'Connection: close\r\n'));
  t.match(answer, /^HTTP\/1\.1 403 [^]*reason: blocklist/);
  await rig.until(() => rig.closed('request').length === 1);
  t.match(rig.closed('request')[0], { decision: { verdict: 'block', reason: 'blocklist', rule: 'r' } });
  await openTls(rig.port, 'pinned.test', authority.ca).catch(() => {});
  await rig.until(() => rig.closed('connection').length === 2);
  t.match(rig.closed('connection')[1], { decision: { verdict: 'block', reason: 'blocklist' } });
  t.equal(sockets.length, 0);
});

await t.test('a server must show a certificate for the very host', async (t) => {
  const cases: readonly [certificate: string, host: string, status: string][] = [
    ['origin.test', 'origin.test', '200'],
    ['other.test', 'origin.test', '502'],
    ['*.wild.test', 'a.wild.test', '200'],
    ['*.wild.test', 'a_b.wild.test', '200'],
    ['*.wild.test', 'a.b.wild.test', '502'],
    ['*.wild.test', 'wild.test', '502'],
    [serverAddress, serverAddress, '200'],
    ['10.99.0.9', serverAddress, '502'],
    [serverAddress, 'origin.test', '502'],
  ];
  for (const [certificate, host, status] of cases) {
    const port = await listen(
      createHttps(authority.filesFor(certificate), (_, response) => void response.end('ok')),
    );
    const rig = await makeRig(authority, port);
    t.teardown(() => rig.close());
    if (host === serverAddress) rig.original = { address: host, port };
    const client = await openTls(rig.port, host === serverAddress ? '' : host, authority.ca);
    const answer = await collect(client, get('/', host, 'Connection: close\r\n'));
    t.equal(answer.slice(9, 12), status, `${certificate} for ${host}`);
    if (status === '502') t.match(answer, /upstream-certificate/);
  }
});

/** A server that answers `ok`. */
async function serverWith(files: { key: string; cert: string }, more: TlsOptions = {}): Promise<number> {
  const server = createHttps({ ...files, ...more }, (_, response) => void response.end('ok'));
  server.on('tlsClientError', () => {});
  return listen(server);
}

await t.test('a job is told what is wrong with a certificate, and the record says it too', async (t) => {
  const [lab, stranger] = [new TestAuthority('lab'), new TestAuthority('stranger')];
  const cases: readonly [issued: Certificate, told: string][] = [
    [lab.issue(['origin.test'], -1), 'a certificate has expired'],
    [lab.issue(['origin.test'], 48, 24), 'a certificate is not yet valid'],
    [selfSigned('origin.test'), 'the certificate is self-signed'],
    [lab.issue(['other.test']), 'the certificate is for another name'],
    [stranger.issue(['origin.test']), 'the certificate comes from an unknown authority'],
  ];
  for (const [{ certificate, key }, told] of cases) {
    const port = await serverWith({ cert: certificate, key });
    const rig = await makeRig(authority, port, { extraAuthorities: [lab.certificate] });
    t.teardown(() => rig.close());
    const client = await openTls(rig.port, 'origin.test', authority.ca);
    const answer = await collect(client, get('/', 'origin.test', 'Connection: close\r\n'));
    t.match(answer, /^HTTP\/1\.1 502 [^]*x-sallyport-reason: upstream-certificate/, told);
    t.match(answer, `not trusted: ${told} (rule r1) [upstream-certificate]`);
    await rig.until(() => rig.closed('request').length === 1);
    t.match(rig.closed('request')[0], {
      ended: 'upstream-certificate',
      evidence: [{ kind: 'upstream-certificate', detail: `origin.test:${port}: ${told}` }],
    });
  }
});

await t.test(
  'a server that insists on a client certificate is told apart, and a pass-through proposed',
  async (t) => {
    const files = authority.filesFor('origin.test');
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      for (const insists of [true, false]) {
        const more = { requestCert: true, ca: authority.ca, rejectUnauthorized: insists };
        const port = await serverWith(files, { ...more, minVersion: version, maxVersion: version });
        const rig = await makeRig(authority, port);
        t.teardown(() => rig.close());
        const client = await openTls(rig.port, 'origin.test', authority.ca);
        const answer = await collect(client, get('/', 'origin.test', 'Connection: close\r\n'));
        await rig.until(() => rig.closed('request').length === 1);
        const [record] = rig.closed('request');
        if (!insists) {
          t.match(answer, /^HTTP\/1\.1 200 /, `${version}, optional`);
          t.same(record?.evidence, []);
          continue;
        }
        t.match(answer, /^HTTP\/1\.1 502 [^]*x-sallyport-reason: client-certificate/, version);
        t.match(
          record,
          { ended: 'client-certificate', evidence: [{ kind: 'pass-through-proposed' }] },
          version,
        );
        t.match(record?.evidence[0]?.detail, `origin.test:${port} asks for a client certificate`);
        t.equal(record?.decision.verdict, 'allow');
      }
    }
  },
);

await t.test('the same over HTTP/2, where the server ends after its handshake', async (t) => {
  const more = { requestCert: true, ca: authority.ca, rejectUnauthorized: true };
  const server = createSecureServer({ ...authority.filesFor('origin.test'), ...more });
  server.on('tlsClientError', () => {}).on('sessionError', () => {});
  await new Promise<void>((resolve) => server.listen(0, serverAddress, resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const rig = await makeRig(authority, port, { http2: { start: startHttp2, answer: answerHttp2 } });
  t.teardown(() => rig.close());
  const options = { port: rig.port, host: '127.0.0.1', servername: 'origin.test', ca: authority.ca };
  const socket = connectTls({ ...options, ALPNProtocols: ['h2'] });
  await new Promise((resolve) => socket.once('secureConnect', resolve));
  const client = connectHttp2(`https://origin.test:${port}`, { createConnection: () => socket }).on(
    'error',
    () => {},
  );
  const stream = client.request({ ':path': '/' });
  const [head] = (await once(stream, 'response')) as [Record<string, unknown>];
  t.match(head, { ':status': 502, 'x-sallyport-reason': 'client-certificate' });
  client.destroy();
  await rig.until(() => rig.closed('connection').length === 1);
  t.match(rig.closed('request')[0], { ended: 'client-certificate', http: { status: 502 } });
  t.match(rig.closed('connection')[0]?.evidence, [{ kind: 'pass-through-proposed' }]);
});

await t.test('an authority that counts for some hosts counts for no other', async (t) => {
  const corporate = new TestAuthority('corporate');
  const { certificate, key } = corporate.issue(['git.corp.test', 'a.b.corp.test', 'origin.test']);
  const port = await serverWith({ cert: certificate, key });
  const hostAuthorities = [
    { pattern: patternOf('*.corp.test'), authorities: [corporate.certificate] },
    { pattern: patternOf('git.corp.test'), authorities: [authority.ca] },
  ];
  const rig = await makeRig(authority, port, { hostAuthorities });
  t.teardown(() => rig.close());
  const cases: readonly [host: string, status: string][] = [
    ['git.corp.test', '200'],
    ['a.b.corp.test', '502'],
    ['origin.test', '502'],
    ['git.corp.test', '200'],
  ];
  for (const [host, status] of cases) {
    const answer = await collect(
      await openTls(rig.port, host, authority.ca),
      get('/', host, 'Connection: close\r\n'),
    );
    t.equal(answer.slice(9, 12), status, host);
    if (status === '502') t.match(answer, 'the certificate comes from an unknown authority');
  }
});

function patternOf(text: string): HostPattern {
  const read = readHostPattern(text);
  if ('problem' in read) throw new Error(read.problem);
  return read.pattern;
}

await t.test('a server’s ticket is used again by the same job for the same versions alone', async (t) => {
  const resumed: string[] = [];
  const files = authority.filesFor('origin.test');
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const options = { ...files, ALPNProtocols: ['h2', 'http/1.1'], minVersion: version, maxVersion: version };
    const server = createTls(options, (socket) => {
      socket.on('error', () => {});
      resumed.push(`${socket.alpnProtocol} ${socket.isSessionReused() ? 'resumed' : 'new'}`);
      socket.on('data', () => socket.end(ok));
    });
    const port = await listen(server);
    const start = (_: unknown, client: Socket, upstream: Upstream) => {
      client.destroy();
      // Not at once: the server's ticket comes after the handshake.
      t.teardown(() => upstream.destroy());
    };
    const http2 = { start, answer: () => {} };
    let job = 'a';
    const rig = await makeRig(authority, port, { http2, attribution: { attribute: () => jobNamed(job) } });
    t.teardown(() => rig.close());
    const ask = async (host = 'origin.test') => {
      const client = await openTls(rig.port, host, authority.ca);
      await collect(client, get('/', host, 'Connection: close\r\n'));
    };
    await ask();
    await ask();
    await ask('origin.test');
    job = 'b';
    await ask();
    t.same(
      resumed.splice(0),
      ['new', 'resumed', 'resumed', 'new'].map((how) => `http/1.1 ${how}`),
      version,
    );
    for (const expected of ['new', 'resumed']) {
      const options = { port: rig.port, host: '127.0.0.1', servername: 'origin.test', ca: authority.ca };
      const client = connectTls({ ...options, ALPNProtocols: ['h2'] }).on('error', () => {});
      await rig.until(() => resumed.length === 1);
      t.same(resumed.splice(0), [`h2 ${expected}`], `${version}, ${expected}`);
      await rig.until(() => client.destroyed);
    }
  }
});
