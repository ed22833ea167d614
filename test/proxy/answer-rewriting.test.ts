// Lists of versions that go on shortened: decoded, in chunks of our own, asked for as whoever shortens them wants it.

import { createServer } from 'node:tls';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import type { AnswerTransform, Interpreter, KeepVersion } from '../../flow/asked-request.ts';
import type { Operation } from '../../flow/operation.ts';
import { startHttp2 } from '../../proxy/h2/relay.ts';
import { answerHttp2 } from '../../proxy/h2/whole-answer.ts';
import { collect, enterNamespace, listenOn, makeAuthority, makeRig, openTls } from './rig.ts';
import type { Rig } from './rig.ts';

enterNamespace();
const authority = makeAuthority();
const list = '1.0.0 2.0.0 3.0.0';
const plain = `Content-Length: ${list.length}\r\n\r\n${list}`;
const coded = gzipSync(list);
/** What the server says after its status line and fields, by path. */
const answers: Readonly<Record<string, Buffer>> = {
  '/list': Buffer.from(plain),
  '/gzip': Buffer.concat([
    Buffer.from(`Content-Encoding: gzip\r\nContent-Length: ${coded.length}\r\n\r\n`),
    coded,
  ]),
  '/chunked': Buffer.from(`Transfer-Encoding: chunked\r\n\r\n5\r\n1.0.0\r\nc\r\n 2.0.0 3.0.0\r\n0\r\n\r\n`),
  '/until-close': Buffer.from(`Connection: close\r\n\r\n${list}`),
  '/broken': Buffer.from(plain.slice(0, -3)),
  '/coded': Buffer.from(`Content-Encoding: rot13\r\n${plain}`),
  '/refused': Buffer.from(plain),
  '/other': Buffer.from(`X-Other: yes\r\n${plain}`),
};
const heads: string[] = [];
const server = createServer(
  { SNICallback: (name, done) => done(null, authority.contextFor(name)), ALPNProtocols: ['http/1.1'] },
  (socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => {
      const text = bytes.toString('latin1');
      heads.push(text);
      const path = text.split(' ')[1]!;
      socket.write('HTTP/1.1 200 OK\r\nETag: "x"\r\nX-Kept: y\r\n');
      socket.write(answers[path]!);
      if (path === '/until-close' || path === '/broken') socket.end();
    });
  },
);
const port = await listenOn(t, server);

const operation: Operation = {
  platform: 'npm',
  server: 'npmjs.com',
  name: 'npm/metadata',
  access: 'read',
  touches: [],
  needs: [{}],
  ungrantable: [],
  sureness: 'known',
  widens: true,
  credential: null,
  detail: null,
};

class Shorten implements AnswerTransform {
  readonly #keep: KeepVersion;
  readonly #isRefused: boolean;
  #text = '';
  constructor(keep: KeepVersion, isRefused: boolean) {
    this.#keep = keep;
    this.#isRefused = isRefused;
  }
  get heldBytes(): number {
    return this.#text.length;
  }
  push(chunk: Buffer): readonly Buffer[] {
    this.#text += chunk.toString();
    return [];
  }
  end(): ReturnType<AnswerTransform['end']> {
    if (this.#isRefused) return { kind: 'refused', detail: 'not to be read' };
    const all = this.#text.split(' ');
    const kept = all.filter((version) => this.#keep(version, null, null));
    const removed = all.filter((version) => !kept.includes(version));
    return { kind: 'whole', rest: [Buffer.from(kept.join(' '))], removed };
  }
}

const interpreter: Interpreter = {
  understand: ({ path }) => ({
    operation,
    evidence: [],
    rewrite: {
      ask: { accept: 'application/json', 'if-none-match': null },
      forget: ['etag'],
      open: (head, keep) => (head.header('x-other') === null ? new Shorten(keep, path === '/refused') : null),
    },
  }),
};

async function start(wants = true): Promise<Rig> {
  heads.length = 0;
  const rig = await makeRig(authority, port, {
    interpreter,
    http2: { start: startHttp2, answer: answerHttp2 },
    keepVersion: () => (wants ? (version) => version !== '2.0.0' : null),
    rewrites: (_who, host) => wants && host === 'list.test',
  });
  t.teardown(() => rig.close());
  return rig;
}

async function ask(rig: Rig, path: string, version = '1.1', more = ''): Promise<string> {
  const client = await openTls(rig.port, 'list.test', authority.ca);
  const head = `GET ${path} HTTP/${version}\r\nHost: list.test\r\nAccept: */*\r\nIf-None-Match: "x"\r\n${more}\r\n`;
  return collect(client, head, /0\r\n\r\n$/);
}

const short = 'b\r\n1.0.0 3.0.0\r\n0\r\n\r\n';

t.test('what policy refuses is not in the list, whatever frames and codes it', async (t) => {
  const rig = await start();
  for (const path of ['/list', '/gzip', '/chunked', '/until-close']) {
    const answer = await ask(rig, path);
    t.match(answer, /^HTTP\/1\.1 200 OK\r\n/, path);
    t.ok(answer.endsWith(`\r\n\r\n${short}`), path);
    t.match(answer, /\r\nX-Kept: y\r\n/);
    t.notMatch(answer, /ETag|Content-Length|Content-Encoding/i);
    t.equal(answer.match(/Transfer-Encoding: chunked/g)?.length, 1);
  }
  for (const head of heads) {
    t.match(head, /\r\naccept: application\/json\r\n/);
    t.notMatch(head, /Accept: \*|If-None-Match/);
  }
  await rig.until(() => rig.closed('request').length === 4);
  for (const { evidence } of rig.closed('request'))
    t.same(evidence, [{ kind: 'package-age', detail: 'left out of the list: 2.0.0' }]);
  t.match(
    await ask(rig, '/list', '1.0', 'Connection: keep-alive\r\n'),
    /Connection: close\r\n\r\n1\.0\.0 3\.0\.0$/,
  );
  t.same(rig.errors, []);
});

t.test('what cannot be read safely is refused in words, and what is no list passes', async (t) => {
  const rig = await start();
  t.match(await ask(rig, '/coded', '1.1', 'Connection: close\r\n'), /^HTTP\/1\.1 403 [^]*unknown-age/);
  t.match(await ask(rig, '/refused', '1.1', 'Connection: close\r\n'), /^HTTP\/1\.1 403 /);
  t.match(await ask(rig, '/broken', '1.1', 'Connection: close\r\n'), /^HTTP\/1\.1 502 /);
  const other = await ask(rig, '/other', '1.1', 'Connection: close\r\n');
  t.ok(other.endsWith(`\r\n\r\n${list}`) && other.includes('ETag'), 'as it came');
});

t.test('where policy does not ask for it nothing is touched', async (t) => {
  const rig = await start(false);
  const answer = await ask(rig, '/list', '1.1', 'Connection: close\r\n');
  t.ok(answer.endsWith(`\r\n\r\n${list}`) && answer.includes('ETag'));
  t.match(heads[0], /Accept: \*\/\*\r\nIf-None-Match: "x"/);
});
