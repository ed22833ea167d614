// Clients of the web, h1 and h2, behind the gateway and without it: each with an allowed, a blocked and a concurrent
// case, and afterwards the server's log, the records and both runs are compared.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import t from 'tap';
import { ClientLabs, openHost, python, shutHost, versionOf, without } from '../lab/client-labs.ts';

interface ClientCase {
  readonly name: string;
  readonly version: '1.1' | '2';
  readonly needs: readonly string[];
  readonly say: readonly string[];
  /** The command; `open` and `shut` are its two hosts. */
  readonly command: (open: string, shut: string) => readonly string[];
  /** What it prints behind the gateway; without one, the blocked host answers too. */
  readonly printed: string;
  readonly direct: string;
}

const scripts = join(import.meta.dirname, '../lab/clients');
const script = (name: string): string => join(scripts, name);
// Sizes are those of `GET HOST/one`, by hand: the method, the host, the path, a space and a newline.
const blockedBy = (name: string): string => `blocked 403 no-${name}`;

/** Three lines and a blocked one, as every program of test/lab/clients prints them. */
function lines(name: string, blocked: string): string {
  const one = `GET ${openHost(name)}/one\n`.length;
  return [`allowed 200 ${one}`, `posted 200 ${one + 1}`, blocked, 'concurrent 8'].toSorted().join('\n');
}
function program(
  name: string,
  version: '1.1' | '2',
  needs: string[],
  say: string[],
  command: string[],
): ClientCase {
  const whole = (open: string, shut: string) => [...command, open, shut];
  const texts = { printed: lines(name, blockedBy(name)), direct: lines(name, 'blocked 200 -') };
  return { name, version, needs, say, command: whole, ...texts };
}

/** curl, nghttp and wget by the shell: the status, or what stands for it, of one, of a blocked one, and of eight. */
function shell(
  name: string,
  version: '1.1' | '2',
  needs: string[],
  text: string,
  blocked: { readonly here: string; readonly direct: string },
): ClientCase {
  const command = (open: string, shut: string) => ['sh', '-c', text, 'sh', open, shut];
  const said = (last: string) => ['allowed 200', `blocked ${last}`, 'concurrent 8'].join('\n');
  const texts = { printed: said(blocked.here), direct: said(blocked.direct) };
  return { name, version, needs, say: [needs[0]!, '--version'], command, ...texts };
}

const curl = (flag: string): string => `
  many=; for i in 1 2 3 4 5 6 7 8; do many="$many -o /dev/null https://$1/many/$i"; done
  echo allowed $(curl -sS ${flag} -o /dev/null -w '%{http_code}' https://$1/one)
  echo blocked $(curl -sS ${flag} -o /dev/null -w '%{http_code} %header{x-sallyport-rule}' https://$2/one)
  echo concurrent $(curl -sS -Z ${flag} -w '%{http_code}\\n' $many | grep -c 200)`;
const nghttp = `
  many=; for i in 1 2 3 4 5 6 7 8; do many="$many https://$1/many/$i"; done
  status() { nghttp -nv "$@" | sed -n 's/.*recv.*:status: //p' | sed 's/[^0-9].*//'; }
  echo allowed $(status https://$1/one)
  echo blocked $(status https://$2/one)
  echo concurrent $(status $many | grep -c 200)`;
const wget = `
  status() { wget -q -S --ca-certificate=$SSL_CERT_FILE --tries=1 -O /dev/null "$1" 2>&1 | sed -n 's/^ *HTTP[^ ]* \\([0-9]*\\).*/\\1/p'; }
  echo allowed $(status https://$1/one)
  echo blocked $(status https://$2/one)
  echo concurrent $({ for i in 1 2 3 4 5 6 7 8; do status https://$1/many/$i & done; wait; } | grep -c 200)`;
const withRule = (name: string) => ({ here: `403 no-${name}`, direct: '200' });
const plain = { here: '403', direct: '200' };
const node = [process.execPath, '--version'];
const pip = (module: string) => [python, '-c', `import ${module}; print('${module}', ${module}.__version__)`];

const cases: readonly ClientCase[] = [
  shell('curl1', '1.1', ['curl'], curl('--http1.1'), withRule('curl1')),
  shell('curl2', '2', ['curl'], curl('--http2'), withRule('curl2')),
  shell('curl6', '2', ['curl'], curl('--http2 -6'), withRule('curl6')),
  shell('nghttp', '2', ['nghttp'], nghttp, plain),
  shell('wget', '1.1', ['wget'], wget, plain),
  program('fetch', '1.1', [], node, [process.execPath, script('with-fetch.mjs')]),
  program('http2', '2', [], node, [process.execPath, script('with-http2.mjs')]),
  program('requests', '1.1', ['py:requests'], pip('requests'), [python, script('with_requests.py')]),
  program('httpx', '2', ['py:httpx', 'py:h2'], pip('httpx'), [python, script('with_httpx.py')]),
];

const names = [
  ...cases.map(({ name }) => name),
  'go1',
  'go2',
  'java1',
  'java2',
  'sockets',
  'sockets2',
  'events',
];
const labs = await ClientLabs.open(names);
t.teardown(() => labs.close());
t.setTimeout(180_000);

/** Lines in an order of their own. */
const sorted = (text: string): string => text.trim().split('\n').toSorted().join('\n');

for (const { name, version, needs, say, command, printed, direct } of cases) {
  t.test(`${name} is answered, told and served as without us`, { skip: without(...needs) }, async (t) => {
    t.comment(versionOf(...say));
    const { gated, control } = await labs.run(command(openHost(name), shutHost(name)));
    t.equal(sorted(gated.stdout), printed, gated.stderr.slice(-500));
    t.equal(sorted(control.stdout), direct, control.stderr.slice(-500));
    await labs.compare(t, name, version);
  });
}

// Both versions in one start of the program: a JVM is slow to start.
const two = (name: string): string[] =>
  [`${name}1`, `${name}2`].flatMap((each) => [openHost(each), shutHost(each)]);

for (const [name, needs, say] of [
  ['go', ['go'], ['go', 'version']],
  ['java', ['javac'], ['java', '-version']],
] as const) {
  t.test(`${name} speaks both versions`, { skip: without(...needs) }, async (t) => {
    t.comment(versionOf(...say));
    const command =
      name === 'go' ? [await buildGo(), ...two(name)] : ['java', script('Client.java'), ...two(name)];
    const { gated, control } = await labs.run(command);
    const both = (text: (name: string) => string) => [1, 2].map((at) => text(`${name}${at}`)).join('\n');
    t.equal(
      sorted(gated.stdout),
      sorted(both((each) => lines(each, blockedBy(each)))),
      gated.stderr.slice(-500),
    );
    t.equal(
      sorted(control.stdout),
      sorted(both((each) => lines(each, 'blocked 200 -'))),
      control.stderr.slice(-500),
    );
    await labs.compare(t, `${name}1`, '1.1');
    await labs.compare(t, `${name}2`, '2');
  });
}

/** Builds the Go client; the program's path. Its caches go with the lab. */
async function buildGo(): Promise<string> {
  const { directory } = labs.gated.lab;
  const env = { ...process.env, GOCACHE: join(directory, 'go'), GO111MODULE: 'off', CGO_ENABLED: '0' };
  const child = spawn('go', ['build', '-o', join(directory, 'go-client'), script('client.go')], {
    env,
    stdio: 'inherit',
  });
  await once(child, 'close');
  return join(directory, 'go-client');
}

t.test(
  'WebSocket messages come back, and a blocked upgrade is told',
  { skip: without('py:websockets') },
  async (t) => {
    t.comment(versionOf(...pip('websockets')));
    const command = [python, script('with_websockets.py'), openHost('sockets'), shutHost('sockets')];
    const { gated, control } = await labs.run(command);
    t.equal(gated.stdout, 'allowed 101 1\nblocked 403 no-sockets\nconcurrent 8\n', gated.stderr.slice(-500));
    t.equal(control.stdout, 'allowed 101 1\nblocked 101 -\nconcurrent 8\n', control.stderr.slice(-500));
    await labs.compare(t, 'sockets', '1.1');
  },
);

t.test('WebSockets in streams of one h2 connection', async (t) => {
  const command = [process.execPath, script('with-sockets2.mjs'), openHost('sockets2'), shutHost('sockets2')];
  const { gated, control } = await labs.run(command);
  t.equal(
    gated.stdout,
    'allowed 200 true\nblocked 403 no-sockets2\nconcurrent 8\n',
    gated.stderr.slice(-500),
  );
  t.equal(control.stdout, 'allowed 200 true\nblocked 200 -\nconcurrent 8\n', control.stderr.slice(-500));
  await labs.compare(t, 'sockets2', '2');
});

t.test('server-sent events come one by one, each before the next is made', async (t) => {
  const command = [process.execPath, script('with-events.mjs'), openHost('events'), shutHost('events')];
  const { gated, control } = await labs.run(command);
  const whole = 'allowed 200 text/event-stream 01234\n';
  t.equal(gated.stdout, `${whole}blocked 403 no-events\nconcurrent 4\n`, gated.stderr.slice(-500));
  t.equal(control.stdout, `${whole}blocked 200 -\nconcurrent 4\n`, control.stderr.slice(-500));
  await labs.compare(t, 'events', '1.1');
});
