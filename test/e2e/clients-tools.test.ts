// Tools that jobs are made of, behind the gateway and without it: git over h2, npm, pip, apt-get, gRPC in all four
// kinds of call, skopeo. Each with an allowed, a blocked and a concurrent case; logs, records and both runs compared.

import { join } from 'node:path';
import t from 'tap';
import {
  ClientLabs,
  openHost,
  python,
  shutHost,
  versionOf,
  without,
  type ServedTo,
} from '../lab/client-labs.ts';
import { startGrpc, startRegistry, type OwnServer } from '../lab/own-servers.ts';
import { answerPackages } from '../lab/package-servers.ts';
import type { Lab } from '../lab/lab.ts';

const names = ['git', 'npm', 'pip', 'apt', 'grpc', 'registry'];
const hidden = `  - {id: no-hidden, host: ${openHost('grpc')}, paths: [/lab.Hidden/**], action: block}\n`;
const labs = await ClientLabs.open(names, hidden, answerPackages);
t.teardown(() => labs.close());
t.setTimeout(240_000);

/** A script with the open host as $1 and the other one as $2. */
const shell = (name: string, text: string) =>
  labs.run(['sh', '-c', text, 'sh', openHost(name), shutHost(name)]);

/** Starts a server that is a program in both labs. */
async function startBoth(
  start: (lab: Lab) => Promise<OwnServer>,
): Promise<{ all: readonly [OwnServer, OwnServer]; close(): Promise<void> }> {
  const all = [await start(labs.gated.lab), await start(labs.control.lab)] as const;
  return { all, close: async () => void (await Promise.all(all.map((server) => server.close()))) };
}

t.test('git clones and pushes over h2', { skip: without('git') }, async (t) => {
  t.comment(versionOf('git', '--version'));
  const { gated, control } = await shell(
    'git',
    `export GIT_CONFIG_NOSYSTEM=1
    git clone -q https://$1/app.git one && cd one &&
      git -c user.name=L -c user.email=l@example.com commit -q --allow-empty -m more && git push -q origin HEAD:refs/heads/more
    echo allowed $?; cd ..
    echo blocked $(git clone -q https://$2/app.git two 2>&1 | grep -o 'rule no-git')
    for i in 1 2 3 4; do git clone -q https://$1/app.git many$i & done; wait
    echo concurrent $(ls -d many?/.git | wc -l)`,
  );
  t.equal(gated.stdout, 'allowed 0\nblocked rule no-git\nconcurrent 4\n', gated.stderr.slice(-500));
  t.equal(control.stdout, 'allowed 0\nblocked\nconcurrent 4\n', control.stderr.slice(-500));
  await labs.compare(t, 'git', '2');
});

t.test('npm installs a package and its six dependencies at once', { skip: without('npm') }, async (t) => {
  t.comment(`${versionOf('npm', '--version')} (npm)`);
  const { gated, control } = await shell(
    'npm',
    `npm() { command npm install --no-audit --no-fund --no-update-notifier --loglevel=error --fetch-retries=0 --prefix "$1" \\
      --cache "$1/cache" --registry "https://$2/" sally-sample; }
    mkdir n1 n2; npm n1 $1 > /dev/null; echo allowed $?
    echo concurrent $(ls -d n1/node_modules/sally-part?/package.json | wc -l)
    npm n2 $2 2>&1 | grep -q 'rule no-npm'; echo blocked $?`,
  );
  t.equal(gated.stdout, 'allowed 0\nconcurrent 6\nblocked 0\n', gated.stderr.slice(-500));
  t.equal(control.stdout, 'allowed 0\nconcurrent 6\nblocked 1\n', control.stderr.slice(-500));
  await labs.compare(t, 'npm', '1.1');
});

t.test('pip downloads from an index of ours', { skip: without('py:pip') }, async (t) => {
  t.comment(versionOf(python, '-m', 'pip', '--version'));
  const { gated, control } = await shell(
    'pip',
    `get() { ${python} -m pip download -q --isolated --cert $PIP_CERT --no-cache-dir --retries 0 --disable-pip-version-check --no-deps \\
      -d "$1" --index-url "https://$2/simple" sally-sample; }
    get p1 $1; echo allowed $?
    get p2 $2 > /dev/null 2>&1; echo blocked $?
    for i in 1 2 3; do get many$i $1 & done; wait
    echo concurrent $(ls many?/*.whl | wc -l)`,
  );
  t.equal(gated.stdout, 'allowed 0\nblocked 1\nconcurrent 3\n', gated.stderr.slice(-500));
  t.equal(control.stdout, 'allowed 0\nblocked 0\nconcurrent 3\n', control.stderr.slice(-500));
  await labs.compare(t, 'pip', '1.1');
});

t.test('apt-get updates and downloads', { skip: without('apt-get', 'dpkg-deb') }, async (t) => {
  t.comment(versionOf('apt-get', '--version'));
  const { gated, control } = await shell(
    'apt',
    `get() {
      mkdir -p "$1/state/lists/partial" "$1/cache/archives/partial"; cd "$1"
      echo "deb [trusted=yes] https://$2 stable main" > list
      set -- -qq -o APT::Sandbox::User=root -o Acquire::Retries=0 -o Acquire::https::CaInfo=$SSL_CERT_FILE -o Dir::Etc::sourcelist=$PWD/list \\
        -o Dir::Etc::sourceparts=- -o Dir::State::lists=$PWD/state/lists -o Dir::Cache=$PWD/cache
      apt-get "$@" update && apt-get "$@" download sally-sample
    }
    (get a1 $1); echo allowed $?
    echo blocked $( (get a2 $2) 2>&1 | grep -o '403  Forbidden' | head -n 1)
    for i in 1 2 3; do (get a1$i $1) & done; wait
    echo concurrent $(ls a1?/*.deb | wc -l)`,
  );
  t.equal(gated.stdout, 'allowed 0\nblocked 403 Forbidden\nconcurrent 3\n', gated.stderr.slice(-500));
  t.equal(control.stdout, 'allowed 0\nblocked\nconcurrent 3\n', control.stderr.slice(-500));
  await labs.compare(t, 'apt', '1.1');
});

const calls = [
  'unary unary one unary',
  'down 0 d 1 d 2 d 3 d 4 d',
  'up 50000',
  'both back 0 back 1 back 2 back 3',
  'fails 9 FAILED_PRECONDITION not now',
];
t.test(
  'gRPC makes all four kinds of call; a blocked one ends with status 7',
  { skip: without('py:grpc') },
  async (t) => {
    t.comment(versionOf(python, '-c', "import grpc; print('grpcio', grpc.__version__)"));
    const servers = await startBoth(startGrpc);
    t.teardown(servers.close);
    const script = join(import.meta.dirname, '../lab/clients/grpc_client.py');
    const { gated, control } = await labs.run([python, script, openHost('grpc'), shutHost('grpc')]);
    const told = gated.stdout.trim().split('\n');
    t.same(told.slice(0, 5), calls, gated.stderr.slice(-500));
    t.match(told[5], /^path 7 PERMISSION_DENIED .*no-hidden/);
    t.equal(told[6], 'concurrent 8');
    t.match(told[7], /^blocked 7 PERMISSION_DENIED .*no-grpc/);
    const direct = control.stdout.trim().split('\n');
    t.same(direct.slice(0, 5), calls, control.stderr.slice(-500));
    t.same(direct.slice(6), ['concurrent 8', "blocked b'unary one'"], 'without us the blocked host answers');
    // The name of the host is not told to the server of gRPC: the client's metadata carries the open one.
    const [here, there] = servers.all.map((server) => server.served());
    t.equal(here!.length, 13, 'the one for the blocked host never came');
    t.equal(there!.length, 14);
    const asIs = (served: typeof here, shut: typeof here): ServedTo => ({
      servedTo: (host) => (host === openHost('grpc') ? served! : shut!),
    });
    await labs.compare(t, 'grpc', '2', [asIs(here, []), asIs(there!.slice(0, 13), there!.slice(13))]);
  },
);

t.test(
  'skopeo pulls an image from docker-registry',
  { skip: without('skopeo', 'docker-registry') },
  async (t) => {
    t.comment(versionOf('skopeo', '--version'));
    t.comment(versionOf('docker-registry', '--version'));
    const servers = await startBoth(startRegistry);
    t.teardown(servers.close);
    const pull = 'skopeo --insecure-policy copy -q docker://';
    const text = `${pull}$1/sally:1 dir:i1; echo allowed $?
    for i in 1 2; do ${pull}$1/sally:1 dir:image$i & done; wait; echo concurrent $(ls image?/manifest.json | wc -l)`;
    const { gated, control } = await shell('registry', text);
    const served = servers.all.map((server) => server.served());
    for (const { stdout, stderr } of [gated, control])
      t.equal(stdout, 'allowed 0\nconcurrent 2\n', stderr.slice(-500));
    for (const server of servers.all) server.forget();
    const refused = await shell(
      'registry',
      `echo blocked $(${pull}$2/sally:1 dir:i2 2>&1 | grep -o '403 (Forbidden)' | head -n 1)`,
    );
    t.equal(refused.gated.stdout, 'blocked 403 (Forbidden)\n', refused.gated.stderr);
    t.equal(refused.control.stdout, 'blocked\n', refused.control.stderr);
    const asIs = (at: number): ServedTo => ({
      servedTo: (host) => (host === openHost('registry') ? served[at]! : servers.all[at]!.served()),
    });
    await labs.compare(t, 'registry', '1.1', [asIs(0), asIs(1)]);
  },
);
