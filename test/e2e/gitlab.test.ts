// Real git and curl through `sallyport run` against a stand-in of gitlab.com and its registry: by project over git,
// API, GraphQL, LFS and images. What was refused reached nobody; what was allowed comes to allowlists.

import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { runIpBatch } from '../../netns/ip.ts';
import { WebServer } from '../../netns/web-server.ts';
import { ForgeGit, isGitPath } from '../lab/forge-git.ts';
import { Lab } from '../lab/lab.ts';
import { LfsServer } from '../lab/lfs-server.ts';
import { missingProgram } from '../lab/missing-program.ts';
import { runOnHost, type Ran } from '../lab/run-on-host.ts';

const address = '93.184.216.82';
const token = 'glcbt-64_x9YtqLPDSXTcb3ccGFzS';
const lab = await Lab.open();
runIpBatch(lab.topology.internet, [`addr add ${address}/32 dev lo`]);
for (const host of ['gitlab.com', 'registry.gitlab.com']) lab.origins.names.set(host, { a: [address] });
const forge = new ForgeGit(join(lab.directory, 'git'));
for (const project of ['acme/team/app', 'acme/lib', 'acme/vault', 'evil/app']) forge.make(project);
/** Objects lie on the web host, and are fetched with a token of LFS's own. */
const lfs = new LfsServer((oid, size, project) => ({
  href: `https://gitlab.com/${project}.git/gitlab-lfs/objects/${oid}/${size}`,
  expires_in: 600,
  header: { authorization: `Basic ${Buffer.from('gitlab-ci-token:lfs-token').toString('base64')}` },
}));
const server = new WebServer({
  namespace: lab.topology.internet,
  addresses: [address],
  http: [],
  https: [443],
  authority: lab.origins.authority,
  answer: (request, response, { host, method, target }) => {
    if (isGitPath(target)) return forge.answer(request, response);
    if (target.endsWith('/info/lfs/objects/batch')) return void lfs.answerBatch(request, response);
    if (target.includes('/gitlab-lfs/objects/')) return void lfs.answerObject(request, response);
    request.resume();
    if (target === '/api/v4/projects/acme%2Flib') {
      response.setHeader('content-type', 'application/json');
      response.end('{"id":44,"path_with_namespace":"acme/lib"}');
      return;
    }
    if (target.includes('/info/lfs/')) response.statusCode = 404;
    response.end(`${method} ${host}${target}\n`);
  },
});
await server.start();
t.teardown(async () => {
  server.close();
  await lab.close();
});
t.setTimeout(120_000);

const policyFile = join(lab.directory, 'gitlab.yaml');
writeFileSync(
  policyFile,
  `version: 1
mode: block
gitlab:
  - {id: read-acme, project: ["acme/*", acme/lib], except: acme/vault, access: read}
scopes:
  - id: main
    match: {project: acme/team/app, ref: refs/heads/main}
    gitlab: [{id: write-own, project: "{job.project}", access: write}]
`,
);

const state = join(lab.directory, 'state');
let runs = 0;
function run(script: string): Promise<Ran> {
  const work = join(lab.directory, `work${runs++}`);
  mkdirSync(work);
  const job = ['--server', 'gitlab.com', '--repo', 'acme/team/app', '--repo-id', '42', '--job', 'build'];
  const more = [
    '--ref',
    'refs/heads/main',
    '--event',
    'push',
    '--private',
    '--token-env',
    'CI_JOB_TOKEN',
    '--state',
    state,
  ];
  return runOnHost(lab, ['--policy', policyFile, ...job, ...more], ['sh', '-c', script], work, {
    CI_JOB_TOKEN: token,
  });
}

const reached = (method: string, path: string): boolean =>
  server.arrived.some((request) => request.method === method && request.target.startsWith(path));
const commit = 'git -c user.name=L -c user.email=l@example.com commit -q --allow-empty -m next';
const git = 'https://gitlab-ci-token:$CI_JOB_TOKEN@gitlab.com';

/** Arguments of one curl for `METHOD host path`; it prints the code of each. */
function calls(lines: readonly string[]): string {
  const each = lines.map((line) => {
    const [method, url] = line.split(' ') as [string, string]; // every line has both
    const isJson = method === 'POST' ? " -H 'content-type: application/json'" : '';
    const body = method === 'GET' ? '' : `${isJson} -d '{}'`;
    return `-s -o /dev/null -w '${line}=%{http_code}\n' -H "job-token: $CI_JOB_TOKEN" -X ${method}${body} 'https://${url}'`;
  });
  return `curl ${each.join(' --next ')}`;
}

/** A body that alone says what is touched. */
const post = (name: string, url: string, body: string): string =>
  `curl -s -o /dev/null -w '${name}=%{http_code}\\n' -H 'content-type: application/json' -d '${body}' 'https://${url}'`;
const query = (name: string, path: string): string =>
  post(name, 'gitlab.com/api/graphql', JSON.stringify({ query: `{project(fullPath:"${path}"){id}}` }));
const batch = (name: string, path: string, operation: string): string =>
  post(name, `gitlab.com/${path}.git/info/lfs/objects/batch`, JSON.stringify({ operation, objects: [] }));

const api = 'gitlab.com/api/v4/projects';
const tokenFor = (scope: string): string =>
  `gitlab.com/jwt/auth?service=container_registry&scope=repository:${scope}`;
const allowed = [
  // By its path, and then as clients go on: by the number that the answer told.
  `GET ${api}/acme%2Flib`,
  `GET ${api}/44/packages`,
  `GET ${api}/acme%2Flib/packages/npm/@acme%2Flib`,
  `GET ${api}/acme%2Flib/jobs/artifacts/main/download?job=build`,
  `POST ${api}/acme%2Fteam%2Fapp/releases`,
  `POST ${api}/42/releases`,
  `PUT ${api}/42/packages/generic/tool/1/tool.bin`,
  `GET ${tokenFor('acme/team/app/web:pull,push')}`,
  `GET ${tokenFor('acme/lib/base:pull')}`,
  'PUT registry.gitlab.com/v2/acme/team/app/web/manifests/1',
  'GET registry.gitlab.com/v2/acme/lib/base/manifests/1',
];
const blocked = [
  `POST ${api}/44/releases`,
  `POST ${api}/acme%2Flib/releases`,
  `PUT ${api}/acme%2Flib/packages/generic/tool/1/tool.bin`,
  `GET ${api}/acme%2Fvault/packages`,
  `GET ${api}/acme%2fVault.git/packages`,
  `GET ${api}/evil%2Fapp/packages`,
  `GET ${api}/43/packages`,
  `PUT ${api}/43/packages/generic/tool/1/tool.bin`,
  `POST ${api}/42/hooks`,
  `POST ${api}/42/fork`,
  `POST ${api}`,
  'PATCH gitlab.com/api/v4/jobs/request',
  `GET ${tokenFor('acme/lib/base:pull,push')}`,
  `GET ${tokenFor('acme/vault/web:pull')}`,
  `GET ${tokenFor('acme/lib/base:pull')}&scope=repository:evil/app:pull`,
  'GET registry.gitlab.com/v2/evil/app/manifests/1',
  'PUT registry.gitlab.com/v2/acme/team/app2/manifests/1',
];

t.test('git, the API and the registry are open by project, and the job’s own to be written', async (t) => {
  const ran = await run(`
    git clone -q ${git}/acme/team/app.git app && (cd app && ${commit} && git push -q origin HEAD:refs/heads/more); echo own=$?
    git clone -q ${git}/acme/lib.git lib; echo read=$?
    (cd lib && ${commit} && git push -q origin HEAD:refs/heads/more); echo other=$?
    git clone -q ${git}/acme/Vault.git vault; echo vault=$?
    git clone -q ${git}/acme/vault.wiki.git wiki; echo wiki=$?
    git clone -q ${git}/evil/app.git evil; echo evil=$?
    ${calls([...allowed, ...blocked])}
    ${batch('lib-download', 'acme/lib', 'download')}
    ${batch('lib-upload', 'acme/lib', 'upload')}
    ${batch('own-upload', 'acme/team/app', 'upload')}
    ${query('query-lib', 'acme/lib')}
    ${query('query-evil', 'evil/app')}
    ${post('mutation', 'gitlab.com/api/graphql', '{"query":"mutation{createNote(input:{}){errors}}"}')}
    ${post('merge-own', `${api}/42/merge_requests`, '{"title":"x"}')}
    ${post('merge-other', `${api}/42/merge_requests`, '{"target_project_id":77}')}`);
  t.match(ran.printed, /own=0\n/);
  t.match(ran.printed, /read=0\n/);
  for (const name of ['other', 'vault', 'wiki', 'evil'])
    t.match(ran.printed, new RegExp(`${name}=(?:1|128)\n`), name);
  for (const line of allowed) t.ok(ran.printed.includes(`${line}=200\n`), line);
  for (const line of blocked) t.ok(ran.printed.includes(`${line}=403\n`), line);
  t.match(
    ran.printed,
    /lib-download=200\nlib-upload=403\nown-upload=200\nquery-lib=200\nquery-evil=403\nmutation=403\n/,
  );
  t.match(ran.printed, /merge-own=200\nmerge-other=403\n/);
  t.ok(reached('POST', '/acme/team/app.git/git-receive-pack'));
  t.notOk(reached('POST', '/acme/lib.git/git-receive-pack'), 'what is read is not written');
  for (const path of [
    '/acme/vault',
    '/acme/Vault',
    '/evil/',
    '/v2/evil',
    '/api/v4/projects/evil',
    '/api/v4/projects/43',
  ])
    t.notOk(
      ['GET', 'POST', 'PUT'].some((method) => reached(method, path)),
      path,
    );
});

t.test('git-lfs takes and gives objects by project', { skip: missingProgram('git-lfs') }, async (t) => {
  const ran = await run(`
    export HOME=$(mktemp -d); cd $HOME
    git config --global user.name L; git config --global user.email l@example.com; git lfs install --skip-repo
    add() { git lfs track '*.bin' && head -c 100000 /dev/urandom > "$1.bin" && git add . && git commit -q -m large; }
    git clone -q ${git}/acme/team/app.git app && (cd app && add own && git push -q origin HEAD:main); echo own=$?
    git clone -q ${git}/acme/team/app.git again && cmp app/own.bin again/own.bin; echo same=$?
    git clone -q ${git}/acme/lib.git lib && (cd lib && add other && git lfs push origin HEAD); echo other=$?
    rm -rf $HOME`);
  t.match(ran.printed, /own=0\n/);
  t.match(ran.printed, /same=0\n/);
  t.match(ran.printed, /other=[12]\n/);
  t.match(
    ran.printed,
    /Sallyport did not let POST gitlab\.com\/acme\/lib\.git\/info\/lfs\//,
    'git-lfs shows our words',
  );
  t.equal(lfs.stored.size, 1, 'what is read takes no objects');
});

t.test('what the runs did on other projects comes to (target project, permission)', async (t) => {
  const main = join(import.meta.dirname, '../../main.ts');
  const args = ['permissions', '--state', state, '--repo', 'acme/team/app', '--json'];
  const derived = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...args], {
    encoding: 'utf8',
  });
  const { allowlists } = JSON.parse(derived.stdout) as { allowlists: { targets: unknown[] }[] };
  const project = (target: string, ...permissions: (string | null)[]) => ({
    target,
    permissions: permissions.map((permission) => ({ permission })),
  });
  t.match(allowlists[0]?.targets, [
    project('acme/lib/base', null),
    project('acme/lib', null, 'READ_JOBS', 'READ_PACKAGES'),
  ]);
  t.equal(allowlists[0]?.targets.length, 2);
});
