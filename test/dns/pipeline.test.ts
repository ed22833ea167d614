// Many questions on one TCP connection (RFC 7766 6.2.1.1): in whatever order they are ready, a bounded number of them
// at a time, all of them answered although the client has closed its side; with a raw client and with dig.

import { spawn, spawnSync } from 'node:child_process';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import t from 'tap';
import { frame, FrameReader } from '../../dns/frames.ts';
import { a, exchangeTcp, rawQuery, rcodeOf, startBench } from './fixture.ts';
import type { Asked, Script } from './fixture.ts';

const rules = { '*.ok.example': {}, 'ok.example': {} };
const unlimited = { perSecond: 1e6, burst: 1e6, held: 4000 };

function numbered(id: number, name: string): Buffer {
  const query = rawQuery(name, 1);
  query.writeUInt16BE(id, 0);
  return frame(query);
}

/** Resolves when the server has closed the connection, with the ids and codes of the answers in their order. */
function readAnswers(socket: Socket): Promise<{ id: number; code: number; bytes: Buffer }[]> {
  const reader = new FrameReader();
  const answers: { id: number; code: number; bytes: Buffer }[] = [];
  socket.on('data', (chunk) => {
    for (const message of reader.push(chunk)) {
      const bytes = Buffer.from(message);
      answers.push({ id: bytes.readUInt16BE(0), code: bytes[3]! & 15, bytes });
    }
  });
  return new Promise((resolve) => socket.on('close', () => resolve(answers)));
}

t.test('400 questions in one write and a closed side: 100 at a time, each answered once', async (t) => {
  let [open, most] = [0, 0];
  const script = ({ name }: Asked): Script => {
    most = Math.max(most, ++open);
    const delayMs = 20 + (Number(/\d+/.exec(name)?.[0]) % 7) * 5;
    setTimeout(() => open--, delayMs);
    return { answers: [a(name, '93.184.216.34', 60)], delayMs };
  };
  const bench = await startBench({ script, rules, dns: { rate: unlimited } });
  t.teardown(() => bench.close());
  const socket = connect({ port: bench.tcpPort, host: '127.0.0.1', allowHalfOpen: true });
  const answers = readAnswers(socket);
  socket.end(Buffer.concat(Array.from({ length: 400 }, (_, i) => numbered(i, `n${i}.ok.example`))));
  socket.on('end', () => socket.end());
  const got = await answers;
  t.strictSame(
    got.map(({ id }) => id).toSorted((x, y) => x - y),
    Array.from({ length: 400 }, (_, i) => i),
  );
  t.ok(
    got.every(({ id, code, bytes }) => code === 0 && bytes.includes(`n${id}\x02ok`)),
    'each with its own question',
  );
  t.ok(
    got.some(({ id }, at) => id !== at),
    'not in the order of the questions',
  );
  t.ok(most > 50 && most <= 100, `${most} under way at once`);
  t.equal(bench.records.filter(({ phase }) => phase === 'closed').length, 400);
});

t.test('what is ready overtakes what waits; the slow one comes although the client is done', async (t) => {
  const script = ({ name }: Asked): Script => ({
    answers: [a(name, '93.184.216.34', 60)],
    delayMs: name.startsWith('slow') ? 200 : 0,
  });
  const bench = await startBench({ script, rules });
  t.teardown(() => bench.close());
  const socket = connect({ port: bench.tcpPort, host: '127.0.0.1', allowHalfOpen: true });
  const answers = readAnswers(socket);
  socket.on('end', () => socket.end());
  const blocked = numbered(2, 'blocked.example');
  socket.end(Buffer.concat([numbered(1, 'slow.ok.example'), blocked, numbered(3, 'n.ok.example')]));
  t.strictSame(
    (await answers).map(({ id }) => id),
    [2, 3, 1],
  );
});

t.test('a broken length behind waiting questions ends the connection, and nothing else', async (t) => {
  const script = ({ name }: Asked): Script => ({ answers: [a(name, '93.184.216.34', 60)], delayMs: 20 });
  const stream = { openQuestions: 2, connections: 4, perSource: 4, idleMs: 2000, crowdedIdleMs: 2000 };
  const limits = { ...stream, unfinishedMs: 2000, unsentBytes: 65_536 };
  const bench = await startBench({ script, rules, dns: { stream: limits } });
  t.teardown(() => bench.close());
  const socket = connect(bench.tcpPort, '127.0.0.1');
  const answers = readAnswers(socket);
  const five = Array.from({ length: 5 }, (_, i) => numbered(i, `n${i}.ok.example`));
  socket.write(Buffer.concat([...five, Buffer.of(0, 1, 0)]));
  const got = await answers;
  t.ok(got.length >= 4 && got.length <= 5, `${got.length} were answered before it`);
  t.equal(rcodeOf(await exchangeTcp(bench.tcpPort, rawQuery('ok.example', 1))), 0, 'others are served');
});

const hasDig = spawnSync('dig', ['-v']).status === 0;
t.test('dig asks five names over one connection', { skip: hasDig ? false : 'no dig' }, async (t) => {
  const script = ({ name }: Asked): Script => ({ answers: [a(name, '93.184.216.34', 60)] });
  const bench = await startBench({ script, rules });
  let connections = 0;
  const tcp = createServer((socket) => {
    connections++;
    bench.server.accept(socket);
  });
  await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
  t.teardown(async () => {
    tcp.close();
    await bench.close();
  });
  const { port } = tcp.address() as AddressInfo; // it listens on a port
  const names = Array.from({ length: 5 }, (_, i) => `n${i}.ok.example`);
  const options = ['@127.0.0.1', '-p', `${port}`, '+tcp', '+keepopen', '+noall', '+answer'];
  const dig = spawn('dig', [...options, ...names]);
  let text = '';
  dig.stdout.on('data', (chunk) => (text += String(chunk)));
  await new Promise((resolve) => dig.on('close', resolve));
  t.strictSame(text.match(/^\S+(?=\.\s+60\s+IN\s+A\s+93\.184\.216\.34$)/gm), names);
  t.equal(connections, 1);
  t.ok(bench.records.every(({ dns }) => dns?.transport === 'tcp'));
});
