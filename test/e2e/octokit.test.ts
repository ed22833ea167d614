// Octokit and gh as people use them, on github.com, a server of one's own and a tenant; and what a job's token may do:
// under a ceiling every way to write is refused with the words of the rule, though the server would take the token.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { digestToken } from '../../flow/token-digest.ts';
import { runIpBatch } from '../../netns/ip.ts';
import { WebServer } from '../../netns/web-server.ts';
import { ForgeGit } from '../lab/forge-git.ts';
import { answerGithub, storageHost } from '../lab/github-stub.ts';
import { Lab } from '../lab/lab.ts';
import { missingProgram } from '../lab/missing-program.ts';

const address = '93.184.216.81';
const token = 'ghs_16C7e42F292c6912E7710c838347';
const hosts =
  'github.com api.github.com uploads.github.com codeload.github.com ghes.corp.example ' +
  'acme.ghe.com api.acme.ghe.com codeload.acme.ghe.com';
/** Runners by what their job is. */
const jobs = { free: 0, ceiling: 1, audit: 2, ghes: 3, tenant: 4 } as const;
type JobName = keyof typeof jobs;

const lab = await Lab.open({ runners: Object.keys(jobs).length });
runIpBatch(lab.topology.internet, [`addr add ${address}/32 dev lo`]);
for (const host of [...hosts.split(' '), storageHost]) lab.origins.names.set(host, { a: [address] });
const git = new ForgeGit(join(lab.directory, 'git'));
for (const path of ['acme/app', 'acme/lib']) git.make(path);
const server = new WebServer({
  namespace: lab.topology.internet,
  addresses: [address],
  http: [],
  https: [443],
  authority: lab.origins.authority,
  answer: answerGithub(git, token),
});
await server.start();
const serverOf = { ghes: 'ghes.corp.example', tenant: 'acme.ghe.com' };
await lab.startGateway(
  `version: 1
mode: block
github:
  - {id: read-acme, repo: "acme/*"}
  - {id: vault, repo: acme/vault, action: block}
scopes:
  - id: main
    match: {repo: acme/app, ref: refs/heads/main}
    github: [{id: own, repo: "{job.repo}", access: write}]
  - id: ceiling
    match: {workflow: .github/workflows/ceiling.yml}
    permissions: {mode: block, ceiling: {contents: read}}
  - id: audit
    match: {workflow: .github/workflows/audit.yml}
    permissions: {mode: audit, ceiling: {contents: read}}
`,
  {
    jobs: Object.entries(jobs).map(([name, runner]) => ({
      platform: 'github' as const,
      server: name === 'ghes' || name === 'tenant' ? serverOf[name] : 'github.com',
      repository: 'acme/app',
      ref: 'refs/heads/main',
      event: 'push',
      private: true,
      workflow: `.github/workflows/${name}.yml`,
      runId: String(runner),
      addresses: [lab.runner(runner).v4, lab.runner(runner).v6],
      tokenDigest: digestToken(token),
    })),
  },
);
t.teardown(async () => {
  server.close();
  await lab.close();
});
t.setTimeout(120_000);

interface Result {
  readonly status?: number;
  readonly data?: unknown;
  readonly error?: string;
  readonly etag?: string;
}
type Results = Readonly<Record<string, Result>>;
type Call = readonly [name: string, method: string, ...args: unknown[]];
const env = { TOKEN: token, GIT_TERMINAL_PROMPT: '0', GIT_CONFIG_NOSYSTEM: '1' };

async function octokit(
  job: JobName,
  calls: readonly Call[],
  root = 'https://api.github.com',
): Promise<Results> {
  const script = join(import.meta.dirname, '../lab/clients/with-octokit.mjs');
  const command = [process.execPath, script, root, JSON.stringify(calls)];
  const { stdout, stderr } = await lab.run(command, { runner: jobs[job], env });
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as Results; // printed by the script so
}

async function sh(job: JobName, script: string): Promise<string> {
  const home = join(lab.directory, `home-${job}`);
  const { stdout, stderr } = await lab.run(['sh', '-c', `mkdir -p ${home}; cd ${home}\n${script}`], {
    runner: jobs[job],
    env: { ...env, HOME: home, GH_TOKEN: token, GH_NO_UPDATE_NOTIFIER: '1', GH_PROMPT_DISABLED: '1' },
  });
  return stdout + stderr;
}

const app = { owner: 'acme', repo: 'app' };
const lib = { owner: 'acme', repo: 'lib' };
const issue = { ...app, title: 'x' };
const arrived = (): readonly string[] => server.arrived.map(({ method, target }) => `${method} ${target}`);
const numbers = (result: unknown): unknown =>
  Array.isArray(result) ? result.map((item: { readonly number: number }) => item.number) : result;

t.test('octokit pages, asks on condition, follows and writes as rules say', async (t) => {
  const pages = 'GET /repos/{owner}/{repo}/issues';
  const first = await octokit('free', [
    ['own', 'paginate', pages, { ...app, per_page: 2 }],
    ['other', 'paginate', pages, { ...lib, per_page: 2 }],
    ['org', 'paginate', 'GET /orgs/{org}/repos', { org: 'acme', per_page: 1 }],
    ['etag', 'rest.issues.listForRepo', app],
    ['same', 'request', pages, { ...app, headers: { 'if-none-match': 'W/"/repositories/7/issues-1"' } }],
    ['create', 'rest.issues.create', issue],
    ['archive', 'rest.repos.downloadTarballArchive', { ...lib, ref: 'main' }],
    ['upload', 'rest.repos.uploadReleaseAsset', { ...app, release_id: 1, name: 'a.txt', data: 'x' }],
    ['artifact', 'rest.actions.downloadArtifact', { ...app, artifact_id: 9, archive_format: 'zip' }],
  ]);
  t.equal(first['artifact']?.status, 200, 'the storage that an answer named');
  const stored = server.arrived.find(({ host }) => host === storageHost)!;
  for (const job of ['ceiling', 'free'] as const) {
    const again = await sh(
      job,
      `curl -s -o /dev/null -w '%{http_code}' 'https://${storageHost}${stored.target}'`,
    );
    t.equal(again, job === 'free' ? '200' : '403', `and to ${job === 'free' ? 'this job' : 'no other'}`);
  }
  t.same(numbers(first['own']), [1, 2, 3, 4, 5]);
  t.same(numbers(first['other']), [1, 2, 3, 4, 5], 'links name another repository by its number');
  t.equal((first['org'] as unknown as unknown[]).length, 3, 'and the organisation by its');
  t.match(first['etag'], { status: 200, etag: 'W/"/repositories/7/issues-1"' });
  t.equal(first['same']?.status, 304);
  t.match(first, { create: { status: 201 }, archive: { status: 200 }, upload: { status: 201 } });
  for (const path of ['/repositories/7/issues?per_page=2&page=3', '/repositories/8/issues?per_page=2&page=3'])
    t.ok(arrived().includes(`GET ${path}`), path);
});

t.test('what octokit is refused it says once, in our words', async (t) => {
  const before = arrived().length;
  const refused = await octokit('free', [
    ['write', 'rest.issues.create', { ...lib, title: 'x' }],
    ['foreign', 'rest.issues.listForRepo', { owner: 'evil', repo: 'app' }],
    ['number', 'request', 'GET /repositories/666/issues'],
    ['vault', 'paginate', 'GET /repos/{owner}/{repo}/issues', { owner: 'acme', repo: 'Vault' }],
    ['admin', 'rest.repos.createDeployKey', { ...app, key: 'x' }],
    ['upload', 'rest.repos.uploadReleaseAsset', { ...lib, release_id: 1, name: 'a.txt', data: 'x' }],
    ['archive', 'rest.repos.downloadTarballArchive', { owner: 'evil', repo: 'app', ref: 'main' }],
  ]);
  for (const [name, { status, error }] of Object.entries(refused)) {
    t.equal(status, 403, name);
    t.match(
      error,
      /^Sallyport did not let .* through: .* To allow it, ask the owner of the runner policy/,
      name,
    );
  }
  t.equal(
    refused['write']?.error,
    'Sallyport did not let POST api.github.com/repos/acme/lib/issues through: rules exist for what it touches, but not for this access or operation: issues/create (write) on acme/lib, which needs issues: write [access]. To allow it, ask the owner of the runner policy for a rule for this host, method and path.',
  );
  t.equal(arrived().length, before, 'nothing arrived');
  const records = (await lab.gateway.records()).filter(
    ({ phase, http }) =>
      phase === 'closed' && http?.method === 'POST' && http.path === '/repos/acme/lib/issues',
  );
  t.equal(records.length, 1, 'and it was not tried again');
});

const fragments = `query($owner: String!, $name: String!, $first: Int = 1) {
  repository(owner: $owner, name: $name) { ...names issues(first: $first) { totalCount ...numbers } }
}
fragment names on Repository { nameWithOwner }
fragment numbers on IssueConnection { nodes { number } }`;
const createIssue =
  'mutation($id: ID!) { createIssue(input: {repositoryId: $id, title: "x"}) { issue { number } } }';
const commit = `mutation($on: CommittableBranch!) {
  createCommitOnBranch(input: {branch: $on, expectedHeadOid: "0", message: {headline: "x"}}) { clientMutationId }
}`;

t.test('GraphQL of octokit is understood with its variables and fragments', async (t) => {
  const told = await octokit('free', [
    ['read', 'graphql', fragments, { owner: 'acme', name: 'lib' }],
    ['create', 'graphql', createIssue, { id: 'R_7' }],
    ['evil', 'graphql', fragments, { owner: 'evil', name: 'app' }],
    ['vault', 'graphql', fragments, { owner: 'ACME', name: 'vault' }],
    ['other', 'graphql', commit, { on: { repositoryNameWithOwner: 'acme/lib', branchName: 'main' } }],
  ]);
  t.match(told['read'], { repository: { nameWithOwner: 'acme/lib', issues: { totalCount: 5 } } });
  t.match(told['create'], { createIssue: { issue: { number: 6 } } });
  for (const name of ['evil', 'vault', 'other']) {
    t.equal(told[name]?.status, 403, name);
    t.match(told[name]?.error, /^Sallyport did not let POST api\.github\.com\/graphql through/, name);
  }
});

t.test('a server of one’s own and a tenant are known by the job’s server', async (t) => {
  const calls: Call[] = [
    ['list', 'paginate', 'GET /repos/{owner}/{repo}/issues', { ...lib, per_page: 4 }],
    ['create', 'rest.issues.create', issue],
    ['archive', 'rest.repos.downloadTarballArchive', { ...lib, ref: 'main' }],
    ['query', 'graphql', fragments, { owner: 'acme', name: 'app' }],
    ['write', 'rest.issues.create', { ...lib, title: 'x' }],
    ['evil', 'graphql', fragments, { owner: 'evil', name: 'app' }],
  ];
  const roots = { ghes: 'https://ghes.corp.example/api/v3', tenant: 'https://api.acme.ghe.com' } as const;
  for (const job of ['ghes', 'tenant'] as const) {
    const told = await octokit(job, calls, roots[job]);
    t.same(numbers(told['list']), [1, 2, 3, 4, 5], job);
    t.match(told, { create: { status: 201 }, archive: { status: 200 } }, job);
    t.match(told['query'], { repository: { nameWithOwner: 'acme/app' } }, job);
    for (const name of ['write', 'evil'])
      t.match(told[name], { status: 403, error: /^Sallyport did not let/ }, `${job} ${name}`);
    const elsewhere = await octokit(job, [['list', 'rest.issues.listForRepo', app]]);
    t.equal(elsewhere['list']?.status, 403, `rules of ${job} say nothing of github.com`);
  }
  const abroad = await octokit('free', [['list', 'rest.issues.listForRepo', app]], roots.ghes);
  t.equal(abroad['list']?.status, 403);
});

/** Every way to write, as `NAME=` and what the client came to. */
const everyWay = `
say() { printf '\\n%s=%s\\n' "$1" "$2"; }
curl -s -o out -w '\\nrest=%{http_code}\\n' -H "authorization: Bearer $TOKEN" -d '{"title":"x"}' https://api.github.com/repos/acme/app/issues; cat out
curl -s -o out -w '\\ngraphql=%{http_code}\\n' -H "authorization: token $TOKEN" -d '{"query":"mutation{createIssue(input:{repositoryId:\\"R_7\\",title:\\"x\\"}){issue{url}}}"}' https://api.github.com/graphql; cat out
curl -s -o /dev/null -w '\\nbasic=%{http_code}\\n' -u "x-access-token:$TOKEN" -d '{}' https://api.github.com/repos/acme/app/releases
curl -s -o /dev/null -w '\\nupload=%{http_code}\\n' -H "authorization: Bearer $TOKEN" -d x 'https://uploads.github.com/repos/acme/app/releases/1/assets?name=a'
auth="http.extraHeader=authorization: basic $(printf 'x-access-token:%s' "$TOKEN" | base64 -w0)"
git -c "$auth" clone -q https://github.com/acme/app.git app; say clone $?
cd app && git -c user.name=L -c user.email=l@example.com commit -q --allow-empty -m next
git -c "$auth" push -q origin "HEAD:refs/heads/from-$(basename "$HOME")"; say push $?`;
const ways = ['rest', 'graphql', 'basic', 'upload'];

t.test('under a ceiling every way to write is refused, with the token that the server takes', async (t) => {
  const before = server.arrived.length;
  const printed = await sh('ceiling', everyWay);
  for (const way of ways) t.match(printed, `\n${way}=403\n`, way);
  t.match(printed, /\nclone=0\n/, 'what the ceiling grants is open');
  t.match(printed, /\npush=128\n/);
  for (const need of [
    'issues/create (write) on acme/app, which needs issues: write',
    'git/push (write) on acme/app, which needs contents: write',
  ])
    t.ok(
      printed.includes(`it needs a permission of the job’s token above the ceiling of the policy: ${need}`),
      need,
    );
  t.match(printed, /graphql\/createIssue \(write\), which needs issues: write \[permission\]/);
  const written = server.arrived
    .slice(before)
    .filter(({ method, target }) => method === 'POST' && !target.endsWith('/git-upload-pack'));
  t.same(
    written.map(({ target }) => target),
    [],
    'nothing arrived',
  );
  t.same(git.branches('acme/app'), ['main']);
  const told = await octokit('ceiling', [
    ['rest', 'rest.issues.create', issue],
    ['graphql', 'graphql', createIssue, { id: 'R_7' }],
    ['read', 'rest.repos.get', app],
  ]);
  t.match(told['rest'], { status: 403, error: /needs issues: write \[permission\]/ });
  t.match(told['graphql'], { status: 403, error: /needs issues: write \[permission\]/ });
  t.equal(told['read']?.status, 200);
});

t.test('without the ceiling all of it is taken, and in audit it is taken and recorded', async (t) => {
  for (const job of ['free', 'audit'] as const) {
    const printed = await sh(job, everyWay);
    for (const way of ways) t.match(printed, new RegExp(`\n${way}=20[01]\n`), `${job} ${way}`);
    t.match(printed, /\nclone=0\n/);
    t.match(printed, /\npush=0\n/);
  }
  t.same(git.branches('acme/app'), ['from-home-audit', 'from-home-free', 'main']);
  // The last thing that was done; its record may come after its answer.
  await lab.gateway.findRecord(
    ({ phase, job, http, operation }) =>
      phase === 'closed' &&
      job?.workflow === '.github/workflows/audit.yml' &&
      http?.method === 'POST' &&
      operation?.name === 'git/push',
  );
  const closed = (await lab.gateway.records()).filter(
    ({ kind, phase }) => kind === 'request' && phase === 'closed',
  );
  const of = (job: JobName) =>
    closed.filter((record) => record.job?.workflow === `.github/workflows/${job}.yml`);
  const above = of('audit').filter(({ decision }) => decision.verdict === 'block');
  for (const { decision } of above) t.match(decision, { reason: 'permission', enforced: false });
  const namesOf = (records: typeof closed): string[] =>
    [...new Set(records.flatMap(({ operation }) => operation?.name ?? []))].toSorted((a, b) =>
      a < b ? -1 : 1,
    );
  t.same(namesOf(above), [
    'git/push',
    'graphql/createIssue',
    'issues/create',
    'repos/create-release',
    'repos/upload-release-asset',
  ]);
  const refused = of('ceiling').filter(({ decision }) => decision.reason === 'permission');
  t.same(namesOf(refused), namesOf(above), 'the same is blocked');
  for (const { operation, decision } of refused)
    t.match(
      { operation, decision },
      { operation: { credential: 'job', widens: true }, decision: { enforced: true } },
    );
});

const gh = `
printf 'version '; gh --version | head -1
gh api repos/acme/app/issues --jq length 2>&1; echo list=$?
gh api repos/acme/app/issues -f title=x 2>&1; echo rest=$?
gh api graphql -f query='mutation{createIssue(input:{repositoryId:"R_7",title:"x"}){issue{url}}}' 2>&1; echo graphql=$?
gh issue create -R acme/app -t x -b y 2>&1; echo create=$?
gh api repos/evil/app/issues 2>&1; echo evil=$?`;

t.test('gh shows our words', { skip: missingProgram('gh') }, async (t) => {
  t.comment(`client ${spawnSync('gh', ['--version'], { encoding: 'utf8' }).stdout.split('\n')[0]}`);
  const free = await sh('free', gh);
  t.match(free, /\n5\nlist=0\n[^]*rest=0\n[^]*graphql=0\n[^]*create=0\n[^]*evil=1\n/);
  t.match(free, /gh: Sallyport did not let GET api\.github\.com\/repos\/evil\/app\/issues through/);
  const ceiling = await sh('ceiling', gh);
  t.match(ceiling, /list=1\n[^]*rest=1\n[^]*graphql=1\n[^]*create=1\n/);
  t.match(
    ceiling,
    /gh: Sallyport did not let POST api\.github\.com\/repos\/acme\/app\/issues through: it needs a permission/,
  );
  t.match(ceiling, /gh: Sallyport did not let POST api\.github\.com\/graphql through: it needs a permission/);
});
