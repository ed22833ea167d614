import { createBrotliCompress, gzipSync } from 'node:zlib';
import { connect as connectTls } from 'node:tls';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import t from 'tap';
import { blockedAnswer } from '../../proxy/blocked-answer.ts';
import { classify } from '../../proxy/classify.ts';
import { HelloReader, parseClientHello } from '../../proxy/client-hello.ts';
import { FollowGrants } from '../../proxy/follow.ts';
import { byChunks } from '../../proxy/framing.ts';
import { Gather } from '../../proxy/gather.ts';
import { findHeadEnd } from '../../proxy/head-bytes.ts';
import { isHeadProblem, parseRequestHead } from '../../proxy/head.ts';
import { Hold } from '../../proxy/hold.ts';
import { Limiter } from '../../proxy/limiter.ts';
import { defaultLimits } from '../../proxy/limits.ts';
import { parseResponseHead } from '../../proxy/response-head.ts';
import { shut } from './rig.ts';

const numRuns = Number(process.env['FUZZ_CASES'] ?? 2000);

/** The first bytes that Node's own client sends. */
async function recordHello(options: object): Promise<Buffer> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const client = connectTls({ port, host: '127.0.0.1', ...options });
  client.on('error', () => {});
  const hello = await new Promise<Buffer>((resolve) => {
    server.once('connection', (socket) => socket.once('data', resolve));
  });
  client.destroy();
  server.close();
  return hello;
}
const u16 = (value: number) => Buffer.of(value >> 8, value & 255);
const extension = (type: number, data: Buffer) => Buffer.concat([u16(type), u16(data.length), data]);
const record = (data: Buffer) => Buffer.concat([Buffer.of(22, 3, 1), u16(data.length), data]);
/** A hello written by hand from RFC 8446 §4.1.2. */
function helloMessage(...extensions: Buffer[]): Buffer {
  const all = Buffer.concat(extensions);
  const body = Buffer.concat([
    Buffer.of(3, 3),
    Buffer.alloc(32, 7),
    Buffer.of(0),
    u16(2),
    Buffer.of(0x13, 1),
    Buffer.of(1, 0),
    u16(all.length),
    all,
  ]);
  return Buffer.concat([Buffer.of(1, 0), u16(body.length), body]);
}
const sni = (name: string, type = 0) =>
  extension(
    0,
    Buffer.concat([u16(name.length + 3), Buffer.of(type), u16(name.length), Buffer.from(name, 'latin1')]),
  );

await t.test('a ClientHello is read alike however its bytes are cut', async (t) => {
  const hello = await recordHello({ servername: 'origin.test', ALPNProtocols: ['h2', 'http/1.1'] });
  const expected = {
    kind: 'hello',
    serverName: 'origin.test',
    alpn: ['h2', 'http/1.1'],
    hasEch: false,
    versions: [0x0304, 0x0303],
  };
  t.same(parseClientHello(hello), expected);
  const message = hello.subarray(5);
  for (let cut = 1; cut < hello.length; cut++) {
    if (parseClientHello(hello.subarray(0, cut)).kind !== 'incomplete') t.fail(`cut at ${cut}`);
    if (cut < message.length) {
      const split = Buffer.concat([record(message.subarray(0, cut)), record(message.subarray(cut))]);
      if (JSON.stringify(parseClientHello(split)) !== JSON.stringify(expected))
        t.fail(`records cut at ${cut}`);
    }
  }
  const tiny = Buffer.concat(Array.from(message, (byte) => record(Buffer.of(byte))));
  t.same(parseClientHello(tiny), expected, 'records of one byte');
  const reader = new HelloReader();
  const answers = Array.from(tiny, (_, at) => reader.read(tiny.subarray(0, at + 1)).kind);
  t.equal(answers.indexOf('hello'), tiny.length - 1, 'byte by byte');
  t.equal(answers.filter((kind) => kind !== 'incomplete').length, 1);
  t.match(parseClientHello(await recordHello({ maxVersion: 'TLSv1.2' })), {
    serverName: null,
    alpn: [],
    versions: [0x0303],
  });
});

await t.test('a ClientHello that two parsers could read differently is malformed', async (t) => {
  t.match(parseClientHello(record(helloMessage(sni('a.test'), extension(0xfe0d, Buffer.alloc(9))))), {
    kind: 'hello',
    serverName: 'a.test',
    hasEch: true,
  });
  const twoNames = extension(
    0,
    Buffer.concat([
      u16(12),
      Buffer.of(0),
      u16(3),
      Buffer.from('a.b'),
      Buffer.of(0),
      u16(3),
      Buffer.from('c.d'),
    ]),
  );
  const cases: readonly [detail: string, bytes: Buffer][] = [
    ['extension twice', record(helloMessage(sni('a.test'), sni('b.test')))],
    ['server name', record(helloMessage(twoNames))],
    ['server name', record(helloMessage(sni('a.test', 1)))],
    ['server name bytes', record(helloMessage(sni('a\0test')))],
    ['server name list', record(helloMessage(extension(0, Buffer.alloc(0))))],
    ['extension length', record(helloMessage(Buffer.of(0, 0, 0, 9, 0)))],
    ['not a ClientHello', record(Buffer.concat([Buffer.of(2), Buffer.alloc(50)]))],
    ['record length', Buffer.of(22, 3, 1, 0, 0)],
  ];
  for (const [detail, bytes] of cases) t.same(parseClientHello(bytes), { kind: 'malformed', detail });
});

await t.test('first bytes are told apart, and wait only while they could become two things', async (t) => {
  const cases: readonly [string, string][] = [
    ['\x16\x03\x01', 'tls'],
    ['\x16', 'incomplete'],
    ['\x16\x02', 'unknown'],
    ['GET / HTTP', 'http'],
    ['GE', 'incomplete'],
    ['SSH-2.0-OpenSSH', 'ssh'],
    ['SS', 'incomplete'],
    ['PRI * HTTP/2.0\r\n', 'h2'],
    ['PRI', 'incomplete'],
    ['PRI /x', 'http'],
    ['\x00\x01', 'unknown'],
    [' GET', 'unknown'],
    ['EHLO\r\n', 'unknown'],
    ['A'.repeat(24), 'unknown'],
    ['', 'incomplete'],
    ['\x80\x2e\x01', 'unknown'],
  ];
  for (const [text, expected] of cases)
    t.equal(classify(Buffer.from(text, 'latin1')), expected, JSON.stringify(text));
});

const parse = (text: string) => {
  const bytes = Buffer.from(text, 'latin1');
  const end = findHeadEnd(bytes, 0);
  return end < 0 ? { problem: end, detail: '' } : parseRequestHead(bytes, end);
};
await t.test('a request head tells what the relay needs', async (t) => {
  t.match(
    parse('PUT /a?b HTTP/1.1\r\nhOsT:  a.test \r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n'),
    {
      method: 'PUT',
      target: '/a?b',
      version: '1.1',
      host: 'a.test',
      bodyBytes: 12,
      hasBody: true,
      isLast: false,
      upgrade: null,
      expectsContinue: true,
      mustRewrite: false,
    },
  );
  t.match(parse('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n'), {
    bodyBytes: -1,
    hasBody: true,
  });
  t.match(parse('\r\nGET / HTTP/1.0\r\n\r\n'), {
    version: '1.0',
    host: null,
    isLast: true,
    mustRewrite: true,
    start: 2,
  });
  t.match(parse('GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n'), { isLast: false });
  t.match(parse('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'), {
    isLast: true,
    mustRewrite: true,
  });
  t.match(parse('GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n'), {
    isLast: false,
    mustRewrite: false,
  });
  t.match(parse('GET / HTTP/1.1\r\nHost: a\r\nProxy-Authorization: x\r\n\r\n'), { mustRewrite: true });
  t.match(parse('GET / HTTP/1.1\r\nHost: a\r\nX-Method-Override: put\r\n\r\n'), { override: 'PUT' });
});

await t.test('a request head that is not strictly one is refused', async (t) => {
  const head = 'POST / HTTP/1.1\r\nHost: a\r\n';
  const cases: readonly [string, string | number][] = [
    [`${head}Content-Length: 1\r\nContent-Length: 1\r\n\r\n`, 'request-smuggling'],
    [`${head}Content-Length: +1\r\n\r\n`, 'request-smuggling'],
    [`${head}Content-Length: 1, 1\r\n\r\n`, 'request-smuggling'],
    [`${head}Content-Length: 0x1\r\n\r\n`, 'request-smuggling'],
    [`${head}Content-Length: 9999999999999999\r\n\r\n`, 'request-smuggling'],
    [`${head}Transfer-Encoding: chunked, chunked\r\n\r\n`, 'request-smuggling'],
    [`${head}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`, 'request-smuggling'],
    [`${head}Transfer-Encoding: \vchunked\r\n\r\n`, 'malformed-request'],
    [`${head}Transfer-Encoding : chunked\r\n\r\n`, 'malformed-request'],
    [`${head}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`, 'request-smuggling'],
    ['POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n', 'request-smuggling'],
    [`${head}X: a\rb\r\n\r\n`, 'malformed-request'],
    [`${head}X: a\nY: b\r\n\r\n`, 'malformed-request'],
    [`${head}\tX: a\r\n\r\n`, 'malformed-request'],
    [`${head}: a\r\n\r\n`, 'malformed-request'],
    [`${head}X\r\n\r\n`, 'malformed-request'],
    [`${head}X: a\x7fb\r\n\r\n`, 'malformed-request'],
    [`${head}Expect: 200-ok\r\n\r\n`, 'malformed-request'],
    [`${head}X-HTTP-Method: GET\r\nX-HTTP-Method-Override: PUT\r\n\r\n`, 'malformed-request'],
    [`${head}Content_Length: 1\r\n\r\n`, 'request-smuggling'],
    [`${head}transfer_encoding: chunked\r\n\r\n`, 'request-smuggling'],
    [`${head}X_HTTP_Method-Override: DELETE\r\n\r\n`, 'request-smuggling'],
    [`${head}X-Original-URL: /admin\r\n\r\n`, 'request-smuggling'],
    [`${head}x_rewrite_url: /admin\r\n\r\n`, 'request-smuggling'],
    [`${head}X_Rewrite_Uri: /fine\r\nmy_field_name_: 1\r\n\r\n`, 'accepted'],
    ['GET / HTTP/1.1\r\n\r\n', 'malformed-request'],
    ['GET / HTTP/1.1\r\nHost:\r\n\r\n', 'malformed-request'],
    ['GET  / HTTP/1.1\r\nHost: a\r\n\r\n', 'malformed-request'],
    ['GET /\t HTTP/1.1\r\nHost: a\r\n\r\n', 'malformed-request'],
    ['GET / HTTP/1.1 \r\nHost: a\r\n\r\n', 'malformed-request'],
    ['GET / HTTP/2.0\r\nHost: a\r\n\r\n', 'malformed-request'],
    ['GET / http/1.1\r\nHost: a\r\n\r\n', 'malformed-request'],
    ['\r\n\r\n', 'malformed-request'],
    ['GET / HTTP/1.1\nHost: a\n\n', -2],
    ['GET / HT\0', -2],
    ['GET / HTTP/1.1\r\nHost: a\r\n', -1],
  ];
  for (const [text, expected] of cases) {
    const head = parse(text);
    t.equal('problem' in head ? head.problem : 'accepted', expected, JSON.stringify(text));
  }
});

await t.test('a response head tells how its body ends', async (t) => {
  const read = (text: string, method = 'GET') => {
    const bytes = Buffer.from(text, 'latin1');
    return parseResponseHead(bytes, findHeadEnd(bytes, 0), method);
  };
  const ok = 'HTTP/1.1 200 OK\r\n';
  t.match(read(`${ok}Content-Length: 3\r\n\r\nabc`), {
    status: 200,
    framing: 'length',
    length: 3,
    isLast: false,
  });
  t.match(read(`${ok}Content-Length: 3\r\n\r\n`, 'HEAD'), { framing: 'none' });
  t.match(read(`${ok}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n`), {
    framing: 'chunked',
    isLast: true,
  });
  t.match(read(`${ok}\r\n`), { framing: 'until-close', isLast: true });
  t.match(read('HTTP/1.1 204\r\n\r\n'), { status: 204, framing: 'none', isLast: false });
  t.match(read('HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n'), { framing: 'none' });
  t.match(read('HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n'), { framing: 'none', isLast: true });
  t.match(read('HTTP/1.1 302 Found\r\nLocation: https://b.test/x\r\nContent-Length: 0\r\n\r\n'), {
    location: 'https://b.test/x',
  });
  for (const bad of [
    'HTTP/1.1 20 OK\r\n\r\n',
    'HTTP/2 200 OK\r\n\r\n',
    `${ok}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`,
    `${ok}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`,
    `${ok}Transfer-Encoding: gzip\r\n\r\n`,
    `${ok}A b: c\r\n\r\n`,
  ]) {
    t.type(read(bad), 'string', JSON.stringify(bad));
  }
});

await t.test('a chunked body ends where RFC 9112 says, however it is cut', async (t) => {
  const cases: readonly [body: string, end: number | 'more' | 'broken'][] = [
    ['0\r\n\r\n', 5],
    ['3\r\nabc\r\n0\r\n\r\nGET', 13],
    ['A\r\n0123456789\r\n0\r\n\r\n', 20],
    ['1;a=b\r\nx\r\n0\r\nX-T: 1\r\n\r\n', 23],
    ['000\r\n\r\n', 7],
    ['3\r\nab', 'more'],
    ['', 'more'],
    ['0\r\n', 'more'],
    ['\r\n', 'broken'],
    ['g\r\n', 'broken'],
    ['-1\r\n', 'broken'],
    ['0x1\r\n', 'broken'],
    [' 1\r\n', 'broken'],
    ['1 \r\n', 'broken'],
    ['1\nx', 'broken'],
    ['1\r\nxy', 'broken'],
    ['1;\nx', 'broken'],
    ['1;a\rb', 'broken'],
    ['1000000000000\r\n', 'broken'],
    ['0\r\nA b: c\r\n\r\n', 'broken'],
    ['0\r\nContent-Length: 1\r\n\r\n', 'broken'],
    ['0\r\n folded\r\n\r\n', 'broken'],
    [`1;${'a'.repeat(600)}`, 'broken'],
    [`0\r\nX: ${'a'.repeat(9000)}`, 'broken'],
  ];
  for (const [text, expected] of cases) {
    for (const step of [1, 2, 7, 100_000]) {
      const framer = byChunks();
      let at = 0;
      let result: number | 'more' | 'broken' = 'more';
      for (let start = 0; start < text.length && result === 'more'; start += step) {
        const piece = Buffer.from(text.slice(start, start + step), 'latin1');
        const end = framer.feed(piece, 0);
        if (end < 0) result = 'broken';
        else at += end;
        if (framer.isDone) result = at;
      }
      t.equal(result, expected, `${JSON.stringify(text.slice(0, 30))} by ${step}`);
    }
  }
});

const mutation = fc.record({
  at: fc.nat(2000),
  byte: fc.integer({ min: 0, max: 255 }),
  kind: fc.constantFrom('set', 'insert', 'delete', 'double'),
});
type Mutation = { at: number; byte: number; kind: string };
function mutate(bytes: Buffer, mutations: readonly Mutation[]): Buffer {
  let result = bytes;
  for (const { at, byte, kind } of mutations) {
    const i = at % (result.length + 1);
    const middle =
      kind === 'set' || kind === 'insert'
        ? Buffer.of(byte)
        : kind === 'double'
          ? result.subarray(i, i + 20)
          : Buffer.alloc(0);
    result = Buffer.concat([
      result.subarray(0, i),
      middle,
      result.subarray(kind === 'set' || kind === 'delete' ? i + 1 : i),
    ]);
  }
  return result;
}
/** What real clients and servers send, typed from their traffic. */
const recordedHeads = [
  'POST /a/b?c=d HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 10\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n',
  'GET /info/refs?service=git-upload-pack HTTP/1.1\r\nHost: git.test\r\nUser-Agent: git/2.39.5\r\nAccept: */*\r\nAccept-Encoding: deflate, gzip\r\nPragma: no-cache\r\nGit-Protocol: version=2\r\n\r\n',
  'GET /left-pad HTTP/1.1\r\nconnection: keep-alive\r\nuser-agent: npm/10.9.2 node/v24 linux x64\r\naccept: application/vnd.npm.install-v1+json; q=1.0, */*\r\nHost: registry.test:8443\r\n\r\n',
  'GET /chat HTTP/1.1\r\nHost: ws.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
  'PUT http://origin.test/x HTTP/1.0\r\nProxy-Connection: Keep-Alive\r\nExpect: 100-continue\r\nContent-Length: 3\r\nX-HTTP-Method-Override: DELETE\r\n\r\n',
].map((text) => Buffer.from(text));
const recordedAnswers = [
  'HTTP/1.1 200 OK\r\nContent-Length: 10\r\nLocation: https://a.test/\r\nConnection: close\r\n\r\n',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nServer: nginx/1.22.1\r\nDate: Tue, 24 Nov 2026 13:21:08 GMT\r\n\r\n',
  'HTTP/1.0 304 Not Modified\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive, x\r\nETag: "a"\r\n\r\n',
].map((text) => Buffer.from(text));
const recordedChunks = [
  '5;a=b\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n',
  'A\r\n0123456789\r\n00000001\r\nx\r\n000\r\n\r\n',
  '1;q="a;b"\r\n\n\r\n0\r\nExpires: never\r\nX:\r\n\r\nGET / HTTP/1.1\r\n',
].map((text) => Buffer.from(text));

function isSoundHead(bytes: Buffer): boolean {
  const end = findHeadEnd(bytes, 0);
  const head = end < 0 ? null : parseRequestHead(bytes, end);
  if (head === null || isHeadProblem(head)) return true;
  const isWhole = head.bodyStart === end + 4 && head.bodyBytes >= -1;
  return isWhole && !/[\0\r\n ]/.test(head.target) && !/[\0\r\n]/.test(head.host ?? '');
}

/** Cut in two anywhere, the framer ends at the same byte or fails alike. */
function isSoundBody(body: Buffer, cut: number): boolean {
  const whole = byChunks();
  const wholeEnd = whole.feed(body, 0);
  const first = body.subarray(0, cut);
  const parts = byChunks();
  let partsEnd = parts.feed(first, 0);
  if (partsEnd >= 0 && !parts.isDone) {
    const next = parts.feed(body.subarray(first.length), 0);
    partsEnd = next < 0 ? -1 : first.length + next;
  }
  return wholeEnd === partsEnd && whole.isDone === parts.isDone && wholeEnd <= body.length;
}

await t.test('mutated hellos, heads and chunks never throw and never read past what was sent', async (t) => {
  const hellos = [
    record(helloMessage(sni('origin.test'), extension(43, Buffer.of(2, 3, 4)))),
    await recordHello({ servername: 'origin.test', ALPNProtocols: ['h2', 'http/1.1'] }),
    await recordHello({ servername: 'origin.test', maxVersion: 'TLSv1.2' }),
  ];
  const mutations = fc.array(mutation, { minLength: 1, maxLength: 6 });
  const check = (seeds: readonly Buffer[], isSound: (bytes: Buffer, cut: number) => boolean) =>
    fc.assert(
      fc.property(fc.constantFrom(...seeds), mutations, fc.nat(64), (seed, changes, cut) =>
        isSound(mutate(seed, changes), cut),
      ),
      { numRuns },
    );
  check(hellos, (bytes) => {
    const read = parseClientHello(bytes);
    return read.kind !== 'hello' || read.serverName === null || /^[\x21-\x7e]+$/.test(read.serverName);
  });
  check(recordedHeads, isSoundHead);
  check(recordedAnswers, (bytes) => {
    const end = findHeadEnd(bytes, 0);
    const head = end < 0 ? '' : parseResponseHead(bytes, end, 'GET');
    return typeof head === 'string' || (head.bodyStart === end + 4 && head.length >= 0);
  });
  check(recordedChunks, isSoundBody);
  check([...hellos, ...recordedHeads], (bytes) => classify(bytes) !== undefined);
  t.pass();
});

await t.test(
  'a hold gives small bodies whole, decoded within its ratio, and calls the rest opaque',
  async (t) => {
    const limits = { maxBytes: 1000, maxDecodedBytes: 50_000, maxRatio: 10 };
    const hold = async (coding: string, ...parts: Buffer[]) => {
      const held = new Hold(limits, coding);
      for (const part of parts) if (!held.push(part)) break;
      return held.end();
    };
    const body = Buffer.from('{"query":"{a}"}');
    t.match(await hold('', body.subarray(0, 4), body.subarray(4)), { kind: 'whole', body });
    t.match(await hold('GZIP', gzipSync(body)), { kind: 'whole', body });
    t.match(await hold('gzip', gzipSync(Buffer.alloc(100_000))), {
      kind: 'opaque',
      detail: 'the body decodes to more than its limit',
    });
    t.match(await hold('gzip', body), { kind: 'opaque', detail: 'the body does not decode' });
    t.match(await hold('gzip, br', body), { kind: 'opaque', detail: 'an unknown content coding' });
    const large = await hold('', Buffer.alloc(900), Buffer.alloc(200), Buffer.alloc(5));
    t.equal(large.kind, 'opaque');
    t.equal(Buffer.concat(large.raw).length, 1100);
    const brotli = createBrotliCompress();
    brotli.end(body);
    t.match(await hold('br', Buffer.concat(await brotli.toArray())), { kind: 'whole', body });
  },
);

await t.test('grants open one https URL to their holder and no more than five redirects deep', async (t) => {
  const grants = new FollowGrants(10, 50);
  const base = { host: 'a.test', port: 443, pathAndQuery: '/' };
  const from = { rule: 'r1', scope: null, hops: 0 };
  const open = (location: string, hops = 0) => grants.open('job 1', location, base, { ...from, hops });
  t.same(open('https://CDN.test./f%41?sig=1#x'), { host: 'cdn.test', port: 443, pathAndQuery: '/fA?sig=1' });
  t.same(open('/local'), { host: 'a.test', port: 443, pathAndQuery: '/local' });
  for (const bad of [
    'http://b.test/',
    'https://user@b.test/',
    'https://10.0.0.1/',
    'ftp://b.test/',
    'https://b.test/../x',
    'https:\\\\b.test/',
    '',
  ])
    t.equal(open(bad), null, bad);
  t.equal(open('https://b.test/', 5), null);
  const url = { host: 'cdn.test', port: 443, pathAndQuery: '/fA?sig=1' };
  t.match(grants.url('job 1', url), { rule: 'r1', hops: 1 });
  t.equal(grants.url('job 2', url), null);
  t.equal(grants.url('job 1', { ...url, pathAndQuery: '/fA?sig=2' }), null);
  t.ok(grants.host('job 1', 'cdn.test', 443));
  grants.clear('job 1');
  t.equal(grants.url('job 1', url), null);
});

await t.test('a runner at its share is refused while another is not', async (t) => {
  const limiter = new Limiter({
    ...defaultLimits,
    connectionsPerRunner: 3,
    halfOpenPerRunner: 2,
    connections: 4,
    requestsPerRunner: 1,
  });
  t.same(
    [1, 2, 3].map(() => limiter.enterConnection('a')),
    [null, null, 'runner-limit'],
  );
  limiter.leaveHalfOpen('a');
  t.equal(limiter.enterConnection('a'), null);
  t.equal(limiter.enterConnection('a'), 'runner-limit');
  t.same([limiter.enterConnection('b'), limiter.enterConnection('c')], [null, 'gateway-limit']);
  t.same(
    [limiter.enterRequest('b'), limiter.enterRequest('b'), limiter.enterRequest('a')],
    [null, 'runner-limit', null],
  );
  limiter.leaveConnection('a', true);
  t.equal(limiter.enterConnection('c'), null);
  t.equal(limiter.connections, 4);
});

await t.test('the addresses of one IPv6 subnet hold half of everything together', async (t) => {
  const limiter = new Limiter({ ...defaultLimits, connections: 8, connectionsPerRunner: 3 });
  const enter = (address: string) => limiter.enterConnection(address);
  t.same(['2001:db8::1', '2001:db8::2', '2001:db8::3', '2001:db8::4'].map(enter), [null, null, null, null]);
  t.equal(enter('2001:db8::5'), 'runner-limit');
  t.same(['2001:db8:0:1::5', '10.0.0.1'].map(enter), [null, null], 'others never notice');
  limiter.leaveConnection('2001:db8::1', true);
  t.equal(enter('2001:db8::5'), null);
});

await t.test(
  'a request that outlives its connection is counted until it has left, and no longer',
  async (t) => {
    const limiter = new Limiter({ ...defaultLimits, requests: 4 });
    limiter.enterConnection('2001:db8::2');
    for (let i = 0; i < 10; i++) {
      limiter.enterConnection('2001:db8::1');
      t.equal(limiter.enterRequest('2001:db8::1'), null);
      limiter.leaveConnection('2001:db8::1', false);
      limiter.leaveRequest('2001:db8::1');
    }
    limiter.leaveRequest('2001:db8::1');
    t.same(
      [1, 2, 3].map(() => limiter.enterRequest('2001:db8::2')),
      [null, null, 'runner-limit'],
    );
  },
);

await t.test('what waits for a runner is counted in bytes', async (t) => {
  const limiter = new Limiter({ ...defaultLimits, keptBytesPerRunner: 100, keptBytes: 150 });
  for (const runner of ['a', 'b', 'c']) limiter.enterConnection(runner);
  t.equal(limiter.keep('a', 60), null);
  t.equal(limiter.keep('a', 60), 'runner-limit');
  t.equal(limiter.keep('a', -60), null);
  t.equal(limiter.keep('b', 60), null);
  t.equal(limiter.keep('c', 60), 'gateway-limit');
});

await t.test('a block is explained in the form that the client shows', async (t) => {
  const answer = (head: string, host: string, path = '/x', method = 'GET') =>
    blockedAnswer({
      decision: { ...shut, rule: 'no\r\nx: y' },
      reason: 'block-rule',
      host,
      method,
      path,
      head: Buffer.from(`GET ${path} HTTP/1.1\r\n${head}\r\n\r\n`),
      isLast: false,
      version: '1.1',
    }).bytes.toString();
  t.match(
    answer('User-Agent: git/2.47', 'github.com'),
    /content-type: text\/plain[^]*Sallyport did not let GET github\.com\/x through/,
  );
  t.match(JSON.parse(answer('Accept: application/json', 'api.github.com').split('\r\n\r\n')[1]!), {
    status: '403',
    reason: 'block-rule',
  });
  for (const path of ['/api/v3/repos/a/b', '/api/graphql', '/api/v4/projects/1'])
    t.match(JSON.parse(answer('Accept: */*', 'forge.test', path).split('\r\n\r\n')[1]!), {
      message: /^Sallyport did not let/,
    });
  t.type(
    JSON.parse(answer('User-Agent: npm/10.9.0 node/v24', 'npm.test').split('\r\n\r\n')[1]!).error,
    'string',
  );
  t.match(
    JSON.parse(answer('Accept: application/vnd.git-lfs+json', 'forge.test').split('\r\n\r\n')[1]!).message,
    /^Sallyport did not let/,
  );
  for (const path of ['/v2/a/manifests/1', '/token'])
    t.match(JSON.parse(answer('User-Agent: docker/27', 'r.test', path).split('\r\n\r\n')[1]!), {
      errors: [{ code: 'DENIED', message: /^Sallyport did not let/ }],
    });
  t.match(
    answer('Content-Type: application/grpc+proto', 'g.test'),
    /^HTTP\/1\.1 200 OK\r\n[^]*grpc-status: 7\r\n/,
  );
  t.match(answer('User-Agent: curl/8', 'c.test'), /x-sallyport-rule: no\?\?x: y\r\n/);
  t.match(answer('', 'c.test', '/x', 'HEAD'), /content-length: [1-9]\d*[^]*\r\n\r\n$/);
});

await t.test('gathered bytes are handed out as they came', async (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { minLength: 1, maxLength: 20 }),
      (pieces) => {
        const gather = new Gather();
        let seen: Buffer = Buffer.alloc(0);
        for (const piece of pieces) seen = gather.push(Buffer.from(piece));
        return Buffer.concat(pieces).equals(seen) && gather.take()!.equals(seen) && gather.length === 0;
      },
    ),
    { numRuns: 200 },
  );
  t.pass();
});
