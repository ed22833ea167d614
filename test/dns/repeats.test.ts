// A question that a runner repeats within a second: every answer is counted exactly, few bytes are written, and the
// flow is opened before the first answer that it stands for leaves.

import { createSocket } from 'node:dgram';
import { setTimeout as wait } from 'node:timers/promises';
import t from 'tap';
import type { FlowRecord } from '../../flow/flow.ts';
import { a, exchange, FakeRecorder, rawQuery, rcodeOf, startBench } from './fixture.ts';
import type { Asked, Script } from './fixture.ts';

const script = ({ name }: Asked): Script => ({ answers: [a(name, '93.184.216.34')] });
const rate = { perSecond: 1e6, burst: 1e6, held: 4000 };

/** Asks `count` times from one address of loopback, as fast as answers come; returns how many came. */
async function repeat(port: number, from: string, name: string, count: number): Promise<number> {
  const socket = createSocket('udp4');
  const answers: number[] = [];
  socket.on('message', ({ length }) => answers.push(length));
  await new Promise<void>((resolve) => socket.bind(0, from, resolve));
  for (let i = 0; i < count; i++) {
    socket.send(rawQuery(name, 1), port, '127.0.0.1');
    if (i % 20 === 0) await wait(1);
  }
  for (let i = 0; i < 100 && answers.length < count; i++) await wait(5);
  socket.close();
  return answers.length;
}

const queriesOf = (records: readonly FlowRecord[]) =>
  records.reduce((sum, { phase, dns }) => sum + (phase === 'closed' ? (dns?.queries ?? 0) : 0), 0);

t.test('two runners repeat an allowed and a blocked name: exact counts, a flow for each', async (t) => {
  const bench = await startBench({ script, rules: { 'ok.example': {} }, dns: { rate } });
  await exchange(bench.port, rawQuery('ok.example', 1));
  bench.records.length = 0;
  for (const [from, name] of [
    ['127.0.0.2', 'ok.example'],
    ['127.0.0.3', 'ok.example'],
    ['127.0.0.2', 'no.example'],
  ] as const)
    t.equal(await repeat(bench.port, from, name, 150), 150);
  const { records } = bench;
  const open = records.filter(({ phase }) => phase === 'opened');
  t.strictSame(
    open.map(({ runner, destination, dns, decision }) => [
      runner,
      destination.host,
      dns?.queries,
      decision.verdict,
    ]),
    [
      ['127.0.0.2', 'ok.example', null, 'allow'],
      ['127.0.0.3', 'ok.example', null, 'allow'],
      ['127.0.0.2', 'no.example', null, 'block'],
    ],
  );
  await bench.close();
  t.equal(queriesOf(records), 450);
  t.ok(records.length < 30, `${records.length} records`);
  for (const { id } of open) {
    const closed = records.filter((record) => record.phase === 'closed' && record.id === id);
    t.equal(closed.length, 1);
    t.match(closed[0], { dns: { type: 'A', transport: 'udp' }, kind: 'dns', ended: null });
    t.ok(closed[0]!.dns!.queries! > 100 && closed[0]!.timings!.totalMs! > 0);
  }
  const own = records.find(({ runner, phase }) => runner === '127.0.0.3' && phase === 'closed');
  t.match(own?.dns, { rcode: 'NOERROR', answers: ['93.184.216.34'], queries: 1 });
});

t.test('the flow of a second is closed when the second is over, and the next one has its own', async (t) => {
  const bench = await startBench({ script, rules: { 'ok.example': {} }, dns: { rate } });
  t.teardown(() => bench.close());
  await exchange(bench.port, rawQuery('ok.example', 1));
  await repeat(bench.port, '127.0.0.1', 'ok.example', 40);
  await wait(1100);
  t.equal(queriesOf(bench.records), 41, 'without another question');
  await repeat(bench.port, '127.0.0.1', 'ok.example', 3);
  t.equal(bench.records.at(-1)?.dns?.queries, 1, 'few questions have records of their own again');
});

for (const mode of ['block', 'audit'] as const) {
  t.test(`a repeated question while the disk refuses records, ${mode} mode`, async (t) => {
    const records: FlowRecord[] = [];
    const recorder = new FakeRecorder(records);
    const bench = await startBench({ script, rules: { 'ok.example': {} }, mode, dns: { rate, recorder } });
    t.teardown(() => bench.close());
    for (let i = 0; i < 20; i++) await exchange(bench.port, rawQuery('ok.example', 1));
    recorder.isFull = true;
    await exchange(bench.port, rawQuery('other.example', 1));
    const codes: (number | null)[] = [];
    for (let i = 0; i < 5; i++) codes.push(rcodeOf(await exchange(bench.port, rawQuery('ok.example', 1))));
    t.strictSame(codes, Array(5).fill(mode === 'block' ? 2 : 0));
    recorder.isFull = false;
    t.equal(rcodeOf(await exchange(bench.port, rawQuery('ok.example', 1))), 0);
  });
}
