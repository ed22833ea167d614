// IPv6 through `sallyport run`, on a host that does not forward it, on one that has no way out for it, and where the
// kernel cannot forward for one interface alone: what is blocked is answered at once and recorded, as IPv4 is.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { runIp } from '../../netns/ip.ts';
import { inNamespace } from '../../netns/socket.ts';
import { readSetting, writeSetting } from '../../netns/sysctl.ts';
import { divertUnforwarded } from '../../netns/unforwarded.ts';
import { Lab } from '../lab/lab.ts';
import { labAddresses, plainPorts, udpPorts } from '../lab/origins.ts';
import { runOnHost, type Ran } from '../lab/run-on-host.ts';

t.setTimeout(90_000);
const { web4, web6, other6 } = labAddresses;
const forwarding = ['ipv4/ip_forward', 'ipv6/conf/all/forwarding'];

/** A lab whose middle namespace is a machine like any other: it forwards nothing. */
async function openHost(): Promise<Lab> {
  const lab = await Lab.open();
  inNamespace(lab.topology.gateway, () => forwarding.forEach((path) => writeSetting(path, '0')));
  return lab;
}

const settingsOf = (lab: Lab): (string | null)[] =>
  inNamespace(lab.topology.gateway, () =>
    ['4/conf/ext0/forwarding', '6/conf/all/forwarding', '6/conf/ext0/force_forwarding'].map((path) =>
      readSetting(`ipv${path}`),
    ),
  );

// Prints what becomes of a TCP connection, or of a datagram that an echo should answer.
const program = `
const dgram = require('node:dgram'), net = require('node:net');
const tcp = (host, port) => new Promise((done) => {
  const socket = net.connect({ host, port, timeout: 3000 });
  for (const event of ['connect', 'error', 'timeout'])
    socket.once(event, (error) => { console.log('tcp', host, port, error?.code ?? event); socket.destroy(); done(); });
});
const udp = (host, port) => new Promise((done) => {
  const socket = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4');
  const end = (what) => { console.log('udp', host, port, what); socket.close(); clearTimeout(timer); done(); };
  const timer = setTimeout(end, 1500, 'silence');
  socket.once('message', () => end('answer'));
  socket.once('error', (error) => end(error.code));
  socket.connect(port, host, () => socket.send('x'));
});
(async () => { for (const [kind, host, port] of JSON.parse(process.argv[1])) await { tcp, udp }[kind](host, port); })();`;
const attempts = (
  ...list: readonly (readonly [kind: 'tcp' | 'udp', host: string, port: number])[]
): string[] => [process.execPath, '-e', program, JSON.stringify(list)];

function packets({ summary }: Ran): string[] {
  return summary.flows
    .filter(({ kind }) => kind === 'packet')
    .map((row) => `${row.verdict} ${row.method} ${row.host} ${row.port} ${row.rule ?? row.reason}`)
    .toSorted();
}

t.test(
  'a host that forwards nothing still answers and records blocked packets, and stays as it was',
  async (t) => {
    const lab = await openHost();
    t.teardown(() => lab.close());
    const before = settingsOf(lab);
    const policy = join(lab.directory, 'v6.yaml');
    writeFileSync(policy, 'version: 1\nmode: block\nhttp: [{id: six, host: v6only.example.com}]\n');
    const curl = 'curl -6 -sS -o /dev/null -w "%{http_code} %{remote_ip}\\n"';
    const [node, ...rest] = attempts(
      ['tcp', web6, plainPorts.ssh],
      ['tcp', web4, plainPorts.ssh],
      ['udp', other6, 9],
    );
    const ran = await runOnHost(
      lab,
      ['--policy', policy],
      [
        'sh',
        '-c',
        `${curl} https://v6only.example.com/; ${curl} https://blocked.example.net/; exec "$@"`,
        'sh',
        node!,
        ...rest,
      ],
    );
    t.match(ran.printed, new RegExp(`^200 ${web6}\n403 fd`));
    t.match(
      ran.printed,
      /tcp 2606\S+ 22 ECONNREFUSED\ntcp 93\S+ 22 ECONNREFUSED\nudp 2a04\S+ 9 ECONNREFUSED\n/,
    );
    t.strictSame(packets(ran), [
      `block TCP ${web6} 22 no-rule`,
      `block TCP ${web4} 22 no-rule`,
      `block UDP ${other6} 9 no-rule`,
    ]);
    t.strictSame(lab.origins.requestsTo('blocked.example.net'), []);
    t.strictSame(lab.origins.bytes, [], 'nothing arrived');
    t.strictSame(settingsOf(lab), before);
  },
);

t.test('a network rule opens IPv6 on such a host, and nothing beside it', async (t) => {
  const lab = await openHost();
  t.teardown(() => lab.close());
  const before = settingsOf(lab);
  const policy = join(lab.directory, 'v6.yaml');
  writeFileSync(
    policy,
    `version: 1\nmode: block\nnetwork: [{id: echo, to: "${web6}", port: 7, protocol: udp}]\n`,
  );
  const ran = await runOnHost(
    lab,
    ['--policy', policy],
    attempts(['udp', web6, udpPorts.echo], ['udp', web6, udpPorts.ntp], ['udp', other6, udpPorts.echo]),
  );
  t.match(ran.printed, /udp 2606\S+ 7 answer\nudp 2606\S+ 123 ECONNREFUSED\nudp 2a04\S+ 7 ECONNREFUSED\n/);
  t.strictSame(
    packets(ran),
    [`allow UDP ${web6} 7 echo`, `block UDP ${web6} 123 no-rule`, `block UDP ${other6} 7 no-rule`].toSorted(),
  );
  t.strictSame(
    lab.origins.bytes.map(({ address, port }) => `${address} ${port}`),
    [`${web6} 7`],
  );
  t.strictSame(settingsOf(lab), before);
});

t.test('on a host without a route for IPv6 it is answered and recorded too', async (t) => {
  const lab = await openHost();
  t.teardown(() => lab.close());
  runIp(['-netns', lab.topology.gateway, '-6', 'route', 'del', 'default']);
  const policy = join(lab.directory, 'v6.yaml');
  writeFileSync(policy, 'version: 1\nmode: block\n');
  const ran = await runOnHost(lab, ['--policy', policy], attempts(['tcp', web6, plainPorts.ssh]));
  t.match(ran.printed, /tcp 2606\S+ 22 ECONNREFUSED/);
  t.strictSame(packets(ran), [`block TCP ${web6} 22 direct-port`]);
  const rules = runIp(['-netns', lab.topology.gateway, '-6', 'rule', 'show']);
  t.notMatch(rules, /iif/, 'no rule of ours is left');
});

t.test(
  'where a kernel cannot forward IPv6 for one interface, its packets end at the gateway itself',
  async (t) => {
    const lab = await openHost();
    t.teardown(() => lab.close());
    divertUnforwarded(lab.topology.gateway, lab.topology.runnerInterface, 6, 'all');
    const gateway = await lab.startGateway(
      'version: 1\nmode: block\nhttp: [{id: six, host: v6only.example.com}]\n',
    );
    const answer = await lab.curl(['-6', 'https://v6only.example.com/']);
    t.equal(answer.code, 0, answer.stderr);
    const refused = await lab.run(attempts(['tcp', web6, plainPorts.ssh], ['tcp', web6, 9441]));
    t.match(refused.stdout, /tcp 2606\S+ 22 ECONNREFUSED\ntcp 2606\S+ 9441 ECONNREFUSED\n/);
    t.ok(
      await gateway.findRecord(
        ({ destination, decision }) => destination.address === web6 && decision.reason === 'direct-port',
      ),
    );
    t.strictSame(lab.origins.bytes, []);
  },
);
