// Time as a way out: what was opened before a policy, before a reload, and while the gateway lacks something it needs.
// What is killed, deleted or full is in test/e2e/failures.test.ts.

import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { insidePrefix } from '../../netns/gateway-port.ts';
import { Lab } from '../lab/lab.ts';
import { labAddresses } from '../lab/origins.ts';
import { askName } from '../lab/packets.ts';
import { SteppedClock } from '../lab/stepped-clock.ts';
import {
  holdHttp,
  holdTcp,
  holdUdp,
  holdWebSocket,
  sayInVain,
  sayUntilHeard,
  type HeldOpen,
} from './held-open.ts';
import { allowedUrl, isBack, openTrying, sitePolicy } from './trying-lab.ts';

const { web4, web6, other4, other6 } = labAddresses;
const nothingElse = 'version: 1\nmode: block\nhttp: [{id: site, host: v4only.example.com}]\n';

t.setTimeout(90_000);
// Each in a lab of its own; most of their time is waiting.
t.jobs = 4;

async function openAll(t: Test, flows: readonly Promise<HeldOpen>[]): Promise<HeldOpen[]> {
  const all = await Promise.all(flows);
  t.teardown(() => {
    for (const flow of all) flow.close();
  });
  return all;
}

const earlyWeb = (lab: Lab) => [
  holdHttp(lab, 'other.example.net', other4, 80),
  holdHttp(lab, 'other.example.net', other6, 80),
  holdHttp(lab, 'blocked.example.net', other4, 443),
  holdHttp(lab, 'allowed.example.com', web4, 443),
];

/** Flows that no rule of `nothingElse` allows. */
const early = (lab: Lab) => [
  ...earlyWeb(lab),
  holdTcp(lab, web4, 25),
  holdTcp(lab, web4, 8081),
  holdUdp(lab, web4, 123),
  holdUdp(lab, web4, 443),
  holdTcp(lab, other4, 853),
  holdUdp(lab, web6, 123),
  holdTcp(lab, web6, 25),
];
const earlyReasons = [
  [25, 'no-rule'],
  [8081, 'no-rule'],
  [123, 'no-rule'],
  [443, 'quic'],
  [853, 'encrypted-dns'],
] as const;

/** A rule of another program makes the kernel track connections before the gateway does. */
function trackConnections(t: Test, lab: Lab): void {
  const [program, ...args] = insidePrefix(lab.topology.gateway);
  const chain = 'type filter hook forward priority 0; policy accept;\n ct state established counter\n';
  const input = `table inet other {\n chain c {\n ${chain} }\n}\n`;
  const { status, stderr } = spawnSync(program!, [...args, 'nft', '-f', '-'], { input, encoding: 'utf8' });
  t.equal(status, 0, stderr);
}

for (const isTracked of [false, true]) {
  const how = isTracked ? ', and tracked by the kernel' : '';
  t.test(
    `[time-before-policy] connections opened before there was a gateway${how}`,
    { buffered: true },
    async (t) => {
      const lab = await Lab.open();
      t.teardown(() => lab.close());
      if (isTracked) trackConnections(t, lab);
      const flows = await openAll(t, early(lab));
      t.same(await sayUntilHeard(flows), [], 'all of it arrives before');
      const gateway = await lab.startGateway(nothingElse);
      t.same(await sayInVain(flows), [], 'nothing of it arrives after');
      for (const [port, reason] of earlyReasons) {
        const record = await gateway.findRecord(
          ({ kind, destination, decision }) =>
            kind === 'packet' && destination.port === port && decision.reason === reason,
          5000,
        );
        t.equal(record?.decision.verdict, 'block', `port ${port} is recorded as ${reason}`);
      }
    },
  );
}

t.test(
  '[time-before-policy] in audit mode, what is led to the proxy is led there from the start',
  { buffered: true },
  async (t) => {
    const lab = await Lab.open();
    t.teardown(() => lab.close());
    trackConnections(t, lab);
    const flows = await openAll(t, [...earlyWeb(lab), holdTcp(lab, other4, 853), holdUdp(lab, web4, 443)]);
    t.same(await sayUntilHeard(flows), [], 'all of it arrives before');
    await lab.startGateway('version: 1\nmode: audit\n');
    t.same(await sayInVain(flows), [], 'nothing of it arrives unseen after');
  },
);

const before = `version: 1
mode: block
http:
  - {id: site, host: allowed.example.com, scheme: [https, http]}
  - {id: chat, host: www.example.com, websocket: true, methods: any}
opaque:
  - {id: pinned, host: api.example.com}
network:
  - {id: mail, to: ["${web4}", "${web6}"], port: 25}
  - {id: clock, to: ["${web4}", "${web6}"], port: 123, protocol: udp}
`;

t.test(
  '[time-before-reload] connections opened before a reload that forbids them',
  { buffered: true },
  async (t) => {
    const lab = await Lab.open();
    t.teardown(() => lab.close());
    const gateway = await lab.startGateway(before);
    const flows = await openAll(t, [
      holdTcp(lab, web4, 25),
      holdTcp(lab, web6, 25),
      holdUdp(lab, web4, 123),
      holdUdp(lab, web6, 123),
      holdHttp(lab, 'allowed.example.com', web4, 443),
      holdHttp(lab, 'allowed.example.com', web4, 80),
      holdHttp(lab, 'api.example.com', web4, 443),
      holdWebSocket(lab, 'www.example.com', web4),
    ]);
    t.same(await sayUntilHeard(flows), [], 'all of it arrives before');
    await gateway.reload(nothingElse);
    t.same(await sayInVain(flows), [], 'nothing of it arrives after');
    for (const [port, runner] of [
      [25, lab.runner().v4],
      [25, lab.runner().v6],
      [123, lab.runner().v4],
      [123, lab.runner().v6],
    ] as const) {
      const record = await gateway.findRecord(
        (r) =>
          r.kind === 'packet' &&
          r.destination.port === port &&
          r.runner === runner &&
          r.decision.verdict === 'block',
        5000,
      );
      t.equal(record?.decision.reason, 'no-rule', `packets from ${runner} to port ${port} are recorded`);
    }
    for (const host of ['allowed.example.com', 'api.example.com', 'www.example.com']) {
      const record = await gateway.findRecord(
        ({ destination, decision, ended }) =>
          destination.host === host && (ended === 'no-rule' || decision.reason === 'no-rule'),
      );
      t.ok(record, `the end of what went to ${host} is recorded`);
    }
  },
);

const [hourMs, yearMs] = [3_600_000, 31_557_600_000];

t.test(
  '[time-clock-stepped] the gateway’s clock is stepped by hours and years, both ways',
  { buffered: true },
  async (t) => {
    const { lab, trying } = await openTrying(t);
    const clock = new SteppedClock(lab.directory);
    const gateway = await lab.startGateway(sitePolicy, { prefix: clock.prefix });
    trying.forget();
    for (const [name, offsetMs] of [
      ['two hours ahead', 2 * hourMs],
      ['two hours back', -2 * hourMs],
      ['right again', 0],
    ] as const) {
      clock.step(offsetMs);
      await sleep(200);
      t.ok(await isBack(lab), `${name}: what is allowed works`);
      // As many questions as a runner may ask at once: the right to ask comes back with time.
      for (let i = 0; i < 450; i++)
        void askName(lab.runner().namespace, lab.topology.gateway4, 'localhost', 'A');
      await sleep(1000);
      const asked = await askName(lab.runner().namespace, lab.topology.gateway4, 'allowed.example.com', 'A');
      t.equal(asked?.answers, 1, `${name}: names are answered again`);
    }
    clock.step(20 * yearMs);
    await sleep(200);
    await lab.curl(['-m', '2', '-k', allowedUrl]);
    await sleep(500);
    clock.step(0);
    await sleep(200);
    t.ok(await isBack(lab), 'twenty years ahead and back: what is allowed works');
    t.same(trying.leaks(), [], 'nothing leaked');
    const stepped = (await gateway.records()).find(
      ({ kind, time, decision }) =>
        kind === 'packet' && decision.verdict === 'block' && Date.parse(time) > Date.now() + hourMs,
    );
    t.ok(stepped, 'what was blocked is recorded under the stepped time');
  },
);
