// HTTP/1.1 as curl speaks it: expectations, upgrades that are offered, event streams, ranges, bodies without a length.

import { spawn } from 'node:child_process';
import { createServer as createHttp } from 'node:http';
import { createServer as createTcp } from 'node:net';
import type { Server } from 'node:net';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { asRequest, enterNamespace, listenOn, makeAuthority, makeRig, open, shut } from './rig.ts';
import type { Rig } from './rig.ts';

enterNamespace();
const authority = makeAuthority();
const directory = mkdtempSync(join(tmpdir(), 'curl-test-'));
t.teardown(() => rmSync(directory, { recursive: true }));
const upload = join(directory, 'upload');
writeFileSync(upload, 'x'.repeat(100_000));
const listen = (server: Server) => listenOn(t, server);
const rigOf = async (port: number, limits = {}): Promise<Rig> => {
  const rig = await makeRig(authority, port, { limits: { lingerMs: 50, ...limits } });
  t.teardown(() => rig.close());
  return rig;
};
interface Run {
  readonly code: number | null;
  readonly out: string;
  /** curl's own words with -v. */
  readonly said: string;
}
function curl(rig: Rig, args: readonly string[], onOut: (text: string) => void = () => {}): Promise<Run> {
  const to = ['--connect-to', `::127.0.0.1:${rig.port}`, 'http://origin.test/path'];
  const child = spawn('curl', ['-svN', '-m', '8', ...args, ...to]);
  let [out, said] = ['', ''];
  child.stdout.on('data', (bytes: Buffer) => {
    out += bytes.toString('latin1');
    onOut(out);
  });
  child.stderr.on('data', (bytes: Buffer) => (said += bytes.toString('latin1')));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, said })));
}
/** A server that reads a head and does what it is told with the rest, by hand. */
const byHand = (serve: (head: string, write: (text: string) => void, rest: () => number) => void) =>
  listen(
    createTcp({ allowHalfOpen: true }, (socket) => {
      let text = '';
      let isAsked = false;
      let headBytes = 0;
      socket.on('error', () => {});
      socket.on('end', () => socket.end());
      socket.on('data', (bytes: Buffer) => {
        text += bytes.toString('latin1');
        const end = text.indexOf('\r\n\r\n');
        if (end < 0 || isAsked) return;
        isAsked = true;
        headBytes = end + 4;
        serve(
          text.slice(0, end),
          (answer) => void socket.write(answer),
          () => text.length - headBytes,
        );
      });
    }),
  );
const within = async (condition: () => boolean) => {
  for (let i = 0; i < 400 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  return condition();
};
const expecting = ['-H', 'Expect: 100-continue', '--expect100-timeout', '5', '-T', upload];
const final = (status: string, body: string) =>
  `HTTP/1.1 ${status}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

await t.test('Expect: 100-continue in every order', async (t) => {
  let before = -1;
  const asked = await byHand((head, write, rest) => {
    before = rest();
    write('HTTP/1.1 100 Continue\r\n\r\n');
    void within(() => rest() === 100_000).then(() =>
      write(final('200 OK', `${rest()} ${/expect/i.test(head)}`)),
    );
  });
  const first = await curl(await rigOf(asked), expecting);
  t.equal(first.out, '100000 true', 'the body follows the 100');
  t.equal(before, 0, 'and not before');
  t.match(first.said, /HTTP\/1\.1 100 Continue/);

  for (const [status, body] of [
    ['200 OK', 'early'],
    ['417 Expectation Failed', 'no'],
    ['403 Forbidden', 'stop'],
  ] as const) {
    let sent = -1;
    const port = await byHand((_head, write, rest) => {
      write(final(status, body));
      setTimeout(() => (sent = rest()), 100);
    });
    const rig = await rigOf(port);
    // curl sends a body again, without the field, after 417: the same server says the same.
    const run = await curl(rig, expecting);
    t.match(run.out, new RegExp(`${body}$`), `${status} without a 100`);
    await within(() => sent >= 0);
    await rig.until(() => rig.closed('request').length >= 1);
    t.equal(rig.closed('request')[0]?.http?.status, Number(status.slice(0, 3)));
  }

  const eager = await byHand((_head, write, rest) => {
    void within(() => rest() === 100_000).then(() => write(final('200 OK', String(rest()))));
  });
  t.equal(
    (
      await curl(await rigOf(eager), [
        '-H',
        'Expect: 100-continue',
        '--expect100-timeout',
        '0.05',
        '-T',
        upload,
      ])
    ).out,
    '100000',
  );
  t.equal(
    (await curl(await rigOf(eager), ['-H', 'Expect:', '-T', upload])).out,
    '100000',
    'without the field',
  );

  const rig = await rigOf(asked);
  rig.request = () => asRequest(shut);
  const blocked = await curl(rig, expecting);
  t.match(blocked.said, /HTTP\/1\.1 403 Forbidden/);
  t.notMatch(blocked.said, /100 Continue|We are completely uploaded/, 'a block takes no body');
  await rig.until(() => rig.closed('request').length === 1);
  t.ok(rig.closed('request')[0]!.bytes!.sent < 1000);
  t.same(rig.errors, []);
});

await t.test('an offer of h2c is taken out, and the request goes on', async (t) => {
  const heads: string[] = [];
  const port = await byHand((head, write) => {
    heads.push(head);
    write(final('200 OK', 'plain'));
  });
  const rig = await rigOf(port);
  t.equal((await curl(rig, ['--http2'])).out, 'plain');
  t.notMatch(heads[0], /upgrade|http2-settings/i);
  t.equal(
    (await curl(await rigOf(port), ['-H', 'Connection: Upgrade', '-H', 'Upgrade: TLS/1.2, h2c'])).out,
    'plain',
  );
  t.notMatch(heads[1], /upgrade/i);
});

await t.test('events arrive one by one, and a quiet stream is not idle', async (t) => {
  let push: (text: string) => void = () => {};
  const stream = createHttp((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    response.flushHeaders();
    push = (text) => (text === '' ? response.end() : response.write(text));
  });
  const rig = await rigOf(await listen(stream), { bodyIdleMs: 150 });
  let seen = '';
  const run = curl(rig, ['-H', 'Accept: text/event-stream'], (text) => (seen = text));
  await rig.until(() => rig.records.length > 1);
  for (let i = 1; i <= 3; i++) {
    await within(() => push.length === 1);
    push(`data: ${i}\n\n`);
    t.ok(await within(() => seen.endsWith(`data: ${i}\n\n`)), `event ${i} before the next is made`);
  }
  await new Promise((resolve) => setTimeout(resolve, 500));
  push(': heartbeat\n\n');
  push('');
  t.match(await run, { code: 0, out: 'data: 1\n\ndata: 2\n\ndata: 3\n\n: heartbeat\n\n' });
  await rig.until(() => rig.closed('request').length === 1);
  t.equal(rig.closed('request')[0]?.ended, null);
});

await t.test('an upload is sent on as it comes, and what stalls otherwise is idle', async (t) => {
  let body = '';
  const server = createHttp((request, response) => {
    request.on('data', (bytes: Buffer) => (body += bytes.toString()));
    request.on('end', () => response.end('done'));
  });
  const rig = await rigOf(await listen(server));
  const to = ['--connect-to', `::127.0.0.1:${rig.port}`, 'http://origin.test/'];
  const child = spawn('curl', ['-sN', '-m', '8', '-T', '-', '-H', 'Expect:', ...to], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  for (const word of ['one ', 'two ', 'three']) {
    child.stdin.write(word);
    t.ok(await within(() => body.endsWith(word)), `${word}before the next is written`);
  }
  child.stdin.end();
  await new Promise((resolve) => child.on('close', resolve));
  const stalling = await byHand((_head, write) =>
    write('HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nabc'),
  );
  t.match(
    await curl(await rigOf(stalling, { bodyIdleMs: 150 }), []),
    { out: 'abc', code: 18 },
    'cut by the time limit',
  );
});

await t.test('ranges, bodies without a length and HTTP/1.0', async (t) => {
  const content = 'abcdefghij';
  const server = createHttp((request, response) => {
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    if (from === undefined) return void response.end(`${request.httpVersion} ${content}`);
    if (Number(from) > 9) return void response.writeHead(416, { 'content-range': 'bytes */10' }).end();
    const part = content.slice(Number(from), Number(to) + 1);
    return void response
      .writeHead(206, { 'content-range': `bytes ${from}-${to}/10`, 'content-length': part.length })
      .end(part);
  });
  const rig = await rigOf(await listen(server));
  const status = ['-w', ' %{http_code}'];
  t.equal((await curl(rig, [...status, '-r', '2-4'])).out, 'cde 206');
  t.equal((await curl(rig, [...status, '-r', '20-30'])).out, ' 416');
  t.equal((await curl(rig, [...status, '-r', '0-0'])).out, 'a 206');
  t.match((await curl(rig, [...status, '-0'])).out, /^1\.[01] abcdefghij 200$/);
  t.same(
    rig.closed('request').map(({ http }) => [http?.version, http?.status]),
    [
      ['1.1', 206],
      ['1.1', 416],
      ['1.1', 206],
      ['1.0', 200],
    ],
  );
  const endless = await listen(
    createTcp((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\n\r\n${content.repeat(1000)}`));
    }),
  );
  const old = await listen(
    createTcp((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end('HTTP/1.0 200 OK\r\n\r\nold'));
    }),
  );
  t.equal((await curl(await rigOf(endless), [])).out.length, 10_000);
  t.match(await curl(await rigOf(old), []), { out: 'old', code: 0 });
  t.match(await curl(await rigOf(old), ['-0']), { out: 'old', code: 0 });
});

await t.test('a sparse file of 100 MB goes up in flat memory', async (t) => {
  const file = join(directory, 'sparse');
  writeFileSync(file, '');
  truncateSync(file, 100 * 1024 * 1024);
  let arrived = 0;
  const server = createHttp((request, response) => {
    request.on('data', (bytes: Buffer) => (arrived += bytes.length));
    request.on('end', () => response.end('done'));
  });
  const rig = await rigOf(await listen(server));
  rig.request = () => asRequest(open);
  const before = process.memoryUsage.rss();
  let peak = 0;
  const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 20);
  t.equal((await curl(rig, ['-T', file])).out, 'done');
  clearInterval(watch);
  t.equal(arrived, 100 * 1024 * 1024);
  t.ok(peak - before < 150 * 1024 * 1024, `grew by ${Math.round((peak - before) / 1_048_576)} MB`);
  await rig.until(() => rig.closed('request').length === 1);
  t.ok(rig.closed('request')[0]!.bytes!.sent > arrived);
});
