// The printed texts: as reviewed, as the stock programs take them, and saying the same in both forms.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { buildRules } from '../../kernel/build-rules.ts';
import { printGuard, printNft } from '../../kernel/print-nft.ts';
import { printIptables } from '../../kernel/print-iptables.ts';
import { PlanJudge } from '../../kernel/judge-flow.ts';
import { reduceRanges } from '../../kernel/reduce-ranges.ts';
import { runRulesCommand } from '../../kernel/rules-command.ts';
import { IptablesEvaluator, NftEvaluator, type Packet } from './evaluate.ts';
import { gatewayMac, Namespaces, runnerMac } from './namespaces.ts';
import { drawPackets, packetBytes } from './packets.ts';
import { sampleConfig, samplePlan } from './sample.ts';

const modes = ['gateway', 'steer', 'sidecar'] as const;
const golden = join(import.meta.dirname, 'golden');
const folder = mkdtempSync(join(tmpdir(), 'kernel-text-'));
t.teardown(() => rmSync(folder, { recursive: true }));
const texts = Object.fromEntries(
  modes.map((mode) => {
    const ruleSet = buildRules(sampleConfig(mode), samplePlan);
    return [
      mode,
      { nft: printNft(ruleSet), guard: printGuard(ruleSet.config), tables: printIptables(ruleSet) },
    ];
  }),
) as Record<(typeof modes)[number], { nft: string; guard: string; tables: ReturnType<typeof printIptables> }>;

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

for (const mode of modes) {
  t.test(`${mode}: the texts are those that were reviewed`, (t) => {
    const { nft, guard, tables } = texts[mode];
    const printed = {
      nft: guard + nft,
      ipset: tables.ipset,
      iptables: tables.iptables,
      ip6tables: tables.ip6tables,
    };
    for (const [form, text] of Object.entries(printed)) {
      const path = join(golden, `${mode}.${form}`);
      // GOLDEN=write renews them; the difference is then read before it is committed.
      if (process.env['GOLDEN'] === 'write') writeFileSync(path, text);
      t.equal(text, readFileSync(path, 'utf8'), form);
    }
    t.end();
  });

  t.test(`${mode}: nft, ipset, iptables-restore and ip6tables-restore take the texts, twice`, (t) => {
    const { nft, guard, tables } = texts[mode];
    const nftFile = file(`${mode}.nft`, guard + nft);
    const steps = [
      `nft -c -f ${nftFile}`,
      `nft -f ${nftFile}`,
      `nft -f ${nftFile}`,
      `ipset restore -file ${file(`${mode}.ipset`, tables.ipset)}`,
      `iptables-restore --test --noflush ${file(`${mode}.4`, tables.iptables)}`,
      `iptables-restore --noflush ${join(folder, `${mode}.4`)}`,
      `ip6tables-restore --noflush ${file(`${mode}.6`, tables.ip6tables)}`,
      `ipset restore -file ${join(folder, `${mode}.ipset`)}`,
    ];
    const result = spawnSync('unshare', ['-n', 'sh', '-e', '-c', steps.join('\n')], { encoding: 'utf8' });
    t.equal(result.status, 0, result.stderr);
    t.end();
  });
}

for (const mode of ['gateway', 'steer'] as const) {
  t.test(`${mode}: both forms agree on 10,000 packets, and every clause of the iptables form counts`, (t) => {
    const { nft, tables } = texts[mode];
    const packets = drawPackets(10_000, 20_261_124);
    const byNft = new NftEvaluator(nft);
    const byTables = new IptablesEvaluator(tables);
    t.same(
      packets.filter((packet) => byNft.judge(packet) !== byTables.judge(packet)),
      [],
    );
    const fates = new Set(packets.map((packet) => byNft.judge(packet)));
    for (const fate of [
      'redirected',
      'delivered',
      'forwarded allow rule',
      'forwarded audit no-rule',
      'forwarded audit block-rule',
      ...['no-rule', 'block-rule', 'quic', 'encrypted-dns', 'never-address'].map(
        (code) => `blocked block ${code}`,
      ),
      ...['spoofed-source', 'quarantine', 'blocklist', 'direct-port'].map((code) => `blocked block ${code}`),
    ]) {
      t.ok(fates.has(fate), `${fate} occurs`);
    }
    // The comparison can fail: without any one of these lines the forms disagree.
    for (const line of [
      '-A sp-source -m set --match-set sallyport-quarantine4 src -g sp-block-quarantine',
      '-A sp-always-enforced -p udp --dport 443 -g sp-block-quic',
      '-A sp-egress -m set --match-set sallyport-blocklist4 dst -g sp-block-blocklist',
      '-A sp-own-ports -p tcp --dport 9441 -g sp-accept',
    ]) {
      t.ok(tables.iptables.includes(line), line);
      const without = { ...tables, iptables: tables.iptables.replace(`${line}\n`, '') };
      const mutant = new IptablesEvaluator(without);
      t.ok(
        packets.some((packet) => byNft.judge(packet) !== mutant.judge(packet)),
        `without ${line}`,
      );
    }
    t.end();
  });
}

t.test('a new plan judges tracked connections as the rules would judge their first packet', (t) => {
  const judge = new NftEvaluator(texts.gateway.nft);
  const packets = drawPackets(10_000, 3).filter(
    (packet) =>
      packet.state === 'new' && !packet.isLocal && packet.inputInterface === 'int0' && !packet.isBound,
  );
  const planJudge = new PlanJudge(samplePlan, true);
  const judged = packets.filter((packet) =>
    /forwarded|no-rule|block-rule|blocklist/.test(judge.judge(packet)),
  );
  const differing = judged.filter((packet) => {
    const port = packet.port < 0 ? null : packet.port;
    return planJudge.mayForward({ ...packet, port }, false) !== judge.judge(packet).startsWith('forwarded');
  });
  t.same(differing, []);
  t.ok(judged.length > 500, `${judged.length} compared`);
  t.end();
});

t.test('a connection that began before the gateway does not go on past the proxy', (t) => {
  const flow = { source: '10.77.0.3', destination: '203.0.113.10', protocolNumber: 6 };
  const judge = new PlanJudge(samplePlan, true);
  for (const [title, expected, judged, isBound] of [
    ['an intercepted port in audit', false, { ...flow, port: 443 }, false],
    ['another port in audit', true, { ...flow, port: 22 }, false],
    ['UDP in audit', true, { ...flow, protocolNumber: 17, port: 443 }, false],
    ['inspect: false', true, { ...flow, source: '10.77.0.2', destination: '203.0.113.11', port: 443 }, false],
    ['bound by a name', true, { ...flow, port: 443 }, true],
  ] as const) {
    t.equal(judge.mayForward(judged, isBound), expected, title);
  }
  t.equal(
    new PlanJudge(samplePlan, false).mayForward({ ...flow, port: 443 }, false),
    true,
    'steer redirects nothing',
  );
  t.end();
});

t.test('twenty thousand connections are judged by as many ranges in half a second', (t) => {
  const cidr = (i: number) => `${11 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}.0/24`;
  const plan = { ...samplePlan, blocklist: Array.from({ length: 20_000 }, (_, i) => cidr(i)) };
  const started = performance.now();
  const judge = new PlanJudge(plan, true);
  const flows = Array.from({ length: 20_000 }, (_, i) => cidr(i * 2).replace('0/24', '9'));
  const blocked = flows.filter(
    (destination) =>
      !judge.mayForward({ source: '10.77.0.3', destination, protocolNumber: 6, port: 22 }, false),
  );
  const tookMs = performance.now() - started;
  t.equal(blocked.length, 10_000, 'those of the blocklist; the runner is in audit');
  t.ok(tookMs < 500, `${tookMs.toFixed(0)} ms`);
  t.end();
});

t.test('ranges are made disjoint, by family as written', (t) => {
  t.same(reduceRanges(['10.0.0.0/8', '10.1.0.0/16', '10.1.2.3', '9.0.0.0/8', '::/0'], 4), [
    '9.0.0.0/8',
    '10.0.0.0/8',
  ]);
  t.same(reduceRanges(['::ffff:0:0/96', '::1/128', '::/96', '2001:db8::1'], 6), [
    '::/96',
    '::ffff:0:0/96',
    '2001:db8::1',
  ]);
  t.throws(() => reduceRanges(['10.0.0.1/8'], 4), { code: 'kernel' });
  t.end();
});

t.test('the rules command prints, applies and removes; what it cannot read is refused', async (t) => {
  let out = '';
  const io = { stdout: { write: (text: string) => (out += text) } };
  const load = () => ({ config: sampleConfig('gateway'), plan: samplePlan });
  t.equal(await runRulesCommand(['nftables', '--mode', 'steer'], io, load), 0);
  const pool =
    '# ip route add local 10.77.128.0/24 dev lo\n' +
    '# ip addr add ADDRESS/128 dev int0 nodad preferred_lft 0 (each of fd77::1:0/112 that is given away)\n';
  t.equal(out, texts.steer.guard + pool + texts.steer.nft);
  out = '';
  t.equal(await runRulesCommand(['iptables', '--json'], io, load), 0);
  t.equal((JSON.parse(out) as { ipset: string }).ipset, texts.gateway.tables.ipset);
  await t.rejects(runRulesCommand(['pf'], io, load), { code: 'usage' });
  await t.rejects(runRulesCommand(['nftables', '--mode', 'bridge'], io, load), { code: 'usage' });
  await t.rejects(runRulesCommand(['nftables', '--apply', '--remove'], io, load), { code: 'usage' });
});

await t.test('a sample of the packets, really sent, meets the fate that both texts say', async (t) => {
  const lab = new Namespaces('b');
  t.teardown(() => lab.close());
  await lab.gateway.ask('workers', [10001, 10002, 9441], '10.77.0.1', 'fd77::1');
  await lab.runner.ask('raw', lab.index(lab.names.runner, 'run0'), gatewayMac, runnerMac);
  await lab.runner.ask('sniff', lab.index(lab.names.runner, 'run0'));
  await lab.internet.ask('sniff', lab.index(lab.names.internet, 'net0'));
  const judge = new NftEvaluator(texts.gateway.nft);
  const sample = stratify(judge, drawPackets(10_000, 11).filter(canBeSent), 60);
  t.ok(
    sample.length >= 50,
    `${sample.length} packets of ${new Set(sample.map((p) => judge.judge(p))).size} fates`,
  );
  const forms: readonly (readonly [string, readonly string[]])[] = [
    ['nft', [`nft -f ${join(folder, 'gateway.nft')}`]],
    [
      'iptables',
      [
        'nft flush ruleset',
        `ipset restore -file ${join(folder, 'gateway.ipset')}`,
        `iptables-restore --noflush ${join(folder, 'gateway.4')}`,
        `ip6tables-restore --noflush ${join(folder, 'gateway.6')}`,
      ],
    ],
  ];
  for (const [index, [form, steps]] of forms.entries()) {
    for (const step of steps) {
      const { ok, text } = lab.exec(lab.names.gateway, ...step.split(' '));
      t.ok(ok, step, { text });
    }
    await lab.runner.ask('seen');
    await lab.internet.ask('seen');
    const firstPort = 20_000 + index * 1000;
    for (const [i, packet] of sample.entries()) {
      await lab.runner.ask('send', [packetBytes(packet, firstPort + i).toString('hex')]);
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
    const arrived = await lab.internet.ask<string[]>('seen');
    const answered = await lab.runner.ask<string[]>('seen');
    for (const [i, packet] of sample.entries()) {
      const port = (firstPort + i).toString(16).padStart(4, '0');
      const fate = judge.judge(packet);
      const observed = arrived.some((hex) => carries(hex, packet, port))
        ? 'forwarded'
        : answered.some((hex) => answers(hex, packet, port))
          ? 'answered'
          : 'blocked';
      const expected = fate.startsWith('forwarded')
        ? 'forwarded'
        : fate.startsWith('blocked')
          ? 'blocked'
          : 'answered';
      t.equal(
        observed,
        expected,
        `${form}: ${fate}: ${packet.source} > ${packet.destination} ${packet.protocolNumber}/${packet.port}`,
      );
    }
  }
});

// What the lab can send and see: new, from addresses that it has or that nobody has, over the runners' interface.
function canBeSent(packet: Packet): boolean {
  const isPlain =
    packet.state === 'new' && packet.inputInterface === 'int0' && packet.outputInterface === 'ext0';
  const isKnown = !['10.77.9.9', 'fe80::2'].includes(packet.source);
  const isEcho = packet.icmpType < 0 || packet.icmpType === 8 || packet.icmpType === 128;
  return isPlain && isKnown && isEcho && !packet.isQuarantined && !packet.isBound;
}

function stratify(judge: NftEvaluator, packets: readonly Packet[], count: number): Packet[] {
  const strata = new Map<string, Packet[]>();
  for (const packet of packets) {
    // Conntrack calls an SCTP or DCCP packet of zeros invalid: it can be blocked, but not let through.
    const isMalformed = packet.protocolNumber === 132 || packet.protocolNumber === 33;
    if (isMalformed && !judge.judge(packet).startsWith('blocked')) continue;
    const key = `${judge.judge(packet)} ${packet.family} ${packet.protocolNumber === 6 || packet.protocolNumber === 17}`;
    strata.set(key, [...(strata.get(key) ?? []), packet]);
  }
  const sample: Packet[] = [];
  for (let round = 0; sample.length < count && round < 20; round++) {
    for (const list of strata.values())
      if (round < list.length && sample.length < count) sample.push(list[round]!);
  }
  return sample;
}

// The packet itself, on its way: same destination and the source port (or the identifier) that marks it.
function carries(hex: string, packet: Packet, port: string): boolean {
  const at = hex[0] === '4' ? 40 : 80;
  const protocol = Number.parseInt(hex[0] === '4' ? hex.slice(18, 20) : hex.slice(12, 14), 16);
  if (protocol !== packet.protocolNumber) return false;
  const hasPort = protocol === 6 || protocol === 17;
  return hex.slice(at + (hasPort ? 0 : 8), at + (hasPort ? 4 : 12)) === port;
}

// SYN and ACK, a datagram to the source port, or an echo reply.
function answers(hex: string, packet: Packet, port: string): boolean {
  const at = hex[0] === '4' ? 40 : 80;
  const protocol = Number.parseInt(hex[0] === '4' ? hex.slice(18, 20) : hex.slice(12, 14), 16);
  if (protocol !== packet.protocolNumber) return false;
  if (protocol === 6) return hex.slice(at + 4, at + 8) === port && hex.slice(at + 26, at + 28) === '12';
  if (protocol === 17) return hex.slice(at + 4, at + 8) === port;
  if (protocol !== 1 && protocol !== 58) return false;
  const isReply = hex.slice(at, at + 2) === '00' || hex.slice(at, at + 2) === '81';
  return isReply && hex.slice(at + 8, at + 12) === port;
}
