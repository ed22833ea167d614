// How long and how much is kept, while records come in; a copy of the store and back; an export of it.

import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { sql } from 'kysely';
import { runExport } from '../../api/export-command.ts';
import { runBackup, runRestore, type StoreCommandPorts } from '../../store/backup-command.ts';
import { openStore, type OpenedStore } from '../../store/opened-store.ts';
import { Retention, type StoreOver } from '../../store/retention.ts';
import { serialiseRecord } from '../../store/serialise-record.ts';
import { SqliteReader } from '../../store/sqlite-reader.ts';
import { ThreadedStore } from '../../store/threaded-store.ts';
import { findPostgres, PostgresServer } from '../lab/postgres-server.ts';
import { flow } from '../lab/stored-flows.ts';

const [first, second] = ['2026-11-23', '2026-11-24'];
/** Noon of the second day. */
const noonMs = Date.UTC(2026, 10, 24, 12);
const flows = Array.from({ length: 12_000 }, (_, serial) => flow(serial).closed);
const forEver = {
  dns: null,
  connection: null,
  request: null,
  packet: null,
  jobs: null,
  sums: null,
  audit: null,
};

function temporary(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-keeping-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function countOf(store: OpenedStore, day: string, kind: number): Promise<number> {
  const rows = await store.flows.on(day).select('id').where('kind', '=', kind).execute();
  return rows.length;
}

async function retain(t: Test, store: OpenedStore): Promise<void> {
  for (let at = 0; at < 9_000; at += 1_000) await store.write(flows.slice(at, at + 1_000), [], []);
  const isDns = (at: number, kind: number) => (kind === 0) === (at % 3 === 0);
  const expected = (from: number, until: number, kind: number) =>
    flows.slice(from, until).filter((_, at) => isDns(from + at, kind)).length;
  const over: StoreOver[] = [];
  const options = { store, maxBytes: null, now: () => noonMs, onOver: (told: StoreOver) => over.push(told) };
  const turn = new Retention({ ...options, days: { ...forEver, dns: 0, request: 5 } }).turn();
  // What comes in meanwhile is not held up, nor lost.
  for (let at = 9_000; at < 12_000; at += 100) await store.write(flows.slice(at, at + 100), [], []);
  await turn;
  t.equal(await countOf(store, first, 0), 0, 'queries of yesterday are gone');
  t.equal(await countOf(store, first, 2), expected(0, 3_600, 2), 'requests are not');
  t.equal(await countOf(store, second, 0), expected(3_600, 12_000, 0), 'nor queries of today');
  const day = { ...forEver, dns: 0, connection: 0, request: 0, packet: 0 };
  await new Retention({ ...options, days: day }).turn();
  t.same(await store.days(), [second], 'a day of which nothing is kept goes as a whole');
  const hours = async () =>
    (await sql<{ n: number }>`select coalesce(sum(n), 0) as n from roll_hour`.execute(store.reader)).rows[0]!
      .n;
  t.equal(await hours(), 12_000, 'its sums stay');
  await new Retention({
    ...options,
    days: { ...day, jobs: 0, sums: 0 },
    now: () => noonMs + 2 * 86_400_000,
  }).turn();
  t.equal(await hours(), 0, 'until they are too old as well');
  t.same((await sql`select id from job`.execute(store.reader)).rows, []);
  // A job whose number is nobody's any more begins anew.
  await store.write(
    flows.slice(0, 20).map((record, at) => ({ ...record, id: flow(20_000 + at).closed.id })),
    [],
    [],
  );
  t.equal((await sql`select id from job`.execute(store.reader)).rows.length, 6);
  await store.write(flows.slice(0, 100), [], []);
  await new Retention({ ...options, days: forEver, maxBytes: 1 }).turn();
  t.same(
    over.map(({ dropped }) => dropped),
    [first, null],
    'over its size the oldest day goes, today never, and both are said',
  );
  await store.close();
}

t.test('SQLite keeps what it is to keep', async (t) => {
  await retain(t, await openStore({ kind: 'embedded', folder: join(temporary(t), 'store') }));
});

const bin = findPostgres();
t.test(
  'PostgreSQL keeps the same',
  { skip: bin === null ? 'PostgreSQL is not installed' : false },
  async (t) => {
    const server = new PostgresServer(bin!);
    t.teardown(() => server.close());
    await retain(t, await openStore({ kind: 'postgres', config: server.config }));
  },
);

function output() {
  const stream = new PassThrough();
  let text = '';
  stream.on('data', (chunk) => (text += String(chunk)));
  return { stdout: stream, read: () => text };
}

t.test('a copy that is taken under load can be restored, and nothing else can', async (t) => {
  const root = temporary(t);
  const [segments, folder, copy] = [join(root, 'segments'), join(root, 'store'), join(root, 'copy')];
  mkdirSync(segments);
  const segment = join(segments, 'worker-0-20261123T230000000Z-1.jsonl');
  const source = { kind: 'embedded' as const, folder };
  const store = await ThreadedStore.open({ source, segments, gateway: 'gw', everyMs: 5 });
  let at = 0;
  const timer = setInterval(() => {
    for (const record of flows.slice(at, at + 100)) appendFileSync(segment, serialiseRecord(record));
    at = Math.min(at + 100, flows.length);
  }, 5);
  t.teardown(() => clearInterval(timer));
  while ((await store.status()).flows < 1_000) await sleep(10);
  const place = { folder, owner: { user: process.getuid!(), group: process.getgid!() } };
  const asked: number[] = [];
  const ports: StoreCommandPorts = {
    version: 'test',
    place: () => place,
    pause: async (_, seconds) => {
      asked.push(seconds);
      await (seconds === 0 ? store.resume() : store.pause(seconds * 1_000));
    },
  };
  const empty = join(root, 'empty');
  mkdirSync(empty);
  const ofEmpty = { ...ports, place: () => ({ ...place, folder: empty }) };
  await t.rejects(runBackup([join(root, 'other')], output(), ofEmpty), /holds no store/);
  t.same(readdirSync(empty), [], 'and nothing of root’s is left where control is to write');
  const told = output();
  t.equal(await runBackup([copy, '--json'], told, ports), 0);
  t.match(JSON.parse(told.read()), { folder: copy, files: readdirSync(join(copy, 'flows')).length + 1 });
  t.same([asked[0], asked.at(-1)], [120, 0], 'the gateway rests meanwhile, and goes on');
  await t.rejects(runBackup([copy], output(), ports), /is not empty: name a new folder/);
  await t.rejects(runRestore([copy], output(), ports), /another program has it open/);
  while ((await store.status()).flows < flows.length) await sleep(10);
  t.match(await store.status(), { backlogBytes: 0, flows: flows.length }, 'nothing was lost over it');
  await store.close();
  clearInterval(timer);
  await t.rejects(runRestore([copy], output(), ports), /holds a store, which is not overwritten/);

  const restored = join(root, 'restored');
  const other: StoreCommandPorts = { ...ports, place: () => ({ ...place, folder: restored }) };
  t.equal(await runRestore([copy], output(), other), 0);
  const again = await openStore({ kind: 'embedded', folder: restored });
  const number = async (text: string) =>
    (await sql.raw<{ n: number }>(text).execute(again.reader)).rows[0]!.n;
  let stored = 0;
  for (const day of await again.days()) stored += (await again.flows.on(day).select('id').execute()).length;
  t.ok(stored >= 1_000, `${stored} flows`);
  t.equal(await number('select sum(n) as n from roll_hour'), stored, 'flows and sums are of one moment');
  await again.close();
  // Whatever came after the copy is read from the segments that are still there.
  const late = await ThreadedStore.open({
    source: { kind: 'embedded', folder: restored },
    segments,
    gateway: 'gw',
    everyMs: 5,
  });
  while ((await late.status()).backlogBytes > 0) await sleep(10);
  await late.close();
  const whole = await openStore({ kind: 'embedded', folder: restored });
  const { rows } = await sql<{ n: number }>`select sum(n) as n from roll_hour`.execute(whole.reader);
  t.equal(rows[0]!.n, flows.length);
  await whole.close();

  const spoilt = (change: (folder: string) => void): Promise<number> => {
    const bad = join(root, `bad-${Math.random()}`);
    spawnSync('cp', ['-r', copy, bad]);
    change(bad);
    return runRestore([bad], output(), { ...ports, place: () => ({ ...place, folder: join(root, 'none') }) });
  };
  await t.rejects(
    spoilt((bad) => appendFileSync(join(bad, 'main.db'), 'x')),
    /main\.db cannot be restored: it is not as it was written/,
  );
  await t.rejects(
    spoilt((bad) => rmSync(join(bad, 'flows', `${first}.db`))),
    /it is missing/,
  );
  await t.rejects(
    spoilt((bad) => rmSync(join(bad, 'backup.json'))),
    /is no backup: backup\.json is missing or cut/,
  );
  await t.rejects(
    spoilt((bad) => {
      const list = JSON.parse(readFileSync(join(bad, 'backup.json'), 'utf8'));
      list.files[0].name = '../../etc/passwd';
      writeFileSync(join(bad, 'backup.json'), JSON.stringify(list));
    }),
    /names other files/,
  );
  t.notOk(existsSync(join(root, 'none')), 'nothing was made of any of them');
});

t.test('an export is whole, bounded in time, and safe in a spreadsheet', async (t) => {
  const folder = join(temporary(t), 'store');
  const store = await openStore({ kind: 'embedded', folder });
  const path = '/=cmd|calc,"x"\u009b2J';
  const odd = { ...flow(3_000).closed, http: { ...flow(3_000).closed.http!, path } };
  const hostile = { ...odd, destination: { ...odd.destination, host: '=1+1' } };
  await store.write([...flows.slice(0, 2_500), hostile], [], []);
  await store.close();
  const open = async () => {
    const reading = new SqliteReader(folder);
    return { reader: reading.main, flows: reading.flows, close: () => reading.close() };
  };
  const run = async (...args: string[]) => {
    const told = output();
    t.equal(await runExport(args, told, open), 0);
    return told.read();
  };
  const text = await run();
  t.notMatch(text, /\u009b/, 'nothing that a terminal obeys');
  const lines = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.same(
    lines.map(({ id }) => id),
    [...flows.slice(0, 2_500), hostile].map(({ id }) => id),
    'all of them, the oldest first',
  );
  t.match(lines[1], {
    opened: '2026-11-23T23:00:01.000Z',
    closed: '2026-11-23T23:00:01.250Z',
    verdict: 'allow',
  });
  t.equal(lines.at(-1).path, path, 'and all that there was');
  const range = ['--from', '2026-11-23T23:10:00Z', '--to', '2026-11-23T23:20:00Z'];
  t.equal((await run(...range)).trim().split('\n').length, 600);
  t.equal((await run(...range, '--kind', 'dns')).trim().split('\n').length, 200);
  const csv = (await run('--format', 'csv')).trim().split('\r\n');
  t.equal(csv.length, 2_502);
  t.match(csv[0], /^id,kind,opened,closed,/);
  t.match(csv.at(-1), /,"?'=1\+1"?,.*"\/=cmd\|calc,""x""\\u009b2J"/);
  await t.rejects(run('--from', 'yesterday'), /--from "yesterday" is no time/);
  await t.rejects(run('--kind', 'mail'), /"mail" is no kind/);
});
