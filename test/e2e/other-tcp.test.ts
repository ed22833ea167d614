// Protocols other than the web's, with real clients: git://, SSH, SMTP with STARTTLS, PostgreSQL. By `network` rules they
// are forwarded by the kernel or, with `direct: true`, relayed unread by the proxy; their neighbours are blocked.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSecureContext, TLSSocket } from 'node:tls';
import t from 'tap';
import type { FlowRecord } from '../../flow/flow.ts';
import { insidePrefix } from '../../netns/gateway-port.ts';
import { runIpBatch } from '../../netns/ip.ts';
import { dialTcp, listenTcp } from '../../netns/socket.ts';
import { makeUserLine } from '../../proxy/proxy-users.ts';
import { explicitPort, waitUntil } from '../lab/gateway.ts';
import { Lab } from '../lab/lab.ts';
import { missingProgram } from '../lab/missing-program.ts';
import { labAddresses } from '../lab/origins.ts';

const [a, b] = ['93.184.217.1', '93.184.217.2'];
const policy = `version: 1
mode: block
http:
  - {id: site, host: allowed.example.com, scheme: [https, http]}
network:
  - {id: git, to: ${a}, port: 9418, direct: true}
  - {id: mail, to: ${a}, port: 2525, direct: true}
  - {id: db, to: ${a}, port: 5432, direct: true}
  - {id: late-ssh, to: ${a}, port: 443, direct: true}
  - {id: forwarded, to: ${a}, port: 22}
`;

t.setTimeout(90_000);

/** Servers of the internet, on both addresses; what reaches them is counted. */
class Servers {
  readonly #lab: Lab;
  readonly #servers: Server[] = [];
  readonly #children: ReturnType<typeof spawn>[] = [];
  /** \`address port\` of each connection. */
  readonly reached: string[] = [];

  constructor(lab: Lab) {
    this.#lab = lab;
    runIpBatch(
      lab.topology.internet,
      [a, b].map((address) => `addr add ${address}/32 dev lo`),
    );
  }

  async listen(port: number, serve: (socket: Socket) => void, addresses = [a, b]): Promise<void> {
    for (const address of addresses) {
      const server = createServer((socket) => {
        this.reached.push(`${address} ${port}`);
        socket.on('error', () => socket.destroy());
        serve(socket);
      });
      server.listen({ fd: listenTcp(this.#lab.topology.internet, address, port) });
      await once(server, 'listening');
      this.#servers.push(server);
    }
  }

  async startGit(): Promise<void> {
    const base = join(this.#lab.directory, 'git');
    execFileSync('git', ['init', '-q', join(base, 'work')]);
    const git = ['-c', 'user.name=t', '-c', 'user.email=t@example.com', '-C', join(base, 'work')];
    execFileSync('git', [...git, 'commit', '-q', '--allow-empty', '-m', 'over git']);
    const [command, ...prefix] = insidePrefix(this.#lab.topology.internet);
    const daemon = ['git', 'daemon', `--base-path=${base}`, '--export-all', '--reuseaddr'];
    for (const address of [a, b])
      this.#children.push(
        spawn(command!, [...prefix, ...daemon, `--listen=${address}`], { stdio: 'ignore' }),
      );
    for (const address of [a, b]) {
      let isUp = false;
      for (let attempt = 0; attempt < 100 && !isUp; attempt++) {
        const socket = dialTcp(this.#lab.topology.internet, address, 9418);
        socket.on('error', () => {});
        await waitUntil(() => socket.readyState === 'open' || socket.destroyed, 50);
        isUp = socket.readyState === 'open';
        socket.destroy();
      }
    }
  }

  close(): void {
    for (const server of this.#servers) server.close();
    for (const child of this.#children) child.kill('SIGKILL');
  }
}

/** RFC 3207: a mail server that offers STARTTLS and says after it that it was reached. */
function serveMail(lab: Lab): (socket: Socket) => void {
  const { certificate, key } = lab.origins.authority.issue(['mail.example.com']);
  const secureContext = createSecureContext({ cert: certificate, key });
  const speak = (socket: Socket, isSecure: boolean): void => {
    const onLine = (bytes: Buffer): void => {
      const line = bytes.toString('latin1').toUpperCase();
      if (line.startsWith('EHLO')) socket.write(isSecure ? '250 hello\r\n' : '250-hello\r\n250 STARTTLS\r\n');
      else if (line.startsWith('NOOP')) socket.write('250 secured\r\n');
      else if (line.startsWith('QUIT')) socket.end('221 bye\r\n');
      else if (line.startsWith('STARTTLS')) {
        socket.removeListener('data', onLine);
        socket.write('220 go\r\n');
        const secured = new TLSSocket(socket, { isServer: true, secureContext });
        secured.on('error', () => secured.destroy());
        speak(secured, true);
      }
    };
    socket.on('data', onLine);
  };
  return (socket) => {
    socket.write('220 mail.example.com\r\n');
    speak(socket, false);
  };
}

const mailScript = `import smtplib, ssl, sys
mail = smtplib.SMTP(sys.argv[1], 2525, timeout=float(sys.argv[2]))
context = ssl.create_default_context(cafile=sys.argv[3])
mail._host = 'mail.example.com'
mail.starttls(context=context)
print(mail.noop())
mail.quit()
`;

// PostgreSQL's protocol, 55.2 and 55.7: no TLS, then an error that names the server.
function servePostgres(socket: Socket): void {
  socket.on('data', (bytes) => {
    if (bytes.length === 8) return void socket.write('N');
    const fields = Buffer.from('SFATAL\0C28000\0Mthis is the database\0\0');
    const head = Buffer.alloc(5, 'E');
    head.writeUInt32BE(4 + fields.length, 1);
    return void socket.end(Buffer.concat([head, fields]));
  });
}

const isFlow =
  (address: string, port: number, verdict: 'allow' | 'block', kind: FlowRecord['kind'] = 'connection') =>
  (record: FlowRecord): boolean =>
    record.kind === kind &&
    record.phase === 'closed' &&
    record.destination.address === address &&
    record.destination.port === port &&
    record.decision.verdict === verdict;

t.test(
  'git, SSH, SMTP with STARTTLS and PostgreSQL in gateway mode',
  { skip: missingProgram('ssh-keyscan', 'psql', 'python3') },
  async (t) => {
    const lab = await Lab.open();
    t.teardown(() => lab.close());
    const servers = new Servers(lab);
    t.teardown(() => servers.close());
    let [heard, connections] = [0, 0];
    const banner = (socket: Socket): void => {
      connections++;
      socket.write('SSH-2.0-lab\r\n');
      socket.on('data', (bytes) => {
        heard += bytes.length;
        // All that a client says by itself has come by then.
        setTimeout(() => socket.end(), 200);
      });
    };
    await servers.listen(22, banner);
    await servers.listen(443, banner);
    await servers.listen(2525, serveMail(lab));
    await servers.listen(5432, servePostgres);
    await servers.startGit();
    const gateway = await lab.startGateway(policy);
    const script = join(lab.directory, 'mail.py');
    writeFileSync(script, mailScript);
    const mail = (address: string, seconds: string) =>
      lab.run(['python3', script, address, seconds, join(lab.directory, 'lab-ca.pem')]);
    const scan = (address: string, port: number) =>
      lab.run(['ssh-keyscan', '-T', '2', '-p', String(port), address]);
    const clone = (address: string) =>
      lab.run(['git', 'clone', '-q', `git://${address}/work`, join(lab.directory, `clone-${address}`)], {
        env: { GIT_TERMINAL_PROMPT: '0' },
      });
    const query = (address: string) =>
      lab.run(['psql', `host=${address} user=x dbname=x connect_timeout=2`, '-c', 'select 1']);

    t.match(await mail(a, '10'), { code: 0, stdout: /250.*secured/ }, 'its own certificate is seen');
    t.match(await clone(a), { code: 0 });
    t.match((await query(a)).stderr, /this is the database/);
    t.match((await scan(a, 22)).stderr, /SSH-2\.0-lab/, 'by the kernel');
    [heard, connections] = [0, 0];
    t.match((await scan(a, 443)).stderr, /SSH-2\.0-lab/, 'on a port that is intercepted');

    for (const [port, rule, protocol] of [
      [2525, 'mail', 'tcp'],
      [9418, 'git', 'tcp'],
      [5432, 'db', 'tcp'],
      [443, 'late-ssh', 'ssh'],
    ] as const) {
      const record = await gateway.findRecord(isFlow(a, port, 'allow'));
      t.match(record, { decision: { rule, enforced: true }, destination: { protocol }, ended: null }, rule);
      t.ok((record?.bytes?.sent ?? 0) > 0 && (record?.bytes?.received ?? 0) > 0, `${rule}: bytes`);
    }
    let scans: FlowRecord[] = [];
    const allOf = async () => (scans = (await gateway.records()).filter(isFlow(a, 443, 'allow'))).length;
    // A connection for each kind of key.
    for (let attempt = 0; attempt < 50 && (await allOf()) < connections; attempt++) await sleep(50);
    const total = (way: 'sent' | 'received') =>
      scans.reduce((sum, { bytes }) => sum + (bytes?.[way] ?? 0), 0);
    t.same([total('sent'), total('received')], [heard, 13 * scans.length], 'the bytes of the wire');
    t.equal((await gateway.findRecord(isFlow(a, 22, 'allow', 'packet'), 5000))?.decision.rule, 'forwarded');

    servers.reached.length = 0;
    const blocked = await Promise.all([mail(b, '1'), clone(b), query(b), scan(b, 22), scan(b, 443)]);
    for (const { code, stdout } of blocked.slice(0, 3)) t.ok(code !== 0 && stdout === '');
    for (const { stderr } of blocked.slice(3)) t.notMatch(stderr, /SSH-2\.0-lab/);
    t.same(servers.reached, [], 'nothing arrived');
    for (const [port, shape] of [
      [9418, /^a git request, \d+ bytes$/],
      [5432, /^a PostgreSQL start, \d+ bytes$/],
    ] as const) {
      const record = await gateway.findRecord(isFlow(b, port, 'block'));
      t.equal(record?.decision.reason, 'direct-address');
      t.match(record?.evidence.find(({ kind }) => kind === 'first-bytes')?.detail, shape);
    }
    t.ok(await gateway.findRecord(isFlow(b, 22, 'block', 'packet'), 5000));
    for (const port of [2525, 443]) t.ok(await gateway.findRecord(isFlow(b, port, 'block')), `${port}`);
  },
);

t.test('the explicit proxy with users, behind a proxy of its own', async (t) => {
  const lab = await Lab.open({ mode: 'explicit' });
  t.teardown(() => lab.close());
  const servers = new Servers(lab);
  t.teardown(() => servers.close());
  lab.origins.names.set('scm.example.com', { a: [a] });
  await servers.listen(22, (socket) => void socket.end('SSH-2.0-lab\r\n'), [a]);
  const asked: string[] = [];
  await servers.listen(
    3128,
    (socket) =>
      void socket.once('data', (bytes) => {
        const head = bytes.toString('latin1');
        asked.push(head);
        const [, address = '', port = ''] = /^CONNECT ([^ :]+):(\d+) /.exec(head) ?? [];
        if (!head.includes('Basic Z3c6Y2FuYXJ5')) return void socket.end('HTTP/1.1 407 no\r\n\r\n');
        const server = dialTcp(lab.topology.internet, address, Number(port));
        server.on('error', () => socket.destroy());
        socket.write('HTTP/1.1 200 ok\r\n\r\n');
        return void socket.pipe(server).pipe(socket);
      }),
    [b],
  );
  const secret = join(lab.directory, 'upstream.secret');
  writeFileSync(secret, 'gw:canary\n', { mode: 0o600 });
  const gateway = await lab.startGateway(
    `version: 1
mode: block
http: [{id: site, host: v4only.example.com, scheme: [https, http]}]
network: [{id: scm, host: scm.example.com, port: 22}]
`,
    {
      config: {
        explicit: { users: [await makeUserLine('ci', 'pass:word')] },
        upstreamProxy: { address: `${b}:3128`, credentials: secret, noProxy: ['scm.example.com'] },
      },
    },
  );
  const proxy = ['-x', `http://${lab.topology.gateway4}:${explicitPort}`];
  const known = [...proxy, '-U', 'ci:pass:word'];
  const status = async (...args: string[]) =>
    (await lab.curl(['-o', '/dev/null', '-w', '%{http_code} %{http_connect}', ...args])).stdout;
  t.equal(await status(...known, 'https://v4only.example.com/'), '200 200');
  t.equal(await status(...known, 'http://v4only.example.com/'), '200 000');
  t.same(
    asked.map((head) => head.split('\r\n')[0]),
    [`CONNECT ${labAddresses.web4}:443 HTTP/1.1`, `CONNECT ${labAddresses.web4}:80 HTTP/1.1`],
    'both by the address that was checked',
  );
  t.equal(await status(...proxy, 'https://v4only.example.com/'), '000 407');
  t.equal(await status(...proxy, 'http://v4only.example.com/'), '407 000');
  t.equal(await status(...proxy, '-U', 'ci:wrong', 'http://v4only.example.com/'), '407 000');
  t.equal(
    await status(...known, '--proxy-anyauth', 'http://v4only.example.com/'),
    '200 000',
    'once asked for',
  );
  t.match((await lab.curl([...known, '-p', 'telnet://scm.example.com:22'])).stdout, /SSH-2\.0-lab/);
  t.match(
    await status(...known, '-m1', '-p', 'telnet://scm.example.com:23'),
    /200$/,
    'a tunnel in which nothing is',
  );
  t.ok(servers.reached.every((to) => to !== `${a} 23`));
  const record = await gateway.findRecord(({ decision }) => decision.reason === 'proxy-authentication');
  t.match(record, { kind: 'request', decision: { verdict: 'block', enforced: true } });
  t.equal(
    (
      await gateway.findRecord(
        ({ destination }) => destination.host === 'scm.example.com' && destination.port === 22,
      )
    )?.decision.rule,
    'scm',
  );
  t.notMatch(gateway.segmentText() + gateway.log(), /canary|Y2FuYXJ5|pass:word|cGFzczp3b3Jk/);
});
