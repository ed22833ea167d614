// What answers tell of publish times, and what is then known of a package that is touched.

import t from 'tap';
import type { AnswerHead, AnswerMeaning, Understanding } from '../../flow/asked-request.ts';
import { createRegistryInterpreter } from '../../registry/interpreter.ts';
import { packageEvidence } from '../../registry/evidence.ts';
import { PackageTimes, readTime } from '../../registry/times.ts';
import { askedRequest, npmHost } from './ask.ts';
import type { AskOptions } from './ask.ts';

const nowMs = Date.parse('2026-06-15T00:00:00Z');
const hourMs = 3_600_000;
const npm = `https://${npmHost}`;

function createWorld() {
  const times = new PackageTimes();
  const interpreter = createRegistryInterpreter({ registries: [], times, now: () => nowMs });
  const ask = (line: string, options?: AskOptions): Understanding =>
    interpreter.understand(askedRequest(line, options))!;
  const answer = (
    line: string,
    body: string,
    headers: Record<string, string> = {},
    status = 200,
  ): AnswerMeaning | null => {
    const all: Record<string, string> = { 'content-type': 'application/json', ...headers };
    const head: AnswerHead = { status, header: (name) => all[name] ?? null };
    const { answer: reader } = ask(line);
    const stream = reader?.stream?.(head) ?? null;
    if (stream === null) return reader?.read(head, null) ?? null;
    for (let at = 0; at < body.length; at += 7) stream.push(Buffer.from(body.slice(at, at + 7)));
    return stream.end();
  };
  const known = (line: string): (readonly [number | null, string])[] =>
    ask(line).operation!.touches.map((touch) => {
      const { ageMs, timeClass } = packageEvidence(touch, times, null, nowMs);
      return [ageMs === null ? null : ageMs / hourMs, timeClass];
    });
  return { times, ask, answer, known };
}

t.test('a packument tells when each version was published', async (t) => {
  const { answer, known } = createWorld();
  const packument = {
    name: '@acme/app',
    versions: {},
    time: {
      created: '2020-01-01T00:00:00.000Z',
      modified: '2026-06-14T23:00:00.000Z',
      '1.0.0': '2026-06-01T00:00:00.000Z',
      '1.1.0': '2026-06-14T23:00:00.000Z',
    },
  };
  answer(`GET ${npm}/@acme%2fapp`, JSON.stringify(packument));
  t.same(known(`GET ${npm}/@acme/app/-/app-1.0.0.tgz`), [[336, 'registry-stated']]);
  t.same(known(`GET ${npm}/@acme/app/-/app-1.1.0.tgz`), [[1, 'registry-stated']]);
  t.same(
    known(`GET ${npm}/@acme/app/-/app-9.0.0.tgz`),
    [[null, 'unknown']],
    'a version that it does not name',
  );
  t.same(known(`GET ${npm}/other/-/other-1.0.0.tgz`), [[null, 'unknown']], 'another package');
  t.same(
    known('GET https://mirror.example/@acme/app/-/app-1.0.0.tgz'),
    [[null, 'unknown']],
    'another registry',
  );
});

t.test(
  'the abbreviated packument tells that the versions in it are no younger than its last change',
  async (t) => {
    const { answer, ask, times } = createWorld();
    const list = (modified: string, versions: object): string =>
      JSON.stringify({ name: 'old', modified, versions });
    const type = { 'content-type': 'application/vnd.npm.install-v1+json' };
    const atLeastHours = (version: string): number | null => {
      const [touch] = ask(`GET ${npm}/old/-/old-${version}.tgz`).operation!.touches;
      const { ageMs, atLeastMs } = packageEvidence(touch!, times, null, nowMs);
      t.equal(ageMs, null);
      return atLeastMs === null ? null : atLeastMs / hourMs;
    };
    answer(`GET ${npm}/old`, list('2026-06-01T00:00:00.000Z', { '1.0.0': {} }), type);
    t.equal(atLeastHours('1.0.0'), 336);
    t.equal(atLeastHours('1.0.1'), null, 'a version published after the list');
    answer(`GET ${npm}/old`, list('2026-06-14T00:00:00.000Z', { '1.0.0': {}, '1.0.1': {} }), type);
    t.equal(atLeastHours('1.0.0'), 336);
    t.equal(atLeastHours('1.0.1'), 24);
  },
);

t.test('files of a Python project have times of their own', async (t) => {
  const { answer, known } = createWorld();
  const file = (filename: string, time: string) => ({
    filename,
    url: `https://files.example/${filename}`,
    hashes: {},
    'upload-time': time,
  });
  const page = {
    meta: { 'api-version': '1.1' },
    name: 'foo',
    files: [
      file('foo-1.0.tar.gz', '2026-06-01T00:00:00.000000Z'),
      file('foo-1.0-py3-none-any.whl', '2026-06-14T23:00:00Z'),
      file('foo-2-1.0.tar.gz', '2026-06-14T22:00:00Z'),
    ],
  };
  answer('GET https://pypi.org/simple/foo/', JSON.stringify(page), {
    'content-type': 'application/vnd.pypi.simple.v1+json',
  });
  const files = `https://files.pythonhosted.org/packages/aa/bb/${'c'.repeat(60)}`;
  t.same(known(`GET ${files}/foo-1.0.tar.gz`), [[336, 'registry-stated']]);
  t.same(
    known(`GET ${files}/foo-1.0-py3-none-any.whl`),
    [[1, 'registry-stated']],
    'a file added later to an old version',
  );
  t.same(
    known(`GET ${files}/foo-1.0-cp312-cp312-linux_x86_64.whl`),
    [[null, 'unknown']],
    'a file that was not listed may have been added to an old version',
  );
  t.same(known(`GET ${files}/foo-2-1.0.tar.gz`), [[2, 'registry-stated']], 'the list says whose file it is');
  const json = {
    info: {},
    releases: {
      '3.0': [
        {
          filename: 'foo-3.0.tar.gz',
          upload_time: '2026-06-14T22:00:00',
          upload_time_iso_8601: '2026-06-14T21:00:00.000000Z',
        },
      ],
    },
  };
  answer('GET https://pypi.org/pypi/foo/json', JSON.stringify(json));
  t.same(known(`GET ${files}/foo-3.0.tar.gz`), [[3, 'registry-stated']]);
});

t.test('an image is as old as its author says, by tag and by digest, through an index', async (t) => {
  const { answer, known } = createWorld();
  const [index, manifest, config] = ['1', '2', '3'].map((digit) => `sha256:${digit.repeat(64)}`);
  const base = 'https://ghcr.io/v2/acme/app';
  answer(`GET ${base}/manifests/latest`, JSON.stringify({ manifests: [{ digest: manifest }] }), {
    'docker-content-digest': index!,
  });
  answer(`GET ${base}/manifests/${manifest}`, JSON.stringify({ config: { digest: config } }));
  t.same(known(`GET ${base}/manifests/latest`), [[null, 'unknown']]);
  answer(
    `GET ${base}/blobs/${config}`,
    JSON.stringify({ created: '2026-06-14T00:00:00Z', config: { created: 'x' } }),
    { 'content-type': 'application/octet-stream' },
  );
  for (const reference of ['latest', index, manifest])
    t.same(known(`GET ${base}/manifests/${reference}`), [[24, 'author-stated']], `${reference}`);
});

t.test('the configuration of an image decides its age before it goes on, wherever it lies', async (t) => {
  const { ask, answer, times } = createWorld();
  const [manifest, config, layer, other] = ['1', '2', '3', '4'].map((digit) => `sha256:${digit.repeat(64)}`);
  const base = 'https://quay.io/v2/acme/app';
  const due = (line: string): (string | undefined)[] =>
    ask(line).operation!.touches.map((touch) =>
      touch.kind === 'image' ? `${touch.reference} ${touch.ageDue ?? 'known'}` : '',
    );
  t.same(due(`GET ${base}/manifests/1.0`), ['1.0 later'], 'a tag moves');
  t.same(due(`GET ${base}/manifests/${manifest}`), [`${manifest} known`]);
  t.same(due(`GET ${base}/blobs/${config}`), [`${config} now`], 'no manifest named it');
  answer(
    `GET ${base}/manifests/1.0`,
    JSON.stringify({ config: { digest: config }, layers: [{ digest: layer }] }),
    { 'docker-content-digest': manifest! },
  );
  t.same(due(`GET ${base}/blobs/${layer}`), [`${layer} known`]);
  t.same(due(`GET ${base}/blobs/${other}`), [`${other} now`]);
  const whole = [`${config} known`, '1.0 later', `${manifest} later`];
  t.same(due(`GET ${base}/blobs/${config}`), whole, 'what led here is judged with it');
  t.same(due(`HEAD ${base}/blobs/${config}`), [`${config} known`], 'nothing is told by a head');

  const location = 'https://blobs.storage.example/a/b?sig=x';
  answer(`GET ${base}/blobs/${config}`, '', { location }, 307);
  t.same(due('GET https://blobs.storage.example/a/b?sig=x'), whole, 'and in the storage that it lies in');
  t.equal(
    ask('GET https://blobs.storage.example/a/b?sig=x').operation!.byShape,
    true,
    'which it does not open',
  );

  const { review } = ask('GET https://blobs.storage.example/a/b?sig=y');
  const rows: readonly (readonly [body: string | null, ageMs: number | null])[] = [
    [null, null],
    ['no JSON', null],
    ['{"created":"1970-01-01T00:00:00Z"}', null],
    ['{"created":"2026-06-14T00:00:00Z"}', 24 * hourMs],
  ];
  for (const [body, ageMs] of rows) {
    const bytes = Buffer.from(body ?? '');
    const held =
      body === null
        ? ({ kind: 'opaque', detail: 'too large', raw: [] } as const)
        : ({ kind: 'whole', body: bytes, raw: [bytes] } as const);
    const [touch] = review!.read(held).operation.touches;
    t.match(touch, { kind: 'image', image: 'quay.io/acme/app', reference: config, ageDue: 'now' });
    t.equal(packageEvidence(touch!, times, null, nowMs).ageMs, ageMs, String(body));
  }
});

t.test('what a mirror or an unencrypted answer says is less than what a registry says', async (t) => {
  const { answer, known } = createWorld();
  const body = JSON.stringify({ time: { '1.0.0': '2026-06-01T00:00:00Z' } });
  const accept = { headers: { accept: 'application/vnd.npm.install-v1+json' } };
  answer(`GET http://${npmHost}/app`, body);
  t.same(known(`GET ${npm}/app/-/app-1.0.0.tgz`), [[336, 'mirror-stated']]);
  answer(`GET ${npm}/app`, JSON.stringify({ time: { '1.0.0': '2026-06-14T00:00:00Z' } }));
  t.same(known(`GET ${npm}/app/-/app-1.0.0.tgz`), [[24, 'registry-stated']]);
  answer(`GET http://${npmHost}/app`, body);
  t.same(known(`GET ${npm}/app/-/app-1.0.0.tgz`), [[24, 'registry-stated']], 'and never replaces it');
  t.ok(accept);
});

t.test('answers that are no success, no JSON or broken teach nothing wrong', async (t) => {
  const { answer, times } = createWorld();
  const body = JSON.stringify({
    time: { '1.0.0': '2026-06-01T00:00:00Z', '2.0.0': 'soon', '3.0.0': '1900-01-01T00:00:00Z', '4.0.0': 7 },
  });
  answer(`GET ${npm}/a`, body, {}, 404);
  answer(`GET ${npm}/a`, body, { 'content-type': 'text/html' });
  answer(`GET ${npm}/a`, '[]');
  answer(`GET ${npm}/a`, '{"time":{"1.0.0"');
  t.equal(times.size, 0);
  answer(`GET ${npm}/a`, body);
  t.equal(times.size, 2, 'one version and its package');
});

t.test(
  'a redirect of a known registry opens its target for ten minutes, one of a shape opens nothing',
  async (t) => {
    const { answer } = createWorld();
    const location = 'https://blobs.storage.example/a/b%2Bc%2fd?sig=x';
    const blob = `/v2/acme/app/blobs/sha256:${'a'.repeat(64)}`;
    const meaning = answer(`GET https://ghcr.io${blob}`, '', { location }, 307);
    t.same(meaning?.grants, [
      {
        host: 'blobs.storage.example',
        port: 443,
        methods: ['GET', 'HEAD'],
        pathPrefix: '/a/b%2Bc%2Fd',
        expiresMs: nowMs + 600_000,
      },
    ]);
    t.same(
      answer('GET https://quay.io/v2/auth?service=quay.io&scope=repository:a/b:pull', '', { location }, 302)
        ?.grants ?? [],
      [],
    );
    t.same(
      answer('GET https://ghcr.io/elsewhere?next=x', '', { location }, 302)?.grants ?? [],
      [],
      'what is not known',
    );
    t.same(answer(`GET https://m.example${blob}`, '', { location }, 307)?.grants ?? [], []);
    t.same(answer(`GET https://ghcr.io${blob}`, '', { location: 'http://plain.example/x' }, 307)?.grants, []);
    t.same(answer(`GET https://ghcr.io${blob}`, '', { location: '/v2/here' }, 307)?.grants, []);
  },
);

t.test('the store is bounded, for all and for one package', async (t) => {
  const times = new PackageTimes(1000);
  const time = { timeMs: nowMs, timeClass: 'registry-stated' } as const;
  for (let i = 0; i < 5000; i++) times.learn('r', `pkg:npm/p${i}`, '1.0.0', time);
  t.ok(times.size <= 1000);
  t.equal(times.find('r', 'pkg:npm/p0', '1.0.0'), null);
  t.same(times.find('r', 'pkg:npm/p4999', '1.0.0'), time);
  const long = new PackageTimes(1000);
  for (let i = 0; i < 400; i++) long.learn('r', 'pkg:npm/long', `${i}`.padEnd(200, 'x'), time);
  t.equal(long.size, 601, 'what is long takes the room of four: the 250th has thrown out those before it');
  const large = new PackageTimes();
  for (let i = 0; i < 100_000; i++) large.learn('r', 'pkg:npm/p', `1.0.${i}`, time);
  t.equal(large.size, 60_001);
});

t.test('times are read in the forms that registries write', async (t) => {
  const rows: readonly (readonly [string | null, number | null])[] = [
    ['2026-06-14T23:00:00.000Z', nowMs - hourMs],
    ['2026-06-14T23:00:00', nowMs - hourMs],
    ['2026-06-14T23:00:00.123456Z', nowMs - hourMs + 123],
    ['2026-06-15T01:00:00+02:00', nowMs - hourMs],
    ['2026-06-14 23:00:00 UTC', null],
    ['yesterday', null],
    ['', null],
    [null, null],
  ];
  for (const [text, timeMs] of rows) t.equal(readTime(text), timeMs, String(text));
});
