import { spawn } from 'node:child_process';
import { createServer as createHttps } from 'node:https';
import type { RequestListener } from 'node:http';
import { connect, createServer as createTcp } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import t from 'tap';
import { SallyportError } from '../../flow/errors.ts';
import { unattributed } from '../../flow/job.ts';
import type { FlowRecord } from '../../flow/flow.ts';
import type { Limits } from '../../proxy/limits.ts';
import type { ProxyPorts } from '../../proxy/options.ts';
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
  shut,
  talk,
} from './rig.ts';
import type { Rig } from './rig.ts';

enterNamespace();
const authority = makeAuthority();
const listen = (server: Server) => listenOn(t, server);
const tcpServer = (accept: (socket: Socket) => void) =>
  listen(
    createTcp({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => {});
      accept(socket);
    }),
  );
const httpsServer = (listener: RequestListener) =>
  listen(createHttps({ SNICallback: (name, done) => done(null, authority.contextFor(name)) }, listener));
const rigOf = async (port: number, ports: Partial<ProxyPorts> = {}): Promise<Rig> => {
  const rig = await makeRig(authority, port, ports);
  t.teardown(() => rig.close());
  return rig;
};
const short = (limits: Partial<Limits>): Partial<ProxyPorts> => ({ limits: { lingerMs: 50, ...limits } });
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const get = (path: string, host = 'origin.test') => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
const last = (path: string) => get(path).replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n');
const answering = (text: string) => tcpServer((socket) => void socket.on('data', () => socket.write(text)));
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
async function timed<T>(promise: Promise<T>): Promise<[T, number]> {
  const start = performance.now();
  return [await promise, performance.now() - start];
}

await t.test('every state of a connection ends at its time limit, and says so', async (t) => {
  const limits = short({
    peekMs: 100,
    handshakeMs: 100,
    headMs: 100,
    idleMs: 100,
    firstByteMs: 150,
    bodyIdleMs: 150,
    connectMs: 150,
  });
  const silent = await tcpServer(() => {});
  const stalling = await answering('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc');
  const quick = await answering(ok);
  const cases: readonly [title: string, port: number, text: string, answer: RegExp, reason: string | null][] =
    [
      ['nothing sent', quick, '', /^$/, 'timeout'],
      ['half a hello', quick, '\x16\x03\x01\x02\x00', /^$/, 'timeout'],
      ['half a first head', quick, 'GET / HTTP/1.1\r\nHost:', /^$/, 'timeout'],
      ['half a second head', quick, `${get('/')}GET /2`, /ok(HTTP\/1\.1 408 [^]*reason: timeout)/, 'timeout'],
      ['idle after an answer', quick, get('/'), /ok$/, null],
      ['no answer', silent, get('/'), /^HTTP\/1\.1 504 [^]*reason: timeout/, 'timeout'],
      ['an answer that stalls', stalling, get('/'), /abc$/, 'timeout'],
      [
        'a body that stalls',
        silent,
        'POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\nabc',
        /^HTTP\/1\.1 504/,
        'timeout',
      ],
    ];
  for (const [title, port, text, expected, reason] of cases) {
    const rig = await rigOf(port, limits);
    const socket = connect(rig.port, '127.0.0.1');
    const [answer, ms] = await timed(collect(socket, Buffer.from(text, 'latin1')));
    t.match(answer, expected, title);
    t.ok(ms < 1000, `${title}: ${ms}`);
    await rig.until(() => rig.closed('connection').length === 1);
    const ends = rig.records
      .filter(({ phase }) => phase === 'closed')
      .flatMap((r) => [r.ended, r.decision.reason]);
    t.equal(ends.includes('timeout'), reason !== null, `${title}: ${ends.join()}`);
    t.same(rig.errors, [], title);
  }
});

await t.test('a head sent byte by byte does not outlive its time', async (t) => {
  const rig = await rigOf(80, short({ peekMs: 150, headMs: 150 }));
  const socket = connect(rig.port, '127.0.0.1').setNoDelay(true);
  const timer = setInterval(() => socket.writable && socket.write('a'), 10);
  const [, ms] = await timed(collect(socket, 'GET /'));
  clearInterval(timer);
  t.ok(ms < 500, String(ms));
});

await t.test(
  'a handshake that never ends is cut, and a client that mistrusts us is known by it',
  async (t) => {
    const rig = await rigOf(443, short({ handshakeMs: 150 }));
    const hello = await new Promise<Buffer>((resolve) => {
      const server = createTcp((socket) =>
        socket.once('data', (bytes: Buffer) => {
          resolve(bytes);
          server.close();
          socket.destroy();
        }),
      );
      server.listen(0, '127.0.0.1', () => {
        connectTls({
          port: (server.address() as AddressInfo).port,
          host: '127.0.0.1',
          servername: 'origin.test',
        }).on('error', () => {});
      });
    });
    const [, ms] = await timed(talk(rig.port, hello));
    t.ok(ms < 800, String(ms));
    await rig.until(() => rig.closed('connection').length === 1);
    t.equal(rig.closed('connection')[0]?.ended, 'timeout');
    spawn(
      'openssl',
      ['s_client', '-connect', `127.0.0.1:${rig.port}`, '-servername', 'origin.test', '-verify_return_error'],
      { stdio: 'ignore' },
    );
    await rig.until(() => rig.closed('connection').length === 2);
    t.equal(rig.closed('connection')[1]?.ended, 'client-rejected-certificate');
  },
);

await t.test('half-open connections of one runner fill its own share only', async (t) => {
  const rig = await rigOf(await answering(ok), { limits: { halfOpenPerRunner: 20, peekMs: 60_000 } });
  const sockets = Array.from({ length: 60 }, () => connect(rig.port, '127.0.0.1').on('error', () => {}));
  await rig.until(() => rig.closed('connection').length === 40);
  t.same([...new Set(rig.closed('connection').map(({ decision }) => decision.reason))], ['runner-limit']);
  const other = connect({ port: rig.port, host: '127.0.0.1', localAddress: '127.0.0.2' });
  t.match(await collect(other, get('/'), /ok$/), /ok$/);
  for (const socket of sockets) socket.destroy();
  await rig.until(() => rig.closed('connection').length === 61);
  t.match(await talk(rig.port, get('/'), /ok$/), /ok$/);
});

await t.test('pipelined requests are held, bounded, and answered in order', async (t) => {
  let seen = 0;
  const port = await tcpServer((socket) => {
    let text = '';
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString('latin1');
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        seen++;
        const path = text.slice(4, text.indexOf(' HTTP'));
        text = text.slice(end + 4);
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`);
      }
    });
  });
  const rig = await rigOf(port);
  rig.request = (query) => asRequest(query.path.endsWith('5') ? shut : open);
  const count = 3000;
  const text = Array.from({ length: count }, (_, i) => get(`/n/${i}`)).join('') + last('/end');
  const answer = await talk(rig.port, text);
  t.equal(answer.match(/HTTP\/1\.1 200 OK/g)?.length, count - 300 + 1);
  t.equal(answer.match(/HTTP\/1\.1 403/g)?.length, 300);
  t.equal(seen, count - 300 + 1);
  t.match(answer, /\/end$/);
  const blockedOnly = await rigOf(port);
  blockedOnly.request = () => asRequest(shut);
  const refused = await talk(blockedOnly.port, text);
  t.equal(refused.match(/HTTP\/1\.1 403/g)?.length, count + 1);
});

await t.test(
  'requests of a client that reads no answers are not taken, and all answered when it does',
  async (t) => {
    for (const isBlocked of [true, false]) {
      const port = await answering(`HTTP/1.1 204 No Content\r\nX-Fill: ${'x'.repeat(2_000)}\r\n\r\n`);
      const rig = await rigOf(port);
      if (isBlocked) rig.request = () => asRequest(shut);
      const count = 30_000;
      const client = connect(rig.port, '127.0.0.1').on('error', () => {});
      client.pause();
      client.write(get('/').repeat(count - 1) + last('/'));
      let taken = -1;
      // Nothing is taken any more once all buffers on the way are full.
      while (taken !== rig.closed('request').length) {
        taken = rig.closed('request').length;
        await sleep(300);
      }
      t.ok(taken > 0 && taken < count * 0.8, `${taken} of ${count} taken`);
      let answers = 0;
      client.on(
        'data',
        (bytes: Buffer) => (answers += bytes.toString('latin1').split('HTTP/1.1 ').length - 1),
      );
      client.resume();
      if (isBlocked) {
        await new Promise((resolve) => client.on('close', resolve));
        t.ok(answers >= count - 400, `${answers} answers`);
        t.equal(rig.closed('request').length, count);
      } else client.destroy();
    }
  },
);

await t.test('heads that wait on many connections of one runner are bounded in all', async (t) => {
  const rig = await rigOf(80, short({ keptBytesPerRunner: 2_000_000 }));
  rig.request = () => asRequest(shut);
  const answers: string[] = [];
  const clients = Array.from({ length: 60 }, (_, at) => {
    const client = connect(rig.port, '127.0.0.1').on('error', () => {});
    answers[at] = '';
    client.on('data', (bytes: Buffer) => (answers[at] += bytes.toString('latin1')));
    client.write(get('/'));
    return client;
  });
  await rig.until(() => rig.closed('request').length === 60);
  for (const client of clients) client.write(`GET / HTTP/1.1\r\nHost: a.test\r\nX: ${'x'.repeat(60_000)}`);
  const refused = () => answers.filter((text) => /HTTP\/1\.1 503 [^]*runner-limit/.test(text)).length;
  await rig.until(() => refused() >= 20);
  await sleep(100);
  t.ok(refused() < 50, `${refused()} of 60 refused: the others are still under the limit`);
  for (const client of clients) client.destroy();
});

await t.test('a keeper that does not answer holds no connection for ever', async (t) => {
  const leafIssuer = { contextFor: () => new Promise<never>(() => {}) };
  const rig = await rigOf(443, { ...short({ handshakeMs: 100 }), leafIssuer });
  await openTls(rig.port, 'origin.test', authority.ca).catch(() => {});
  await rig.until(() => rig.closed('connection').length === 1);
  t.match(rig.closed('connection')[0]?.decision, { verdict: 'block', reason: 'keeper-unavailable' });
});

await t.test('a client that reads no answers is cut in time', async (t) => {
  const rig = await rigOf(80, short({ bodyIdleMs: 100 }));
  rig.request = () => asRequest(shut);
  const client = connect(rig.port, '127.0.0.1').on('error', () => {});
  client.pause();
  client.write(get('/').repeat(30_000));
  await rig.until(() => rig.closed('connection').length === 1);
  t.equal(rig.closed('connection')[0]?.ended, 'timeout');
  client.destroy();
});

await t.test('a client or upstream that goes away ends the other side and is recorded', async (t) => {
  let closed = 0;
  const port = await tcpServer((socket) => {
    socket.on('end', () => closed++);
    socket.on('data', () => {});
  });
  const rig = await rigOf(port);
  const client = connect(rig.port, '127.0.0.1');
  client.write('POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\nabc');
  await rig.until(() => rig.records.some(({ kind }) => kind === 'request'));
  await sleep(50);
  client.resetAndDestroy();
  await rig.until(() => rig.closed('request').length === 1 && closed === 1);
  t.equal(rig.closed('request')[0]?.ended, 'client-closed');
  t.equal(rig.closed('request')[0]?.bytes?.sent, 55);
});

await t.test('an early final answer reaches a client that is still uploading', async (t) => {
  const port = await tcpServer((socket) => {
    socket.once('data', () => socket.write('HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno'));
  });
  const rig = await rigOf(port);
  const client = connect(rig.port, '127.0.0.1');
  const answer = collect(
    client,
    `POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 99999999\r\n\r\n${'x'.repeat(1000)}`,
  );
  t.match(await answer, /^HTTP\/1\.1 413 No[^]*no$/);
});

await t.test(
  'a pooled upstream that closed in between is replaced once for a request that may be repeated',
  async (t) => {
    let connections = 0;
    const port = await tcpServer((socket) => {
      connections++;
      let requests = 0;
      // The second request on a connection meets a server that has just decided to close it.
      socket.on('data', () => (++requests === 1 ? socket.write(ok) : socket.destroy()));
    });
    const rig = await rigOf(port);
    const answer = await talk(rig.port, get('/1') + get('/2'), /ok[^]*ok$/);
    t.equal(answer, ok + ok);
    t.equal(connections, 2);
    const post = 'POST / HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 1\r\n\r\nx';
    t.match(await talk(rig.port, post, /closed\]/), /^HTTP\/1\.1 502 [^]*upstream-closed/);
  },
);

await t.test(
  'a new policy closes what it would decide otherwise, idle or not, and leaves the rest',
  async (t) => {
    const port = await tcpServer(
      (socket) => void socket.on('data', (bytes: Buffer) => bytes.includes('/slow') || socket.write(ok)),
    );
    const rig = await rigOf(port, short({ idleMs: 2000 }));
    const start = (host: string, path: string) => {
      const socket = connect(rig.port, '127.0.0.1').on('error', () => {});
      socket.write(get(path, host));
      socket.resume();
      return new Promise<string>((resolve) => socket.on('close', () => resolve(host)));
    };
    const gone: string[] = [];
    for (const [host, path] of [
      ['a.test', '/'],
      ['b.test', '/'],
      ['c.test', '/slow'],
      ['d.test', '/slow'],
    ] as const) {
      void start(host, path).then((name) => gone.push(name));
    }
    await rig.until(
      () => rig.records.filter(({ kind, phase }) => kind === 'request' && phase === 'opened').length === 4,
    );
    await sleep(50);
    rig.host = (query) => asHost(query.host === 'a.test' ? { ...shut, reason: 'block-rule' } : open);
    rig.request = (query) => asRequest(query.host === 'c.test' ? { ...shut, reason: 'path' } : open);
    rig.revision = 'r1';
    await rig.until(() => gone.length === 2);
    await sleep(100);
    t.same(gone.sort(), ['a.test', 'c.test']);
    rig.host = () => asHost(shut);
    await rig.proxy.cut('127.0.0.1');
    await rig.until(() => gone.length === 4);
  },
);

await t.test('draining ends idle connections, lets requests end, and takes no new ones', async (t) => {
  let answer: (() => void) | null = null;
  const port = await tcpServer(
    (socket) =>
      void socket.on('data', (bytes: Buffer) => {
        if (bytes.includes('/slow')) answer = () => socket.write(ok);
        else socket.write(ok);
      }),
  );
  const rig = await rigOf(port);
  const idle = collect(connect(rig.port, '127.0.0.1'), get('/'));
  const slow = collect(connect(rig.port, '127.0.0.1'), get('/slow'));
  await rig.until(() => answer !== null && rig.closed('request').length === 1);
  const drained = rig.proxy.drain();
  t.equal(await idle, ok);
  t.equal(await talk(rig.port, get('/')), '');
  answer!();
  t.equal(
    await slow,
    ok.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'),
    'the client is told to ask elsewhere',
  );
  await drained;
  t.equal(rig.closed('connection').length, 3);
});

await t.test('the redirect of a follow rule opens its URL to the same runner for reading', async (t) => {
  const port = await httpsServer((request, response) => {
    const { port: own } = request.socket.address() as AddressInfo;
    if (request.url === '/release') response.writeHead(302, { location: `https://cdn.test:${own}/f?sig=1` });
    response.end('done');
  });
  const rig = await rigOf(port);
  rig.host = (query) => asHost(query.host === 'origin.test' ? open : shut);
  rig.request = (query) => asRequest(query.host === 'origin.test' ? open : shut, { follow: true });
  const ask = async (host: string, path: string, method = 'GET') => {
    const client = await openTls(rig.port, host, authority.ca);
    const answer = await collect(
      client,
      `${method} ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\nConnection: close\r\n\r\n`,
    );
    return answer.slice(9, 12);
  };
  t.equal(await ask('cdn.test', '/f?sig=1'), '403');
  t.equal(await ask('origin.test', '/release'), '302');
  t.equal(await ask('cdn.test', '/f?sig=1'), '200');
  t.equal(await ask('cdn.test', '/f?sig=2'), '403');
  t.equal(await ask('cdn.test', '/f?sig=1', 'DELETE'), '403');
  const listed = { ...shut, reason: 'blocklist' } as const;
  rig.host = () => asHost(listed);
  rig.request = () => asRequest(listed);
  t.equal(await ask('cdn.test', '/f?sig=1'), '403');
});

await t.test('the explicit proxy takes CONNECT and absolute-form on the same path', async (t) => {
  const port = await httpsServer((_request, response) => response.end('inside'));
  const rig = await rigOf(port);
  const tunnel = async (inside: string, host = 'origin.test') => {
    const raw = connect(rig.explicitPort, '127.0.0.1');
    raw.on('error', () => {});
    raw.write(
      `CONNECT origin.test:${port} HTTP/1.1\r\nHost: origin.test:${port}\r\nProxy-Authorization: Basic eA==\r\n\r\n`,
    );
    await new Promise((resolve) => raw.once('data', resolve));
    const client = connectTls({ socket: raw, servername: inside, ca: authority.ca });
    return collect(client, `GET / HTTP/1.1\r\nHost: ${host}:${port}\r\nConnection: close\r\n\r\n`);
  };
  t.match(await tunnel('origin.test'), /^HTTP\/1\.1 200 [^]*inside/);
  t.equal(await tunnel('evil.test'), '', 'another SNI inside the tunnel');
  t.match(await tunnel('origin.test', 'evil.test'), /^HTTP\/1\.1 421/);
  const seen: string[] = [];
  const plain = await tcpServer(
    (socket) =>
      void socket.on('data', (bytes: Buffer) => {
        seen.push(bytes.toString('latin1'));
        socket.write(ok);
      }),
  );
  const absolute = (host: string, end = '') =>
    `GET http://${host}:${plain}/p?q HTTP/1.1\r\nHost: ${host}:${plain}\r\nProxy-Authorization: Basic eA==\r\n${end}\r\n`;
  rig.request = (query) => asRequest(query.host === 'b.test' ? shut : open);
  const answer = await talk(
    rig.explicitPort,
    absolute('a.test') + absolute('b.test') + absolute('c.test', 'Connection: close\r\n'),
  );
  t.same(answer.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 403', 'HTTP/1.1 200']);
  t.same(
    seen,
    ['a.test', 'c.test'].map((host) => `GET /p?q HTTP/1.1\r\nHost: ${host}:${plain}\r\n\r\n`),
  );
});

await t.test('the door stays shut without policy, records, leaves or a working part', async (t) => {
  const port = await answering(ok);
  const unwritable = () => {
    throw new SallyportError('record-unavailable', 'no space left');
  };
  const cases: readonly [title: string, ports: Partial<ProxyPorts>, answer: RegExp][] = [
    ['no policy', { decider: () => null }, /^HTTP\/1\.1 503 [^]*policy-unavailable/],
    ['no record', { recorder: { opened: unwritable, closed: () => {} } }, /^$/],
    [
      'no resolution',
      { resolver: { resolve: () => Promise.reject(new SallyportError('upstream', 'gone')) } },
      /^HTTP\/1\.1 502 [^]*resolve-failed/,
    ],
    [
      'a name that leads to a blocked one',
      { resolver: { resolve: async () => ({ refused: 'block-rule', detail: 'by CNAME' }) } },
      /^HTTP\/1\.1 403 [^]*block-rule/,
    ],
    [
      'a resolver that throws',
      {
        resolver: {
          resolve: () => {
            throw new Error('bug');
          },
        },
      },
      /^HTTP\/1\.1 502 [^]*resolve-failed/,
    ],
    [
      'a decision that throws',
      {
        decider: () => ({
          revision: 'r',
          host: () => {
            throw new Error('bug');
          },
          request: () => asRequest(open),
          name: () => open,
          dial: () => null,
        }),
      },
      /^$/,
    ],
    [
      'an attribution that fails',
      { attribution: { attribute: () => Promise.reject(new Error('gone')) } },
      /ok$/,
    ],
    [
      'an understanding that throws',
      {
        interpreter: {
          understand: () => {
            throw new Error('bug');
          },
        },
      },
      /^$/,
    ],
  ];
  for (const [title, ports, expected] of cases) {
    const rig = await rigOf(port, ports);
    t.match(await talk(rig.port, last('/')), expected, title);
  }
  const audit = { ...open, mode: 'audit' } as const;
  const records: FlowRecord[] = [];
  const rig = await rigOf(port, {
    recorder: { opened: unwritable, closed: (record) => void records.push(record) },
  });
  rig.host = () => asHost(audit);
  rig.request = () => asRequest(audit);
  t.match(await talk(rig.port, last('/')), /ok$/, 'audit goes on without records');
  await rig.until(() => records.length === 2);
  const leafless = await rigOf(port, {
    leafIssuer: { contextFor: () => Promise.reject(new SallyportError('keeper-unavailable', 'gone')) },
  });
  await t.rejects(openTls(leafless.port, 'origin.test', authority.ca));
  await leafless.until(() => leafless.closed('connection').length === 1);
  t.equal(leafless.closed('connection')[0]?.decision.reason, 'keeper-unavailable');
});

await t.test('an attribution may pause a connection, for a while', async (t) => {
  const port = await answering(ok);
  const job = { platform: 'github', server: 'github.com', repository: 'a/b' } as never;
  const late = { ...unattributed, job, source: 'job-message', certainty: 'certain' } as const;
  const rig = await rigOf(port, {
    attribution: {
      attribute: async () => {
        await sleep(60);
        return late;
      },
    },
  });
  t.match(await talk(rig.port, last('/')), /ok$/);
  t.equal(rig.closed('request')[0]?.attribution.source, 'job-message');
  const never = await rigOf(port, {
    attribution: { attribute: () => new Promise(() => {}) },
    limits: { attributionMs: 60 },
  });
  t.match(await talk(never.port, last('/')), /ok$/);
  t.equal(never.closed('request')[0]?.attribution.source, 'none');
});
