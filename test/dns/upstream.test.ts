// Upstreams that are dead, slow or lying, forward zones, and what the gateway's own dials get resolved.

import { createSocket } from 'node:dgram';
import { setTimeout as wait } from 'node:timers/promises';
import t from 'tap';
import { Lookup } from '../../dns/lookup.ts';
import { nameFromText } from '../../dns/name.ts';
import { Resolver } from '../../dns/resolver.ts';
import { TunnelWatch } from '../../dns/tunnel.ts';
import type { ForwardZone } from '../../dns/upstreams.ts';
import type { Decision, Mode } from '../../flow/decision.ts';
import { noMeter } from '../../flow/ports.ts';
import type { Reason } from '../../flow/reason.ts';
import { a, aaaa, cname, FakeUpstream } from './fixture.ts';
import type { Asked, Script } from './fixture.ts';

const good = ({ name, type }: Asked): Script => ({
  answers: type === 28 ? [aaaa(name, '2606:2800:220:1::1')] : [a(name, '93.184.216.34')],
});

type Teardown = { teardown(close: () => void): void };

/** Loopback upstreams by script, the look-up over them, all closed at the end of the test. */
async function over(t: Teardown, scripts: ((asked: Asked) => Script)[], zones: Record<string, number> = {}) {
  const upstreams = scripts.map((script) => new FakeUpstream(script));
  for (const upstream of upstreams) await upstream.open();
  const config = (upstream: FakeUpstream) =>
    ({ address: '127.0.0.1', port: upstream.port, transport: 'udp' }) as const;
  const inZone = new Set(Object.values(zones));
  const forwardZones: ForwardZone[] = Object.entries(zones).map(([zone, index]) => ({
    zone,
    upstreams: [config(upstreams[index]!)],
  }));
  const plain = upstreams.filter((_, index) => !inZone.has(index));
  const lookup = new Lookup({ upstreams: plain.map(config), forwardZones, meter: noMeter });
  t.teardown(() => {
    lookup.close();
    for (const upstream of upstreams) upstream.close();
  });
  let asks = 0;
  const ask = async (text = `n${asks++}.example`, type = 1) => {
    const found = await lookup.find({ name: nameFromText(text)!, type, variant: 0 });
    const { rcode, ede, wire } = found!.entry;
    return { rcode, ede, addresses: wire.addresses.map((bytes) => bytes.join('.')) };
  };
  return { ask, upstreams, lookup };
}
const answered = { rcode: 0, ede: 0, addresses: ['93.184.216.34'] };

t.test('a dead server is passed over, and no longer asked after three failures', async (t) => {
  let isDead = true;
  const { ask, upstreams } = await over(t, [
    (asked) => (isDead ? { silent: true } : good(asked)),
    (asked) => ({ ...good(asked), delayMs: 60 }),
  ]);
  for (let i = 0; i < 3; i++) t.strictSame(await ask(), answered, 'from the other one');
  const asked = upstreams[0]!.asked.length;
  t.equal(asked, 3);
  const startedAt = performance.now();
  t.strictSame(await ask(), answered);
  t.ok(performance.now() - startedAt < 200, 'without waiting for the dead one');
  t.equal(upstreams[0]!.asked.length, asked);
  isDead = false;
  const steady = performance.now.bind(performance);
  t.teardown(() => (performance.now = steady));
  performance.now = () => steady() + 5100;
  await ask();
  await wait(200);
  t.match(upstreams[0]!.asked.at(-1), { name: '', type: 2 }, 'the probe is no client’s question');
  await ask();
  await ask();
  t.ok(upstreams[0]!.asked.length > asked + 1, 'it is back');
});

t.test('lies are passed over: what is not the answer to this question never is', async (t) => {
  const patched = (query: Buffer, encoded: Buffer, at: number, value: number) => {
    const wrong = Buffer.from(encoded);
    wrong[at] = value;
    return [wrong, encoded];
  };
  const lies: readonly [string, (query: Buffer, encoded: Buffer) => Buffer[]][] = [
    ['another id', (query, encoded) => patched(query, encoded, 0, query[0]! ^ 1)],
    ['another name', (query, encoded) => patched(query, encoded, 13, 0x7a)],
    ['another type', (query, encoded) => patched(query, encoded, 12 + encoded.indexOf(0, 12) - 12 + 2, 16)],
    ['a query', (query, encoded) => patched(query, encoded, 2, 1)],
    ['another opcode', (query, encoded) => patched(query, encoded, 2, 0x89)],
    ['no question', (query, encoded) => patched(query, encoded, 5, 0)],
    ['five bytes', (_, encoded) => [encoded.subarray(0, 5), encoded]],
  ];
  for (const [title, raw] of lies) {
    const { ask } = await over(t, [(asked) => ({ ...good(asked), raw })]);
    t.strictSame(await ask(), answered, title);
  }
  const flood = (query: Buffer, encoded: Buffer) =>
    asTcp.has(query.readUInt16BE(0))
      ? [encoded]
      : Array.from({ length: 12 }, (_, i) => Buffer.concat([Buffer.of(i, i), encoded.subarray(2)]));
  const asTcp = new Set<number>();
  const { ask, upstreams } = await over(t, [
    (asked) => ({ ...good(asked), raw: asked.transport === 'udp' ? flood : (_, encoded) => [encoded] }),
  ]);
  t.strictSame(await ask(), answered);
  t.strictSame(
    upstreams[0]!.asked.map(({ transport }) => transport),
    ['udp', 'tcp'],
    'after ten that do not fit TCP is asked',
  );
});

const cased = (asked: readonly string[]) => asked.filter((name) => name !== name.toLowerCase()).length;

t.test(
  'names go out in random case over UDP; a server that changes it is asked over TCP, then in lower case',
  async (t) => {
    const long = 'abcdefghijklmnopqrstuvwxyz';
    const seen: string[] = [];
    const keep = (query: Buffer, encoded: Buffer) => {
      seen.push(query.toString('latin1', 13, query.indexOf(0, 13)));
      return [encoded];
    };
    const { ask } = await over(t, [(asked) => ({ ...good(asked), raw: keep })]);
    for (let i = 0; i < 8; i++) t.strictSame(await ask(`${long}${i}.example`), answered);
    t.equal(cased(seen), 8);
    t.equal(new Set(seen.map((name) => name.slice(0, 26))).size, 8, 'each in its own way');

    const lower = (query: Buffer, encoded: Buffer) => {
      seen.push(query.toString('latin1', 13, query.indexOf(0, 13)));
      const echo = Buffer.from(encoded);
      for (let at = 12; echo[at] !== 0; at++) if (echo[at]! >= 0x41 && echo[at]! <= 0x5a) echo[at]! |= 0x20;
      return [echo];
    };
    seen.length = 0;
    const folding = await over(t, [(asked) => ({ ...good(asked), raw: lower })]);
    for (let i = 0; i < 4; i++) t.match(await folding.ask(`${long}${i}.example`), { rcode: 0 });
    t.strictSame(
      folding.upstreams[0]!.asked.map(({ transport }) => transport),
      ['udp', 'tcp', 'udp', 'udp', 'udp'],
      'learnt over TCP alone',
    );
    t.equal(cased(seen), 2);

    // One that is forged in lower case ends neither the question nor the random case.
    seen.length = 0;
    const forge = (query: Buffer, encoded: Buffer) => [
      ...(seen.length === 1 ? lower(query, encoded) : []),
      ...keep(query, encoded),
    ];
    const forged = await over(t, [
      (asked) => ({ ...good(asked), raw: asked.transport === 'udp' ? forge : keep }),
    ]);
    for (let i = 0; i < 6; i++) t.strictSame(await forged.ask(`${long}${i}.example`), answered);
    t.ok(cased(seen) >= 7, 'still in random case');
  },
);

t.test('a datagram from another port is nobody’s answer, however right it looks', async (t) => {
  const [server, liar] = [createSocket('udp4'), createSocket('udp4')];
  await new Promise<void>((resolve) => server.bind(0, '127.0.0.1', resolve));
  const answer = (query: Buffer, address: string) => {
    const record = Buffer.from('c00c000100010000003c0004', 'hex');
    const question = Buffer.from(query.subarray(0, query.indexOf(0, 12) + 5));
    question.set([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0], 2);
    return Buffer.concat([question, record, Buffer.from(address.split('.').map(Number))]);
  };
  let lies = 0;
  server.on('message', (query, { port }) => {
    liar.send(answer(query, '93.184.216.66'), port, '127.0.0.1', () => lies++);
    setTimeout(() => server.send(answer(query, '93.184.216.34'), port, '127.0.0.1'), 50);
  });
  const { port } = server.address();
  const upstreams = [{ address: '127.0.0.1', port, transport: 'udp' }] as const;
  const lookup = new Lookup({ upstreams, meter: noMeter });
  t.teardown(() => (lookup.close(), server.close(), liar.close()));
  const found = await lookup.find({ name: nameFromText('ok.example')!, type: 1, variant: 0 });
  t.equal(found!.entry.wire.addresses[0]!.join('.'), '93.184.216.34');
  t.equal(lies, 1);
});

t.test('slow, weak and missing servers come to the answer that RFC 8914 has for them', async (t) => {
  const slow = await over(t, [(asked) => ({ ...good(asked), delayMs: 600 })]);
  t.strictSame(await slow.ask(), answered, 'the second try waits twice as long');
  const weak = await over(t, [() => ({ rcode: 2 }), good]);
  t.strictSame([await weak.ask(), await weak.ask()], [answered, answered], 'SERVFAIL gets a try elsewhere');
  t.match(await (await over(t, [() => ({ rcode: 5 }), () => ({ rcode: 5 })])).ask(), { rcode: 2, ede: 0 });
  t.match(await (await over(t, [])).ask(), { rcode: 2, ede: 22 });
  const cut = await over(t, [(asked) => ({ ...good(asked), truncated: asked.transport === 'udp' })]);
  t.strictSame(await cut.ask(), answered, 'a truncated answer is never used');
  t.strictSame(
    cut.upstreams[0]!.asked.map(({ transport }) => transport),
    ['udp', 'tcp'],
  );
});

t.test('a server that knows no EDNS is asked without it (RFC 6891 7)', async (t) => {
  let sizes: number[] = [];
  const { ask } = await over(t, [
    (asked) => ({
      ...good(asked),
      raw: (query, encoded) => {
        sizes = [...sizes, query[11]!];
        if (query[11] === 0) return [encoded];
        const refusal = Buffer.from(query.subarray(0, query.indexOf(0, 12) + 5));
        refusal.set([0x81, 0x81, 0, 1, 0, 0, 0, 0, 0, 0], 2);
        return [refusal];
      },
    }),
  ]);
  t.strictSame(await ask(), answered);
  t.strictSame(sizes, [1, 0]);
});

t.test('a forward zone is asked of its servers alone, the longest zone wins', async (t) => {
  const at = (address: string) => (asked: Asked) => ({ answers: [a(asked.name, address)] });
  const zones = { 'corp.example': 1, 'deep.corp.example': 2 };
  const { ask, upstreams, lookup } = await over(t, [at('1.1.1.1'), at('2.2.2.2'), at('3.3.3.3')], zones);
  const first = async (name: string) => (await ask(name)).addresses[0];
  t.equal(await first('www.example'), '1.1.1.1');
  t.equal(await first('corp.example'), '2.2.2.2');
  t.equal(await first('a.corp.example'), '2.2.2.2');
  t.equal(await first('xcorp.example'), '1.1.1.1');
  t.equal(await first('a.deep.corp.example'), '3.3.3.3');
  t.equal(lookup.isForwarded(nameFromText('deep.corp.example')!), true);
  upstreams[1]!.close();
  t.match(await ask('down.corp.example'), { rcode: 2, ede: 23 }, 'never from the servers of everything else');
});

t.test('chains over several answers end, loop or run too long', async (t) => {
  const next = (name: string) => `c${Number(/^c(\d+)/.exec(name)![1]) + 1}.example`;
  const chains: Record<string, (asked: Asked) => Script> = {
    'c1.example': ({ name }) => ({ answers: [cname(name, 'c2.example')] }),
    'x.example': ({ name }) => ({ answers: [cname(name, 'y.example')] }),
    'y.example': ({ name }) => ({ answers: [cname(name, 'x.example')] }),
    'self.example': ({ name }) => ({ answers: [cname(name, name)] }),
  };
  const { ask, upstreams } = await over(t, [
    (asked) =>
      chains[asked.name]?.(asked) ??
      (/^c\d/.test(asked.name) && !asked.name.startsWith('c3.')
        ? { answers: [cname(asked.name, next(asked.name))] }
        : good(asked)),
  ]);
  t.strictSame(await ask('c1.example'), answered, 'three questions');
  t.match(await ask('x.example'), { rcode: 2 }, 'a loop');
  t.match(await ask('self.example'), { rcode: 2 });
  const before = upstreams[0]!.asked.length;
  t.match(await ask('c4.example'), { rcode: 2 }, 'without end');
  t.equal(upstreams[0]!.asked.length - before, 4, 'four questions at most');
});

const decision = (verdict: 'allow' | 'block', reason: Reason, mode: Mode = 'block'): Decision => ({
  verdict,
  enforced: reason === 'blocklist' || mode === 'block',
  mode,
  rule: 'r1',
  scope: null,
  reason,
});

t.test('blocks along CNAME chains hold for the gateway’s own dials', async (t) => {
  const { lookup } = await over(t, [
    ({ name }) => ({ answers: [cname(name, 'b.target.example'), a('b.target.example', '93.184.216.34')] }),
  ]);
  const resolver = new Resolver({ lookup, ipv6: false });
  const resolve = (target: Decision) =>
    resolver.resolve('a.example', {
      runner: '10.0.0.1',
      judge: (name) => (name === 'b.target.example' ? target : decision('allow', 'rule')),
    });
  const addresses = ['93.184.216.34'];
  t.strictSame(await resolve(decision('allow', 'rule')), addresses);
  t.strictSame(await resolve(decision('block', 'no-rule')), addresses, 'a target needs no rule');
  t.match(await resolve(decision('block', 'block-rule')), { refused: 'block-rule' });
  t.match(await resolve(decision('block', 'blocklist', 'audit')), { refused: 'blocklist' });
  t.strictSame(await resolve(decision('block', 'block-rule', 'audit')), addresses, 'recorded only');
  t.strictSame(await resolve({ ...decision('block', 'blocklist', 'audit'), enforced: false }), addresses);
});

t.test('names that are dialled have a share per runner and the budget of questions', async (t) => {
  let isSilent = true;
  const { lookup } = await over(t, [(asked) => (isSilent ? { silent: true } : good(asked))]);
  const tunnels = new TunnelWatch({ nameBudget: 4 });
  const resolver = new Resolver({ lookup, ipv6: false, tunnels, namesPerRunner: 2 });
  const asker = (runner: string, mode: Mode = 'block') => ({
    runner,
    judge: () => decision('allow', 'rule', mode),
  });
  const waiting = ['a.evil.example', 'b.evil.example'].map((name) =>
    resolver.resolve(name, asker('10.0.0.1')),
  );
  t.match(await resolver.resolve('c.evil.example', asker('10.0.0.1')), { refused: 'runner-limit' });
  const other = resolver.resolve('d.evil.example', asker('10.0.0.2'));
  const subnet = Array.from({ length: 17 }, (_, i) =>
    resolver.resolve(`v${i >> 1}.v6.example`, asker(`fd00::${i}`, 'audit')),
  );
  t.match(await subnet.at(-1), { refused: 'runner-limit' }, 'an IPv6 subnet has eight shares');
  isSilent = false;
  t.equal((await Promise.all(subnet)).filter((answer) => 'refused' in answer).length, 1);
  t.strictSame(
    await Promise.all([...waiting, other]),
    [0, 1, 2].map(() => ['93.184.216.34']),
    'retried',
  );
  for (const name of ['e.evil.example', 'f.evil.example'])
    t.strictSame(await resolver.resolve(name, asker('10.0.0.1')), ['93.184.216.34']);
  t.match(await resolver.resolve('g.evil.example', asker('10.0.0.1')), { refused: 'dns-budget' });
  t.strictSame(
    await resolver.resolve('a.evil.example', asker('10.0.0.1')),
    ['93.184.216.34'],
    'a known name',
  );
  t.strictSame(await resolver.resolve('g.evil.example', asker('10.0.0.1', 'audit')), ['93.184.216.34']);
});
