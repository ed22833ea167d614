// The ways traffic arrives other than gateway mode, with real clients: steer, sidecar, the explicit proxy, and rules in
// the form of iptables.

import t from 'tap';
import { Lab, type LabMode } from '../lab/lab.ts';
import { labAddresses } from '../lab/origins.ts';

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
  { mode: 'gateway', backend: 'iptables', refusal: '403', isRouted: true },
  { mode: 'steer', backend: 'nftables', refusal: '403', isRouted: false },
  { mode: 'steer', backend: 'iptables', refusal: '403', isRouted: false },
  { mode: 'sidecar', backend: 'nftables', refusal: '000', isRouted: true },
  { mode: 'sidecar', backend: 'iptables', refusal: '000', isRouted: true },
  { mode: 'explicit', backend: 'nftables', refusal: '403', isRouted: false },
];

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
    const packet = (port: number) =>
      gateway.findRecord((r) => r.kind === 'packet' && r.destination.port === port, 5000);
    t.match((await packet(22))?.decision, { verdict: 'block', reason: 'no-rule' });
    t.match((await packet(7))?.decision, { verdict: 'allow', rule: 'echo' });
  });
}
