// The operator's side of one machine: tokens made on its socket by command, and the listener's own TLS.

import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text as readAll } from 'node:stream/consumers';
import { connect } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { tokensOnly } from '../../api/auth/access-settings.ts';
import { actorOfToken } from '../../api/auth/token.ts';
import { checkPassword } from '../../api/auth/password.ts';
import { startOperatorActions } from '../../api/operator-actions.ts';
import { renewCertificate } from '../../api/operator-listener.ts';
import { startOperatorServer } from '../../api/operator-server.ts';
import { runToken, type AskGateway } from '../../api/token-command.ts';
import { runUser } from '../../api/user-command.ts';
import { openTcpListener, openUnixListener, socketPort } from '../../kernel/sockets.ts';
import { TestAuthority } from '../../netns/authority.ts';
import { postAction } from '../../serve.ts';
import { memoryAccess } from '../lab/memory-access.ts';

const folder = mkdtempSync(join(tmpdir(), 'operator-side-'));
t.teardown(() => rmSync(folder, { recursive: true }));
const nowMs = Date.now();

/** Runs a command of ours in this process. */
async function run(
  command: (io: { stdin: Readable; stdout: PassThrough; stderr: PassThrough }) => Promise<number>,
  input = '',
) {
  const io = {
    stdin: Readable.from([Buffer.from(input)]),
    stdout: new PassThrough(),
    stderr: new PassThrough(),
  };
  const code = await command(io).catch((error: Error) => error.message);
  io.stdout.end();
  io.stderr.end();
  return { code, stdout: await readAll(io.stdout), stderr: await readAll(io.stderr) };
}

t.test('root makes, lists and revokes tokens on the socket, each change with its row', async (t) => {
  const store = memoryAccess();
  let isAway = false;
  const access = {
    store: {
      ...store,
      addEntry: (entry: Parameters<typeof store.addEntry>[0]) =>
        isAway ? Promise.reject(new Error('no')) : store.addEntry(entry),
    },
    settings: { ...tokensOnly, longestTokenMs: 90 * 86_400_000 },
    clock: () => nowMs,
    log: { error: () => {} },
  };
  const path = join(folder, 'operator.sock');
  const quarantined: string[] = [];
  const server = await startOperatorActions({
    fd: openUnixListener(path),
    quarantine: async (runner) => void quarantined.push(runner),
    upgrade: async () => Promise.reject(new Error('it does not serve')),
    access,
  });
  t.teardown(() => server.close());
  const ask: AskGateway = async (_, at, body) => JSON.parse(await postAction(path, at, body)) as unknown;
  const token = (...args: string[]) => run((io) => runToken(args, io, ask));

  const made = await token(
    'create',
    '--role',
    'operator',
    '--owner',
    'acme',
    '--owner',
    'corp',
    '--label',
    'ci',
    '--reason',
    'first',
  );
  t.equal(made.code, 0);
  t.match(made.stdout, /^slp_[0-9a-f]{16}_[\w-]{43}\n$/, 'the token alone, for $(...)');
  t.match(made.stderr, /it is shown this once/);
  const text = made.stdout.trim();
  t.match(await actorOfToken(store, `Bearer ${text}`, nowMs), { role: 'operator', owners: ['acme', 'corp'] });
  const json = JSON.parse(
    (await token('create', '--role', 'viewer', '--label', 'b', '--expires', '12h', '--json')).stdout,
  );
  t.match(json, {
    role: 'viewer',
    owners: null,
    state: 'valid',
    expires: new Date(nowMs + 43_200_000).toISOString(),
  });
  const list = await token('list');
  t.match(list.stdout, /^ID +ROLE +STATE +EXPIRES +LAST USED +OWNERS +LABEL\n/);
  t.match(list.stdout, /operator +valid .* acme,corp +ci\n/);
  t.notMatch(list.stdout + store.dump(), text.slice(-43));
  t.equal((await token('revoke', text)).code, 0, 'by itself too');
  t.equal((await token('revoke', text)).code, 1, 'only once');
  t.equal(await actorOfToken(store, `Bearer ${text}`, nowMs), null);
  const wrong: [string[], RegExp][] = [
    [['create', '--label', 'x'], /--role is one of viewer, operator, admin/],
    [['create', '--role', 'root', '--label', 'x'], /--role is one of/],
    [['create', '--role', 'viewer'], /--label says/],
    [['create', '--role', 'viewer', '--label', 'x', '--expires', 'never'], /write it like 30m, 12h or 90d/],
    [['create', '--role', 'viewer', '--label', 'x', '--expires', '91d'], /a token lives 90 days at most/],
    [['create', '--role', 'viewer', '--label', 'a\u001b[2J'], /label/],
    [['create', '--role', 'viewer', '--label', 'x', '--owner', 'a/b'], /owners/],
    [['revoke', 'x'], /16 hexadecimal digits/],
    [['revoke'], /say create, list or revoke ID/],
    [[], /say create/],
  ];
  for (const [args, message] of wrong) t.match((await token(...args)).code, message, args.join(' '));
  const long = { role: 'viewer', label: 'x', lifetimeSeconds: 91 * 86_400, reason: 'x' };
  await t.rejects(postAction(path, '/v1/tokens/create', long), { code: 'usage' });
  await t.rejects(postAction(path, '/v1/tokens/create', { ...long, more: 1 }), { code: 'usage' });
  await postAction(path, '/v1/quarantine', { runner: '10.77.0.2', seconds: 5, reason: 'odd' });
  await t.rejects(postAction(path, '/v1/upgrade', { reason: 'new' }), { code: 'internal' });
  t.match(
    store.rows.map(({ actor, action, target, reason, outcome }) => [actor, action, target, reason, outcome]),
    [
      ['local:root', 'token create', /^token:[0-9a-f]{16}$/, 'first', 'done'],
      ['local:root', 'token create', /^token:[0-9a-f]{16}$/, /^sallyport token create on /, 'done'],
      ['local:root', 'token revoke', `token:${text.slice(4, 20)}`, /./, 'done'],
      ['local:root', 'token revoke', `token:${text.slice(4, 20)}`, /./, 'refused'],
      ['local:root', 'token create', '', /./, 'refused'],
      ['local:root', 'token create', '', 'x', 'refused'],
      ['local:root', 'quarantine', '10.77.0.2', 'odd', 'done'],
      ['local:root', 'upgrade', '', 'new', 'failed'],
    ],
  );
  isAway = true;
  t.match(
    (await token('create', '--role', 'viewer', '--label', 'x')).code,
    /the store does not answer: nothing was changed/,
  );
  t.equal((await store.tokens()).length, 2);
  await postAction(path, '/v1/quarantine', { runner: '10.77.0.3', seconds: 5, reason: 'odd' });
  t.same(quarantined, ['10.77.0.2', '10.77.0.3'], 'a runner is cut off whatever the store does');
});

t.test('the line for a user holds its hash and is what the configuration takes', async (t) => {
  const made = await run(
    (io) => runUser(['alice', '--role', 'admin', '--owner', 'acme'], io),
    'a long password\n',
  );
  t.equal(made.code, 0);
  t.match(made.stdout, /^- \{"name":"alice","role":"admin","owners":\["acme"\],"password":"scrypt\$/);
  const { password } = JSON.parse(made.stdout.slice(2)) as { password: string };
  t.equal(await checkPassword('a long password', password), true);
  t.notMatch(made.stdout + made.stderr, 'a long password');
  for (const [args, input, message] of [
    [['alice'], 'short\n', /8 characters at least/],
    [['alice'], '', /8 characters at least/],
    [['a b'], 'a long password', /no plain name/],
    [['alice', '--role', 'root'], 'a long password', /--role is one of/],
    [[], 'a long password', /one NAME is needed/],
  ] as const)
    t.match((await run((io) => runUser(args, io), input)).code, message);
});

t.test('the listener speaks TLS, and another certificate without a restart', async (t) => {
  const authority = new TestAuthority('operators');
  const [first, second] = [authority.issue(['sallyport.test']), authority.issue(['sallyport.test'])];
  const fd = openTcpListener({ address: '127.0.0.1', port: 0 });
  const port = socketPort(fd);
  const server = await startOperatorServer({
    fd,
    certificate: first,
    metrics: async () => '# x\n',
    problems: () => [],
  });
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const ask = async () => {
    const socket = connect({
      port,
      host: '127.0.0.1',
      servername: 'sallyport.test',
      ca: authority.certificate,
    });
    await once(socket, 'secureConnect');
    const seen = socket.getPeerX509Certificate()!.serialNumber;
    socket.write('GET /health HTTP/1.1\r\nhost: sallyport.test\r\nconnection: close\r\n\r\n');
    return { seen, text: await readAll(socket) };
  };
  const before = await ask();
  t.match(before.text, /^HTTP\/1\.1 200 OK\r\n/);
  renewCertificate(server, second);
  const after = await ask();
  t.not(after.seen, before.seen);
  const stranger = new TestAuthority('another').issue(['sallyport.test']);
  t.throws(() => renewCertificate(server, { certificate: first.certificate, key: stranger.key }), /key/);
  t.equal((await ask()).seen, after.seen, 'a pair that does not fit changes nothing');
  await t.rejects(fetch(`http://127.0.0.1:${port}/health`), 'nothing in the clear');
  const old = connect({
    port,
    host: '127.0.0.1',
    ca: authority.certificate,
    servername: 'sallyport.test',
    maxVersion: 'TLSv1.1',
    minVersion: 'TLSv1',
  });
  t.match(
    await once(old, 'secureConnect').then(
      () => 'spoken',
      () => 'refused',
    ),
    'refused',
    'TLS 1.1',
  );
});

t.test(
  'the files of a certificate are read anew when they change, and the last good pair stays',
  async (t) => {
    const { OperatorCertificates } = await import('../../operator-certificate.ts');
    const [certFile, keyFile] = [join(folder, 'op.pem'), join(folder, 'op.key')];
    const put = (text: string): void => {
      for (const file of [certFile, keyFile]) writeFileSync(file, text);
    };
    put('one');
    const errors: string[] = [];
    // as: what the class asks of a configuration and a log.
    const config = { listen: { operatorTls: { certFile, keyFile } } } as never;
    const log = { error: (_: object, message: string) => errors.push(message) } as never;
    const certificates = new OperatorCertificates(config, log, 20);
    t.same(certificates.current, { certificate: 'one', key: 'one' });
    const told: string[] = [];
    const stop = certificates.watch(({ certificate }) => told.push(certificate));
    t.teardown(stop);
    put('two');
    utimesSync(keyFile, 1, 1);
    while (told.length === 0) await sleep(10);
    rmSync(keyFile);
    while (errors.length === 0) await sleep(10);
    t.same(certificates.current, { certificate: 'two', key: 'two' });
    t.equal(told.at(-1), 'two');
    put('three');
    while (told.at(-1) !== 'three') await sleep(10);
    t.equal(errors.length, 1, 'told once');
    rmSync(certFile);
    t.throws(
      () => new OperatorCertificates(config, log),
      { code: 'config-invalid' },
      'never in the clear instead',
    );
  },
);
