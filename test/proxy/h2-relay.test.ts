import { connect as connectHttp2, createSecureServer } from 'node:http2';
import type {
  ClientHttp2Session,
  Http2SecureServer,
  OutgoingHttpHeaders,
  ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import t from 'tap';
import type { Test } from 'tap';
import {
  asHost,
  asRequest,
  enterNamespace,
  makeAuthority,
  makeRig,
  open,
  serverAddress,
  shut,
  holdsBodies,
} from './rig.ts';
import type { Rig } from './rig.ts';
import type { ProxyPorts, RequestQuery } from '../../proxy/options.ts';
import { answerHttp2 } from '../../proxy/h2/whole-answer.ts';
import { startHttp2 } from '../../proxy/h2/relay.ts';
import { loadPolicy } from '../../policy/load.ts';
import { deciderOf } from '../../proxy/policy-decider.ts';

enterNamespace();
const authority = makeAuthority();
const leaf = authority.filesFor('origin.test');

type OnStream = (stream: ServerHttp2Stream, headers: Record<string, unknown>) => void;

/** The servers' ends of what was dialled. */
const sockets: TLSSocket[] = [];

async function serve(t: Test, onStream: OnStream, settings = {}): Promise<number> {
  const server: Http2SecureServer = createSecureServer({ ...leaf, settings });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    onStream(stream, headers);
  });
  server.on('sessionError', () => {});
  server.on('secureConnection', (socket) => sockets.push(socket));
  await new Promise<void>((resolve) => server.listen(0, serverAddress, resolve));
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function start(t: Test, port: number, ports: Partial<ProxyPorts> = {}): Promise<Rig> {
  const rig = await makeRig(authority, port, { http2: { start: startHttp2, answer: answerHttp2 }, ...ports });
  t.teardown(() => rig.close());
  return rig;
}

function client(t: Test, rig: Rig, options = {}): ClientHttp2Session {
  const session = connectHttp2('https://origin.test', {
    ca: authority.ca,
    servername: 'origin.test',
    ...options,
    host: '127.0.0.1',
    port: rig.port,
  } as Parameters<typeof connectHttp2>[1]);
  session.on('error', () => {});
  t.teardown(() => session.destroy());
  return session;
}

interface Answer {
  status: number;
  headers: Record<string, unknown>;
  trailers: Record<string, unknown>;
  interim: number[];
  body: string;
  code: number;
}

/** One request; settles when its stream is closed. */
function ask(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body: string | Buffer | null = null,
): Promise<Answer> {
  return new Promise((resolve) => {
    const stream = session.request({ ':authority': `origin.test`, ...headers }, { endStream: body === null });
    const answer: Answer = { status: 0, headers: {}, trailers: {}, interim: [], body: '', code: 0 };
    stream.on('response', (got) => {
      answer.status = got[':status'] ?? 0;
      answer.headers = got;
    });
    stream.on('headers', (got) => answer.interim.push(got[':status'] ?? 0));
    stream.on('trailers', (got) => (answer.trailers = got));
    stream.on('data', (bytes: Buffer) => (answer.body += bytes.toString('latin1')));
    stream.on('error', () => {});
    stream.on('close', () => resolve({ ...answer, code: stream.rstCode ?? 0 }));
    if (body !== null) stream.end(body);
  });
}

t.test('streams of one connection are decided one by one, and only the blocked ones fail', async (t) => {
  const seen: string[] = [];
  const port = await serve(t, (stream, headers) => {
    seen.push(`${String(headers[':method'])} ${String(headers[':path'])} ${String(headers['x-n'])}`);
    stream.respond({ ':status': 200, 'x-n': headers['x-n'] as string });
    stream.end(`hello ${String(headers[':path'])}`);
  });
  const rig = await start(t, port);
  rig.request = (query: RequestQuery) => asRequest(query.path.startsWith('/no') ? shut : open);
  const session = client(t, rig);
  const asked = Array.from({ length: 60 }, (_, i) =>
    ask(session, {
      ':path': i % 3 === 1 ? `/no/${i}` : `/yes/${i}`,
      'x-n': `value ${i}`,
    }),
  );
  const answers = await Promise.all(asked);
  answers.forEach((answer, i) => {
    if (i % 3 === 1) {
      t.equal(answer.status, 403, `stream ${i} is blocked`);
      t.equal(answer.headers['x-sallyport-reason'], 'no-rule');
      return;
    }
    t.equal(answer.status, 200, `stream ${i} is served`);
    t.equal(answer.headers['x-n'], `value ${i}`);
    t.equal(answer.body, `hello /yes/${i}`);
  });
  t.equal(seen.length, 40, 'the server saw the allowed ones alone');
  t.notOk(seen.some((line) => line.includes('/no')));
  session.close();
  await rig.until(() => rig.closed('connection').length === 1);
  const requests = rig.closed('request');
  t.equal(requests.length, 60);
  t.same(rig.records.filter((record) => record.kind === 'request' && record.phase === 'opened').length, 60);
  const first = requests.find((record) => record.http?.path === '/yes/0')!;
  t.match(first, {
    http: { method: 'GET', version: '2', status: 200 },
    destination: { host: 'origin.test', address: serverAddress, port, protocol: 'https' },
    decision: { verdict: 'allow', rule: 'r1' },
    ended: null,
  });
  t.equal(first.parent, rig.closed('connection')[0]!.id);
  t.same(rig.errors, []);
});

t.test(
  'a connection that is blocked as a whole answers each request of a client that speaks HTTP/2 alone',
  async (t) => {
    const rig = await start(t, 443);
    rig.host = () => asHost(shut);
    rig.request = () => asRequest(shut);
    const session = client(t, rig);
    const [plain, grpc, head] = await Promise.all([
      ask(session, { ':path': '/a', accept: 'application/json' }),
      ask(session, { ':path': '/b.C/d', ':method': 'POST', 'content-type': 'application/grpc' }, 'x'),
      ask(session, { ':path': '/c', ':method': 'HEAD' }),
    ]);
    t.equal(plain.status, 403);
    t.match(JSON.parse(plain.body), { error: { reason: 'no-rule' } });
    t.match(grpc, { status: 200, headers: { 'grpc-status': '7' }, body: '' });
    t.match(head, { status: 403, body: '' });
    session.close();
    await rig.until(() => rig.closed('connection').length === 1);
    t.same(
      rig
        .closed('request')
        .map((record) => [record.http?.path, record.http?.version, record.http?.status])
        .sort((a, b) => String(a[0]).localeCompare(String(b[0]))),
      [
        ['/a', '2', 403],
        ['/b.C/d', '2', 200],
        ['/c', '2', 403],
      ],
    );
    t.same(rig.errors, []);
  },
);

t.test('a server that cannot be reached is told of with its reason', async (t) => {
  const rig = await start(t, 1);
  const session = client(t, rig);
  const answer = await ask(session, { ':path': '/' });
  t.match(answer, { status: 502, headers: { 'x-sallyport-reason': 'connect-failed' } });
  const grpc = await ask(
    session,
    { ':path': '/', ':method': 'POST', 'content-type': 'application/grpc' },
    '',
  );
  t.match(grpc, { status: 200, headers: { 'grpc-status': '14' } });
  session.close();
  await rig.until(() => rig.closed('request').length === 2);
  t.match(rig.closed('request')[0], { ended: 'connect-failed', decision: { verdict: 'allow' } });
});

t.test('refusals of every kind leave the connection and the other streams alone', async (t) => {
  const port = await serve(t, (stream) => {
    stream.respond({ ':status': 200 });
    stream.end('ok');
  });
  const rig = await start(t, port);
  rig.request = (query) => asRequest(query.path === '/no' ? shut : open, { maxUploadBytes: 100 });
  const session = client(t, rig);
  const blocked = await ask(session, { ':path': '/no', ':method': 'POST' }, 'x'.repeat(300_000));
  t.equal(blocked.status, 403, 'a large body is swallowed');
  const grpc = await ask(
    session,
    { ':path': '/no', ':method': 'POST', 'content-type': 'application/grpc' },
    'x',
  );
  t.match(grpc, { status: 200, headers: { 'grpc-status': '7', 'x-sallyport-reason': 'no-rule' } });
  t.match(await ask(session, { ':path': '/', ':authority': 'other.test' }), { status: 421 });
  t.match(await ask(session, { ':path': '/', host: 'other.test' }), { status: 0, code: 1 });
  t.match(await ask(session, { ':path': '/', ':scheme': 'http' }), { status: 0, code: 1 });
  t.match(await ask(session, { ':path': '/a/%2e%2e/b' }), { status: 400 });
  t.match(await ask(session, { ':path': '/up', ':method': 'POST', 'content-length': 200 }, 'x'.repeat(200)), {
    status: 413,
  });
  t.match(await ask(session, { ':path': '/up', ':method': 'POST' }, 'x'.repeat(200)), { status: 413 });
  t.match(await ask(session, { ':path': '/up', ':method': 'POST' }, 'x'.repeat(90)), {
    status: 200,
    body: 'ok',
  });
  t.match(await ask(session, { ':path': '/' }), { status: 200, body: 'ok' });
  session.close();
  await rig.until(() => rig.closed('connection').length === 1);
  t.equal(rig.closed('request').length, 10);
  t.same(rig.errors, []);
});

t.test('interim answers, trailers, HEAD and bodies both ways arrive as they were sent', async (t) => {
  const port = await serve(t, (stream, headers) => {
    if (headers[':method'] === 'HEAD') {
      stream.respond({ ':status': 200, 'content-length': 5 }, { endStream: true });
      return;
    }
    stream.additionalHeaders({ ':status': 103, link: '</a.css>' });
    stream.respond({ ':status': 201 }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.pipe(stream);
  });
  const rig = await start(t, port);
  const session = client(t, rig);
  const body = Buffer.alloc(3_000_000, 'abcdefghij').toString('latin1');
  const [small, large, head] = await Promise.all([
    ask(session, { ':path': '/echo', ':method': 'POST' }, 'hello'),
    ask(session, { ':path': '/echo', ':method': 'POST' }, body),
    ask(session, { ':path': '/head', ':method': 'HEAD' }),
  ]);
  t.match(small, { status: 201, interim: [103], trailers: { 'grpc-status': '0' }, body: 'hello' });
  t.ok(large.body === body, 'three megabytes come back unchanged');
  t.match(head, { status: 200, headers: { 'content-length': '5' } });
  session.close();
  await rig.until(() => rig.closed('connection').length === 1);
  const record = rig.closed('request').find(({ bytes }) => bytes!.sent > 1_000_000)!;
  t.ok(record.bytes!.sent > 3_000_000 && record.bytes!.sent < 3_000_400, 'bytes of the body and its head');
  t.ok(record.bytes!.received > 3_000_000 && record.bytes!.received < 3_000_400);
  t.equal(record.ended, null);
  t.same(rig.errors, []);
});

const wait = (timeMs: number) => new Promise((resolve) => setTimeout(resolve, timeMs));

t.test('a request that waits for its body is decided by it, while later ones overtake it', async (t) => {
  const seen: string[] = [];
  const port = await serve(t, (stream, headers) => {
    let body = '';
    stream.on('data', (bytes: Buffer) => (body += bytes.toString()));
    stream.on('end', () => {
      seen.push(`${String(headers[':path'])} ${body.length > 40 ? body.length : body}`);
      stream.respond({ ':status': 200, 'x-path': headers[':path'] as string });
      stream.end(`got ${body.length}`);
    });
    stream.on('trailers', (trailers) => seen.push(`trailer ${String(trailers['x-t'])}`));
  });
  const rig = await start(t, port, {
    interpreter: holdsBodies(
      (path) =>
        path.startsWith('/held') ? { maxBytes: 20_000, maxDecodedBytes: 40_000, maxRatio: 100 } : null,
      (held) => ({
        operation: null,
        evidence:
          held.kind === 'opaque'
            ? [{ kind: 'opaque-body', detail: held.detail }]
            : held.body.includes('secret')
              ? [{ kind: 'secret-in-request', detail: 'a secret' }]
              : [],
      }),
    ),
  });
  rig.request = (query) =>
    asRequest(query.evidence.some(({ kind }) => kind === 'secret-in-request') ? shut : open);
  const session = client(t, rig);
  const headers = (path: string) => ({ ':path': path, ':method': 'POST', 'x-long': `value of ${path}` });
  t.equal((await ask(session, headers('/held/0'), 'first')).body, 'got 5', 'alone it keeps its number');
  // Two that wait: one of them shows a secret in the end, the other nothing.
  const slow = (path: string, last: string) =>
    new Promise<{ status: number; body: string }>((resolve) => {
      const stream = session.request(
        { ':authority': 'origin.test', ...headers(path) },
        { waitForTrailers: true },
      );
      const answer = { status: 0, body: '' };
      stream.on('error', () => {});
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-t': path }));
      stream.on('response', (got) => (answer.status = got[':status'] ?? 0));
      stream.on('data', (bytes: Buffer) => (answer.body += bytes.toString()));
      stream.on('close', () => resolve(answer));
      stream.write('begin ');
      void wait(60).then(() => stream.end(last));
    });
  const held = [slow('/held/1', 'nothing'), slow('/held/2', 'secret')];
  const free = await Promise.all(
    Array.from({ length: 20 }, (_, i) => ask(session, headers(`/free/${i}`), `free ${i}`)),
  );
  t.ok(free.every(({ status }, i) => status === 200 && free[i]!.headers['x-path'] === `/free/${i}`));
  t.notOk(
    seen.some((line) => line.startsWith('/held/1')),
    'nothing of the held one has left',
  );
  t.same(
    await Promise.all(held),
    [
      { status: 200, body: 'got 13' },
      { status: 403, body: '' },
    ].map((one, i) => (i === 0 ? one : { ...one, body: one.body })),
  );
  // After it numbers differ: everything must still find its stream.
  const after = await Promise.all(
    Array.from({ length: 30 }, (_, i) =>
      ask(session, headers(i % 5 === 0 ? `/held/b${i}` : `/free/b${i}`), 'x'.repeat(i)),
    ),
  );
  t.ok(after.every(({ status, body }, i) => status === 200 && body === `got ${i}`));
  const large = await ask(session, headers('/held/large'), 'y'.repeat(300_000));
  t.equal(large.body, 'got 300000', 'one that is too large to be held goes on as opaque');
  t.ok(seen.includes('trailer /held/1'));
  t.notOk(seen.some((line) => line.startsWith('/held/2')));
  session.close();
  await rig.until(() => rig.closed('connection').length === 1);
  const byPath = (path: string) => rig.closed('request').find((record) => record.http?.path === path)!;
  t.match(byPath('/held/2'), { decision: { verdict: 'block' }, evidence: [{ kind: 'secret-in-request' }] });
  t.match(byPath('/held/large').evidence, [{ kind: 'opaque-body' }]);
  t.equal(rig.records.filter(({ phase, kind }) => phase === 'opened' && kind === 'request').length, 54);
  t.same(rig.errors, []);
});

t.test('a new policy cuts the streams that it decides otherwise, and the connection drains', async (t) => {
  const port = await serve(t, (stream, headers) => {
    if (headers[':path'] === '/silent') return;
    stream.respond({ ':status': 200 });
    stream.write('begin ');
    setTimeout(() => stream.end('end'), 150);
  });
  const rig = await start(t, port);
  const session = client(t, rig);
  const lastIds: number[] = [];
  session.on('goaway', (_code, lastId) => lastIds.push(lastId ?? -1));
  const [cut, silent, kept] = ['/cut', '/silent', '/kept'].map((path) => ask(session, { ':path': path }));
  await rig.until(() => rig.records.filter(({ phase }) => phase === 'opened').length === 4);
  await wait(30);
  rig.revision = 'r1';
  rig.request = (query) => asRequest(query.path === '/kept' ? open : shut);
  rig.proxy.redecide();
  t.match(await silent, { status: 403 }, 'one without an answer is told why');
  t.match(await cut, { status: 200, body: 'begin ', code: 2 }, 'one under way is reset');
  t.match(
    await kept,
    { status: 200, body: 'begin end', code: 0 },
    'one that is still allowed ends as it would',
  );
  await rig.until(() => rig.closed('connection').length === 1);
  t.same(lastIds.slice(0, 2), [0x7fff_ffff, 5], 'first without a last stream, then with it');
  const ends = rig
    .closed('request')
    .map(({ http, decision, ended }) => [http?.path, decision.verdict, ended]);
  t.same(
    ends.find(([path]) => path === '/cut'),
    ['/cut', 'block', 'no-rule'],
  );
  t.same(
    ends.find(([path]) => path === '/silent'),
    ['/silent', 'block', 'no-rule'],
  );
  t.same(
    ends.find(([path]) => path === '/kept'),
    ['/kept', 'allow', null],
  );
  t.same(rig.errors, []);
});

t.test('a worker that drains lets streams end and takes no new connection', async (t) => {
  const port = await serve(t, (stream) => {
    stream.respond({ ':status': 200 });
    setTimeout(() => stream.end('late'), 100);
  });
  const rig = await start(t, port);
  const session = client(t, rig);
  const late = ask(session, { ':path': '/late' });
  await rig.until(() => rig.records.filter(({ phase }) => phase === 'opened').length === 2);
  const drained = rig.proxy.drain();
  t.match(await late, { status: 200, body: 'late' });
  await drained;
  t.equal(rig.closed('connection').length, 1);
});

t.test('each state of a stream has its time, and the others go on', async (t) => {
  const port = await serve(t, (stream, headers) => {
    if (headers[':path'] === '/silent') return;
    stream.respond({ ':status': 200 });
    if (headers[':path'] === '/stall') stream.write('some');
    else stream.end('ok');
  });
  const rig = await start(t, port, {
    limits: { firstByteMs: 200, bodyIdleMs: 200, idleMs: 400, lingerMs: 50 },
  });
  const session = client(t, rig);
  const [silent, stall] = await Promise.all([
    ask(session, { ':path': '/silent' }),
    ask(session, { ':path': '/stall' }),
  ]);
  t.match(silent, { status: 504, headers: { 'x-sallyport-reason': 'timeout' } });
  t.match(stall, { status: 200, body: 'some', code: 2 });
  t.match(await ask(session, { ':path': '/' }), { status: 200, body: 'ok' });
  await rig.until(() => rig.closed('connection').length === 1);
  t.same(
    rig.closed('request').map(({ ended }) => ended),
    ['timeout', 'timeout', null],
  );
});

t.test('a WebSocket by extended CONNECT needs a server that takes it and a rule that names it', async (t) => {
  const onStream: OnStream = (stream, headers) => {
    if (headers[':protocol'] !== 'websocket') return stream.close(1);
    stream.respond({ ':status': 200 });
    stream.on('data', (bytes: Buffer) => {
      const isText = bytes[0] === 0x81 && bytes[1] === 0x82;
      const text = Buffer.from([0x81, 2, bytes[6]! ^ bytes[2]!, bytes[7]! ^ bytes[3]!]);
      stream.end(isText ? text : Buffer.alloc(0));
    });
  };
  const takes = await serve(t, onStream, { enableConnectProtocol: true });
  const rig = await start(t, takes);
  rig.request = (query) =>
    asRequest(
      query.upgrade === 'websocket' && query.path === '/no' ? { ...shut, reason: 'websocket' } : open,
    );
  const session = client(t, rig);
  await new Promise<void>((resolve) => session.once('remoteSettings', () => resolve()));
  const tunnel = {
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':scheme': 'https',
    'sec-websocket-version': '13',
  };
  // A masked text frame, then one of a server's that is not masked: they are echoed, and the server may send no masks.
  const masked = Buffer.from([0x81, 0x82, 1, 2, 3, 4, 0x69, 0x6b]);
  const frames = Buffer.from([0x81, 0x02, 0x68, 0x69]);
  rig.request = (query) => asRequest(query.path === '/no' ? { ...shut, reason: 'websocket' } : open);
  t.match(await ask(session, { ...tunnel, ':path': '/no' }, masked), { status: 403 });
  t.match(await ask(session, { ...tunnel, ':path': '/good' }, masked), { status: 200, body: 'hi', code: 0 });
  t.match(await ask(session, { ...tunnel, ':path': '/bad' }, frames), { status: 403 }, 'no raw tunnel');
  t.match(await ask(session, { ...tunnel, ':protocol': 'h2c', ':path': '/raw' }, frames), { status: 403 });
  t.match(await ask(session, { ...tunnel, 'sec-websocket-version': '12', ':path': '/old' }, masked), {
    status: 400,
  });
  session.close();
  await rig.until(() => rig.closed('connection').length === 1);
  const byPath = (path: string) => rig.closed('request').find(({ http }) => http?.path === path)!;
  t.match(byPath('/good'), {
    http: {
      method: 'CONNECT',
      status: 200,
      webSocket: { sent: { text: { messages: 1, bytes: 2 } }, received: { text: { messages: 1, bytes: 2 } } },
    },
    ended: null,
  });
  t.match(byPath('/bad'), { decision: { verdict: 'block' }, ended: 'malformed-websocket' });
  t.same(rig.errors, []);
  const plainRig = await start(
    t,
    await serve(t, (stream) => stream.respond({ ':status': 200 }, { endStream: true })),
  );
  const plain = client(t, plainRig);
  await ask(plain, { ':path': '/' });
  const connect = plain.request({ ':method': 'CONNECT', ':authority': 'other.test:22' });
  const status = await new Promise((resolve) => {
    connect.on('error', () => {});
    connect.on('response', (headers) => resolve(headers[':status']));
    connect.on('close', () => resolve(null));
  });
  t.equal(status, 403, 'a tunnel to anywhere is none of this connection’s');
});

t.test('the redirect of a follow rule opens its URL over HTTP/2 too', async (t) => {
  const port = await serve(t, (stream, headers) => {
    const isFirst = headers[':path'] === '/from';
    stream.respond(isFirst ? { ':status': 302, location: '/to?signed=1' } : { ':status': 200 }, {
      endStream: true,
    });
  });
  const rig = await start(t, port);
  rig.request = (query) =>
    query.path === '/from' ? asRequest(open, { follow: true }) : asRequest({ ...shut, reason: 'path' });
  const session = client(t, rig);
  t.equal((await ask(session, { ':path': '/to?signed=1' })).status, 403, 'closed before');
  t.equal((await ask(session, { ':path': '/from' })).status, 302);
  t.equal((await ask(session, { ':path': '/to?signed=1' })).status, 200);
  t.equal((await ask(session, { ':path': '/to?signed=2' })).status, 403);
});

t.test('a server that goes away fails its streams, each in its way', async (t) => {
  const port = await serve(t, (stream, headers) => {
    if (headers[':path'] === '/half') {
      stream.respond({ ':status': 200 });
      stream.write('half');
    }
    if (headers[':path'] === '/end') setTimeout(() => sockets.at(-1)?.destroy(), 50);
  });
  const rig = await start(t, port);
  const session = client(t, rig);
  const answers = await Promise.all(
    ['/half', '/silent', '/end'].map((path) => ask(session, { ':path': path })),
  );
  t.match(answers[0], { status: 200, body: 'half', code: 2 });
  t.match(answers[1], { status: 502, headers: { 'x-sallyport-reason': 'upstream-closed' } });
  await rig.until(() => rig.closed('connection').length === 1);
  t.same(
    rig.closed('request').map(({ ended }) => ended),
    ['upstream-closed', 'upstream-closed', 'upstream-closed'],
  );
});

t.test('nothing leaves when it cannot be recorded, and a runner at its limit is told so', async (t) => {
  let served = 0;
  const port = await serve(t, (stream) => {
    served++;
    stream.respond({ ':status': 200 }, { endStream: true });
  });
  const rig = await start(t, port, {
    limits: { requestsPerRunner: 0 },
  });
  const limited = client(t, rig);
  t.match(await ask(limited, { ':path': '/' }), {
    status: 503,
    headers: { 'x-sallyport-reason': 'runner-limit' },
  });
  let isFull = false;
  const lines: string[] = [];
  const refuse = () => {
    if (isFull) throw new Error('no space');
  };
  const full = await start(t, port, {
    recorder: {
      opened: refuse,
      closed: (record) => void lines.push(record.id),
      openedTogether: () => {},
      handOver: refuse,
    },
  });
  const session = client(t, full);
  t.match(await ask(session, { ':path': '/' }), { status: 200 });
  isFull = true;
  t.match(await ask(session, { ':path': '/' }), {
    status: 503,
    headers: { 'x-sallyport-reason': 'record-unavailable' },
  });
  t.equal(served, 1);
});

t.test('a malformed request with a body costs its own stream alone', async (t) => {
  const port = await serve(t, (stream) => {
    stream.resume();
    stream.respond({ ':status': 200 });
    stream.end('ok');
  });
  const rig = await start(t, port);
  const session = client(t, rig);
  const answers = await Promise.all([
    ask(session, { ':path': '/', ':method': 'POST', 'content-length': '5, 5' }, 'x'.repeat(40_000)),
    ask(session, { ':path': '/', ':method': 'POST' }, 'x'.repeat(40_000)),
  ]);
  t.match(answers, [
    { status: 0, code: 1 },
    { status: 200, body: 'ok' },
  ]);
  t.match(await ask(session, { ':path': '/' }), { status: 200 });
  session.close();
  await rig.until(() => rig.closed('connection').length === 1);
  t.same(
    rig.closed('request').map(({ decision }) => decision.reason),
    ['request-smuggling', 'rule', 'rule'],
  );
});

/** Numbers below 1 that are the same in every run. */
function makeRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}

t.test('fields and bodies stay whole over blocked, held, reset streams and tables that change', async (t) => {
  const random = makeRandom(7);
  const upTo = (most: number) => Math.floor(random() * most);
  let served = 0;
  const port = await serve(t, (stream, headers) => {
    if (++served % 40 === 0)
      stream.session?.settings({ headerTableSize: [0, 100, 1_000, 16_384][(served / 40) % 4]! });
    let size = 0;
    stream.on('data', (bytes: Buffer) => (size += bytes.length));
    stream.on('end', () => {
      if (stream.destroyed) return;
      stream.respond({ ':status': 200, 'x-a': headers['x-a'] as string, 'x-size': String(size) });
      stream.end('y'.repeat(Number(headers['x-n'])));
    });
  });
  const rig = await start(t, port, {
    interpreter: holdsBodies((path) =>
      path.startsWith('/held') ? { maxBytes: 20_000, maxDecodedBytes: 20_000, maxRatio: 10 } : null,
    ),
  });
  rig.request = (query) => asRequest(query.path.endsWith('/no') ? shut : open);
  const session = client(t, rig);
  const wrong: unknown[] = [];
  const one = async (at: number) => {
    const isBlocked = random() < 0.15;
    const sent = random() < 0.5 ? 'x'.repeat(random() < 0.1 ? 50_000 : upTo(2_000)) : null;
    const [a, size] = [`value ${upTo(30)}`, random() < 0.05 ? 100_000 : upTo(300)];
    const kind = sent !== null && random() < 0.3 ? 'held' : 'free';
    const answer = await ask(
      session,
      {
        ':method': sent === null ? 'GET' : 'POST',
        ':path': `/${kind}/${at % 90}${isBlocked ? '/no' : ''}`,
        'x-a': a,
        'x-n': String(size),
        [`x-name-${at % 30}`]: 'q',
      },
      sent,
    );
    const [status, length] = [answer.status, answer.body.length];
    const isRight = isBlocked
      ? status === 403
      : status === 200 &&
        answer.headers['x-a'] === a &&
        length === size &&
        answer.headers['x-size'] === String(sent?.length ?? 0);
    if (!isRight) wrong.push({ at, isBlocked, kind, status, length, size, a, got: answer.headers });
  };
  let next = 0;
  const worker = async () => {
    while (next < 1_200) await one(next++);
  };
  await Promise.all(Array.from({ length: 12 }, worker));
  t.same(wrong, []);
  session.close();
  await rig.until(() => rig.closed('connection').length === 1);
  const requests = rig.records.filter(({ kind }) => kind === 'request');
  t.equal(requests.filter(({ phase }) => phase === 'opened').length, 1_200);
  t.equal(requests.filter(({ phase }) => phase === 'closed').length, 1_200);
  t.same(rig.errors, []);
});

t.test('a token that was made for another host goes nowhere, whichever stream carries it', async (t) => {
  const seen: string[] = [];
  const port = await serve(t, (stream, headers) => {
    seen.push(String(headers[':path']));
    stream.respond({ ':status': 200 });
    stream.end('done');
  });
  const text = `version: 1
mode: block
credentials: {foreignToken: block}
http: {id: x, host: origin.test, port: [443, ${port}], methods: any, addresses: 10.0.0.0/8}
`;
  const { policy } = loadPolicy({ entry: 'policy.yaml', files: { 'policy.yaml': text } });
  const rig = await start(t, port, { decider: () => deciderOf(policy) });
  const session = client(t, rig);
  const token = `ghp_${'a1B2'.repeat(9)}`;
  const statuses = await Promise.all([
    ask(session, { ':path': '/1', 'x-note': 'none' }),
    ask(session, { ':path': '/2', authorization: `Bearer ${token}` }),
    ask(session, { ':path': `/3?t=${token}` }),
    ask(session, { ':path': '/4', authorization: 'Bearer other' }),
  ]);
  t.same(
    statuses.map(({ status }) => status),
    [200, 403, 403, 200],
  );
  t.same(seen, ['/1', '/4']);
  session.close();
  await rig.until(() => rig.closed('request').length === 4);
  const blocked = rig.closed('request').filter(({ decision }) => decision.verdict === 'block');
  t.same(
    blocked.map(({ decision, evidence, http }) => [http?.path, decision.reason, evidence[0]?.kind]),
    [
      ['/2', 'foreign-token', 'foreign-token'],
      ['/3', 'foreign-token', 'secret-in-request'],
    ],
  );
  t.same(rig.errors, []);
});
