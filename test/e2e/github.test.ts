// Real git and curl through `sallyport run` against stand-ins of github.com and its API: by repository, by ref, by
// what is admin, and by the ceiling of the job's own token. What was refused reached nobody.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { runIpBatch } from '../../netns/ip.ts';
import { WebServer } from '../../netns/web-server.ts';
import { ForgeGit } from '../lab/forge-git.ts';
import { Lab } from '../lab/lab.ts';
import { runOnHost, type Ran } from '../lab/run-on-host.ts';

const address = '93.184.216.81';
const hosts = ['github.com', 'api.github.com', 'gist.github.com', 'uploads.github.com'];
const lab = await Lab.open();
runIpBatch(lab.topology.internet, [`addr add ${address}/32 dev lo`]);
for (const host of hosts) lab.origins.names.set(host, { a: [address] });
const git = new ForgeGit(join(lab.directory, 'git'));
for (const repository of ['acme/app', 'acme/lib', 'acme/vault', 'evil/app']) git.make(repository);
const server = new WebServer({
  namespace: lab.topology.internet,
  addresses: [address],
  http: [],
  https: [443],
  authority: lab.origins.authority,
  answer: (request, response, { host, method, target }) => {
    if (host === 'github.com' && !target.includes('/info/lfs/')) return git.answer(request, response, true);
    request.resume();
    response.end(`${method} ${host}${target}\n`);
  },
});
await server.start();
t.teardown(async () => {
  server.close();
  await lab.close();
});
t.setTimeout(120_000);

const policyFile = join(lab.directory, 'github.yaml');
writeFileSync(
  policyFile,
  `version: 1
mode: block
github:
  - {id: read-acme, repo: "acme/*", except: acme/vault, access: read}
scopes:
  - id: main
    match: {repo: acme/app, ref: refs/heads/main}
    github: [{id: write-own, repo: "{job.repo}", access: write}]
`,
);

let runs = 0;
function run(script: string, ref = 'refs/heads/main'): Promise<Ran> {
  const work = join(lab.directory, `work${runs++}`);
  mkdirSync(work);
  const job = ['--repo', 'acme/app', '--repo-id', '7', '--ref', ref, '--event', 'push', '--private'];
  return runOnHost(lab, ['--policy', policyFile, ...job], ['sh', '-c', script], work);
}

const reached = (method: string, path: string): boolean =>
  server.arrived.some((request) => request.method === method && request.target.startsWith(path));
const commit = 'git -c user.name=L -c user.email=l@example.com commit -q --allow-empty -m next';

/** Arguments of one curl for `METHOD host path`; it prints the code of each. */
function calls(lines: readonly string[]): string {
  const each = lines.map((line) => {
    const [method, url] = line.split(' ') as [string, string]; // every line has both
    const body = method === 'GET' ? '' : " -d '{}'";
    return `-s -o /dev/null -w '${line}=%{http_code}\n' -X ${method} 'https://${url}'${body}`;
  });
  return `curl ${each.join(' --next ')}`;
}

/** A batch of LFS: its body alone says whether it reads or writes. */
const batch = (repository: string, operation: string): string =>
  `curl -s -o /dev/null -w '${repository}-${operation}=%{http_code}\\n' -d '{"operation":"${operation}","objects":[]}' https://github.com/acme/${repository}.git/info/lfs/objects/batch`;

const allowed = [
  'GET api.github.com/repos/acme/lib/issues',
  'POST api.github.com/repos/acme/app/issues',
  'POST api.github.com/repositories/7/issues',
  'GET api.github.com/search/issues?q=x',
];
const blocked = [
  'POST api.github.com/repos/acme/lib/issues',
  'GET api.github.com/repos/acme/vault/issues',
  'GET api.github.com/repos/acme/vault.git/issues',
  'POST api.github.com/repos/evil/app/issues',
  'POST api.github.com/repositories/8/issues',
  'POST api.github.com/repos/acme/app/hooks',
  'POST api.github.com/repos/acme/app/actions/runners/registration-token',
  'POST api.github.com/repos/acme/app/forks',
  'POST api.github.com/user/repos',
  'POST api.github.com/gists',
  'POST uploads.github.com/repos/evil/app/releases/1/assets',
];

t.test('git and the API are open by repository, and the job’s own to be written', async (t) => {
  const ran = await run(`
    git clone -q https://github.com/acme/app.git app && (cd app && ${commit} && git push -q origin HEAD:refs/heads/more); echo own=$?
    git clone -q https://github.com/acme/lib.git lib; echo read=$?
    (cd lib && ${commit} && git push -q origin HEAD:refs/heads/more); echo other=$?
    git clone -q https://github.com/acme/vault.git vault; echo vault=$?
    git clone -q https://github.com/acme/VAULT.wiki.git wiki; echo wiki=$?
    git clone -q https://github.com/evil/app.git evil; echo evil=$?
    ${calls([...allowed, ...blocked])}
    ${batch('lib', 'download')}
    ${batch('lib', 'upload')}
    ${batch('app', 'upload')}
    ${batch('vault', 'download')}`);
  t.match(ran.printed, /own=0\n/);
  t.match(ran.printed, /read=0\n/);
  for (const name of ['other', 'vault', 'wiki', 'evil'])
    t.match(ran.printed, new RegExp(`${name}=(?:1|128)\n`), name);
  t.match(ran.printed, /remote: Sallyport did not let/);
  t.match(ran.printed, /lib-download=200\nlib-upload=403\napp-upload=200\nvault-download=403\n/);
  for (const line of allowed) t.ok(ran.printed.includes(`${line}=200\n`), line);
  for (const line of blocked) t.ok(ran.printed.includes(`${line}=403\n`), line);
  t.ok(reached('POST', '/acme/app.git/git-receive-pack'));
  t.notOk(reached('POST', '/acme/lib.git/git-receive-pack'), 'what is read is not written');
  for (const path of ['/acme/vault', '/acme/VAULT', '/evil/', '/repos/evil', '/repos/acme/vault'])
    t.notOk(reached('GET', path) || reached('POST', path), path);
  t.notOk(reached('POST', '/user/repos') || reached('POST', '/gists'));
});

t.test('a push from another ref is refused before its first byte', async (t) => {
  const ran = await run(
    `git clone -q https://github.com/acme/app.git app; echo read=$?; cd app && ${commit} && git push -q origin HEAD:refs/heads/elsewhere; echo push=$?`,
    'refs/heads/feature',
  );
  t.match(ran.printed, /read=0\n/);
  t.match(ran.printed, /push=(?:1|128)\n/);
  t.same(git.branches('acme/app'), ['main', 'more'], 'the push before alone');
});
