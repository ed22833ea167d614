// Ways for traffic to arrive that test/bypass does not go through with a gateway of its own: steer with iptables, the
// explicit proxy, a sidecar with either form of rules and its quarantine, and jobs that are declared for a network.

import { join } from 'node:path';
import t from 'tap';
import { postAction } from '../../serve.ts';
import { Lab, type LabMode } from '../lab/lab.ts';
import { labAddresses } from '../lab/origins.ts';
import { knock } from '../lab/packets.ts';

const policy = `version: 1
mode: block
http:
  - {id: site, host: allowed.example.com}
network:
  - {id: echo, to: ${labAddresses.web4}/32, port: 7}
`;
const cases: readonly {
  readonly mode: LabMode;
  readonly backend: 'nftables' | 'iptables';
  /** What curl says of a host without a rule: the status, or that the name is unknown. */
  readonly refusal: string;
  /** Whether runners have a way past the gateway's own addresses. */
  readonly isRouted: boolean;
}[] = [
  { mode: 'steer', backend: 'iptables', refusal: '403', isRouted: false },
  { mode: 'sidecar', backend: 'nftables', refusal: '000', isRouted: true },
  { mode: 'sidecar', backend: 'iptables', refusal: '000', isRouted: true },
  { mode: 'explicit', backend: 'nftables', refusal: '403', isRouted: false },
];

t.setTimeout(120_000);
for (const { mode, backend, refusal, isRouted } of cases) {
  t.test(`${mode} with ${backend}`, async (t) => {
    const lab = await Lab.open({ mode });
    t.teardown(() => lab.close());
    const gateway = await lab.startGateway(policy, { config: { kernel: { backend } } });
    const status = async (...args: string[]) =>
      (await lab.curl(['-m', '5', '-o', '/dev/null', '-w', '%{http_code}', ...args])).stdout;
    const connect = async (address: string, port: number) =>
      (await lab.run(['bash', '-c', `exec 3<>/dev/tcp/${address}/${port} && echo hi >&3 && head -c 2 <&3`]))
        .stdout;

    t.equal(await status('https://allowed.example.com/hello'), '200');
    t.equal(await status('https://other.example.net/'), refusal);
    if (mode !== 'explicit') {
      const direct = [
        '--resolve',
        `other.example.net:443:${isRouted ? labAddresses.other4 : lab.topology.gateway4}`,
      ];
      t.equal(await status(...direct, 'https://other.example.net/named'), '403', 'by its server name');
    }
    t.equal(await connect(labAddresses.web4, 7), isRouted ? 'hi' : '');
    t.equal(await connect(labAddresses.web4, 22), '');
    t.equal(lab.origins.requestsTo('other.example.net').length, 0, 'nothing arrived');
    const request = (host: string) => (r: { kind: string; destination: { host: string | null } }) =>
      r.kind === 'request' && r.destination.host === host;
    t.match((await gateway.findRecord(request('allowed.example.com')))?.decision, {
      verdict: 'allow',
      rule: 'site',
    });
    t.match((await gateway.findRecord(request('other.example.net')))?.decision, {
      verdict: 'block',
      reason: 'no-rule',
    });
    if (!isRouted) return;
    const packet = (port: number, verdict: 'allow' | 'block', reason: string) =>
      gateway.findRecord(
        ({ kind, destination, decision }) =>
          kind === 'packet' &&
          destination.port === port &&
          decision.verdict === verdict &&
          decision.reason === reason,
        5000,
      );
    t.ok(await packet(22, 'block', 'no-rule'));
    t.equal((await packet(7, 'allow', 'rule'))?.decision.rule, 'echo');
    if (mode !== 'sidecar') return;
    // What is redirected to the gateway is local to the job's own namespace: a quarantine stops it all the same.
    const socket = join(gateway.stateDirectory, 'operator.sock');
    await postAction(socket, '/v1/quarantine', { runner: lab.runner().v4, seconds: 60, reason: 'a test' });
    lab.origins.clear();
    for (const address of [labAddresses.web4, `[${labAddresses.web6}]`])
      t.equal(
        await status(
          '-m',
          '1',
          '--resolve',
          `allowed.example.com:443:${address}`,
          'https://allowed.example.com/',
        ),
        '000',
      );
    t.equal(await status('-m', '1', 'https://allowed.example.com/'), '000', 'nor is a name resolved');
    t.equal(lab.origins.requestsTo('allowed.example.com').length, 0);
    for (const port of [443, 53]) t.ok(await packet(port, 'block', 'quarantine'), `${port} recorded`);
  });
}

t.test('a job that is declared for a network meets its own scope in the kernel too', async (t) => {
  const lab = await Lab.open({ runners: 3 });
  t.teardown(() => lab.close());
  const gateway = await lab.startGateway(
    `version: 1
mode: audit
onUnattributed: fleet
network: [{id: ssh, to: [0.0.0.0/0, "::/0"], port: 22}]
scopes: [{id: forks, match: {fork: true}, exclusive: true, mode: block, http: [{host: allowed.example.com}]}]
`,
    {
      jobs: [
        {
          addresses: ['10.77.1.8/30', 'fd77::1:10/127'],
          repository: 'acme/app',
          fork: true,
        },
      ],
    },
  );
  for (const address of [labAddresses.other4, labAddresses.other6]) {
    lab.capture.clear();
    await knock(lab.runner(0).namespace, address, 22);
    t.same(
      lab.capture.packets().filter(({ destination }) => destination === address),
      [],
      'the fork is held',
    );
    const record = await gateway.findRecord(
      (r) => r.kind === 'packet' && r.destination.address === address,
      5000,
    );
    t.match(record?.decision, { verdict: 'block', enforced: true });
  }
  await knock(lab.runner(2).namespace, labAddresses.other4, 22);
  t.ok(
    lab.capture.packets().some(({ destination }) => destination === labAddresses.other4),
    'control: the fleet passes',
  );
});
