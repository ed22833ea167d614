// Rules of layers 3 and 4 as packets meet them: by range and by host, TCP, UDP and ICMP, IPv4 and IPv6, in block and in
// audit mode. Each allowed destination has a blocked neighbour; what arrived is judged by a capture in the internet,
// and each attempt must have left the record that the table says.

import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { FlowRecord } from '../../flow/flow.ts';
import { dialTcp } from '../../netns/socket.ts';
import { Lab } from '../lab/lab.ts';
import { labAddresses } from '../lab/origins.ts';
import { askName, knock, sendPing, sendUdp } from '../lab/packets.ts';

const { web4, web6, other4, other6 } = labAddresses;
const rules = `
network:
  - {id: echo, to: [93.184.216.32/29, "2606:2800:220:1::/64"], port: 7}
  - {id: clock, to: [${web4}, "${web6}"], port: 123, protocol: udp}
  - {id: ping, to: [${web4}, "${web6}"], protocol: icmp}
  - {id: span, to: [151.101.0.0/16, "2a04:4e42::/32"], port: "4000-4010", except: [151.101.1.0/29, "2a04:4e42::4/126"]}
  - {id: hole, to: [151.101.9.0/24, "2a04:4e42:9::/48"], port: 4005, action: block}
  - {id: scm, host: api.example.com, port: 22}
  - {id: stun, host: www.example.com, port: 3478, protocol: udp}
`;
/** Not in the lab's first addresses: nobody answers there, the capture sees the packet all the same. */
const far = { hole4: '151.101.9.9', hole6: '2a04:4e42:9::9', next4: '151.101.8.9', next6: '2a04:4e42:8::9' };

type Row = readonly [protocol: 'tcp' | 'udp' | 'icmp', address: string, port: number, outcome: string];

/** In block mode; `would` in place of `block` where audit lets it through. */
const byRange: readonly Row[] = [
  ['tcp', web4, 7, 'allow echo'],
  ['tcp', '93.184.216.39', 7, 'allow echo'],
  ['tcp', '93.184.216.40', 7, 'block no-rule'],
  ['tcp', web4, 8, 'block no-rule'],
  ['udp', web4, 7, 'block no-rule'],
  ['tcp', web6, 7, 'allow echo'],
  ['tcp', '2606:2800:220:1:ffff::1', 7, 'allow echo'],
  ['tcp', '2606:2800:220:2::34', 7, 'block no-rule'],
  ['tcp', web6, 8, 'block no-rule'],
  ['udp', web6, 7, 'block no-rule'],
  ['udp', web4, 123, 'allow clock'],
  ['udp', web6, 123, 'allow clock'],
  ['udp', other4, 123, 'block no-rule'],
  ['udp', other6, 123, 'block no-rule'],
  ['udp', web4, 124, 'block no-rule'],
  ['tcp', web6, 123, 'block no-rule'],
  ['icmp', web4, 0, 'allow ping'],
  ['icmp', web6, 0, 'allow ping'],
  ['icmp', other4, 0, 'block no-rule'],
  ['icmp', other6, 0, 'block no-rule'],
  ['tcp', far.next4, 4000, 'allow span'],
  ['tcp', far.next6, 4010, 'allow span'],
  ['tcp', far.next4, 3999, 'block no-rule'],
  ['tcp', far.next6, 4011, 'block no-rule'],
  ['tcp', '151.101.1.7', 4000, 'block no-rule'],
  ['tcp', '151.101.1.8', 4000, 'allow span'],
  ['tcp', other6, 4000, 'block no-rule'],
  ['tcp', '2a04:4e42::8', 4000, 'allow span'],
  ['tcp', far.hole4, 4005, 'block block-rule hole'],
  ['tcp', far.hole6, 4005, 'block block-rule hole'],
  ['tcp', far.hole4, 4006, 'allow span'],
  ['tcp', far.hole6, 4006, 'allow span'],
];
const bound: readonly Row[] = [
  ['tcp', web4, 22, 'allow scm'],
  ['tcp', web6, 22, 'allow scm'],
  ['udp', web4, 3478, 'allow stun'],
  ['udp', web6, 3478, 'allow stun'],
  ['tcp', web4, 25, 'block no-rule'],
  ['tcp', web6, 25, 'block no-rule'],
  ['udp', web4, 22, 'block no-rule'],
  ['tcp', web6, 3478, 'block no-rule'],
  ['tcp', other4, 22, 'block no-rule'],
  ['tcp', other6, 22, 'block no-rule'],
];
const unbound = bound.map(([protocol, address, port]): Row => [protocol, address, port, 'block no-rule']);

/** Also in audit mode. */
const enforced: readonly Row[] = [
  ['udp', other4, 443, 'block quic'],
  ['udp', other6, 443, 'block quic'],
  ['tcp', other4, 853, 'block encrypted-dns'],
  ['udp', other6, 853, 'block encrypted-dns'],
  ['udp', '169.254.169.254', 9, 'block never-address'],
  ['tcp', '93.184.220.9', 7, 'block blocklist listed'],
  ['udp', '93.184.220.9', 123, 'block blocklist listed'],
  ['tcp', '2606:2800:221::9', 7, 'block blocklist listed'],
  ['icmp', '2606:2800:221::9', 0, 'block blocklist listed'],
];
const blocklist =
  'blocklist: {id: listed, hosts: blocked.example.net, addresses: [93.184.220.0/24, "2606:2800:221::/48"]}\n';

const numbers = { tcp: 6, udp: 17 } as const;
/** A window of the kernel's counts is read in the second after it. */
const windowsMs = 2600;

async function attempt(namespace: string, [protocol, address, port]: Row): Promise<void> {
  if (protocol === 'tcp') return knock(namespace, address, port);
  if (protocol === 'udp') return sendUdp(namespace, address, port, 'x');
  return sendPing(namespace, address);
}

function hasArrived(lab: Lab, source: string, [protocol, address, port]: Row): boolean {
  return lab.capture.packets().some((packet) => {
    if (packet.source !== source || packet.destination !== address) return false;
    if (protocol !== 'icmp') return packet.protocol === numbers[protocol] && packet.destinationPort === port;
    // Errors that answer a datagram are no echo requests.
    return packet.protocol === (address.includes(':') ? 58 : 1) && [8, 128].includes(packet.payload[0] ?? 0);
  });
}

function outcomeOf({ decision }: FlowRecord): string {
  const { verdict, enforced, reason, rule } = decision;
  const by = rule === null ? '' : ` ${rule}`;
  if (verdict === 'allow') return `allow${by}`;
  return `${enforced ? 'block' : 'would'} ${reason}${by}`;
}

/** The part of a tap test that is used here. */
type Test = Pick<typeof t, 'equal'>;

/** Makes all attempts of a runner, then looks at what arrived and at what was recorded of it. */
async function check(t: Test, lab: Lab, rows: readonly Row[], index = 0): Promise<void> {
  const { namespace, v4, v6 } = lab.runner(index);
  const since = new Date().toISOString();
  await Promise.all(rows.map((row) => attempt(namespace, row)));
  await sleep(windowsMs);
  const records = (await lab.gateway.records()).filter(({ kind, time }) => kind === 'packet' && time > since);
  for (const row of rows) {
    const [protocol, address, port, outcome] = row;
    const source = address.includes(':') ? v6 : v4;
    const title = `${protocol} ${address} ${port || ''}: ${outcome}`;
    t.equal(hasArrived(lab, source, row), !outcome.startsWith('block'), `${title}, on the wire`);
    const record = records.find(
      ({ runner, destination }) =>
        runner === source &&
        destination.address === address &&
        destination.protocol === protocol &&
        (destination.port ?? 0) === port,
    );
    t.equal(record === undefined ? 'no record' : outcomeOf(record), outcome, `${title}, recorded`);
  }
}

/** The same in audit mode. */
const inAudit = (rows: readonly Row[]): Row[] =>
  rows.map(([protocol, address, port, outcome]) => [
    protocol,
    address,
    port,
    outcome.replace(/^block (?=no-rule|block-rule)/, 'would '),
  ]);

t.test('network rules on packets', async (t) => {
  const lab = await Lab.open({ runners: 3 });
  t.teardown(() => lab.close());
  const gateway = await lab.startGateway(`version: 1\nmode: block\n${rules}${blocklist}`);
  const ask = (index: number, server: string, name: string, type: 'A' | 'AAAA') =>
    askName(lab.runner(index).namespace, server, name, type);
  const { gateway4, gateway6 } = lab.topology;

  await t.test('block mode: by range, and nothing by host before the name was asked for', (t) =>
    check(t, lab, [...byRange, ...enforced, ...unbound]),
  );

  await t.test('by host: the ports of the rule for the runner that asked, and for no other', async (t) => {
    // So that the gateway has seen both addresses of the machine that asks over IPv4 only.
    sendPing(lab.runner(2).namespace, web6);
    for (const name of ['api.example.com', 'www.example.com']) {
      t.equal((await ask(0, gateway4, name, 'A'))?.answers, 1);
      t.equal((await ask(0, gateway6, name, 'AAAA'))?.answers, 1);
      await ask(2, gateway4, name, 'A');
      await ask(2, gateway4, name, 'AAAA');
    }
    lab.capture.clear();
    await Promise.all([check(t, lab, bound), check(t, lab, unbound, 1), check(t, lab, bound, 2)]);
    const record = await gateway.findRecord(
      ({ kind, runner, destination }) =>
        kind === 'packet' &&
        runner === lab.runner(2).v6 &&
        destination.address === web6 &&
        destination.port === 22,
    );
    t.equal(record?.destination.host, 'api.example.com', 'the record names the host');
  });

  const late = dialTcp(lab.runner(2).namespace, web4, 22);
  late.on('error', () => {});
  late.write('early');

  await t.test('the port is open when the answer is there: no datagram of forty is early', async (t) => {
    const { namespace } = lab.runner(1);
    const names = Array.from({ length: 40 }, (_, i) => `n${i}.burst.example.com`);
    for (const [i, name] of names.entries()) lab.origins.names.set(name, { a: [`93.184.217.${i + 1}`] });
    await gateway.reload(
      `version: 1\nmode: block\nnetwork: {id: burst, host: "*.burst.example.com", port: 9000, protocol: udp}\n`,
    );
    lab.capture.clear();
    for (const [i, name] of names.entries()) {
      await askName(namespace, gateway4, name, 'A', () =>
        sendUdp(namespace, `93.184.217.${i + 1}`, 9000, 'x'),
      );
    }
    await sleep(200);
    const seen = new Set(
      lab.capture
        .packets()
        .filter((packet) => packet.destinationPort === 9000)
        .map((packet) => packet.destination),
    );
    t.equal(seen.size, 40);
  });

  await t.test('that reload closed what the rules by host before it had opened', async (t) => {
    const heard = () => Buffer.concat(lab.origins.bytes.map(({ bytes }) => bytes)).toString();
    t.match(heard(), /early/, 'a connection was open');
    lab.capture.clear();
    await check(t, lab, unbound);
    late.write('late');
    await sleep(500);
    t.notMatch(heard(), /late/, 'and is over');
    late.destroy();
  });

  await t.test('audit lets through and records; the blocklist and its like hold', async (t) => {
    await gateway.reload(`version: 1\nmode: audit\n${rules}${blocklist}`);
    await ask(0, gateway4, 'api.example.com', 'A');
    await ask(0, gateway6, 'api.example.com', 'AAAA');
    const audited = inAudit([...byRange, ...enforced]);
    t.equal(audited.filter(([, , , outcome]) => outcome.startsWith('would')).length, 18);
    lab.capture.clear();
    await check(t, lab, audited);
    t.equal((await ask(0, gateway4, 'blocked.example.net', 'A'))?.rcode, 3, 'a listed name is NXDOMAIN');
    t.equal((await ask(0, gateway4, 'other.example.net', 'A'))?.answers, 1, 'an unlisted one is answered');
  });
});
