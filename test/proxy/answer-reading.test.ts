// What the answers of understood requests tell, over HTTP/1 and HTTP/2: read as they pass, whole or not at all, and in
// force before their last byte.

import { connect as connectHttp2, constants as h2, createSecureServer } from 'node:http2';
import type { ClientHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import t from 'tap';
import type { AnswerHead, AnswerMeaning, AnswerReader, Interpreter } from '../../flow/asked-request.ts';
import type { Held } from '../../flow/held.ts';
import { unattributed } from '../../flow/job.ts';
import type { Operation } from '../../flow/operation.ts';
import { ChunkContent } from '../../proxy/chunk-content.ts';
import { startHttp2 } from '../../proxy/h2/relay.ts';
import { answerHttp2 } from '../../proxy/h2/whole-answer.ts';
import type { ProxyPorts } from '../../proxy/options.ts';
import { StorageGrants } from '../../proxy/storage-grants.ts';
import {
  asHost,
  asRequest,
  collect,
  enterNamespace,
  jobNamed,
  listenOn,
  makeAuthority,
  makeRig,
  open,
  openTls,
  serverAddress,
  shut,
} from './rig.ts';
import type { Rig } from './rig.ts';

enterNamespace();
const authority = makeAuthority();
const SNICallback = (
  name: string,
  done: (error: null, context: ReturnType<typeof authority.contextFor>) => void,
) => done(null, authority.contextFor(name));

interface Answer {
  readonly status?: number;
  readonly fields?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  /** How HTTP/1 frames it. */
  readonly framing?: 'length' | 'chunked' | 'until-close' | 'none';
  /** It ends before its body does. */
  readonly breaksOff?: boolean;
}
const hello = Buffer.from('hello world');
const zeros = Buffer.alloc(200_000);
const noise = Buffer.from(Array.from({ length: 20_000 }, (_, i) => (i * 2_654_435_761) >>> 24));
const coded = (coding: string, body: Buffer): Answer => ({ body, fields: { 'content-encoding': coding } });

/** By path; what was read of each is in the table below, typed by hand. */
const answers: Readonly<Record<string, Answer>> = {
  '/plain': { body: hello },
  '/chunked': { body: hello, framing: 'chunked' },
  '/until-close': { body: hello, framing: 'until-close' },
  '/gzip': coded('gzip', gzipSync(hello)),
  '/members': coded('x-gzip', Buffer.concat([gzipSync('hello '), gzipSync('world')])),
  '/deflate': coded('deflate', deflateSync(hello)),
  '/br': coded('BR', brotliCompressSync(hello)),
  '/zstd': coded('zstd', zstdCompressSync(hello)),
  '/chunked-gzip': { ...coded('gzip', gzipSync(hello)), framing: 'chunked' },
  '/identity': coded('identity', hello),
  '/large': { body: noise },
  '/bomb': coded('gzip', gzipSync(zeros)),
  '/bomb-br': coded('br', brotliCompressSync(zeros)),
  '/no-gzip': coded('gzip', hello),
  '/cut-gzip': coded('gzip', gzipSync(hello).subarray(0, 20)),
  '/twice': coded('gzip, br', hello),
  '/empty': { framing: 'none', fields: { 'content-length': '0' } },
  '/204': { status: 204, framing: 'none' },
  '/304': { status: 304, framing: 'none', fields: { 'content-length': '11' } },
  '/unwanted': { body: hello },
  '/broken': { body: hello, breaksOff: true },
  '/broken-chunked': { body: hello, framing: 'chunked', breaksOff: true },
};

const whole = 'whole: hello world';
const larger = 'opaque: the body is larger than what is held';
const tooMuch = 'opaque: the body decodes to more than its limit';
const undecodable = 'opaque: the body does not decode';
const unknown = 'opaque: an unknown content coding';
/** What a reader of kept bodies, and one of streams, is told. */
const expected: readonly (readonly [path: string, kept: string | null, streamed: string | null])[] = [
  ['/plain', whole, 'end: hello world'],
  ['/chunked', whole, 'end: hello world'],
  ['/until-close', whole, 'end: hello world'],
  ['/gzip', whole, 'end: hello world'],
  ['/members', whole, 'end: hello world'],
  ['/deflate', whole, 'end: hello world'],
  ['/br', whole, 'end: hello world'],
  ['/zstd', whole, 'end: hello world'],
  ['/chunked-gzip', whole, 'end: hello world'],
  ['/identity', whole, 'end: hello world'],
  ['/large', larger, 'end: 20000 bytes'],
  ['/bomb', tooMuch, tooMuch],
  ['/bomb-br', tooMuch, tooMuch],
  ['/no-gzip', undecodable, undecodable],
  ['/cut-gzip', undecodable, undecodable],
  ['/twice', unknown, unknown],
  ['/empty', 'nothing', 'nothing'],
  ['/204', 'nothing', 'nothing'],
  ['/304', 'nothing', 'nothing'],
  ['/unwanted', 'nothing', 'nothing'],
  ['/broken', null, null],
  ['/broken-chunked', null, null],
];

const operation: Operation = {
  platform: 'github',
  server: 'github.com',
  name: 'repos/get',
  access: 'read',
  touches: [],
  needs: [{ contents: 'read' }],
  ungrantable: [],
  sureness: 'known',
  widens: true,
  credential: null,
  detail: null,
};
const accepted = [{ contents: 'read' }, { issues: 'read' }] as const;
const nothing: AnswerMeaning = { grants: [], accepted: null, evidence: [] };

/** Reads every answer of `origin.test`; paths beneath `/stream` as they pass. */
function reads(told: string[], meaningOf: (head: AnswerHead, body: Buffer) => AnswerMeaning): Interpreter {
  const show = (bytes: Buffer) => (bytes.length > 100 ? `${bytes.length} bytes` : bytes.toString());
  const reader: AnswerReader = {
    limits: { maxBytes: 10_000, maxDecodedBytes: 10_000, maxRatio: 100 },
    wantsBody: (head) => head.header('x-want') !== 'no',
    read(head, body: Held | null) {
      told.push(
        body === null
          ? 'nothing'
          : body.kind === 'opaque'
            ? `opaque: ${body.detail}`
            : `whole: ${show(body.body)}`,
      );
      return meaningOf(head, body?.kind === 'whole' ? body.body : Buffer.alloc(0));
    },
  };
  const streaming: AnswerReader = {
    ...reader,
    stream(head) {
      const parts: Buffer[] = [];
      return {
        push: (chunk) => void parts.push(Buffer.from(chunk)),
        end() {
          const body = Buffer.concat(parts);
          told.push(`end: ${show(body)}`);
          return meaningOf(head, body);
        },
      };
    },
  };
  return {
    understand: ({ host, path }) =>
      host === 'origin.test'
        ? { operation, evidence: [], answer: path.startsWith('/stream') ? streaming : reader }
        : null,
  };
}

const nameOf = (path: string) => path.replace(/^\/stream(?=\/)/, '');

/** Answers in the very bytes of the table, byte by byte where the body is small. */
const http1 = createTlsServer({ SNICallback }, (socket) => {
  socket.on('error', () => {});
  socket.on('data', (bytes: Buffer) => {
    const line = /^[A-Z]+ ([^ ?]+)/.exec(bytes.toString('latin1'));
    // The body of a request.
    if (line === null) return;
    const path = nameOf(line[1]!);
    const {
      status = 200,
      fields = {},
      body = Buffer.alloc(0),
      framing = 'length',
      breaksOff = false,
    } = answers[path]!;
    const want = path === '/unwanted' ? 'X-Want: no\r\n' : '';
    const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
    const head = (more: string) => Buffer.from(`HTTP/1.1 ${status} X\r\n${want}${lines.join('')}${more}\r\n`);
    const isHead = bytes.toString('latin1').startsWith('HEAD ');
    const half = body.length >> 1;
    const chunk = (part: Buffer) => [
      Buffer.from(`${part.length.toString(16)};x=1\r\n`),
      part,
      Buffer.from('\r\n'),
    ];
    const framed = {
      none: [head('')],
      length: [head(`Content-Length: ${body.length}\r\n`), body],
      'until-close': [head('Connection: close\r\n'), body],
      chunked: [
        head('Transfer-Encoding: chunked\r\n'),
        ...chunk(body.subarray(0, half)),
        ...chunk(body.subarray(half)),
        Buffer.from('0\r\nX-Trailer: 5\r\n\r\n'),
      ],
    }[framing];
    const all = Buffer.concat(isHead ? framed.slice(0, 1) : framed);
    const sent = breaksOff ? all.subarray(0, all.length - 4) : all;
    void (async () => {
      const step = sent.length < 500 ? 1 : 16_384;
      for (let at = 0; at < sent.length; at += step) {
        socket.write(sent.subarray(at, at + step));
        await new Promise((resolve) => setImmediate(resolve));
      }
      if (breaksOff || framing === 'until-close') socket.end();
    })();
  });
});
const http1Port = await listenOn(t, http1);

/** The same in padded frames; what is chunked ends with trailers. */
const http2 = createSecureServer({
  SNICallback,
  paddingStrategy: h2.PADDING_STRATEGY_MAX,
  ...authority.filesFor('origin.test'),
});
http2.on('sessionError', () => {});
http2.on('stream', (stream, headers) => {
  stream.on('error', () => {});
  const path = nameOf(headers[':path'] ?? '');
  const { status = 200, fields = {}, body, framing = 'length', breaksOff = false } = answers[path]!;
  const want = path === '/unwanted' ? { 'x-want': 'no' } : {};
  const isBare = framing === 'none' || headers[':method'] === 'HEAD';
  stream.respond(
    { ':status': status, ...fields, ...want },
    { endStream: isBare, waitForTrailers: framing === 'chunked' || breaksOff },
  );
  if (isBare) return;
  // Node ends a stream that it resets, but for one whose trailers are to come.
  stream.on('wantTrailers', () => breaksOff || stream.sendTrailers({ 'x-trailer': '5' }));
  const half = body!.length >> 1;
  const finish = () => {
    if (breaksOff) stream.close(h2.NGHTTP2_INTERNAL_ERROR);
    else stream.end(body!.subarray(half));
  };
  // The halves come one by one.
  stream.write(body!.subarray(0, half), () => setTimeout(finish, 5));
});
await new Promise<void>((resolve) => http2.listen(0, serverAddress, resolve));
t.teardown(() => http2.close());
const http2Port = (http2.address() as AddressInfo).port;

async function start(
  test: { teardown(end: () => Promise<void>): void },
  port: number,
  told: string[],
  meaningOf: (head: AnswerHead, body: Buffer) => AnswerMeaning = () => nothing,
  ports: Partial<ProxyPorts> = {},
): Promise<Rig> {
  const rig = await makeRig(authority, port, {
    interpreter: reads(told, meaningOf),
    http2: { start: startHttp2, answer: answerHttp2 },
    ...ports,
  });
  test.teardown(() => rig.close());
  return rig;
}

function openHttp2(rig: Rig): ClientHttp2Session {
  const session = connectHttp2('https://origin.test', {
    ca: authority.ca,
    servername: 'origin.test',
    host: '127.0.0.1',
    port: rig.port,
  } as Parameters<typeof connectHttp2>[1]); // node:http2 does not tell of TLS's own options
  session.on('error', () => {});
  return session;
}

async function ask(rig: Rig, method: string, url: string, body = ''): Promise<string> {
  const [, host = '', path = ''] = /^([^/]+)(\/.*)$/.exec(url) ?? [];
  const client = await openTls(rig.port, host, authority.ca);
  const length = body === '' ? '' : `Content-Length: ${body.length}\r\n`;
  return collect(
    client,
    `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${length}\r\n${body}`,
  );
}

void t.test('answers of HTTP/1 are read whole or not at all, and pass as they are', async (t) => {
  const told: string[] = [];
  const rig = await start(t, http1Port, told);
  for (const [path, kept, streamed] of expected) {
    const { body = Buffer.alloc(0), framing, breaksOff } = answers[path]!;
    for (const [prefix, wanted] of [
      ['', kept],
      ['/stream', streamed],
    ] as const) {
      told.length = 0;
      const answer = await ask(rig, 'GET', `origin.test${prefix}${path}`);
      t.same(told, wanted === null ? [] : [wanted], `${prefix}${path}`);
      if (framing !== 'chunked' && breaksOff !== true)
        t.ok(answer.endsWith(`\r\n\r\n${body.toString('latin1')}`), `${prefix}${path} is unchanged`);
    }
    if (framing === 'chunked' && breaksOff !== true)
      t.match(await ask(rig, 'GET', `origin.test${path}`), /;x=1\r\n[^]*\r\n0\r\nX-Trailer: 5\r\n\r\n$/);
  }
  told.length = 0;
  await ask(rig, 'HEAD', 'origin.test/plain');
  t.same(told, ['nothing'], 'HEAD');
  t.same(rig.errors, []);
});

void t.test('answers of HTTP/2 too, with padding and trailers, beside one another', async (t) => {
  const told: string[] = [];
  const rig = await start(t, http2Port, told);
  const session = openHttp2(rig);
  t.teardown(() => session.destroy());
  const get = (path: string, method = 'GET') =>
    new Promise<Buffer>((resolve) => {
      const parts: Buffer[] = [];
      const stream = session.request({ ':authority': 'origin.test', ':path': path, ':method': method });
      stream.on('data', (part: Buffer) => parts.push(part));
      stream.on('error', () => {});
      stream.on('close', () => resolve(Buffer.concat(parts)));
    });
  for (const [path, kept, streamed] of expected) {
    const { body = Buffer.alloc(0), breaksOff } = answers[path]!;
    for (const [prefix, wanted] of [
      ['', kept],
      ['/stream', streamed],
    ] as const) {
      told.length = 0;
      const got = await get(`${prefix}${path}`);
      t.same(told, wanted === null ? [] : [wanted], `${prefix}${path}`);
      if (breaksOff !== true) t.ok(got.equals(body), `${prefix}${path} is unchanged`);
    }
  }
  told.length = 0;
  await get('/plain', 'HEAD');
  t.same(told, ['nothing'], 'HEAD');
  told.length = 0;
  const paths = ['/plain', '/stream/gzip', '/chunked', '/large', '/stream/large', '/broken'];
  await Promise.all(paths.map((path) => get(path)));
  t.same(told.toSorted(), [larger, 'end: 20000 bytes', 'end: hello world', whole, whole].toSorted());
  t.same(rig.errors, []);
});

void t.test('what the answer said of the operation is in the closed record alone', async (t) => {
  const evidence = [{ kind: 'opaque-body', detail: 'the answer' }] as const;
  const meaning: AnswerMeaning = { grants: [], accepted, decided: [accepted[1]], refused: true, evidence };
  for (const port of [http1Port, http2Port]) {
    const rig = await start(t, port, [], () => meaning);
    if (port === http1Port) await ask(rig, 'GET', 'origin.test/plain');
    else {
      const session = openHttp2(rig);
      const stream = session.request({ ':authority': 'origin.test', ':path': '/plain' }).resume();
      await new Promise((resolve) => stream.on('close', resolve));
      session.destroy();
    }
    await rig.until(() => rig.closed('request').length === 1);
    const opened = rig.records.find(({ kind, phase }) => kind === 'request' && phase === 'opened');
    t.notOk('accepted' in opened!.operation!, 'not known before');
    t.match(rig.closed('request')[0]?.operation, { accepted, decided: [accepted[1]], refused: true });
    t.same(rig.closed('request')[0]?.evidence, evidence);
  }
});

void t.test(
  'a credential that an answer hands out is known when it comes back, by that job alone',
  async (t) => {
    for (const port of [http1Port, http2Port]) {
      let who = jobNamed('one');
      const minted = [{ token: 'hello world', made: 'registry', homes: ['origin.test'] }] as const;
      const rig = await start(t, port, [], () => ({ ...nothing, minted }), {
        attribution: { attribute: () => who },
        tokens: (header) => [header('x-token') ?? ''],
      });
      const get = async (token: string): Promise<void> => {
        if (port === http1Port) {
          const client = await openTls(rig.port, 'origin.test', authority.ca);
          const head = `GET /plain HTTP/1.1\r\nHost: origin.test\r\nConnection: close\r\nX-Token: ${token}\r\n\r\n`;
          return void (await collect(client, head));
        }
        const session = openHttp2(rig);
        const fields = { ':authority': 'origin.test', ':path': '/plain', 'x-token': token };
        const stream = session.request(fields).resume();
        await new Promise((resolve) => stream.on('close', resolve));
        session.destroy();
      };
      await get('none');
      await get('hello world');
      await get('hello worlD');
      who = jobNamed('two');
      await get('hello world');
      await rig.until(() => rig.closed('request').length === 4);
      const [first, second, third, other] = rig.closed('request');
      t.match(first?.minted, [{ made: 'registry', flow: first!.id }]);
      t.match(second?.lineage, { made: 'registry', id: first!.minted![0]!.id, flow: first!.id });
      for (const record of [first, third, other]) t.notOk('lineage' in record!);
      const opened = rig.records.find(({ id, phase }) => id === second!.id && phase === 'opened');
      t.match(opened?.lineage, second!.lineage!, 'before anything left');
      t.notMatch(JSON.stringify(rig.records), 'hello world');
      t.same(rig.errors, []);
    }
  },
);

void t.test('what is kept to be read counts for the runner, over both versions', async (t) => {
  const reader: AnswerReader = {
    limits: { maxBytes: 1_000_000, maxDecodedBytes: 1_000_000, maxRatio: 100 },
    wantsBody: () => true,
    read: () => nothing,
  };
  const limits = { lingerMs: 50, keptBytesPerRunner: 6_000 };
  const interpreter = { understand: () => ({ operation, evidence: [], answer: reader }) };
  for (const port of [http1Port, http2Port]) {
    const rig = await start(t, port, [], () => nothing, { limits, interpreter });
    if (port === http1Port) await ask(rig, 'GET', 'origin.test/large');
    else {
      const session = openHttp2(rig);
      const stream = session.request({ ':authority': 'origin.test', ':path': '/large' }).resume();
      stream.on('error', () => {});
      await new Promise((resolve) => stream.on('close', resolve));
      session.destroy();
    }
    await rig.until(() => rig.closed('request').length === 1);
    t.equal(rig.closed('request')[0]?.ended, 'runner-limit');
  }
});

void t.test('a reader that fails ends the flow and nothing else', async (t) => {
  const rig = await start(t, http1Port, [], () => {
    throw new Error('unforeseen');
  });
  t.equal(await ask(rig, 'GET', 'origin.test/204'), '', 'nothing of the answer');
  await rig.until(() => rig.closed('request').length === 1);
  t.equal(rig.closed('request')[0]?.ended, 'internal-error');
  t.match(await ask(rig, 'GET', 'other.test/plain'), /hello world$/, 'control: another host');
});

void t.test(
  'storage that an answer hands out is open at once, to that job and for what was said',
  async (t) => {
    let who = jobNamed('one');
    let methods = ['PUT'];
    let expiresMs = Date.now() + 60_000;
    const rig = await start(
      t,
      http1Port,
      [],
      (head) =>
        head.status === 200
          ? {
              ...nothing,
              grants: [{ host: 'storage.test', port: http1Port, methods, pathPrefix: '/plain', expiresMs }],
            }
          : nothing,
      { attribution: { attribute: () => who } },
    );
    rig.host = ({ host }) => asHost(host === 'origin.test' ? open : shut);
    rig.request = ({ host }) => asRequest(host === 'origin.test' ? open : shut);
    const status = async (method: string, url: string, body = '') =>
      (await ask(rig, method, url, body)).slice(9, 12);
    t.equal(await status('PUT', 'storage.test/plain', 'x'), '403', 'before');
    await ask(rig, 'GET', 'origin.test/204');
    t.equal(await status('PUT', 'storage.test/plain', 'x'), '403', 'nothing was handed out');
    t.match(await ask(rig, 'GET', 'origin.test/stream/chunked-gzip'), /^HTTP\/1.1 200/);
    t.equal(await status('PUT', 'storage.test/plain?sig=1', 'x'), '200');
    t.match(rig.closed('request').at(-1)?.decision, { verdict: 'allow', rule: 'r1', reason: 'rule' });
    t.equal(await status('POST', 'storage.test/plain', 'x'), '403', 'another method');
    t.equal(await status('GET', 'storage.test/plain'), '403', 'another method');
    t.equal(await status('PUT', 'storage.test/plain2', 'x'), '403', 'another path');
    t.equal(await status('PUT', 'storage.test/', 'x'), '403', 'above it');
    t.equal(await status('PUT', 'other.test/plain', 'x'), '403', 'another host');
    who = jobNamed('two');
    t.equal(await status('PUT', 'storage.test/plain', 'x'), '403', 'another job');
    who = unattributed;
    t.equal(await status('PUT', 'storage.test/plain', 'x'), '403', 'no job');
    who = jobNamed('one');
    rig.host = ({ host }) => ({ ...asHost(host === 'origin.test' ? open : shut), addresses: [] });
    t.equal(await status('PUT', 'storage.test/plain', 'x'), '403', 'no private range');
    for (const reason of ['blocklist', 'block-rule', 'repository', 'access'] as const) {
      rig.host = ({ host }) => asHost(host === 'origin.test' ? open : { ...shut, reason });
      t.equal(await status('PUT', 'storage.test/plain', 'x'), '403', reason);
    }
    rig.host = ({ host }) => asHost(host === 'origin.test' ? open : shut);
    methods = ['GET', 'HEAD'];
    expiresMs = Date.now() + 300;
    await ask(rig, 'GET', 'origin.test/plain');
    t.equal(await status('GET', 'storage.test/plain'), '200');
    t.equal(await status('GET', 'storage.test/plain', 'x'), '403', 'a write in disguise');
    await new Promise((resolve) => setTimeout(resolve, expiresMs - Date.now() + 5));
    t.equal(await status('GET', 'storage.test/plain'), '403', 'expired');
    t.equal(await status('PUT', 'storage.test/plain', 'x'), '200', 'control: the other one has not');
    rig.revision = 'r1';
    t.equal(
      await status('PUT', 'storage.test/plain', 'x'),
      '200',
      'another policy that allows the request too',
    );
    rig.request = () => asRequest(shut);
    rig.revision = 'r2';
    t.equal(await status('PUT', 'storage.test/plain', 'x'), '403', 'what it is owed to is blocked now');
  },
);

void t.test('what an audited block led to is not opened', async (t) => {
  const grant = {
    host: 'storage.test',
    port: http1Port,
    methods: ['GET'],
    pathPrefix: '/plain',
    expiresMs: 9e15,
  };
  const rig = await start(t, http1Port, [], () => ({ ...nothing, grants: [grant] }));
  const audited = { ...shut, enforced: false, mode: 'audit' } as const;
  rig.host = ({ host }) => asHost(host === 'origin.test' ? open : shut);
  rig.request = ({ host }) => asRequest(host === 'origin.test' ? audited : shut);
  t.match(await ask(rig, 'GET', 'origin.test/plain'), /^HTTP\/1.1 200/);
  t.match(await ask(rig, 'GET', 'storage.test/plain'), /^HTTP\/1.1 403/);
  rig.request = ({ host }) => asRequest(host === 'origin.test' ? open : shut);
  await ask(rig, 'GET', 'origin.test/plain');
  t.match(await ask(rig, 'GET', 'storage.test/plain'), /^HTTP\/1.1 200/, 'control');
});

void t.test('a grant is one host, port, method and path with what lies beneath it, for its time', (t) => {
  let now = 1_000_000;
  const grants = new StorageGrants(() => now);
  const from = { rule: 'r1', scope: 's1', hops: 0 };
  const base = {
    host: 'b.test',
    port: 443,
    methods: ['PUT', 'GET'],
    pathPrefix: '/c/o',
    expiresMs: now + 1_000,
  };
  grants.open('job 1', [base, { ...base, pathPrefix: '/dir/', methods: ['GET'] }], from);
  const rows: readonly (readonly [text: string, isOpen: boolean])[] = [
    ['PUT b.test 443 /c/o', true],
    ['GET b.test 443 /c/o', true],
    ['PUT b.test 443 /c/o/part', true],
    ['GET b.test 443 /dir/a', true],
    ['GET b.test 443 /dir/', true],
    ['GET b.test 443 /dir', false],
    ['GET b.test 443 /dirt', false],
    ['PUT b.test 443 /dir/a', false],
    ['PUT b.test 443 /c/object', false],
    ['PUT b.test 443 /c', false],
    ['PUT b.test 443 /C/o', false],
    ['PUT b.test 443 /c%2Fo', false],
    ['PUT b.test 443 /x/c/o', false],
    ['DELETE b.test 443 /c/o', false],
    ['put b.test 443 /c/o', false],
    ['PUT b.test 8443 /c/o', false],
    ['PUT a.b.test 443 /c/o', false],
  ];
  const find = (holder: string, text: string) => {
    const [method = '', host = '', port = '', path = ''] = text.split(' ');
    return grants.url(holder, { host, port: Number(port), method, path });
  };
  for (const [text, isOpen] of rows) t.same(find('job 1', text), isOpen ? from : null, text);
  t.equal(find('job 2', rows[0]![0]), null, 'another job');
  t.same(grants.host('job 1', 'b.test', 443), from);
  for (const [host, port] of [
    ['b.test', 80],
    ['c.test', 443],
  ] as const)
    t.equal(grants.host('job 1', host, port), null);
  t.equal(grants.host('job 2', 'b.test', 443), null);
  now += 1_000;
  t.equal(find('job 1', rows[0]![0]), null, 'expired');
  t.equal(grants.host('job 1', 'b.test', 443), null);
  grants.open('job 1', [{ ...base, expiresMs: Number.POSITIVE_INFINITY }], from);
  t.ok(find('job 1', rows[0]![0]));
  now += 86_400_000;
  t.equal(find('job 1', rows[0]![0]), null, 'a day is the longest');
  for (const bad of [
    { pathPrefix: '/' },
    { pathPrefix: '/c/o?x=1' },
    { pathPrefix: '/c/../o' },
    { pathPrefix: '/c//o' },
    { pathPrefix: 'c/o' },
    { pathPrefix: `/${'x'.repeat(9_000)}` },
    { host: '10.0.0.1' },
    { host: '[::1]' },
    { host: '' },
    { host: 'b.test/x' },
    { port: 0 },
    { port: 1.5 },
    { port: 65_536 },
    { methods: [] },
    { methods: ['PUT /x'] },
    { expiresMs: now },
    { expiresMs: Number.NaN },
  ]) {
    const other = new StorageGrants(() => now);
    other.open('job 1', [{ ...base, expiresMs: now + 1_000, ...bad }], from);
    t.equal(
      other.host('job 1', bad.host ?? 'b.test', bad.port ?? 443),
      null,
      JSON.stringify(bad).slice(0, 60),
    );
  }
  grants.open('job 1', [{ ...base, host: 'B.test.', pathPrefix: '/%63/o', expiresMs: now + 1_000 }], from);
  t.ok(find('job 1', rows[0]![0]), 'in one spelling');
  grants.clear('job 1');
  t.equal(find('job 1', rows[0]![0]), null, 'taken away');
  t.end();
});

void t.test('what one job is handed is bounded, and costs no other job its own', (t) => {
  const grants = new StorageGrants(() => 0);
  const from = { rule: 'r1', scope: null, hops: 0 };
  const many = (count: number) =>
    Array.from({ length: count }, (_, i) => ({
      host: 'b.test',
      port: 443,
      methods: ['GET'],
      pathPrefix: `/${i}/${'x'.repeat(1_000)}`,
      expiresMs: 1_000,
    }));
  grants.open('job 1', many(1), from);
  grants.open('job 2', many(10_000), from);
  const has = (holder: string, index: number) =>
    grants.url(holder, {
      ...many(index + 1)[index]!,
      method: 'GET',
      path: `/${index}/${'x'.repeat(1_000)}`,
    }) !== null;
  t.ok(has('job 1', 0));
  t.notOk(has('job 2', 0), 'the oldest is gone');
  t.ok(has('job 2', 9_999), 'the newest is not');
  t.end();
});

void t.test('the content of chunks is the same in whatever pieces it comes', (t) => {
  let seed = 1;
  const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
  for (let round = 0; round < 300; round++) {
    const parts = Array.from({ length: random(6) }, () => Buffer.alloc(1 + random(40), 97 + random(26)));
    const framed = Buffer.concat([
      Buffer.from('skipped'),
      ...parts.flatMap((part) => [
        Buffer.from(
          `${random(2) === 0 ? '00' : ''}${part.length.toString(16).toUpperCase()}${random(2) === 0 ? ';a="1"' : ''}\r\n`,
        ),
        part,
        Buffer.from('\r\n'),
      ]),
      Buffer.from('0\r\nT: 5\r\n\r\nnext'),
    ]);
    const content = new ChunkContent();
    const got: Buffer[] = [];
    for (let at = 7; at < framed.length - 4;) {
      const end = Math.min(framed.length - 4, at + 1 + random(30));
      content.feed(framed, at, end, (piece) => got.push(piece));
      at = end;
    }
    t.ok(Buffer.concat(got).equals(Buffer.concat(parts)), `round ${round}`);
  }
  t.end();
});
