// What requests to a GitLab mean: its API, git, LFS, registries and pages, by project and by what a job's token needs;
// and what must not be taken for something else.

import fc from 'fast-check';
import t from 'tap';
import type { Held } from '../../flow/held.ts';
import { defaultServers, ownServer } from '../../flow/platform-server.ts';
import { createPlatformInterpreter } from '../../platform/interpreter.ts';
import { routes } from '../../platform/gitlab/find-route.ts';
import { ask as askAny, request, say, whole, type Asking } from './ask.ts';
import { apiRows, permissionRows, type Row, unknownRows, webRows } from './gitlab-facts.ts';

const interpreter = createPlatformInterpreter([
  ...defaultServers,
  ownServer('gitlab', 'gitlab.corp.example'),
]);
const infra = {
  platform: 'gitlab',
  server: 'gitlab.com',
  repository: 'acme/infra',
  repositoryId: '42',
} as const;
const asked = (asking: Asking = {}): Asking => ({ interpreter, job: infra, ...asking });
const ask = (line: string, asking: Asking = {}) => askAny(line, asked(asking));
const json = { headers: { 'content-type': 'application/json' } };

function check(title: string, root: string, rows: readonly Row[]): void {
  t.test(title, async (t) => {
    for (const [line, expected] of rows) {
      const [method, path] = line.split(' ') as [string, string]; // every row has both
      t.equal(say(ask(`${method} https://gitlab.com${root}${path}`)), expected, line);
    }
  });
}

check('what a job’s token needs is named as its target grants it', '/api/v4', permissionRows);
check(
  'all else of the API is beyond a job’s token; what outlives the job is admin',
  '/api/v4',
  apiRows.filter(([line]) => !isHeld(line)),
);
check(
  'what no table has, or could be read in two ways, is never known and names nothing',
  '/api/v4',
  unknownRows,
);
check('git, LFS, the registry and pages go by project', '', webRows);

function isHeld(line: string): boolean {
  return /POST \/projects\/42\/(?:merge_requests|repository\/commits)$/.test(line);
}

t.test('a table of more than 300 routes names each once', async (t) => {
  const keys = routes.map(({ method, path }) => `${method} ${path}`);
  t.ok(keys.length > 300);
  t.same(
    keys.filter((key, at) => keys.indexOf(key) !== at),
    [],
  );
});

t.test('the registry’s host is one of images', async (t) => {
  const rows: readonly Row[] = [
    ['GET https://registry.gitlab.com/v2/', 'container/ping · read platform · -'],
    [
      'GET https://registry.gitlab.com/v2/acme/infra/manifests/1.2',
      'container/pull · read image registry.gitlab.com/acme/infra@1.2 · -',
    ],
    [
      'HEAD https://registry.gitlab.com/v2/acme/team/infra/web/blobs/sha256:aa',
      'container/pull · read image registry.gitlab.com/acme/team/infra/web · -',
    ],
    [
      'POST https://registry.gitlab.com/v2/acme/infra/blobs/uploads/',
      'container/push · write image registry.gitlab.com/acme/infra · -',
    ],
    [
      'POST https://registry.gitlab.com/v2/acme/infra/blobs/uploads/?mount=sha256:aa&from=evil/x',
      'container/push · write image registry.gitlab.com/acme/infra + read image registry.gitlab.com/evil/x · -',
    ],
    [
      'PUT https://registry.gitlab.com/v2/acme/infra/manifests/1.2',
      'container/push · write image registry.gitlab.com/acme/infra@1.2 · -',
    ],
    [
      'DELETE https://registry.gitlab.com/v2/acme/infra/manifests/sha256:aa',
      'container/delete · write image registry.gitlab.com/acme/infra@sha256:aa · -',
    ],
    [
      'GET https://registry.gitlab.com/gitlab/v1/import/acme/infra/',
      'container/unknown · read platform · - · unknown',
    ],
    [
      'GET https://registry.gitlab.corp.example/v2/ops/tool/manifests/1',
      'container/pull · read image registry.gitlab.corp.example/ops/tool@1 · -',
    ],
    [
      'GET https://gitlab.corp.example/jwt/auth?service=container_registry&scope=repository:ops/tool:pull',
      'container/token · read image registry.gitlab.corp.example/ops/tool · -',
    ],
  ];
  for (const [line, expected] of rows) t.equal(say(ask(line)), expected, line);
  t.equal(ask('GET https://gitlab.corp.example/ops/tool.git/HEAD').operation?.server, 'gitlab.corp.example');
  t.equal(interpreter.understand(request('GET https://gitlab.io/acme/infra')), null);
});

const api = 'https://gitlab.com/api/v4';
const withBody = (line: string, body: string | Held, asking: Asking = json): string => {
  const { hold } = ask(line, asking);
  if (hold === undefined) throw new Error(`asks for no body: ${line}`);
  return say(hold.withBody(typeof body === 'string' ? whole(body) : body));
};

t.test('a merge request, a moved issue and a commit touch the other project that they name', async (t) => {
  const create = `POST ${api}/projects/42/merge_requests`;
  const own = 'merge-requests/create · write acme/infra#42';
  const form = { headers: { 'content-type': 'application/x-www-form-urlencoded' } };
  const cases: readonly (readonly [line: string, body: string, asking: Asking, touches: string])[] = [
    [create, '{"title":"x"}', json, own],
    [create, '{"title":"x","target_project_id":42}', json, `${own} + write acme/infra#42`],
    [create, '{"target_project_id":77}', json, `${own} + write ?#77`],
    [create, '{"t\\u0061rget_project_id":"77"}', json, `${own} + write ?#77`],
    [create, '{"target_project_id":[77]}', json, `${own} + write ?`],
    [create, 'not json', json, `${own} + write ?`],
    [create, '{"target_project_id":77,"target_project_id":42}', json, `${own} + write ?`],
    [
      create,
      '{"title":"x"}',
      { headers: { 'content-type': 'application/json; charset=utf-16' } },
      `${own} + write ?`,
    ],
    [create, '[{"target_project_id":77}]', json, `${own} + write ?`],
    [create, 'title=x', form, own],
    [create, 'title=x&target%5Fproject_id=77', form, `${own} + write ?#77`],
    [create, 'target_project_id[]=77', form, `${own} + write ?`],
    [create, 'title=x;target_project_id=77', form, `${own} + write ?`],
    [
      create,
      'title=x',
      { headers: { 'content-type': 'multipart/form-data; boundary=x' } },
      `${own} + write ?`,
    ],
    [
      `POST ${api}/projects/42/issues/3/move`,
      '{"to_project_id":77}',
      json,
      'issues/move · write acme/infra#42 + write ?#77',
    ],
    [
      `POST ${api}/projects/42/repository/commits`,
      '{"start_project":"acme/lib"}',
      json,
      'commits/create · write acme/infra#42 + read acme/lib',
    ],
    [
      `POST ${api}/projects/42/repository/commits`,
      '{"branch":"main"}',
      json,
      'commits/create · write acme/infra#42',
    ],
  ];
  for (const [line, body, asking, touches] of cases)
    t.equal(withBody(line, body, asking), `${touches} · - · beyond api`, `${line} ${body}`);
  t.equal(say(ask(create, json)), `${own} + write ? · - · beyond api`, 'before the body is seen');
  t.equal(
    say(ask(`${create}?target_project_id=77`, { ...json, hasBody: false })),
    `${own} + write ?#77 · - · beyond api`,
  );
  t.equal(
    withBody(create, { kind: 'opaque', detail: 'too large', raw: [] }),
    `${own} + write ? · - · beyond api`,
  );
});

t.test('a form may name another method, a field certainly does', async (t) => {
  const post = `POST ${api}/projects/42/hooks/1`;
  t.equal(say(ask(post, json)), 'rest/unknown · admin acme/infra#42 · - · unknown');
  const overridden = { headers: { ...json.headers, 'x-http-method-override': 'DELETE' } };
  t.equal(
    say(ask(`POST ${api}/projects/42/issues`, overridden)),
    'rest/unknown · write acme/infra#42 · - · unknown',
  );
  t.equal(
    say(ask(`GET ${api}/projects/42`, { headers: { 'x-http-method-override': 'DELETE' } })),
    'rest/unknown · admin acme/infra#42 · - · unknown',
  );
  t.equal(
    say(ask(`GET ${api}/projects/42/issues`, { hasBody: true })),
    'issues/list · write acme/infra#42 · - · beyond read_api',
  );
  const audit = `POST ${api}/projects/42/packages/npm/-/npm/v1/security/advisories/bulk`;
  t.equal(say(ask(audit, json)), 'packages/download · read acme/infra#42 · packages:read');
  t.equal(say(ask(audit)), 'packages/publish · write acme/infra#42 · packages:write');
  const upload = `POST ${api}/projects/42/packages/conan/v1/conans/a/1/acme+infra/x/upload_urls`;
  t.equal(say(ask(upload, json)), 'packages/download · read acme/infra#42 · packages:read');
  t.equal(
    say(ask(upload.replace('conan/', 'generic/'), json)),
    'packages/publish · write acme/infra#42 · packages:write',
  );
});

t.test('a public project lets anybody read, and says so of the job’s own alone', async (t) => {
  const open = { job: { ...infra, private: false } };
  t.equal(say(ask(`GET ${api}/projects/42/issues`, open)), 'issues/list · read acme/infra#42 · -');
  t.equal(say(ask(`GET ${api}/projects/42/jobs`, open)), 'jobs/list · read acme/infra#42 · -');
  t.equal(say(ask(`GET ${api}/projects/acme%2Flib/jobs`, open)), 'jobs/list · read acme/lib · jobs:read');
  t.equal(
    say(ask(`POST ${api}/projects/42/issues`, open)),
    'issues/create · write acme/infra#42 · - · beyond api',
  );
  t.equal(
    say(ask(`GET ${api}/projects/42/secure_files`, open)),
    'secure-files/list · read acme/infra#42 · secure_files:read',
  );
});

t.test('what comes with the job’s token is the job’s own, and with no other', async (t) => {
  const trace = `PATCH ${api}/jobs/9/trace`;
  t.equal(say(ask(trace)), 'runner/append-trace · write acme/infra · -');
  t.equal(say(ask(trace, { credential: 'derived' })), 'runner/append-trace · write ? · -');
  t.equal(say(ask(trace, { job: null })), 'runner/append-trace · write ? · -');
  t.equal(
    say(ask(trace, { job: { ...infra, server: 'gitlab.corp.example' } })),
    'runner/append-trace · write ? · -',
  );
  const widens = (line: string, asking: Asking = {}) => ask(line, asking).operation?.widens;
  t.equal(widens(`GET ${api}/projects/42/jobs`), true);
  t.equal(widens(`GET ${api}/projects/acme%2Flib/jobs`), false);
  t.equal(widens(`GET ${api}/projects/42/jobs`, { credential: 'pat' }), false);
  t.equal(widens('GET https://gitlab.corp.example/api/v4/projects/42/jobs'), false);
  t.equal(
    say(ask('GET https://gitlab.corp.example/api/v4/projects/42/jobs')),
    'jobs/list · read ?#42 · jobs:read',
  );
});

const pkt = (text: string): string => `${(text.length + 4).toString(16).padStart(4, '0')}${text}`;
const zero = '0'.repeat(40);

t.test('a push says its refs, a batch whether it reads', async (t) => {
  const push = 'POST https://gitlab.com/acme/team/infra.git/git-receive-pack';
  const commands = `${pkt(`${zero} ${'1'.repeat(40)} refs/heads/main\0 report-status`)}0000PACK`;
  t.equal(withBody(push, commands), 'git/push · write acme/team/infra [refs/heads/main] · -');
  t.equal(withBody(push, 'zzzz'), 'git/push · write acme/team/infra · -');
  t.notMatch(ask(push).operation?.detail, /github/);
  const batch = 'POST https://gitlab.com/acme/infra.git/info/lfs/objects/batch';
  t.equal(withBody(batch, '{"operation":"download","objects":[]}'), 'lfs/download · read acme/infra · -');
  t.equal(withBody(batch, '{"operation":"upload","objects":[]}'), 'lfs/upload · write acme/infra · -');
  t.equal(
    withBody(batch, '{"operation":"download","Operation":"upload"}'),
    'lfs/batch · write acme/infra · - · unknown',
  );
});

t.test('a project’s number is known once GitLab told its path', async (t) => {
  const own = createPlatformInterpreter(defaultServers);
  const told = (line: string, body: unknown, status = 200, type = 'application/json'): void => {
    const { answer } = ask(line, { interpreter: own });
    const head = { status, header: (name: string) => (name === 'content-type' ? type : null) };
    answer!.read(head, answer!.wantsBody(head) ? whole(JSON.stringify(body)) : null);
  };
  const byNumber = (id: number): string => say(ask(`GET ${api}/projects/${id}/issues`, { interpreter: own }));
  const hidden = (id: number): string => `issues/list · read ?#${id} · - · beyond read_api`;
  const lib = { id: 43, path_with_namespace: 'acme/team/lib' };
  told(`GET ${api}/projects/evil%2Fx/issues`, lib);
  told(`GET ${api}/projects/acme%2Fteam%2Flib`, lib, 404);
  told(`GET ${api}/projects/acme%2Fteam%2Flib`, lib, 200, 'text/html');
  for (const path_with_namespace of ['acme', 'acme/../evil', 'acme/%2e', '', 7, null])
    told(`GET ${api}/projects/acme%2Fteam%2Flib`, { id: 43, path_with_namespace });
  told(`GET ${api}/projects/acme%2Fteam%2Flib`, { ...lib, id: '43' });
  t.equal(byNumber(43), hidden(43), 'what tells nothing');
  told(`GET ${api}/projects/acme%2Fteam%2Flib`, lib);
  t.equal(byNumber(43), 'issues/list · read acme/team/lib#43 · - · beyond read_api');
  t.notOk(ask(`GET ${api}/projects/43/issues`, { interpreter: own }).operation!.widens, 'another project');
  told(`GET ${api}/groups/acme/projects`, [lib, { id: 44, path_with_namespace: 'acme/b' }]);
  t.equal(byNumber(44), 'issues/list · read acme/b#44 · - · beyond read_api');
  t.equal(byNumber(42), 'issues/list · read acme/infra#42 · - · beyond read_api', 'the job’s own');
  told(`GET ${api}/projects/42`, { id: 42, path_with_namespace: 'evil/x' });
  t.equal(byNumber(42), 'issues/list · read acme/infra#42 · - · beyond read_api', 'stays its own');
  t.equal(byNumber(45), hidden(45));
});

t.test('an answer opens signed storage, and nothing that it only names', async (t) => {
  const { answer } = ask(`GET ${api}/projects/42/packages/npm/@acme%2Fapp`);
  const grants = (location: string) =>
    answer?.read({ status: 302, header: (name) => (name === 'location' ? location : null) }, null).grants ??
    [];
  t.match(grants('https://objects.example/p/app.tgz?X-Amz-Signature=0a'), [
    { host: 'objects.example', pathPrefix: '/p/app.tgz' },
  ]);
  t.same(grants('https://packages.example/app'), [], 'another registry');
  t.same(grants('https://gitlab.com/x?X-Amz-Signature=0a'), [], 'a host of its own');
});

t.test('GraphQL touches what its top names; what leads out of that is hidden', async (t) => {
  const graphql = 'POST https://gitlab.com/api/graphql';
  const hidden = 'graphql/opaque · write ? · - · unknown';
  const cases: readonly (readonly [query: string, variables: object, expected: string])[] = [
    [
      '{project(fullPath:"acme/infra"){name issues(first:1){nodes{title author{name}}}}}',
      {},
      'graphql/query · read acme/infra · - · beyond read_api',
    ],
    [
      'query($p:ID!){project(fullPath:$p){id}}',
      { p: 'acme/team/lib' },
      'graphql/query · read acme/team/lib · - · beyond read_api',
    ],
    ['query($p:ID!){project(fullPath:$p){id}}', {}, 'graphql/query · read ? · - · beyond read_api'],
    [
      'query($p:ID="acme/lib"){project(fullPath:$p){id}}',
      {},
      'graphql/query · read acme/lib · - · beyond read_api',
    ],
    [
      '{a:project(fullPath:"acme/infra"){id} b:project(fullPath:"evil/x"){id}}',
      {},
      'graphql/query · read acme/infra + read evil/x · - · beyond read_api',
    ],
    [
      '{project(fullPath:"acme/infra"){group{projects{nodes{id}}}}}',
      {},
      'graphql/query · read acme/infra + read ? · - · beyond read_api',
    ],
    [
      '{project(fullPath:"acme/infra"){...F}} fragment F on Project{forkDetails{ahead} id}',
      {},
      'graphql/query · read acme/infra + read ? · - · beyond read_api',
    ],
    [
      '{project(fullPath:"acme/infra"){issues{nodes{author{authoredMergeRequests{nodes{title}}}}}}}',
      {},
      'graphql/query · read acme/infra + read ? · - · beyond read_api',
    ],
    [
      '{group(fullPath:"acme/team"){projects{nodes{name}}}}',
      {},
      'graphql/query · read owner acme/team · - · beyond read_api',
    ],
    ['{projects(search:"x"){nodes{name}}}', {}, 'graphql/query · read ? · - · beyond read_api'],
    ['{issue(id:"gid://gitlab/Issue/1"){title}}', {}, 'graphql/query · read ? · - · beyond read_api'],
    ['{currentUser{username}}', {}, 'graphql/query · read platform · - · beyond read_api'],
    [
      '{currentUser{projectMemberships{nodes{id}}}}',
      {},
      'graphql/query · read platform + read ? · - · beyond read_api',
    ],
    ['{__typename}', {}, 'graphql/query · read platform · - · beyond read_api'],
    [
      'mutation{createIssue(input:{projectPath:"acme/infra",title:"x"}){issue{id}}}',
      {},
      'graphql/createIssue · write ? · - · beyond api · unknown',
    ],
    [
      'mutation{runnerUpdate(input:{id:"1"}){errors}}',
      {},
      'graphql/runnerUpdate · admin ? · - · beyond api · unknown',
    ],
    [
      'mutation{a:createNote(input:{}){errors} b:destroyNote(input:{}){errors}}',
      {},
      'graphql/createNote+destroyNote · write ? · - · beyond api · unknown',
    ],
    ['subscription{x}', {}, hidden],
    ['{project(fullPath:"acme/infra"){...F}} fragment F on Project{issues{nodes{...F}}}', {}, hidden],
    ['{project(fullPath:"acme/infra"){...Missing}}', {}, hidden],
    ['{', {}, hidden],
  ];
  for (const [query, variables, expected] of cases)
    t.equal(withBody(graphql, JSON.stringify({ query, variables })), expected, query);
  t.equal(say(ask(graphql, json)), hidden, 'before the body is seen');
  t.equal(say(ask(graphql)), hidden, 'a body that is not sent as JSON');
  const charset = { headers: { 'content-type': 'application/json; charset="utf-16"' } };
  t.equal(say(ask(graphql, charset)), hidden);
  t.equal(withBody(graphql, '{"query":"{__typename}","query":"mutation{x{y}}"}'), hidden);
  t.equal(
    say(ask('GET https://gitlab.com/api/graphql?query=%7Bproject(fullPath:%22acme/infra%22)%7Bid%7D%7D')),
    'graphql/query · read acme/infra · - · beyond read_api',
  );
  t.equal(withBody(graphql, '{"id":"0a"}'), hidden);
  t.equal(withBody(graphql, JSON.stringify({ query: `{${'a{'.repeat(2000)}b${'}'.repeat(2000)}}` })), hidden);
  const wide = Array.from({ length: 70 }, (_, at) => `p${at}:project(fullPath:"a/b${at}"){id}`).join(' ');
  t.equal(withBody(graphql, JSON.stringify({ query: `{${wide}}` })), hidden);
});

t.test('whatever comes, nothing is thrown, and a write is never less than one', async () => {
  const piece = fc.constantFrom(
    ...'projects groups acme%2Finfra acme infra 42 hooks packages npm - info refs git-receive-pack x.git %2F .. %00 @a%2Fb v2 jwt auth api v4 graphql jobs artifacts snippets'.split(
      ' ',
    ),
  );
  const host = fc.constantFrom('gitlab.com', 'registry.gitlab.com', 'gitlab.corp.example');
  const method = fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND');
  const line = fc.tuple(
    method,
    host,
    fc.array(fc.oneof(piece, fc.string({ maxLength: 8 })), { maxLength: 9 }),
    fc.string({ maxLength: 20 }),
  );
  const isPostThatReads = new Set([
    'git/fetch',
    'packages/download',
    'lfs/download',
    'container/login',
    'container/token',
  ]);
  fc.assert(
    fc.property(line, ([verb, where, segments, query]) => {
      const path = segments.join('/').replace(/[?#\s]/g, '');
      const asking = { hasBody: verb !== 'GET' && verb !== 'HEAD', headers: json.headers };
      const { operation, hold } = ask(`${verb} https://${where}/${path}?${query.replace(/\s/g, '')}`, asking);
      hold?.withBody(whole(query));
      if (operation === null || verb === 'GET' || verb === 'HEAD') return operation !== null;
      if (operation.name === 'projects/fork' || isPostThatReads.has(operation.name)) return true;
      return operation.access !== 'read' || operation.name === 'dependency-proxy/token';
    }),
    { numRuns: 4000 },
  );
});
