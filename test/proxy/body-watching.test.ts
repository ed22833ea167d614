// Bodies that are read along: what the reader is told, however a body is framed, coded, padded or held, while the bytes
// go on as they came. Bodies that nobody asked for are not looked at.

import { connect as connectHttp2, constants, createSecureServer } from 'node:http2';
import { createServer } from 'node:https';
import { deflateSync, gzipSync } from 'node:zlib';
import t from 'tap';
import type { BodyWatcher, Interpreter, Understanding } from '../../flow/asked-request.ts';
import { noMeter } from '../../flow/ports.ts';
import { startHttp2 } from '../../proxy/h2/relay.ts';
import { answerHttp2 } from '../../proxy/h2/whole-answer.ts';
import { WebSocketFrames } from '../../proxy/websocket-frames.ts';
import { collect, enterNamespace, listenOn, makeAuthority, makeRig, openTls, type Rig } from './rig.ts';

enterNamespace();
const authority = makeAuthority();
const leaf = authority.filesFor('origin.test');

/** What readers were told: content, whether it was all, and whose a token is. */
const told: string[] = [];
const counted: string[] = [];
const watch: BodyWatcher = {
  limits: { maxBytes: 1_048_576, maxDecodedBytes: 100_000, maxRatio: 50 },
  open(whose) {
    const parts: Buffer[] = [];
    return {
      push: (chunk) => void parts.push(Buffer.from(chunk)),
      end(isWhole) {
        const text = Buffer.concat(parts).toString('latin1');
        told.push(`${isWhole ? 'whole' : 'cut'}: ${text.length > 60 ? `${text.length} bytes` : text}`);
        const owner = whose(text);
        return [{ kind: 'secret-in-log', detail: `found, of ${owner ?? 'nobody'}` }];
      },
    };
  },
};
const meant: Understanding = { operation: null, evidence: [] };
const interpreter: Interpreter = {
  understand: ({ path }) => {
    if (path.startsWith('/held'))
      return { ...meant, hold: { ...watch.limits, withBody: () => ({ ...meant, watch }) } };
    return path.startsWith('/log') ? { ...meant, watch } : meant;
  },
};
const ports = {
  interpreter,
  http2: { start: startHttp2, answer: answerHttp2 },
  meter: {
    ...noMeter,
    count: (name: string, labels = {}) => void counted.push(`${name} ${Object.values(labels).join()}`),
  },
  credential: (_: unknown, header: (name: string) => string | null) =>
    header('authorization') === 'Bearer hello world' ? ('job' as const) : ('unknown' as const),
};

/** Bodies as the servers got them, by path. */
const arrived = new Map<string, Buffer>();
async function take(request: AsyncIterable<Buffer> & { url?: string | undefined }): Promise<void> {
  arrived.set(request.url ?? '', Buffer.concat(await Array.fromAsync(request)));
}
const old = createServer(leaf, (request, response) => {
  take(request).then(
    () => response.end('ok'),
    () => response.destroy(),
  );
});
const modern = createSecureServer(leaf, (request, response) => {
  take(request).then(
    () => response.end('ok'),
    () => response.destroy(),
  );
});

async function evidenceOf(rig: Rig, count: number): Promise<string[]> {
  await rig.until(() => rig.closed('request').length >= count);
  return rig
    .closed('request')
    .at(-1)!
    .evidence.map(({ kind, detail }) => `${kind}: ${detail}`);
}

const found = 'secret-in-log: found, of nobody';
const own = 'secret-in-log: found, of job';
const unread = (why: string) => `opaque-body: the log was not looked through: ${why}`;
const hello = Buffer.from('hello world');
const chunked = Buffer.from('5;x=1\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n');

t.test('over HTTP/1, whatever the framing and coding', async (t) => {
  const rig = await makeRig(authority, await listenOn(t, old), ports);
  t.teardown(() => rig.close());
  const length = (body: Buffer) => `Content-Length: ${body.length}`;
  const [packed, bomb] = [gzipSync(hello), gzipSync(Buffer.alloc(90_000))];
  const rows: readonly (readonly [
    path: string,
    fields: string,
    body: Buffer,
    told: string | null,
    evidence: string[],
  ])[] = [
    ['/log/length', length(hello), hello, 'whole: hello world', [own]],
    ['/log/chunked', 'Transfer-Encoding: chunked', chunked, 'whole: hello world', [own]],
    ['/log/gzip', `Content-Encoding: gzip\r\n${length(packed)}`, packed, 'whole: hello world', [own]],
    [
      '/log/deflate',
      `Content-Encoding: deflate\r\n${length(deflateSync(hello))}`,
      deflateSync(hello),
      'whole: hello world',
      [own],
    ],
    [
      '/log/bomb',
      `Content-Encoding: gzip\r\n${length(bomb)}`,
      bomb,
      'cut: ',
      [found, unread('the body decodes to more than its limit')],
    ],
    [
      '/log/none',
      `Content-Encoding: rot13\r\n${length(hello)}`,
      hello,
      'cut: ',
      [found, unread('an unknown content coding')],
    ],
    ['/held/log', length(hello), hello, 'whole: hello world', [own]],
    ['/other', length(hello), hello, null, []],
  ];
  let count = 0;
  for (const [path, fields, body, wanted, evidence] of rows) {
    told.length = 0;
    const client = await openTls(rig.port, 'origin.test', authority.ca);
    const head = Buffer.from(
      `PUT ${path} HTTP/1.1\r\nHost: origin.test\r\nConnection: close\r\n${fields}\r\n\r\n`,
    );
    const answer = await collect(client, Buffer.concat([head, body]));
    t.match(answer, /^HTTP\/1\.1 200/, path);
    t.same(await evidenceOf(rig, ++count), evidence, `${path}: its record`);
    // What a decoder gave before its limit was told.
    t.same(
      told.map((text) => text.replace(/^cut: \d+ bytes$/, 'cut: ')),
      wanted === null ? [] : [wanted],
      path,
    );
    t.same(arrived.get(path), path.endsWith('chunked') ? hello : body, `${path} arrived`);
  }
  t.equal(counted.filter((line) => line === 'sallyport_logs_read_total unreadable').length, 2);
  told.length = 0;
  const cut = await openTls(rig.port, 'origin.test', authority.ca);
  cut.write(`PUT /log/cut HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 100\r\n\r\nhello`);
  await rig.until(() => rig.records.some(({ http }) => http?.path === '/log/cut'));
  await new Promise((resolve) => setTimeout(resolve, 50));
  cut.destroy();
  t.same(await evidenceOf(rig, count + 1), [found], 'what broke off');
  t.same(told, ['cut: hello']);
  t.same(rig.errors, []);
});

t.test('over HTTP/2, padded, in pieces, held and coded', async (t) => {
  const rig = await makeRig(authority, await listenOn(t, modern), ports);
  t.teardown(() => rig.close());
  const session = connectHttp2('https://origin.test', {
    ca: authority.ca,
    servername: 'origin.test',
    host: '127.0.0.1',
    port: rig.port,
    paddingStrategy: constants.PADDING_STRATEGY_MAX,
  } as Parameters<typeof connectHttp2>[1]); // node:http2 does not tell of TLS's own options
  session.on('error', () => {});
  t.teardown(() => session.destroy());
  const put = (path: string, pieces: readonly Buffer[], coding = 'identity') =>
    new Promise<void>((resolve) => {
      const stream = session.request({
        ':authority': 'origin.test',
        ':method': 'PUT',
        ':path': path,
        'content-encoding': coding,
      });
      stream.on('error', () => {});
      stream.on('close', () => resolve());
      stream.resume();
      for (const piece of pieces) stream.write(piece);
      stream.end();
    });
  const noise = Buffer.alloc(100_000, 'a line of a log\n');
  const rows: readonly (readonly [path: string, pieces: Buffer[], coding: string, told: string | null])[] = [
    ['/log/pieces', [hello.subarray(0, 3), hello.subarray(3)], 'identity', 'whole: hello world'],
    ['/log/large', [noise, noise, noise], 'identity', 'whole: 300000 bytes'],
    ['/log/gzip', [gzipSync(hello)], 'gzip', 'whole: hello world'],
    ['/held/log', [hello.subarray(0, 3), hello.subarray(3)], 'identity', 'whole: hello world'],
    ['/other', [hello], 'identity', null],
    ['/log/empty', [], 'identity', 'whole: '],
  ];
  let count = 0;
  for (const [path, pieces, coding, wanted] of rows) {
    told.length = 0;
    await put(path, pieces, coding);
    const evidence = await evidenceOf(rig, ++count);
    t.same(told, wanted === null ? [] : [wanted], path);
    t.same(
      evidence,
      wanted === null ? [] : [wanted === 'whole: hello world' ? own : found],
      `${path}: its record`,
    );
    t.same(arrived.get(path), Buffer.concat(pieces), `${path} arrived`);
  }
  told.length = 0;
  await Promise.all([put('/log/a', [noise]), put('/other', [noise]), put('/log/b', [noise, hello])]);
  t.same(told.toSorted(), ['whole: 100000 bytes', 'whole: 100011 bytes'], 'streams side by side');
  t.same(rig.errors, []);
});

t.test('what a client says on a WebSocket is unmasked in a copy, wherever its frames are cut', async (t) => {
  const masked = (first: number, text: string) => {
    const mask = Buffer.of(7, 91, 200, 33);
    const body = Buffer.from(text).map((byte, at) => byte ^ mask[at & 3]!);
    return Buffer.concat([Buffer.of(first, 128 | text.length), mask, body]);
  };
  const bytes = Buffer.concat([
    masked(0x01, 'hello'),
    masked(0x89, 'ping'),
    masked(0x80, ' world'),
    masked(0x81, '!'),
  ]);
  for (let at = 0; at <= bytes.length; at++) {
    const parts: string[] = [];
    const frames = new WebSocketFrames('client', false, {
      take: (payload) => void parts.push(payload.toString('latin1')),
      refuse: () => void parts.push('refused'),
    });
    const copy = Buffer.from(bytes);
    t.equal(frames.feed(copy.subarray(0, at)) ?? frames.feed(copy.subarray(at)), null);
    t.equal(parts.join(''), 'hello world!', `cut at ${at}`);
    t.same(copy, bytes, 'unchanged');
  }
  const refused: string[] = [];
  new WebSocketFrames('client', true, { take: () => {}, refuse: (why) => void refused.push(why) }).feed(
    masked(0xc1, 'x'),
  );
  t.same(refused, ['a message that an extension has changed']);
});
