// The store is away: PostgreSQL stopped under load, a damaged, newer or locked file, segments that are dropped unread. What
// can wait waits, in bounded memory; what is there is never overwritten; what went is counted.

import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import pg from 'pg';
import type { Config } from '../../config.ts';
import { openLog } from '../../flow/program-log.ts';
import { noMeter } from '../../flow/ports.ts';
import { Ingest } from '../../store/ingest.ts';
import { serialiseRecord } from '../../store/serialise-record.ts';
import { SqliteStore } from '../../store/sqlite-store.ts';
import { statePaths } from '../../store/state-directory.ts';
import { ThreadedStore } from '../../store/threaded-store.ts';
import { StoreInForce } from '../../store-in-force.ts';
import { findPostgres, PostgresServer } from '../lab/postgres-server.ts';
import { flow } from '../lab/stored-flows.ts';

/** How long PostgreSQL is away; 300 in the long mode (`npm run store-away`). */
const awaySeconds = Number(process.env['STORE_AWAY_SECONDS'] ?? 20);
t.setTimeout((awaySeconds + 120) * 1000);
const segmentOf = (number: number) => `worker-0-20261123T230000000Z-${number}.jsonl`;

function temporary(t: Test): { root: string; segments: string; folder: string } {
  const root = mkdtempSync(join(tmpdir(), 'sallyport-away-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  const segments = join(root, 'segments');
  mkdirSync(segments);
  return { root, segments, folder: join(root, 'store') };
}

async function until(test: () => boolean | Promise<boolean>, ms = 30_000): Promise<boolean> {
  for (const end = performance.now() + ms; performance.now() < end; await sleep(20))
    if (await test()) return true;
  return false;
}

const bin = findPostgres();
t.test(
  'PostgreSQL is stopped under load: nothing is lost, and memory is bounded',
  { skip: bin === null ? 'PostgreSQL is not installed' : false, timeout: (awaySeconds + 120) * 1000 },
  async (t) => {
    const { segments } = temporary(t);
    const server = new PostgresServer(bin!);
    t.teardown(() => server.close());
    const problems: (string | null)[] = [];
    const store = await ThreadedStore.open({
      source: { kind: 'postgres', config: server.config },
      segments,
      gateway: 'gw',
      everyMs: 20,
      // Once before, and once while it is away.
      retainEveryMs: 15_000,
      onProblem: (problem) => problems.push(problem),
    });
    t.teardown(() => store.close());
    let written = 0;
    const load = setInterval(() => {
      const lines = Array.from({ length: 40 }, () => {
        const { opened, closed } = flow(written++);
        return serialiseRecord(opened) + serialiseRecord(closed);
      });
      appendFileSync(join(segments, segmentOf(1 + Math.floor(written / 20_000))), lines.join(''));
    }, 50);
    t.teardown(() => clearInterval(load));
    t.ok(await until(async () => (await store.status()).flows > 500));
    const heldBefore = process.memoryUsage().rss;
    server.stop();
    await sleep(awaySeconds * 1000);
    const away = await store.status();
    t.match(away.problem, /PostgreSQL does not let us in|terminat|ECONN/);
    t.ok(away.backlogBytes > 100_000, `${away.backlogBytes} bytes wait`);
    await t.rejects(store.act('tokens'), 'whoever is let in by the store is not');
    const heldBytes = process.memoryUsage().rss - heldBefore;
    t.ok(heldBytes < 200 * 1_048_576, `${Math.round(heldBytes / 1_048_576)} MiB more than before`);
    server.start();
    t.ok(await until(() => problems.at(-1) === null), 'it is well again');
    clearInterval(load);
    t.ok(await until(async () => (await store.status()).backlogBytes === 0, 90_000));
    t.ok(
      await until(async () => (await store.status()).problem === null, 5_000),
      'nor is it said to be away',
    );
    t.equal((await store.status()).lostBytes, 0);
    const client = new pg.Client(server.config);
    await client.connect();
    const one = async (text: string) => Number((await client.query<{ n: string }>(text)).rows[0]!.n);
    t.equal(
      await one('select count(*) as n from flow where closed_ms is not null'),
      written,
      `all ${written}`,
    );
    t.equal(await one('select sum(n) as n from roll_hour'), written, 'and each counted once');
    await client.end();
  },
);

t.test('what is dropped before it was read is counted; a cut line is passed over', async (t) => {
  const { segments } = temporary(t);
  const line = serialiseRecord(flow(1).closed);
  let isAway = false;
  const kept = new Map<string, number>();
  const ingest = new Ingest({
    directory: segments,
    gateway: 'gw',
    sink: {
      write: async (_, offsets) => {
        if (isAway) throw new Error('away');
        for (const { name, bytes } of offsets) kept.set(name, bytes);
      },
      offsets: async () => {
        if (isAway) throw new Error('away');
        return kept;
      },
    },
  });
  writeFileSync(join(segments, segmentOf(1)), line);
  // Its writer was killed; the next start began a new file.
  writeFileSync(join(segments, segmentOf(2)), line + line.slice(0, 100));
  t.equal(await ingest.catchUp(), 2);
  appendFileSync(join(segments, segmentOf(2)), `\n${line}`);
  t.equal(await ingest.catchUp(), 1);
  t.equal(ingest.skipped, 1);
  rmSync(join(segments, segmentOf(1)));
  await ingest.catchUp();
  t.equal(ingest.lostBytes, 0, 'it had been read');
  isAway = true;
  writeFileSync(join(segments, segmentOf(3)), line.repeat(10));
  appendFileSync(join(segments, segmentOf(2)), line);
  await t.rejects(ingest.catchUp());
  rmSync(join(segments, segmentOf(3)));
  rmSync(join(segments, segmentOf(2)));
  await t.rejects(ingest.catchUp());
  t.equal(ingest.lostBytes, 11 * line.length, 'what had not is counted, to the byte');
  isAway = false;
  t.equal(await ingest.catchUp(), 0);
  t.equal(ingest.lostBytes, 11 * line.length);
});

function inForce(t: Test, root: string): StoreInForce {
  const state = statePaths(root);
  const retention = { dns: 1, connection: 1, request: 1, packet: 1, jobs: 1, sums: 1, audit: 1 };
  const store = { source: { kind: 'embedded', folder: state.store }, retention, maxBytes: null, sinks: [] };
  // Of the configuration no more is read here.
  const config = { gateway: 'gw', fleet: 'default', store } as unknown as Config;
  const log = openLog('test', 'fatal');
  const secrets = { password: null, headers: [] };
  const made = new StoreInForce({ config, state, secrets, log, meter: noMeter });
  t.teardown(() => made.close());
  return made;
}

t.test('a store that cannot be used is told of, left alone, and opened once it can be', async (t) => {
  const { root, folder } = temporary(t);
  mkdirSync(folder);
  const damaged = 'no database at all\n'.repeat(500);
  writeFileSync(join(folder, 'main.db'), damaged);
  const store = inForce(t, root);
  await store.start();
  t.match(
    store.facts().problem,
    /main\.db cannot be used: it is damaged or no database: move it away, or restore/,
  );
  await t.rejects(store.port.ask('gateways'), /the store is away: /);
  t.equal(readFileSync(join(folder, 'main.db'), 'utf8'), damaged);
  renameSync(folder, `${folder}.damaged`);
  t.ok(await until(() => store.facts().problem === null), 'without a restart');
  t.same(await store.port.ask('gateways'), []);
  // Another gateway that was pointed at the same folder.
  const second = inForce(t, root);
  await second.start();
  t.match(second.facts().problem, /another program has it open: end that one, or name another folder/);
  await store.close();
  t.ok(await until(() => second.facts().problem === null));
  await second.close();
  const main = new DatabaseSync(join(folder, 'main.db'));
  main.exec("insert into migration values (99, '0099-later.sql', 'x', 0)");
  main.close();
  t.throws(() => new SqliteStore(folder), /a newer version of this program wrote it: upgrade, or restore/);
});

t.test('a full disk is waited for, and nothing is lost or doubled over it', async (t) => {
  const { segments, folder } = temporary(t);
  mkdirSync(folder);
  const mount = (...args: string[]) => spawnSync('mount', ['-t', 'tmpfs', ...args, 'tmpfs', folder]).status;
  if (mount('-o', 'size=3m') !== 0) return void t.pass('a small disk', { skip: 'no right to mount' });
  t.teardown(() => void spawnSync('umount', ['-l', folder]));
  const problems: (string | null)[] = [];
  const store = await ThreadedStore.open({
    source: { kind: 'embedded', folder },
    segments,
    gateway: 'gw',
    everyMs: 20,
    onProblem: (problem) => problems.push(problem),
  });
  const count = 12_000;
  const lines = Array.from({ length: count }, (_, serial) => serialiseRecord(flow(serial).closed));
  writeFileSync(join(segments, segmentOf(1)), lines.join(''));
  t.ok(await until(() => problems.length > 0));
  t.match(problems[0], /database or disk is full/);
  t.ok((await store.status()).backlogBytes > 0, 'what does not fit waits');
  t.equal(mount('-o', 'remount,size=64m'), 0);
  t.ok(await until(async () => (await store.status()).backlogBytes === 0));
  t.equal(problems.at(-1), null);
  const hours = await store.ask('hours', 0, Date.UTC(2027, 0, 1));
  t.equal(
    hours.reduce((sum, { flows }) => sum + flows, 0),
    count,
  );
  await store.close();
});
