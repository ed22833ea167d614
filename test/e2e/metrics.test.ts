// /metrics of a gateway that has seen traffic of every kind, read by Prometheus' own linter.

import { spawnSync } from 'node:child_process';
import t from 'tap';
import { metrics } from '../../flow/meter.ts';
import { Lab } from '../lab/lab.ts';
import { labAddresses } from '../lab/origins.ts';
import { knock, sendPing, sendUdp } from '../lab/packets.ts';

const policy = `version: 1
mode: block
http:
  - {id: site, host: allowed.example.com}
  - {id: plain, host: allowed.example.com, scheme: http}
opaque:
  - {id: sealed, host: www.example.com, reason: a test}
network:
  - {id: echo, host: api.example.com, port: 7}
blocklist: [{hosts: [blocked.example.net]}]
`;
const hasPromtool = spawnSync('which', ['promtool']).status === 0;

t.test('the metrics of a busy gateway pass promtool, and none is missing', async (t) => {
  const lab = await Lab.open();
  t.teardown(() => lab.close());
  const gateway = await lab.startGateway(policy, { workers: 2 });
  const { namespace } = lab.runner();
  const urls = ['https://allowed.example.com/', 'http://allowed.example.com/', 'https://www.example.com/'];
  for (const url of [...urls, 'https://other.example.net/', 'https://blocked.example.net/'])
    await lab.curl(['-s', '-m', '5', '-o', '/dev/null', url]);
  await lab.run(['bash', '-c', 'exec 3<>/dev/tcp/api.example.com/7']);
  for (const address of [labAddresses.other4, labAddresses.other6]) {
    await knock(namespace, address, 22, undefined, 100);
    sendUdp(namespace, address, 443, 'x');
    sendPing(namespace, address);
  }
  const counted = /^sallyport_flows_total\{kind="packet",protocol="icmp"[^}]*\} [1-9]/m;
  let body = '';
  // The runner's IPv4 and IPv6 address, to one of the workers.
  const pinned = /^sallyport_set_elements\{set="pin"\} [2-9]/m;
  for (let i = 0; i < 60 && !(counted.test(body) && pinned.test(body)); i++) {
    await lab.run(['sleep', '0.1']);
    ({ body } = await gateway.operator('/metrics'));
  }
  for (const kind of ['dns', 'connection', 'request', 'packet'])
    t.match(body, new RegExp(`^sallyport_flows_total\\{kind="${kind}"[^}]*\\} [1-9]`, 'm'), kind);
  t.match(body, pinned);
  for (const name of Object.keys(metrics)) t.match(body, `# TYPE ${name} `, name);
  const names = ['allowed.example.com', labAddresses.other4, lab.runner().v4];
  for (const name of names) t.notMatch(body, name, 'no label is a host, address or runner');
  const skip = hasPromtool ? false : 'promtool is not installed (Debian: prometheus)';
  await t.test('promtool has nothing to say', { skip }, async (t) => {
    const linted = spawnSync('promtool', ['check', 'metrics'], { input: body, encoding: 'utf8' });
    t.equal(`${linted.stdout}${linted.stderr}`, '');
    t.equal(linted.status, 0);
  });
});
