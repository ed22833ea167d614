// A runner that the operator cuts off, and packets whose source is nobody's: neither get anywhere, both are recorded.

import { statSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { runIpBatch } from '../../netns/ip.ts';
import { postAction } from '../../serve.ts';
import { Lab } from '../lab/lab.ts';
import { waitUntil, type LabGateway } from '../lab/gateway.ts';
import { labAddresses } from '../lab/origins.ts';
import { knock, sendUdp } from '../lab/packets.ts';

const both = `to: [${labAddresses.web4}/32, "${labAddresses.web6}/128"], port: 7`;
const policy = `version: 1
mode: block
http:
  - {id: site, host: allowed.example.com}
network:
  - {id: echo, ${both}}
  - {id: echo-udp, ${both}, protocol: udp}
`;
const [forged4, forged6] = ['198.51.100.7', '2a00:1450::7'];

t.setTimeout(90_000);
for (const backend of ['nftables', 'iptables'] as const) {
  t.test(backend, async (t) => {
    const lab = await Lab.open({ runners: 2 });
    t.teardown(() => lab.close());
    const { namespace, v4, v6 } = lab.runner(0);
    const arrivedFrom = (...sources: string[]) =>
      lab.capture.packets().filter(({ source }) => sources.includes(source));
    const forge = () => {
      sendUdp(namespace, labAddresses.web4, 7, 'forged', forged4);
      sendUdp(namespace, labAddresses.web6, 7, 'forged', forged6);
    };
    runIpBatch(namespace, [`addr add ${forged4}/32 dev lo`, `addr add ${forged6}/128 dev lo nodad`]);
    forge();
    t.ok(
      await waitUntil(() => arrivedFrom(forged4, forged6).length === 2),
      'forged packets arrive without a gateway',
    );
    const gateway = await lab.startGateway(policy, { config: { kernel: { backend } } });

    await t.test('a source that is no runner’s gets nowhere and is recorded as spoofed', async (t) => {
      lab.capture.clear();
      forge();
      for (const forged of [forged4, forged6]) {
        const record = await gateway.findRecord((r) => r.kind === 'packet' && r.runner === forged, 5000);
        t.match(
          record?.decision,
          { verdict: 'block', enforced: true, reason: 'spoofed-source', rule: null },
          forged,
        );
      }
      t.same(arrivedFrom(forged4, forged6), [], 'nothing arrived');
    });
    await t.test('a quarantined runner reaches nothing until it is lifted, and others go on', (t) =>
      testQuarantine(t, lab, gateway, { namespace, v4, v6 }),
    );
  });
}

async function testQuarantine(
  t: Test,
  lab: Lab,
  gateway: LabGateway,
  runner: { readonly namespace: string; readonly v4: string; readonly v6: string },
): Promise<void> {
  const { namespace, v4, v6 } = runner;
  const socket = join(gateway.stateDirectory, 'operator.sock');
  const quarantine = (address: string, seconds: number) =>
    postAction(socket, '/v1/quarantine', { runner: address, seconds, reason: 'a test' });
  const curl = ['-m', '1.5', '-o', '/dev/null', '-w', '%{http_code}', 'https://allowed.example.com/'];
  const status = async (index: number) => (await lab.curl(curl, index)).stdout;

  t.equal(statSync(socket).mode & 0o777, 0o600, 'root alone may ask for it');
  await t.rejects(quarantine(`${v4}/24`, 60), { code: 'kernel' }, 'no address');
  await t.rejects(
    postAction(socket, '/v1/quarantine', { runner: v4, seconds: 60 }),
    { code: 'kernel' },
    'no reason',
  );
  t.equal(await status(0), '200');
  // The runner must know its gateway's link address already: it cannot learn it afterwards.
  for (const address of [labAddresses.web4, labAddresses.web6])
    await knock(namespace, address, 7, undefined, 100);
  for (const address of [v4, v6]) await quarantine(address, 60);
  lab.capture.clear();

  t.equal(await status(0), '000', 'what policy allows does not pass');
  for (const address of [labAddresses.web4, labAddresses.web6]) {
    await knock(namespace, address, 7, undefined, 200);
    sendUdp(namespace, address, 7, 'x');
  }
  t.equal(await status(1), '200', 'another runner goes on');
  for (const [source, port, protocolNumber] of [
    [v4, 7, 6],
    [v4, 7, 17],
    [v6, 7, 6],
    [v6, 7, 17],
    [v4, 53, 17],
  ] as const) {
    const record = await gateway.findRecord(
      ({ kind, runner: from, destination, packet, decision }) =>
        kind === 'packet' &&
        from === source &&
        destination.port === port &&
        packet?.protocolNumber === protocolNumber &&
        decision.verdict === 'block',
      5000,
    );
    const expected = { verdict: 'block', enforced: true, reason: 'quarantine' };
    t.match(record?.decision, expected, `${source} ${port}/${protocolNumber}`);
  }
  const own = lab.capture.packets().filter(({ source }) => source === v4 || source === v6);
  t.same(own, [], 'nothing of it arrived');
  t.match((await gateway.operator('/metrics')).body, /^sallyport_set_elements\{set="quarantine"\} 2$/m);

  for (const address of [v4, v6]) await quarantine(address, 0);
  t.equal(await status(0), '200', 'lifted');
}
