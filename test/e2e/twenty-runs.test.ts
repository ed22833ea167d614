// Twenty runs of one workflow behind one gateway, with varying calls by git and curl: what `sallyport permissions` reads
// of their records equals the golden file, which was written by hand from the table of calls below.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { digestToken } from '../../flow/token-digest.ts';
import { runIpBatch } from '../../netns/ip.ts';
import { WebServer } from '../../netns/web-server.ts';
import { ForgeGit } from '../lab/forge-git.ts';
import { answerGithub } from '../lab/github-stub.ts';
import { Lab } from '../lab/lab.ts';

const address = '93.184.216.81';
const token = 'ghs_16C7e42F292c6912E7710c838347';
const service = 'run-actions-1-azure-eastus.actions.githubusercontent.com';
const runs = Array.from({ length: 20 }, (_, index) => index + 1);
const jobOf = (run: number): string => (run > 16 ? 'release' : 'build');

const lab = await Lab.open({ runners: runs.length });
runIpBatch(lab.topology.internet, [`addr add ${address}/32 dev lo`]);
for (const host of ['github.com', 'api.github.com', 'uploads.github.com', 'ghcr.io', service])
  lab.origins.names.set(host, { a: [address] });
const git = new ForgeGit(join(lab.directory, 'git'));
git.make('acme/app');
const server = new WebServer({
  namespace: lab.topology.internet,
  addresses: [address],
  http: [],
  https: [443],
  authority: lab.origins.authority,
  answer: answerGithub(git, token),
});
await server.start();
await lab.startGateway(
  `version: 1
mode: block
presets: [github-runner]
github:
  - {id: read-acme, repo: "acme/*"}
scopes:
  - id: main
    match: {repo: acme/app, ref: refs/heads/main}
    github: [{id: own, repo: "{job.repo}", access: write}]
`,
  {
    jobs: runs.map((run) => ({
      platform: 'github' as const,
      server: 'github.com',
      repository: 'acme/app',
      ref: 'refs/heads/main',
      event: 'push',
      private: true,
      workflow: '.github/workflows/ci.yml',
      name: jobOf(run),
      runId: String(run),
      addresses: [lab.runner(run - 1).v4, lab.runner(run - 1).v6],
      tokenDigest: digestToken(token),
    })),
  },
);
t.teardown(async () => {
  server.close();
  await lab.close();
});
t.setTimeout(120_000);

type Call = readonly [call: string, status: number, body?: string];
const api = 'https://api.github.com/repos/acme/app';
const graphql = (name: string, query: string): Call => [
  `POST https://api.github.com/graphql?${name}`,
  200,
  JSON.stringify({ query }),
];

/** What a run of `build` does besides its checkout. */
function callsOf(run: number): Call[] {
  const calls: Call[] = [
    [`GET ${api}`, 200],
    [`GET ${api}/pulls/5`, 200],
  ];
  if (run % 4 === 0) calls.push([`POST ${api}/issues`, 201]);
  if (run % 3 === 0) calls.push([`POST ${api}/issues/1/comments`, 201]);
  if (run % 5 === 0) calls.push([`POST ${api}/issues/2/comments`, 201]);
  return [...calls, ...(once[run] ?? [])];
}

/** What one run alone does. */
const once: Readonly<Record<number, readonly Call[]>> = {
  2: [[`GET ${api}/actions/secrets`, 200]],
  6: [[`POST ${api}/issues/1/labels`, 201]],
  7: [[`POST ${api}/keys`, 403]],
  8: [[`POST ${api}/labels`, 201]],
  9: [[`GET ${api}/widgets`, 200]],
  10: [
    [`POST ${api}/check-runs`, 403],
    [`GET ${api}/pages`, 404],
  ],
  11: [
    ['GET https://api.github.com/repos/acme/lib/issues', 200],
    [`GET ${api}/issues?pat`, 200],
  ],
  12: [['POST https://api.github.com/repos/evil/app/issues', 403]],
  13: [graphql('taken', 'mutation{createIssue(input:{repositoryId:"R_7",title:"x"}){issue{url}}}')],
  14: [
    graphql('refused', 'mutation{createDeployment(input:{refId:"x",repositoryId:"x"}){clientMutationId}}'),
  ],
};

const releaseCalls: readonly Call[] = [
  [`POST ${api}/releases`, 201],
  ['POST https://uploads.github.com/repos/acme/app/releases/1/assets?name=a', 201],
  [`GET https://${service}/41//idtoken/p/j?api-version=2.0&audience=sigstore`, 200],
  [`POST ${api}/attestations`, 201],
  ['GET https://ghcr.io/token?service=ghcr.io&scope=repository:acme/app:pull,push', 200],
];

/** The credential of each kind of call, as its client sends it. */
function credentialOf(url: string): string {
  if (url.includes('/idtoken/'))
    return '-H "authorization: Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"';
  if (url.includes('ghcr.io')) return '-u "job:$TOKEN"';
  return url.endsWith('?pat')
    ? `-H "authorization: token ghp_${'x'.repeat(36)}"`
    : '-H "authorization: Bearer $TOKEN"';
}

function curl(calls: readonly Call[]): string {
  const each = calls.map(([call, , body]) => {
    const [method, url] = call.split(' ') as [string, string]; // every call has both
    const data = method === 'GET' ? '' : ` -d '${body ?? '{}'}'`;
    return `-s -o /dev/null -w '%{http_code} ${call}\\n' ${credentialOf(url)}${data} -X ${method} '${url}'`;
  });
  return `curl ${each.join(' --next ')}`;
}

async function runOne(run: number): Promise<void> {
  const isRelease = jobOf(run) === 'release';
  const calls = isRelease ? releaseCalls : callsOf(run);
  const push = `git -C app push -q origin HEAD:refs/heads/run-${run}; echo "push $?"`;
  const script = `
    export HOME=${lab.directory}/run-${run}; mkdir $HOME; cd $HOME
    git config --global http.extraHeader "authorization: basic $(printf 'x-access-token:%s' "$TOKEN" | base64 -w0)"
    git clone -q https://github.com/acme/app.git app; echo "clone $?"
    ${isRelease ? push : ''}
    ${curl(calls)}`;
  const env = { TOKEN: token, GIT_TERMINAL_PROMPT: '0', GIT_CONFIG_NOSYSTEM: '1' };
  const { stdout, stderr } = await lab.run(['sh', '-c', script], { runner: run - 1, env, timeoutMs: 60_000 });
  const expected = [
    'clone 0',
    ...(isRelease ? ['push 0'] : []),
    ...calls.map(([call, status]) => `${status} ${call}`),
  ];
  t.same(stdout.trim().split('\n'), expected, `run ${run} ${stderr}`);
}

t.test('what twenty runs did comes to the smallest permissions of each job', async (t) => {
  const waiting = [...runs];
  const lane = async (): Promise<void> => {
    for (let run = waiting.shift(); run !== undefined; run = waiting.shift()) await runOne(run);
  };
  await Promise.all([lane(), lane(), lane(), lane()]);
  const main = join(import.meta.dirname, '../../main.ts');
  const granted = ['--granted', 'contents: write, issues: write, packages: read'];
  const args = ['permissions', '--state', lab.gateway.stateDirectory, '--repo', 'acme/app', ...granted];
  const derived = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...args], {
    encoding: 'utf8',
  });
  t.equal(derived.status, 0, derived.stderr);
  t.equal(derived.stderr, '');
  const golden = readFileSync(join(import.meta.dirname, '../advise/golden/live-runs.yaml'), 'utf8');
  t.equal(derived.stdout, golden);
});
