// Rules on what requests mean: repositories, projects, images and accounts, whatever API the request came by.

import t from 'tap';
import type { Operation, Touch } from '../../flow/operation.ts';
import type { Attribution } from '../../flow/job.ts';
import { ownServer, defaultServers } from '../../flow/platform-server.ts';
import { decideRequest } from '../../policy/decide.ts';
import type { Policy } from '../../policy/compile.ts';
import { effectivePolicy } from '../../policy/scope.ts';
import { conflicted, job, nobody, policyOf, problemsOf, withHead } from './judge.ts';

const repo = (
  owner: string | null,
  name: string | null,
  access: 'read' | 'write' | 'admin' = 'read',
): Touch => ({
  kind: 'repository',
  access,
  owner,
  name,
  id: null,
  refs: null,
});
const highest = (touches: readonly Touch[]) =>
  (['admin', 'write'] as const).find((level) => touches.some(({ access }) => access === level)) ?? 'read';
const operation = (touches: readonly Touch[], more: Partial<Operation> = {}): Operation => ({
  platform: 'github',
  server: 'github.com',
  name: 'repos/get',
  access: highest(touches),
  touches,
  needs: [{}],
  ungrantable: [],
  sureness: 'known',
  widens: true,
  credential: 'job',
  detail: null,
  ...more,
});

/** Decides the operation as a request to the host; `allow RULE` or `block REASON`. */
function ask(policy: Policy, who: Attribution, asked: Operation, host = 'api.github.com'): string {
  const decision = decideRequest(effectivePolicy(policy, who), {
    scheme: 'https',
    host,
    port: 443,
    method: asked.access === 'read' ? 'GET' : 'POST',
    path: '/',
    hasBody: asked.access !== 'read',
    upgrade: null,
    evidence: [],
    operation: asked,
    attribution: who,
  });
  const by = decision.rule === null ? '' : ` ${decision.rule}`;
  return decision.verdict === 'allow' ? `allow${by}` : `block ${decision.reason}${by}`;
}

void t.test('a repository is read by whichever rule names it, without case', (t) => {
  const policy = policyOf('github: [{id: r, repo: "acme/*", except: acme/vault}, {id: l, repo: octo/lib-*}]');
  const cases: readonly (readonly [Operation, string])[] = [
    [operation([repo('acme', 'app')]), 'allow r'],
    [operation([repo('ACME', 'App')]), 'allow r'],
    [operation([repo('acme', 'vault')]), 'block repository'],
    [operation([repo('Acme', 'VAULT')]), 'block repository'],
    [operation([repo('acme2', 'app')]), 'block repository'],
    [operation([repo('octo', 'lib-a')]), 'allow l'],
    [operation([repo('octo', 'library')]), 'block repository'],
    [operation([repo('acme', 'app'), repo('octo', 'lib-a')]), 'allow r'],
    [operation([repo('acme', 'app'), repo('evil', 'x')]), 'block repository'],
    [operation([repo('acme', 'app', 'write')]), 'block access'],
    [operation([repo(null, null)]), 'block repository'],
    [operation([repo(null, null)], { sureness: 'unknown' }), 'block not-understood'],
    [operation([]), 'block not-understood'],
    [operation([{ kind: 'platform', access: 'read' }]), 'allow r'],
    [operation([{ kind: 'platform', access: 'admin' }]), 'block repository'],
    [operation([{ kind: 'owner', access: 'read', owner: 'octo' }]), 'block repository'],
  ];
  for (const [asked, expected] of cases)
    t.equal(ask(policy, job(), asked), expected, JSON.stringify(asked.touches));
  t.equal(ask(policy, job(), operation([repo('acme', 'app')]), 'codeload.github.com'), 'allow r');
  t.equal(ask(policy, job(), operation([repo('acme', 'app')]), 'other.example'), 'block no-rule');
  t.end();
});

void t.test('without a server a rule is for the job’s own', (t) => {
  const servers = [...defaultServers, ownServer('github', 'ghes.corp.example')];
  const policy = policyOf('github: {id: r, repo: "acme/*"}', {}, { servers });
  const there = operation([repo('acme', 'app')], { server: 'ghes.corp.example' });
  t.equal(ask(policy, job(), there, 'ghes.corp.example'), 'block repository');
  t.equal(ask(policy, job({ server: 'ghes.corp.example' }), there, 'ghes.corp.example'), 'allow r');
  t.equal(
    ask(policy, job({ server: 'ghes.corp.example' }), operation([repo('acme', 'app')])),
    'block repository',
  );
  t.equal(
    ask(policy, nobody, operation([repo('acme', 'app')])),
    'allow r',
    'of no known job: the well-known one',
  );
  t.equal(ask(policy, nobody, there, 'ghes.corp.example'), 'block repository');
  const named = policyOf('github: {id: r, repo: "acme/*", server: ghes.corp.example}');
  t.equal(ask(named, job(), there, 'ghes.corp.example'), 'allow r');
  t.equal(ask(named, job(), operation([repo('acme', 'app')])), 'block no-rule', 'its hosts alone');
  t.end();
});

void t.test('the job’s own, by placeholder: never another, and nothing where no job is known', (t) => {
  const policy = policyOf(
    'scopes: {id: s, match: {ref: "refs/heads/**"}, github: [{id: w, repo: "{job.repo}", access: write}, {id: o, repo: "{job.owner}/*"}]}',
  );
  const push = (owner: string | null, name: string | null, more: Partial<Operation> = {}) =>
    operation([repo(owner, name, 'write')], { name: 'git/push', ...more });
  t.equal(ask(policy, job(), push('Acme', 'App')), 'allow w');
  t.equal(ask(policy, job(), push('acme', 'other')), 'block access');
  t.equal(ask(policy, job(), operation([repo('acme', 'other')])), 'allow o');
  t.equal(ask(policy, job(), operation([repo('octo', 'other')])), 'block repository');
  t.equal(ask(policy, nobody, push('acme', 'app')), 'block no-rule', 'of no known job no scope grants');
  t.equal(ask(policy, conflicted, push('acme', 'app')), 'block no-rule');
  t.equal(ask(policy, job(), push(null, null)), 'allow w', 'the job’s token writes nowhere else');
  t.equal(ask(policy, job(), push(null, null, { credential: 'pat' })), 'block repository');
  const named = policyOf(
    'scopes: {id: s, match: {ref: "refs/heads/**"}, github: [{id: w, repo: "{job.repo}", server: github.com, access: write}, {id: r, repo: acme/app, server: github.com}]}',
  );
  t.equal(ask(named, job(), push('acme', 'app')), 'allow w');
  const elsewhere = job({ server: 'ghes.corp.example', repository_id: '42' });
  t.equal(
    ask(named, elsewhere, push('acme', 'app')),
    'block access',
    'of another server it is not the own one',
  );
  t.equal(
    ask(named, elsewhere, operation([{ ...repo(null, null), id: '42' } as Touch])),
    'block repository',
    'nor are numbers',
  );
  const gitlabs = job({ repository: null, project: 'acme/app', server: 'gitlab.com' });
  t.equal(ask(named, gitlabs, push('acme', 'app')), 'block access');
  const byId = (id: string) => operation([{ ...repo(null, null), id } as Touch]);
  t.equal(ask(policy, job({ repository_id: '42' }), byId('42')), 'allow w');
  t.equal(ask(policy, job({ repository_id: '42' }), byId('43')), 'block repository');
  t.end();
});

void t.test('a write needs a ref or an environment, and no event that runs the input of others', (t) => {
  const rule = 'github: {id: w, repo: acme/app, access: write}';
  t.match(problemsOf(withHead(rule)), [
    { line: 3, severity: 'error', message: /w grants a write, and no ref or environment is named/ },
  ]);
  for (const match of [
    'ref: "**"',
    'ref: "refs/**"',
    'ref: "refs/*/**"',
    'ref: "refs/*/*"',
    'ref: ["refs/heads/**", "refs/tags/*"]',
    'environment: "*"',
    'environment: "**"',
    'environment: ["prod", "*"]',
    'owner: acme',
    'event: push',
  ])
    t.match(
      problemsOf(withHead(`scopes: {id: s, match: {${match}}, ${rule}}`)),
      [{ severity: 'error' }],
      match,
    );
  t.match(problemsOf(withHead(`bundles: {b: {${rule}}}\nscopes: {id: s, match: {owner: a}, use: b}`)), [
    { severity: 'error', message: /w grants a write/ },
  ]);
  for (const exempt of ['permissions: {security-events: write}', 'operations: checks/create'])
    t.same(problemsOf(withHead(`github: {id: w, repo: acme/app, ${exempt}}`)), [], exempt);
  t.same(problemsOf(withHead('github: {id: w, repo: acme/app, access: write, anyRef: mirrors}')), []);

  const main = policyOf(`scopes: {id: s, match: {ref: refs/heads/main}, ${rule}}`);
  const push = operation([repo('acme', 'app', 'write')], { name: 'git/push' });
  t.equal(ask(main, job(), push), 'allow w');
  for (const event of ['pull_request_target', 'workflow_run', 'issue_comment', 'issues', 'discussion'])
    t.equal(ask(main, job({ event }), push), 'block untrusted-write', event);
  t.equal(ask(main, job({ fork: true }), push), 'block untrusted-write');
  t.equal(ask(main, { ...job({ event: null }), source: 'job-message' }, push), 'block untrusted-write');
  t.equal(ask(main, job({ event: 'issues' }), operation([repo('acme', 'app')])), 'allow w', 'a read is none');
  const named = policyOf(`scopes: {id: s, match: {ref: refs/heads/main, event: issues}, ${rule}}`);
  t.equal(ask(named, job({ event: 'issues' }), push), 'allow w');
  const any = policyOf('github: {id: w, repo: acme/app, access: write, anyRef: mirrors}');
  t.equal(ask(any, job(), push), 'allow w');
  t.equal(ask(any, job({ event: 'pull_request_target' }), push), 'block untrusted-write');

  const runner = (names: string) =>
    policyOf(
      `github: {id: w, repo: "**", server: github.com, access: write, operations: ${names}, anyRef: runners}`,
    );
  const poll = operation([{ kind: 'platform', access: 'write' }], {
    name: 'runner/poll',
    credential: 'none',
  });
  t.equal(ask(runner('[runner/poll]'), nobody, poll), 'allow w', 'a runner before it has a job');
  t.equal(ask(runner('[runner/poll]'), job({ fork: true }), poll), 'allow w');
  t.equal(ask(runner('["runner/*"]'), nobody, poll), 'block repository', 'a pattern is not enough');
  t.equal(ask(runner('[runner/session]'), nobody, poll), 'block repository');
  t.equal(ask(runner('[runner/poll, git/push]'), nobody, push), 'block untrusted-write', 'nothing besides');
  t.end();
});

void t.test('access: write never includes admin', (t) => {
  const policy = policyOf(
    'scopes: {id: s, match: {ref: refs/heads/main}, github: {id: w, repo: acme/app, access: write}}',
  );
  t.equal(
    ask(policy, job(), operation([repo('acme', 'app', 'admin')], { name: 'repos/create-webhook' })),
    'block access',
  );
  const admin = policyOf(
    'scopes: {id: s, match: {ref: refs/heads/main}, github: {id: a, repo: acme/app, access: admin}}',
  );
  t.equal(ask(admin, job(), operation([repo('acme', 'app', 'admin')])), 'allow a');
  t.equal(
    ask(admin, job(), operation([{ kind: 'platform', access: 'admin' }], { name: 'repos/create' })),
    'block repository',
  );
  t.end();
});

void t.test('permissions, operations and mutations narrow what a rule grants', (t) => {
  const inScope = (rule: string) =>
    policyOf(`scopes: {id: s, match: {ref: refs/heads/main}, github: {id: w, repo: acme/app, ${rule}}}`);
  const write = (needs: Operation['needs'], more: Partial<Operation> = {}) =>
    operation([repo('acme', 'app', 'write')], { needs, ...more });
  const issues = inScope('permissions: {issues: write}');
  t.equal(ask(issues, job(), write([{ issues: 'write' }])), 'allow w');
  t.equal(ask(issues, job(), write([{ issues: 'write' }, { 'pull-requests': 'write' }])), 'allow w');
  t.equal(ask(issues, job(), write([{ contents: 'write' }])), 'block access');
  t.equal(ask(issues, job(), write([{ issues: 'write', contents: 'read' }])), 'block access');
  t.equal(ask(issues, job(), write([{}], { sureness: 'unknown' })), 'block access');
  t.equal(ask(issues, job(), write([{}], { ungrantable: ['administration: write'] })), 'block access');
  const named = inScope('operations: [issues/*, git/push]');
  t.equal(ask(named, job(), write([{}], { name: 'issues/create' })), 'allow w');
  t.equal(ask(named, job(), write([{}], { name: 'git/push' })), 'allow w');
  t.equal(ask(named, job(), write([{}], { name: 'repos/merge' })), 'block access');
  const wild = inScope('operations: ["graphql/create*", "graphql/addComment+addStar"]');
  const document = (name: string) => write([{}], { name: `graphql/${name}` });
  t.equal(ask(wild, job(), document('createIssue')), 'allow w');
  t.equal(ask(wild, job(), document('createIssue+createRef')), 'allow w');
  t.equal(ask(wild, job(), document('createIssue+deleteRef')), 'block access', 'a * is of one mutation');
  t.equal(ask(wild, job(), document('addComment+addStar')), 'allow w', 'written out');
  t.equal(ask(wild, job(), document('addComment')), 'block access');
  const mutations = inScope('graphql: {mutations: [addComment, closeIssue]}');
  const hidden = (name: string, more: Partial<Operation> = {}) =>
    operation([repo(null, null, 'write')], { name, credential: 'pat', ...more });
  t.equal(ask(mutations, job(), hidden('graphql/addComment')), 'allow w');
  t.equal(ask(mutations, job(), hidden('graphql/closeIssue+addComment')), 'allow w');
  t.equal(ask(mutations, job(), hidden('graphql/addComment+deleteRef')), 'block repository');
  t.equal(
    ask(mutations, job(), hidden('graphql/addComment', { sureness: 'unknown' })),
    'block not-understood',
  );
  t.end();
});

void t.test('a block beats an allow, and what is hidden may be what is blocked', (t) => {
  const policy = policyOf(
    'github: [{id: all, repo: "*/*"}, {id: no, repo: acme/vault, action: block}, {id: ro, repo: "octo/*", action: block, access: write}]',
  );
  t.equal(ask(policy, job(), operation([repo('acme', 'app')])), 'allow all');
  t.equal(ask(policy, job(), operation([repo('ACME', 'vault')])), 'block block-rule no');
  t.equal(ask(policy, job(), operation([repo('acme', 'app'), repo('acme', 'vault')])), 'block block-rule no');
  t.equal(ask(policy, job(), operation([repo(null, null)])), 'block block-rule no');
  t.equal(ask(policy, job(), operation([repo('octo', 'x')])), 'allow all');
  t.equal(ask(policy, job(), operation([repo('octo', 'x', 'write')])), 'block block-rule ro');
  const platform: Touch = { kind: 'platform', access: 'read' };
  t.equal(ask(policy, job(), operation([platform])), 'allow all', 'of no repository');
  t.equal(
    ask(policy, job(), operation([platform], { sureness: 'unknown' })),
    'block block-rule no',
    'of any repository',
  );
  const everything = policyOf('github: [{id: r, repo: acme/app}, {id: no, repo: "**", action: block}]');
  t.equal(ask(everything, job(), operation([platform])), 'block block-rule no');
  const excepted = policyOf(
    'github: [{id: all, repo: "*/*"}, {id: no, repo: "evil/*", except: evil/ok, action: block}]',
  );
  const owner: Touch = { kind: 'owner', access: 'read', owner: 'evil' };
  t.equal(
    ask(excepted, job(), operation([owner])),
    'block block-rule no',
    'an exception is of one repository',
  );
  const document = policyOf(
    'github: [{id: all, repo: "*/*", access: write, anyRef: x}, {id: no, repo: "*/*", action: block, operations: "graphql/delete*"}]',
  );
  const mutation = (name: string) => operation([repo('acme', 'app', 'write')], { name: `graphql/${name}` });
  t.equal(ask(document, job(), mutation('addComment')), 'allow all');
  t.equal(ask(document, job(), mutation('addComment+deleteRef')), 'block block-rule no');
  const audit = policyOf('mode: audit\ngithub: {id: no, repo: acme/vault, action: block}');
  t.equal(ask(audit, job(), operation([repo('acme', 'vault')])), 'block block-rule no');
  t.end();
});

void t.test('what nobody could place is granted by a rule over everything alone', (t) => {
  const platform: Touch = { kind: 'platform', access: 'read' };
  const hidden = operation([platform], { name: 'api/unknown', sureness: 'unknown' });
  t.equal(ask(policyOf('github: {id: r, repo: "acme/*"}'), job(), hidden), 'block not-understood');
  t.equal(ask(policyOf('github: {id: r, repo: "*/*"}'), job(), hidden), 'allow r');
  t.equal(ask(policyOf('github: {id: r, repo: "**"}'), job(), hidden), 'allow r');
  t.equal(
    ask(policyOf('github: {id: r, repo: "*/*", except: acme/vault}'), job(), hidden),
    'block not-understood',
  );
  const document = operation([platform], { name: 'graphql/query', sureness: 'unknown' });
  t.equal(
    ask(policyOf('github: {id: r, repo: "acme/*"}'), job(), document),
    'allow r',
    'it names what it hides',
  );
  const many = Array.from({ length: 64 }, () => repo('acme', 'app'));
  const policy = policyOf('github: {id: r, repo: acme/app}');
  t.equal(ask(policy, job(), operation(many)), 'allow r');
  t.equal(ask(policy, job(), operation(many, { sureness: 'unknown' })), 'block not-understood', 'and more');
  t.end();
});

void t.test('names that no request has do not load', (t) => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['github: {repo: acme/app.git, action: block}', /by its address: leave ".git" out/],
    ['gitlab: {project: acme/infra/app.git}', /by its address: leave ".git" out/],
    ['images: {image: docker.io/alpine}', /official ones are docker.io\/library\/alpine/],
    ['images: {image: "docker.io/*", action: block}', /official ones are docker.io\/library\/\*/],
    ['images: {image: registry-1.docker.io/library/alpine}', /the name of that registry is docker.io/],
  ];
  for (const [text, message] of cases)
    t.match(problemsOf(withHead(text)), [{ severity: 'error', message }], text);
  for (const text of [
    'images: {image: "docker.io/**"}',
    'images: {image: quay.io/acme}',
    'github: {repo: acme/app.github}',
  ])
    t.same(problemsOf(withHead(text)), [], text);
  t.end();
});

void t.test('images are granted by name, and what nobody understands of their registry is not', (t) => {
  const touch = (act: 'metadata' | 'account' | 'search'): Touch => ({
    kind: 'package',
    access: 'read',
    act,
    purl: null,
    version: null,
    registry: 'docker.io',
  });
  const oci = (one: Touch, more: Partial<Operation> = {}) =>
    operation([one], { platform: 'oci', server: 'docker.io', name: 'oci/ping', ...more });
  const image = (path: string): Touch => ({
    kind: 'image',
    access: 'read',
    image: `docker.io/${path}`,
    reference: 'latest',
  });
  const host = 'registry-1.docker.io';
  const policy = policyOf(
    'images: [{id: i, image: "docker.io/library/*"}, {id: no, image: docker.io/library/evil, action: block}]',
  );
  t.equal(ask(policy, job(), oci(image('library/alpine')), host), 'allow i');
  t.equal(ask(policy, job(), oci(image('library/evil')), host), 'block block-rule no');
  t.equal(ask(policy, job(), oci(image('evil/app')), host), 'block repository');
  t.equal(ask(policy, job(), oci(touch('metadata')), host), 'allow i', 'whether it is a registry');
  t.equal(ask(policy, job(), oci(touch('account'), { name: 'oci/login' }), host), 'allow i');
  const hidden = oci(touch('metadata'), { name: 'oci/read', sureness: 'unknown' });
  t.equal(ask(policy, job(), hidden, host), 'block block-rule no');
  const plain = policyOf('images: {id: i, image: "docker.io/library/*"}');
  t.equal(ask(plain, job(), hidden, host), 'block not-understood');
  const ghcr = policyOf('images: {id: g, image: "ghcr.io/acme/**"}');
  const platform: Touch = { kind: 'platform', access: 'read' };
  t.equal(ask(ghcr, job(), operation([platform], { name: 'container/ping' }), 'ghcr.io'), 'allow g');
  t.equal(
    ask(ghcr, job(), operation([platform], { name: 'container/unknown', sureness: 'unknown' }), 'ghcr.io'),
    'block not-understood',
  );
  t.end();
});

void t.test('a rule on operations grants what goes by https on port 443, and blocks it anywhere', (t) => {
  const decide = (rules: string, scheme: 'http' | 'https', port: number): string => {
    const { verdict, reason } = decideRequest(effectivePolicy(policyOf(rules), job()), {
      scheme,
      host: 'api.github.com',
      port,
      method: 'GET',
      path: '/repos/acme/app',
      hasBody: false,
      upgrade: null,
      evidence: [],
      operation: operation([repo('acme', 'app')]),
      attribution: job(),
    });
    return `${verdict} ${reason}`;
  };
  const rule = 'github: {id: r, repo: acme/app}';
  t.equal(decide(rule, 'https', 443), 'allow rule');
  t.match(decide(rule, 'http', 80), /^block /);
  t.match(decide(rule, 'https', 8443), /^block /);
  t.equal(decide('github: {id: no, repo: acme/app, action: block}', 'http', 80), 'block block-rule');
  t.end();
});

void t.test('projects of GitLab lie at any depth', (t) => {
  const policy = policyOf('gitlab: [{id: g, project: "acme/**"}, {id: d, project: "octo/*"}]');
  const who = job({ repository: null, project: 'acme/infra', server: 'gitlab.com' });
  const at = (owner: string, name: string) =>
    operation([repo(owner, name)], { platform: 'gitlab', server: 'gitlab.com' });
  t.equal(ask(policy, who, at('acme', 'infra'), 'gitlab.com'), 'allow g');
  t.equal(ask(policy, who, at('Acme', 'team/sub/infra'), 'gitlab.com'), 'allow g');
  t.equal(ask(policy, who, at('octo', 'lib'), 'gitlab.com'), 'allow d');
  t.equal(ask(policy, who, at('octo', 'team/lib'), 'gitlab.com'), 'block repository');
  t.equal(
    ask(policy, job(), at('acme', 'infra'), 'gitlab.com'),
    'block repository',
    'a job of another server',
  );
  t.end();
});

void t.test('images of GitLab belong to the project that is spelt out above them', (t) => {
  const who = job({ repository: null, project: 'acme/infra', server: 'gitlab.com' });
  const image = (path: string) =>
    operation([{ kind: 'image', access: 'read', image: `registry.gitlab.com/${path}`, reference: null }], {
      platform: 'gitlab',
      server: 'gitlab.com',
      name: 'container/pull',
    });
  const cases: readonly (readonly [rule: string, path: string, expected: string])[] = [
    ['project: acme/infra', 'acme/infra', 'allow g'],
    ['project: acme/infra', 'acme/infra/sub', 'allow g'],
    ['project: acme/infra', 'Acme/Infra/sub/more', 'allow g'],
    ['project: acme/infra', 'acme/infra2', 'block repository'],
    ['project: acme/infra', 'acme/infra2/sub', 'block repository'],
    ['project: acme/infra', 'acme', 'block repository'],
    ['project: acme/infra', 'evil/acme/infra', 'block repository'],
    ['project: acme/team/infra', 'acme/team/infra/web', 'allow g'],
    ['project: acme/team/infra', 'acme/team/other', 'block repository'],
    ['project: "{job.project}"', 'acme/infra/web', 'allow g'],
    ['project: "{job.project}"', 'acme/lib/web', 'block repository'],
    ['project: "acme/*"', 'acme/infra', 'allow g'],
    ['project: "acme/*"', 'acme/team/web', 'block repository'],
    ['project: "acme/**"', 'acme/team/sub/web', 'allow g'],
    ['project: "acme/**", except: acme/vault', 'acme/vault', 'block repository'],
    ['project: "acme/**", except: acme/vault', 'acme/vault/web', 'block repository'],
    ['project: "acme/**", except: "acme/v*"', 'acme/vault/web', 'block repository'],
    ['project: "acme/**", except: acme/vault', 'acme/vault2/web', 'allow g'],
  ];
  for (const [rule, path, expected] of cases)
    t.equal(
      ask(policyOf(`gitlab: {id: g, ${rule}}`), who, image(path), 'registry.gitlab.com'),
      expected,
      `${rule} ${path}`,
    );
  const block = (rule: string) =>
    policyOf(`gitlab: [{id: all, project: "acme/**"}, {id: no, action: block, ${rule}}]`);
  t.equal(
    ask(block('project: "acme/v*"'), who, image('acme/vault/web'), 'registry.gitlab.com'),
    'block block-rule no',
  );
  t.equal(
    ask(block('project: acme/vault'), who, image('acme/vault2/web'), 'registry.gitlab.com'),
    'allow all',
  );
  t.equal(
    ask(block('project: "**", except: "acme/*"'), who, image('acme/team/web'), 'registry.gitlab.com'),
    'block block-rule no',
    'an exception that may not be meant excepts nothing',
  );
  t.end();
});

void t.test('an images rule for a GitLab takes its tokens from the web host, and nothing else there', (t) => {
  const policy = policyOf('images: {id: i, image: "registry.gitlab.com/acme/**"}');
  const who = job({ repository: null, project: 'acme/infra', server: 'gitlab.com' });
  const gitlab = (name: string, touch: Touch) =>
    operation([touch], { platform: 'gitlab', server: 'gitlab.com', name });
  const image = (path: string): Touch => ({
    kind: 'image',
    access: 'read',
    image: `registry.gitlab.com/${path}`,
    reference: null,
  });
  const platform: Touch = { kind: 'platform', access: 'read' };
  t.equal(ask(policy, who, gitlab('container/token', image('acme/infra/web')), 'gitlab.com'), 'allow i');
  t.equal(ask(policy, who, gitlab('container/token', image('evil/x')), 'gitlab.com'), 'block repository');
  t.equal(ask(policy, who, gitlab('container/login', platform), 'gitlab.com'), 'allow i');
  t.equal(ask(policy, who, gitlab('projects/list', platform), 'gitlab.com'), 'block repository');
  t.equal(ask(policy, who, gitlab('git/fetch', repo('acme', 'infra')), 'gitlab.com'), 'block repository');
  t.end();
});

void t.test('a token of a GitLab’s job may write elsewhere: what hides its project is not its own', (t) => {
  const who = job({ repository: null, project: 'acme/infra', repository_id: '42', server: 'gitlab.com' });
  const policy = policyOf(
    'scopes: {id: s, match: {ref: refs/heads/main}, gitlab: {id: w, project: "{job.project}", access: write}}',
  );
  const write = (touch: Touch) =>
    operation([touch], { platform: 'gitlab', server: 'gitlab.com', name: 'packages/publish' });
  const byId = (id: string): Touch => ({
    ...(repo(null, null, 'write') as Extract<Touch, { kind: 'repository' }>),
    id,
  });
  t.equal(ask(policy, who, write(repo(null, null, 'write')), 'gitlab.com'), 'block repository');
  t.equal(ask(policy, who, write(byId('42')), 'gitlab.com'), 'allow w');
  t.equal(ask(policy, who, write(byId('43')), 'gitlab.com'), 'block repository');
  t.equal(ask(policy, who, write(repo('acme', 'infra', 'write')), 'gitlab.com'), 'allow w');
  t.equal(ask(policy, who, write(repo('acme', 'lib', 'write')), 'gitlab.com'), 'block repository');
  t.end();
});

void t.test('images go by registry and name; a forge’s own registry also by its repository', (t) => {
  const policy = policyOf(
    'images: [{id: base, image: "docker.io/library/*"}, {id: team, image: "ghcr.io/acme/**"}]\ngithub: {id: gh, repo: octo/tool}',
  );
  const image = (name: string, access: 'read' | 'write' = 'read', platform: Operation['platform'] = 'oci') =>
    operation([{ kind: 'image', access, image: name, reference: 'latest' }], {
      platform,
      name: 'image/pull',
    });
  t.equal(ask(policy, job(), image('docker.io/library/alpine'), 'registry-1.docker.io'), 'allow base');
  t.equal(ask(policy, job(), image('docker.io/library/alpine'), 'auth.docker.io'), 'allow base');
  t.equal(ask(policy, job(), image('docker.io/evil/alpine'), 'registry-1.docker.io'), 'block repository');
  t.equal(
    ask(policy, job(), image('docker.io/library/alpine', 'write'), 'registry-1.docker.io'),
    'block access',
  );
  t.equal(ask(policy, job(), image('ghcr.io/acme/app/sub', 'read', 'github'), 'ghcr.io'), 'allow team');
  t.equal(ask(policy, job(), image('ghcr.io/octo/tool/sub', 'read', 'github'), 'ghcr.io'), 'allow gh');
  t.equal(ask(policy, job(), image('ghcr.io/octo/tool2', 'read', 'github'), 'ghcr.io'), 'block repository');
  t.end();
});

void t.test('an image is pushed by a rule on images, whatever a rule on hosts says', (t) => {
  const push = operation([{ kind: 'image', access: 'write', image: 'quay.io/acme/app', reference: '1' }], {
    platform: 'oci',
    name: 'oci/push',
  });
  const byHost = 'http: {id: all, host: quay.io, methods: any}';
  const byImage = 'images: {id: own, image: "quay.io/acme/*", access: write, anyRef: nightly}';
  t.equal(ask(policyOf(byHost), job(), push, 'quay.io'), 'block publish');
  t.equal(ask(policyOf(`${byHost}\n${byImage}`), job(), push, 'quay.io'), 'allow all');
  const shaped = { ...push, byShape: true } as const;
  t.equal(ask(policyOf(byHost), job(), shaped, 'quay.io'), 'allow all', 'any host may look like a registry');
  t.equal(ask(policyOf(`${byHost}\npackages: {malware: block}`), job(), shaped, 'quay.io'), 'block publish');
  t.end();
});

void t.test('the age of an image counts where it is due', (t) => {
  const policy = policyOf(
    'http: {id: all, host: quay.io}\npackages: {age: {id: young, purl: "pkg:oci/*", min: 72h}, unknownAge: block}',
  );
  const pull = (hours: number | null, ageDue?: 'later' | 'now') => {
    const ageMs = hours === null ? null : hours * 3_600_000;
    const facts = { ageMs, atLeastMs: ageMs, timeClass: 'author-stated', malicious: null } as const;
    const image = {
      kind: 'image',
      access: 'read',
      image: 'quay.io/acme/app',
      reference: '1',
      facts,
    } as const;
    const asked = operation([ageDue === undefined ? image : { ...image, ageDue }], {
      platform: 'oci',
      name: 'oci/pull',
    });
    return ask(policy, job(), asked, 'quay.io');
  };
  t.equal(pull(100), 'allow all');
  t.equal(pull(2), 'block package-age young');
  t.equal(pull(null), 'allow all', 'its configuration is still to come');
  t.equal(pull(2, 'later'), 'allow all', 'a tag may stand for another image by now');
  t.equal(pull(null, 'later'), 'allow all');
  t.equal(pull(100, 'now'), 'allow all');
  t.equal(pull(2, 'now'), 'block package-age young');
  t.equal(pull(null, 'now'), 'block unknown-age young');
  t.end();
});

void t.test('accounts of AWS: one that is not told is none of ours', (t) => {
  const policy = policyOf(
    'aws: [{id: lake, accounts: "123456789012", services: s3, buckets: acme-*}, {id: sts, accounts: "123456789012", services: [sts, ecr]}]',
  );
  const call = (service: string, account: string | null, bucket: string | null = null) =>
    operation([{ kind: 'cloud', access: 'read', service, account, bucket }], {
      platform: 'aws',
      server: 'amazonaws.com',
    });
  const s3 = 'acme-lake.s3.amazonaws.com';
  t.equal(ask(policy, job(), call('s3', '123456789012', 'acme-lake'), s3), 'allow lake');
  t.equal(ask(policy, job(), call('s3', '210987654321', 'acme-lake'), s3), 'block repository');
  t.equal(ask(policy, job(), call('s3', null, 'acme-lake'), s3), 'block repository');
  t.equal(ask(policy, job(), call('s3', '123456789012', 'evil'), s3), 'block repository');
  t.equal(ask(policy, job(), call('sts', '123456789012'), 'sts.eu-west-1.amazonaws.com'), 'allow sts');
  t.equal(ask(policy, job(), call('iam', '123456789012'), 'iam.amazonaws.com'), 'block repository');
  t.match(problemsOf(withHead('aws: {services: s3}')), [
    { severity: 'error', message: /names no account and no bucket/ },
  ]);
  t.end();
});

void t.test('what cannot be meant is said at load', (t) => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['github: {repo: acme}', /no owner\/name; all of an owner is "acme\/\*"/],
    ['github: {repo: a/b/c}', /no owner\/name/],
    ['github: {repo: "acme/**"}', /one owner and one name/],
    ['github: {repo: "{job.repo}/x"}', /stands alone/],
    ['github: {repo: "{job.rep}"}', /no known placeholder/],
    ['github: {repo: "a b/c"}', /other characters/],
    ['github: {repo: a/b, server: "::"}', /no host of a server/],
    ['github: {repo: a/b, permissions: {content: read}}', /unknown key "content"/],
    ['gitlab: {project: acme}', /all of a group is "acme\/\*\*"/],
    ['images: {image: alpine}', /names no registry/],
    ['images: {image: library/alpine}', /begins with no registry/],
    ['github: {repo: a/b, audit: true}', /belongs to a block rule/],
  ];
  for (const [text, message] of cases)
    t.match(problemsOf(withHead(text)), [{ severity: 'error', message }], text);
  t.end();
});

void t.test('the job’s own token does no more than its ceiling, whatever the platform granted it', (t) => {
  const text = (permissions: string, scopes = '') =>
    policyOf(
      `permissions: ${permissions}\ngithub: {id: all, repo: "acme/*", access: write, anyRef: test}\n${scopes}`,
    );
  const write = (needs: Operation['needs'], more: Partial<Operation> = {}) =>
    operation([repo('acme', 'app', 'write')], { needs, ...more });
  const policy = text(
    '{mode: block, default: {contents: read}, ceiling: {contents: write, issues: write}}',
    'scopes: [{id: main, match: {ref: refs/heads/main}, permissions: {ceiling: {issues: write, packages: write}}}, {id: rel, match: {ref: refs/tags/v1}, permissions: {ceiling: {contents: write}}}]',
  );
  const elsewhere = job({ ref: 'refs/heads/x' });
  const cases: readonly (readonly [Attribution, Operation, string])[] = [
    [elsewhere, write([{ contents: 'read' }]), 'allow all'],
    [elsewhere, write([{ contents: 'write' }]), 'block permission'],
    [elsewhere, write([{ issues: 'write' }]), 'block permission'],
    [job(), write([{ issues: 'write' }]), 'allow all'],
    [job(), write([{ issues: 'read' }]), 'allow all'],
    [job(), write([{ issues: 'write' }, { 'pull-requests': 'write' }]), 'allow all'],
    [job(), write([{ issues: 'write', contents: 'read' }]), 'block permission'],
    [job(), write([{ packages: 'write' }]), 'block permission'],
    [job({ ref: 'refs/tags/v1' }), write([{ contents: 'write' }]), 'allow all'],
    [elsewhere, write([{}]), 'allow all'],
    [elsewhere, write([{}], { sureness: 'unknown' }), 'block permission'],
    [elsewhere, write([{}], { ungrantable: ['administration: write'] }), 'block permission'],
    [elsewhere, write([{ contents: 'write' }], { credential: 'pat', widens: false }), 'allow all'],
    [elsewhere, write([{ contents: 'write' }], { widens: false }), 'allow all'],
  ];
  for (const [who, asked, expected] of cases)
    t.equal(ask(policy, who, asked), expected, `${who.job?.ref} ${JSON.stringify(asked.needs)}`);
  const two = text(
    '{mode: block, ceiling: {contents: write, issues: write}}',
    'scopes: [{id: a, match: {owner: acme}, exclusive: true, github: {id: ea, repo: "acme/*", access: write, anyRef: t}, permissions: {ceiling: {contents: write, issues: read}}}, {id: b, match: {event: push}, exclusive: true, github: {id: eb, repo: "acme/*", access: write, anyRef: t}, permissions: {ceiling: {contents: read}}}]',
  );
  t.equal(ask(two, job(), write([{ contents: 'read' }])), 'allow ea', 'exclusive scopes intersect');
  t.equal(ask(two, job(), write([{ contents: 'write' }])), 'block permission');
  t.equal(ask(two, job(), write([{ issues: 'read' }])), 'block permission');
  const none = policyOf('github: {id: all, repo: "acme/*", access: write, anyRef: test}');
  t.equal(
    ask(none, job(), write([{ contents: 'write' }])),
    'allow all',
    'nothing is asked where nothing is said',
  );
  t.end();
});

void t.test('permissions have a mode of their own', (t) => {
  const decide = (text: string, who = job()) =>
    decideRequest(effectivePolicy(policyOf(text), who), {
      scheme: 'https',
      host: 'api.github.com',
      port: 443,
      method: 'POST',
      path: '/',
      hasBody: true,
      upgrade: null,
      evidence: [],
      operation: operation([repo('acme', 'app', 'write')], { needs: [{ contents: 'write' }] }),
      attribution: who,
    });
  const rule = 'github: {id: all, repo: "acme/*", access: write, anyRef: test}';
  const paper = { verdict: 'block', reason: 'permission', enforced: false };
  t.match(decide(`permissions: {ceiling: {contents: read}}\n${rule}`), paper, 'audit is the default');
  t.match(decide(`mode: audit\npermissions: {mode: block, ceiling: {contents: read}}\n${rule}`), {
    ...paper,
    enforced: true,
  });
  t.match(
    decide(
      `permissions: {ceiling: {contents: read}}\n${rule}\nscopes: {id: s, match: {owner: acme}, permissions: {mode: block}}`,
    ),
    { ...paper, enforced: true },
    'the stricter mode of a scope counts',
  );
  t.end();
});

void t.test('an http rule on a host of a forge is refused with the rule that says the same', (t) => {
  const cases: readonly (readonly [string, string | null])[] = [
    ['{id: a, host: api.github.com}', 'github: {id: a, repo: "**", access: read}'],
    [
      '{id: a, host: api.github.com, methods: [read, POST], paths: "/repos/acme/app/**"}',
      'github: {id: a, repo: acme/app, access: write}',
    ],
    [
      '{id: a, host: github.com, paths: ["/acme/app.git/**", "/acme/lib/**"]}',
      'github: {id: a, repo: [acme/app, acme/lib], access: read}',
    ],
    [
      '{id: a, host: [x.example, codeload.github.com], paths: "/acme/**"}',
      'github: {id: a, repo: "acme/*", access: read}',
    ],
    ['{host: "**.githubusercontent.com"}', 'github: {repo: "**", access: read}'],
    [
      '{id: a, host: ghcr.io, paths: "/v2/acme/**"}',
      'images: {id: a, image: "ghcr.io/acme/**", access: read}',
    ],
    [
      '{id: a, host: gitlab.com, paths: "/acme/infra/team.git/**"}',
      'gitlab: {id: a, project: "acme/infra/team/**", access: read}',
    ],
    [
      '{id: a, host: gitlab.com, paths: "/api/v4/projects/acme%2Finfra/**"}',
      'gitlab: {id: a, project: acme/infra, access: read}',
    ],
    [
      '{id: a, host: github.com, paths: "/acme/**", action: block}',
      'github: {id: a, repo: "acme/*", action: block}',
    ],
    [
      '{id: a, host: github.com, paths: "/acme/**", methods: write, action: block}',
      'github: {id: a, repo: "acme/*", access: write, action: block}',
    ],
    ['{id: a, host: GitHub.com.}', 'github: {id: a, repo: "**", access: read}'],
    ['{id: a, host: "github.c*"}', 'github: {id: a, repo: "**", access: read}'],
    ['{id: a, host: "api.github.*", methods: any}', 'github: {id: a, repo: "**", access: write}'],
    ['{id: a, host: "**.github.*"}', 'github: {id: a, repo: "**", access: read}'],
    ['{id: a, host: "git*.com"}', 'github: {id: a, repo: "**", access: read}'],
    [
      '{id: a, host: "*.github.com", except: [api.github.com, uploads.github.com]}',
      'github: {id: a, repo: "**", access: read}',
    ],
    [
      '{id: a, host: "*.github.com", except: [api.github.com, uploads.github.com, codeload.github.com, gist.github.com]}',
      null,
    ],
    ['{id: a, host: "**.com"}', null],
    ['{id: a, host: gist.github.com, action: block}', null],
    ['{id: a, host: results-receiver.actions.githubusercontent.com}', null],
    ['{id: a, host: github.community}', null],
  ];
  for (const [rule, instead] of cases) {
    const problems = problemsOf(withHead(`http: ${rule}`)).filter(({ severity }) => severity === 'error');
    t.same(
      problems.map(({ remedy }) => remedy),
      instead === null ? [] : [`write instead: ${instead}`],
      rule,
    );
  }
  const warnings = (text: string) => problemsOf(withHead(text)).map(({ message }) => message);
  t.match(warnings('http: {id: a, host: "**.com"}'), [/a opens github.com too, to every repository there/]);
  t.same(warnings('http: {id: a, host: "**.com", action: block}'), []);
  t.match(warnings('opaque: {id: a, host: "*.github.com", reason: x}'), [
    /a passes api.github.com unread: every repository there can be read and written/,
  ]);
  t.match(warnings('permissions: {ceiling: {contents: read}}'), [/what passes the ceiling is only recorded/]);
  t.same(warnings('permissions: {mode: audit, ceiling: {contents: read}}'), []);
  const servers = [...defaultServers, ownServer('github', 'ghes.corp.example')];
  t.match(
    problemsOf(
      withHead('http: {id: a, host: ghes.corp.example, paths: "/api/v3/repos/acme/app/**"}'),
      {},
      { servers },
    ),
    [{ remedy: 'write instead: github: {id: a, repo: acme/app, server: ghes.corp.example, access: read}' }],
  );
  t.end();
});
