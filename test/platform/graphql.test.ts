// How a GraphQL request is read: what it touches, several operations and documents, and bytes that mean harm.

import fc from 'fast-check';
import t from 'tap';
import type { Touch } from '../../flow/operation.ts';
import { isStructural, typeNeed } from '../../platform/github/graphql-needs.ts';
import { typeNames } from '../../platform/github/graphql-schema.ts';
import {
  maxAlternatives,
  needBoth,
  needBothByTarget,
  needByTarget,
  settle,
} from '../../platform/need-sets.ts';
import { redactRecord } from '../../flow/redact.ts';
import { call } from '../advise/records.ts';
import { ask, type Asked, askRequest, job, post } from './ask-graphql.ts';

/** `repository write acme/app`, `?` for what is hidden. */
function tell(touch: Touch): string {
  if (touch.kind === 'repository')
    return `repository ${touch.access} ${touch.owner ?? '?'}/${touch.name ?? '?'}${touch.refs ? ` ${touch.refs.join(',')}` : ''}`;
  return touch.kind === 'owner'
    ? `owner ${touch.access} ${touch.owner ?? '?'}`
    : `${touch.kind} ${touch.access}`;
}
const touched = ({ operation }: Asked): string[] => operation.touches.map(tell);

const own = 'repository read acme/app';
const hidden = 'repository read ?/?';

t.test('a document touches what it names, and a hidden repository wherever it leaves that', async (t) => {
  const inside = (fields: string): string => `{repository(owner:"acme",name:"app"){${fields}}}`;
  const cases: [document: string, touches: string[]][] = [
    [inside('name'), [own]],
    [inside('issues(first:1){nodes{author{login}repository{name}comments(first:1){nodes{body}}}}'), [own]],
    [inside('pullRequest(number:1){baseRepository{name}baseRef{target{oid}}}'), [own]],
    [inside('pullRequest(number:1){headRepository{name owner{login}}headRepositoryOwner{login}}'), [own]],
    [inside('pullRequest(number:1){headRepository{object(oid:"0"){oid}}}'), [own, hidden]],
    [inside('pullRequest(number:1){headRepository{tempCloneToken}}'), [own, hidden]],
    [inside('pullRequest(number:1){headRepository{owner{repositories(first:1){nodes{id}}}}}'), [own, hidden]],
    [inside('pullRequest(number:1){headRef{name}}'), [own]],
    [inside('pullRequest(number:1){headRef{target{oid}}}'), [own, hidden]],
    [inside('forks{totalCount}'), [own]],
    [inside('forks(first:1){nodes{name}}'), [own, hidden]],
    [inside('forks(first:1){edges{node{name}}}'), [own, hidden]],
    [inside('parent{...R}}}fragment R on Repository{id name owner{login}defaultBranchRef{name'), [own]],
    [inside('parent{defaultBranchRef{target{oid}}}'), [own, hidden]],
    [inside('parent{parent{name}}'), [own, hidden]],
    [inside('parent{issues{totalCount}}'), [own, hidden]],
    [inside('templateRepository{forks(first:1){totalCount}}'), [own, hidden]],
    [inside('owner{... on User{repositories(first:1){nodes{name}}}}'), [own, hidden]],
    [inside('owner{repository(name:"vault"){name}}'), [own, hidden]],
    [inside('issue(number:1){author{... on User{issues(first:1){nodes{title}}}}}'), [own, hidden]],
    [inside('pullRequest(number:1){closingIssuesReferences(first:1){nodes{number title}}}'), [own]],
    [inside('issue(number:1){parent{number repository{nameWithOwner}}}'), [own]],
    [inside('issue(number:1){parent{repository{issues{totalCount}}}}'), [own, hidden]],
    [inside('issue(number:1){parent{comments{totalCount}}}'), [own, hidden]],
    [inside('issue(number:1){projectCards(first:1){nodes{project{name}column{name}}}}'), [own]],
    [inside('issue(number:1){projectCards(first:1){nodes{content{...on Issue{title}}}}}'), [own, hidden]],
    [
      inside(
        'projects(first:1){nodes{columns(first:1){nodes{cards(first:1){nodes{content{...on Issue{title}}}}}}}}',
      ),
      [own, hidden],
    ],
    [inside('projects(first:1){nodes{owner{...on User{issues{totalCount}}}}}'), [own, hidden]],
    ['{a:repository(owner:"acme",name:"app"){id}b:repository(owner:"acme",name:"app"){id}}', [own]],
    [
      '{repository(owner:"acme",name:"app"){id}other:repository(owner:"evil",name:"app"){id}}',
      [own, 'repository read evil/app'],
    ],
    ['{...F}fragment F on Query{repository(owner:"acme",name:"app"){id}}', [own]],
    ['{relay{repository(owner:"acme",name:"app"){id}}}', [own]],
    ['{node(id:"x"){id}}', [hidden]],
    ['{node(id:"x"){... on Query{repository(owner:"acme",name:"app"){id}}}}', [hidden, own]],
    ['{resource(url:"https://github.com/acme/app"){url}}', [hidden]],
    ['{viewer{login}}', ['platform read']],
    ['{viewer{repositories(first:1){nodes{name}}}}', ['platform read', hidden]],
    ['{viewer{repository(name:"app"){name}}}', ['platform read', hidden]],
    ['{search(query:"x",type:ISSUE,first:1){nodes{... on Issue{title}}}}', ['platform read', hidden]],
    ['{organization(login:"acme"){name}}', ['owner read acme']],
    ['{organization(login:"acme"){repository(name:"app"){id}}}', ['owner read acme', own]],
    [
      '{user(login:"octocat"){repository(name:"x"){id}}}',
      ['owner read octocat', 'repository read octocat/x'],
    ],
    [
      '{organization(login:"acme"){repositories(first:1){nodes{name defaultBranchRef{name}}}}}',
      ['owner read acme', 'repository read acme/?'],
    ],
    // A member's, not the organization's.
    ['{user(login:"acme"){repositories(first:1){nodes{name}}}}', ['owner read acme', hidden]],
    ['{repository(owner:"acme",name:"app/../../evil/x"){id}}', [hidden]],
    ['{repository(owner:"acme",owner:"evil",name:"app"){id}}', [hidden]],
    ['{__schema{types{name}}}', ['platform read']],
    ['mutation{createIssue(input:{repositoryId:"R_kg",title:"x"}){issue{url}}}', ['repository write ?/?']],
    [
      'mutation{createRef(input:{repositoryId:"x",name:"refs/heads/x",oid:"0"}){ref{name}}}',
      ['repository write ?/? refs/heads/x'],
    ],
    [
      'mutation{updateRefs(input:{repositoryId:"x",refUpdates:[{name:"refs/tags/v1",afterOid:"0"},{name:"refs/heads/M",afterOid:"0"}]}){clientMutationId}}',
      ['repository write ?/? refs/tags/v1,refs/heads/M'],
    ],
    [
      'mutation{createRepository(input:{name:"x",visibility:PUBLIC}){clientMutationId}}',
      ['repository admin ?/x'],
    ],
    ['mutation{followUser(input:{userId:"x"}){clientMutationId}}', ['platform write']],
    ['mutation{createTeamDiscussion(input:{teamId:"x"}){clientMutationId}}', ['owner write ?']],
    ['mutation{updateEnterpriseProfile(input:{enterpriseId:"x"}){clientMutationId}}', ['owner admin ?']],
  ];
  for (const [document, expected] of cases) t.same(touched(ask(document)), expected, document);
});

const commit = (branch: string, files = ''): string =>
  `mutation{createCommitOnBranch(input:{branch:{${branch}},expectedHeadOid:"0",message:{headline:"x"}${files}}){commit{oid}}}`;

t.test('a search that its text confines to one repository touches that one', async (t) => {
  const search =
    'query($q:String!){search(query:$q,type:ISSUE,first:1){nodes{...on Issue{title repository{name}}}}}';
  const confined = [
    'repo:acme/app',
    'repo:acme/app is:pr label:"good first issue" state:open',
    'crash repo:acme/app -label:wontfix in:title sort:created-desc',
  ];
  for (const text of confined) t.same(touched(ask(search, { q: text })), [own, 'platform read'], text);
  const account =
    'query($q:String!){search(query:$q,type:USER,first:1){nodes{...on User{issues{totalCount}}}}}';
  t.same(touched(ask(account, { q: 'repo:acme/app' })), [own, 'platform read', hidden]);
  const open = [
    '',
    'crash',
    'repo:acme/app repo:evil/app',
    'repo:acme/app user:evil',
    'repo:acme/app org:evil',
    '-repo:acme/app',
    'repo:acme/app OR crash',
    'crash or repo:acme/app',
    'NOT repo:acme/app',
    '(repo:acme/app)',
    'repo:acme/app)',
    'repo:"acme/app"',
    'repo:acme/app/x',
    'repo:acme',
    '"repo:acme/app"',
    'label:"x repo:acme/app"',
    'label:"x repo:acme/app',
    'repo:acme/app\u00a0OR x',
    'repo:acme/app\tx\n',
    'repo:acme/app "a" "b" OR',
    'label:"a"OR repo:acme/app',
    'repo:acme/app in:evil',
  ];
  for (const text of open) t.same(touched(ask(search, { q: text })), ['platform read', hidden], text);
});

t.test('createCommitOnBranch touches the repository and branch that its input names', async (t) => {
  const named = 'repositoryNameWithOwner:"acme/app",branchName:"main"';
  t.same(touched(ask(commit(named))), ['repository write acme/app refs/heads/main']);
  t.same(touched(ask(commit(`id:"R_other",${named}`))), ['repository write ?/? refs/heads/main']);
  t.same(touched(ask(commit('repositoryNameWithOwner:"acme/app/x",branchName:"m"'))), [
    'repository write ?/? refs/heads/m',
  ]);
  t.same(touched(ask(commit('repositoryNameWithOwner:"acme/app",branchName:"refs/heads/main"'))), [
    'repository write acme/app',
  ]);
  const workflow =
    ',fileChanges:{additions:[{path:"a.txt",contents:""},{path:".github/workflows/x.yml",contents:""}]}';
  t.same(ask(commit(named, workflow)).operation.ungrantable, ['workflows: write']);
  const other = ',fileChanges:{additions:[{path:"docs/.github/workflows/x.yml",contents:""}]}';
  t.same(ask(commit(named, other)).operation.ungrantable, []);
});

t.test('names come from variables and their defaults, unless their value is not certain', async (t) => {
  const document = 'query($o:String!,$n:String="app",$in:X){repository(owner:$o,name:$n){id}}';
  t.same(touched(ask(document, { o: 'acme' })), [own]);
  t.same(touched(ask(document, { o: 'acme', n: 'vault' })), ['repository read acme/vault']);
  t.same(touched(ask(document, { o: 'acme', n: null })), [hidden], 'null is no name');
  t.same(touched(ask(document, { o: ['acme'] })), [hidden], 'a list is no name');
  t.same(touched(ask(document, '{"o":"acme","n":"vault"}')), [hidden], 'a text that a server may read');
  t.same(touched(ask(document, [])), [hidden]);
  const twice = 'query($o:String="acme",$o:String="evil"){repository(owner:$o,name:"app"){id}}';
  t.same(touched(ask(twice)), [hidden]);
  const input = 'mutation($input:X!){createCommitOnBranch(input:$input){commit{oid}}}';
  t.same(
    touched(ask(input, { input: { branch: { repositoryNameWithOwner: 'Acme/App', branchName: 'x' } } })),
    ['repository write Acme/App refs/heads/x'],
  );
});

t.test('of several operations the named one counts, or else all of them', async (t) => {
  const document =
    'query Read{viewer{login}} mutation Write{createIssue(input:{repositoryId:"x",title:"x"}){clientMutationId}}';
  const named = ask(document, {}, 'Read').operation;
  t.match(named, { name: 'graphql/query', access: 'read', needs: [{}] });
  for (const name of ['Write', 'Other', undefined]) {
    const all = ask(document, {}, name).operation;
    t.match(all, { name: 'graphql/createIssue', access: 'write', needs: [{ issues: 'write' }] }, name ?? '');
  }
});

t.test('needs of a document are joined, and what a target decides is left open', async (t) => {
  const cases: [document: string, needs: object[], ungrantable?: string[]][] = [
    // mutations beside one another, in the order of the document
    [
      'mutation{mergeBranch(input:{}){clientMutationId}createIssue(input:{}){clientMutationId}}',
      [{ contents: 'write', issues: 'write' }],
    ],
    // a comment may be on a pull request, whatever else is done to issues
    [
      'mutation{createIssue(input:{}){clientMutationId}addComment(input:{}){clientMutationId}}',
      [{ issues: 'write' }, { issues: 'write', 'pull-requests': 'write' }],
    ],
    // the comment may be on an issue while the lock is on a pull request
    [
      'mutation{addComment(input:{}){clientMutationId}lockLockable(input:{}){clientMutationId}}',
      [{ issues: 'write' }, { issues: 'write', 'pull-requests': 'write' }, { 'pull-requests': 'write' }],
    ],
    // either will do for labels, so that issues are enough
    ['{repository(owner:"a",name:"b"){issues{totalCount}labels{totalCount}}}', [{ issues: 'read' }]],
    // what the answer selects is read as well
    [
      'mutation{mergePullRequest(input:{}){pullRequest{merged}}}',
      [{ contents: 'write', 'pull-requests': 'read' }],
    ],
    [
      'mutation{addComment(input:{}){commentEdge{node{url}}}}',
      [{ issues: 'write' }, { 'pull-requests': 'write' }],
    ],
    // one object, one type: the larger of comparable needs counts
    [
      '{repository(owner:"a",name:"b"){object(oid:"x"){...on Commit{statusCheckRollup{state}}...on Tree{entries{name}}}}}',
      [{ checks: 'read', contents: 'read' }],
    ],
    [
      '{node(id:"x"){...on Issue{title}...on PullRequest{title}}}',
      [{ issues: 'read' }, { 'pull-requests': 'read' }],
    ],
    [
      '{nodes(ids:["x"]){...on Issue{title}...on PullRequest{title}}}',
      [{ issues: 'read', 'pull-requests': 'read' }],
    ],
    ['{node(id:"x"){...on Issue{title}}}', [{ issues: 'read' }]],
    // aliases and directives hide nothing
    [
      '{repository(owner:"a",name:"b"){id:issues{totalCount}name:releases@skip(if:true){totalCount}}}',
      [{ contents: 'read', issues: 'read' }],
    ],
  ];
  for (const [document, needs] of cases) t.same(ask(document).operation.needs, needs, document);
  t.equal(ask(cases[0]![0]).operation.name, 'graphql/mergeBranch+createIssue');
  const mixed = ask(
    'mutation{createIssue(input:{}){clientMutationId}importProject(input:{}){clientMutationId}}',
  );
  t.match(mixed.operation, { access: 'admin', sureness: 'unknown', needs: [{ issues: 'write' }] });
});

t.test('an id tells which alternative a target decides, beside the alternatives', async (t) => {
  const issues = { issues: 'write' };
  const pulls = { 'pull-requests': 'write' };
  const told = (...ids: string[]): object | undefined => {
    const fields = ids.map((id, at) => `a${at}:addComment(input:{subjectId:"${id}"}){clientMutationId}`);
    const { operation } = ask(`mutation{${fields.join(' ')}}`);
    const both = { ...issues, ...pulls };
    t.same(
      operation.needs,
      ids.length === 1 ? [issues, pulls] : [issues, both, pulls],
      'an id allows nothing',
    );
    return operation.decided ?? undefined;
  };
  t.same(told('I_kwDOABCD'), [issues]);
  t.same(told('PR_kwDOABCD'), [pulls]);
  t.same(told('MDU6SXNzdWUx'), [issues], '05:Issue1');
  t.same(told('MDExOlB1bGxSZXF1ZXN0MQ=='), [pulls], '011:PullRequest1');
  t.same(told('I_kwDOABCD', 'PR_kwDOABCD'), [{ ...issues, ...pulls }]);
  for (const id of ['IC_kwDOABCD', 'x', '', 'D_kwDOABCD', '__proto___x', 'MDU6SXNzdWU='])
    t.equal(told(id), undefined, id);
  const react = 'mutation($id:ID!){addReaction(input:{subjectId:$id,content:HEART}){clientMutationId}}';
  t.same(ask(react, { id: 'CC_kwDOABCD' }).operation.decided, [{ contents: 'write' }]);
});

t.test('what the schema does not have, or nobody can read, is an opaque write that is unknown', async (t) => {
  const body = (value: unknown): string => JSON.stringify(value);
  const cyclic = '{...A}fragment A on Query{...B}fragment B on Query{...A}';
  const bodies: (string | Buffer)[] = [
    '',
    '{',
    '[]',
    'null',
    '"{viewer{login}}"',
    '{viewer{login}}',
    body({}),
    body({ query: null }),
    body({ query: '' }),
    body({ id: 'a1b2', variables: {} }),
    body({ extensions: { persistedQuery: { version: 1, sha256Hash: '0'.repeat(64) } } }),
    body({ query: '{viewer{login}', variables: {} }),
    body({ query: 'subscription{viewer{login}}' }),
    body({ query: 'query A{viewer{login}} query A{viewer{name}}' }),
    body({ query: '{viewer{login}} type Query{viewer:User}' }),
    body({ query: '{repository(owner:"acme",name:"app"){notThere}}' }),
    body({ query: '{notThere}' }),
    body({ query: '{...Missing}' }),
    body({ query: '{viewer{... on NotThere{id}}}' }),
    body({ query: '{... on Mutation{createIssue(input:{}){clientMutationId}}}' }),
    body({ query: 'mutation{... on Query{viewer{login}}}' }),
    body({ query: cyclic }),
    body([{ query: '{viewer{login}}' }, { id: 'x' }]),
    Buffer.concat([Buffer.from('{"query":"{viewer{login}}","x":"'), Buffer.from([0xff]), Buffer.from('"}')]),
    '{"query":"{viewer{login}}","query":"{viewer{name}}"}',
    '{"query":"{viewer{login}}","variables":{"o":"a","\\u006f":"b"}}',
    `{"query":"{viewer{login}}","variables":${'['.repeat(400_000)}${']'.repeat(400_000)}}`,
    Buffer.from(`\ufeff${body({ query: '{viewer{login}}' })}`),
    Buffer.from(body({ query: '{viewer{login}}' }), 'utf16le'),
  ];
  for (const bytes of bodies) {
    const { operation, evidence } = askRequest({}, bytes);
    const { name, access, needs, sureness } = operation;
    t.same(
      { name, access, needs, sureness },
      { name: 'graphql/opaque', access: 'write', needs: [{}], sureness: 'unknown' },
      String(bytes),
    );
    t.equal(evidence[0]?.kind, 'opaque-body');
  }
  const unheld = askRequest({}, { kind: 'opaque', detail: 'too long', raw: [] });
  t.match(unheld.operation, { name: 'graphql/opaque', access: 'write', detail: 'opaque: too long' });
  t.match(ask('mutation{notThere(input:{}){id}}').operation, {
    name: 'graphql/notThere',
    access: 'write',
    needs: [{}],
    sureness: 'unknown',
  });
});

t.test('names of mutations are kept in records; those that a job makes up may hide nothing', async (t) => {
  const nameOf = (...names: string[]): string => {
    const fields = names.map((name) => `${name}(input:{}){clientMutationId}`);
    const { operation } = ask(`mutation{${fields.join(' ')}}`);
    return redactRecord({ ...call(operation), phase: 'closed' }).operation?.name ?? '';
  };
  const schema = ['linkProjectV2ToRepository', 'updateProjectV2ItemFieldValue', 'enablePullRequestAutoMerge'];
  t.equal(nameOf(...schema), `graphql/${schema.join('+')}`);
  t.equal(nameOf('createIssue', 'notThere'), 'graphql/createIssue+notThere');
  t.equal(nameOf('ghp_16C7e42F292c6912E7710c838347Ae178B4a'), 'graphql/[redacted:github-token]');
  t.equal(nameOf('x9Kd8fJ2lQ7vZ3mN5bT1wR6yH4cG0p'), 'graphql/[redacted:entropy]');
});

t.test('requests without a held document are read by method and query', async (t) => {
  const get = { method: 'GET', hasBody: false };
  const asked = (query: string): string => `query=${encodeURIComponent(query)}`;
  const cases: [request: object, name: string, access: string][] = [
    [get, 'graphql/schema', 'read'],
    [{ ...get, query: asked('{viewer{login}}') }, 'graphql/query', 'read'],
    [
      { ...get, query: asked('mutation{deleteRef(input:{refId:"x"}){clientMutationId}}') },
      'graphql/deleteRef',
      'write',
    ],
    [{ ...get, query: `${asked('{viewer{login}}')}&query=x` }, 'graphql/opaque', 'write'],
    [{ ...get, query: `${asked('{viewer{login}}')}&query[]=x` }, 'graphql/opaque', 'write'],
    [{ ...get, query: `${asked('{viewer{login}}')}&Query=x` }, 'graphql/opaque', 'write'],
    [{ ...get, query: `${asked('{viewer{login}}')}&variables=%7B` }, 'graphql/opaque', 'write'],
    [
      { ...get, query: `${asked('{viewer{login}}')}&variables=${encodeURIComponent('{"a":1,"a":2}')}` },
      'graphql/opaque',
      'write',
    ],
    [{ ...get, query: 'extensions=%7B%7D' }, 'graphql/opaque', 'write'],
    [{ ...get, hasBody: true }, 'graphql/opaque', 'write'],
    [{ method: 'PUT' }, 'graphql/opaque', 'write'],
    [{ method: 'OPTIONS', hasBody: false }, 'graphql/preflight', 'read'],
    [{ hasBody: false }, 'graphql/opaque', 'write'],
    [{ query: asked('{viewer{login}}') }, 'graphql/opaque', 'write'],
    [{ path: '/graphql/x' }, 'graphql/opaque', 'write'],
    [{}, 'graphql/opaque', 'write'],
  ];
  for (const [request, name, access] of cases)
    t.match(askRequest(request).operation, { name, access }, JSON.stringify(request));
  t.same(askRequest({}).hold?.maxBytes, 1_048_576, 'until the body is there it is opaque, and is held');
  const text = JSON.stringify({ query: '{viewer{login}}' });
  const inCharset = (type: string): string =>
    askRequest({ header: (name) => (name === 'content-type' ? type : null) }, text).operation.name;
  for (const type of [
    'application/json; charset=utf-8',
    'a/b;charset="UTF8"',
    'application/x-www-form-urlencoded',
  ])
    t.equal(inCharset(type), 'graphql/query', type);
  for (const type of [
    'application/json; charset=utf-7',
    'a/b;charset=utf-8x',
    'a/b; charset=utf-8, a/b; charset=utf-16',
  ])
    t.equal(inCharset(type), 'graphql/opaque', type);
  for (const strange of ['a:b"\\', ':::', '\\":"', '{"x":1}'])
    t.equal(
      ask('{viewer{login}}', { strange, [strange]: [strange] }).operation.name,
      'graphql/query',
      strange,
    );
  const batch = askRequest(
    {},
    JSON.stringify([
      { query: '{viewer{login}}' },
      { query: 'mutation{createIssue(input:{}){clientMutationId}}' },
    ]),
  );
  const same = ['issues', 'releases'].map((field) => ({
    query: `{repository(owner:"acme",name:"app"){...F}}fragment F on Repository{${field}{totalCount}}`,
  }));
  t.same(askRequest({}, JSON.stringify(same)).operation.needs, [{ contents: 'read', issues: 'read' }]);
  t.match(batch.operation, { name: 'graphql/createIssue', access: 'write', needs: [{ issues: 'write' }] });
});

t.test(
  'only a call of the job on its own repository, or on one that is hidden, widens its token',
  async (t) => {
    const on = (owner: string): string => `{repository(owner:"${owner}",name:"app"){issues{totalCount}}}`;
    t.equal(ask(on('ACME')).operation.widens, true);
    t.equal(ask(on('evil')).operation.widens, false);
    t.equal(
      ask(`${on('evil').slice(0, -1)}own:repository(owner:"acme",name:"app"){id}}`).operation.widens,
      true,
    );
    t.equal(ask('mutation{createIssue(input:{}){clientMutationId}}').operation.widens, true);
    const text = JSON.stringify({ query: on('acme') });
    t.equal(askRequest({ credential: 'pat' }, text).operation.widens, false);
    const elsewhere = { ...post.attribution, job: { ...job, server: 'ghes.corp.example' } };
    t.equal(askRequest({ attribution: elsewhere }, text).operation.widens, false);
    const open = { ...post.attribution, job: { ...job, private: false } };
    t.same(
      askRequest({ attribution: open }, text).operation.needs,
      [{ issues: 'read' }],
      'no reads are free here',
    );
  },
);

t.test('an answer of 200 that refuses is told from one that answers', async (t) => {
  const { answer } = ask('{viewer{login}}');
  const read = (body: string): unknown => {
    const bytes = Buffer.from(body);
    return answer?.read({ status: 200, header: () => null }, { kind: 'whole', body: bytes, raw: [bytes] })
      .refused;
  };
  t.equal(read('{"data":{"repository":null},"errors":[{"type":"FORBIDDEN","message":"x"}]}'), true);
  t.equal(read('{"errors":[{"message":"Resource not accessible by integration"}]}'), true);
  t.equal(read('[{"data":{}},{"errors":[{"type":"NOT_FOUND"}]}]'), true);
  t.equal(read('{"data":{"x":"\\"errors\\""}}'), undefined);
  t.equal(read('{"data":{},"errors":[{"type":"MAX_NODE_LIMIT_EXCEEDED"}]}'), undefined);
  t.equal(read('{"errors":'), undefined);
});

t.test('bombs end opaque after bounded work', async (t) => {
  const deep = `${'{a'.repeat(10_000)}${'}'.repeat(10_000)}`;
  const values = `{viewer(x:${'['.repeat(10_000)}${']'.repeat(10_000)}){login}}`;
  const aliases = `{${Array.from({ length: 100_000 }, (_, at) => `a${at}:viewer{login}`).join(' ')}}`;
  const repositories = `{${Array.from({ length: 65 }, (_, at) => `a${at}:repository(owner:"o${at}",name:"x"){id}`).join(' ')}}`;
  // Each fragment spreads the next one twice: 2^40 selections.
  const doubling = Array.from(
    { length: 40 },
    (_, at) => `fragment F${at} on User{...F${at + 1} ...F${at + 1}}`,
  );
  const bomb = `{viewer{...F0}}${doubling.join('')}fragment F40 on User{login}`;
  const strings = `{viewer(x:"${'{'.repeat(500_000)}"){login}}`;
  // Each is over within milliseconds, or else this file runs into its time limit.
  for (const document of [deep, values, aliases, repositories])
    t.equal(ask(document).operation.name, 'graphql/opaque', document.slice(0, 30));
  t.match(ask(bomb).operation, { name: 'graphql/query', needs: [{}] }, 'a fragment is walked once');
  t.equal(ask(strings).operation.name, 'graphql/query', 'brackets in a string are no depth');
  t.equal(ask('{viewer(x:"\\"{",y:"""{{ \\""" {"""){login}} # {{{{').operation.name, 'graphql/query');
});

t.test('no bytes make it throw, and nothing but a read document is a read', async () => {
  const tokens = [
    '{',
    '}',
    '(',
    ')',
    '"',
    '"""',
    '...',
    'on',
    'Issue',
    'query',
    'mutation',
    'fragment',
    'F',
    '$v',
    ':',
    'viewer',
    'repository',
    'owner',
    'node',
    '@skip',
    '[',
    ']',
    '!',
    '=',
    '#',
    '\n',
    '\\',
    '\u0000',
    '__proto__',
    'constructor',
  ];
  const document = fc.array(fc.constantFrom(...tokens), { maxLength: 40 }).map((parts) => parts.join(' '));
  fc.assert(
    fc.property(document, fc.jsonValue(), (query, variables) => {
      const { operation } = ask(query, variables);
      return operation.access !== 'read' || operation.name === 'graphql/query';
    }),
    { numRuns: 2_000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      return askRequest({}, Buffer.from(bytes)).operation.name === 'graphql/opaque';
    }),
    { numRuns: 500 },
  );
});

t.test('every type of the schema is in the table, or unknown on purpose', async (t) => {
  const unlisted = typeNames().filter((name) => {
    const isThing = !isStructural(name) && !name.endsWith('Payload') && name !== 'AuditEntryActor';
    return isThing && typeNeed(name).isUnknown && !unknownOnPurpose.test(name);
  });
  t.same(unlisted, []);
});

const unknownOnPurpose =
  /AuditEntry|ActorLocation|^ExternalIdentity|OIDCProvider|IdentityProvider$|^IpAllowList|^VerifiableDomain|Migration|^AnnouncementBanner|^Sponsor|^Stripe|^Gist|^PublicKey$|^SavedReply$|^UserList|^UserEmail|^RefUpdateRule$|InteractionAbility|Copilot|FeatureRequest|UserNamespaceRepository/;

t.test('alternatives are joined without ever asking for less', async (t) => {
  const issues = { issues: 'write' } as const;
  const pulls = { 'pull-requests': 'write' } as const;
  t.same(needBoth([issues, pulls], [{ issues: 'read' }]), [
    issues,
    { issues: 'read', 'pull-requests': 'write' },
  ]);
  t.same(needByTarget([{}], [issues]), [issues]);
  t.same(needByTarget([issues], [pulls]), [issues, pulls]);
  t.same(needBothByTarget([issues], [issues, pulls]), [issues, { ...issues, ...pulls }]);
  t.same(settle([issues, pulls], [{ issues: 'read' }, { 'pull-requests': 'read' }]), [issues, pulls]);
  const keys = Array.from({ length: 20 }, (_, at) => ({ [`k${at}`]: 'read' }) as const);
  const many = needByTarget(keys.slice(0, 10), keys.slice(10));
  t.equal(many.length, 1, `more than ${maxAlternatives} become one`);
  t.equal(Object.keys(many[0]!).length, 20, 'that holds them all');
});
