// Real npm and pip behind the gateway, against stand-ins of registries: what is old enough is installed; what is young,
// malicious, one's own name asked elsewhere, or published is not.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import t from 'tap';
import { runIpBatch } from '../../netns/ip.ts';
import { WebServer } from '../../netns/web-server.ts';
import { zipOf } from '../lab/archives.ts';
import { python, versionOf, without } from '../lab/client-labs.ts';
import { waitUntil } from '../lab/gateway.ts';
import { Lab, type Outcome } from '../lab/lab.ts';

const address = '93.184.216.82';
const npmHost = ['registry', 'npmjs', 'org'].join('.');
const hosts = [
  npmHost,
  'nexus.example.com',
  'pypi.org',
  'upload.pypi.org',
  'files.pythonhosted.org',
  'python.example.com',
];
const hourMs = 3_600_000;
const ago = (hours: number): string => new Date(Date.now() - hours * hourMs).toISOString();

const lab = await Lab.open({ runners: 2 });
runIpBatch(lab.topology.internet, [`addr add ${address}/32 dev lo`]);
for (const host of hosts) lab.origins.names.set(host, { a: [address] });
const server = new WebServer({
  namespace: lab.topology.internet,
  addresses: [address],
  http: [],
  https: [443],
  authority: lab.origins.authority,
  answer: (request, response, { host, target }) => answer(request, response, host, target),
});
await server.start();
t.teardown(async () => {
  server.close();
  await lab.close();
});
t.setTimeout(120_000);

/** Versions of each package, by the hours since they were published. */
const packages: Readonly<Record<string, Readonly<Record<string, number | null>>>> = {
  mature: { '1.0.0': 2000 },
  moving: { '1.0.0': 2000, '1.1.0': 2 },
  poisoned: { '1.0.0': 2000, '1.0.1': 1900 },
  '@acme/lib': { '1.0.0': 2000 },
  ageless: { '1.0.0': null },
};

function answer(request: IncomingMessage, response: ServerResponse, host: string, target: string): void {
  request.resume();
  const path = decodeURIComponent(target.replace(/\?.*/, ''));
  if (request.method !== 'GET') return void request.on('end', () => response.writeHead(200).end('{}'));
  const body =
    host.startsWith('files.') || /^(?:pypi|python)\./.test(host)
      ? answerPython(path, host)
      : answerNpm(host, path);
  const type = typeof body === 'string' ? 'application/json' : 'application/octet-stream';
  const isSimple = path.startsWith('/simple/');
  response.writeHead(body === null ? 404 : 200, {
    'content-type': isSimple ? 'application/vnd.pypi.simple.v1+json' : type,
  });
  response.end(body ?? '{}');
}

const work = join(lab.directory, 'tarballs');
mkdirSync(work);

function tarball(name: string, version: string): Buffer {
  const folder = join(work, `${name.replace('/', '-')}-${version}`);
  mkdirSync(join(folder, 'package'), { recursive: true });
  writeFileSync(join(folder, 'package/package.json'), JSON.stringify({ name, version }));
  execFileSync('tar', ['--mtime=2020-01-01', '-C', folder, '-czf', `${folder}.tgz`, 'package']);
  return readFileSync(`${folder}.tgz`);
}

const made = new Map<string, Buffer>();
function tarballOf(name: string, version: string): Buffer {
  const key = `${name}@${version}`;
  const bytes = made.get(key) ?? tarball(name, version);
  made.set(key, bytes);
  return bytes;
}

function answerNpm(host: string, path: string): string | Buffer | null {
  const [name = '', file] = path.slice(1).split('/-/') as [string?, string?]; // one or two parts
  const versions = packages[name];
  if (versions === undefined) return null;
  if (file !== undefined) return tarballOf(name, file.replace(/^.*-(\d.*)\.tgz$/, '$1'));
  const entries = Object.keys(versions).map((version) => {
    const integrity = `sha512-${createHash('sha512').update(tarballOf(name, version)).digest('base64')}`;
    const file = `${name.split('/').at(-1)!}-${version}.tgz`;
    return [version, { name, version, dist: { tarball: `https://${host}/${name}/-/${file}`, integrity } }];
  });
  const latest = Object.keys(versions).at(-1);
  const time = Object.fromEntries(
    Object.entries(versions).flatMap(([version, hours]) => (hours === null ? [] : [[version, ago(hours)]])),
  );
  return JSON.stringify({ name, 'dist-tags': { latest }, versions: Object.fromEntries(entries), time });
}

/** Python projects: versions by the hours since their file was uploaded; null: the index does not say. */
const projects: Readonly<Record<string, Readonly<Record<string, number | null>>>> = {
  sally: { '1.0': 2000, '2.0': 1 },
  poisoned: { '1.0': 2000, '1.1': 1900 },
  ageless: { '1.0': null },
  'acme-lib': { '1.0': 2000 },
};
const wheelName = (name: string, version: string): string =>
  `${name.replace('-', '_')}-${version}-py3-none-any.whl`;

/** A wheel without content (PEP 427). */
function wheelOf(name: string, version: string): Buffer {
  const info = `${name.replace('-', '_')}-${version}.dist-info`;
  return zipOf([
    [`${info}/METADATA`, `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n`],
    [`${info}/WHEEL`, 'Wheel-Version: 1.0\nGenerator: lab\nRoot-Is-Purelib: true\nTag: py3-none-any\n'],
    [`${info}/RECORD`, ''],
  ]);
}

const filesPath = `/packages/aa/bb/${'c'.repeat(60)}`;

function answerPython(path: string, host: string): string | Buffer | null {
  const project = /^\/simple\/([a-z-]+)\/$/.exec(path)?.[1] ?? '';
  const versions = projects[project];
  if (versions !== undefined) {
    const storage = host === 'pypi.org' ? 'files.pythonhosted.org' : host;
    const files = Object.entries(versions).map(([version, hours]) => ({
      filename: wheelName(project, version),
      url: `https://${storage}${filesPath}/${wheelName(project, version)}`,
      hashes: { sha256: createHash('sha256').update(wheelOf(project, version)).digest('hex') },
      ...(hours === null ? {} : { 'upload-time': ago(hours) }),
    }));
    const meta = { 'api-version': '1.1' };
    return JSON.stringify({ meta, name: project, versions: Object.keys(versions), files });
  }
  const [, name = '', version = ''] = /\/([a-z_]+)-([\d.]+)-py3/.exec(path) ?? [];
  return name === '' ? null : wheelOf(name.replace('_', '-'), version);
}

const feed = join(lab.directory, 'malware.ndjson');
const advisory = (id: string, name: string, versions?: readonly string[], ecosystem = 'npm'): string =>
  `${JSON.stringify({ id, affected: [{ package: { ecosystem, name }, ...(versions === undefined ? {} : { versions }) }] })}\n`;
function writeFeed(...lines: readonly string[]): void {
  writeFileSync(`${feed}.new`, lines.join(''), { mode: 0o644 });
  renameSync(`${feed}.new`, feed);
}
writeFeed(advisory('MAL-2026-1', 'poisoned', ['1.0.1']), advisory('MAL-2026-3', 'poisoned', ['1.1'], 'PyPI'));

const policyWith = (more: string): string => `version: 1
mode: block
http:
  - {id: npm, host: ["*.npmjs.org", nexus.example.com], methods: any}
  - {id: python, host: [pypi.org, "*.pypi.org", "*.pythonhosted.org", python.example.com], methods: any}
packages:
  age: [{id: npm-age, purl: "pkg:npm/*", min: 72h}, {id: python-age, purl: "pkg:pypi/*", min: 72h}]
  internal:
    - {id: own-names, purl: "pkg:npm/@acme/*", registry: nexus.example.com}
    - {id: own-projects, purl: "pkg:pypi/acme-*", registry: python.example.com}
  ${more}
scopes:
  - id: release
    match: {ref: refs/tags/v1}
    packages:
      publish: {id: release, purl: [pkg:npm/moving, pkg:pypi/sally], registry: [npmjs.com, pypi.org]}
`;
const policy = policyWith('unknownAge: block');
const job = { platform: 'github', server: 'github.com', repository: 'acme/app', event: 'push' } as const;
const addressesOf = (index: number): string[] => [lab.runner(index).v4, lab.runner(index).v6];
await lab.startGateway(policy, {
  jobs: [
    { ...job, ref: 'refs/heads/main', addresses: addressesOf(0) },
    { ...job, ref: 'refs/tags/v1', addresses: addressesOf(1) },
  ],
  config: {
    malware: { files: [feed] },
    registries: [
      { ecosystem: 'npm', hosts: ['nexus.example.com'] },
      { ecosystem: 'pypi', hosts: ['python.example.com'] },
    ],
  },
});
let installs = 0;
/** The end of npm's output, with `ok` in front where it installed the package. */
async function install(spec: string, host = npmHost): Promise<string> {
  const folder = `n${installs++}`;
  const { code, stdout, stderr } = await lab.run(
    [
      'sh',
      '-c',
      `mkdir ${folder} && cd ${folder} && npm install --no-audit --no-fund --no-update-notifier --loglevel=error --fetch-retries=0 --cafile $NODE_EXTRA_CA_CERTS --cache ./cache --registry https://${host}/ '${spec}' 2>&1`,
    ],
    { timeoutMs: 30_000 },
  );
  return `${code === 0 ? 'ok' : 'refused'} ${stdout}${stderr}`;
}
const reached = (method: string, path: string): boolean =>
  server.arrived.some((request) => request.method === method && request.target.startsWith(path));

t.test('npm gets what is old enough, and nothing else', { skip: without('npm') }, async (t) => {
  t.comment(`${versionOf('npm', '--version')} (npm)`);
  t.ok(await waitUntil(() => lab.gateway.log().includes('malware feed read'), 10_000));
  t.equal((await lab.gateway.operator('/ready')).status, 200);
  const [mature, older, young, clean, poisoned, elsewhere, own, ageless] = await Promise.all([
    install('mature'),
    install('moving@1.0.0'),
    install('moving'),
    install('poisoned@1.0.0'),
    install('poisoned'),
    install('@acme/lib'),
    install('@acme/lib', 'nexus.example.com'),
    install('ageless'),
  ]);
  t.match(mature, /^ok/);
  t.match(older, /^ok/, 'the older version of a package that moves');
  t.match(young, /^refused[\s\S]*npm-age/);
  t.notOk(reached('GET', '/moving/-/moving-1.1.0.tgz'), 'nothing was asked for');
  t.match(clean, /^ok/);
  t.match(poisoned, /^refused[\s\S]*MAL-2026-1/);
  t.notOk(reached('GET', '/poisoned/-/poisoned-1.0.1.tgz'));
  t.match(elsewhere, /^refused[\s\S]*own-names/, 'a name of one’s own, asked in public');
  t.match(own, /^ok/);
  t.match(ageless, /^refused[\s\S]*unknown-age/);
});

t.test('shortened lists lead npm back to the older version', { skip: without('npm') }, async (t) => {
  await lab.gateway.reload(policyWith('rewrite: true\n  unknownAge: block'));
  t.match(await install('moving'), /^ok/);
  t.ok(reached('GET', '/moving/-/moving-1.0.0.tgz'));
  t.notOk(reached('GET', '/moving/-/moving-1.1.0.tgz'));
  t.match(await install('poisoned'), /^ok/);
  t.notOk(reached('GET', '/poisoned/-/poisoned-1.0.1.tgz'));
  t.match(await install('moving@1.1.0'), /^refused/, 'a version that is asked for by name is not there');
  await lab.gateway.reload(policy);
});

const publishNpm = (runner: number): Promise<Outcome> =>
  lab.run(
    [
      'sh',
      '-c',
      `mkdir p${runner} && cd p${runner} && echo '{"name":"moving","version":"9.0.0"}' > package.json &&
     npm publish --loglevel=error --fetch-retries=0 --cafile $NODE_EXTRA_CA_CERTS --cache ./cache --registry https://${npmHost}/ --//${npmHost}/:_authToken=none 2>&1; echo publish=$?`,
    ],
    { runner },
  );

t.test('npm publishes from the scope of a release alone', { skip: without('npm') }, async (t) => {
  t.match((await publishNpm(0)).stdout, /packages\.publish[\s\S]*publish=1\n$/);
  t.notOk(reached('PUT', '/moving'));
  t.match((await publishNpm(1)).stdout, /publish=0\n$/);
  t.ok(reached('PUT', '/moving'));
});

let downloads = 0;
/** The end of pip's output, with `ok` in front where it has the file. */
async function download(spec: string, host = 'pypi.org'): Promise<string> {
  const command = `${python} -m pip download -q --isolated --cert $PIP_CERT --no-cache-dir --retries 0 --disable-pip-version-check --no-deps -d py${downloads++} --index-url https://${host}/simple '${spec}'`;
  const { code, stdout, stderr } = await lab.run(['sh', '-c', `${command} 2>&1`], { timeoutMs: 30_000 });
  return `${code === 0 ? 'ok' : 'refused'} ${stdout}${stderr}`;
}
const gotWheel = (name: string, version: string): boolean =>
  reached('GET', `${filesPath}/${wheelName(name, version)}`);

t.test('pip gets what is old enough, and nothing else', { skip: without('py:pip') }, async (t) => {
  t.comment(versionOf(python, '-m', 'pip', '--version'));
  const [old, young, clean, poisoned, ageless, elsewhere, own] = await Promise.all([
    download('sally==1.0'),
    download('sally'),
    download('poisoned==1.0'),
    download('poisoned'),
    download('ageless'),
    download('acme-lib'),
    download('acme-lib', 'python.example.com'),
  ]);
  t.match(old, /^ok/);
  t.match(young, /^refused[\s\S]*package-age \(python-age\)/);
  t.notOk(gotWheel('sally', '2.0'), 'nothing was asked for');
  t.match(clean, /^ok/);
  t.match(poisoned, /^refused[\s\S]*MAL-2026-3/);
  t.notOk(gotWheel('poisoned', '1.1'));
  t.match(ageless, /^refused[\s\S]*unknown-age/);
  t.match(elsewhere, /^refused/, 'a name of one’s own, asked in public');
  t.notOk(server.arrived.some(({ host, target }) => host === 'pypi.org' && target.includes('acme')));
  t.match(own, /^ok/);
});

t.test('an upload to a Python index needs the scope of a release', async (t) => {
  const upload = (name: string, runner: number) =>
    lab.run(
      [
        'sh',
        '-c',
        `echo x > up.whl; curl -sS -A twine/4 -F :action=file_upload -F name=${name} -F version=3.0 -F content=@up.whl -w '%{http_code}' https://upload.pypi.org/legacy/`,
      ],
      { runner },
    );
  t.match((await upload('sally', 0)).stdout, /packages\.publish[\s\S]*403$/);
  t.match((await upload('other', 1)).stdout, /403$/, 'another project');
  t.notOk(reached('POST', '/legacy/'));
  t.match((await upload('sally', 1)).stdout, /200$/);
  t.ok(reached('POST', '/legacy/'));
});

t.test(
  'pip falls back where lists are shortened, and unknown ages go by policy',
  { skip: without('py:pip') },
  async (t) => {
    await lab.gateway.reload(policyWith('rewrite: true\n  unknownAge: detect'));
    t.match(await download('sally'), /^ok/);
    t.notOk(gotWheel('sally', '2.0'));
    t.match(await download('poisoned'), /^ok/);
    t.notOk(gotWheel('poisoned', '1.1'));
    t.match(await download('ageless'), /^ok/);
    if (without('npm') === false) t.match(await install('ageless'), /^ok/);
    await lab.gateway.reload(policy);
  },
);

t.test(
  'a feed that changes is in force at once, and a broken one changes nothing',
  { skip: without('npm') },
  async (t) => {
    writeFeed(advisory('MAL-2026-1', 'poisoned', ['1.0.1']), advisory('MAL-2026-2', 'mature'));
    const readings = (): number => lab.gateway.log().split('malware feed read').length - 1;
    t.ok(await waitUntil(() => readings() === 2, 10_000));
    await waitUntil(() => false, 1000);
    t.match(await install('mature'), /^refused[\s\S]*MAL-2026-2/);
    writeFeed('{');
    t.ok(await waitUntil(() => lab.gateway.log().includes('the last good one stays in force'), 10_000));
    t.match(await install('mature'), /^refused[\s\S]*MAL-2026-2/);
  },
);
