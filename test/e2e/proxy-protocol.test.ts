// A load balancer between runners and gateway that hides who speaks: with the PROXY protocol every flow is the
// runner's again, and neither balancer nor runner can speak for others.

import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { FlowRecord } from '../../flow/flow.ts';
import { insidePrefix } from '../../netns/gateway-port.ts';
import { runIpBatch } from '../../netns/ip.ts';
import { dialTcp } from '../../netns/socket.ts';
import { postAction } from '../../serve.ts';
import { Lab } from '../lab/lab.ts';
import { missingProgram } from '../lab/missing-program.ts';

const policy =
  'version: 1\nmode: block\nhttp: [{id: site, host: allowed.example.com, scheme: [http, https]}]\n';
const request = 'GET /raw HTTP/1.1\r\nhost: allowed.example.com\r\nconnection: close\r\n\r\n';
const signature = '0d0a0d0a000d0a515549540a';
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
/** From 10.77.1.10, the first runner, port 4660. */
const ofRunner = hex(`${signature} 21 11 000c 0a4d010a 0a4d0001 1234 0050`);

t.setTimeout(90_000);
t.test('a load balancer that says who speaks', async (t) => {
  const lab = await Lab.open({ mode: 'steer', runners: 3 });
  t.teardown(() => lab.close());
  const [runner, other, balancer] = [lab.runner(0), lab.runner(1), lab.runner(2)];
  // A link of their own: what goes over the gateway's bridge passes its rules.
  runIpBatch(runner.namespace, [
    `link add lb0 type veth peer name lb0 netns ${balancer.namespace}`,
    'link set lb0 up',
    // Neighbour discovery answers for addresses of the same interface alone.
    `addr add ${runner.v6}/128 dev lb0 nodad`,
    `route add 10.78.0.2/32 dev lb0 src ${runner.v4}`,
    `route add fd78::2/128 dev lb0 src ${runner.v6}`,
  ]);
  runIpBatch(balancer.namespace, [
    'addr add 10.78.0.2/32 dev lb0',
    'addr add fd78::2/128 dev lb0 nodad',
    'link set lb0 up',
    `route add ${runner.v4}/32 dev lb0`,
    `route add ${runner.v6}/128 dev lb0`,
  ]);
  const fronts = { v4: '10.78.0.2', v6: 'fd78::2' };
  const gateway = await lab.startGateway(policy, {
    jobs: [{ repository: 'acme/app', addresses: [runner.v4, runner.v6] }],
    config: { listen: { proxyProtocolPeers: [`${balancer.v4}/32`, `${balancer.v6}/128`] } },
  });
  const { gateway4, gateway6 } = lab.topology;
  /** What the gateway answers to these bytes on port 80, by which it is closed. */
  const say = async (namespace: string, bytes: Buffer, rest = '', port = 80): Promise<string> => {
    const socket = dialTcp(namespace, gateway4, port);
    socket.on('error', () => {});
    socket.write(bytes);
    if (rest !== '') socket.write(rest);
    const timer = setTimeout(() => socket.destroy(), 8_000);
    let answer = '';
    socket.on('data', (piece) => (answer += piece.toString('latin1')));
    await new Promise((resolve) => socket.once('close', resolve));
    clearTimeout(timer);
    return answer.slice(0, 15);
  };
  const blockedBy = (reason: string, from: string) =>
    gateway.findRecord((r: FlowRecord) => r.decision.reason === reason && r.runner === from);

  await t.test(
    'the records are those of the runner, over IPv4 and IPv6',
    { skip: missingProgram('haproxy') },
    async (t) => {
      const file = join(lab.directory, 'haproxy.cfg');
      const front = (name: string, address: string, to: string) =>
        `listen ${name}\n  mode tcp\n  bind ${address}:443\n  server gw ${to}:443 send-proxy-v2\n`;
      const limits = 'defaults\n  timeout connect 5s\n  timeout client 10s\n  timeout server 10s\n';
      writeFileSync(
        file,
        limits + front('v4', fronts.v4, gateway4) + front('v6', fronts.v6, `[${gateway6}]`),
      );
      const [command, ...prefix] = insidePrefix(balancer.namespace);
      const haproxy = spawn(command!, [...prefix, 'haproxy', '-db', '-f', file], { stdio: 'ignore' });
      t.teardown(() => haproxy.kill('SIGKILL'));
      const fetch = async (address: string) => {
        const args = [
          '--resolve',
          `allowed.example.com:443:${address.includes(':') ? `[${address}]` : address}`,
          '-o',
          '/dev/null',
          '-w',
          '%{http_code}',
        ];
        const out = await lab.curl([
          ...args,
          `https://allowed.example.com/by/${address.replaceAll(':', '-')}`,
        ]);
        return out.stdout;
      };
      for (let i = 0; i < 40 && (await fetch(fronts.v4)) !== '200'; i++) await sleep(100);
      for (const family of ['v4', 'v6'] as const) {
        t.equal(await fetch(fronts[family]), '200', family);
        const record = await gateway.findRecord(
          (r) => r.phase === 'closed' && r.http?.path === `/by/${fronts[family].replaceAll(':', '-')}`,
        );
        t.match(record, {
          runner: runner[family],
          job: { repository: 'acme/app' },
          decision: { rule: 'site' },
        });
      }
      // Kept out by its own address, although the kernel sees the balancer's alone.
      const socket = join(gateway.stateDirectory, 'operator.sock');
      await postAction(socket, '/v1/quarantine', { runner: runner.v4, seconds: 60, reason: 'test' });
      t.equal(await fetch(fronts.v4), '000', 'quarantined');
      t.ok(await blockedBy('quarantine', runner.v4));
      await postAction(socket, '/v1/quarantine', { runner: runner.v4, seconds: 0, reason: 'test' });
    },
  );

  await t.test('in pieces, with fields, and for DNS over TCP', async (t) => {
    t.equal(await say(balancer.namespace, ofRunner, request), 'HTTP/1.1 200 OK');
    const fields = hex(`${signature} 21 11 0012 0a4d010a 0a4d0001 1234 0050 040003 000000`);
    t.equal(await say(balancer.namespace, Buffer.concat([fields, Buffer.from(request)])), 'HTTP/1.1 200 OK');
    const question = hex(
      '1234 0100 0001 0000 0000 0000 07616c6c6f776564 076578616d706c65 03636f6d 00 0001 0001',
    );
    const frame = Buffer.concat([Buffer.from([0, question.length]), question]);
    const answered = dialTcp(balancer.namespace, gateway4, 53);
    answered.write(Buffer.concat([ofRunner, frame]));
    const [answer] = (await Promise.race([
      new Promise<Buffer[]>((resolve) => answered.once('data', (bytes) => resolve([bytes]))),
      sleep(4_000, [Buffer.alloc(0)]),
    ])) as Buffer[];
    answered.destroy();
    t.equal(answer?.readUInt16BE(2), 0x1234);
    const asked = await gateway.findRecord((r) => r.dns?.transport === 'tcp');
    t.equal(asked?.runner, runner.v4);
  });

  await t.test(
    '[steer-balancer-lies] a peer that does not say it readably, or not truthfully, is refused',
    async (t) => {
      const { namespace } = balancer;
      const rows: readonly (readonly [string, Buffer, string])[] = [
        ['no header', Buffer.from(request), 'proxy-protocol'],
        ['version 1', Buffer.from('PROXY TCP4 10.77.1.10 10.77.0.1 4660 80\r\n'), 'proxy-protocol'],
        ['no address', hex(`${signature} 21 00 0000`), 'proxy-protocol'],
        [
          'an address of the internet',
          hex(`${signature} 21 11 000c 08080808 0a4d0001 1234 0050`),
          'spoofed-source',
        ],
        ['the other balancer', hex(`${signature} 21 11 000c 0a4d010c 0a4d0001 1234 0050`), 'spoofed-source'],
        ['loopback', hex(`${signature} 21 11 000c 7f000001 0a4d0001 1234 0050`), 'spoofed-source'],
        ['the gateway', hex(`${signature} 21 11 000c 0a4d0001 0a4d0001 1234 0050`), 'spoofed-source'],
      ];
      for (const [title, bytes, reason] of rows) {
        lab.origins.clear();
        const since = new Date().toISOString();
        t.equal(await say(namespace, bytes, request), '', title);
        const record = await gateway.findRecord((r) => r.runner === balancer.v4 && r.time >= since);
        t.match(record?.decision, { verdict: 'block', enforced: true, reason }, title);
        t.same(lab.origins.requestsTo('allowed.example.com'), [], title);
      }
      const before = (await gateway.records()).length;
      t.equal(await say(namespace, hex(`${signature} 20 00 0000`)), '', 'its health check ends');
      t.equal((await gateway.records()).length, before, 'and is nobody’s flow');
    },
  );

  await t.test(
    '[steer-forged-header] a runner that claims to be another is refused, and recorded as itself',
    async (t) => {
      lab.origins.clear();
      for (const bytes of [ofRunner, Buffer.from('PROXY TCP4 10.77.1.10 10.77.0.1 4660 80\r\n')])
        t.notMatch(await say(other.namespace, bytes, request), /200/);
      t.ok(await blockedBy('unknown-protocol', other.v4));
      t.same(lab.origins.requestsTo('allowed.example.com'), []);
    },
  );
});
