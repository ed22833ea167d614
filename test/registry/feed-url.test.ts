// The malware feed from a URL: its forms, what is no whole feed, how it is asked for, and what is kept of it.

import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { connect as connectTcp, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { pino } from 'pino';
import t from 'tap';
import { readConfig } from '../../config.ts';
import { withoutFeedUrl } from '../../feed-config.ts';
import { feedConnector } from '../../feed-connection.ts';
import { FeedFromUrl } from '../../feed-from-url.ts';
import { tellFeed } from '../../feed-status.ts';
import { InvalidInputError } from '../../flow/errors.ts';
import { followFeeds } from '../../follow-feed.ts';
import { TestAuthority } from '../../netns/authority.ts';
import { fetchFeed, type FeedRequest } from '../../registry/fetch-feed.ts';
import { readFeedFile } from '../../registry/read-feed-file.ts';
import { fetchedFeedImage } from '../../store/state-directory.ts';
import { zipOf } from '../lab/zip.ts';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-feed-url-'));
t.teardown(() => rmSync(folder, { recursive: true }));
let files = 0;
function put(content: string | Buffer): string {
  const path = join(folder, `file${files++}`);
  writeFileSync(path, content);
  return path;
}
const advisory = (id: string, name: string): string =>
  JSON.stringify({ id, affected: [{ package: { ecosystem: 'npm', name } }] });
const many = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => advisory(`MAL-${i}`, `evil-${i}`));
const linesOf = (count: number): string => `${many(count).join('\n')}\n`;
const entries = (count: number): [string, string][] =>
  many(count).map((text, i) => [`npm/MAL-${i}.json`, text]);

t.test('a feed is read whatever its form, and not when it is cut or mostly something else', async (t) => {
  const forms: Readonly<Record<string, string | Buffer>> = {
    'one a line': linesOf(3),
    'one a line, the last without its end': many(3).join('\n'),
    'one list': `[${many(3).join(',')}]`,
    'one list over lines': JSON.stringify(JSON.parse(`[${many(3).join(',')}]`), null, 2),
    zip: zipOf(entries(3)),
    'zip in the larger form': zipOf(entries(3), { isLarge: true }),
    'zip, not packed': zipOf(entries(3), { method: 0 }),
    'zip with other files': zipOf([...entries(3), ['README.md', 'no advisory']]),
  };
  for (const [form, content] of Object.entries(forms)) {
    const { feed } = await readFeedFile(put(content));
    t.equal(feed.find('pkg:npm/evil-2', '1.0.0'), 'MAL-2', form);
    t.equal(feed.count, 3, form);
  }
  const bomb = zipOf([...entries(3), ['bomb.json', Buffer.alloc(5_000_000, 32)]]);
  t.equal((await readFeedFile(put(bomb))).problemCount, 1, 'what unpacks to too much is left out');
  const none: Readonly<Record<string, string | Buffer>> = {
    nothing: '',
    'an error page': '<!doctype html><title>502</title>',
    'a list of nothing': '[]',
    'an object that is no advisory': '{}',
    'vulnerabilities alone': advisory('GHSA-aaaa-bbbb-cccc', 'a'),
    'more junk than advisories': `${linesOf(3)}${'junk\n'.repeat(6)}`,
    'a zip of junk': zipOf(Array.from({ length: 9 }, (_, i): [string, string] => [`${i}.json`, 'junk'])),
    'a zip whose list is longer than it': zipOf(entries(3), { claims: 500 }),
  };
  for (const [what, content] of Object.entries(none))
    await t.rejects(readFeedFile(put(content)), { code: 'config-invalid' }, what);
  const zip = zipOf(entries(40));
  const path = put(zip);
  for (let length = zip.length - 1; length > 0; length -= 97) {
    truncateSync(path, length);
    await t.rejects(readFeedFile(path), { code: 'config-invalid' }, `a zip cut to ${length}`);
    writeFileSync(path, zip);
  }
  for (let i = 0; i < 200; i++) {
    const changed = Buffer.from(zip);
    changed[(i * 7919) % zip.length]! ^= 1 + (i % 255);
    // Either it is refused, or what is damaged is left out: nothing else becomes of it.
    const read = await readFeedFile(put(changed)).catch((error: unknown) => error);
    if (read instanceof Error) t.match(read, { code: 'config-invalid' });
    else if (read instanceof Object && 'feed' in read) t.ok(Reflect.get(read.feed as object, 'count') >= 34);
  }
  await t.rejects(readFeedFile(put(linesOf(50).slice(0, -20))), /middle of an advisory/);
});

const authority = new TestAuthority('feeds');
const names = ['feeds.example.com', 'cdn.example.com'];
const { certificate, key } = authority.issue(names);
type Answer = (request: IncomingMessage, response: ServerResponse) => void;
let answer: Answer = (_, response) => response.end();
const asked: IncomingMessage[] = [];
const server = createHttps({ cert: certificate, key }, (request, response) => {
  asked.push(request);
  answer(request, response);
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const port = (server.address() as AddressInfo).port; // listens on TCP
t.teardown(() => {
  server.close();
  server.closeAllConnections();
});
const url = 'https://feeds.example.com/osv/all.zip?token=s3cr3t-canary';
const connect: FeedRequest['connect'] = async (host) => {
  const socket = connectTls({ host: '127.0.0.1', port, servername: host, ca: authority.certificate });
  await once(socket, 'secureConnect');
  return socket;
};
const request: FeedRequest = {
  url,
  authorization: 'Bearer s3cr3t-bearer',
  previous: null,
  path: join(folder, 'download'),
  maxBytes: 1_000_000,
  limitMs: 5000,
  connect,
};
const whole =
  (body: string | Buffer, headers: Record<string, string> = {}): Answer =>
  (_, response) =>
    response.writeHead(200, { 'content-length': String(Buffer.byteLength(body)), ...headers }).end(body);

t.test('a fetch is conditional, bounded and whole', async (t) => {
  answer = whole('body', { etag: '"1"', 'last-modified': 'Tue, 24 Nov 2026 00:00:00 GMT' });
  const first = await fetchFeed(request);
  t.match(first, { kind: 'file', etag: '"1"', lastModified: 'Tue, 24 Nov 2026 00:00:00 GMT' });
  t.equal(readFileSync(request.path, 'utf8'), 'body');
  t.equal(asked.at(-1)!.headers.authorization, 'Bearer s3cr3t-bearer');
  answer = (_, response) => response.writeHead(304).end();
  const previous = { etag: '"1"', lastModified: 'Tue, 24 Nov 2026 00:00:00 GMT' };
  t.same(await fetchFeed({ ...request, previous }), { kind: 'same' });
  t.match(asked.at(-1)!.headers, {
    'if-none-match': '"1"',
    'if-modified-since': 'Tue, 24 Nov 2026 00:00:00 GMT',
  });
  answer = ({ headers }, response) =>
    headers.host === 'cdn.example.com'
      ? whole('moved')({} as IncomingMessage, response) // not looked at
      : response.writeHead(302, { location: 'https://cdn.example.com/x' }).end();
  t.match(await fetchFeed(request), { kind: 'file' });
  t.equal(asked.at(-1)!.headers.authorization, undefined, 'credentials are for the first host alone');
  const bad: Readonly<Record<string, readonly [Answer, RegExp]>> = {
    'an error': [(_, response) => response.writeHead(503).end(), /answered 503/],
    'not modified, although nothing was known': [
      (_, response) => response.writeHead(304).end(),
      /answered 304/,
    ],
    'to plain HTTP': [
      (_, response) => response.writeHead(302, { location: 'http://feeds.example.com/' }).end(),
      /no https/,
    ],
    'in a circle': [(_, response) => response.writeHead(302, { location: url }).end(), /too often/],
    'larger than allowed': [whole(Buffer.alloc(1_000_001)), /larger than/],
    'larger than allowed, in chunks': [
      (_, response) => {
        for (let i = 0; i < 40; i++) response.write(Buffer.alloc(32_768));
        response.end();
      },
      /larger than/,
    ],
    'cut off': [
      (_, response) => {
        response.writeHead(200, { 'content-length': '1000' }).write('some');
        setTimeout(() => response.destroy(), 20);
      },
      /not fetched/,
    ],
    'cut off in chunks': [
      (_, response) => {
        response.write('some');
        setTimeout(() => response.destroy(), 20);
      },
      /not fetched/,
    ],
    'of no length': [
      (incoming) => {
        incoming.socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nbody');
      },
      /does not say how long/,
    ],
    coded: [whole('body', { 'content-encoding': 'gzip' }), /coded/],
  };
  for (const [what, [bytes, message]] of Object.entries(bad)) {
    answer = bytes;
    const error = await fetchFeed(request).catch((caught: unknown) => caught);
    t.match(String(error), message, what);
    t.notMatch(String(error), /s3cr3t/, what);
  }
  answer = () => undefined;
  await t.rejects(fetchFeed({ ...request, limitMs: 200 }), /did not come within/);
  server.closeAllConnections();
});

function openFeed(image: string, lines: string[] = []) {
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
  const results: string[] = [];
  const feed = new FeedFromUrl({
    request,
    shown: 'https://feeds.example.com/osv/all.zip',
    image,
    refreshMs: 3_600_000,
    log,
    onAttempt: (result, packages) => results.push(`${result} ${packages}`),
  });
  t.teardown(() => feed.stop());
  return { feed, results, lines };
}

t.test(
  'a good feed is kept: over a restart, a dead server, and any that is broken, cut or shrunk',
  async (t) => {
    const state = { policy: mkdtempSync(join(folder, 'policy-')), malwareFile: join(folder, 'none') };
    const image = fetchedFeedImage(state, 'a'.repeat(12));
    const other = fetchedFeedImage(state, 'b'.repeat(12));
    writeFileSync(other, 'of another URL');
    answer = (_, response) => response.writeHead(500).end();
    const early = openFeed(image);
    await early.feed.start();
    t.equal(early.feed.status, null);
    t.same(readdirSync(state.policy), [], 'copies of other feeds go');
    const lookup = (untilLoaded: 'block' | 'allow' = 'block') => {
      const fetched = {
        id: 'a'.repeat(12),
        shown: '',
        url: null,
        credentials: null,
        refreshMs: 0,
        maxBytes: 0,
      };
      return followFeeds({ files: [], fetched, untilLoaded }, state, pino({ enabled: false }))();
    };
    t.equal(
      lookup()?.find('pkg:npm/anything', '1.0.0'),
      'malware-feed-unavailable',
      'closed until it is there',
    );
    t.equal(lookup('allow'), null, 'unless the operator said otherwise');

    answer = whole(zipOf(entries(40)), { etag: '"40"' });
    await early.feed.refresh();
    t.equal(lookup()?.find('pkg:npm/evil-39', '1.0.0'), 'MAL-39');
    t.equal(lookup()?.find('pkg:npm/anything', '1.0.0'), null);
    early.feed.stop();

    const worse: Readonly<Record<string, Answer>> = {
      'dead server': (incoming) => incoming.socket.destroy(),
      'an error page': whole('<html>'),
      'an empty list': whole('[]'),
      cut: whole(zipOf(entries(40)).subarray(0, 2000)),
      'less than half of it': whole(zipOf(entries(19))),
    };
    for (const [what, bytes] of Object.entries(worse)) {
      answer = bytes;
      const { feed, results, lines } = openFeed(image);
      await feed.start();
      t.same(results, ['same 40', 'failed 40'], what);
      t.equal(feed.status?.packages, 40, what);
      t.equal(lookup()?.find('pkg:npm/evil-39', '1.0.0'), 'MAL-39', what);
      t.notMatch(lines.join(''), /s3cr3t/, what);
      t.match(lines.join(''), /the last good one stays in force/, what);
      feed.stop();
    }
    answer = ({ headers }, response) => {
      if (headers['if-none-match'] === '"40"') response.writeHead(304).end();
      else whole('[]')({} as IncomingMessage, response); // not looked at
    };
    const again = openFeed(image);
    await again.feed.start();
    t.same(again.results, ['same 40', 'same 40'], 'a restart asks whether its copy still holds');
    answer = whole(linesOf(21));
    await again.feed.refresh();
    t.equal(again.feed.status?.packages, 21, 'half of it is taken');
    answer = whole(linesOf(15));
    await again.feed.refresh();
    t.equal(again.feed.status?.packages, 21, 'and no smaller one after that');
    again.feed.stop();
    const damaged = readFileSync(image);
    damaged[damaged.length - 5]! ^= 1;
    writeFileSync(image, damaged);
    answer = (_, response) => response.writeHead(500).end();
    const late = openFeed(image);
    await late.feed.start();
    t.equal(late.feed.status, null, 'a damaged copy is none');
  },
);

t.test('the configuration names a feed, and repeats no secret', (t) => {
  const write = (malware: object): string => {
    const file = join(folder, 'sallyport.json');
    writeFileSync(
      file,
      JSON.stringify({
        version: 1,
        policy: 'p',
        mode: 'sidecar',
        runners: { interfaces: [], networks: ['10.0.0.0/8'] },
        state: folder,
        malware,
      }),
    );
    return file;
  };
  writeFileSync(join(folder, 'feed.secret'), '# for the feed\nuser:s3cr3t-password\n');
  const config = readConfig(write({ url, credentials: 'feed.secret', refresh: '90m' }));
  t.match(config.malware, { files: [], untilLoaded: 'block' });
  t.match(config.malware.fetched, {
    url,
    shown: 'https://feeds.example.com/osv/all.zip',
    refreshMs: 5_400_000,
  });
  t.notMatch(JSON.stringify(withoutFeedUrl(config)), /s3cr3t/, 'workers are told no URL');
  t.match(tellFeed(config, 0), [
    /^malware feed https:\/\/feeds.example.com\/osv\/all.zip: never fetched; every package/,
  ]);
  const wrong: readonly (readonly [object, RegExp])[] = [
    [{}, /fewer than 1|names no feed/],
    [{ url: 'http://feeds.example.com/x?s3cr3t' }, /no https: or file: URL/],
    [{ url: 'https://user:s3cr3t@feeds.example.com/x' }, /credentials do not belong here/],
    [{ url, credentials: 'user:s3cr3t' }, /names no file/],
    [{ files: ['x'], refresh: '1h' }, /there is none/],
    [{ url, refresh: '60d' }, /at most 30d/],
    [{ url, refresh: '0m' }, /refresh/],
  ];
  for (const [malware, message] of wrong) {
    try {
      readConfig(write(malware));
      t.fail(`accepted ${JSON.stringify(malware)}`);
    } catch (error) {
      t.ok(error instanceof InvalidInputError);
      t.match(String(error), message);
      t.notMatch(String(error), /s3cr3t/);
    }
  }
  t.end();
});

t.test('it is fetched through the proxy in front, where there is one', async (t) => {
  const connects: string[] = [];
  const proxy = createServer((socket: Socket) => {
    socket.once('data', (head) => {
      connects.push(head.toString('latin1'));
      const through = connectTcp(port, '127.0.0.1');
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.pipe(through).pipe(socket);
      through.on('error', () => socket.destroy());
      socket.on('error', () => through.destroy());
    });
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  t.teardown(() => proxy.close());
  writeFileSync(join(folder, 'ca.pem'), authority.certificate);
  const file = join(folder, 'proxied.json');
  const address = `127.0.0.1:${(proxy.address() as AddressInfo).port}`; // listens on TCP
  writeFileSync(
    file,
    JSON.stringify({
      version: 1,
      policy: 'p',
      mode: 'sidecar',
      runners: { interfaces: [], networks: ['10.0.0.0/8'] },
      state: folder,
      upstreamProxy: { address, resolve: 'proxy' },
      tls: { extraAuthorities: ['ca.pem'] },
      malware: { url },
    }),
  );
  const open = feedConnector({ config: readConfig(file), upstreams: [], proxySecret: 'us:s3cr3t-proxy' });
  answer = whole(linesOf(3));
  t.match(await fetchFeed({ ...request, connect: open }), { kind: 'file' });
  const basic = Buffer.from('us:s3cr3t-proxy').toString('base64');
  t.match(connects, [
    `CONNECT feeds.example.com:443 HTTP/1.1\r\nHost: feeds.example.com:443\r\nProxy-Authorization: Basic ${basic}`,
  ]);
  const error = await fetchFeed({
    ...request,
    url: 'https://wrong.example.org/x?s3cr3t',
    connect: open,
  }).catch(String);
  t.match(error, /not reached: upstream-certificate/);
  t.notMatch(error, /s3cr3t/);
});
