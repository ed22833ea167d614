// Real mvn, cargo, go and gem, and the requests of NuGet, against stand-ins of the public registries and of one's own:
// what is old is installed; what is young, malicious, of unknown age, one's own name asked elsewhere, or published is not.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { FlowRecord } from '../../flow/flow.ts';
import { runIpBatch } from '../../netns/ip.ts';
import { WebServer } from '../../netns/web-server.ts';
import { waitUntil } from '../lab/gateway.ts';
import { Lab } from '../lab/lab.ts';
import { packageClients, type PackageClient } from '../lab/package-clients.ts';
import { cargoStub, gemStub, goStub, mavenStub, nugetStub, type Stub } from '../lab/package-stubs.ts';

const address = '93.184.216.84';
const lab = await Lab.open({ runners: 2 });
const clients = packageClients(lab);
const active = clients.filter(({ skip }) => skip === false);
const made = join(lab.directory, 'made');
mkdirSync(made);
const stubs: Readonly<Record<string, Stub>> = {
  maven: mavenStub,
  golang: goStub,
  nuget: nugetStub,
  ...(active.some(({ ecosystem }) => ecosystem === 'cargo')
    ? { cargo: cargoStub(join(made, 'crates')) }
    : {}),
  ...(active.some(({ ecosystem }) => ecosystem === 'gem') ? { gem: gemStub(join(made, 'gems')) } : {}),
};
const hosts = new Map(
  clients.flatMap(({ ecosystem, publicHosts, ownHost }) =>
    [...publicHosts, ownHost].map((host) => [host, ecosystem] as const),
  ),
);
runIpBatch(lab.topology.internet, [`addr add ${address}/32 dev lo`]);
for (const host of hosts.keys()) lab.origins.names.set(host, { a: [address] });
const published = new Set<string>();
const server = new WebServer({
  namespace: lab.topology.internet,
  addresses: [address],
  http: [],
  https: [443],
  authority: lab.origins.authority,
  answer: (request, response, { host, method, target }) => {
    request.resume();
    const path = decodeURIComponent(target.replace(/\?.*/, ''));
    const ecosystem = hosts.get(host) ?? '';
    if (method !== 'GET' && method !== 'HEAD') {
      published.add(ecosystem);
      request.on('end', () => response.writeHead(ecosystem === 'cargo' ? 200 : 201).end('{}'));
      return;
    }
    const isListed = ecosystem === 'cargo' && published.has('cargo') && path.endsWith('/released');
    const listed = `{"name":"released","vers":"1.0.0","deps":[],"cksum":"${'0'.repeat(64)}","features":{},"yanked":false}\n`;
    const found = isListed ? { body: listed, headers: {} } : (stubs[ecosystem]?.(path, host) ?? null);
    if (found === null) response.writeHead(404).end();
    else
      response
        .writeHead(200, { ...found.headers, 'content-length': Buffer.byteLength(found.body) })
        .end(found.body);
  },
});
await server.start();
t.teardown(async () => {
  server.close();
  await lab.close();
});
t.setTimeout(180_000);

const advisory = (id: string, ecosystem: string, name: string): string =>
  `${JSON.stringify({ id, affected: [{ package: { ecosystem, name }, versions: ['1.0.1'] }] })}\n`;
const feed = join(lab.directory, 'malware.ndjson');
writeFileSync(
  feed,
  [
    advisory('MAL-2026-10', 'Maven', 'com.example:poisoned'),
    advisory('MAL-2026-10', 'crates.io', 'poisoned'),
    advisory('MAL-2026-10', 'Go', 'github.com/example/poisoned'),
    advisory('MAL-2026-10', 'RubyGems', 'poisoned'),
    advisory('MAL-2026-10', 'NuGet', 'poisoned'),
  ].join(''),
);

const list = (texts: readonly string[]): string => JSON.stringify(texts);
const all = clients.map(({ ecosystem }) => `pkg:${ecosystem}/*`);
const own = [
  'pkg:maven/com.acme/*',
  'pkg:cargo/acme-*',
  'pkg:golang/corp.example/*',
  'pkg:gem/acme-*',
  'pkg:nuget/acme-*',
];
const registries = ['repo.maven.apache.org', 'crates.io', 'rubygems.org', 'nuget.org', 'proxy.golang.org'];
const policyWith = (words: string): string => `version: 1
mode: block
http:
  - {id: registries, host: ${list([...hosts.keys()])}, methods: any}
packages:
  age: {id: three-days, purl: ${list(all)}, min: 72h}
  ${words}
  internal: {id: own-names, purl: ${list(own)}, registry: ${list(clients.map(({ ownHost }) => ownHost))}}
scopes:
  - id: release
    match: {ref: refs/tags/v1}
    packages: {publish: {id: release, purl: ${list(clients.map(({ purl }) => purl('released')))}, registry: ${list(registries)}}}
`;
const job = { platform: 'github', server: 'github.com', repository: 'acme/app', event: 'push' } as const;
const addressesOf = (index: number): string[] => [lab.runner(index).v4, lab.runner(index).v6];
await lab.startGateway(policyWith('unknownAge: block'), {
  jobs: [
    { ...job, ref: 'refs/heads/main', addresses: addressesOf(0) },
    { ...job, ref: 'refs/tags/v1', addresses: addressesOf(1) },
  ],
  config: {
    malware: { files: [feed] },
    registries: clients.map(({ ecosystem, ownHost }) => ({
      ecosystem,
      hosts: [ecosystem === 'maven' ? `${ownHost}/maven2` : ownHost],
    })),
  },
});
const allowed = ['mature@1.0.0', 'moving@1.0.0', 'poisoned@1.0.0'];
const refused = ['moving@1.1.0', 'poisoned@1.0.1', 'ageless@1.0.0', 'acme-lib@1.0.0'];
/** Everything that a client tries under the strict policy. */
const attempt = async (client: PackageClient) => ({
  allowed: await client.install(allowed),
  refused: await client.install(refused),
  own: await client.install(['acme-lib@1.0.0'], true),
  publish: await client.publish(0),
});
/** Where what is of unknown age is only recorded, lists may be shortened, and from the scope of a release. */
const attemptLater = async (client: PackageClient) => ({
  installed: await client.install(['ageless@1.0.0', 'moving@1.1.0']),
  publish: await client.publish(1),
});
const outcomes = new Map<string, Awaited<ReturnType<typeof attempt>>>();
const later = new Map<string, Awaited<ReturnType<typeof attemptLater>>>();
let arrived: readonly string[] = [];
let records: readonly FlowRecord[] = [];

t.test('every client tries what it may and what it may not, beside the others', async (t) => {
  t.ok(await waitUntil(() => lab.gateway.log().includes('malware feed read'), 10_000));
  await Promise.all(active.map(async (client) => outcomes.set(client.ecosystem, await attempt(client))));
  arrived = server.arrived.map(({ method, host, target }) => `${method} ${host}${target}`);
  records = await lab.gateway.records();
  await lab.gateway.reload(policyWith('unknownAge: detect\n  rewrite: true'));
  await Promise.all(active.map(async (client) => later.set(client.ecosystem, await attemptLater(client))));
});

/** How old the record of an installation says that the package is, in hours, and who says so. */
function told(client: PackageClient, version: string): string | null {
  const isMeant = ({ phase, kind, operation }: FlowRecord): boolean =>
    phase === 'closed' && kind === 'request' && operation?.name === `${client.ecosystem}/install`;
  for (const { operation, decision } of records.filter(isMeant)) {
    for (const touch of operation!.touches) {
      if (touch.kind !== 'package' || touch.purl !== client.purl('moving')) continue;
      if (touch.version?.replace(/^v/, '') !== version) continue;
      return `${decision.verdict} ${Math.round((touch.facts?.ageMs ?? 0) / 3_600_000)} h ${touch.facts?.timeClass}`;
    }
  }
  return null;
}

/** Who says when a version was published. */
const timeClasses: Readonly<Record<string, string>> = {
  maven: 'mirror-stated',
  cargo: 'registry-stated',
  golang: 'author-stated',
  gem: 'registry-stated',
  nuget: 'registry-stated',
};

for (const client of clients) {
  const { ecosystem, skip } = client;
  t.test(`${ecosystem}: what is old is installed, and nothing else`, { skip }, async (t) => {
    t.comment(client.version);
    const first = outcomes.get(ecosystem)!;
    for (const [index, spec] of allowed.entries()) t.match(first.allowed[index], /^ok/, spec);
    t.match(first.own[0], /^ok/, 'a name of one’s own where it belongs');
    const reasons = [
      /package-age/,
      /MAL-2026-10/,
      /unknown-age/,
      ecosystem === 'gem' ? /Could not find/ : /internal-package/,
    ];
    for (const [index, spec] of refused.entries()) {
      t.match(first.refused[index], /^refused/, spec);
      t.match(first.refused[index], reasons[index]!, `${spec}: the tool says why`);
    }
    const files = arrived.filter((line) => /\.(?:jar|crate|zip|gem|nupkg)$|\/download$/.test(line));
    const leaked = files.filter((line) => /moving.*1\.1\.0|poisoned.*1\.0\.1|ageless/.test(line));
    t.same(
      leaked.filter((line) => hosts.get(line.split(/[ /]/)[1]!) === ecosystem),
      [],
      'no file was asked for',
    );
    t.same(told(client, '1.0.0'), `allow 2000 h ${timeClasses[ecosystem]}`);
    t.same(told(client, '1.1.0'), `block 2 h ${timeClasses[ecosystem]}`);
  });

  t.test(`${ecosystem}: nothing is published but what the scope of a release names`, { skip }, async (t) => {
    t.match(outcomes.get(ecosystem)!.publish, /^refused[\s\S]*\bpublish\b/);
    t.notOk(
      arrived.some((line) => /^(?:PUT|POST)/.test(line) && hosts.get(line.split(/[ /]/)[1]!) === ecosystem),
    );
    const released = later.get(ecosystem)!.publish;
    if (ecosystem === 'golang') t.match(released, /^refused/, 'a module proxy takes nothing');
    else t.match(released, /^ok/);
    t.equal(published.has(ecosystem), ecosystem !== 'golang');
  });

  t.test(`${ecosystem}: an unknown age goes by policy, and no list is shortened`, { skip }, async (t) => {
    const [ageless, young] = later.get(ecosystem)!.installed;
    t.match(ageless, /^ok/);
    t.match(young, /^refused[\s\S]*package-age/, 'the version is found, and its file refused');
  });
}
