// Real clients through `sallyport run`, each with an allowed and a blocked attempt: what the client came to, what
// reached the servers and what the table says. The program runs on a lab host whose only internet is the lab's.

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { findRegistry, redactRegistry } from '../../netns/demo-registry.ts';
import type { FlowSummary } from '../../netns/flow-table.ts';
import { hasProgram } from '../../netns/install-programs.ts';
import { startClientServers } from '../lab/client-servers.ts';
import { Lab } from '../lab/lab.ts';
import { runOnHost, type Ran } from '../lab/run-on-host.ts';

const main = join(import.meta.dirname, '../../main.ts');
const lab = await Lab.open();
const servers = await startClientServers(lab);
t.teardown(async () => {
  servers.close();
  await lab.close();
});

const policyFile = join(lab.directory, 'clients.yaml');
writeFileSync(
  policyFile,
  `version: 1
mode: block
http:
  - {id: git-all, host: git.example.com, methods: any}
  - {id: git-read, host: mirror.example.com, methods: any, paths: [/app.git/info/refs, /app.git/git-upload-pack]}
  - {id: apt-tls, host: apt.example.com}
  - {id: apt-plain, host: apt.example.com, scheme: http}
  - {id: web, host: web.example.com}
  - {id: no-web, host: web-blocked.example.net, action: block}
  - {id: no-apt, host: apt-blocked.example.net, action: block}
`,
);

/** `sallyport run --json` on the lab's host. */
const run = (command: readonly string[], options: readonly string[] = []): Promise<Ran> =>
  runOnHost(lab, ['--policy', policyFile, ...options], command, workDirectory());

t.setTimeout(120_000);
let runs = 0;
function workDirectory(): string {
  const path = join(lab.directory, `work${runs++}`);
  mkdirSync(path, { recursive: true });
  // apt fetches as a user of its own.
  chmodSync(path, 0o777);
  return path;
}

/** Rows as `verdict host path rule`, DNS left out. */
function rows({ summary }: Ran): string[] {
  return summary.flows
    .filter(({ kind }) => kind === 'request')
    .map((row) => `${row.verdict} ${row.method} ${row.host}${row.path} ${row.rule ?? row.reason}`);
}

function without(...programs: string[]): string | false {
  const missing = programs.filter((name) => !hasProgram(name));
  return missing.length > 0 && `not installed: ${missing.join(', ')}`;
}

const arrivedAt = (host: string): number => servers.arrived.filter((request) => request.host === host).length;

t.test(
  'curl is answered by the allowed host; of the blocked one it gets the rule, and the run ends with 77',
  async (t) => {
    const script = 'curl -sS https://web.example.com/a && curl -sS -i https://web-blocked.example.net/b';
    const ran = await run(['sh', '-c', script], ['--mode', 'block']);
    t.match(ran.printed, /GET web\.example\.com\/a\n/);
    t.match(ran.printed, /HTTP\/1\.1 403 [^]*x-sallyport-rule: no-web[^]*no-web/);
    t.match(rows(ran), ['allow GET web.example.com/a web', 'block GET web-blocked.example.net/b no-web']);
    t.equal(ran.code, 77);
    t.equal(ran.summary.exitCode, 0, 'the command’s own is in the JSON');
    t.equal(arrivedAt('web-blocked.example.net'), 0);
  },
);

t.test('the command’s own code wins, and is kept on demand', async (t) => {
  const url = 'https://web-blocked.example.net/';
  t.equal((await run(['curl', '-fsS', url], ['--fail-on-block'])).code, 22);
  t.equal((await run(['curl', '-sS', url], ['--fail-on-block'])).code, 77);
  t.equal((await run(['curl', '-sS', url], ['--mode', 'block', '--no-fail-on-block'])).code, 0);
});

t.test('git clones and pushes where it may, and says which path it may not', async (t) => {
  const commit = (text: string) =>
    `git -c user.name=L -c user.email=l@example.com commit -q --allow-empty -m ${text}`;
  const script = `
    git clone -q https://git.example.com/app.git one && (cd one && ${commit('first')} && git push -q origin HEAD:refs/heads/more); echo push=$?
    git clone -q https://mirror.example.com/app.git two && (cd two && ${commit('second')} && git push -q origin HEAD:refs/heads/taken); echo read-only=$?
    git clone -q https://stolen.example.net/app.git three; echo stranger=$?`;
  const ran = await run(['sh', '-c', script]);
  t.match(ran.printed, /push=0\n/);
  t.match(ran.printed, /read-only=1(28)?\n/);
  t.match(ran.printed, /stranger=128\n/);
  t.match(
    ran.printed,
    /remote: Sallyport did not let GET stolen\.example\.net\/app\.git\/info\/refs through/,
  );
  t.match(rows(ran), [
    'allow GET git.example.com/app.git/info/refs git-all',
    'allow POST git.example.com/app.git/git-upload-pack git-all',
  ]);
  t.ok(rows(ran).includes('allow POST git.example.com/app.git/git-receive-pack git-all'));
  t.ok(rows(ran).includes('block POST mirror.example.com/app.git/git-receive-pack path'));
  t.ok(rows(ran).includes('block GET stolen.example.net/app.git/info/refs no-rule'));
  t.equal(arrivedAt('stolen.example.net'), 0);
});

t.test(
  'apt-get updates and downloads over https and http, and is refused elsewhere',
  { skip: without('apt-get', 'dpkg-deb') },
  async (t) => {
    const script = `
    for source in https://apt.example.com http://apt.example.com https://apt-blocked.example.net; do
      mkdir -p state/lists/partial cache/archives/partial; chmod -R a+rwX state cache
      echo "deb [trusted=yes] $source stable main" > sources.list
      set -- -o Dir::Etc::sourcelist=$PWD/sources.list -o Dir::Etc::sourceparts=- -o Dir::State::lists=$PWD/state/lists -o Dir::Cache=$PWD/cache
      apt-get "$@" update && apt-get "$@" download sally-sample; echo "$source=$?"
      rm -rf state cache sally-sample*
    done`;
    const ran = await run(['sh', '-c', script]);
    t.match(ran.printed, /https:\/\/apt\.example\.com=0\n/);
    t.match(ran.printed, /\nhttp:\/\/apt\.example\.com=0\n/);
    t.match(ran.printed, /https:\/\/apt-blocked\.example\.net=100\n/);
    t.match(ran.printed, /403 +Forbidden/);
    const file = 'GET apt.example.com/pool/sally-sample_1.0_all.deb';
    t.ok(rows(ran).includes(`allow ${file} apt-tls`), rows(ran).join('\n'));
    t.ok(rows(ran).includes(`allow ${file} apt-plain`));
    t.ok(
      rows(ran).some((row) => row.startsWith('block GET apt-blocked.example.net') && row.endsWith(' no-apt')),
    );
    t.equal(arrivedAt('apt-blocked.example.net'), 0);
  },
);

const python = `
import urllib.request, urllib.error
for url in ("https://web.example.com/p", "http://web-blocked.example.net/p", "https://web-blocked.example.net/p"):
    try: print(urllib.request.urlopen(url).read().decode())
    except urllib.error.HTTPError as error: print(error.code, error.headers["x-sallyport-rule"])
`;
const pythonRequests = `
import requests
for url in ("https://web.example.com/p", "https://web-blocked.example.net/p"):
    answer = requests.get(url)
    print("requests", answer.status_code, answer.headers.get("x-sallyport-rule"))
`;

t.test(
  'Python reads the answer of the allowed host and the rule of the blocked one',
  { skip: without('python3') },
  async (t) => {
    const hasRequests = spawnSync('python3', ['-c', 'import requests']).status === 0;
    const ran = await run(['python3', '-c', python + (hasRequests ? pythonRequests : '')]);
    t.match(ran.printed, /GET web\.example\.com\/p\n[^]*403 no-web\n403 no-web\n/);
    const skip = !hasRequests && 'the Python package requests is not installed';
    await t.test('requests does too', { skip }, async (t) => {
      t.match(ran.printed, /requests 200 None\nrequests 403 no-web\n/);
    });
  },
);

t.test('Node reads both by fetch and by https', async (t) => {
  const program = `
    const get = (url) => new Promise((done, failed) => require('node:https').get(url, (r) => { r.resume(); done(r); }).on('error', failed));
    (async () => {
      for (const host of ['web.example.com', 'web-blocked.example.net']) {
        const a = await fetch('https://' + host + '/n');
        const b = await get('https://' + host + '/n');
        console.log(a.status, a.headers.get('x-sallyport-rule'), b.statusCode, b.headers['x-sallyport-rule']);
      }
    })();`;
  const ran = await run(['sh', '-c', '"$0" -e "$1"; echo; node -e "$1"', process.execPath, program]);
  t.match(ran.printed, /^200 null 200 undefined\n403 no-web 403 no-web\n\n/, 'ours');
  t.match(ran.printed, /\n\n200 null 200 undefined\n403 no-web 403 no-web\n/, 'the machine’s');
});

const registry = await findRegistry();
const noRegistry = registry === null && 'no npm registry can be reached from here';
t.test('npm asks the machine’s own registry', { skip: noRegistry }, async (t) => {
  if (registry === null) return;
  const policy = join(lab.directory, 'registry.yaml');
  writeFileSync(policy, `version: 1\nmode: block\nhttp:\n${registry.rule}`, { mode: 0o600 });
  const npm = (mode: string, ...args: string[]) =>
    spawnSync(process.execPath, [main, 'run', '--policy', policy, '--mode', mode, '--json', '--', ...args], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'] },
    });
  const allowed = npm('block', 'npm', 'view', 'left-pad', 'version');
  t.equal(allowed.status, 0, redactRegistry(allowed.stderr, registry));
  t.match(redactRegistry(allowed.stderr, registry), /^\d+\.\d+\.\d+$/m);
  t.equal((JSON.parse(allowed.stdout) as FlowSummary).blocked, 0);
  const refused = npm('block', 'curl', '-fsS', 'https://example.com');
  t.equal(refused.status, 22);
  const { flows, allowed: passed } = JSON.parse(refused.stdout) as FlowSummary;
  t.equal(passed, 0);
  const request = flows.find(({ kind }) => kind === 'request');
  t.match(request, { host: 'example.com', path: '/', verdict: 'block', reason: 'no-rule' });
});
