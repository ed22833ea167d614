// The form of answers: what is refused, pages that lose and double nothing, CSV and JSON lines, packing, conditions, the
// document and a client made of it, events, and a store that is away.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get as httpGet } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { Validator } from '@seriousme/openapi-schema-validator';
import openapiTypescript from 'openapi-typescript';
import t from 'tap';
import { listRoute } from '../../api/answer-list.ts';
import { diffTexts } from '../../api/diff-texts.ts';
import { followStore } from '../../api/follow-store.ts';
import { writeCsv } from '../../api/write-csv.ts';
import { openAccessApp } from '../lab/access-app.ts';
import { flows, hostile, jobs } from '../lab/api-records.ts';
import { openOperatorLab } from '../lab/operator-lab.ts';
import { flow } from '../lab/stored-flows.ts';

// What JSON gives: the tests say what they want of it.
// oxlint-disable-next-line typescript/no-explicit-any
type Json = any;
const root = join(import.meta.dirname, '../..');

const quarantined: (readonly [string, number, string])[] = [];
const lab = await openOperatorLab(t, {
  limits: { events: 20, clientsPerActor: 2, waitingBytes: 64 * 1024, heartbeatMs: 50 },
  parts: {
    quarantine: async (runner, durationMs, reason) => void quarantined.push([runner, durationMs, reason]),
  },
});
await lab.store.write(flows, [], jobs);
const token = await lab.token('admin');
const limited = await lab.token('viewer', ['acme']);

t.test('what a route does not know is refused, with a code and nothing internal', async (t) => {
  const cases: readonly (readonly [path: string, status: number, code: string])[] = [
    ['/v1/flows?verdikt=block', 400, 'invalid-query'],
    ['/v1/flows?verdict=maybe', 400, 'invalid-query'],
    ['/v1/flows?verdict=block&verdict=allow', 400, 'invalid-query'],
    ['/v1/flows?limit=0', 400, 'invalid-query'],
    ['/v1/flows?limit=1001', 400, 'invalid-query'],
    ['/v1/flows?limit=10001&format=csv', 400, 'invalid-query'],
    ['/v1/flows?from=yesterday', 400, 'invalid-query'],
    ['/v1/flows?from=2026-11-24&until=2026-11-23', 400, 'invalid-query'],
    ['/v1/flows?run=x', 400, 'invalid-query'],
    ['/v1/flows?job=1e9999', 400, 'invalid-query'],
    ['/v1/flows?cursor=AAAA', 400, 'invalid-cursor'],
    ['/v1/flows?__proto__=1', 400, 'invalid-query'],
    [`/v1/flows?host=${'a'.repeat(256)}`, 400, 'invalid-query'],
    ['/v1/flows?host=a%00b', 400, 'invalid-query'],
    ['/v1/flows?sort=flows', 400, 'invalid-query'],
    ['/v1/jobs/abc', 400, 'invalid-params'],
    ['/v1/jobs/99999', 404, 'not-found'],
    ['/v1/runs/1:nope', 404, 'not-found'],
    ["/v1/runs/1:1'%20or%201=1--", 404, 'not-found'],
    ['/v1/permissions', 400, 'invalid-query'],
    ['/v1/hours?from=2020-01-01&until=2026-01-01', 400, 'invalid-query'],
    ['/v1/policy/diff?base=aaaaaaaaaaaa', 400, 'invalid-query'],
    ['/v1/policy/revisions/..%2f..%2fetc', 400, 'invalid-params'],
    ['/v1/events?kinds=flow,secrets', 400, 'invalid-query'],
    ['/v1', 404, 'not-found'],
    ['/v1/flows/', 400, 'invalid-params'],
    ['/v1/flows//', 404, 'not-found'],
    ['/v1/jobs/%zz', 400, 'malformed-request'],
    [`/v1/destinations/${'a'.repeat(301)}`, 400, 'malformed-request'],
  ];
  for (const [path, status, code] of cases) {
    const answer = await lab.get(path, token);
    const body = (await answer.json()) as Json;
    t.same([answer.status, body.code ?? ''], [status, code], path);
    if (status >= 400) t.match(answer.headers.get('content-type'), /^application\/problem\+json/);
    t.notMatch(JSON.stringify(body), /node_modules|\.ts:|SQLITE|select /i);
  }
  const none = await lab.get('/v1/flows', token, { accept: 'image/png' });
  t.equal(none.status, 406);
  const put = await fetch(`${lab.origin}/v1/flows`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}` },
  });
  t.same([put.status, put.headers.get('allow')], [405, 'GET, HEAD']);
  const anonymous = await lab.get('/v1/flows', null);
  t.same([anonymous.status, anonymous.headers.get('www-authenticate')], [401, 'Bearer realm="sallyport"']);
});

t.test('what is no request is a problem, too', async (t) => {
  const { hostname, port } = new URL(lab.origin);
  for (const [bytes, code] of [
    ['GARBAGE\r\n\r\n', 'malformed-request'],
    [`GET /v1/flows HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, 'head-too-large'],
  ] as const) {
    const socket = connect(Number(port), hostname);
    socket.write(bytes);
    const answer = await readText(socket);
    t.match(answer, /content-type: application\/problem\+json/i);
    t.match(answer, `"code":"${code}"`);
  }
});

t.test('a write takes exactly its body, with a reason', async (t) => {
  const post = async (body: string, type = 'application/json', who = token) => {
    const headers = { authorization: `Bearer ${who}`, 'content-type': type };
    const answer = await fetch(`${lab.origin}/v1/quarantine`, { method: 'POST', headers, body });
    return [answer.status, ((await answer.json()) as Json).code ?? ''];
  };
  const good = { runner: '::ffff:10.0.0.1', seconds: 60, reason: 'seen at evil.example' };
  t.same(await post(JSON.stringify(good), 'application/json', limited), [403, 'role']);
  t.same(await post(JSON.stringify({ ...good, reason: ' ' })), [400, 'reason-missing']);
  t.same(
    await post(JSON.stringify({ ...good, seconds: '60' })),
    [400, 'invalid-body'],
    'no text for a number',
  );
  t.same(await post(JSON.stringify({ ...good, force: true })), [400, 'invalid-body']);
  t.same(await post(JSON.stringify({ ...good, runner: 'everybody' })), [400, 'invalid-body']);
  t.same(await post('{'), [400, 'invalid-body']);
  t.same(await post('runner=1', 'application/x-www-form-urlencoded'), [415, 'media-type']);
  t.same(await post(JSON.stringify({ ...good, reason: 'x'.repeat(70_000) })), [413, 'too-large']);
  t.same(quarantined, []);
  t.same(await post(JSON.stringify(good)), [200, '']);
  t.same(
    quarantined.map(([runner, ms]) => [runner, ms]),
    [['10.0.0.1', 60_000]],
  );
});

t.test('pages lose and double nothing while rows are added', async (t) => {
  const walk = await openOperatorLab(t);
  const all = await walk.token('viewer');
  let added = 0;
  const add = async (count: number) => {
    const part = Array.from({ length: count }, () => flow(added++).closed);
    await walk.store.write(part, [], []);
    return part.map(({ id }) => id);
  };
  const before = new Set(await add(500));
  const seen: string[] = [];
  for (let path: string | undefined = '/v1/flows?limit=37'; path !== undefined;) {
    const answer: Response = await walk.get(path, all);
    const page = (await answer.json()) as Json;
    seen.push(...page.items.map(({ id }: Json) => id));
    await add(10);
    const link = answer.headers.get('link');
    t.equal(link?.includes(`cursor=${page.next}`) ?? false, page.next !== null);
    path = /^<(.*)>; rel="next"$/.exec(link ?? '')?.[1];
  }
  t.equal(new Set(seen).size, seen.length, 'none twice');
  t.equal(seen.filter((id) => before.has(id)).length, 500, 'none lost');
  for (const path of [
    '/v1/jobs?limit=1',
    '/v1/runs?limit=1',
    '/v1/destinations?sort=met&limit=7&from=2026-11-01',
  ]) {
    const names: string[] = [];
    for (let cursor = ''; ;) {
      const page = (await (await walk.get(`${path}${cursor}`, all)).json()) as Json;
      names.push(...page.items.map(({ id, host }: Json) => id ?? host));
      await add(10);
      if (page.next === null) break;
      cursor = `&cursor=${page.next}`;
    }
    t.equal(names.length, path.includes('destinations') ? 40 : 6, path);
    t.equal(new Set(names).size, names.length, path);
  }
  const { next } = (await (await walk.get('/v1/flows?limit=1', all)).json()) as Json;
  for (const [path, who] of [
    [`/v1/flows?limit=1&verdict=block&cursor=${next}`, all],
    [`/v1/jobs?limit=1&cursor=${next}`, all],
    [`/v1/flows?limit=1&cursor=${next}`, await walk.token('viewer', ['acme'])],
    [`/v1/flows?limit=1&cursor=${String(next).slice(0, -4)}`, all],
  ] as const)
    t.equal((await walk.get(path, who)).status, 400, 'a cursor belongs to its question');
  const rows = (await (await walk.get('/v1/flows?format=jsonl&limit=10000', all)).text()).trim().split('\n');
  t.equal(rows.length, added, 'an export takes several pages of the store at once');
});

t.test('nothing of a record is a formula, a command or a tag', async (t) => {
  t.equal(
    writeCsv(
      ['a', 'b', 'c'],
      [
        { a: '=1+1', b: ' @x', c: 'plain' },
        { a: -1, b: null, c: '+1,"2"\r\n\u001b[31m\u009b' },
        { a: '＝1', b: true, c: { d: ['=1'] } },
      ],
    ),
    [
      'a,b,c',
      `"'=1+1","' @x",plain`,
      `-1,,"'+1,""2""\\u000d\\u000a\\u001b[31m\\u009b"`,
      `"'＝1",true,"{""d"":[""=1""]}"`,
      '',
    ].join('\r\n'),
  );
  const csv = await (await lab.get('/v1/jobs?format=csv', token)).text();
  t.match(csv, `"'=HYPERLINK(""http://evil.example"",""a"")"`);
  t.notMatch(csv, /[\u001b\u009b\u202e]/);
  for (const path of ['/v1/jobs', '/v1/jobs?format=jsonl', '/v1/runs', '/v1/flows', '/v1/repositories']) {
    const answer = await lab.get(path, token);
    const body = await answer.text();
    t.notMatch(body, /[\u001b\u009b\u202e]/, path);
    t.match(answer.headers.get('content-type'), /^application\/json/);
    t.equal(answer.headers.get('x-content-type-options'), 'nosniff');
    t.match(answer.headers.get('content-security-policy'), "default-src 'none'");
    t.equal(answer.headers.get('cache-control'), 'no-store');
  }
  const { items } = (await (await lab.get('/v1/jobs?runner=10.0.0.4', token)).json()) as Json;
  t.match(
    items,
    [{ name: hostile.name, workflow: hostile.workflow, ref: hostile.ref }],
    'and JSON gives it back',
  );
});

t.test('long answers are packed, known ones are not sent again, and HEAD has no body', async (t) => {
  const fetched = (path: string, headers: Record<string, string>, method = 'GET') =>
    new Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: string }>(
      (resolve, reject) => {
        const asked = httpGet(
          `${lab.origin}${path}`,
          { method, headers: { authorization: `Bearer ${token}`, ...headers } },
          (answer) => {
            readText(answer).then(
              (body) => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body }),
              reject,
            );
          },
        );
        asked.on('error', reject);
      },
    );
  const plain = await fetched('/v1/flows', {});
  t.equal(plain.headers['content-encoding'], undefined);
  const packed = await fetched('/v1/flows', { 'accept-encoding': 'br, gzip;q=0.5' });
  t.equal(packed.headers['content-encoding'], 'gzip');
  t.ok(Number(packed.headers['content-length'] ?? packed.body.length) < plain.body.length / 2);
  t.equal(
    (await fetched('/v1/flows', { 'accept-encoding': 'gzip;q=0' })).headers['content-encoding'],
    undefined,
  );
  t.equal((await fetched('/v1/nope', { 'accept-encoding': 'gzip' })).headers['content-encoding'], undefined);
  const tag = String(plain.headers['etag']);
  t.match(tag, /^W\/"/);
  const again = await fetched('/v1/flows', { 'if-none-match': `"x", ${tag}` });
  t.same([again.status, again.body], [304, '']);
  t.equal((await fetched('/v1/flows', { 'if-none-match': '"x"' })).status, 200);
  const head = await fetched('/v1/flows', {}, 'HEAD');
  t.same([head.status, head.body], [200, '']);
  t.equal((await fetched('/v1/flows', { authorization: '' }, 'HEAD')).status, 401);
});

t.test('who asks for much, or takes it slowly, leaves room for others', async (t) => {
  const gate = Promise.withResolvers<void>();
  const find = async (_: unknown, { limit }: { readonly limit: number }) => {
    if (limit === 1_000) await gate.promise;
    return { items: [{ id: 'x'.repeat(limit === 999 ? 12_000_000 : 1) }], next: null };
  };
  const item = { id: { type: 'string', description: 'Text.' } };
  const what = { path: '/v1/long', id: 'listLong', summary: 'Long.', tag: 'sample', filters: {} };
  const list = listRoute({ ...what, sorts: ['met'], item, find });
  const app = await openAccessApp({ routes: (own) => [...own, list] });
  t.teardown(() => app.app.close());
  const [one, two] = [await app.token('viewer'), await app.token('viewer')];
  const ask = (who: string, query: string) =>
    app.ask('GET', `/v1/long?${query}`, [['authorization', `Bearer ${who}`]]);
  const first = Array.from({ length: 4 }, () => ask(one, 'limit=10000&format=csv'));
  await sleep(50);
  const more = await ask(one, 'limit=10000&format=csv');
  t.same([more.status, more.code, more.headers['retry-after']], [429, 'rate-limit', '5'], 'four long ones');
  t.equal((await ask(one, 'limit=5')).status, 200, 'a page');
  const other = ask(two, 'limit=10000&format=csv');
  await sleep(50);
  gate.resolve();
  t.same(
    (await Promise.all([...first, other])).map(({ status }) => status),
    [200, 200, 200, 200, 200],
  );
  t.equal((await ask(one, 'limit=10000&format=csv')).status, 200, 'they are over');

  const slow = Array.from({ length: 4 }, () => {
    const socket = connect(app.port, '127.0.0.1').pause();
    socket.write(`GET /v1/long?limit=999 HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${one}\r\n\r\n`);
    return socket;
  });
  const isFull = async () => (await ask(one, 'limit=999')).status === 429;
  for (let i = 0; i < 200 && !(await isFull()); i++) await sleep(10);
  t.ok(await isFull(), 'what nobody takes is in the way of more of it');
  t.equal((await ask(two, 'limit=999')).status, 200, 'of the same caller alone');
  for (const socket of slow) socket.destroy();
  for (let i = 0; i < 200 && (await isFull()); i++) await sleep(10);
  t.notOk(await isFull(), 'until it is gone');
});

t.test('the document is OpenAPI 3.1, and a client that is made of it compiles', async (t) => {
  const document = (await (await lab.get('/v1/openapi.json', limited)).json()) as Json;
  const { valid, errors } = await new Validator().validate(document);
  t.equal(valid, true, JSON.stringify(errors));
  t.equal(document.openapi, '3.1.0');
  const told = Object.entries<Json>(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const known = lab.routes.map(({ rule }) => `${rule.method} ${rule.path.replaceAll(/:(\w+)/g, '{$1}')}`);
  t.same(told.toSorted(), [...known, 'GET /v1/openapi.json'].toSorted(), 'every route, and nothing else');
  const ids = lab.routes.map(({ id }) => id);
  t.equal(new Set(ids).size, ids.length);
  const folder = mkdtempSync(join(root, 'test/api/.client-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'api.ts'), await openapiTypescript(document));
  writeFileSync(
    join(folder, 'client.ts'),
    `import type { operations } from './api.ts';
type Answer<K extends keyof operations> = operations[K]['responses'] extends {
  200: { content: { 'application/json': infer A } };
} ? A : never;
export async function ask<K extends keyof operations>(_: K, url: string): Promise<Answer<K>> {
  return (await (await fetch(url)).json()) as Answer<K>;
}
const { items, next } = await ask('listFlows', '/v1/flows');
const [first] = items;
const verdict: 'allow' | 'would-block' | 'block' | undefined = first?.verdict;
const host: string | null | undefined = first?.host;
const cursor: string | null = next;
const run = await ask('getRun', '/v1/runs/1');
const names: string[] = run.of.map(({ name }) => name);
// @ts-expect-error: there is no such field
first?.nothing;
export const all = [verdict, host, cursor, names];
`,
  );
  const config = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: { lib: ['esnext', 'dom'] },
    include: ['*.ts'],
    exclude: [],
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  const compiled = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', folder], { encoding: 'utf8' });
  t.same([compiled.status, compiled.stdout], [0, '']);
});

t.test('events go to whom they concern, are resumed, and wait for nobody', async (t) => {
  const { feed } = lab;
  const open = async (who: string, headers: Record<string, string> = {}, query = '') => {
    const closing = new AbortController();
    const answer = await fetch(`${lab.origin}/v1/events${query}`, {
      headers: { authorization: `Bearer ${who}`, ...headers },
      signal: closing.signal,
    });
    let text = '';
    const reading = (async () => {
      for await (const chunk of answer.body ?? []) text += Buffer.from(chunk).toString();
    })().catch(() => {});
    return {
      answer,
      until: async (test: RegExp) => {
        for (let i = 0; i < 200 && !test.test(text); i++) await sleep(10);
        return text;
      },
      close: async () => {
        closing.abort();
        await reading;
      },
    };
  };
  const all = await open(token);
  const acme = await open(limited);
  const onlyJobs = await open(token, {}, '?kinds=job');
  t.match(all.answer.headers.get('content-type'), 'text/event-stream');
  const news = followStore(feed, lab.ask, { error: (fields) => t.fail(JSON.stringify(fields)) });
  news({ flows: flows.slice(0, 5).map(({ id }) => id), jobs: ['github.com/job-a', 'gitlab.com/501'] });
  const toAll = await all.until(/tool\.example/);
  t.equal([...toAll.matchAll(/^event: flow$/gm)].length, 5);
  t.equal([...toAll.matchAll(/^event: job$/gm)].length, 2);
  t.match(await onlyJobs.until(/lint/), /event: job/);
  t.notMatch(await onlyJobs.until(/^: /m), /event: flow/);
  const toAcme = await acme.until(/exfil/);
  t.notMatch(toAcme, /globex|tool\.example|lint/, 'nothing of another owner');
  t.equal([...toAcme.matchAll(/^event: flow$/gm)].length, 3);
  feed.publish('skipped', { flows: 7, jobs: 0 }, null);
  t.match(await acme.until(/skipped/), /event: skipped\ndata: \{\}\n/, 'that, and not how much of others');
  t.match(await all.until(/skipped/), /event: skipped\ndata: \{"flows":7,"jobs":0\}\n/);
  feed.publish('policy', { revision: 'x\ndata: forged' }, null);
  t.match(await all.until(/forged/), String.raw`data: {"revision":"x\ndata: forged"}`, 'one line stays one');
  t.match(await all.until(/^: \S+-\d+\n\n.*^: \S+-\d+$/ms), /^: \S+-\d+$/m, 'a heartbeat');
  const third = await open(token);
  t.same([third.answer.status, third.answer.headers.get('retry-after')], [429, '30'], 'two of a caller');
  await Promise.all([all.close(), acme.close(), onlyJobs.close(), third.close()]);
  for (let i = 0; i < 100 && feed.size > 0; i++) await sleep(10);
  t.equal(feed.size, 0, 'who goes is forgotten');

  const [, last] = /^id: (\S+)$/m.exec(toAll)!;
  const back = await open(token, { 'last-event-id': last! });
  const missed = await back.until(/forged/);
  t.same(
    [...missed.matchAll(/^id: \S+-(\d+)$/gm)].map(([, n]) => Number(n)),
    [3, 4, 5, 6, 7, 8, 9, 10],
  );
  await back.close();
  for (let i = 0; i < 30; i++) feed.publish('policy', { revision: String(i) }, null);
  const late = await open(token, { 'last-event-id': last! });
  const toLate = await late.until(/event/);
  t.match(toLate, /event: reset/, 'what is forgotten is not made up');
  const [, now] = /^id: (\S+)$/m.exec(toLate)!;
  for (let i = 0; i < 12; i++) feed.publish('policy', { filler: 'x'.repeat(8_000) }, null);
  const away = await open(token, { 'last-event-id': now! });
  t.match(await away.until(/event/), /event: reset/, 'so is what may not wait for one client');
  const lost = followStore(feed, () => Promise.reject(new Error('away')), { error: () => {} });
  lost({ flows: flows.slice(0, 3).map(({ id }) => id), jobs: ['github.com/job-a'] });
  t.match(
    await away.until(/skipped/),
    /data: \{"flows":3,"jobs":1\}/,
    'it listens: what the store does not tell',
  );
  await Promise.all([late.close(), away.close()]);

  const slow = httpGet(`${lab.origin}/v1/events`, { headers: { authorization: `Bearer ${token}` } });
  const closed = new Promise<void>((resolve) => {
    slow.on('response', (answer) => {
      answer.pause();
      answer.on('close', () => resolve());
      answer.on('error', () => resolve());
    });
    slow.on('error', () => resolve());
  });
  for (let i = 0; i < 100 && feed.size === 0; i++) await sleep(10);
  for (let i = 0; i < 20_000 && feed.size > 0; i++) {
    feed.publish('policy', { filler: 'x'.repeat(8_000) }, null);
    if (i % 50 === 0) await sleep(1);
  }
  t.equal(feed.size, 0, 'one that does not read is cut');
  slow.destroy();
  await closed;
});

t.test('without its store the API says so, and health goes on', async (t) => {
  lab.away.isAway = true;
  t.teardown(() => (lab.away.isAway = false));
  for (const path of ['/v1/flows', '/v1/runs', '/v1/jobs/1', '/v1/hours', '/v1/runners']) {
    const answer = await lab.get(path, token);
    t.same([answer.status, ((await answer.json()) as Json).code], [503, 'store-away'], path);
  }
  t.equal((await lab.get('/metrics', null)).status, 200);
  t.equal((await lab.get('/health', null)).status, 200);
  t.equal((await lab.get('/v1/live', token)).status, 200, 'who runs where is known without it');
});

const { error: missing } = spawnSync('patch', ['--version']);
t.test(
  'a diff is one that patch takes',
  { skip: missing !== undefined && 'patch is not installed' },
  async (t) => {
    const folder = t.testdir({});
    const cases: readonly (readonly [string, string])[] = [
      ['', 'a\n'],
      ['a\n', ''],
      ['a\nb\nc\n', 'a\nc\n'],
      ['a', 'a\n'],
      ['a\nb', 'b\na'],
      [lines(1, 60), lines(1, 20) + lines(22, 40) + 'new\n' + lines(41, 62)],
      [lines(1, 3_000), lines(4_000, 7_000)],
      // Many hunks, each behind all the others.
      [lines(1, 3_000), lines(1, 3_000).replaceAll(/^line \d*(?:20|45|70) *$/gm, 'new')],
    ];
    for (const [before, after] of cases) {
      writeFileSync(join(folder, 'f'), before);
      const diff = `--- f\n+++ f\n${diffTexts(before, after)}`;
      const patched = spawnSync('patch', ['-s', '-o', '-', 'f'], {
        cwd: folder,
        input: diff,
        encoding: 'utf8',
      });
      t.same(
        [patched.status, patched.stdout === after],
        [0, true],
        JSON.stringify([before, after]).slice(0, 60),
      );
    }
    t.equal(diffTexts('a\n', 'a\n'), '');
  },
);

function lines(from: number, until: number): string {
  return Array.from({ length: until - from }, (_, at) => `line ${from + at}\n`).join('');
}
