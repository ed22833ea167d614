// What answers of a GitHub tell: the permission that would have been enough, issue or pull request, names behind
// numbers, and the storage that they hand out.

import fc from 'fast-check';
import t from 'tap';
import type { AnswerMeaning, AnswerReader, StorageGrant } from '../../flow/asked-request.ts';
import { readAccepted } from '../../platform/github/read-accepted.ts';
import { createPlatformInterpreter } from '../../platform/interpreter.ts';
import { ask, askWithBody, say, sayNeeds, servers, whole, type Asking } from './ask.ts';

interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

function answer(
  reader: AnswerReader | undefined,
  { status = 200, headers = {}, body }: Answer,
): AnswerMeaning {
  const all: Record<string, string> = { 'content-type': 'application/json; charset=utf-8', ...headers };
  const head = { status, header: (name: string) => all[name] ?? null };
  const held = reader!.wantsBody(head)
    ? whole(typeof body === 'string' ? body : JSON.stringify(body ?? null))
    : null;
  return reader!.read(head, held);
}

const answerTo = (line: string, told: Answer, asking: Asking = {}): AnswerMeaning =>
  answer(ask(line, asking).answer, told);

t.test('X-Accepted-GitHub-Permissions is read as alternatives', async (t) => {
  const rows: readonly (readonly [string | null, string | null])[] = [
    ['issues=write; pull_requests=write', 'issues:write | pull-requests:write'],
    ['contents=read', 'contents:read'],
    ['contents=write,workflows=write', ''],
    ['contents=write,workflows=write; contents=write', 'contents:write'],
    ['metadata=read', '-'],
    ['metadata=read,contents=read', 'contents:read'],
    ['contents=read,pull_requests=write', 'contents:read & pull-requests:write'],
    ['allows_permissionless_access=true', '-'],
    ['contents=read; allows_permissionless_access=true', 'contents:read'],
    ['vulnerability_alerts=read', 'vulnerability-alerts:read'],
    ['vulnerability_alerts=write', ''],
    ['security_events=read', 'security-events:read'],
    ['artifact_metadata=write; contents=write', 'artifact-metadata:write | contents:write'],
    ['administration=write', ''],
    ['organization_projects=admin', ''],
    ['contents=admin', ''],
    [' issues=read ;pull_requests=read ', 'issues:read | pull-requests:read'],
    ['', null],
    [null, null],
    ['contents', null],
    ['contents=none', null],
    ['Contents=read', null],
    ['contents=read;;', 'contents:read'],
    ['contents=read;'.repeat(33), null],
    ['x'.repeat(5_000), null],
  ];
  for (const [header, expected] of rows) {
    const read = readAccepted(header);
    t.equal(read === null ? null : sayNeeds(read), expected, String(header).slice(0, 80));
  }
  const told = answerTo('POST https://api.github.com/repos/acme/app/issues/1/comments', {
    status: 403,
    headers: { 'x-accepted-github-permissions': 'issues=write; pull_requests=write' },
    body: '{}',
  });
  t.equal(sayNeeds(told.accepted!), 'issues:write | pull-requests:write');
});

t.test('the answer tells an issue from a pull request', async (t) => {
  const comment = 'POST https://api.github.com/repos/acme/app/issues/1/comments';
  const url = (kind: string): string => `https://github.com/acme/app/${kind}/1#issuecomment-5`;
  const rows: readonly (readonly [string, unknown, string | undefined])[] = [
    [comment, { html_url: url('issues') }, 'issues:write'],
    [comment, { html_url: url('pull') }, 'pull-requests:write'],
    [comment, [{ html_url: url('pull') }, { html_url: url('pull') }], 'pull-requests:write'],
    [comment, [{ html_url: url('pull') }, { html_url: url('issues') }], undefined],
    [comment, { html_url: 'https://evil.example/' }, undefined],
    [comment, { html_url: 7 }, undefined],
    [comment, [], undefined],
    [comment, null, undefined],
    [comment, 'no json', undefined],
    [
      'PATCH https://api.github.com/repos/acme/app/issues/1',
      { html_url: 'https://ghes.example/a/b/pull/1' },
      'pull-requests:write',
    ],
    ['GET https://api.github.com/repos/acme/app/labels', { html_url: url('pull') }, 'pull-requests:read'],
    ['GET https://api.github.com/repos/acme/app/issues/1', { html_url: url('pull') }, undefined],
  ];
  for (const [line, body, expected] of rows) {
    const { decided } = answerTo(line, { body });
    t.equal(
      decided === undefined ? undefined : sayNeeds(decided),
      expected,
      `${line} ${JSON.stringify(body)}`,
    );
  }
});

t.test('a repository’s number is known once the platform told its name', async (t) => {
  const interpreter = createPlatformInterpreter(servers);
  const asking = { interpreter, job: { repositoryId: null } };
  const byNumber = 'POST https://api.github.com/repositories/42/issues';
  const told = (line: string, body: unknown, headers = {}): void =>
    void answer(ask(line, asking).answer, { body, headers });
  t.equal(say(ask(byNumber, asking)), 'issues/create · write ?#42 · issues:write');
  told('GET https://api.github.com/repos/evil/x/issues/1', { id: 42, full_name: 'acme/app' });
  told('GET https://api.github.com/repos/evil/x/contents/y', { id: 42, full_name: 'acme/app' });
  told(
    'GET https://api.github.com/repos/evil/x',
    { id: 42, full_name: 'acme/app' },
    { 'content-type': 'text/plain' },
  );
  told('GET https://api.github.com/repos/evil/x', { id: '42', full_name: 'acme/app' });
  told('GET https://api.github.com/repos/evil/x', { id: 42, full_name: 'acme/app/x' });
  t.equal(
    say(ask(byNumber, asking)),
    'issues/create · write ?#42 · issues:write',
    'what is no repository’s answer',
  );
  told('GET http://api.github.com/repos/acme/lib', { id: 42, full_name: 'acme/lib' });
  t.equal(
    say(ask(byNumber, asking)),
    'issues/create · write ?#42 · issues:write',
    'without TLS anybody answers',
  );
  told('GET https://api.github.com/repos/acme/lib', { id: 42, full_name: 'acme/lib' });
  t.equal(say(ask(byNumber, asking)), 'issues/create · write acme/lib#42 · issues:write');
  t.notOk(ask(byNumber, asking).operation!.widens, 'and is another repository');
  t.match(
    say(ask('POST https://ghes.corp.example/api/v3/repositories/42/issues', asking)),
    /\?#42/,
    'on its server alone',
  );
  told('GET https://api.github.com/orgs/acme/repos', [
    { id: 43, full_name: 'acme/a' },
    { id: 44, full_name: 'acme/b' },
  ]);
  t.match(say(ask('GET https://api.github.com/repositories/44', asking)), /acme\/b#44/);
});

t.test('links to further pages tell whose number they have', async (t) => {
  const rest = 'https://api.github.com';
  const next = (path: string, host = rest): string => `<${host}${path}?page=2>; rel="next"`;
  const pages = (path: string): string => `${next(path)}, <${rest}${path}?page=9>; rel="last"`;
  const rows: readonly (readonly [asked: string, link: string, then: string, expected: RegExp])[] = [
    ['/repos/acme/lib/issues', pages('/repositories/8/issues'), '/repositories/8/issues', / acme\/lib#8 /],
    ['/orgs/acme/repos', pages('/organizations/77/repos'), '/organizations/77/repos', / owner acme /],
    ['/users/octocat/repos', pages('/user/5/repos'), '/user/5/repos', / owner octocat /],
    // what teaches nothing
    ['/search/issues', pages('/repositories/8/issues'), '/repositories/8/issues', / \?#8 /],
    ['/repos/acme/lib/odd', pages('/repositories/8/odd'), '/repositories/8/issues', / \?#8 /],
    ['/orgs/acme/repos', pages('/user/77/repos'), '/organizations/77/repos', / owner \? /],
    ['/repos/acme/lib/issues', next('/repos/acme/lib/issues'), '/repositories/8/issues', / \?#8 /],
    [
      '/repos/acme/lib/issues',
      next('/repositories/8/issues', 'https://evil.example'),
      '/repositories/8/issues',
      / \?#8 /,
    ],
    [
      '/repos/acme/lib/issues',
      `${next('/repositories/9/issues')}, ${next('/repositories/8/issues')}`,
      '/repositories/8/issues',
      / \?#8 /,
    ],
    [
      '/repos/acme/lib/issues',
      `${next('/elsewhere')}, ${next('/repositories/8/issues')}`,
      '/repositories/8/issues',
      / \?#8 /,
    ],
    ['/repositories/8/issues', pages('/repositories/8/issues'), '/repositories/8/issues', / \?#8 /],
    ['/repos/acme/lib/issues', '<'.repeat(20_000), '/repositories/8/issues', / \?#8 /],
  ];
  for (const [asked, link, then, expected] of rows) {
    const interpreter = createPlatformInterpreter(servers);
    const asking = { interpreter, job: { repositoryId: null } };
    answer(ask(`GET ${rest}${asked}`, asking).answer, { headers: { link } });
    t.match(say(ask(`GET ${rest}${then}`, asking)), expected, `${asked} ${link.slice(0, 200)}`);
  }
  const interpreter = createPlatformInterpreter(servers);
  const { answer: open } = ask('GET http://api.github.com/repos/acme/lib/issues', { interpreter });
  answer(open, { headers: { link: pages('/repositories/8/issues') } });
  t.match(say(ask(`GET ${rest}/repositories/8/issues`, { interpreter })), /\?#8/, 'no TLS');
  const { answer: reader } = ask(`GET ${rest}/repos/acme/lib/issues`, { interpreter });
  answer(reader, { status: 404, headers: { link: pages('/repositories/8/issues') } });
  t.match(say(ask(`GET ${rest}/repositories/8/issues`, { interpreter })), /\?#8/, 'no list');
});

const inAnHour = (): string => new Date(Date.now() + 3_600_000).toISOString();
const short = (grants: readonly StorageGrant[]): string[] =>
  grants.map(({ host, methods, pathPrefix, expiresMs }) => {
    const minutes = Math.round((expiresMs - Date.now()) / 60_000);
    return `${methods.join(',')} ${host} ${pathPrefix} ${minutes}`;
  });

t.test('storage that answers hand out is granted as it was handed out', async (t) => {
  const blob = 'https://productionresultssa3.blob.core.windows.net';
  const results =
    'POST https://results-receiver.actions.githubusercontent.com/twirp/github.actions.results.api.v1';
  const restore = askWithBody(`${results}.CacheService/GetCacheEntryDownloadURL`, '{"key":"k"}');
  const save = askWithBody(`${results}.CacheService/CreateCacheEntry`, '{"key":"k"}');
  const sas = `?se=${encodeURIComponent(inAnHour())}&sp=cw&sig=x`;
  t.same(
    short(
      answer(save.answer, { body: { ok: true, signed_upload_url: `${blob}/actions-cache/a/b${sas}` } })
        .grants,
    ),
    ['PUT productionresultssa3.blob.core.windows.net /actions-cache/a/b 60'],
  );
  t.same(
    short(answer(restore.answer, { body: { signedDownloadUrl: `${blob}/actions-cache/a/b${sas}` } }).grants),
    ['GET,HEAD productionresultssa3.blob.core.windows.net /actions-cache/a/b 60'],
  );
  t.same(answer(save.answer, { status: 403, body: { signed_upload_url: `${blob}/x/y` } }).grants, []);
  const redirect = (line: string, location: string, status = 302): string[] =>
    short(answerTo(line, { status, headers: { location } }).grants);
  const release = 'GET https://github.com/acme/app/releases/download/v1/app.tgz';
  const asset =
    'https://release-assets.githubusercontent.com/production/1/2?sp=r&X-Amz-Date=20200101T000000Z';
  t.same(redirect(release, asset), ['GET,HEAD release-assets.githubusercontent.com /production/1/2 10']);
  t.same(redirect(release, `${asset}&X-Amz-Expires=300`), [], 'already over');
  t.same(redirect(release, asset, 200), [], 'no redirect');
  t.same(
    redirect(
      'GET https://api.github.com/repos/acme/app/actions/artifacts/1/zip',
      `${blob}/actions-results/a${sas}`,
    ),
    ['GET,HEAD productionresultssa3.blob.core.windows.net /actions-results/a 60'],
  );
  t.same(
    redirect(
      'GET https://ghcr.io/v2/acme/app/blobs/sha256:aa',
      'https://pkg-containers.githubusercontent.com/ghcr1/b/sha256:aa',
      307,
    ),
    ['GET,HEAD pkg-containers.githubusercontent.com /ghcr1/b/sha256:aa 10'],
  );
  t.same(
    redirect('GET https://api.github.com/repos/acme/app', 'https://evil.example/x'),
    [],
    'a call that has no storage',
  );
  t.equal(ask('GET https://github.com/login').answer, undefined, 'a page');
});

t.test('what is no signed storage elsewhere gives no grant', async (t) => {
  const line = 'GET https://github.com/acme/app/releases/download/v1/app.tgz';
  const bad = [
    'http://storage.example/x',
    '/login',
    'https://github.com/evil/repo/x',
    'https://codeload.github.com/evil/repo/x',
    'https://x.actions.githubusercontent.com/x',
    'https://storage.example/',
    'https://storage.example',
    'https://storage.example/a/../b',
    'https://storage.example/a/%2e%2e/b',
    'https://storage.example//a',
    'https://storage.example/a%5Cb',
    'https://storage.example/a%00b',
    'https://storage.example/a%252e%252e/b',
    'https://storage.example/a;b',
    'https://user@storage.example/a',
    'https://storage.example:0/a',
    'https://storage.example:99999/a',
    'https://[::1]/a',
    'https://localhost/a',
    'https://127.0.0.1/a',
    'https://169.254.169.254/latest/meta-data',
    'https://2130706433/a',
    'ftp://storage.example/a',
    ' https://storage.example/a',
    `https://storage.example/${'a'.repeat(20_000)}`,
  ];
  for (const location of bad)
    t.same(answerTo(line, { status: 302, headers: { location } }).grants, [], location.slice(0, 60));
  const spelt = { status: 302, headers: { location: 'https://STORAGE.example:8443/%61/b%2fc' } };
  const [grant] = answerTo(line, spelt).grants;
  t.match(
    grant,
    { host: 'storage.example', port: 8443, pathPrefix: '/a/b%2Fc' },
    'in the canonical spelling',
  );
  const late = { status: 302, headers: { location: 'https://storage.example/a?Expires=99999999999' } };
  t.ok(answerTo(line, late).grants[0]!.expiresMs <= Date.now() + 86_400_000, 'a day at most');
});

t.test('an LFS batch opens the storage of its objects, each for its act', async (t) => {
  const line = 'POST https://github.com/acme/app.git/info/lfs/objects/batch';
  const upload = askWithBody(line, '{"operation":"upload"}');
  const s3 = 'https://github-cloud.s3.amazonaws.com/alambic/media/1/a';
  const body = {
    objects: [
      {
        oid: 'a',
        actions: {
          upload: { href: `${s3}?X-Amz-Signature=x`, expires_in: 900 },
          verify: { href: 'https://lfs.github.com/acme/app/verify', expires_at: inAnHour() },
        },
      },
      { oid: 'b', actions: { download: { href: s3, expires_in: -5 } } },
      { oid: 'c', error: { code: 404 } },
      null,
      { actions: 'x' },
    ],
  };
  t.same(short(answer(upload.answer, { body }).grants), [
    'PUT github-cloud.s3.amazonaws.com /alambic/media/1/a 15',
    'POST lfs.github.com /acme/app/verify 60',
  ]);
  t.same(answer(upload.answer, { body: '{' }).grants, []);
  t.equal(ask(line).answer, undefined, 'not before its body was read');
});

t.test('no answer makes it throw', async () => {
  const lines = [
    'GET https://api.github.com/repos/acme/app',
    'GET https://api.github.com/repos/acme/app/labels',
    'GET https://github.com/acme/app/releases/download/v1/x',
    'POST https://results-receiver.actions.githubusercontent.com/twirp/x.CacheService/LookupCacheEntry',
  ];
  const text = fc.oneof(
    fc.string(),
    fc.string().map((rest) => `https://storage.example/${rest}`),
    fc.json(),
  );
  fc.assert(
    fc.property(
      fc.constantFrom(...lines),
      text,
      text,
      fc.constantFrom(200, 302, 403, 500),
      (line, a, b, status) => {
        const headers = { location: a, 'x-accepted-github-permissions': a };
        const { grants } = answerTo(line, { status, headers, body: b });
        return grants.every(
          ({ host, pathPrefix }) => !host.endsWith('github.com') && pathPrefix.startsWith('/'),
        );
      },
    ),
    { numRuns: Math.min(Number(process.env['FUZZ_CASES'] ?? 500), 3_000) },
  );
});
