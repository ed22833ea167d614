// The operator's API of a running gateway: the first token by command, a login over the listener's own TLS, and that a
// runner reaches neither, whatever it holds. Of tokens, passwords and cookies nothing is left on disk but digests.

import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import t from 'tap';
import { hashPassword } from '../../api/auth/password.ts';
import { TestAuthority } from '../../netns/authority.ts';
import { insidePrefix } from '../../netns/gateway-port.ts';
import { Lab } from '../lab/lab.ts';
import { LabIssuer } from '../lab/oidc-issuer.ts';

const root = join(import.meta.dirname, '../..');
const execute = promisify(execFile);
const policy = 'version: 1\nmode: block\nhttp: [{id: site, host: allowed.example.com}]\n';
const password = 'pa55word-of-the-operator-canary';
const clientSecret = 'oidc-client-secret-canary';

t.test('the operator’s API of a gateway', async (t) => {
  const lab = await Lab.open();
  t.teardown(() => lab.close());
  const authority = new TestAuthority('operators');
  const file = (name: string, text: string): string => {
    const path = join(lab.directory, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const first = authority.issue(['sallyport.test']);
  const [ca, certFile, keyFile] = [
    file('operators.pem', authority.certificate),
    file('op.pem', first.certificate),
    file('op.key', first.key),
  ];
  const { gateway4 } = lab.topology;
  const issuer = new LabIssuer(lab);
  await issuer.start();
  t.teardown(() => issuer.close());
  const origin = 'https://sallyport.test:9440';
  const gateway = await lab.startGateway(policy, {
    config: {
      // Where runners are too: nothing but the kernel's rules keeps them away.
      listen: { operator: `${gateway4}:9440`, operatorTls: { certFile, keyFile } },
      access: {
        origin,
        users: [{ name: 'alice', role: 'admin', password: await hashPassword(password) }],
        oidc: {
          issuer: issuer.issuer,
          clientId: 'sallyport',
          clientSecretFile: file('oidc.secret', `${clientSecret}\n`),
          roles: [{ value: 'platform', role: 'operator' }],
        },
      },
    },
  });
  const curl = [
    'curl',
    '-sS',
    '-m',
    '5',
    '--cacert',
    ca,
    '--resolve',
    `sallyport.test:9440:${gateway4}`,
    '-w',
    '\n%{http_code}',
  ];
  /** Asks from the gateway's own namespace; answers status, head and body. */
  const ask = async (path: string, ...args: string[]) => {
    const prefix = insidePrefix(lab.gatewayNamespace);
    const command = [...prefix, ...curl, '-i', ...args, `${origin}${path}`];
    const { stdout } = await execute(command[0]!, command.slice(1));
    return { status: Number(stdout.slice(-3)), text: stdout };
  };
  const sallyport = async (...args: string[]) =>
    execute(process.execPath, [join(root, 'main.ts'), ...args, '--state', gateway.stateDirectory]);
  const bearer = (token: string) => ['-H', `authorization: Bearer ${token}`];
  const secrets: string[] = [password, clientSecret];
  const create = async (...args: string[]): Promise<string> => {
    const { stdout } = await sallyport('token', 'create', '--label', 'e2e', ...args);
    secrets.push(stdout.trim().slice(-43));
    return stdout.trim();
  };

  const [admin, lost] = [
    await create('--role', 'admin'),
    await create('--role', 'viewer', '--owner', 'acme'),
  ];
  t.test('a token made by command is let in over TLS, until it is revoked', async (t) => {
    t.equal((await ask('/v1/me')).status, 401);
    t.match(await ask('/v1/me', ...bearer(lost)), {
      status: 200,
      text: /"role":"viewer","owners":\["acme"\]/,
    });
    t.equal((await ask('/v1/policy', ...bearer(lost))).status, 403);
    t.match(await ask('/v1/policy', ...bearer(admin)), { status: 200, text: /allowed\.example\.com/ });
    await sallyport('token', 'revoke', lost);
    t.equal((await ask('/v1/me', ...bearer(lost))).status, 401);
    t.equal((await ask('/metrics')).status, 200, 'metrics ask for none');
  });

  t.test('somebody logs in with a password, cuts a runner off, and it is in the audit log', async (t) => {
    const body = ['-H', 'content-type: application/json', '-H', `origin: ${origin}`, '-d'];
    const entered = await ask('/v1/login', ...body, JSON.stringify({ user: 'alice', password }));
    t.equal(entered.status, 200);
    const [, cookie = ''] = /set-cookie: __Host-sallyport=([\w-]{43});/i.exec(entered.text) ?? [];
    const [, word = ''] = /"writeWord":"([\w-]{43})"/.exec(entered.text) ?? [];
    secrets.push(cookie, word);
    const page = ['-b', `__Host-sallyport=${cookie}`, '-H', `x-sallyport-write: ${word}`];
    const cut = JSON.stringify({ runner: lab.runner().v4, seconds: 1, reason: 'looks odd' });
    t.equal((await ask('/v1/quarantine', '-b', `__Host-sallyport=${cookie}`, ...body, cut)).status, 403);
    t.equal((await ask('/v1/quarantine', ...page, ...body, cut)).status, 200);
    const { text } = await ask('/v1/audit?limit=10', ...bearer(admin));
    const { items } = JSON.parse(/\{"items".*\}/.exec(text)![0]) as { items: object[] };
    t.match(items, [
      {
        actor: 'user:alice',
        action: 'POST /v1/quarantine',
        target: lab.runner().v4,
        reason: 'looks odd',
        outcome: 'done',
      },
      { actor: 'user:alice', action: 'POST /v1/quarantine', outcome: 'refused' },
      { actor: 'nobody', action: 'POST /v1/login', target: 'user:alice', outcome: 'done' },
      { actor: 'local:root', action: 'token revoke', outcome: 'done' },
      { actor: 'local:root', action: 'token create', outcome: 'done' },
      { actor: 'local:root', action: 'token create', outcome: 'done' },
    ]);
  });

  t.test('somebody logs in by an issuer that the gateway reaches as it reaches servers', async (t) => {
    const begun = await ask('/v1/login/oidc');
    t.equal(begun.status, 302);
    const [, cookie = ''] = /set-cookie: (__Host-sallyport-oidc=[\w-]{43});/i.exec(begun.text) ?? [];
    const sent = new URL(/location: (\S+)/i.exec(begun.text)?.[1] ?? '');
    issuer.nonce = sent.searchParams.get('nonce') ?? '';
    const state = sent.searchParams.get('state');
    const done = await ask(`/v1/login/oidc/callback?code=c0de-canary&state=${state}`, '-b', cookie);
    t.equal(done.status, 200, done.text);
    const [, login = ''] = /set-cookie: (__Host-sallyport=[\w-]{43});/i.exec(done.text) ?? [];
    secrets.push(login.slice(-43), cookie.slice(-43), 'c0de-canary');
    t.match(await ask('/v1/me', '-b', login), { status: 200, text: /"name":"oidc:dana","role":"operator"/ });
    t.match(issuer.forms, [/^Basic .*code=c0de-canary/]);
  });

  t.test(
    'a runner reaches the operator’s side neither with a valid token nor by any way of its own',
    async (t) => {
      await sleep(1_500);
      t.equal(
        (await lab.curl(['-sS', '-m', '10', '-o', '/dev/null', 'https://allowed.example.com/'])).code,
        0,
        'it is not cut off',
      );
      const token = bearer(admin);
      for (const args of [
        ['--cacert', ca, '--resolve', `sallyport.test:9440:${gateway4}`, `${origin}/v1/me`],
        ['-k', `https://${gateway4}:9440/v1/me`],
        ['-k', `https://[::ffff:${gateway4}]:9440/v1/me`],
        ['-k', `https://127.0.0.1:9440/v1/me`],
        ['-k', '--connect-to', `::${gateway4}:9440`, 'https://allowed.example.com/v1/me'],
      ]) {
        const { code, stdout } = await lab.curl(['-sS', '-m', '3', ...token, ...args]);
        t.not(code, 0, args.join(' '));
        t.notMatch(stdout, /"role"/);
      }
      // Through the proxy, by the gateway's own address: it dials none of its own.
      const through = await lab.curl(['-sS', '-m', '5', ...token, '-k', `https://${gateway4}/v1/me`]);
      t.notMatch(through.stdout, /"role"/);
      t.equal((await ask('/v1/me', ...token)).status, 200, 'who may is let in meanwhile');
    },
  );

  t.test('another certificate is taken without a restart, tokens outlive control', async (t) => {
    const other = new TestAuthority('operators, later');
    const next = other.issue(['sallyport.test']);
    file('op.pem', next.certificate);
    file('op.key', next.key);
    file('operators.pem', other.certificate);
    const isTaken = async () =>
      (await ask('/v1/me', ...bearer(admin)).catch(() => ({ status: 0 }))).status === 200;
    for (let count = 0; count < 100 && !(await isTaken()); count += 1) await sleep(100);
    t.ok(await isTaken());
    const children = readFileSync(`/proc/${gateway.pid}/task/${gateway.pid}/children`, 'utf8')
      .trim()
      .split(' ');
    const control = children.find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('control.'));
    process.kill(Number(control), 'SIGKILL');
    for (let count = 0; count < 100 && !(await isTaken()); count += 1) await sleep(100);
    t.ok(await isTaken(), 'the certificate of now, and the same token');
    t.equal((await ask('/v1/me', ...bearer(lost))).status, 401, 'what was revoked stays so');
  });

  t.test('nothing that gets in is on disk, in the log or in a metric', async (t) => {
    t.equal(secrets.length, 9);
    const { text: metrics } = await ask('/metrics');
    const places = new Map([['metrics', metrics]]);
    for (const entry of readdirSync(gateway.stateDirectory, { recursive: true, withFileTypes: true }))
      if (entry.isFile()) {
        const path = join(entry.parentPath, entry.name);
        places.set(path, readFileSync(path, 'latin1'));
      }
    t.ok(
      [...places].some(([, text]) => text.includes('looks odd')),
      'the store is among what is looked through',
    );
    for (const [place, text] of places)
      for (const secret of secrets) t.notOk(text.includes(secret), `${place}: ${secret.slice(0, 4)}`);
  });
});
