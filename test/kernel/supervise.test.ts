// The keeper's children: one that cannot be started is tried again and given up in the end, and one that asks without
// reading the answers is ended.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { encodeFrame } from '../../flow/channel.ts';
import { SupervisedChild, type ChildSpec } from '../../kernel/supervise.ts';

const directory = mkdtempSync(join(tmpdir(), 'supervise-'));
t.teardown(() => rmSync(directory, { recursive: true }));
const program = process.execPath;
const realTimeout = globalThis.setTimeout;

/** Waits of the code under test take a fiftieth of their time. */
function hurry(): void {
  // Only the callable side of setTimeout is used by the code under test.
  globalThis.setTimeout = ((act: () => void, ms?: number) => realTimeout(act, (ms ?? 0) / 50)) as never;
}

interface Watched {
  readonly ends: string[];
  readonly seen: { ready: number; givenUp: number };
  readonly spec: ChildSpec;
}

function watch(source: string, changes: Partial<ChildSpec> = {}): Watched {
  const script = join(directory, `${Math.random()}.mjs`);
  writeFileSync(script, source);
  const ends: string[] = [];
  const seen = { ready: 0, givenUp: 0 };
  const spec: ChildSpec = {
    name: 'child',
    script,
    uid: process.getuid!(),
    gid: process.getgid!(),
    fds: [],
    writable: [],
    frameLimit: 4096,
    configuration: {},
    answer: () => Buffer.alloc(32_768),
    onReady: () => seen.ready++,
    onEnd: (detail) => ends.push(detail),
    onGivenUp: () => seen.givenUp++,
    ...changes,
  };
  return { ends, seen, spec };
}

async function until(test: () => boolean): Promise<boolean> {
  const deadline = Date.now() + 10_000;
  while (!test() && Date.now() < deadline) await sleep(20);
  return test();
}

const readyFrame = JSON.stringify([...encodeFrame(0, 'ready', Buffer.from('{}'))]);
const becomesReady = `import { writeSync } from 'node:fs';
writeSync(3, Buffer.from(${readyFrame}));
setInterval(() => {}, 1000);`;

t.test('a child that cannot be started at first is started as soon as it can be', async (t) => {
  hurry();
  const { ends, seen, spec } = watch(becomesReady);
  process.execPath = '/nonexistent/node';
  const child = new SupervisedChild(spec);
  t.ok(await until(() => ends.length >= 2));
  t.equal(child.pid, null);
  process.execPath = program;
  globalThis.setTimeout = realTimeout;
  t.ok(await until(() => seen.ready === 1), 'its successor serves');
  t.match(ends[0], /^cannot be started: spawn .* ENOENT$/);
  t.equal(seen.givenUp, 0);
  await child.stop(10);
});

for (const [what, changes, programPath] of [
  ['whose program is missing', {}, '/nonexistent/node'],
  ['whose start throws', { uid: Number.NaN }, program],
] as const) {
  t.test(`a child ${what} is given up after eight attempts, once`, async (t) => {
    hurry();
    const { ends, seen, spec } = watch(becomesReady, changes);
    process.execPath = programPath;
    const child = new SupervisedChild(spec);
    t.ok(await until(() => seen.givenUp > 0));
    await sleep(100);
    t.same([ends.length, seen], [8, { ready: 0, givenUp: 1 }]);
    process.execPath = program;
    globalThis.setTimeout = realTimeout;
    await child.stop(10);
  });
}

t.test('a child that never reads its answers is ended, and its successor begins anew', async (t) => {
  const request = JSON.stringify([...encodeFrame(7, 'sign', Buffer.alloc(0))]);
  const { ends, seen, spec } = watch(`import { writeSync } from 'node:fs';
const request = Buffer.from(${request});
for (;;) { try { writeSync(3, request); } catch (error) { if (error.code !== 'EAGAIN') throw error; } }`);
  const child = new SupervisedChild(spec);
  t.ok(await until(() => ends.length >= 2));
  const [first, second] = ends;
  t.match(first, /^left \d+ bytes of answers unread$/);
  const bytes = Number(/\d+/.exec(first ?? '')?.[0]);
  t.ok(bytes > 900_000 && bytes <= 1_048_576, `${bytes}`);
  t.equal(second, 'SIGKILL');
  t.equal(seen.givenUp, 0);
  await child.stop(10);
});

t.test('a child whose event loop hangs is ended and replaced; one that shows life is not', async (t) => {
  const alive = JSON.stringify([...encodeFrame(0, 'alive', Buffer.alloc(0))]);
  const hung = watch(
    `import { writeSync } from 'node:fs';
writeSync(3, Buffer.from(${readyFrame}));
for (;;);`,
    { silenceMs: 600 },
  );
  const living = watch(
    `import { writeSync } from 'node:fs';
writeSync(3, Buffer.from(${readyFrame}));
setInterval(() => writeSync(3, Buffer.from(${alive})), 50);`,
    { silenceMs: 2400 },
  );
  const children = [new SupervisedChild(hung.spec), new SupervisedChild(living.spec)];
  t.ok(await until(() => hung.seen.ready === 2), 'its successor serves');
  t.same(hung.ends.slice(0, 2), ['was silent for too long: its event loop hangs', 'SIGKILL']);
  await sleep(3000);
  t.same([living.ends, living.seen.ready], [[], 1]);
  for (const child of children) await child.stop(10);
});

t.test('notices that a child is behind with do not count as unread answers', async (t) => {
  const asks = JSON.stringify([...encodeFrame(7, 'sign', Buffer.alloc(0))]);
  const { ends, seen, spec } = watch(`import { writeSync } from 'node:fs';
writeSync(3, Buffer.from(${readyFrame}));
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
writeSync(3, Buffer.from(${asks}));
setInterval(() => {}, 1000);`);
  const child = new SupervisedChild(spec);
  t.ok(await until(() => seen.ready === 1));
  for (let i = 0; i < 30; i++) child.notify('event', { text: 'x'.repeat(100_000) });
  await sleep(600);
  t.same(ends, []);
  await child.stop(10);
});
