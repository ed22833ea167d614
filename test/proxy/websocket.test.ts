// WebSockets over HTTP/1.1: frames followed both ways, handshakes checked, and whatever is no frame ends the tunnel.

import fc from 'fast-check';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import t from 'tap';
import { readAcceptance, handshakeProblem } from '../../proxy/websocket-handshake.ts';
import { WebSocketFrames } from '../../proxy/websocket-frames.ts';
import { asRequest, collect, enterNamespace, makeAuthority, makeRig, open, serverAddress } from './rig.ts';

enterNamespace();
const authority = makeAuthority();
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const none = { messages: 0, bytes: 0 };
const nothing = { text: none, binary: none, close: none, ping: none, pong: none };

await t.test('frames are counted by opcode, in whatever pieces they come', (t) => {
  // A fragmented text of 3 + 2 bytes with a ping within, a binary of 256 bytes, a close with its code.
  const bytes = Buffer.concat([
    hex('01 03 414141 89 02 7070 80 02 4141'),
    hex('82 7e 0100'),
    Buffer.alloc(256),
    hex('82 7f 0000000000010000'),
    Buffer.alloc(65_536),
    hex('88 02 03e8'),
  ]);
  for (const size of [1, 2, 3, 7, 1000, bytes.length]) {
    const frames = new WebSocketFrames('server', false);
    let problem: string | null = null;
    for (let at = 0; at < bytes.length; at += size) problem ??= frames.feed(bytes.subarray(at, at + size));
    t.equal(problem, null);
    t.same(frames.counts, {
      ...nothing,
      text: { messages: 1, bytes: 5 },
      binary: { messages: 2, bytes: 65_792 },
      close: { messages: 1, bytes: 2 },
      ping: { messages: 1, bytes: 2 },
    });
  }
  const client = new WebSocketFrames('client', false);
  t.equal(client.feed(hex('81 85 37fa213d 7f9f4d5158')), null, 'the masked Hello of RFC 6455 5.7');
  t.same(client.counts.text, { messages: 1, bytes: 5 });
  t.equal(new WebSocketFrames('server', true).feed(hex('c1 01 00')), null, 'a compressed message (RFC 7692)');
  t.end();
});

await t.test('a broken frame is known by its head', (t) => {
  const cases: readonly [title: string, bytes: string][] = [
    ['masked by a server', '81 80 00000000'],
    ['a reserved bit', 'c1 00'],
    ['opcode 3', '83 00'],
    ['opcode 11', '8b 00'],
    ['a continuation of nothing', '80 00'],
    ['a message within a message', '01 00 81 00'],
    ['a ping in fragments', '09 00'],
    ['a ping of 126 bytes', '89 7e 007e'],
    ['half a close code', '88 01 03'],
    ['125 bytes as two bytes', '82 7e 007d'],
    ['65535 bytes as eight bytes', '82 7f 000000000000ffff'],
    ['more than 2^53 bytes', '82 7f 0020000000000000'],
    ['the highest bit of the length', '82 7f 8000000000000000'],
    ['a text after the close frame', '88 00 81 00'],
    ['SSH', '5353482d322e302d4f70656e535348'],
  ];
  for (const [title, bytes] of cases) {
    const frames = new WebSocketFrames('server', false);
    const problem = frames.feed(hex(bytes));
    t.type(problem, 'string', title);
    t.equal(frames.feed(hex('81 00')), problem, `${title}: for good`);
  }
  t.type(new WebSocketFrames('client', false).feed(hex('81 00')), 'string', 'a client without a mask');
  t.equal(new WebSocketFrames('server', false).feed(hex('88 00 8a 00')), null, 'a late pong is none');
  t.end();
});

await t.test('arbitrary bytes never throw, and pieces make no difference', (t) => {
  const piece = fc.uint8Array({ maxLength: 40 });
  const frame = fc
    .tuple(
      fc.constantFrom(0, 1, 2, 8, 9, 10, 128, 129, 130, 136, 137, 138, 193),
      fc.uint8Array({ maxLength: 130 }),
    )
    .map(([first, body]) =>
      Buffer.concat([
        Buffer.from(body.length < 126 ? [first, body.length] : [first, 126, 0, body.length]),
        body,
      ]),
    );
  const stream = fc.array(fc.oneof(frame, piece), { maxLength: 8 }).map((parts) => Buffer.concat(parts));
  fc.assert(
    fc.property(stream, fc.integer({ min: 1, max: 9 }), fc.boolean(), (bytes, size, isClient) => {
      const whole = new WebSocketFrames(isClient ? 'client' : 'server', false);
      const pieces = new WebSocketFrames(isClient ? 'client' : 'server', false);
      const expected = whole.feed(bytes);
      let problem: string | null = null;
      for (let at = 0; at < bytes.length; at += size) problem = pieces.feed(bytes.subarray(at, at + size));
      return problem === expected && JSON.stringify(whole.counts) === JSON.stringify(pieces.counts);
    }),
    { numRuns: Number(process.env['FUZZ_CASES'] ?? 2000) },
  );
  t.end();
});

const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==';
const accept = 'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=';
const requestOf = (...fields: string[]) =>
  `GET /chat HTTP/1.1\r\nHost: ws.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${fields.join('\r\n')}\r\n\r\n`;
const answerOf = (...fields: string[]) =>
  `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n${fields.join('\r\n')}\r\n\r\n`;

await t.test('handshakes are held against RFC 6455', (t) => {
  const version = 'Sec-WebSocket-Version: 13';
  const requests: readonly [title: string, fields: string[], isGood: boolean][] = [
    ['complete', [key, version], true],
    ['no key', [version], false],
    ['two keys', [key, key, version], false],
    ['a key of 15 bytes', ['Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA', version], false],
    ['a key that is not canonical', ['Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAB==', version], false],
    ['no version', [key], false],
    ['another version', [key, 'Sec-WebSocket-Version: 8'], false],
  ];
  for (const [title, fields, isGood] of requests)
    t.equal(handshakeProblem(Buffer.from(requestOf(...fields)), 'GET', '1.1') === null, isGood, title);
  t.type(handshakeProblem(Buffer.from(requestOf(key, version)), 'POST', '1.1'), 'string');
  const deflate = 'Sec-WebSocket-Extensions: permessage-deflate';
  const upgrade = 'Upgrade: WebSocket';
  const answers: readonly [title: string, fields: string[], outcome: boolean | null][] = [
    ['accepted', [upgrade, accept], false],
    ['accepted with an extension', [upgrade, accept, `${deflate}; server_no_context_takeover`], true],
    ['another key’s', [upgrade, 'Sec-WebSocket-Accept: AAAAMBiTxaQ9kYGzzhZRbK+xOo='], null],
    ['two of them', [upgrade, accept, accept], null],
    ['none', [upgrade], null],
    ['another protocol', ['Upgrade: h2c', accept], null],
    ['an extension that nobody offered', [upgrade, accept, 'Sec-WebSocket-Extensions: x-mux'], null],
  ];
  const request = Buffer.from(requestOf(key, version, `${deflate}; client_max_window_bits`));
  for (const [title, fields, outcome] of answers) {
    const read = readAcceptance(request, Buffer.from(answerOf(...fields)));
    t.equal(typeof read === 'string' ? null : read.hasExtensions, outcome, title);
  }
  t.end();
});

await t.test('a WebSocket is recorded with its frames, and ends at whatever is no frame', async (t) => {
  let arrived = '';
  let answer = answerOf('Upgrade: websocket', accept);
  let back = hex('81 02 6f6b');
  const server = createServer((socket: Socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write(Buffer.concat([Buffer.from(answer), back]));
      socket.on('data', (bytes: Buffer) => (arrived += bytes.toString('latin1')));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, serverAddress, resolve));
  t.teardown(() => server.close());
  const rig = await makeRig(authority, (server.address() as AddressInfo).port);
  t.teardown(() => rig.close());
  rig.request = () => asRequest(open, { websocket: true });
  const request = requestOf(key, 'Sec-WebSocket-Version: 13');
  const exchange = async (frames: Buffer, until: RegExp) => {
    const before = rig.closed('request').length;
    const answered = await collect(
      connect(rig.port, '127.0.0.1'),
      Buffer.concat([Buffer.from(request), frames]),
      until,
    );
    await rig.until(() => rig.closed('request').length > before);
    return { answered, record: rig.closed('request').at(-1)! };
  };

  const good = await exchange(hex('81 85 37fa213d 7f9f4d5158 89 80 00000000'), /ok$/);
  await rig.until(() => arrived.length === 17);
  t.same(good.record.http?.webSocket, {
    sent: { ...nothing, text: { messages: 1, bytes: 5 }, ping: { messages: 1, bytes: 0 } },
    received: { ...nothing, text: { messages: 1, bytes: 2 } },
  });
  t.match(good.record, { http: { status: 101 }, ended: null, bytes: { sent: request.length + 17 } });

  arrived = '';
  const raw = await exchange(Buffer.from('SSH-2.0-x\r\n'), /never/);
  t.equal(raw.record.ended, 'malformed-websocket');
  t.equal(arrived, '', 'nothing of it arrived');
  back = Buffer.from('SSH-2.0-x\r\n');
  const speaking = await exchange(Buffer.alloc(0), /never/);
  t.equal(speaking.record.ended, 'malformed-websocket');
  t.notMatch(speaking.answered, /SSH/);
  answer = answerOf('Upgrade: websocket');
  const unproven = await exchange(Buffer.alloc(0), /\]\./);
  t.match(unproven.answered, /^HTTP\/1\.1 502 [^]*reason: upstream-protocol/);
  const keyless = await collect(connect(rig.port, '127.0.0.1'), requestOf(), /\]\./);
  t.match(keyless, /^HTTP\/1\.1 400 [^]*reason: malformed-request/);
  t.same(rig.errors, []);
});
