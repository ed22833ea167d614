// The permissions of a job from live traffic: three runs of git and curl through `sallyport run` with the job's own
// token, then `sallyport permissions` over their records. GraphQL is refused by what its document touches.

import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { runIpBatch } from '../../netns/ip.ts';
import { WebServer } from '../../netns/web-server.ts';
import { ForgeGit } from '../lab/forge-git.ts';
import { Lab } from '../lab/lab.ts';
import { runOnHost, type Ran } from '../lab/run-on-host.ts';

const address = '93.184.216.82';
const lab = await Lab.open();
runIpBatch(lab.topology.internet, [`addr add ${address}/32 dev lo`]);
for (const host of ['github.com', 'api.github.com']) lab.origins.names.set(host, { a: [address] });
const git = new ForgeGit(join(lab.directory, 'git'));
git.make('acme/app');
const server = new WebServer({
  namespace: lab.topology.internet,
  addresses: [address],
  http: [],
  https: [443],
  authority: lab.origins.authority,
  answer: (request, response, { host, target }) => {
    if (host === 'github.com') return git.answer(request, response);
    request.resume();
    response.statusCode = target.endsWith('/statuses/0') ? 201 : target.endsWith('/pages') ? 404 : 200;
    response.setHeader('content-type', 'application/json');
    if (target.endsWith('/comments'))
      response.setHeader('x-accepted-github-permissions', 'issues=write; pull_requests=write');
    response.end(answerOf(target, request.headers['x-refuse'] !== undefined));
  },
});
await server.start();
t.teardown(async () => {
  server.close();
  await lab.close();
});
t.setTimeout(240_000);

/** A comment on a pull request; of GraphQL nothing, or that the token may not. */
function answerOf(target: string, isRefused: boolean): string {
  if (target.endsWith('/comments')) return '{"html_url":"https://github.com/acme/app/pull/1#issuecomment-1"}';
  return isRefused ? '{"data":null,"errors":[{"type":"FORBIDDEN","message":"x"}]}' : '{"data":{}}';
}

const policyFile = join(lab.directory, 'permissions.yaml');
writeFileSync(
  policyFile,
  `version: 1
mode: block
github:
  - {id: read-acme, repo: "acme/*", access: read}
scopes:
  - id: main
    match: {repo: acme/app, ref: refs/heads/main}
    github:
      - {id: write-own, repo: "{job.repo}", access: write}
`,
);

const state = join(lab.directory, 'permissions-state');
let runs = 0;
function run(...lines: string[]): Promise<Ran> {
  const work = join(lab.directory, `permissions${runs++}`);
  mkdirSync(work);
  const job = ['--repo', 'acme/app', '--ref', 'refs/heads/main', '--event', 'push', '--private'];
  const names = ['--workflow', '.github/workflows/ci.yml', '--job', 'build', '--run-id', String(runs)];
  const options = ['--policy', policyFile, '--state', state, '--token-env', 'TOKEN', ...job, ...names];
  return runOnHost(lab, options, ['sh', '-c', lines.join('\n')], work, {
    TOKEN: 'ghs_16C7e42F292c6912E7710c838347',
  });
}

/** Prints `NAME=CODE`; a name that begins with `other` has somebody else's token, `refused` is answered so. */
function curl(name: string, path: string, body?: string): string {
  const token = name.startsWith('other') ? `ghp_${'x'.repeat(36)}` : '$TOKEN';
  const refuse = name.startsWith('refused') ? ' -H x-refuse:1' : '';
  const data = (body === undefined ? '' : ` -d '${body}'`) + refuse;
  return `curl -s -o /dev/null -w '${name}=%{http_code}\\n' -H "authorization: Bearer ${token}"${data} https://api.github.com${path}`;
}
const graphql = (name: string, query: string): string => curl(name, '/graphql', JSON.stringify({ query }));
const inside = (fields: string, owner = 'acme'): string =>
  `{repository(owner:"${owner}",name:"app"){${fields}}}`;

const clone =
  'git -c http.extraHeader="authorization: basic $(printf x-access-token:%s "$TOKEN" | base64 -w0)" clone -q https://github.com/acme/app.git app; echo clone=$?';
const commitOn = (name: string): string =>
  `mutation{createCommitOnBranch(input:{branch:{repositoryNameWithOwner:"acme/${name}",branchName:"main"},expectedHeadOid:"0",message:{headline:"x"}}){commit{oid}}}`;

const createIssue = 'mutation{createIssue(input:{repositoryId:"R_1",title:"x"}){issue{url}}}';

t.test('GraphQL is open and shut by what its document touches', async (t) => {
  const ran = await run(
    clone,
    graphql('pulls', inside('pullRequests(first:1){nodes{title}}')),
    graphql('issue', createIssue),
    graphql('otherIssue', createIssue),
    graphql('forks', inside('forks(first:1){nodes{name}}')),
    graphql('evil', inside('id', 'evil')),
    graphql('node', '{node(id:"R_1"){id}}'),
    graphql('otherField', inside('notThere')),
    curl('otherHash', '/graphql', '{"extensions":{"persistedQuery":{"sha256Hash":"0"}}}'),
    graphql('lib', commitOn('lib')),
  );
  const blocked = ['otherIssue', 'forks', 'evil', 'node', 'otherField', 'otherHash', 'lib'];
  t.match(ran.printed, /clone=0\npulls=200\nissue=200\n/);
  for (const name of blocked) t.match(ran.printed, `${name}=403\n`, name);
  const arrived = server.arrived.filter((request) => request.target === '/graphql');
  t.equal(arrived.length, 2, 'what was refused reached nobody');
});

t.test('three runs come to the smallest permissions, with the calls behind each line', async (t) => {
  const second = await run(clone, graphql('own', commitOn('app')), curl('pages', '/repos/acme/app/pages'));
  t.match(second.printed, /clone=0\nown=200\npages=404\n/);
  const third = await run(
    clone,
    curl('status', '/repos/acme/app/statuses/0', '{}'),
    curl('odd', '/repos/acme/app/odd'),
    curl('comment', '/repos/acme/app/issues/1/comments', '{}'),
    graphql('refused', 'mutation{createDeployment(input:{refId:"x",repositoryId:"x"}){clientMutationId}}'),
  );
  t.match(third.printed, /clone=0\nstatus=201\nodd=200\ncomment=200\nrefused=200\n/);
  const main = join(import.meta.dirname, '../../main.ts');
  const args = ['permissions', '--state', state, '--repo', 'acme/app', '--granted', 'contents: write'];
  const derived = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...args], {
    encoding: 'utf8',
  });
  t.equal(derived.status, 0, derived.stderr);
  const permissions = { contents: 'write', issues: 'write', 'pull-requests': 'write', statuses: 'write' };
  t.same(parse(derived.stdout), { permissions });
  for (const line of [
    '# repository acme/app on github.com',
    '# workflow .github/workflows/ci.yml, job build',
    '  contents: write # graphql/createCommitOnBranch (1 call in 1 run)',
    '  issues: write # graphql/createIssue (1 call in 1 run)',
    '  pull-requests: write # issues/create-comment (1 call in 1 run)',
    '  statuses: write # repos/create-commit-status (1 call in 1 run)',
    '# needed and not granted: issues: write, pull-requests: write, statuses: write',
  ])
    t.ok(derived.stdout.includes(`${line}\n`), line);
  t.match(
    derived.stdout,
    /# 3 runs, \d+ calls counted; not counted: 7 blocked, 2 answered with 401, 403 or 404/,
  );
  t.match(derived.stdout, /# unknown: GET \/repos\/acme\/app\/odd, rest\/unknown \(1 call in 1 run\)/);
});
