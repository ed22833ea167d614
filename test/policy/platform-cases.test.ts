// Cases of rules on forges as whole requests: from the URL to the decision, as `explain --batch` answers them.

import t, { type Test } from 'tap';
import { serversOf } from '../../flow/platform-server.ts';
import { createInterpreter } from '../../interpreters.ts';
import { readCredential } from '../../platform/read-credential.ts';
import { explainLine } from '../../policy/explain-command.ts';
import { Explainer } from '../../policy/explainer.ts';
import { jobFields, problemsOf, withHead } from './judge.ts';

type Row = readonly [question: string, expected: string, context?: Readonly<Record<string, unknown>> | null];

const understanding = {
  serversOf,
  interpreter: (servers: Parameters<typeof createInterpreter>[0]) => createInterpreter(servers, []),
  credential: readCredential,
};
const own = 'Bearer ${GITHUB_TOKEN}';

/** Answers `METHOD URL` (with the job's own token and, for a write, a body) as `verdict rule-or-reason`. */
function check(t: Pick<Test, 'equal'>, text: string, rows: readonly Row[]): void {
  const bundle = { entry: 'policy.yaml', files: { 'policy.yaml': withHead(text) } };
  const explainer = new Explainer(bundle, understanding);
  for (const [question, expected, context = {}] of rows) {
    const [method = '', url = ''] = question.split(' ');
    const line = {
      id: 1,
      method,
      url,
      headers: { Authorization: own, 'Content-Type': 'application/json' },
      ...(method === 'GET' ? {} : { body: '{}' }),
      ...(context === null ? {} : { context: { ...jobFields, ...context } }),
    };
    const answer = explainLine(explainer, JSON.stringify(line), new Map());
    const by = answer['verdict'] === 'allow' ? answer['rule'] : answer['reason'];
    t.equal(`${String(answer['verdict'])} ${String(by)}`, expected, `${question} ${JSON.stringify(context)}`);
  }
}
const push = (repository: string) => `POST https://github.com/${repository}/git-receive-pack`;

void t.test('8, 8b: a write goes with its ref or environment', (t) => {
  check(
    t,
    'scopes: [{id: main, match: {repo: acme/app, ref: refs/heads/main}, github: {id: w, repo: acme/app, access: write}}, {id: prod, match: {environment: prod}, github: {id: p, repo: acme/deploy, access: write}}]',
    [
      [push('Acme/App.git'), 'allow w'],
      [push('acme/app'), 'block no-rule', { ref: 'refs/heads/x' }],
      [push('acme/deploy.git'), 'block repository'],
      [push('acme/deploy.git'), 'allow p', { environment: 'prod' }],
      [push('acme/deploy.git'), 'block repository', { environment: 'production' }],
    ],
  );
  t.end();
});

void t.test('9: the job’s own', (t) => {
  check(
    t,
    'github: {id: r, repo: "acme/*"}\nscopes: {id: s, match: {ref: "refs/heads/*"}, github: {id: own, repo: "{job.repo}", access: write}}',
    [
      [push('acme/app.git'), 'allow own'],
      [push('acme/other.git'), 'block access'],
      [push('acme/app.git'), 'block access', null],
      ['POST https://api.github.com/repos/acme/app/issues', 'allow own'],
      ['POST https://api.github.com/repos/acme/other/issues', 'block access'],
      ['POST https://api.github.com/repositories/7/issues', 'allow own', { repository_id: 7 }],
      ['POST https://api.github.com/repositories/8/issues', 'block repository', { repository_id: 7 }],
      ['GET https://raw.githubusercontent.com/acme/other/main/x', 'allow r'],
      ['GET https://codeload.github.com/evil/x/tar.gz/main', 'block repository'],
      ['GET https://api.github.com/repos/acme%2Fapp/contents/x', 'block not-understood'],
    ],
  );
  t.end();
});

void t.test('10: another server', (t) => {
  const ghes = { server_url: 'https://ghes.corp.example', server: undefined };
  check(t, 'github: {id: r, repo: "acme/*"}', [
    ['GET https://ghes.corp.example/api/v3/repos/acme/app', 'allow r', ghes],
    ['GET https://ghes.corp.example/api/v3/repos/acme/app', 'block repository'],
    ['GET https://api.github.com/repos/acme/app', 'block repository', ghes],
    ['GET https://api.github.com/repos/acme/app', 'allow r'],
  ]);
  t.end();
});

void t.test('13: events that run the input of others', (t) => {
  check(
    t,
    'scopes: {id: main, match: {ref: refs/heads/main}, github: {id: w, repo: acme/app, access: write}}',
    [
      [push('acme/app.git'), 'allow w'],
      [push('acme/app.git'), 'block untrusted-write', { event: 'pull_request_target' }],
      [
        'GET https://github.com/acme/app.git/info/refs?service=git-upload-pack',
        'allow w',
        { event: 'pull_request_target' },
      ],
      [push('acme/app.git'), 'block untrusted-write', { fork: true }],
    ],
  );
  t.end();
});

void t.test('14: write is not admin', (t) => {
  const policy = (access: string) =>
    `scopes: {id: main, match: {ref: refs/heads/main}, github: {id: w, repo: acme/app, access: ${access}}}`;
  const asks = [
    'POST https://api.github.com/repos/acme/app/hooks',
    'POST https://api.github.com/repos/acme/app/actions/runners/registration-token',
  ];
  check(t, policy('write'), [
    ...asks.map((ask): Row => [ask, 'block access']),
    ['POST https://api.github.com/user/repos', 'block repository'],
    ['DELETE https://api.github.com/repos/acme/app', 'block access'],
  ]);
  check(t, policy('admin'), [
    ...asks.map((ask): Row => [ask, 'allow w']),
    ['POST https://api.github.com/user/repos', 'block repository'],
  ]);
  t.end();
});

void t.test('15: a write at top level', (t) => {
  t.match(problemsOf(withHead('github: {repo: acme/app, access: write}')), [
    { severity: 'error', message: /no ref or environment is named/, remedy: /anyRef/ },
  ]);
  t.end();
});

void t.test('one rule over API, GraphQL, git, archives and storage of files', (t) => {
  check(t, 'github: {id: r, repo: "acme/*", except: acme/vault}', [
    ['GET https://api.github.com/repos/acme/app/pulls/1/files', 'allow r'],
    ['GET https://api.github.com/repos/ACME/Vault/pulls/1/files', 'block repository'],
    ['POST https://github.com/acme/app.git/git-upload-pack', 'allow r'],
    ['POST https://github.com/acme/vault.git/git-upload-pack', 'block repository'],
    ['POST https://github.com/acme/vault.wiki.git/git-upload-pack', 'block repository'],
    ['GET https://github.com/acme/app/releases/download/v1/a.tgz', 'allow r'],
    ['GET https://codeload.github.com/acme/vault/tar.gz/main', 'block repository'],
    [
      'GET https://gist.githubusercontent.com/evil/0123456789abcdef0123456789abcdef/raw/memdump.py',
      'block repository',
    ],
  ]);
  t.end();
});

void t.test('a ceiling refuses on the wire what the token would be let do', (t) => {
  check(
    t,
    'permissions: {mode: block, ceiling: {contents: read}}\ngithub: {id: w, repo: acme/app, access: write, anyRef: test}',
    [
      ['GET https://api.github.com/repos/acme/app/contents/x', 'allow w'],
      ['POST https://api.github.com/repos/acme/app/issues', 'block permission'],
      [push('acme/app.git'), 'block permission'],
      ['POST https://github.com/acme/app.git/git-upload-pack', 'allow w'],
      ['GET https://api.github.com/repos/acme/app/pulls', 'block permission', { private: true }],
      ['GET https://api.github.com/repos/acme/app/pulls', 'allow w', { private: false }],
    ],
  );
  t.end();
});
