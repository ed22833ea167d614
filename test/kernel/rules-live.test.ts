// The rule set on real packets, in both forms: a runner, a gateway and an internet in namespaces of their own.

import t, { type Test as Tap } from 'tap';
import type { BlockEvent } from '../../kernel/block-log.ts';
import type { BlockedRow } from '../../kernel/rule-set.ts';
import { packetBytes } from './packets.ts';
import { Agent, gatewayMac, Namespaces, runnerMac } from './namespaces.ts';
import { sampleConfig, samplePlan } from './sample.ts';

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

t.setTimeout(120_000);
for (const backend of ['nftables', 'iptables'] as const) {
  await t.test(backend, (t) => testBackend(t, backend));
}

async function testBackend(t: Tap, backend: 'nftables' | 'iptables'): Promise<void> {
  const lab = new Namespaces(backend[0]!);
  const { runner, internet } = lab;
  const config = { ...sampleConfig('gateway'), logGroup: 7 };
  const rules = <T = unknown>(method: string, ...args: unknown[]): Promise<T> =>
    lab.gateway.ask<T>('rules', method, ...args);
  const tcp = (
    to: string,
    port: number,
    from = to.includes(':') ? 'fd77::2' : '10.77.0.2',
  ): Promise<string> => runner.ask('tcp', to, port, from);
  const udp = (
    to: string,
    port: number,
    from = to.includes(':') ? 'fd77::2' : '10.77.0.2',
  ): Promise<string> => runner.ask('udp', to, port, from);
  async function prefixes(): Promise<string[]> {
    await wait(200);
    const events = await lab.gateway.ask<BlockEvent[]>('events');
    return events.map(
      ({ prefix, runner, destination, port }) => `${prefix}: ${runner} > ${destination} ${port}`,
    );
  }

  t.teardown(() => lab.close());
  await lab.gateway.ask('workers', [10001, 10002], '10.77.0.1', 'fd77::1');
  await internet.ask('listen', [22, 25, 80, 443, 2200, 5000]);
  await internet.ask('echo', 123, '198.51.100.53');

  await t.test('the internet is reachable as long as no rules stand (positive control)', async (t) => {
    for (const to of ['203.0.113.10', '203.0.113.66', '169.254.169.254', '2001:db8::10', 'fd00:ec2::254']) {
      t.equal(await tcp(to, 25), 'hello', to);
    }
  });

  await t.test(
    'intercepted ports reach the runner’s worker, which learns the original destination',
    async (t) => {
      await rules('new', config, backend);
      await rules('start', samplePlan);
      await lab.gateway.ask('log', 7);
      for (const to of ['203.0.113.10', '2001:db8::10']) {
        for (const port of [80, 443, 8443, 53]) {
          const { original } = JSON.parse(await tcp(to, port)) as { original: unknown };
          t.same(original, { address: to, port }, `${to} ${port}`);
        }
      }
      t.equal(await tcp('203.0.113.11', 443), 'hello', 'inspect: false goes through');
    },
  );

  await t.test(
    'DNS is answered from the address that was asked, and by the worker that the runner is pinned to',
    async (t) => {
      for (const to of ['203.0.113.10', '169.254.169.254', '10.77.0.1', '2001:db8::10', 'fd77::1']) {
        t.match(await udp(to, 53), new RegExp(`^worker \\d from ${to}:53$`), to);
      }
      for (const worker of [1, 0]) {
        await rules('pin', [
          ['10.77.0.2', worker],
          ['fd77::2', worker],
        ]);
        t.match(await udp('203.0.113.10', 53), `worker ${worker} `);
        for (const to of ['203.0.113.10', '2001:db8::10'])
          t.match(await tcp(to, 80), `"worker":${worker}`, to);
      }
    },
  );

  await t.test('what nothing allows is refused at once and logged with its reason', async (t) => {
    await prefixes();
    const cases: readonly (readonly [string, Promise<string>])[] = [
      ['block no-rule: 10.77.0.2 > 203.0.113.10 25', tcp('203.0.113.10', 25)],
      ['block no-rule: fd77::2 > 2001:db8::10 25', tcp('2001:db8::10', 25)],
      ['block encrypted-dns: 10.77.0.2 > 203.0.113.10 853', tcp('203.0.113.10', 853)],
      ['block quic: 10.77.0.2 > 203.0.113.10 443', udp('203.0.113.10', 443)],
      ['block never-address: 10.77.0.2 > 169.254.169.254 80', tcp('169.254.169.254', 80)],
      ['block never-address: fd77::2 > fd00:ec2::254 80', tcp('fd00:ec2::254', 80)],
      ['block blocklist: 10.77.0.3 > 203.0.113.66 25', tcp('203.0.113.66', 25, '10.77.0.3')],
      ['block block-rule: 10.77.0.2 > 203.0.113.12 5000', tcp('203.0.113.12', 5000)],
      ['block direct-port: 10.77.0.2 > 10.77.0.1 10001', tcp('10.77.0.1', 10001)],
      ['block direct-port: 10.77.0.2 > 10.77.0.1 9440', tcp('10.77.0.1', 9440)],
    ];
    for (const [log, outcome] of cases) t.match(await outcome, /^(ECONNREFUSED|unreachable)$/, log);
    const seen = await prefixes();
    for (const [log] of cases) t.ok(seen.includes(log), log, { seen });
  });

  await t.test('what a rule allows goes through, and is logged too', async (t) => {
    t.equal(await tcp('203.0.113.10', 2200), 'hello');
    t.equal(await tcp('2001:db8::10', 2200), 'hello');
    t.match(await udp('198.51.100.53', 123), 'hello from 198.51.100.53:123');
    t.equal(await tcp('203.0.113.10', 25, '10.77.0.3'), 'hello', 'audit lets through');
    t.equal(await tcp('203.0.113.12', 5000, '10.77.0.3'), 'hello', 'also what a rule blocks');
    const seen = await prefixes();
    for (const log of [
      'allow rule: 10.77.0.2 > 203.0.113.10 2200',
      'audit no-rule: 10.77.0.3 > 203.0.113.10 25',
      'audit block-rule: 10.77.0.3 > 203.0.113.12 5000',
    ]) {
      t.ok(seen.includes(log), log, { seen });
    }
  });

  await t.test(
    'a binding opens its tuple for its runner before bind returns, and unbinding closes it',
    async (t) => {
      for (const [runner, address] of [
        ['10.77.0.2', '203.0.113.10'],
        ['fd77::2', '2001:db8::10'],
      ] as const) {
        const binding = { runner, address, protocol: 'tcp', port: 22, ttlMs: 1000 };
        t.equal(await tcp(address, 22), 'ECONNREFUSED', 'closed before');
        await rules('bind', [binding]);
        t.equal(await tcp(address, 22), 'hello', 'open');
        await rules('unbind', [binding]);
        t.equal(await tcp(address, 22), 'ECONNREFUSED', 'closed after');
      }
    },
  );

  await t.test('cut ends a runner’s open connections and leaves another’s', async (t) => {
    await rules('bind', [
      { runner: '10.77.0.2', address: '203.0.113.10', protocol: 'tcp', port: 22, ttlMs: 1000 },
    ]);
    const own = await runner.ask<number>('hold', '203.0.113.10', 22, '10.77.0.2');
    const other = await runner.ask<number>('hold', '203.0.113.10', 22, '10.77.0.3');
    t.equal(await runner.ask('say', own), 'again');
    await rules('cut', '10.77.0.2');
    t.match(await runner.ask('say', own), /ECONNRESET|ECONNREFUSED|EPIPE/);
    t.equal(await runner.ask('say', other), 'again');
  });

  await t.test(
    'quarantine stops established connections, redirected ones too, until it is lifted',
    async (t) => {
      const own = await runner.ask<number>('hold', '203.0.113.10', 2200, '10.77.0.2');
      await rules('quarantine', '10.77.0.2', 60_000);
      t.equal(await runner.ask('say', own), 'timeout');
      t.equal(await tcp('203.0.113.10', 80), 'timeout');
      t.equal(await udp('203.0.113.10', 53), 'timeout');
      t.equal(await tcp('203.0.113.10', 25, '10.77.0.3'), 'hello', 'another runner goes on');
      t.ok((await prefixes()).some((line) => line.startsWith('block quarantine: 10.77.0.2')));
      await rules('quarantine', '10.77.0.2', 0);
      t.match(await tcp('203.0.113.10', 80), 'original');
    },
  );

  await t.test('a new plan ends the connections that it no longer allows, and only those', async (t) => {
    const kept = await runner.ask<number>('hold', '203.0.113.10', 2200, '10.77.0.2');
    const ended = await runner.ask<number>('hold', '203.0.113.10', 5000, '10.77.0.2');
    const allow = samplePlan.fleet.allow.filter(({ ports }) => ports?.[0] !== 5000);
    await rules('update', { ...samplePlan, fleet: { ...samplePlan.fleet, allow } });
    t.equal(await runner.ask('say', kept), 'again');
    t.match(await runner.ask('say', ended), /ECONNRESET|ECONNREFUSED|EPIPE/);
    await rules('update', samplePlan);
  });

  const onGateway = (...command: string[]) => lab.exec(lab.names.gateway, ...command);
  await t.test('what another process changes is refused, or noticed at once and repaired', async (t) => {
    const isOwned = await rules<boolean>('isOwned');
    t.equal(await rules('verify'), null);
    await rules('watch');
    await rules('bind', [
      { runner: '10.77.0.2', address: '203.0.113.10', protocol: 'tcp', port: 22, ttlMs: 1000 },
    ]);
    if (isOwned) {
      t.match(onGateway('nft', 'delete', 'table', 'inet', 'sallyport').text, 'Operation not permitted');
      t.ok(onGateway('nft', 'flush', 'ruleset').ok);
      t.equal(await tcp('203.0.113.10', 25), 'ECONNREFUSED', 'flush ruleset passes them by');
      onGateway('nft', 'add', 'table', 'inet', 'other');
    } else {
      const changes: readonly (readonly string[])[] =
        backend === 'nftables'
          ? [['nft', 'delete', 'table', 'inet', 'sallyport']]
          : [
              ['iptables', '-I', 'FORWARD', '-j', 'ACCEPT'],
              ['iptables', '-I', 'sp-side-0', '-j', 'ACCEPT'],
              ['iptables', '-t', 'nat', '-D', 'sp-worker-0', '1'],
              ['ip6tables', '-F'],
            ];
      for (const change of changes) {
        t.ok(onGateway(...change).ok, change.join(' '));
        t.not(await rules('verify'), null, change.join(' '));
        await rules('repair');
        t.equal(await rules('verify'), null, 'repaired');
        t.equal(await tcp('203.0.113.10', 25), 'ECONNREFUSED');
        t.equal(await tcp('2001:db8::10', 25), 'ECONNREFUSED');
        t.equal(await tcp('203.0.113.10', 22), 'hello', 'the binding is still there');
      }
    }
    await wait(300);
    t.ok((await rules<number>('changes')) > 0, 'a foreign commit is noticed at once');
    await rules('repair');
    t.equal(await rules('verify'), null);
    t.match(await tcp('203.0.113.10', 80), 'original');
    await rules('cut', '10.77.0.2');
  });

  await t.test(
    'a killed keeper leaves the door shut; its successor adopts tables, bindings and quarantine',
    async (t) => {
      await rules('bind', [
        { runner: '10.77.0.2', address: '203.0.113.10', protocol: 'tcp', port: 22, ttlMs: 1000 },
      ]);
      await rules('quarantine', '10.77.9.9', 60_000);
      await lab.gateway.end('SIGKILL');
      t.equal(await tcp('203.0.113.10', 25), 'ECONNREFUSED', 'rules outlive it');
      t.equal(await tcp('203.0.113.10', 80), 'ECONNREFUSED', 'no worker: refused, not let through');
      lab.gateway = new Agent(lab.names.gateway);
      await lab.gateway.ask('workers', [10001], '10.77.0.1', 'fd77::1');
      await lab.gateway.ask('log', 7);
      await rules('new', { ...config, workers: 1, workerPorts: [10001] }, backend);
      await rules('start', samplePlan);
      t.match(await rules('counters'), { bound: 1, quarantine: 1 });
      t.equal(await tcp('203.0.113.10', 22), 'hello');
      t.match(await tcp('203.0.113.10', 80), 'original', 'served by the only worker');
      t.equal(await rules('verify'), null);
    },
  );

  await t.test('counts are exact for both of two runners while one floods', async (t) => {
    const count = async (): Promise<BlockedRow[]> => rules<BlockedRow[]>('countBlocked');
    await runner.ask('raw', lab.index(lab.names.runner, 'run0'), gatewayMac, runnerMac);
    await wait(1000);
    await count();
    await count();
    const packet = (source: string, port: number): string =>
      packetBytes(
        { family: 4, source, destination: '203.0.113.10', protocolNumber: 17, port } as never,
        40_000 + (port & 1023),
      ).toString('hex');
    // From addresses of their own: a connection of an earlier test may still send a segment.
    const flood = Array.from({ length: 4000 }, (_, i) => packet('10.77.7.7', 20_000 + i));
    const calm = Array.from({ length: 20 }, (_, i) => packet('10.77.9.8', 30_000 + i));
    // In parts that the receiver's queue (net.core.netdev_max_backlog) holds on a busy machine too.
    for (let i = 0; i < 20; i++) {
      await runner.ask('send', flood.slice(i * 200, i * 200 + 200));
      await wait(10);
    }
    await runner.ask('send', [...calm, ...calm]);
    await wait(100);
    const rows = [...(await count()), ...(await count())];
    const of = (source: string): BlockedRow[] => rows.filter((row) => row.runner === source);
    const sum = (list: readonly BlockedRow[]): number =>
      list.reduce((total, { attempts }) => total + attempts, 0);
    t.equal(sum(of('10.77.7.7')), 4000, 'every packet of the flood is counted');
    t.ok(of('10.77.7.7').length < 1500, 'with a bounded number of keys');
    t.equal(of('10.77.9.8').length, 20);
    t.ok(
      of('10.77.9.8').every(({ attempts }) => attempts === 2),
      'the calm runner is counted by key',
    );
    t.same(
      of('10.77.9.8').find(({ port }) => port === 30_005),
      {
        runner: '10.77.9.8',
        destination: '203.0.113.10',
        protocolNumber: 17,
        port: 30_005,
        attempts: 2,
        end: 'refuse',
      },
    );
    const events = (await prefixes()).filter((line) => line.startsWith('block no-rule: 10.77.9.8'));
    t.equal(events.length, 20, 'and has its events');
  });

  await t.test('the guard keeps the door shut when the main table is gone', async (t) => {
    await rules('close', { remove: false });
    await lab.gateway.end();
    lab.gateway = new Agent(lab.names.gateway);
    if (backend === 'nftables') {
      onGateway('nft', 'delete', 'table', 'inet', 'sallyport');
      t.notMatch(onGateway('nft', 'list', 'tables').text, /sallyport$/m, 'it is gone');
    } else {
      for (const program of ['iptables', 'ip6tables'])
        for (const table of ['raw', 'nat', 'filter'])
          t.ok(onGateway(program, '-t', table, '-F').ok, 'flushed');
    }
    t.equal(await tcp('203.0.113.10', 25), 'timeout');
    t.equal(await tcp('2001:db8::10', 80), 'timeout');
    await rules('new', config, backend);
    await rules('start', samplePlan);
    t.equal(await tcp('203.0.113.10', 2200), 'hello', 'and the next start opens what is allowed');
    await rules('close', { remove: true });
    t.notMatch(onGateway('nft', 'list', 'ruleset').text, /sallyport|sp-/);
    t.equal(onGateway('ipset', 'list', '-n').text, '');
  });

  await t.test(
    'steer: only the gateway’s own addresses are served, everything else is refused',
    async (t) => {
      await rules('new', { ...config, mode: 'steer', workers: 1, workerPorts: [10001] }, backend);
      await rules('start', { ...samplePlan, fleet: { mode: 'block', allow: [], block: [] } });
      await lab.gateway.ask('workers', [10001], '10.77.0.1', 'fd77::1');
      for (const to of ['10.77.0.1', 'fd77::1']) {
        t.match(await tcp(to, 443), `"address":"${to}","port":443`);
        t.match(await udp(to, 53), `worker 0 from ${to}:53`);
        t.equal(await tcp(to, 25), 'ECONNREFUSED');
      }
      for (const to of ['203.0.113.10', '2001:db8::10']) t.equal(await tcp(to, 443), 'ECONNREFUSED', to);
      await rules('close', { remove: true });
    },
  );

  await t.test('sidecar: the job’s own packets are intercepted on their way out', async (t) => {
    const own = <T = unknown>(method: string, ...args: unknown[]): Promise<T> =>
      runner.ask<T>('rules', method, ...args);
    await own('new', { ...sampleConfig('sidecar'), workers: 1, workerPorts: [10001] }, backend);
    await own('start', samplePlan);
    await runner.ask('workers', [10001], '127.0.0.1', '::1');
    for (const to of ['203.0.113.10', '2001:db8::10']) {
      t.match(await tcp(to, 443), `"address":"${to}","port":443`);
      t.match(await udp(to, 53), `worker 0 from ${to}:53`);
      t.equal(await tcp(to, 2200), 'hello', 'allowed');
      t.equal(await tcp(to, 5001), 'ECONNREFUSED', 'not allowed');
    }
    t.equal(await tcp('169.254.169.254', 80), 'ECONNREFUSED');
    t.equal(await udp('203.0.113.10', 443), 'ECONNREFUSED');
    t.equal(await own('verify'), null);
    await own('close', { remove: true });
    t.match(await tcp('203.0.113.10', 25), 'hello', 'gone with it');
  });
}
