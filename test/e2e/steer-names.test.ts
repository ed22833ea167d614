// Steer mode where runners are pods: the search list of Kubernetes with `ndots:5` as real resolvers walk it, the
// cluster's own names by a forward zone, and networks that have IPv6 alone.

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { runIpBatch } from '../../netns/ip.ts';
import { Lab } from '../lab/lab.ts';
import { missingProgram } from '../lab/missing-program.ts';
import { labAddresses } from '../lab/origins.ts';
import { SshServers } from '../lab/ssh-servers.ts';

const { private4, resolver4 } = labAddresses;
const search = ['ci.svc.cluster.local', 'svc.cluster.local', 'cluster.local'];

t.setTimeout(90_000);
t.test('the search list of a pod, and the names of its cluster', async (t) => {
  const lab = await Lab.open({ mode: 'steer' });
  t.teardown(() => lab.close());
  const { names } = lab.origins;
  names.set('shop.prod.svc.cluster.local', { a: [private4] });
  names.set('vault.prod.svc.cluster.local', { a: [private4] });
  const policy = `version: 1
mode: block
http:
  - {id: site, host: allowed.example.com}
  - {id: cluster, host: "**.svc.cluster.local", except: vault.prod.svc.cluster.local, scheme: http, addresses: 192.168.77.0/24}
  - {id: no-ranges, host: vault.prod.svc.cluster.local, scheme: http}
`;
  const gateway = await lab.startGateway(policy, {
    config: {
      dns: {
        upstreams: [{ address: labAddresses.dns4 }],
        forward: [{ zone: 'cluster.local', upstreams: [{ address: resolver4 }] }],
      },
    },
  });
  const { gateway4, gateway6 } = lab.topology;
  writeFileSync(
    join(lab.directory, 'resolv.conf'),
    `nameserver ${gateway4}\nsearch ${search.join(' ')}\noptions ndots:5 timeout:3 attempts:1\n`,
  );
  /** Answers to A questions for the name and its expansions, in the order in which they were asked. */
  const walked = async (name: string) =>
    (await gateway.records())
      .filter((r) => r.kind === 'dns' && r.phase === 'closed' && r.dns?.type === 'A')
      .filter(({ destination }) => destination.host?.startsWith(name))
      .map(({ destination, dns }) => `${destination.host} ${dns?.rcode}`);
  const expected = (name: string) => [
    ...search.map((domain) => `${name}.${domain} NXDOMAIN`),
    `${name} NOERROR`,
  ];

  await t.test('glibc comes to the name itself at once', async (t) => {
    const { stdout, stderr } = await lab.curl([
      '-o',
      '/dev/null',
      '-w',
      '%{http_code}',
      'https://allowed.example.com/',
    ]);
    t.equal(stdout, '200', stderr);
    t.same([...new Set(await walked('allowed.example.com'))], expected('allowed.example.com'));
  });

  await t.test('musl does', { skip: missingProgram('musl-gcc', 'gcc') }, async (t) => {
    const program = join(lab.directory, 'resolve');
    const source = join(import.meta.dirname, '../lab/resolve.c');
    execFileSync('musl-gcc', ['-static', '-O1', '-o', program, source]);
    const { code, stdout } = await lab.run([program, 'allowed.example.com']);
    t.equal(code, 0, stdout);
    t.same(stdout.trim().split('\n').toSorted(), [gateway4, gateway6]);
    t.same([...new Set(await walked('allowed.example.com'))], expected('allowed.example.com'));
    const blocked = await lab.run([program, 'other.example.net']);
    t.same(
      blocked.stdout.trim().split('\n').toSorted(),
      [gateway4, gateway6],
      'to be told why it is blocked',
    );
  });

  await t.test('a service of the cluster is steered, an expansion of another name is not', async (t) => {
    const { stdout } = await lab.curl([
      '-o',
      '/dev/null',
      '-w',
      '%{http_code}',
      'http://shop.prod.svc.cluster.local/hello',
    ]);
    t.equal(stdout, '200');
    const record = await gateway.findRecord((r) => r.kind === 'request' && r.http?.path === '/hello');
    t.match(record, { decision: { verdict: 'allow', rule: 'cluster' } });
    t.equal(lab.origins.requestsTo('shop.prod.svc.cluster.local').length, 1);
  });

  await t.test('a private address needs a rule with addresses', async (t) => {
    const { stdout } = await lab.run(['dig', '+noall', '+comments', 'vault.prod.svc.cluster.local']);
    t.match(stdout, /status: NXDOMAIN/);
    const record = await gateway.findRecord(
      (r) =>
        r.kind === 'dns' && r.destination.host === 'vault.prod.svc.cluster.local' && r.phase === 'closed',
    );
    t.match(record?.decision, { verdict: 'block', reason: 'rebinding', rule: 'no-ranges' });
  });

  await t.test('no name of the internet was asked of the cluster', (t) => {
    const asked = lab.origins.resolver.asked.map(({ name }) => name);
    t.ok(asked.length > 0);
    t.same(
      asked.filter((name) => !name.endsWith('.svc.cluster.local')),
      [],
    );
    t.end();
  });
});

for (const mode of ['steer', 'gateway'] as const) {
  t.test(
    `runners that have IPv6 alone, ${mode}`,
    { skip: missingProgram('sshd', 'ssh-keyscan') },
    async (t) => {
      const lab = await Lab.open({ mode });
      const ssh = new SshServers(lab);
      t.teardown(async () => {
        ssh.close();
        await lab.close();
      });
      const runner = lab.runner();
      runIpBatch(runner.namespace, [`addr del ${runner.v4}/16 dev eth0`]);
      lab.ipOnGateway([`addr del ${lab.topology.gateway4}/16 dev runners0`]);
      const { gateway6 } = lab.topology;
      lab.useResolver(gateway6);
      const server = await ssh.start('a', mode === 'steer' ? ['93.184.217.1'] : ['2606:2800:220:2::1']);
      lab.origins.names.set(
        'git.example.com',
        mode === 'steer' ? { a: server.addresses } : { aaaa: server.addresses },
      );
      const policy = `version: 1
mode: block
http: [{id: web, host: [allowed.example.com, v4only.example.com]}]
network: [{id: ssh, host: git.example.com, port: 22}]
`;
      const gateway = await lab.startGateway(policy, {
        config: {
          addresses: [gateway6],
          runners: { interfaces: ['runners0'], networks: ['fd77::/64'] },
          ...(mode === 'steer' ? { steer: { pool: ['fd77::8:0/112'] } } : {}),
        },
      });
      const dig = async (name: string, type: string) =>
        (await lab.run(['dig', '+short', '+time=3', '+tries=1', name, type])).stdout.trim();
      const status = async (url: string) =>
        (await lab.curl(['-o', '/dev/null', '-w', '%{http_code}', url])).stdout;

      t.equal(await status('https://allowed.example.com/'), '200');
      t.equal(await status('https://v4only.example.com/'), '200', 'a host that has IPv4 alone');
      t.equal(await dig('v4only.example.com', 'AAAA'), gateway6);
      t.equal(await status('https://other.example.net/'), '403', 'a blocked one is explained');
      if (mode === 'steer')
        t.equal(await dig('allowed.example.com', 'A'), '', 'nobody needs an IPv4 address');
      const { stdout } = await lab.run(['ssh-keyscan', '-T', '8', '-t', 'ed25519', 'git.example.com']);
      t.match(stdout, server.hostKey.split(' ')[1]);
      const record = await gateway.findRecord(
        (r) => r.destination.host === 'git.example.com' && r.kind !== 'dns',
      );
      t.match(record, { runner: runner.v6, decision: { verdict: 'allow', rule: 'ssh' } });
      const sources = (await gateway.records()).map(({ runner: source }) => source);
      t.same(
        sources.filter((source) => !source.includes(':')),
        [],
      );
    },
  );
}
