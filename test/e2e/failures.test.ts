// What breaks, one after the other, while a runner keeps trying what it may not: nothing leaks, judged by a capture in
// the internet, and where a supervisor remains the allowed works again within 5 s.

import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { insidePrefix } from '../../netns/gateway-port.ts';
import { dialTcp } from '../../netns/socket.ts';
import { waitUntil, type LabGateway, type LabGatewayOptions } from '../lab/gateway.ts';
import { Lab } from '../lab/lab.ts';
import { labAddresses } from '../lab/origins.ts';
import { Trying } from '../lab/trying.ts';

const policy = `version: 1
mode: block
http:
  - {id: site, host: allowed.example.com}
`;
const backMs = 5000;
/** Allowed to one name in one of the tests. */
const echoPort = 7;
const everyLeak = ['dns', 'dns4', 'dns6', 'icmp4', 'icmp6', 'tcp4', 'tcp6', 'udp4', 'udp6'];

t.setTimeout(120_000);

const status = async (lab: Lab, ...args: string[]): Promise<string> =>
  (
    await lab.curl([
      '-m',
      '2',
      '-o',
      '/dev/null',
      '-w',
      '%{http_code}',
      ...args,
      'https://allowed.example.com/',
    ])
  ).stdout;

/** Milliseconds until the allowed request works, or null when that takes too long. */
async function untilBack(lab: Lab): Promise<number | null> {
  const started = Date.now();
  while (Date.now() - started < backMs) {
    if ((await status(lab)) === '200') return Date.now() - started;
    await sleep(50);
  }
  return null;
}

const onGateway = (lab: Lab, ...command: string[]) => {
  const [program, ...args] = [...insidePrefix(lab.gatewayNamespace), ...command];
  const { status, stderr } = spawnSync(program!, args, { encoding: 'utf8' });
  return { isDone: status === 0, stderr };
};

/** Processes of the gateway by their program. */
function children(gateway: LabGateway, program: 'worker' | 'control'): number[] {
  const pids = readFileSync(`/proc/${gateway.pid}/task/${gateway.pid}/children`, 'utf8').trim().split(' ');
  return pids
    .map(Number)
    .filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`${program}.ts`));
}

/** A lab whose runner tries all the time; before there is a gateway, all of it arrives. */
async function openTrying(t: Test): Promise<{ lab: Lab; trying: Trying }> {
  const lab = await Lab.open();
  const trying = new Trying(lab, ({ destinationPort }) => destinationPort === echoPort);
  t.teardown(async () => {
    trying.stop();
    await lab.close();
  });
  await sleep(500);
  t.same(trying.leaks(), everyLeak, 'all of it arrives without a gateway');
  return { lab, trying };
}

async function start(lab: Lab, trying: Trying, options: LabGatewayOptions = {}): Promise<LabGateway> {
  const gateway = await lab.startGateway(policy, options);
  trying.forget();
  return gateway;
}

t.test('processes and rules, one after the other', async (t) => {
  const { lab, trying } = await openTrying(t);
  let gateway = await start(lab, trying, { workers: 2 });

  await t.test('both workers killed', async (t) => {
    for (const pid of children(gateway, 'worker')) process.kill(pid, 'SIGKILL');
    const back = await untilBack(lab);
    t.ok(back, `back after ${back} ms`);
    t.same(trying.leaks(), []);
  });

  await t.test('control killed: traffic does not notice, and it is back', async (t) => {
    for (const pid of children(gateway, 'control')) process.kill(pid, 'SIGKILL');
    t.equal(await status(lab), '200');
    const started = Date.now();
    let ready = 0;
    while (ready !== 200 && Date.now() - started < backMs) {
      ready = await gateway.operator('/ready').then(
        (answer) => answer.status,
        () => 0,
      );
      await sleep(50);
    }
    t.equal(ready, 200, `ready after ${Date.now() - started} ms`);
    t.same(trying.leaks(), []);
  });

  await t.test(
    '[time-rules-deleted] tables deleted and the rule set flushed by another process',
    async (t) => {
      for (const table of ['sallyport', 'sallyport_guard'])
        onGateway(lab, 'nft', 'delete', 'table', 'inet', table);
      t.ok(onGateway(lab, 'nft', 'flush', 'ruleset').isDone);
      const back = await untilBack(lab);
      t.ok(back, `back after ${back} ms`);
      t.same(trying.leaks(), []);
    },
  );

  await t.test(
    '[time-gateway-killed] the keeper killed: the door stays shut until it is started again',
    async (t) => {
      await gateway.kill();
      t.not(await status(lab), '200');
      await sleep(500);
      t.same(trying.leaks(), []);
      gateway = await lab.startGateway(policy);
      const back = await untilBack(lab);
      t.ok(back, `back after ${back} ms`);
      t.same(trying.leaks(), []);
    },
  );

  await t.test(
    '[time-gateway-killed] all of its processes killed, and then the main table deleted',
    async (t) => {
      process.kill(-gateway.pid, 'SIGKILL');
      await gateway.kill();
      // Its owner is gone when the last of them is.
      const remove = () => onGateway(lab, 'nft', 'delete', 'table', 'inet', 'sallyport').isDone;
      t.ok(await waitUntil(remove), 'nobody owns it any more');
      await sleep(1000);
      t.same(trying.leaks(), [], 'the guard holds');
      gateway = await lab.startGateway(policy);
      const back = await untilBack(lab);
      t.ok(back, `back after ${back} ms`);
      t.same(trying.leaks(), []);
    },
  );

  await t.test('[time-out-of-descriptors] descriptors exhausted', async (t) => {
    gateway = await lab.startGateway(policy, {
      prefix: ['prlimit', '--nofile=160:160'],
      config: { limits: { connections: 4000, connectionsPerRunner: 4000 } },
    });
    trying.forget();
    const { namespace } = lab.runner();
    const held = Array.from({ length: 300 }, () => dialTcp(namespace, labAddresses.web4, 443));
    for (const socket of held) socket.on('error', () => {});
    await sleep(1500);
    t.same(trying.leaks(), []);
    for (const socket of held) socket.destroy();
    const back = await untilBack(lab);
    t.ok(back, `back after ${back} ms`);
    t.same(trying.leaks(), []);
  });
});

t.test(
  '[time-rules-deleted] iptables: chains and sets flushed by another process are back, and it is told',
  async (t) => {
    const { lab, trying } = await openTrying(t);
    const gateway = await lab.startGateway(
      `${policy}network: [{id: echo, host: www.example.com, port: ${echoPort}}]\n`,
      {
        config: { kernel: { backend: 'iptables' } },
      },
    );
    trying.forget();
    const echo = async (place: string) =>
      (await lab.run(['bash', '-c', `exec 3<>/dev/tcp/${place}/${echoPort} && echo hi >&3 && head -c 2 <&3`]))
        .stdout;
    t.equal(await echo('www.example.com'), 'hi', 'its name opens an address');
    for (const program of ['iptables', 'ip6tables'])
      for (const table of ['nat', 'raw', 'filter']) t.ok(onGateway(lab, program, '-t', table, '-F').isDone);
    for (const set of ['never4', 'bound4', 'bound6'])
      t.ok(onGateway(lab, 'ipset', 'flush', `sallyport-${set}`).isDone);
    const back = await untilBack(lab);
    t.ok(back, `back after ${back} ms`);
    t.same(trying.leaks(), []);
    let answer = '';
    for (let i = 0; i < 40 && answer !== 'hi'; i++) {
      await sleep(100);
      answer = await echo(labAddresses.web4);
    }
    t.equal(answer, 'hi', 'what the name had opened is open again');
    t.match((await gateway.operator('/metrics')).body, /^sallyport_rules_repaired_total [1-9]/m);
    t.match(gateway.log(), 'differed from ours and were repaired');
    process.kill(-gateway.pid, 'SIGKILL');
    await gateway.kill();
    await sleep(500);
    t.same(trying.leaks(), [], 'the whole gateway killed');
  },
);

t.test(
  '[time-policy-broken] [time-policy-empty] [time-policy-missing] a policy that is broken, empty or missing at the first start blocks everything until it is repaired',
  async (t) => {
    const { lab, trying } = await openTrying(t);
    for (const [name, prepare] of [
      ['broken', (_: string, path: string) => writeFileSync(path, 'version: 1\nmode: [')],
      ['empty', (_: string, path: string) => writeFileSync(path, '')],
      ['missing', (_: string, path: string) => rmSync(path)],
    ] as const) {
      const gateway = await start(lab, trying, { prepare });
      t.equal((await gateway.operator('/ready')).status, 503, name);
      t.not(await status(lab), '200');
      const named = ['--resolve', `allowed.example.com:443:${labAddresses.web4}`];
      t.not(await status(lab, ...named), '200');
      t.equal(lab.origins.requestsTo('allowed.example.com').length, 0);
      t.same(trying.leaks(), []);
      const blocked = await gateway.findRecord((r) => r.decision.reason === 'policy-unavailable');
      t.equal(blocked?.decision.verdict, 'block');
      gateway.writePolicy(policy);
      t.ok(await untilBack(lab), `${name}: a repaired one is taken`);
      t.same(trying.leaks(), []);
      if (name !== 'broken') continue;
      gateway.writePolicy(`${policy}  nonsense: [`);
      await sleep(800);
      t.equal(await status(lab), '200', 'broken again, the last good one stays');
    }
  },
);

t.test(
  '[time-out-of-disk] a full disk: what cannot be recorded does not pass, and does again when there is room',
  async (t) => {
    const { lab, trying } = await openTrying(t);
    let mounted = '';
    t.teardown(() => spawnSync('umount', ['-l', mounted]));
    const gateway = await start(lab, trying, {
      prepare: (state) => {
        mounted = state;
        t.equal(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=6m,mode=755', 'tmpfs', state]).status, 0);
      },
    });
    const filler = join(gateway.stateDirectory, 'filler');
    spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4k']);
    // The last page of the segment may still have room.
    for (let i = 0; i < 40 && (await status(lab)) === '200'; i++);
    for (let i = 0; i < 3; i++) {
      t.not(await status(lab, '--resolve', `allowed.example.com:443:${labAddresses.web4}`), '200');
      await sleep(300);
    }
    const recorded = (await gateway.records()).filter(
      (r) => r.kind === 'request' && r.phase === 'opened',
    ).length;
    t.equal(
      lab.origins.requestsTo('allowed.example.com').length,
      recorded,
      'nothing arrived that was not recorded',
    );
    t.same(trying.leaks(), []);
    const { body } = await gateway.operator('/metrics');
    t.match(body, /reason="record-unavailable"\} [1-9]|^sallyport_records_lost_total [1-9]/m);
    rmSync(filler);
    const back = await untilBack(lab);
    t.ok(back, `back after ${back} ms`);
    t.same(trying.leaks(), []);
  },
);
