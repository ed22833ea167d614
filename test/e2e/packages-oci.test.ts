// A real skopeo against Debian's docker-registry as a public registry and as one's own: an image is as old as its
// configuration says, wherever that lies; what is young, malicious, of unknown age, one's own name asked elsewhere, or
// pushed is refused.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { FlowRecord } from '../../flow/flow.ts';
import { runIpBatch } from '../../netns/ip.ts';
import { WebServer } from '../../netns/web-server.ts';
import { versionOf, without } from '../lab/client-labs.ts';
import { waitUntil } from '../lab/gateway.ts';
import { ImageRegistry } from '../lab/image-registry.ts';
import { Lab } from '../lab/lab.ts';

const address = '93.184.216.85';
const [publicHost, ownHost, storageHost] = ['quay.io', 'images.example.com', 'cdn.example.com'];
const missing = without('skopeo', 'docker-registry');
if (missing === false) await tryImages();
else t.test('images are as old as their configurations say', { skip: missing }, async () => {});

async function tryImages(): Promise<void> {
  const lab = await Lab.open({ runners: 2 });
  runIpBatch(lab.topology.internet, [`addr add ${address}/32 dev lo`]);
  for (const host of [publicHost, ownHost, storageHost]) lab.origins.names.set(host, { a: [address] });
  const registry = await ImageRegistry.start(lab, storageHost);
  const server = new WebServer({
    namespace: lab.topology.internet,
    addresses: [address],
    http: [],
    https: [443],
    authority: lab.origins.authority,
    answer: (request, response, arrived) => registry.answer(request, response, arrived),
  });
  await server.start();
  t.teardown(async () => {
    server.close();
    await registry.close();
    await lab.close();
  });
  t.setTimeout(120_000);
  t.comment(versionOf('skopeo', '--version'));
  t.comment(versionOf('docker-registry', '--version'));

  const ago = (hours: number): string => new Date(Date.now() - hours * 3_600_000).toISOString();
  const digests = new Map<string, string>();
  for (const [name, tag, hours] of [
    ['base/old', '1', 2000],
    ['base/young', '1', 2],
    ['base/moved', '1', 2],
    ['base/bad', '1', 2000],
    ['base/tagged', 'evil', 2000],
    ['base/ageless', '1', null],
    ['acme/own', '1', 2000],
    ['led/old', '1', 2000],
    ['led/young', '1', 2],
  ] as const)
    digests.set(name, await registry.add(name, tag, hours === null ? null : ago(hours)));

  const feed = join(lab.directory, 'malware.ndjson');
  const advisory = (id: string, name: string, version: string): string =>
    `${JSON.stringify({ id, affected: [{ package: { ecosystem: 'OCI', name, purl: `pkg:oci/${name.split('/').at(-1)}?repository_url=${publicHost}/${name}` }, versions: [version] }] })}\n`;
  writeFileSync(
    feed,
    advisory('MAL-2026-20', 'base/bad', digests.get('base/bad')!) +
      advisory('MAL-2026-21', 'base/tagged', 'evil'),
  );
  const policyWith = (unknownAge: string): string => `version: 1
mode: block
http:
  - {id: hosts, host: [${publicHost}, ${ownHost}], methods: any}
packages:
  age: {id: three-days, purl: "pkg:oci/*", min: 72h}
  unknownAge: ${unknownAge}
  internal: {id: own-names, purl: "pkg:oci/acme/*", registry: ${ownHost}}
scopes:
  - id: release
    match: {ref: refs/tags/v1}
    images: {id: release, image: ${publicHost}/base/released, access: write}
`;
  const job = { platform: 'github', server: 'github.com', repository: 'acme/app', event: 'push' } as const;
  const addressesOf = (index: number): string[] => [lab.runner(index).v4, lab.runner(index).v6];
  await lab.startGateway(policyWith('block'), {
    jobs: [
      { ...job, ref: 'refs/heads/main', addresses: addressesOf(0) },
      { ...job, ref: 'refs/tags/v1', addresses: addressesOf(1) },
    ],
    config: { malware: { files: [feed] }, registries: [{ ecosystem: 'oci', hosts: [ownHost] }] },
  });
  const isRead = await waitUntil(() => lab.gateway.log().includes('malware feed read'), 10_000);
  // Workers look for it once a second.
  await waitUntil(() => false, 1500);
  t.ok(isRead);

  const skopeo = 'skopeo --insecure-policy copy -q --retry-times 0';
  /** skopeo remembers where it saw a blob: each run starts without that. */
  const run = async (script: string, runner = 0): Promise<string> => {
    const command = ['unshare', '--mount', 'sh', '-c', `mount -t tmpfs tmpfs /var/lib && ${script}`];
    const { code, stdout, stderr } = await lab.run(command, { runner, timeoutMs: 30_000 });
    return `${code === 0 ? 'ok' : 'refused'} ${stdout}${stderr}`;
  };
  let pulls = 0;
  const pull = (image: string, host = publicHost): Promise<string> =>
    run(`${skopeo} docker://${host}/${image} dir:${lab.directory}/pulled${pulls++}`);
  /** Why the last refused request for the image was refused, and by which rule; this skopeo shows it of manifests alone. */
  const refusalOf = async (name: string): Promise<string> => {
    const record = await lab.gateway.findRecord(
      (record) =>
        record.phase === 'closed' &&
        record.decision.verdict === 'block' &&
        imageOf(record, `${publicHost}/${name}`) !== undefined,
    );
    return `${record?.decision.reason} ${record?.decision.rule} ${record?.http?.path.replace(/sha256:.*/, '')}`;
  };
  const arrived = (text: string): string[] =>
    server.arrived.map(({ method, target }) => `${method} ${target}`).filter((line) => line.includes(text));

  t.test('an image is pulled that is old, by tag and by digest', async (t) => {
    t.match(await pull('base/old:1'), /^ok/);
    t.match(await pull(`base/old@${digests.get('base/old')}`), /^ok/);
    const record = await lab.gateway.findRecord((record) => {
      const touch = imageOf(record, 'quay.io/base/old');
      return record.phase === 'closed' && touch?.facts?.ageMs != null;
    });
    const facts = record === null ? null : imageOf(record, 'quay.io/base/old')?.facts;
    t.equal(Math.round((facts?.ageMs ?? 0) / 3_600_000), 2000);
    t.equal(facts?.timeClass, 'author-stated');
  });

  t.test('a young one is not: its configuration is kept back, and afterwards its manifest', async (t) => {
    t.match(await pull('base/young:1'), /^refused[\s\S]*403/);
    t.equal(await refusalOf('base/young'), 'package-age three-days /v2/base/young/blobs/');
    const manifest = `base/young/manifests/${digests.get('base/young')}`;
    t.match(await pull(`base/young@${digests.get('base/young')}`), /^refused[\s\S]*package-age/);
    t.same(arrived(manifest), [], 'by its digest it is known by now');
  });

  t.test('a tag that moves back to an old image is pulled', async (t) => {
    t.match(await pull('base/moved:1'), /^refused/);
    t.equal(await refusalOf('base/moved'), 'package-age three-days /v2/base/moved/blobs/');
    await registry.add('base/moved', '1', ago(2000));
    t.match(await pull('base/moved:1'), /^ok/);
  });

  t.test('where the registry sends its clients elsewhere, the same holds there', async (t) => {
    t.match(await pull('led/old:1'), /^ok/);
    t.match(await pull('led/young:1'), /^refused/);
    t.equal(await refusalOf('led/young'), 'package-age three-days /store/');
    t.ok(arrived('/store/').length >= 2, 'both lay there');
  });

  t.test('a malicious image is refused by its tag, and by its digest whatever tag it has', async (t) => {
    t.match(await pull('base/tagged:evil'), /^refused[\s\S]*MAL-2026-21/);
    t.same(arrived('base/tagged/manifests'), []);
    t.match(await pull('base/bad:1'), /^refused/);
    t.equal(await refusalOf('base/bad'), 'malicious-package MAL-2026-20 /v2/base/bad/blobs/');
    t.match(await pull(`base/bad@${digests.get('base/bad')}`), /^refused[\s\S]*MAL-2026-20/);
  });

  t.test('a name of one’s own is pulled from one’s own registry alone', async (t) => {
    t.match(await pull('acme/own:1'), /^refused[\s\S]*internal-package/);
    t.same(arrived('acme/own/manifests'), []);
    t.match(await pull('acme/own:1', ownHost), /^ok/);
  });

  t.test('a push needs a rule on images, whatever a rule on hosts says', async (t) => {
    const push = `${skopeo} dir:${lab.directory}/pulled0 docker://${publicHost}/base/released:1`;
    t.match(await run(push), /^refused[\s\S]*publish/);
    t.same(
      arrived('base/released').filter((line) => !line.startsWith('HEAD ')),
      [],
    );
    t.match(await run(push, 1), /^ok/);
    t.ok(arrived('PUT /v2/base/released/manifests/1').length > 0);
  });

  t.test('an image of unknown age goes by policy', async (t) => {
    t.match(await pull('base/ageless:1'), /^refused/);
    t.equal(await refusalOf('base/ageless'), 'unknown-age three-days /v2/base/ageless/blobs/');
    await lab.gateway.reload(policyWith('detect'));
    t.match(await pull('base/ageless:1'), /^ok/);
  });
}

function imageOf({ operation }: FlowRecord, image: string) {
  const found = operation?.touches.find((touch) => touch.kind === 'image' && touch.image === image);
  return found?.kind === 'image' ? found : undefined;
}
