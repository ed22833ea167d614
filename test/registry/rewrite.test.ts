// Lists of versions without those that policy refuses: what clients read afterwards, and what it costs.

import { spawnSync } from 'node:child_process';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import t from 'tap';
import type { AnswerTransform, KeepVersion } from '../../flow/asked-request.ts';
import { createRegistryInterpreter } from '../../registry/interpreter.ts';
import { NpmRewrite } from '../../registry/rewrite-npm.ts';
import { PypiHtmlRewrite } from '../../registry/rewrite-pypi-html.ts';
import { PypiJsonRewrite } from '../../registry/rewrite-pypi-json.ts';
import { askedRequest, npmHost } from './ask.ts';

const nowMs = Date.parse('2026-06-15T00:00:00Z');
const dayMs = 86_400_000;
const unknownTime = (): null => null;
/** At least three days old; what nobody knows stays. */
const oldEnough: KeepVersion = (_version, timeMs) => timeMs === null || nowMs - timeMs >= 3 * dayMs;

interface Out {
  readonly text: string;
  readonly removed: readonly string[];
}

function run(transform: AnswerTransform, body: string | Buffer, cut = 11): Out | string {
  const bytes = Buffer.from(body as string);
  const out: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += cut) out.push(...transform.push(bytes.subarray(at, at + cut)));
  const end = transform.end();
  if (end.kind === 'refused') return end.detail;
  return { text: Buffer.concat([...out, ...end.rest]).toString('utf8'), removed: end.removed };
}

function shorten(
  packument: unknown,
  keep: KeepVersion = oldEnough,
  cut?: number,
): { json: Record<string, unknown>; removed: readonly string[] } {
  const out = run(new NpmRewrite(keep, unknownTime), JSON.stringify(packument), cut);
  if (typeof out === 'string') throw new Error(out);
  return { json: JSON.parse(out.text) as Record<string, unknown>, removed: out.removed };
}

function packument(
  versions: Readonly<Record<string, string>>,
  tags: Readonly<Record<string, string>>,
): Record<string, unknown> {
  return {
    _id: 'app',
    name: 'app',
    'dist-tags': tags,
    versions: Object.fromEntries(
      Object.keys(versions).map((version) => [
        version,
        { name: 'app', version, dist: { integrity: `sha512-${version}` } },
      ]),
    ),
    time: { created: '2020-01-01T00:00:00Z', modified: '2026-06-14T00:00:00Z', ...versions },
    readme: 'versions, "time" and {braces}',
  };
}

const old = '2026-01-01T00:00:00.000Z';
const young = '2026-06-14T00:00:00.000Z';

t.test('young versions leave a packument, and latest falls back to the newest that is stable', async (t) => {
  const { json, removed } = shorten(
    packument(
      { '1.0.0': old, '1.1.0': old, '2.0.0-rc.1': old, '1.2.0': young },
      { latest: '1.2.0', next: '2.0.0-rc.1', beta: '1.2.0' },
    ),
  );
  t.same(removed, ['1.2.0']);
  t.same(json['dist-tags'], { latest: '1.1.0', next: '2.0.0-rc.1' });
  t.same(Object.keys(json['versions'] as object), ['1.0.0', '1.1.0', '2.0.0-rc.1']);
  t.same(Object.keys(json['time'] as object), ['created', 'modified', '1.0.0', '1.1.0', '2.0.0-rc.1']);
  t.same((json['versions'] as Record<string, unknown>)['1.1.0'], {
    name: 'app',
    version: '1.1.0',
    dist: { integrity: 'sha512-1.1.0' },
  });
  t.equal(json['readme'], 'versions, "time" and {braces}');
});

t.test('what latest falls back to', async (t) => {
  const rows: readonly (readonly [
    versions: Record<string, string>,
    latest: string,
    found: string | undefined,
  ])[] = [
    [{ '1.9.0': old, '1.10.0': old, '1.11.0': young }, '1.11.0', '1.10.0'],
    [{ '1.0.0': old, '3.0.0': old, '2.0.0': young }, '2.0.0', '1.0.0'],
    [{ '3.0.0': old, '2.0.0': young }, '2.0.0', '3.0.0'],
    [{ '1.0.0-rc.2': old, '1.0.0-rc.10': old, '1.0.0': young }, '1.0.0', '1.0.0-rc.10'],
    [{ '1.0.0': young }, '1.0.0', undefined],
    [{ '1.0.0': old, '1.1.0': young }, '1.0.0', '1.0.0'],
  ];
  for (const [versions, latest, found] of rows) {
    const { json } = shorten(packument(versions, { latest }));
    t.equal((json['dist-tags'] as Record<string, string>)['latest'], found, JSON.stringify(versions));
  }
});

t.test('a packument with nothing to take out passes byte for byte', async (t) => {
  const body = JSON.stringify(packument({ '1.0.0': old }, { latest: '1.0.0' }), null, 2);
  t.same(run(new NpmRewrite(oldEnough, unknownTime), body), { text: body, removed: [] });
});

t.test(
  'malicious versions go by name, and a time that the packument lacks is the one learnt before',
  async (t) => {
    const keep: KeepVersion = (version, timeMs) => version !== '1.0.1' && oldEnough(version, timeMs, null);
    t.same(shorten(packument({ '1.0.0': old, '1.0.1': old }, { latest: '1.0.1' }), keep).json['dist-tags'], {
      latest: '1.0.0',
    });
    const abbreviated = '{"versions":{"1.0.0":{},"1.0.1":{}},"dist-tags":{"latest":"1.0.1"}}';
    const known = (version: string): number => Date.parse(version === '1.0.1' ? young : old);
    t.equal(
      (run(new NpmRewrite(oldEnough, known), abbreviated) as Out).text,
      '{"versions":{"1.0.0":{}},"dist-tags":{"latest":"1.0.0"}}',
    );
  },
);

t.test('a packument that two readers could read differently is refused, and so is none', async (t) => {
  for (const body of [
    '{"versions":{"1.0.0":{}},"versions":{"2.0.0":{}}}',
    '{"time":{},"\\u0074ime":{}}',
    '{"versions":{"1.0.0":{}}',
    '<html>',
    '[]',
    '',
  ]) {
    t.type(run(new NpmRewrite(() => false, unknownTime), body), 'string', body);
  }
});

t.test('whatever is taken out, the rest is what it was', async (t) => {
  const cases = Math.min(Number(process.env['FUZZ_CASES'] ?? 100), 1500);
  const version = fc.tuple(fc.nat(9), fc.nat(9), fc.nat(9)).map((parts) => parts.join('.'));
  const all = fc.dictionary(version, fc.record({ value: fc.jsonValue(), isYoung: fc.boolean() }), {
    maxKeys: 8,
  });
  fc.assert(
    fc.property(all, fc.integer({ min: 1, max: 40 }), (versions, cut) => {
      const names = Object.keys(versions);
      const doc = {
        versions: Object.fromEntries(names.map((name) => [name, versions[name]!.value])),
        'dist-tags': names.length > 0 ? { latest: names[0] } : {},
        time: Object.fromEntries(names.map((name) => [name, versions[name]!.isYoung ? young : old])),
      };
      const { json } = shorten(doc, oldEnough, cut);
      const kept = names.filter((name) => !versions[name]!.isYoung);
      const left = JSON.stringify(Object.fromEntries(kept.map((name) => [name, versions[name]!.value])));
      const latest = (json['dist-tags'] as Record<string, string>)['latest'];
      return (
        JSON.stringify(json['versions']) === left &&
        (latest === undefined ? kept.length === 0 : kept.includes(latest))
      );
    }),
    { numRuns: cases },
  );
  t.pass(`${cases} packuments`);
});

t.test('young files leave a Python project’s page, and versions without a file', async (t) => {
  const file = (filename: string, time: string) => ({
    filename,
    hashes: { sha256: 'ab' },
    'upload-time': time,
  });
  const page = {
    files: [
      file('foo-1.0.tar.gz', old),
      file('foo-1.0-py3-none-any.whl', young),
      file('foo-2.0.tar.gz', young),
      file('foo-2.0-py3-none-any.whl', young),
    ],
    meta: { 'api-version': '1.1' },
    name: 'foo',
    versions: ['0.9', '1.0', '2.0'],
  };
  const out = run(new PypiJsonRewrite('pkg:pypi/foo', oldEnough, unknownTime), JSON.stringify(page)) as Out;
  t.same(JSON.parse(out.text), { ...page, files: [page.files[0]], versions: ['0.9', '1.0'] });
  t.same(out.removed, ['foo-1.0-py3-none-any.whl', 'foo-2.0.tar.gz', 'foo-2.0-py3-none-any.whl']);
  t.equal(
    run(new PypiJsonRewrite('pkg:pypi/foo', oldEnough, unknownTime), '{"files":[],"files":[]}'),
    'the list of files holds a part of itself twice',
  );
});

t.test('young files leave a page in HTML, by times that were learnt before', async (t) => {
  const known = (_version: string, file: string | null): number =>
    Date.parse(file?.startsWith('foo-2.0') === true ? young : old);
  const link = (file: string): string =>
    `<a href="../../packages/${file}#sha256=ab" data-requires-python="&gt;=3.8">${file}</a><br />\n`;
  const [one, two, wheel] = [
    link('foo-1.0.tar.gz'),
    link('foo-2.0.tar.gz'),
    '<A\n HREF=foo-2.0-py3-none-any.whl>w</A >',
  ];
  const page = `<!DOCTYPE html><html><body>\n<h1>é foo</h1><abbr>x</abbr>${one}${two}${wheel}</body></html>`;
  for (const cut of [1, 5, 64, 4096]) {
    const out = run(new PypiHtmlRewrite('pkg:pypi/foo', oldEnough, known), page, cut) as Out;
    t.equal(
      out.text,
      `<!DOCTYPE html><html><body>\n<h1>é foo</h1><abbr>x</abbr>${one}\n</body></html>`,
      `pieces of ${cut}`,
    );
    t.same(out.removed, ['foo-2.0.tar.gz', 'foo-2.0-py3-none-any.whl']);
  }
  const hidden = '<!-- <a href="foo-1.0.tar.gz"> --><a href="foo-2.0.tar.gz">x</a>';
  t.equal((run(new PypiHtmlRewrite('pkg:pypi/foo', oldEnough, known), hidden) as Out).text, '<!-- ');
  t.type(
    run(new PypiHtmlRewrite('pkg:pypi/foo', oldEnough, known), '<a href="foo-2.0.tar.gz">'),
    'string',
    'a link that the page cuts off',
  );
  t.type(
    run(new PypiHtmlRewrite('pkg:pypi/foo', oldEnough, known), `<a ${'x'.repeat(200_000)}`, 4096),
    'string',
    'a link without an end',
  );
});

t.test('the interpreter offers it for lists alone, and asks for the form that tells times', async (t) => {
  const { understand } = createRegistryInterpreter({ registries: [] });
  const npm = `https://${npmHost}`;
  t.match(understand(askedRequest(`GET ${npm}/react`))?.rewrite?.ask, {
    accept: 'application/json',
    'if-none-match': null,
  });
  t.equal(understand(askedRequest(`GET ${npm}/react/-/react-1.0.0.tgz`))?.rewrite, undefined);
  t.equal(understand(askedRequest(`PUT ${npm}/react`))?.rewrite, undefined);
  const accept = 'application/vnd.pypi.simple.v1+json, text/html; q=0.1';
  t.equal(
    understand(askedRequest('GET https://pypi.org/simple/foo/', { headers: { accept } }))?.rewrite?.ask[
      'accept'
    ],
    'application/vnd.pypi.simple.v1+json',
  );
  t.equal(
    understand(askedRequest('GET https://pypi.org/simple/foo/', { headers: { accept: 'text/html' } }))
      ?.rewrite?.ask['accept'],
    undefined,
  );
});

function* largePackument(versions: number): Generator<Buffer> {
  const filler = JSON.stringify(
    Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`dependency-${i}`, `^1.${i}.0`])),
  );
  yield Buffer.from('{"name":"large","dist-tags":{"latest":"1.0.0"},"versions":{');
  for (let i = 0; i < versions; i++)
    yield Buffer.from(
      `${i === 0 ? '' : ','}"1.${i}.0":{"version":"1.${i}.0","dependencies":${filler},"description":"${'x'.repeat(1000)}"}`,
    );
  yield Buffer.from('},"time":{');
  for (let i = 0; i < versions; i++)
    yield Buffer.from(`${i === 0 ? '' : ','}"1.${i}.0":"${i % 2 === 0 ? old : young}"`);
  yield Buffer.from('}}');
}

t.test('a packument of 50 MB is held once', async (t) => {
  const transform = new NpmRewrite(oldEnough, unknownTime);
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  const before = process.memoryUsage();
  let [bytes, peakBytes] = [0, 0];
  const measure = (): void => {
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    peakBytes = Math.max(peakBytes, heapUsed + arrayBuffers - before.heapUsed - before.arrayBuffers);
  };
  for (const chunk of largePackument(14_500)) {
    transform.push(chunk);
    bytes += chunk.length;
  }
  measure();
  const end = transform.end();
  measure();
  t.ok(bytes > 50_000_000, `${bytes} bytes`);
  t.ok(peakBytes < 2 * bytes, `${(peakBytes / bytes).toFixed(2)} times its size`);
  if (end.kind !== 'whole') {
    t.fail(end.detail);
    return;
  }
  t.equal(end.removed.length, 7250);
  t.equal(
    Object.keys((JSON.parse(Buffer.concat(end.rest).toString()) as { versions: object }).versions).length,
    7250,
  );
});

t.test('a list without end is refused, and not kept', async (t) => {
  const many = new NpmRewrite(() => false, unknownTime);
  many.push(Buffer.from('{"versions":{'));
  const entries = Buffer.from('"1.0.0":0,'.repeat(50_000));
  for (let i = 0; i < 6; i++) many.push(entries);
  t.same(many.end(), { kind: 'refused', detail: 'the list of versions is too large to be shortened' });
  t.equal(many.heldBytes, 0);
  const large = new PypiJsonRewrite('pkg:pypi/foo', () => false, unknownTime);
  large.push(Buffer.from('{"name":"'));
  const text = Buffer.alloc(8_388_608, 'x');
  for (let i = 0; i < 17; i++) large.push(text);
  t.equal(large.heldBytes, 0);
  t.same(large.end(), { kind: 'refused', detail: 'the list of files is too large to be shortened' });
});

t.test('real packuments of the npm registry in use', async (t) => {
  const registry = spawnSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).stdout.trim();
  for (const name of ['tap', '@types/node']) {
    const url = new URL(name.replace('/', '%2f'), registry.endsWith('/') ? registry : `${registry}/`);
    const response = await fetch(url, { headers: { accept: 'application/json' } }).catch(() => null);
    if (response?.ok !== true) {
      t.comment('skipped: the npm registry does not answer');
      return;
    }
    const body = Buffer.from(await response.arrayBuffer());
    const before = JSON.parse(body.toString()) as {
      versions: Record<string, unknown>;
      time?: Record<string, string>;
    };
    const times = Object.entries(before.time ?? {}).filter(([version]) => version in before.versions);
    const median = times.map(([, time]) => Date.parse(time)).sort((a, b) => a - b)[times.length >> 1] ?? 0;
    const out = run(
      new NpmRewrite((_version, timeMs) => timeMs === null || timeMs <= median, unknownTime),
      body,
      65_536,
    ) as Out;
    const after = JSON.parse(out.text) as {
      versions: Record<string, unknown>;
      'dist-tags': Record<string, string>;
    };
    const kept = Object.keys(before.versions).filter(
      (version) => Date.parse(before.time?.[version] ?? '') <= median,
    );
    t.same(
      Object.keys(after.versions),
      kept,
      `${name}: ${kept.length} of ${Object.keys(before.versions).length} versions stay`,
    );
    t.same(after.versions, Object.fromEntries(kept.map((version) => [version, before.versions[version]])));
    t.ok((after['dist-tags']['latest'] ?? '') in after.versions, `latest is ${after['dist-tags']['latest']}`);
  }
});
