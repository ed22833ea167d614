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
import { python, without } from '../lab/client-labs.ts';
import { waitUntil } from '../lab/gateway.ts';
import { Lab } from '../lab/lab.ts';

const address = '93.184.216.82';
const npmHost = ['registry', 'npmjs', 'org'].join('.');
const hosts = [npmHost, 'nexus.example.com', 'pypi.org', 'files.pythonhosted.org'];
const hourMs = 3_600_000;
const ago = (hours: number): string => new Date(Date.now() - hours * hourMs).toISOString();

const lab = await Lab.open();
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
const packages: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  mature: { '1.0.0': 2000 },
  moving: { '1.0.0': 2000, '1.1.0': 2 },
  poisoned: { '1.0.0': 2000, '1.0.1': 1900 },
  '@acme/lib': { '1.0.0': 2000 },
};

function answer(request: IncomingMessage, response: ServerResponse, host: string, target: string): void {
  request.resume();
  const path = decodeURIComponent(target.replace(/\?.*/, ''));
  const body = host.startsWith('files.') || host === 'pypi.org' ? answerPython(path) : answerNpm(host, path);
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
  const time = Object.fromEntries(Object.entries(versions).map(([version, hours]) => [version, ago(hours)]));
  return JSON.stringify({ name, 'dist-tags': { latest }, versions: Object.fromEntries(entries), time });
}

const wheels: Readonly<Record<string, Buffer>> = Object.fromEntries(
  ['1.0', '2.0'].map((version) => [version, Buffer.from(`no wheel that pip would open: ${version}`)]),
);

function answerPython(path: string): string | Buffer | null {
  if (path === '/simple/sally/') {
    const files = Object.entries(wheels).map(([version, bytes]) => ({
      filename: `sally-${version}-py3-none-any.whl`,
      url: `https://files.pythonhosted.org/packages/aa/bb/${'c'.repeat(60)}/sally-${version}-py3-none-any.whl`,
      hashes: { sha256: createHash('sha256').update(bytes).digest('hex') },
      'upload-time': ago(version === '1.0' ? 2000 : 1),
    }));
    return JSON.stringify({ meta: { 'api-version': '1.1' }, name: 'sally', versions: ['1.0', '2.0'], files });
  }
  return wheels[/sally-([\d.]+)-py3/.exec(path)?.[1] ?? ''] ?? null;
}

const feed = join(lab.directory, 'malware.ndjson');
const advisory = (id: string, name: string, versions?: readonly string[]): string =>
  `${JSON.stringify({ id, affected: [{ package: { ecosystem: 'npm', name }, ...(versions === undefined ? {} : { versions }) }] })}\n`;
function writeFeed(...lines: readonly string[]): void {
  writeFileSync(`${feed}.new`, lines.join(''), { mode: 0o644 });
  renameSync(`${feed}.new`, feed);
}
writeFeed(advisory('MAL-2026-1', 'poisoned', ['1.0.1']));

const policy = `version: 1
mode: block
http:
  - {id: npm, host: ["*.npmjs.org", nexus.example.com], methods: any}
  - {id: python, host: [pypi.org, "*.pythonhosted.org"]}
packages:
  age: [{id: npm-age, purl: "pkg:npm/*", min: 72h}, {id: python-age, purl: "pkg:pypi/*", min: 72h}]
  unknownAge: block
  internal: {id: own-names, purl: "pkg:npm/@acme/*", registry: nexus.example.com}
`;
await lab.startGateway(policy, {
  config: {
    malware: { files: [feed] },
    registries: [{ ecosystem: 'npm', hosts: ['nexus.example.com'] }],
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
  t.ok(await waitUntil(() => lab.gateway.log().includes('malware feed read'), 10_000));
  t.equal((await lab.gateway.operator('/ready')).status, 200);
  t.match(await install('mature'), /^ok/);
  t.match(await install('moving@1.0.0'), /^ok/, 'the older version of a package that moves');
  t.match(await install('moving'), /^refused[\s\S]*npm-age/);
  t.notOk(reached('GET', '/moving/-/moving-1.1.0.tgz'), 'nothing was asked for');
  t.match(await install('poisoned@1.0.0'), /^ok/);
  t.match(await install('poisoned'), /^refused[\s\S]*MAL-2026-1/);
  t.notOk(reached('GET', '/poisoned/-/poisoned-1.0.1.tgz'));
  t.match(await install('@acme/lib'), /^refused[\s\S]*own-names/, 'a name of one’s own, asked in public');
  t.match(await install('@acme/lib', 'nexus.example.com'), /^ok/);
});

t.test('shortened lists lead npm back to the older version', { skip: without('npm') }, async (t) => {
  await lab.gateway.reload(`${policy}  rewrite: true\n`);
  t.match(await install('moving'), /^ok/);
  t.ok(reached('GET', '/moving/-/moving-1.0.0.tgz'));
  t.notOk(reached('GET', '/moving/-/moving-1.1.0.tgz'));
  t.match(await install('poisoned'), /^ok/);
  t.notOk(reached('GET', '/poisoned/-/poisoned-1.0.1.tgz'));
  t.match(await install('moving@1.1.0'), /^refused/, 'a version that is asked for by name is not there');
  await lab.gateway.reload(policy);
});

t.test('a publish is refused before its body', { skip: without('npm') }, async (t) => {
  const { stdout } = await lab.run([
    'sh',
    '-c',
    `mkdir p && cd p && echo '{"name":"moving","version":"9.0.0"}' > package.json &&
     npm publish --loglevel=error --fetch-retries=0 --cafile $NODE_EXTRA_CA_CERTS --cache ./cache --registry https://${npmHost}/ --//${npmHost}/:_authToken=none 2>&1; echo publish=$?`,
  ]);
  t.match(stdout, /publish=1\n$/);
  t.notOk(reached('PUT', '/moving'));
});

t.test('pip downloads an old file and no young one', { skip: without('py:pip') }, async (t) => {
  const get = (spec: string): string =>
    `${python} -m pip download -q --isolated --cert $PIP_CERT --no-cache-dir --retries 0 --disable-pip-version-check --no-deps -d $(mktemp -d) --index-url https://pypi.org/simple '${spec}' >/dev/null 2>&1`;
  // What comes is no wheel, so that pip fails in either case: what was asked of the server tells them apart.
  await lab.run(['sh', '-c', `${get('sally==1.0')}; ${get('sally==2.0')}`]);
  const path = `/packages/aa/bb/${'c'.repeat(60)}`;
  t.ok(reached('GET', `${path}/sally-1.0`));
  t.notOk(reached('GET', `${path}/sally-2.0`));
});

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
