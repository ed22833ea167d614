// DNS as a channel: what the names, types and answers of one runner come to as evidence and as a block, and that
// counting them takes bounded memory. The shapes are those of known tunnel programs and of scripts.

import { createHash } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import t from 'tap';
import { nameFromText } from '../../dns/name.ts';
import { TunnelWatch } from '../../dns/tunnel.ts';
import type { TunnelVerdict } from '../../dns/tunnel.ts';
import type { FlowRecord } from '../../flow/flow.ts';
import { a, exchange, exchangeTcp, rawQuery, rcodeOf, startBench } from './fixture.ts';
import type { Asked, Script } from './fixture.ts';

const base32 = 'abcdefghijklmnopqrstuvwxyz234567';
const random = (i: number, length: number): string =>
  Array.from(createHash('sha512').update(`${i}`).digest(), (byte) => base32[byte & 31])
    .join('')
    .slice(0, length);
const [A, TXT, SRV, NS] = [1, 16, 33, 2];
const wire = (text: string) => nameFromText(text)!;

interface Shape {
  title: string;
  name: (i: number) => string;
  type?: number;
  count: number;
  everyMs: number;
  absent?: boolean;
  answerBytes?: number;
  /** How many were let through before the first refusal; null: never refused. */
  refusedBefore: number | null;
  isEvidence: boolean;
}
const shapes: Shape[] = [
  {
    title: 'random labels of 60 bytes asked quickly',
    name: (i) => `${random(i, 60)}.evil.example`,
    count: 400,
    everyMs: 10,
    refusedBefore: 100,
    isEvidence: true,
  },
  {
    title: 'the same slowly, ten a minute',
    name: (i) => `${random(i, 60)}.evil.example`,
    count: 400,
    everyMs: 6000,
    refusedBefore: 300,
    isEvidence: true,
  },
  {
    title: 'data cut into many short labels',
    name: (i) => `${random(i, 48).replace(/(..)/g, '$1.')}evil.example`,
    count: 400,
    everyMs: 10,
    refusedBefore: 100,
    isEvidence: true,
  },
  {
    title: 'a short domain under a country code',
    name: (i) => `${random(i, 50)}.abc.io`,
    count: 400,
    everyMs: 10,
    refusedBefore: 100,
    isEvidence: true,
  },
  {
    title: 'TXT as the down channel',
    name: (i) => `${random(i, 12)}.evil.example`,
    type: TXT,
    count: 400,
    everyMs: 10,
    answerBytes: 1100,
    refusedBefore: 100,
    isEvidence: true,
  },
  {
    title: 'SRV and NS in turn, names that do not exist',
    name: (i) => `x${i}.evil.example`,
    type: SRV,
    count: 400,
    everyMs: 10,
    absent: true,
    refusedBefore: 100,
    isEvidence: true,
  },
  {
    title: 'one name asked for TXT again and again',
    name: () => 'poll.evil.example',
    type: TXT,
    count: 200,
    everyMs: 100,
    answerBytes: 1100,
    refusedBefore: null,
    isEvidence: true,
  },
  {
    title: 'short names, one bit each: only the budget ends it',
    name: (i) => `n${i}.evil.example`,
    count: 1500,
    everyMs: 10,
    refusedBefore: 1000,
    isEvidence: true,
  },
  {
    title: 'a content network: 250 short names in an hour',
    name: (i) => `d${i}x.cloud.example`,
    count: 250,
    everyMs: 10_000,
    refusedBefore: null,
    isEvidence: false,
  },
  {
    title: 'hosts of a build: 15 long names',
    name: (i) => `productionresultssa${i}.blob.core.windows.example`,
    count: 15,
    everyMs: 10,
    refusedBefore: null,
    isEvidence: false,
  },
];

t.test('each shape is let through until its limit, and suspicion is evidence before', (t) => {
  for (const shape of shapes) {
    const watch = new TunnelWatch();
    const seen: TunnelVerdict[] = [];
    for (let i = 0; i < shape.count; i++) {
      const name = wire(shape.name(i));
      const type = shape.type === SRV && i % 2 ? NS : (shape.type ?? A);
      seen.push(watch.ask('10.0.0.1', name, type, 1000 + i * shape.everyMs));
      const { absent = false, answerBytes = 60 } = shape;
      if (!isRefused(seen.at(-1)!)) watch.answered('10.0.0.1', name, absent, answerBytes);
    }
    const first = seen.findIndex(isRefused);
    t.equal(first < 0 ? null : first, shape.refusedBefore, shape.title);
    t.equal(
      seen.some((verdict) => verdict !== 'clear'),
      shape.isEvidence,
      `evidence: ${shape.title}`,
    );
    t.equal(watch.ask('10.0.0.2', wire(shape.name(9999)), A, 2000), 'clear', 'another runner is untouched');
  }
  t.end();
});

function isRefused(verdict: TunnelVerdict): boolean {
  return verdict === 'tunnel' || verdict === 'budget';
}

t.test('a spent budget comes back with the hour, known names go on, and other zones do not reset it', (t) => {
  const watch = new TunnelWatch({ nameBudget: 100 });
  const ask = (name: string, atMs: number) => watch.ask('10.0.0.1', wire(name), A, atMs);
  for (let i = 0; i < 100; i++) ask(`n${i}.evil.example`, 1000 + i * 1000);
  t.equal(ask('n100.evil.example', 120_000), 'budget');
  t.equal(ask('n5.evil.example', 120_000), 'clear', 'a name that was asked before');
  for (let i = 0; i < 500; i++) ask(`www.other${i}.example`, 120_000 + i);
  t.equal(ask('n101.evil.example', 130_000), 'budget', '500 other zones later');
  t.equal(ask('n102.evil.example', 3_700_000), 'clear', 'an hour later');
  for (let zone = 0; zone < 70; zone++)
    for (let i = 0; i < 60; i++) ask(`n${i}.z${zone}.example`, 8_000_000 + i);
  t.equal(ask('new.z99.example', 8_000_100), 'budget', 'ten budgets over all zones');
  t.end();
});

t.test('a budget is one runner’s under one wildcard; a wide wildcard has one for each zone', (t) => {
  const watch = new TunnelWatch({ nameBudget: 100 });
  /** The first of 300 names that is refused. */
  const refusedAt = (runner: string, zone: string, wildcard?: string | null) => {
    for (let i = 0; i < 300; i++)
      if (watch.ask(runner, wire(`n${i}.${zone}`), A, 1000, wildcard) === 'budget') return i;
    return null;
  };
  t.equal(refusedAt('10.0.0.1', 'a.evil.example', '*.a.evil.example'), 100);
  t.equal(refusedAt('10.0.0.1', 'b.evil.example', 'n*.b.evil.example'), 100, 'another wildcard of the zone');
  t.equal(refusedAt('10.0.0.2', 'a.evil.example', '*.a.evil.example'), 100, 'another runner');
  t.equal(refusedAt('10.0.0.1', 'c.a.evil.example', '*.a.evil.example'), 0, 'the same one, deeper down');
  t.equal(refusedAt('10.0.0.1', 'x.one.example', '**.example'), 100, 'wider than a zone');
  t.equal(refusedAt('10.0.0.1', 'y.one.example', '**'), 0, 'the same zone under a wider one still');
  t.equal(refusedAt('10.0.0.1', 'x.two.example', '**'), 100, 'another zone');
  t.equal(refusedAt('10.0.0.1', 'listed.example', null), null, 'names that the policy writes out');
  t.equal(refusedAt('10.0.0.1', 'open.example'), 100, 'what no rule names, in audit mode');
  t.end();
});

t.test('many wildcards bring no budget back, and ten budgets are all that one runner has', (t) => {
  const watch = new TunnelWatch({ nameBudget: 100 });
  const ask = (i: number, of: string) =>
    watch.ask('10.0.0.1', wire(`n${i}.${of}.evil.example`), A, 1000, `*.${of}.evil.example`);
  for (let i = 0; i < 100; i++) ask(i, 'first');
  for (let other = 0; other < 600; other++) ask(0, `w${other}`);
  t.equal(ask(100, 'first'), 'budget', '600 other wildcards later');
  let left = 0;
  for (let i = 0; i < 1000; i++) if (ask(i, `v${i % 20}`) !== 'budget') left++;
  t.equal(left, 300, '1000 in all, 700 were asked');
  t.end();
});

t.test('the addresses of one IPv6 subnet have the budget of a few runners together', (t) => {
  const watch = new TunnelWatch({ nameBudget: 10 });
  const seen = Array.from({ length: 100 }, (_, i) =>
    watch.ask(`fd00::${i.toString(16)}`, wire(`n${i}.evil.example`), A, 1000),
  );
  t.equal(seen.indexOf('budget'), 80);
  t.equal(watch.ask('fd00:0:0:1::1', wire('n.evil.example'), A, 1000), 'clear', 'another subnet');
  t.end();
});

t.test('100,000 names and 10,000 runners take bounded memory', (t) => {
  const watch = new TunnelWatch();
  for (let i = 0; i < 100_000; i++) watch.ask('10.0.0.1', wire(`n${i}.z${i % 900}.example`), A, 1000);
  t.ok(watch.names <= 10_000, `${watch.names} names of one runner`);
  for (let i = 0; i < 10_000; i++)
    for (let n = 0; n < 40; n++) watch.ask(`10.1.${i >> 8}.${i & 255}`, wire(`n${n}.evil.example`), A, 1000);
  t.ok(watch.names <= 200_000, `${watch.names} names of all`);
  t.end();
});

const script = ({ name }: Asked): Script => ({ answers: [a(name, '93.184.216.34', 60)] });
const unlimited = { rate: { perSecond: 1e6, burst: 1e6, held: 4000 } };
const closed = (records: readonly FlowRecord[]) => records.filter(({ phase }) => phase === 'closed');

for (const mode of ['block', 'audit'] as const) {
  t.test(
    `a tunnel under a wildcard, ${mode} mode: what leaves, what is answered, what is recorded`,
    async (t) => {
      const rules = { '*.evil.example': { rule: 'wild' } };
      const bench = await startBench({ script, rules, mode, dns: unlimited });
      t.teardown(() => bench.close());
      const codes: (number | null)[] = [];
      for (let i = 0; i < 130; i++) {
        const query = rawQuery(`${random(i, 60)}.evil.example`, i % 2 ? TXT : A, {});
        codes.push(rcodeOf(await (i % 3 ? exchange(bench.port, query) : exchangeTcp(bench.tcpPort, query))));
      }
      const last = closed(bench.records).at(-1)!;
      t.match(last.evidence, [{ kind: 'dns-tunnel', detail: 'names look like a tunnel' }]);
      t.match(last.decision, {
        verdict: 'block',
        enforced: mode === 'block',
        rule: 'wild',
        reason: 'dns-tunnel',
      });
      const evident = closed(bench.records).findIndex(({ evidence }) => evidence.length > 0);
      t.ok(evident > 0 && evident < 35, `evidence from question ${evident} on`);
      const opened = bench.records.filter(({ phase }) => phase === 'opened');
      if (mode === 'block') {
        t.equal(codes.at(-1), 3);
        t.ok(bench.upstream.asked.length < 60, `${bench.upstream.asked.length} questions left`);
        t.equal(opened.length, bench.upstream.asked.length);
      } else {
        t.equal(codes.at(-1), 0);
        t.equal(bench.upstream.asked.length, 130);
        t.equal(opened.at(-1)?.decision.reason, 'dns-tunnel', 'the opened record says it too');
      }
    },
  );
}

t.test('types that only carry are answered here, whatever their number, and recorded', async (t) => {
  const bench = await startBench({ script, rules: { 'ok.example': {} } });
  t.teardown(() => bench.close());
  // RFC 1035 NULL; RFC 6895: 128 to 255 are questions, 65280 and more private; the others have no use in a job.
  const types: readonly (readonly [type: number, code: number])[] = [
    [10, 4],
    [41, 4],
    [128, 4],
    [249, 4],
    [251, 5],
    [252, 5],
    [255, 4],
    [65_280, 4],
    [65_535, 4],
    [0, 4],
    [64, 0],
    [65, 0],
    [13, 0],
    [258, 0],
    [32_768, 0],
  ];
  for (const [type, code] of types) {
    t.equal(rcodeOf(await exchange(bench.port, rawQuery('ok.example', type))), code, `type ${type}`);
    const decision = code === 0 ? { verdict: 'allow' } : { verdict: 'block', reason: 'dns-type' };
    t.match(closed(bench.records).at(-1), { decision, dns: { answers: [] } });
  }
  t.equal(bench.upstream.asked.length, 0);
});

t.test('a spent budget is told with its wildcard, and names of another one go on', async (t) => {
  const rules = { '*.a.evil.example': { rule: 'first' }, '*.b.evil.example': {}, 'n.a.evil.example': {} };
  const tunnels = new TunnelWatch({ nameBudget: 5 });
  const bench = await startBench({ script, rules, dns: { tunnels } });
  t.teardown(() => bench.close());
  const ask = async (name: string) => rcodeOf(await exchange(bench.port, rawQuery(name, A)));
  for (let i = 0; i < 5; i++) t.equal(await ask(`n${i}.a.evil.example`), 0);
  t.equal(await ask('n5.a.evil.example'), 3);
  t.match(closed(bench.records).at(-1), {
    decision: { verdict: 'block', enforced: true, rule: 'first', reason: 'dns-budget' },
    evidence: [{ kind: 'dns-tunnel', detail: 'name budget of *.a.evil.example spent' }],
  });
  t.equal(await ask('n0.a.evil.example'), 0, 'known');
  t.equal(await ask('n.a.evil.example'), 0, 'written out');
  t.equal(await ask('n5.b.evil.example'), 0, 'of another wildcard');
  t.equal(bench.upstream.asked.length, 7);
});

t.test('of 1200 sub-names asked at once, as many leave as the budget has', async (t) => {
  const bench = await startBench({
    script,
    rules: { '*.evil.example': {} },
    dns: { ...unlimited, recorder: quiet() },
  });
  t.teardown(() => bench.close());
  for (let i = 0; i < 1200; i += 100) {
    await Promise.all(
      Array.from({ length: 100 }, (_, k) => exchange(bench.port, rawQuery(`s${i + k}.evil.example`, A))),
    );
  }
  await wait(20);
  t.equal(bench.upstream.asked.length, 1000, 'the budget');
  t.equal(bench.lookup.cache.entries, 1000);
});

function quiet() {
  const nothing = {};
  return {
    opened: () => {},
    closed: () => {},
    prepareSource: () => nothing,
    prepareOutcome: () => nothing,
    closedAgain: () => {},
    handOver: () => {},
  };
}
