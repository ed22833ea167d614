// Answers that are kept until they were decided: they go on as they came, or not at all; and requests of the gateway's
// own that are made meanwhile.

import type { TLSSocket } from 'node:tls';
import { createServer as createTlsServer } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import type { OwnAnswer, SendOwn } from '../../flow/action-facts.ts';
import type { Interpreter } from '../../flow/asked-request.ts';
import type { Held } from '../../flow/held.ts';
import type { ActionTouch, Operation } from '../../flow/operation.ts';
import type { ActionRefusal } from '../../policy/actions.ts';
import type { ProxyPorts } from '../../proxy/options.ts';
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
  shut,
} from './rig.ts';

enterNamespace();
const authority = makeAuthority();
const host = 'launch.example';
const bad = '{"bad":1}';
const large = 'x'.repeat(20_000);
const chunked = (text: string): string =>
  [...text.matchAll(/[^]{1,5}/g)].map(([part]) => `${part.length.toString(16)}\r\n${part}\r\n`).join('') +
  '0\r\n\r\n';
const byLength = (body: string | Buffer, status = '200 OK', fields = ''): string =>
  `HTTP/1.1 ${status}\r\n${fields}Content-Length: ${Buffer.byteLength(body as string)}\r\n\r\n${body.toString('latin1')}`;
const ok = 'HTTP/1.1 200 OK\r\n';

/** By path what the server sends, and whether it closes then. */
const answers: Readonly<Record<string, readonly [text: string, isLast?: boolean]>> = {
  '/good': [byLength('{"good":1}')],
  '/bad': [byLength(bad)],
  '/chunked': [`${ok}Transfer-Encoding: chunked\r\n\r\n${chunked('{"good":1}')}`],
  '/bad-chunked': [`${ok}Transfer-Encoding: chunked\r\n\r\n${chunked(bad)}`],
  '/until-close': [`${ok}\r\n{"good":1}`, true],
  '/bad-until-close': [`${ok}\r\n${bad}`, true],
  '/closes': [byLength('{"good":1}', '200 OK', 'Connection: close\r\n'), true],
  '/gzip': [byLength(gzipSync('{"good":1}'), '200 OK', 'Content-Encoding: gzip\r\n')],
  '/bad-gzip': [byLength(gzipSync(bad), '200 OK', 'Content-Encoding: gzip\r\n')],
  '/coded': [byLength('{"good":1}', '200 OK', 'Content-Encoding: nobody\r\n')],
  '/large': [byLength(large)],
  '/not-found': [byLength(bad, '404 Not Found')],
  '/empty': [byLength('')],
  '/surplus': [`${byLength('{"good":1}')}HTTP/1.1 200 OK\r\n\r\n`],
  '/broken': [`${ok}Content-Length: 99\r\n\r\n{"good":1}`, true],
  '/slow': [ok],
  '/garbage': ['SSH-2.0-x\r\n\r\n', true],
  '/endless-head': [`${ok}X: ${'x'.repeat(40_000)}`],
};
const server = createTlsServer(
  { SNICallback: (name, done) => done(null, authority.contextFor(name)) },
  (socket: TLSSocket) => {
    let head = '';
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => {
      head += bytes.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      const [text, isLast = false] = answers[head.split(' ')[1] ?? ''] ?? [''];
      head = '';
      // In two pieces, as a network may deliver it.
      socket.write(text.slice(0, 30), 'latin1');
      socket.write(text.slice(30), 'latin1');
      if (isLast) socket.end();
    });
  },
);
const port = await listenOn(t, server);

const touch = (owner: string): ActionTouch => ({
  kind: 'action',
  access: 'read',
  owner,
  name: 'tool',
  path: '',
  ref: 'v1',
});
const operationOf = (owners: readonly string[]): Operation => ({
  platform: 'github',
  server: 'github.com',
  name: 'actions/resolve',
  access: 'read',
  touches: owners.map(touch),
  needs: [{}],
  ungrantable: [],
  sureness: 'known',
  widens: false,
  credential: null,
  detail: null,
});
const read: string[] = [];
const interpreter: Interpreter = {
  understand: () => ({
    operation: operationOf(['asked']),
    evidence: [],
    review: {
      limits: { maxBytes: 4_096, maxDecodedBytes: 8_192, maxRatio: 50 },
      wantsBody: ({ status }) => status === 200,
      read: (body: Held) => {
        const text = body.kind === 'whole' ? body.body.toString() : `opaque: ${body.detail}`;
        read.push(text);
        const operation = operationOf([text.includes('good') && !text.startsWith('opaque') ? 'good' : 'bad']);
        return { operation, grants: [[]], tokens: [null] };
      },
    },
  }),
};
const refusal = ({ owner }: ActionTouch): ActionRefusal | null =>
  owner === 'bad' ? { reason: 'moved-ref', rule: 'actions.movedRef', isRecordedOnly: false } : null;

interface Setup {
  readonly isEnforced?: boolean;
  readonly look?: (send: SendOwn | null) => Promise<void>;
}

async function setUp({ isEnforced = true, look = async () => {} }: Setup) {
  const noted: string[] = [];
  const blocked = { ...shut, enforced: isEnforced, reason: 'moved-ref', rule: 'actions.movedRef' } as const;
  const mode = isEnforced ? 'block' : 'audit';
  const ports: Partial<ProxyPorts> = {
    interpreter,
    attribution: { attribute: () => jobNamed('one') },
    decider: () => ({
      revision: 'r0',
      host: () => asHost(open),
      request: (_who, { operation }) => {
        const isBad = operation?.touches.some((one) => one.kind === 'action' && refusal(one) !== null);
        return asRequest(isBad === true ? { ...blocked, mode } : open);
      },
      name: () => ({ ...open, rule: null }),
      dial: () => null,
      actions: { asksRepositories: true, refusal },
    }),
    actionFacts: {
      look: async ({ operation }, _runner, send) => {
        await look(send);
        return { operation, evidence: [{ kind: 'look-alike', detail: 'looked at' }] };
      },
      note: (_server, touches) => noted.push(...touches.map(({ owner }) => owner ?? '')),
    },
  };
  const rig = await makeRig(authority, port, ports);
  return { rig, noted };
}

async function ask(rig: { readonly port: number }, ...paths: readonly string[]): Promise<string> {
  const client = await openTls(rig.port, host, authority.ca);
  const text = paths
    .map((path, at) => {
      const last = at === paths.length - 1 ? 'Connection: close\r\n' : '';
      return `GET ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\n${last}\r\n`;
    })
    .join('');
  return collect(client, text);
}

t.test('an answer goes on as it came, or the runner is told', async (t) => {
  const { rig, noted } = await setUp({ look: () => sleep(5) });
  t.teardown(rig.close);
  const told =
    /^HTTP\/1\.1 422 [^]*"asked|"bad\/tool@v1":\{"message":"Sallyport blocked the action bad\/tool@v1/;
  const rows: readonly (readonly [path: string, expected: 'same' | 'told' | 'cut'])[] = [
    ['/good', 'same'],
    ['/bad', 'told'],
    ['/chunked', 'same'],
    ['/bad-chunked', 'told'],
    ['/until-close', 'same'],
    ['/bad-until-close', 'told'],
    ['/closes', 'same'],
    ['/gzip', 'same'],
    ['/bad-gzip', 'told'],
    ['/coded', 'told'],
    ['/large', 'told'],
    ['/not-found', 'same'],
    ['/empty', 'same'],
    ['/surplus', 'same'],
    ['/broken', 'cut'],
    ['/slow', 'cut'],
  ];
  for (const [path, expected] of rows) {
    if (path === '/slow') continue;
    const answer = await ask(rig, path);
    const sent = answers[path]![0];
    const whole = path === '/surplus' ? byLength('{"good":1}') : sent;
    if (expected === 'same') t.equal(answer, whole, path);
    else if (expected === 'told') t.match(answer, told, path);
    else t.match(answer, /^HTTP\/1\.1 502 /, path);
    if (expected !== 'same') t.notMatch(answer, sent.slice(-8), `${path}: nothing of it went on`);
  }
  await rig.until(() => rig.closed('request').length === rows.length - 1);
  const decisions = rig.closed('request').map(({ http, decision, evidence }) => {
    const looked = evidence.some(({ detail }) => detail === 'looked at');
    return `${http?.path} ${decision.verdict}${looked ? ' looked' : ''}`;
  });
  t.same(decisions.slice(0, 4), [
    '/good allow looked',
    '/bad block looked',
    '/chunked allow looked',
    '/bad-chunked block looked',
  ]);
  t.ok(decisions.includes('/not-found allow'), 'other answers are not looked at');
  t.same([...new Set(noted)], ['good'], 'only what may be had is remembered');
  t.ok(read.includes('opaque: the answer is larger than what is held'));
  t.match(await ask(rig, '/good', '/chunked', '/gzip'), /good[^]*200 OK[^]*200 OK/, 'one after the other');
  t.same(rig.errors, []);
});

t.test('in audit mode everything goes on, also what is too large', async (t) => {
  const { rig } = await setUp({ isEnforced: false });
  t.teardown(rig.close);
  for (const path of ['/bad', '/bad-chunked', '/bad-until-close', '/coded', '/large'])
    t.equal(await ask(rig, path), answers[path]![0], path);
  const [first] = rig.closed('request');
  t.match(first?.decision, { verdict: 'block', enforced: false, reason: 'moved-ref' });
});

t.test('a client that leaves meanwhile, and an error of ours', async (t) => {
  const { rig } = await setUp({ look: () => sleep(50) });
  t.teardown(rig.close);
  const client = await openTls(rig.port, host, authority.ca);
  client.write(`GET /good HTTP/1.1\r\nHost: ${host}:${port}\r\n\r\n`);
  await sleep(25);
  client.destroy();
  await rig.until(() => rig.closed('request').length === 1);
  await sleep(60);
  t.same(rig.errors, []);
  const failing = await setUp({ look: () => Promise.reject(new Error('ours')) });
  t.teardown(failing.rig.close);
  t.notMatch(await ask(failing.rig, '/good'), 'good');
  t.match(failing.rig.closed('request')[0]?.ended, 'internal-error');
});

t.test('requests of the gateway’s own are bounded, and fail as values', async (t) => {
  const got = new Map<string, OwnAnswer>();
  const paths = [
    '/good',
    '/chunked',
    '/until-close',
    '/not-found',
    '/large',
    '/broken',
    '/slow',
    '/garbage',
    '/endless-head',
  ];
  const sendAll = async (send: SendOwn | null): Promise<void> => {
    const one = { host, method: 'POST', fields: { 'x-a': '1' }, body: Buffer.from('q') } as const;
    for (const path of paths) got.set(path, await send!({ ...one, path, maxBytes: 10_000, timeMs: 200 }));
    const elsewhere = await send!({ ...one, host: 'nowhere.example', path: '/', maxBytes: 1, timeMs: 200 });
    got.set('elsewhere', elsewhere);
  };
  const { rig } = await setUp({ look: sendAll });
  t.teardown(rig.close);
  t.match(await ask(rig, '/good'), /good/);
  const said = [...got].map(([path, answer]) => {
    const text = answer.kind === 'failed' ? answer.detail : `${answer.status} ${answer.body.toString()}`;
    return `${path}: ${text}`;
  });
  t.same(said.slice(0, 9), [
    '/good: 200 {"good":1}',
    '/chunked: 200 {"good":1}',
    '/until-close: 200 {"good":1}',
    '/not-found: 404 {"bad":1}',
    '/large: launch.example answers with more than is read',
    '/broken: launch.example closed the connection early',
    '/slow: launch.example did not answer in time',
    '/garbage: launch.example answers with something else than HTTP',
    '/endless-head: launch.example answers with something else than HTTP',
  ]);
  t.match(said[9], /^elsewhere: nowhere\.example is not reached: (?:connect-failed|timeout)$/);
});
