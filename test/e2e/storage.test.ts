// Storage that answers hand out, by a real git-lfs and curl: closed before, open just in time to the job that was
// answered, with the method and path that it was given, and closed again when its time is over.

import { join } from 'node:path';
import t from 'tap';
import { runIpBatch } from '../../netns/ip.ts';
import { WebServer } from '../../netns/web-server.ts';
import { ForgeGit } from '../lab/forge-git.ts';
import { Lab } from '../lab/lab.ts';
import { LfsServer } from '../lab/lfs-server.ts';
import { missingProgram } from '../lab/missing-program.ts';

const address = '93.184.216.81';
const hosts = ['github.com', 'lfs.s3.amazonaws.com', 'assets.example'];
const lab = await Lab.open({ runners: 2 });
runIpBatch(lab.topology.internet, [`addr add ${address}/32 dev lo`]);
for (const host of hosts) lab.origins.names.set(host, { a: [address] });
const git = new ForgeGit(join(lab.directory, 'git'));
git.make('acme/app');

const batch = '/acme/app.git/info/lfs/objects/batch';
/** Objects by how long their URLs are good. */
const [short, long] = ['e'.repeat(64), 'd'.repeat(64)];

const lfs = new LfsServer((oid) => ({
  href: `https://lfs.s3.amazonaws.com/objects/${oid}?sig=1`,
  expires_in: oid === short ? 2 : 600,
}));

const server = new WebServer({
  namespace: lab.topology.internet,
  addresses: [address],
  http: [],
  https: [443],
  authority: lab.origins.authority,
  answer: (request, response, { host, target }) => {
    const [path = ''] = target.split('?');
    if (host === 'lfs.s3.amazonaws.com') void lfs.answerObject(request, response);
    else if (host === 'assets.example') response.end('the asset');
    else if (path === batch) void lfs.answerBatch(request, response);
    else if (path.startsWith('/acme/app/releases/'))
      response.writeHead(302, { location: 'https://assets.example/a.tgz?sig=1' }).end();
    else if (path.includes('/info/lfs/')) response.writeHead(404).end();
    else git.answer(request, response, true);
  },
});
await server.start();
const job = { platform: 'github', server: 'github.com', ref: 'refs/heads/main', event: 'push' } as const;
await lab.startGateway(
  `version: 1
mode: block
scopes:
  - id: main
    match: {repo: acme/app, ref: refs/heads/main}
    github: [{id: own, repo: "{job.repo}", access: write}]
`,
  {
    jobs: ['acme/app', 'acme/other'].map((repository, index) => ({
      ...job,
      repository,
      addresses: [lab.runner(index).v4, lab.runner(index).v6],
    })),
  },
);
t.teardown(async () => {
  server.close();
  await lab.close();
});
t.setTimeout(120_000);

const run = async (script: string, runner = 0): Promise<string> => {
  const env = { GIT_TERMINAL_PROMPT: '0', GIT_CONFIG_NOSYSTEM: '1' };
  const { stdout, stderr } = await lab.run(['sh', '-c', script], { runner, env, timeoutMs: 60_000 });
  return stdout + stderr;
};
const call = (name: string, method: string, url: string, body = ''): string =>
  `curl -s -o /dev/null -w '${name}=%{http_code}\\n' -X ${method} ${body === '' ? '' : `-d '${body}'`} '${url}'`;
const put = (name: string, oid: string): string =>
  call(name, 'PUT', `https://lfs.s3.amazonaws.com/objects/${oid}?sig=1`, 'x');
const ask = (oid: string): string =>
  call(
    'batch',
    'POST',
    `https://github.com${batch}`,
    `{"operation":"upload","objects":[{"oid":"${oid}","size":1}]}`,
  );

t.test(
  'git-lfs pushes and clones by storage that no rule names',
  { skip: missingProgram('git-lfs') },
  async (t) => {
    const printed = await run(`
    export HOME=$(mktemp -d); cd $HOME
    git config --global user.name L; git config --global user.email l@example.com; git lfs install --skip-repo
    git clone -q https://github.com/acme/app.git app && cd app && git lfs track '*.bin' &&
      head -c 300000 /dev/urandom > a.bin && git add . && git commit -q -m large && git push -q origin HEAD:main
    echo push=$?; cd ..
    git clone -q https://github.com/acme/app.git again; cmp app/a.bin again/a.bin; echo same=$?
    rm -rf $HOME`);
    t.match(printed, /push=0\n/);
    t.match(printed, /same=0\n/);
    t.equal(lfs.stored.size, 1);
    t.equal([...lfs.stored.values()][0]?.length, 300_000);
    const names = (await lab.gateway.records()).filter(
      ({ kind, destination }) => kind === 'dns' && destination.host === 'lfs.s3.amazonaws.com',
    );
    t.ok(names.length > 0);
    for (const { decision } of names)
      t.match(decision, { verdict: 'allow', rule: 'own', scope: 'main' }, 'its name is resolved');
  },
);

t.test('it is open just in time, and to nobody else', async (t) => {
  const printed = await run(`
    ${put('before', short)}; ${ask(short)}; ${put('given', short)}
    ${put('other-object', long)}; ${call('read', 'GET', `https://lfs.s3.amazonaws.com/objects/${short}`)}
    ${call('beside', 'PUT', `https://lfs.s3.amazonaws.com/objects/${short}x`, 'x')}
    ${call('delete', 'DELETE', `https://lfs.s3.amazonaws.com/objects/${short}`)}
    sleep 2; ${put('expired', short)}; ${ask(long)}`);
  t.match(printed, /before=403\nbatch=200\ngiven=200\n/);
  for (const name of ['other-object', 'read', 'beside', 'delete', 'expired'])
    t.match(printed, `${name}=403\n`);
  t.match(await run(put('other-job', long), 1), /other-job=403\n/);
  t.match(await run(put('own', long)), /own=200\n/, 'control');
  const { v4, v6 } = lab.runner(1);
  const asked = (await lab.gateway.records()).filter(
    ({ kind, runner, destination }) =>
      kind === 'dns' && [v4, v6].includes(runner ?? '') && destination.host === 'lfs.s3.amazonaws.com',
  );
  t.ok(asked.length > 0);
  for (const { decision } of asked)
    t.match(decision, { verdict: 'block', reason: 'no-rule' }, 'its name is not');
});

t.test('a download is followed to where the forge sends it, by the job alone', async (t) => {
  const fetch = `curl -sL https://github.com/acme/app/releases/download/v1/a.tgz`;
  t.equal(await run(fetch), 'the asset');
  t.match(await run(call('other-job', 'GET', 'https://assets.example/a.tgz?sig=1'), 1), /other-job=403\n/);
  t.match(await run(call('write', 'PUT', 'https://assets.example/a.tgz?sig=1', 'x')), /write=403\n/);
  const arrived = server.arrived.filter(({ host }) => host !== 'github.com');
  const seen = arrived.map(({ method, target }) => `${method} ${target.replace(/(objects\/).*/, '$1')}`);
  const byGitLfs = lfs.stored.size > 2 ? ['PUT /objects/', 'GET /objects/'] : [];
  t.same(
    seen,
    [...byGitLfs, 'PUT /objects/', 'PUT /objects/', 'GET /a.tgz?sig=1'],
    'nothing else reached storage',
  );
});
