// The embedded store in its thread: it keeps up with segments that grow, answers meanwhile, and refuses what is not its own.

import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { ThreadedStore } from '../../store/threaded-store.ts';
import { serialiseRecord } from '../../store/serialise-record.ts';
import { flow } from '../lab/stored-flows.ts';

const segment = 'worker-0-20261123T230000000Z-1.jsonl';

function folders(t: Test): { segments: string; folder: string } {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-embedded-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const segments = join(directory, 'segments');
  mkdirSync(segments);
  return { segments, folder: join(directory, 'store') };
}

async function until(test: () => Promise<boolean>): Promise<boolean> {
  for (let tries = 0; tries < 200; tries++) {
    if (await test()) return true;
    await sleep(25);
  }
  return false;
}

t.test('what is appended can be asked for, and again after a restart', async (t) => {
  const { segments, folder } = folders(t);
  const options = {
    source: { kind: 'embedded' as const, folder },
    segments,
    gateway: 'gw',
    everyMs: 20,
  };
  const flows = Array.from({ length: 500 }, (_, serial) => flow(serial));
  const store = await ThreadedStore.open(options);
  const page = { limit: 1_000, cursor: null };
  for (const { opened } of flows) appendFileSync(join(segments, segment), serialiseRecord(opened));
  t.ok(await until(async () => (await store.ask('flows', {}, page)).items.length === 500));
  t.match((await store.ask('flows', {}, page)).items[0], { closedMs: null, path: '/499' });
  for (const { closed } of flows) appendFileSync(join(segments, segment), serialiseRecord(closed));
  const isEnded = async () =>
    (await store.ask('flows', {}, page)).items.every(({ closedMs }) => closedMs !== null);
  t.ok(await until(isEnded));
  t.match(await store.status(), {
    backlogBytes: 0,
    lostBytes: 0,
    flows: 1_000,
    problem: null,
    oldestDay: '2026-11-23',
  });
  await store.close();
  await t.rejects(store.ask('runners', {}, page), /the store is closed/);

  const again = await ThreadedStore.open(options);
  t.teardown(() => again.close());
  t.equal(
    (await again.ask('runs', {}, page)).items.reduce((sum, { flows: n }) => sum + n, 0),
    375,
  );
  await sleep(100);
  t.match(await again.status(), { flows: 0, backlogBytes: 0 }, 'nothing is read twice');
  t.equal(await again.dropBefore('2026-11-24'), 1);
  t.same(await again.ask('flows', {}, page), { items: [], next: null });
  await t.rejects(
    again.ask('flows', { host: { toString: 1 } as unknown as string }, page),
    'a question that is none',
  );
  t.equal((await again.ask('runners', {}, page)).items.length, 5, 'the others are answered');
});

t.test('a file that is no database is refused and left alone', async (t) => {
  const { segments, folder } = folders(t);
  mkdirSync(folder);
  writeFileSync(join(folder, 'main.db'), 'no database at all\n'.repeat(500));
  const opening = ThreadedStore.open({ source: { kind: 'embedded', folder }, segments, gateway: 'gw' });
  await t.rejects(opening, /main\.db cannot be used: it is damaged or no database: move it away/);
  t.match(readFileSync(join(folder, 'main.db'), 'utf8'), /^no database at all/);
});
