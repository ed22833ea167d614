// A real npm against a real registry, verdaccio: what is old is installed, what is young is refused or fallen back from,
// what a feed from a URL names is refused, also after a restart without that server, and a publish needs its rule.

import { execFileSync } from 'node:child_process';
import { request as ask, type IncomingMessage, type ServerResponse } from 'node:http';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { runIpBatch } from '../../netns/ip.ts';
import { WebServer } from '../../netns/web-server.ts';
import { versionOf, without } from '../lab/client-labs.ts';
import { waitUntil } from '../lab/gateway.ts';
import { Lab } from '../lab/lab.ts';
import { installVerdaccio, startVerdaccio, type Verdaccio } from '../lab/verdaccio.ts';
import { zipOf } from '../lab/zip.ts';

const installed = installVerdaccio();
const noNpm = without('npm');
const skip = 'missing' in installed ? installed.missing : noNpm;
const [host, feedHost, address] = ['packages.corp.example', 'feeds.corp.example', '93.184.216.83'];
t.setTimeout(180_000);

const lab = await Lab.open();
runIpBatch(lab.topology.internet, [`addr add ${address}/32 dev lo`]);
/** GitHub's npm registry speaks npm's own protocol. */
const github = 'npm.pkg.github.com';
for (const name of [host, feedHost, github]) lab.origins.names.set(name, { a: [address] });
let registry: Verdaccio | null = null;
const advisory = JSON.stringify({
  id: 'MAL-2026-7',
  affected: [{ package: { ecosystem: 'npm', name: 'poisoned' }, versions: ['1.0.0'] }],
});
const archive = zipOf([['npm/MAL-2026-7.json', advisory]]);
let isFeedThere = true;
const server = new WebServer({
  namespace: lab.topology.internet,
  addresses: [address],
  http: [],
  https: [443],
  authority: lab.origins.authority,
  answer: (request, response, arrived) =>
    arrived.host === feedHost ? answerFeed(request, response) : passOn(request, response, arrived.host),
});
await server.start();
t.teardown(async () => {
  server.close();
  await registry?.stop();
  await lab.close();
});

function answerFeed(request: IncomingMessage, response: ServerResponse): void {
  if (!isFeedThere) response.writeHead(503).end();
  else if (request.headers['if-none-match'] === '"1"') response.writeHead(304).end();
  else response.writeHead(200, { etag: '"1"', 'content-length': String(archive.length) }).end(archive);
}

/** The registry is on the host's loopback: this is its front, with TLS. */
function passOn(request: IncomingMessage, response: ServerResponse, name: string): void {
  const { method, url, headers } = request;
  const sent = ask({
    host: '127.0.0.1',
    port: registry?.port,
    method,
    path: url,
    headers: { ...headers, host: name, 'x-forwarded-proto': 'https' },
  });
  sent.on('response', (answer) => {
    response.writeHead(answer.statusCode ?? 500, answer.headers);
    answer.pipe(response);
  });
  sent.on('error', () => response.destroy());
  request.pipe(sent);
}

/** On the host itself: what is there before anybody asks. */
async function publishDirectly(
  directory: string,
  name: string,
  version: string,
  at: Verdaccio,
): Promise<void> {
  const folder = join(directory, `${name}-${version}`);
  mkdirSync(join(folder, 'package'), { recursive: true });
  writeFileSync(join(folder, 'package/package.json'), JSON.stringify({ name, version }));
  execFileSync('tar', ['-C', folder, '-czf', `${folder}.tgz`, 'package']);
  const data = readFileSync(`${folder}.tgz`);
  const integrity = `sha512-${createHash('sha512').update(data).digest('base64')}`;
  const file = `${name.split('/').at(-1)}-${version}.tgz`;
  const dist = { integrity, tarball: `http://127.0.0.1:${at.port}/${name}/-/${file}` };
  const answer = await fetch(`http://127.0.0.1:${at.port}/${name.replace('/', '%2f')}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${at.token}` },
    body: JSON.stringify({
      name,
      'dist-tags': { latest: version },
      versions: { [version]: { name, version, dist } },
      _attachments: {
        [file]: {
          content_type: 'application/octet-stream',
          data: data.toString('base64'),
          length: data.length,
        },
      },
    }),
  });
  if (!answer.ok) throw new Error(`verdaccio took no ${file}: ${answer.status} ${await answer.text()}`);
}

const policy = (packages: string, scope = ''): string => `version: 1
mode: block
http: {id: registry, host: ${host}, methods: any}
packages:
  age: {id: npm-age, purl: "pkg:npm/*", min: 72h}
  unknownAge: block
${packages}${scope}`;
const job = {
  platform: 'github',
  server: 'github.com',
  repository: 'acme/app',
  ref: 'refs/tags/v1',
} as const;
const secret = 's3cr3t-of-the-url';
const options = {
  jobs: [{ ...job, event: 'push', addresses: [lab.runner().v4, lab.runner().v6] }],
  config: {
    registries: [{ ecosystem: 'npm', hosts: [host] }],
    malware: { url: `https://${feedHost}/osv/npm.zip?token=${secret}` },
  },
};

let runs = 0;
/** The end of npm's output, with `ok` in front where it ended well. */
async function npm(words: string, manifest: object = {}, at = host): Promise<string> {
  const folder = join(lab.directory, `npm${runs++}`);
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'job', version: '1.0.0', ...manifest }));
  writeFileSync(
    join(folder, '.npmrc'),
    `registry=https://${at}/\n//${at}/:_authToken=${registry?.token}\ncafile=\${NODE_EXTRA_CA_CERTS}\naudit=false\nfund=false\nupdate-notifier=false\nfetch-retries=0\nloglevel=error\n`,
  );
  const script = `cd ${folder} && export npm_config_cache=${folder}/cache && npm ${words} 2>&1`;
  const { code, stdout } = await lab.run(['sh', '-c', script], { timeoutMs: 40_000 });
  return `${code === 0 ? 'ok' : 'refused'} ${stdout}`;
}
const versionsOf = async (name: string): Promise<string[]> => {
  const answer = await fetch(`http://127.0.0.1:${registry!.port}/${name}`);
  // A packument, or an error without versions.
  const { versions = {} } = (await answer.json()) as { versions?: Record<string, unknown> };
  return Object.keys(versions);
};
const metric = async (name: string): Promise<number | null> => {
  const { body } = await lab.gateway.operator('/metrics');
  const line = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(body);
  return line === null ? null : Number(line[1]);
};

t.test('what is old is installed, by name and by range', { skip }, async (t) => {
  if ('missing' in installed) return;
  const directory = join(lab.directory, 'verdaccio');
  mkdirSync(directory);
  registry = await startVerdaccio(installed.program, directory);
  t.comment(versionOf('npm', '--version').replace('client ', 'client npm '));
  t.comment(`client verdaccio ${registry.version}`);
  const all = [
    ['mature', '1.0.0'],
    ['moving', '1.0.0'],
    ['moving', '1.1.0'],
    ['poisoned', '1.0.0'],
    ['@acme/lib', '1.0.0'],
    ['@acme/lib', '1.1.0'],
  ] as const;
  for (const [name, version] of all) await publishDirectly(directory, name, version, registry);
  for (const [name, version] of all) if (version === '1.0.0') registry.setAge(name, version, 2000);
  await lab.startGateway(policy('  malware: block\n'), options);
  t.ok(await waitUntil(() => lab.gateway.log().includes('malware feed read'), 10_000));
  // Workers look once a second for what control has read.
  let first = await npm('install mature');
  for (let tries = 0; tries < 5 && first.includes('malware-feed-unavailable'); tries++)
    first = await npm('install mature');
  t.match(first, /^ok/);
  t.match(await npm('install moving@1.0.0'), /^ok/);
  const record = await lab.gateway.findRecord(
    ({ phase, operation, http }) =>
      phase === 'closed' && operation?.name === 'npm/install' && http?.path.startsWith('/moving/') === true,
  );
  t.match(record?.operation?.touches[0], {
    purl: 'pkg:npm/moving',
    version: '1.0.0',
    registry: host,
    facts: { timeClass: 'registry-stated' },
  });
});

t.test('what is young is refused, or fallen back from', { skip }, async (t) => {
  t.match(await npm('install moving'), /^refused[\s\S]*npm-age/);
  await lab.gateway.reload(policy('  malware: block\n  rewrite: true\n'));
  t.match(await npm('install moving && npm ls moving'), /^ok[\s\S]*moving@1\.0\.0/);
  await lab.gateway.reload(policy('  malware: block\n'));
});

t.test('a publish is refused, and allowed by its rule', { skip }, async (t) => {
  t.match(await npm('publish', { name: '@acme/app', version: '1.0.0' }), /^refused/);
  t.same(await versionsOf('@acme/app'), []);
  const scope = `scopes:\n  - id: release\n    match: {repo: acme/app, ref: "refs/tags/v*"}\n    packages: {publish: {id: own, purl: "pkg:npm/@acme/*", registry: ${host}}}\n`;
  await lab.gateway.reload(policy('', scope));
  t.match(await npm('publish', { name: '@evil/app', version: '1.0.0' }), /^refused/, 'of another name');
  t.match(await npm('publish', { name: '@acme/app', version: '1.0.0' }), /^ok/);
  t.same(await versionsOf('@acme/app'), ['1.0.0']);
  t.same(await versionsOf('@evil/app'), []);
});

t.test(
  'packages on GitHub: its owner is granted by github, its age by packages, a publish by both',
  { skip },
  async (t) => {
    const own = 'github: {id: own, repo: "acme/*"}\n';
    const write = '    github: {id: write, repo: "acme/*", access: write}\n';
    const publish = `    packages: {publish: {id: publish, purl: "pkg:npm/@acme/*", registry: ${github}}}\n`;
    const scope = 'scopes:\n  - id: release\n    match: {repo: acme/app, ref: "refs/tags/v*"}\n';
    await lab.gateway.reload(policy('', own));
    t.match(await npm('install @acme/lib@1.0.0', {}, github), /^ok/);
    t.match(await npm('install @acme/lib@1.1.0', {}, github), /^refused[\s\S]*npm-age/);
    t.match(await npm('install mature', {}, github), /^refused/, 'of no owner that is granted');
    const next = { name: '@acme/lib', version: '2.0.0' };
    await lab.gateway.reload(policy('', own + scope + write));
    t.match(await npm('publish', next, github), /^refused[\s\S]*\[publish\]/);
    await lab.gateway.reload(policy('', own + scope + publish));
    t.match(await npm('publish', next, github), /^refused[\s\S]*\[access\]/);
    t.notOk((await versionsOf('@acme%2flib')).includes('2.0.0'));
    await lab.gateway.reload(policy('', own + scope + write + publish));
    t.match(await npm('publish', next, github), /^ok/);
    t.ok((await versionsOf('@acme%2flib')).includes('2.0.0'));
    const record = await lab.gateway.findRecord(
      ({ http, phase }) => phase === 'closed' && http?.method === 'PUT',
    );
    t.match(record?.operation, {
      platform: 'github',
      name: 'packages/publish',
      needs: [{ packages: 'write' }],
      touches: [
        { kind: 'owner', owner: 'acme' },
        { kind: 'package', act: 'publish', purl: 'pkg:npm/%40acme/lib', registry: github },
      ],
    });
    await lab.gateway.reload(policy(''));
  },
);

t.test('a feed from a URL is kept over a restart without its server', { skip }, async (t) => {
  t.match(await npm('install poisoned'), /^refused[\s\S]*MAL-2026-7/);
  t.equal(await metric('sallyport_malware_feed_packages'), 1);
  t.ok(((await metric('sallyport_malware_feed_age_seconds')) ?? -1) >= 0);
  const ready = await lab.gateway.operator('/ready');
  t.match(JSON.parse(ready.body), { ready: true, malwareFeed: { packages: 1, problem: null } });
  isFeedThere = false;
  const { stateDirectory } = lab.gateway;
  await lab.gateway.stop();
  rmSync(join(stateDirectory, 'ready.json'), { force: true });
  await lab.startGateway(policy(''), { ...options, state: stateDirectory });
  t.ok(await waitUntil(() => lab.gateway.log().includes('the last good one stays in force'), 10_000));
  t.match(await npm('install poisoned'), /^refused[\s\S]*MAL-2026-7/);
  t.match(await npm('install mature@1.0.0'), /^ok/, 'and nothing else is named');
  const { status, body } = await lab.gateway.operator('/ready');
  t.equal(status, 200);
  t.match(JSON.parse(body), { malwareFeed: { packages: 1, problem: /answered 503/ } });
  t.notMatch(lab.gateway.log() + lab.gateway.segmentText() + body, secret);
});

t.test('without any feed packages are refused', { skip }, async (t) => {
  await lab.startGateway(policy(''), options);
  t.match(await npm('install mature'), /^refused[\s\S]*malware-feed-unavailable/);
  const { status, body } = await lab.gateway.operator('/ready');
  t.equal(status, 503);
  t.match(JSON.parse(body), { problems: ['the malware feed was never fetched'] });
});
