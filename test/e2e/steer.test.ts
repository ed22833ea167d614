// Steer mode with virtual addresses: runners that reach the gateway alone speak SSH, git and PostgreSQL to named
// hosts, over IPv4 and IPv6, and reach nothing else by them.

import { execFileSync } from 'node:child_process';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { runIpBatch } from '../../netns/ip.ts';
import { dialTcp, listenTcp } from '../../netns/socket.ts';
import { Lab } from '../lab/lab.ts';
import { missingProgram } from '../lab/missing-program.ts';
import { labAddresses } from '../lab/origins.ts';
import { SshServers } from '../lab/ssh-servers.ts';

const pool = ['10.77.128.0/24', 'fd77::8:0/112'];
const policy = `version: 1
mode: block
http:
  - {id: web, host: [allowed.example.com, git-a.example.com]}
  - {id: mixed, host: mail.example.com, port: 2525}
network:
  - {id: ssh, host: [git-a.example.com, git-b.example.com], port: 22}
  - {id: db, host: db.example.com, port: 5432}
  - {id: mail, host: mail.example.com, port: [25, 2525]}
scopes:
  - {id: narrow, match: {repo: acme/other}, network: {id: not-a, host: git-a.example.com, action: block}}
`;
const a = { v4: '93.184.217.1', v6: '2606:2800:220:2::1' };
const b = { v4: '93.184.217.2', v6: '2606:2800:220:2::2' };

/** A server that says who it is before the client says anything, or once it has. */
async function serve(
  lab: Lab,
  address: string,
  port: number,
  first: string,
  then?: (bytes: Buffer) => Buffer,
) {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    if (first !== '') socket.write(first);
    socket.on('data', (bytes) => {
      if (then !== undefined) socket.write(then(bytes));
    });
  });
  server.listen({ fd: listenTcp(lab.topology.internet, address, port) });
  await once(server, 'listening');
  return server;
}

// PostgreSQL's protocol, 55.2 and 55.7: `N` to the question for TLS, then an error that names the server.
function answerPostgres(bytes: Buffer): Buffer {
  if (bytes.length === 8) return Buffer.from('N');
  const fields = Buffer.from('SFATAL\0C28000\0Mthis is db.example.com\0\0');
  const head = Buffer.alloc(5, 'E');
  head.writeUInt32BE(4 + fields.length, 1);
  return Buffer.concat([head, fields]);
}

t.setTimeout(120_000);
for (const backend of ['nftables', 'iptables'] as const) {
  t.test(`virtual addresses with ${backend}`, { skip: missingProgram('sshd', 'ssh-keyscan') }, async (t) => {
    const lab = await Lab.open({ mode: 'steer', runners: 3 });
    const ssh = new SshServers(lab);
    t.teardown(async () => {
      ssh.close();
      await lab.close();
    });
    const hosts = { a: await ssh.start('a', [a.v4, a.v6]), b: await ssh.start('b', [b.v4, b.v6]) };
    runIpBatch(lab.topology.internet, ['addr add 93.184.217.3/32 dev lo', 'addr add 93.184.217.4/32 dev lo']);
    const stubs = [
      await serve(lab, '93.184.217.3', 5432, '', answerPostgres),
      await serve(lab, '93.184.217.4', 25, '220 mail.example.com\r\n'),
      await serve(lab, '93.184.217.4', 2525, '220 also.example.com\r\n'),
    ];
    t.teardown(() => stubs.forEach((stub) => stub.close()));
    const { names } = lab.origins;
    names.set('git-a.example.com', { a: [a.v4], aaaa: [a.v6] });
    names.set('git-b.example.com', { a: [b.v4], aaaa: [b.v6] });
    names.set('db.example.com', { a: ['93.184.217.3'] });
    names.set('mail.example.com', { a: ['93.184.217.4'] });
    const jobs = [
      { repository: 'acme/app', addresses: [lab.runner(0).v4, lab.runner(0).v6] },
      { repository: 'acme/other', addresses: [lab.runner(1).v4, lab.runner(1).v6] },
    ];
    const config = { kernel: { backend, keepOnExit: true }, steer: { pool } };
    const gateway = await lab.startGateway(policy, { jobs, config });
    const dig = async (name: string, type: string, runner = 0) =>
      (await lab.run(['dig', '+short', '+time=3', '+tries=1', name, type], { runner })).stdout.trim();
    const keyscan = async (family: '-4' | '-6', name: string) => {
      const { stdout } = await lab.run(['ssh-keyscan', family, '-T', '8', '-t', 'ed25519', name]);
      return stdout.trim().split(' ').slice(1).join(' ');
    };
    /** How a connection fails, by bash: `refused`, or what else it says; and the first bytes when it does not. */
    const connect = async (address: string, port: number, runner = 0) => {
      const command = `exec 3<>/dev/tcp/${address}/${port} && head -c 8 <&3`;
      const { stdout, stderr } = await lab.run(['timeout', '6', 'bash', '-c', command], { runner });
      return /refused/i.test(stderr) ? 'refused' : stdout || stderr.trim() || 'nothing';
    };

    await t.test('each name has an address of its own, in both families', async (t) => {
      const [a4, b4, a6, b6] = [
        await dig('git-a.example.com', 'A'),
        await dig('git-b.example.com', 'A'),
        await dig('git-a.example.com', 'AAAA'),
        await dig('git-b.example.com', 'AAAA'),
      ];
      t.match(a4, /^10\.77\.128\.\d+$/);
      t.match(b4, /^10\.77\.128\.\d+$/);
      t.not(a4, b4);
      t.match(a6, /^fd77::8:[0-9a-f]+$/);
      t.match(b6, /^fd77::8:[0-9a-f]+$/);
      t.not(a6, b6);
      t.equal(await dig('allowed.example.com', 'A'), lab.topology.gateway4, 'the web needs none');
      t.equal(await dig('allowed.example.com', 'AAAA'), lab.topology.gateway6);
    });

    await t.test('SSH reaches the host of the name', async (t) => {
      for (const family of ['-4', '-6'] as const) {
        t.equal(await keyscan(family, 'git-a.example.com'), hosts.a.hostKey, family);
        t.equal(await keyscan(family, 'git-b.example.com'), hosts.b.hostKey, family);
      }
      const command = `ssh -i ${ssh.clientKey} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null`;
      const url = `ssh://root@git-a.example.com${ssh.repository}`;
      const { code, stderr } = await lab.run(['git', 'ls-remote', url], {
        env: { GIT_SSH_COMMAND: command },
      });
      t.equal(code, 0, stderr);
      const record = await gateway.findRecord(
        (r) => r.kind === 'connection' && r.phase === 'closed' && r.destination.host === 'git-b.example.com',
      );
      t.match(record, {
        destination: { host: 'git-b.example.com', port: 22, address: b.v6, protocol: 'ssh' },
        decision: { verdict: 'allow', rule: 'ssh', reason: 'rule' },
        job: { repository: 'acme/app' },
      });
      t.ok((record?.bytes?.sent ?? 0) > 500 && (record?.bytes?.received ?? 0) > 500, 'with its bytes');
    });

    await t.test('whoever speaks first', { skip: missingProgram('psql') }, async (t) => {
      const psql = await lab.run(['psql', '-w', 'host=db.example.com user=x dbname=x connect_timeout=5']);
      t.match(psql.stderr, /this is db\.example\.com/);
      t.equal(await connect('mail.example.com', 25), '220 mail');
      t.equal(await connect('mail.example.com', 2525), '220 also', 'on a port of an http rule');
    });

    await t.test(
      '[steer-other-name] the web of the same name works beside it, and only as that name',
      async (t) => {
        const status = async (...args: string[]) =>
          (await lab.curl(['-k', '-o', '/dev/null', '-w', '%{http_code}', ...args])).stdout;
        names.set('git-a.example.com', { a: [labAddresses.web4], aaaa: [labAddresses.web6] });
        t.equal(await status('https://allowed.example.com/'), '200');
        const virtual = await dig('git-a.example.com', 'A');
        t.equal(
          await status('--resolve', `allowed.example.com:443:${virtual}`, 'https://allowed.example.com/'),
          '000',
          'another name by this address',
        );
        const record = await gateway.findRecord(
          (r) => r.kind === 'connection' && r.decision.reason === 'misdirected',
        );
        t.equal(record?.destination.host, 'git-a.example.com');
      },
    );

    await t.test('[steer-other-port] nothing else answers on the pool, at once', async (t) => {
      const [a4, a6, db] = [
        await dig('git-a.example.com', 'A'),
        await dig('git-a.example.com', 'AAAA'),
        await dig('db.example.com', 'A'),
      ];
      const free = ['10.77.128.7', '10.77.128.8', '10.77.128.9'].find((one) => ![a4, db].includes(one))!;
      for (const [address, port] of [
        [a4, 23],
        [a4, 80],
        [a6, 2222],
        [db, 443],
        [db, 22],
        [db, 53],
        [a4, 9441],
        [free, 22],
        [free, 443],
      ] as const)
        t.equal(await connect(address, port), 'refused', `${address} ${port}`);
      t.not((await lab.run(['ping', '-c', '1', '-W', '1', a4])).code, 0, 'not even to ping');
      const record = await gateway.findRecord(
        (r) => r.kind === 'packet' && r.destination.address === a4 && r.destination.port === 23,
      );
      t.match(record?.decision, { verdict: 'block', reason: 'direct-port' });
    });

    await t.test(
      '[steer-other-runner] an address that was given to another runner opens nothing',
      async (t) => {
        const a4 = await dig('git-a.example.com', 'A');
        t.equal(await connect(a4, 22, 1), 'refused', 'its policy forbids the name');
        t.equal(await connect(a4, 22, 2), 'refused', 'it did not ask');
        t.equal(await dig('git-a.example.com', 'A', 1), lab.topology.gateway4, 'a blocked name has none');
        t.match(await dig('git-b.example.com', 'A', 1), /^10\.77\.128\./, 'one that it may reach has');
        t.equal(await connect('git-b.example.com', 22, 1), 'SSH-2.0-');
      },
    );

    await t.test('a reload that forbids a name ends what is open, and opens nothing more', async (t) => {
      const mail = await dig('mail.example.com', 'A');
      const socket = dialTcp(lab.runner().namespace, mail, 25);
      socket.on('error', () => {});
      await once(socket, 'data');
      const closed = once(socket, 'close');
      const without = policy.split('\n').filter((line) => !line.includes('mail.example.com'));
      await gateway.reload(without.join('\n'));
      await closed;
      const isRefused = async () => (await connect(mail, 25)) === 'refused';
      for (let i = 0; i < 40 && !(await isRefused()); i++) await sleep(100);
      t.ok(await isRefused());
      t.equal(await dig('mail.example.com', 'A'), lab.topology.gateway4);
      await gateway.reload(policy);
    });

    await t.test('addresses outlive worker and keeper', async (t) => {
      const before = await Promise.all(
        ['git-a', 'git-b', 'db'].map((name) => dig(`${name}.example.com`, 'A')),
      );
      await gateway.kill();
      await lab.startGateway(policy, { jobs, config, state: gateway.stateDirectory });
      t.equal(await connect(before[1]!, 22), 'SSH-2.0-', 'what was known goes on without another question');
      const after = await Promise.all(
        ['db', 'git-b', 'git-a'].map((name) => dig(`${name}.example.com`, 'A')),
      );
      t.same(after.toReversed(), before);
    });

    if (backend === 'iptables')
      await t.test(
        '[steer-after-ttl] an address whose time has passed in the kernel opens nothing',
        async (t) => {
          const b4 = await dig('git-b.example.com', 'A');
          t.equal(await connect(b4, 22), 'SSH-2.0-');
          // As when the elements' time ends, which nobody can wait for; the keeper would put them back soon.
          execFileSync('ip', ['netns', 'exec', lab.topology.gateway, 'ipset', 'flush', 'sallyport-bound4']);
          t.equal(await connect(b4, 22), 'refused');
        },
      );

    await t.test('nothing is left of them when the gateway stops', async (t) => {
      await lab.gateway.stop();
      const left = (...args: string[]) =>
        execFileSync('ip', ['-n', lab.topology.gateway, ...args], { encoding: 'utf8' });
      t.notMatch(
        left('route', 'show', 'table', 'local'),
        /10\.77\.128/,
        'the route is gone with the gateway',
      );
      t.notMatch(left('-6', 'addr', 'show', 'dev', 'runners0'), /fd77::8:/, 'and the addresses are');
    });
  });
}

t.test('[steer-pool-flood] names without end use up one runner’s share, and say so', async (t) => {
  const lab = await Lab.open({ mode: 'steer', runners: 2 });
  t.teardown(() => lab.close());
  const gateway = await lab.startGateway(
    'version: 1\nmode: block\nnetwork: {id: any, host: "*.wild.example.com", port: 22}\n',
    { config: { steer: { pool: ['10.77.128.0/28'] } } },
  );
  const answers = async (runner: number, from: number) => {
    const names = Array.from({ length: 8 }, (_, i) => `n${from + i}.wild.example.com`);
    const { stdout } = await lab.run(['dig', '+short', '+time=3', '+tries=1', ...names], { runner });
    return stdout.split('\n').filter((line) => line.startsWith('10.77.128.')).length;
  };
  t.equal(await answers(0, 0), 4);
  t.equal(await answers(0, 100), 0);
  t.equal(await answers(1, 200), 4, 'another runner has its own');
  const { stdout } = await lab.run(['dig', '+time=3', '+tries=1', 'n9.wild.example.com']);
  t.match(stdout, /EDE: 15 \(Blocked\).*no-virtual-address/);
  const record = await gateway.findRecord((r) => r.decision.reason === 'no-virtual-address');
  t.match(record?.decision, { verdict: 'block', enforced: true, rule: 'any' });
});
