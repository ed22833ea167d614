// Actions as a runner gets them: a stub of it that resolves and downloads, a stand-in of GitHub that speaks the real
// paths, and git servers as the actions' repositories. What is blocked fails the job with our words.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import t from 'tap';
import type { FlowRecord } from '../../flow/flow.ts';
import { answerGit } from '../../netns/demo-git.ts';
import { runIpBatch } from '../../netns/ip.ts';
import { WebServer } from '../../netns/web-server.ts';
import { Lab } from '../lab/lab.ts';

const address = '93.184.216.82';
const [launch, ghes] = ['launch.actions.githubusercontent.com', 'ghes.corp.example'];
const hosts = [
  'github.com',
  'api.github.com',
  'codeload.github.com',
  launch,
  'pkg.actions.githubusercontent.com',
  ghes,
];
const lab = await Lab.open({ runners: 3 });
runIpBatch(lab.topology.internet, [`addr add ${address}/32 dev lo`]);
for (const host of hosts) lab.origins.names.set(host, { a: [address] });
const served = join(lab.directory, 'served');
const canary = `ghs_${'4Kd9'.repeat(9)}`;

const git = (repository: string, ...args: string[]): string =>
  execFileSync('git', ['-C', join(served, `${repository}.git`), ...args], {
    encoding: 'utf8',
    env: {
      PATH: process.env['PATH'],
      ...Object.fromEntries(
        ['AUTHOR', 'COMMITTER'].flatMap((who) => [
          [`GIT_${who}_NAME`, 'L'],
          [`GIT_${who}_EMAIL`, 'l@example.com'],
        ]),
      ),
    },
  }).trim();

/** A commit that no ref is at, unless it is named. */
function commit(repository: string, text: string, ref: string | null, parent?: string): string {
  const file = join(lab.directory, 'action.yml');
  writeFileSync(file, text);
  const blob = git(repository, 'hash-object', '-w', file);
  const tree = execFileSync('git', ['-C', join(served, `${repository}.git`), 'mktree'], {
    encoding: 'utf8',
    input: `100644 blob ${blob}\taction.yml\n`,
  }).trim();
  const made = git(repository, 'commit-tree', tree, '-m', text, ...(parent ? ['-p', parent] : []));
  if (ref !== null) git(repository, 'update-ref', ref, made);
  return made;
}

for (const repository of ['actions/checkout', 'acme/tool', 'acme/outer', 'acme/hidden', 'evil/tool'])
  mkdirSync(join(served, `${repository}.git`), { recursive: true });
for (const repository of ['actions/checkout', 'acme/tool', 'acme/outer', 'acme/hidden', 'evil/tool']) {
  git(repository, 'init', '-q', '--bare', '-b', 'main');
  git(repository, 'config', 'uploadpack.allowFilter', 'true');
}
const older = commit('acme/tool', 'name: tool 0', 'refs/heads/main');
const first = commit('acme/tool', 'name: tool 1', 'refs/heads/main', older);
for (let at = 0; at < 30; at++)
  commit(
    'acme/tool',
    `name: tool ${'x'.repeat(at)}`,
    'refs/heads/next',
    at === 0 ? first : git('acme/tool', 'rev-parse', 'refs/heads/next'),
  );
git('acme/tool', 'gc', '-q');
git('acme/tool', 'update-ref', 'refs/tags/v1', first);
git(
  'acme/tool',
  '-c',
  'user.name=L',
  '-c',
  'user.email=l@example.com',
  'tag',
  '-a',
  '-m',
  'x',
  'v1.0.0',
  first,
);
// On top of a branch, as a commit of a fork is.
const impostor = commit('acme/tool', 'name: impostor', null, first);
commit('actions/checkout', 'name: checkout 1', 'refs/tags/v4');
commit('acme/hidden', 'name: hidden', 'refs/tags/v1');
commit('evil/tool', 'name: evil', 'refs/tags/v1');
commit('acme/outer', 'steps: uses: acme/tool@v1.0.0', 'refs/tags/good');
commit('acme/outer', 'steps: uses: evil/tool@v1', 'refs/tags/bad');

function find(repository: string, ref: string): string {
  if (/^[0-9a-f]{40}$/.test(ref)) return ref;
  return git(repository, 'rev-parse', `${ref}^{commit}`);
}

async function answerResolution(
  request: IncomingMessage,
  response: ServerResponse,
  host: string,
): Promise<void> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer); // no encoding is set
  type Asked = { action: string; version: string; nameWithOwner: string; ref: string };
  const { actions } = JSON.parse(Buffer.concat(parts).toString()) as { actions: Asked[] }; // as the stub asks
  const entries = actions.map(({ action, version, nameWithOwner, ref }) => {
    const [name, asked] = host === launch ? [action, version] : [nameWithOwner, ref];
    const sha = find(name, asked);
    const tar =
      host === launch
        ? `https://api.github.com/repos/${name}/tarball/${sha}`
        : `https://${ghes}/api/v3/repos/${name}/tarball/${sha}`;
    const authentication = { token: canary, expires_at: '2100-01-01T00:00:00Z' };
    const entry =
      host === launch
        ? { name, resolved_name: name, resolved_sha: sha, version: asked, tar_url: tar, authentication }
        : {
            nameWithOwner: name,
            resolvedNameWithOwner: name,
            resolvedSha: sha,
            ref: asked,
            tarballUrl: tar,
            authentication,
          };
    return [`${name}@${asked}`, entry];
  });
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ actions: Object.fromEntries(entries) }));
}

function answerArchive(response: ServerResponse, path: string): void {
  const [, owner = '', name = '', sha = ''] =
    /([^/]+)\/([^/]+)\/(?:tarball|legacy\.tar\.gz)\/(\w+)$/.exec(path) ?? [];
  const repository = join(served, owner, `${name}.git`);
  if (!existsSync(repository)) return void response.writeHead(404).end();
  response.end(execFileSync('git', ['-C', repository, 'archive', '--format=tar.gz', sha]));
}

const server = new WebServer({
  namespace: lab.topology.internet,
  addresses: [address],
  http: [],
  https: [443],
  authority: lab.origins.authority,
  answer: (request, response, { host, target }) => {
    const [path = ''] = target.split('?');
    if (path.endsWith('/runnerresolve/actions') || path.endsWith('/actiondownloadinfo'))
      return void answerResolution(request, response, host);
    if (path.endsWith('/git-upload-pack') || path.includes('/info/refs')) {
      if (path.includes('hidden')) return void response.writeHead(401).end();
      return answerGit(served, request, response);
    }
    request.resume();
    if (host === 'api.github.com')
      return void response
        .writeHead(302, {
          location: `https://codeload.github.com${path.replace('/repos', '').replace('tarball', 'legacy.tar.gz')}?token=x`,
        })
        .end();
    answerArchive(response, path);
  },
});
await server.start();

const policy = (mode: string): string => `version: 1
mode: ${mode}
presets: github-runner
actions:
  allow: ["actions/*", "acme/*"]
  movedRef: block
  allowMoves: "actions/*"
  offBranch: block
`;
const job = { platform: 'github', ref: 'refs/heads/main', event: 'push' } as const;
const jobs = ['acme/app', 'acme/other', 'acme/app'].map((repository, index) => ({
  ...job,
  server: index === 2 ? ghes : 'github.com',
  repository,
  addresses: [lab.runner(index).v4, lab.runner(index).v6],
}));
await lab.startGateway(policy('block'), { jobs });
t.teardown(async () => {
  server.close();
  await lab.close();
});
t.setTimeout(120_000);

const stub = join(import.meta.dirname, '../lab/runner-stub.ts');
const services = {
  github: ['run-service', `https://${launch}/actions/build/p/jobs/j/runnerresolve/actions`],
  ghes: [
    'ghes',
    `https://${ghes}/_services/pipelines/a/_apis/distributedtask/hubs/Actions/plans/p/actiondownloadinfo?jobId=j`,
  ],
};
/** What the runner prints, and its exit code at the end. */
async function use(actions: readonly string[], runner = 0): Promise<string> {
  const service = services[runner === 2 ? 'ghes' : 'github'];
  const command = [process.execPath, '--disable-warning=ExperimentalWarning', stub, ...service, ...actions];
  const { code, stdout, stderr } = await lab.run(command, { runner });
  return `${stdout}${stderr}exit ${code}`;
}
const archive = (repository: string, sha: string): string =>
  `https://api.github.com/repos/${repository}/tarball/${sha}`;
async function fetchCode(url: string, runner = 0): Promise<string> {
  const { stdout } = await lab.curl(['-L', '-o', '/dev/null', '-w', '%{http_code}', url], runner);
  return stdout;
}
/** The last resolution that was decided so, with this in its evidence. */
function resolution(reason: string, isEnforced = true, evidence = ''): Promise<FlowRecord | null> {
  return lab.gateway.findRecord(
    (record) =>
      record.phase === 'closed' &&
      record.operation?.name === 'actions/resolve' &&
      record.decision.reason === reason &&
      record.decision.enforced === isEnforced &&
      record.evidence
        .map(({ kind, detail }) => `${kind} ${detail}`)
        .join('\n')
        .includes(evidence),
  );
}
const arrivals = (path: string): number =>
  server.arrived.filter(({ target }) => target.includes(path)).length;

t.test('what is pinned to a commit of its repository is resolved and fetched', async (t) => {
  t.equal(
    await use([`acme/tool@${first}`, 'acme/tool@v1']),
    `Getting action download info
Download action repository 'acme/tool@${first}' (SHA:${first})
Download action repository 'acme/tool@v1' (SHA:${first})
exit 0`,
  );
  const record = await resolution('rule');
  t.match(record?.decision, { verdict: 'allow', rule: 'preset:github-runner/service' });
  t.match(record?.operation?.touches.slice(1), [
    { kind: 'action', owner: 'acme', name: 'tool', ref: first, commit: first, onRef: 'yes' },
    { kind: 'action', ref: 'v1', commit: first, onRef: 'yes' },
  ]);
});

t.test('an archive is open to the job for which it was resolved, and as it was resolved', async (t) => {
  t.equal(await fetchCode(archive('acme/tool', first)), '200', 'control');
  t.equal(await fetchCode(archive('acme/tool', first), 1), '403', 'another job');
  t.equal(await fetchCode(archive('acme/tool', impostor)), '403', 'another commit');
  t.equal(await fetchCode(archive('evil/tool', find('evil/tool', 'v1'))), '403', 'not resolved');
  t.equal(await fetchCode(`https://codeload.github.com/evil/tool/tar.gz/${first}`), '403');
  t.equal(await fetchCode(`https://pkg.actions.githubusercontent.com/v2/evil/tool/blobs/${first}`), '403');
  t.equal(
    await fetchCode('https://github.com/acme/tool.git/info/refs?service=git-upload-pack'),
    '403',
    'an archive alone',
  );
  t.equal(await fetchCode('https://api.github.com/repos/acme/app/tarball/main'), '404', 'control: its own');
});

t.test('an action that is not on the list fails the job with our words, and nobody is asked', async (t) => {
  const before = arrivals('runnerresolve');
  const printed = await use(['acme/tool@v1', 'evil/tool@v1']);
  t.match(
    printed,
    /Error: Sallyport blocked the action evil\/tool@v1: the action is none of those that the policy allows \(rule actions\.allow\) \[action-unlisted\]\. Ask the owner/,
  );
  t.match(printed, /exit 1$/);
  t.notMatch(printed, 'acme/tool');
  t.equal(arrivals('runnerresolve'), before);
  t.match((await resolution('action-unlisted'))?.decision, { verdict: 'block', rule: 'actions.allow' });
});

t.test('what composite actions use is judged by itself', async (t) => {
  t.match(await use(['acme/outer@good']), /'acme\/outer@good'[^]*'acme\/tool@v1\.0\.0'[^]*exit 0$/);
  const printed = await use(['acme/outer@bad']);
  t.match(printed, /'acme\/outer@bad'[^]*Error: Sallyport blocked the action evil\/tool@v1[^]*exit 1$/);
});

t.test(
  'a commit to which no branch and no tag leads is blocked, and so is one of which nobody says',
  async (t) => {
    const printed = await use([`acme/tool@${impostor}`]);
    t.match(printed, `Error: Sallyport blocked the action acme/tool@${impostor}: no branch and no tag`);
    t.match(await use([`acme/tool@${older}`]), /exit 0$/, 'a commit in the history of a branch');
    t.match(printed, /\(rule actions\.offBranch\) \[off-branch\][^]*exit 1$/);
    t.equal(await fetchCode(archive('acme/tool', impostor)), '403', 'nor is it to be fetched');
    t.match(await use(['acme/hidden@v1']), /\[off-branch\][^]*exit 1$/);
    t.ok(await resolution('off-branch', true, 'off-branch acme/hidden@v1: '), 'recorded');
    t.ok(await resolution('off-branch', true, 'its repository answers 401'), 'with what was answered');
  },
);

t.test('a body that names nothing resolves nothing', async (t) => {
  const before = arrivals('runnerresolve');
  const url = services.github[1]!;
  for (const body of ['{"actions":', '{"actions":[{"action":"a"}]}', 'x'.repeat(300_000)]) {
    writeFileSync(join(lab.directory, 'body'), body);
    const { stdout } = await lab.curl(['-d', `@${join(lab.directory, 'body')}`, url]);
    t.match(stdout, /\[action-unread\]/, body.slice(0, 30));
  }
  t.equal(arrivals('runnerresolve'), before);
  // As the runner sends it.
  writeFileSync(
    join(lab.directory, 'body'),
    JSON.stringify({ actions: [{ action: 'acme/tool', version: 'v1' }] }),
  );
  const pieces = ['-H', 'Transfer-Encoding: chunked', '-d', `@${join(lab.directory, 'body')}`, url];
  t.match((await lab.curl(pieces)).stdout, /"resolved_sha"/, 'control: in chunks');
});

t.test('a tag that moved is blocked, again after a restart; one that may move is not', async (t) => {
  t.match(await use(['actions/checkout@v4']), /exit 0$/, 'control');
  const second = commit('acme/tool', 'name: tool 2', 'refs/tags/v1');
  commit('actions/checkout', 'name: checkout 2', 'refs/tags/v4');
  const moved = `Error: Sallyport blocked the action acme/tool@v1: the reference of the action stands for another commit than before: ${first} before, ${second} now (rule actions.movedRef) [moved-ref]`;
  t.match(await use(['acme/tool@v1'], 1), moved, 'to another job, too');
  t.match(await use(['actions/checkout@v4']), /exit 0$/);
  t.ok(await resolution('rule', true, 'moved-ref actions/checkout@v4'), 'and recorded');
  const state = lab.gateway.stateDirectory;
  await lab.gateway.stop();
  rmSync(join(state, 'ready.json'), { force: true });
  await lab.startGateway(policy('block'), { jobs, state });
  t.match(await use(['acme/tool@v1']), moved);
  t.match(await use([`acme/tool@${second}`]), /exit 0$/, 'pinned after a review');
});

t.test('a GitHub Enterprise Server has its actions resolved by the older call', async (t) => {
  t.match(await use(['acme/tool@v1.0.0'], 2), /'acme\/tool@v1\.0\.0'[^]*exit 0$/);
  const printed = await use(['evil/tool@v1'], 2);
  t.match(
    printed,
    /Error: UnresolvableActionDownloadInfoException: Sallyport blocked the action evil\/tool@v1/,
  );
});

t.test('audit mode records the same and blocks nothing; no token is in a record', async (t) => {
  await lab.gateway.reload(policy('audit'));
  t.match(await use(['acme/tool@v1', 'evil/tool@v1']), /exit 0$/);
  t.match((await resolution('moved-ref', false, 'moved-ref acme/tool@v1'))?.decision, { verdict: 'block' });
  t.match(await use([`acme/tool@${impostor}`]), /exit 0$/);
  t.match((await resolution('off-branch', false))?.decision, { verdict: 'block' });
  t.notMatch(lab.gateway.segmentText(), canary);
});

t.test('without a word on actions their archives open all the same, and nothing else does', async (t) => {
  await lab.gateway.reload('version: 1\nmode: block\npresets: github-runner\n');
  const url = archive('evil/tool', find('evil/tool', 'v1'));
  t.equal(await fetchCode(url, 1), '403');
  t.match(await use(['evil/tool@v1'], 1), /exit 0$/);
  t.equal(await fetchCode(url, 1), '200');
  t.equal(await fetchCode(archive('acme/tool', first), 1), '403');
});
