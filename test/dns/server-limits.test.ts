// What hostile clients may take of the server: sockets, memory, time. IPv6, TCP and random bytes.

import { createSocket } from 'node:dgram';
import type { Socket as UdpSocket } from 'node:dgram';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import fc from 'fast-check';
import t from 'tap';
import { frame, FrameReader } from '../../dns/frames.ts';
import { skipName } from '../../dns/name.ts';
import { Sources } from '../../dns/rate.ts';
import { scanResponse } from '../../dns/scan-response.ts';
import { a, exchange, exchangeTcp, rawQuery, rcodeOf, startBench } from './fixture.ts';
import type { Asked, Script } from './fixture.ts';

const runs = Math.min(Number(process.env['FUZZ_CASES'] ?? 2000), 20_000);
const script = ({ name }: Asked): Script => ({
  answers: [a(name, '93.184.216.34')],
  ...(name.startsWith('slow') ? { delayMs: 300 } : {}),
});
const rules = { 'ok.example': { rule: 'r1' }, '*.ok.example': {}, 'slow.example': {} };
const unlimited = { perSecond: 1e6, burst: 1e6, held: 4000 };
const stream = {
  connections: 6,
  perSource: 4,
  openQuestions: 3,
  idleMs: 400,
  crowdedIdleMs: 150,
  unfinishedMs: 300,
  unsentBytes: 4096,
};

async function dial(port: number): Promise<Socket & { isOver: boolean }> {
  const socket = Object.assign(connect(port, '127.0.0.1'), { isOver: false });
  socket.on('error', () => {});
  socket.on('close', () => (socket.isOver = true));
  await new Promise((resolve) => socket.once('connect', resolve));
  return socket;
}

t.test('UDP over IPv6 is served alike, and one address is one source in both its forms', async (t) => {
  for (const drain of [true, false]) {
    const bench = await startBench({ script, rules, dns: { udp: [{ address: '::1', port: 0 }], drain } });
    t.teardown(() => bench.close());
    const ask = (socket: UdpSocket) =>
      new Promise<Buffer>((resolve) => {
        socket.once('message', resolve);
        socket.send(rawQuery('ok.example', 1, {}), bench.port, '::1');
      });
    const socket = createSocket('udp6');
    t.equal(rcodeOf(await ask(socket)), 0);
    const answers: Buffer[] = [];
    const all = new Promise<void>((resolve) => {
      socket.on('message', (answer) => answers.push(answer) === 80 && resolve());
    });
    for (let i = 0; i < 80; i++) {
      const query = rawQuery('oK.exaMple', 1, {});
      query.writeUInt16BE(i, 0);
      socket.send(query, bench.port, '::1');
    }
    await all;
    socket.close();
    t.equal(new Set(answers.map((answer) => answer.readUInt16BE(0))).size, 80);
    t.ok(
      answers.every((answer) => answer.includes('exaMple') && answer.includes(Buffer.of(93, 184, 216, 34))),
    );
    t.match(bench.records.at(-1), { runner: '::1', dns: { transport: 'udp' } });
  }
});

t.test('TCP connections have a share per source and a time for everything', async (t) => {
  const bench = await startBench({ script, rules, dns: { stream } });
  t.teardown(() => bench.close());
  const sockets = await Promise.all([1, 2, 3, 4, 5].map(() => dial(bench.tcpPort)));
  await wait(50);
  t.equal(sockets.filter(({ isOver }) => isOver).length, 1, 'the fifth is closed at once');
  await wait(500);
  t.ok(
    sockets.every(({ isOver }) => isOver),
    'those that say nothing are closed',
  );
  const dripping = await dial(bench.tcpPort);
  const bytes = frame(rawQuery('ok.example', 1));
  const startedAt = performance.now();
  for (let i = 0; i < bytes.length - 1 && !dripping.isOver; i++) {
    dripping.write(bytes.subarray(i, i + 1));
    await wait(40);
  }
  await wait(20);
  t.ok(dripping.isOver && performance.now() - startedAt < 1000, 'a message has 300 ms to come');
  t.equal(rcodeOf(await exchangeTcp(bench.tcpPort, rawQuery('ok.example', 1))), 0, 'others are served');
});

t.test(
  'a pipelining client is answered in whatever order, is paused, and is cut when it reads nothing',
  async (t) => {
    const bench = await startBench({
      script,
      rules,
      dns: { rate: unlimited, stream: { ...stream, idleMs: 5000 } },
    });
    t.teardown(() => bench.close());
    const numbered = (id: number, name: string) => {
      const query = rawQuery(name, 1);
      query.writeUInt16BE(id, 0);
      return frame(query);
    };
    const socket = await dial(bench.tcpPort);
    const reader = new FrameReader();
    const order: number[] = [];
    socket.on('data', (chunk) => {
      for (const message of reader.push(chunk)) order.push((message[0]! << 8) | message[1]!);
    });
    socket.write(
      Buffer.concat([numbered(1, 'slow.example'), numbered(2, 'blocked.example'), numbered(3, 'ok.example')]),
    );
    await wait(450);
    t.strictSame(
      order.toSorted((x, y) => x - y),
      [1, 2, 3],
    );
    t.equal(order.at(-1), 1, 'the slow one comes last');
    for (let i = 0; i < 20; i++) socket.write(numbered(100 + i, `n${i}.ok.example`));
    await wait(300);
    t.equal(order.length, 23, 'a paused connection goes on');
    socket.destroy();

    const deaf = await dial(bench.tcpPort);
    deaf.pause();
    const flood = Buffer.concat(Array.from({ length: 200 }, (_, i) => numbered(i, 'ok.example')));
    for (let i = 0; i < 4000 && !deaf.isOver; i++) {
      deaf.write(flood);
      if (i % 20 === 0) await wait(1);
    }
    deaf.resume();
    await wait(100);
    t.ok(deaf.isOver);
  },
);

t.test('frames come out the same however the bytes are cut', (t) => {
  const messages = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 });
  const cuts = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(messages, cuts, (list, sizes) => {
      const bytes = Buffer.concat(list.map((message) => frame(message)));
      const reader = new FrameReader();
      const got: Buffer[] = [];
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const end = at + sizes[i % sizes.length]!;
        for (const message of reader.push(bytes.subarray(at, end))) got.push(Buffer.from(message));
        at = end;
      }
      return !reader.isUnfinished && Buffer.concat(got.map((message) => frame(message))).equals(bytes);
    }),
    { numRuns: runs },
  );
  t.end();
});

t.test('whatever is sent, the server answers in form or not at all, and goes on', async (t) => {
  const bench = await startBench({ script, rules, dns: { rate: unlimited } });
  t.teardown(() => bench.close());
  const socket = createSocket('udp4');
  t.teardown(() => socket.close());
  const bad: Buffer[] = [];
  let answers = 0;
  socket.on('message', (answer) => {
    answers++;
    const isHeader = answer.length === 12;
    const end = isHeader ? 12 : skipName(answer, 12) + 4;
    const isWhole = isHeader || scanResponse(answer, end) !== null;
    if (!(answer[2]! & 0x80) || answer.length > 1232 || !isWhole) bad.push(answer);
  });
  const seed = rawQuery('ok.example', 1, {});
  const edit = fc.array(fc.tuple(fc.nat(seed.length - 1), fc.nat(255)), { maxLength: 4 });
  const message = fc.oneof(
    edit.map((edits) => {
      const copy = Buffer.from(seed);
      for (const [at, value] of edits) copy[at] = value;
      return copy;
    }),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  );
  const samples = fc.sample(message, Math.min(runs, 4000));
  for (let i = 0; i < samples.length; i += 50) {
    for (const sample of samples.slice(i, i + 50)) socket.send(sample, bench.port, '127.0.0.1');
    await wait(1);
  }
  await wait(50);
  t.strictSame(bad, []);
  t.ok(answers > samples.length / 10, `${answers} answers`);
  t.equal(rcodeOf(await exchange(bench.port, rawQuery('ok.example', 1))), 0);
});

t.test('an IPv6 subnet has eight shares, however many of its addresses ask', (t) => {
  const limits = { perSecond: 10, burst: 20, held: 2 };
  const sources = new Sources(limits);
  const many = Array.from({ length: 100 }, (_, i) => sources.ofText(`fd00::${i.toString(16)}`, 0));
  const admitted = many.flatMap((source) => Array.from({ length: 5 }, () => source.admit(limits, 0)));
  t.equal(admitted.filter(Boolean).length, 160);
  const other = sources.ofText('fd00:0:0:1::1', 0);
  t.equal(Array.from({ length: 30 }, () => other.admit(limits, 0)).filter(Boolean).length, 20);
  let held = 0;
  for (const source of many)
    while (source.mayHold(limits)) {
      source.hold(1);
      held++;
    }
  t.equal(held, 16);
  many[0]!.hold(-1);
  t.equal(many[50]!.mayHold(limits), true);
  t.equal(other.mayHold(limits), true);
  t.equal(many.filter((source) => source.mayRecordNoise(0)).length, 80);
  t.end();
});

t.test('a clock that is set, back or forth, changes nothing but the time in records', async (t) => {
  const bench = await startBench({ script, rules, dns: { rate: { perSecond: 1, burst: 4, held: 8 } } });
  t.teardown(() => bench.close());
  const machineNow = Date.now;
  t.teardown(() => (Date.now = machineNow));
  const ask = async () => rcodeOf(await exchange(bench.port, rawQuery('ok.example', 1), 300));
  t.equal(await ask(), 0);
  for (const hours of [-2, 2]) {
    Date.now = () => machineNow() + hours * 3_600_000;
    t.equal(await ask(), 0, `${hours} hours`);
  }
  t.equal(bench.upstream.asked.length, 1, 'its TTL was neither longer nor over');
  const aheadMs = Date.parse(bench.records.at(-1)!.time) - machineNow();
  t.ok(aheadMs > 7_100_000, 'the record tells the machine’s time');
  const spent = await Promise.all([ask(), ask(), ask()]);
  t.ok(spent.filter((code) => code === 0).length <= 2, 'no rate was filled up by it');
});

t.test('what waits for an upstream has a share per source, and the rest is answered at once', async (t) => {
  const rate = { perSecond: 1e6, burst: 1e6, held: 3 };
  const bench = await startBench({
    script: () => ({ silent: true }),
    rules: { '*.ok.example': {} },
    dns: { rate },
  });
  t.teardown(() => bench.close());
  for (let i = 0; i < 3; i++) void exchange(bench.port, rawQuery(`n${i}.ok.example`, 1), 50);
  await wait(20);
  const refused = await exchange(bench.port, rawQuery('n9.ok.example', 1, {}), 300);
  t.equal(rcodeOf(refused), 2);
  t.match(refused?.toString('latin1') ?? '', /runner-limit/);
  t.match(bench.records.at(-1), { phase: 'closed', decision: { verdict: 'block', reason: 'runner-limit' } });
});
