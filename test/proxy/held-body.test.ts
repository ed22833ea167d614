// Requests of HTTP/1 that are decided by their body: nothing of them leaves before, and what leaves is what came.

import { createServer } from 'node:http';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { loadPolicy } from '../../policy/load.ts';
import type { ProxyPorts } from '../../proxy/options.ts';
import { deciderOf } from '../../proxy/policy-decider.ts';
import {
  asRequest,
  enterNamespace,
  holdsBodies,
  listenOn,
  makeAuthority,
  makeRig,
  open,
  shut,
  talk,
} from './rig.ts';
import type { Rig } from './rig.ts';

enterNamespace();
const authority = makeAuthority();
const seen: string[] = [];
const server = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    seen.push(`${request.method} ${request.url} ${Buffer.concat(parts).toString('latin1')}`);
    response.end('done');
  });
});
const port = await listenOn(t, server);

/** A gateway that lets bodies pass unless they hold the word. */
async function start(test: { teardown(end: () => Promise<void>): void }, ports: Partial<ProxyPorts> = {}) {
  seen.length = 0;
  const interpreter = holdsBodies(
    (path) => (path.startsWith('/held') ? { maxBytes: 1_000, maxDecodedBytes: 4_000, maxRatio: 50 } : null),
    (held) => ({
      operation: null,
      evidence:
        held.kind === 'opaque'
          ? [{ kind: 'opaque-body', detail: held.detail }]
          : held.body.includes('secret')
            ? [{ kind: 'secret-in-request', detail: 'a secret' }]
            : [],
    }),
  );
  const rig = await makeRig(authority, port, { interpreter, ...ports });
  rig.request = ({ evidence }) => asRequest(evidence.length > 0 ? shut : open);
  test.teardown(() => rig.close());
  return rig;
}

const post = (path: string, body: string, more = '') =>
  `POST ${path} HTTP/1.1\r\nHost: a.example:${port}\r\nContent-Length: ${Buffer.byteLength(body, 'latin1')}\r\n${more}\r\n${body}`;
const chunked = (path: string, ...chunks: string[]) =>
  `POST ${path} HTTP/1.1\r\nHost: a.example:${port}\r\nTransfer-Encoding: chunked\r\n\r\n` +
  `${chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('')}0\r\n\r\n`;

/** Records of requests as they ended. */
const ended = (rig: Rig) =>
  rig
    .closed('request')
    .map(({ decision, http, evidence }) => [decision.verdict, http?.path, evidence[0]?.kind ?? null]);

void t.test('what the body says decides, and an allowed one goes on as it came', async (t) => {
  const rig = await start(t);
  t.match(await talk(rig.port, post('/held/1', 'plain'), /done$/), /200 OK[^]*done$/);
  t.match(await talk(rig.port, post('/held/2', 'a secret'), /\r\n\r\n/), /^HTTP\/1\.1 403/);
  t.match(
    await talk(rig.port, post('/free', 'a secret'), /done$/),
    /200 OK/,
    'control: what is not held passes',
  );
  t.match(await talk(rig.port, chunked('/held/3', 'pl', 'ain'), /done$/), /200 OK/);
  t.match(
    await talk(rig.port, chunked('/held/4', 'sec', 'ret'), /\r\n\r\n/),
    /^HTTP\/1\.1 403/,
    'across chunks',
  );
  t.same(seen, ['POST /held/1 plain', 'POST /free a secret', 'POST /held/3 plain']);
  t.same(ended(rig), [
    ['allow', '/held/1', null],
    ['block', '/held/2', 'secret-in-request'],
    ['allow', '/free', null],
    ['allow', '/held/3', null],
    ['block', '/held/4', 'secret-in-request'],
  ]);
  const opened = rig.records.filter(({ kind, phase }) => kind === 'request' && phase === 'opened');
  t.same(
    opened.map(({ decision }) => decision.verdict),
    ['allow', 'block', 'allow', 'allow', 'block'],
  );
});

void t.test('a body in single bytes, and the request behind it', async (t) => {
  const rig = await start(t);
  const socket = connect(rig.port, '127.0.0.1');
  let answers = '';
  socket.on('data', (bytes) => (answers += bytes.toString()));
  for (const byte of chunked('/held/1', 'ab', 'c') + post('/held/2', 'xy') + post('/held/3', 'secret')) {
    socket.write(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await rig.until(() => /403/.test(answers));
  socket.destroy();
  t.same(seen, ['POST /held/1 abc', 'POST /held/2 xy']);
});

void t.test('what is too large, or decodes to too much, is opaque', async (t) => {
  const rig = await start(t);
  const cases: readonly (readonly [string, string, string, RegExp])[] = [
    ['too long', post('/held', 'x'.repeat(1_500)), 'opaque-body', /403/],
    [
      'gzip',
      post('/held', gzipSync('a secret').toString('latin1'), 'Content-Encoding: gzip\r\n'),
      'secret-in-request',
      /403/,
    ],
    [
      'a bomb',
      post('/held', gzipSync(Buffer.alloc(200_000)).toString('latin1'), 'Content-Encoding: gzip\r\n'),
      'opaque-body',
      /403/,
    ],
    ['an unknown coding', post('/held', 'x', 'Content-Encoding: rot13\r\n'), 'opaque-body', /403/],
    ['no gzip at all', post('/held', 'secret', 'Content-Encoding: gzip\r\n'), 'opaque-body', /403/],
  ];
  for (const [title, text, kind, answer] of cases) {
    t.match(await talk(rig.port, Buffer.from(text, 'latin1'), /\r\n\r\n/), answer, title);
    t.equal(rig.closed('request').at(-1)!.evidence[0]?.kind, kind, title);
  }
  t.same(seen, []);
});

void t.test('a client that waits for leave gets it from here', async (t) => {
  const rig = await start(t);
  const socket = connect(rig.port, '127.0.0.1');
  let answers = '';
  socket.on('data', (bytes) => (answers += bytes.toString()));
  const [head, body] = post('/held', 'plain', 'Expect: 100-continue\r\n').split(/(?<=\r\n\r\n)/);
  socket.write(head!);
  await rig.until(() => answers.startsWith('HTTP/1.1 100 Continue\r\n\r\n'));
  t.same(seen, []);
  socket.write(body!);
  await rig.until(() => answers.endsWith('done'));
  socket.destroy();
  t.same(seen, ['POST /held plain']);
});

void t.test(
  'a body that breaks off, comes too slowly or is none ends in two records and no request',
  async (t) => {
    const rig = await start(t, { limits: { bodyIdleMs: 200, lingerMs: 50 } });
    const broken = chunked('/held/1', 'ab').replace('2\r\nab', '2\r\nabc');
    t.match(await talk(rig.port, broken, /\r\n\r\n/), /^HTTP\/1\.1 400/);
    const gone = connect(rig.port, '127.0.0.1');
    gone.write(post('/held/2', 'abcdef').slice(0, -2));
    await new Promise((resolve) => setTimeout(resolve, 50));
    gone.destroy();
    await rig.until(() => rig.closed('request').length === 2);
    t.match(
      await talk(rig.port, post('/held/3', 'abcdef').slice(0, -2), /\r\n\r\n/),
      /^HTTP\/1\.1 (?:403|408|504)/,
    );
    t.same(seen, []);
    const ids = (phase: string) =>
      rig.records.filter((record) => record.kind === 'request' && record.phase === phase).map(({ id }) => id);
    t.equal(ids('opened').length, 3);
    t.same(new Set(ids('opened')), new Set(ids('closed')));
  },
);

void t.test('a token that was made for another host goes nowhere, in a field or a held body', async (t) => {
  const text = `version: 1
mode: block
credentials: {foreignToken: block}
http: {id: x, host: a.example, scheme: http, port: ${port}, methods: any, addresses: 10.0.0.0/8}
`;
  const { policy } = loadPolicy({ entry: 'policy.yaml', files: { 'policy.yaml': text } });
  const rig = await start(t, { decider: () => deciderOf(policy) });
  const token = `ghp_${'a1B2'.repeat(9)}`;
  t.match(await talk(rig.port, post('/free', 'plain', 'X-Note: none\r\n'), /done$/), /200 OK/, 'control');
  t.match(await talk(rig.port, post('/held/1', 'plain'), /done$/), /200 OK/, 'control');
  t.match(
    await talk(rig.port, post('/free', 'plain', `X-Note: ${token}\r\n`), /\r\n\r\n/),
    /^HTTP\/1\.1 403/,
  );
  t.match(await talk(rig.port, post(`/free?t=${token}`, 'plain'), /\r\n\r\n/), /^HTTP\/1\.1 403/);
  t.match(await talk(rig.port, post('/held/2', `token=${token}`), /\r\n\r\n/), /^HTTP\/1\.1 403/);
  t.equal(seen.length, 2, 'nothing of the others left');
  await rig.until(() => rig.closed('request').length === 5);
  t.same(
    rig.closed('request').map(({ decision, evidence }) => [decision.reason, evidence[0]?.kind ?? null]),
    [
      ['rule', null],
      ['rule', null],
      ['foreign-token', 'secret-in-request'],
      ['foreign-token', 'secret-in-request'],
      ['foreign-token', 'secret-in-request'],
    ],
  );
  t.notMatch(JSON.stringify(rig.records.map(({ evidence }) => evidence)), token);
});
