// Whatever is asked, the interpreter answers, soon, and never takes a write for a read.

import fc from 'fast-check';
import t from 'tap';
import type { AskedRequest } from '../../flow/asked-request.ts';
import { unattributed } from '../../flow/job.ts';
import { canonicalisePath } from '../../policy/canonicalise-path.ts';
import { createRegistryInterpreter } from '../../registry/interpreter.ts';
import { NpmRewrite } from '../../registry/rewrite-npm.ts';
import { PypiHtmlRewrite } from '../../registry/rewrite-pypi-html.ts';
import { PackageTimes } from '../../registry/times.ts';
import { npmHost, whole } from './ask.ts';

const cases = Math.min(Number(process.env['FUZZ_CASES'] ?? 300), 8000);
const times = new PackageTimes();
const { understand } = createRegistryInterpreter({ registries: [], times });

const hosts = [
  npmHost,
  'pypi.org',
  'files.pythonhosted.org',
  'upload.pypi.org',
  'repo1.maven.org',
  'maven.pkg.github.com',
  'central.sonatype.com',
  'api.nuget.org',
  'nuget.pkg.github.com',
  'crates.io',
  'index.crates.io',
  'static.crates.io',
  'proxy.golang.org',
  'sum.golang.org',
  'rubygems.org',
  'registry-1.docker.io',
  'ghcr.io',
  'x.debian.org',
  'mirror.example',
];
const words = [
  '-',
  '@scope',
  '@scope%2Fname',
  'name',
  'name-1.0.0.tgz',
  '-rev',
  '1-a',
  'package',
  'dist-tags',
  'npm',
  'v1',
  'security',
  'audits',
  'whoami',
  'simple',
  'packages',
  'pypi',
  'json',
  'foo-1.0-py3-none-any.whl',
  'foo-2-1.0.tar.gz',
  'legacy',
  '_',
  'oidc',
  'maven2',
  'com',
  'acme',
  'app',
  '1.0',
  'app-1.0.jar',
  'maven-metadata.xml',
  'api',
  'v2',
  'v3',
  'index.json',
  'flatcontainer',
  'x.1.0.nupkg',
  'crates',
  'new',
  'se',
  'rd',
  'serde',
  'download',
  'yank',
  'golang.org',
  'x',
  '@v',
  'list',
  'v1.0.0.zip',
  '@latest',
  'sumdb',
  'lookup',
  'm@v1.0.0',
  'gems',
  'rails-7.1.2.gem',
  'info',
  'v2',
  'library',
  'alpine',
  'manifests',
  'latest',
  'blobs',
  'uploads',
  'tags',
  'token',
  'pool',
  'dists',
  'a_1_b.deb',
  '',
  '%25',
  '%C3%A9',
  '%2F',
];
const queries = [
  '',
  'scope=repository:a/b:push&service=x',
  'from=a/b&mount=x',
  '%',
  'gems=a,b,,c',
  "id='x'",
  'gem_name=%ff',
];

const request = fc
  .record({
    host: fc.constantFrom(...hosts),
    method: fc.constantFrom('GET', 'GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'odd'),
    segments: fc.array(
      fc.oneof(
        { weight: 9, arbitrary: fc.constantFrom(...words) },
        { weight: 1, arbitrary: fc.string({ maxLength: 12 }) },
      ),
      { maxLength: 9 },
    ),
    query: fc.constantFrom(...queries),
    hasBody: fc.boolean(),
    accept: fc.constantFrom(
      null,
      'application/vnd.npm.install-v1+json',
      'application/vnd.pypi.simple.v1+json',
    ),
    body: fc.uint8Array({ maxLength: 80 }),
  })
  .map(({ segments, accept, body, ...rest }) => {
    const path = canonicalisePath(`/${segments.join('/')}`);
    const asked: AskedRequest = {
      ...rest,
      scheme: 'https',
      port: 443,
      path: path.kind === 'path' ? path.path : '/',
      header: (name) =>
        name === 'accept' ? accept : name === 'content-type' ? 'multipart/form-data; boundary=b' : null,
      attribution: unattributed,
      credential: 'none',
    };
    return { asked, body };
  });

t.test('any request is answered, and what is no read is told as none', async (t) => {
  fc.assert(
    fc.property(request, ({ asked, body }) => {
      const first = understand(asked);
      const after = first?.hold?.withBody(whole(Buffer.from(body))) ?? null;
      const opaque = first?.hold?.withBody({ kind: 'opaque', detail: 'large', raw: [] }) ?? null;
      const isRead = (asked.method === 'GET' || asked.method === 'HEAD') && !asked.hasBody;
      return [first, after, opaque].every((understanding) => {
        const operation = understanding?.operation ?? null;
        if (operation === null) return true;
        const { access, touches, name } = operation;
        if (touches.length === 0 || touches.length > 64) return false;
        // What is posted and reads: lists for an audit, requests for a token, which are told by their scopes.
        return isRead || access !== 'read' || name === 'npm/audit' || name.startsWith('oci/');
      });
    }),
    { numRuns: cases },
  );
  t.pass(`${cases} requests`);
});

t.test('long and repeated parts cost what their length costs', async (t) => {
  const parts = [
    '-1',
    '-',
    '1.',
    'a-1-',
    '_',
    '.',
    '%2F',
    '@',
    '!a',
    'a',
    '0',
    'a.',
    '-x86-',
    ';q=',
    '(',
    '1.0-1.0-',
  ];
  const paths = parts.flatMap((part) => {
    const long = part.repeat(Math.floor(16_000 / part.length));
    return [
      `/${long}`,
      `/simple/${long}/`,
      `/packages/${long}.tar.gz`,
      `/packages/a/${long}.whl`,
      `/gems/${long}.gem`,
      `/${long}/-/${long}.tgz`,
      `/v2/${long}/manifests/latest`,
      `/golang.org/${long}/@v/v1.0.0.zip`,
      `/pool/${long}_1_a.deb`,
      `/maven2/com/${long}/1.0/${long}-1.0.jar`,
      `/v3-flatcontainer/${long}/1/${long}.1.nupkg`,
      `/api/v1/crates/${long}/1.0.0/download`,
    ];
  });
  const started = performance.now();
  let understood = 0;
  for (const host of hosts) {
    for (const path of paths) {
      const header = (): string => 'multipart/form-data;'.padEnd(4000, ' ;');
      const asked: AskedRequest = {
        scheme: 'https',
        host,
        port: 443,
        method: 'GET',
        path,
        query: path.slice(0, 8000),
        hasBody: false,
        header,
        attribution: unattributed,
        credential: 'none',
      };
      if (understand(asked) !== null) understood++;
    }
  }
  const each = (performance.now() - started) / (hosts.length * paths.length);
  t.ok(understood > 1000, `${understood} understood`);
  // A pattern that backtracks takes seconds for one of these.
  t.ok(each < 20, `${each.toFixed(3)} ms each`);
});

t.test('answers of garbage teach nothing wrong and break nothing', async (t) => {
  const lines = ['GET', 'GET'].flatMap(() => hosts.map((host) => ({ host, path: '/react' })));
  const paths = [
    '/react',
    '/simple/foo/',
    '/v2/a/b/manifests/latest',
    '/info/rails',
    '/se/rd/serde',
    '/api/v1/crates/serde',
    '/golang.org/x/@latest',
    '/v3/registration5/a/index.json',
    '/api/v1/versions/rails.json',
  ];
  fc.assert(
    fc.property(
      fc.constantFrom(...lines),
      fc.constantFrom(...paths),
      fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 6 }),
      fc.json(),
      ({ host }, path, chunks, json) => {
        const asked: AskedRequest = {
          scheme: 'https',
          host,
          port: 443,
          method: 'GET',
          path,
          query: '',
          hasBody: false,
          header: () => null,
          attribution: unattributed,
          credential: 'none',
        };
        const reader = understand(asked)?.answer;
        for (const body of [chunks.map((chunk) => Buffer.from(chunk)), [Buffer.from(json)]]) {
          const stream = reader?.stream?.({ status: 200, header: () => 'application/json' });
          for (const chunk of body) stream?.push(chunk);
          if (stream !== null && stream !== undefined && stream.end().grants.length > 0) return false;
          for (const transform of [
            new NpmRewrite(
              () => false,
              () => null,
            ),
            new PypiHtmlRewrite(
              'pkg:pypi/foo',
              () => false,
              () => null,
            ),
          ]) {
            for (const chunk of body) transform.push(chunk);
            transform.end();
          }
        }
        return true;
      },
    ),
    { numRuns: Math.min(cases, 2000) },
  );
  t.ok(times.size < 50_000, `${times.size} times`);
});

t.test('a request is understood in microseconds', async (t) => {
  const lines = [
    [npmHost, '/@acme%2Fapp'],
    [npmHost, '/react/-/react-18.2.0.tgz'],
    ['files.pythonhosted.org', `/packages/aa/bb/${'c'.repeat(60)}/requests-2.31.0-py3-none-any.whl`],
    ['registry-1.docker.io', '/v2/library/alpine/manifests/3.20'],
    ['api.example', '/repos/acme/app/issues'],
  ] as const;
  for (const [host, path] of lines) {
    const asked: AskedRequest = {
      scheme: 'https',
      host,
      port: 443,
      method: 'GET',
      path,
      query: '',
      hasBody: false,
      header: () => null,
      attribution: unattributed,
      credential: 'none',
    };
    for (let i = 0; i < 20_000; i++) understand(asked);
    const started = performance.now();
    for (let i = 0; i < 20_000; i++) understand(asked);
    const microseconds = (performance.now() - started) / 20;
    t.ok(microseconds < 100, `${host}: ${microseconds.toFixed(2)} µs`);
  }
});
