// The same flows and the same questions, by SQLite and by PostgreSQL: answers are counted from the flows themselves.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql, type Kysely } from 'kysely';
import t, { type Test } from 'tap';
import type { FlowRecord } from '../../flow/flow.ts';
import { PostgresStore } from '../../store/postgres-store.ts';
import { faultOfData } from '../../store/refused-records.ts';
import { StoreReader, type FlowFilter, type StoredFlow } from '../../store/read-store.ts';
import { questionsOf, type Questions } from '../../store/store-port.ts';
import { SqliteReader } from '../../store/sqlite-reader.ts';
import { SqliteStore, type SegmentOffset } from '../../store/sqlite-store.ts';
import type { StoreTables } from '../../store/tables.ts';
import { findPostgres, PostgresServer } from '../lab/postgres-server.ts';
import { firstMs, flow } from '../lab/stored-flows.ts';

const count = 6_000;
const flows = Array.from({ length: count }, (_, serial) => flow(serial));
const first = '2026-11-23';
const second = '2026-11-24';
/** Flows of the first day: one a second in its last hour. */
const ofFirst = 3_600;

interface Opened {
  write(records: readonly FlowRecord[], offsets: readonly SegmentOffset[]): Promise<void>;
  offsets(gateway: string): Promise<ReadonlyMap<string, number>>;
  dropDay(day: string): Promise<void>;
  readonly reader: StoreReader;
  /** One that has no time. */
  readonly hurried: StoreReader;
  readonly sums: Questions;
}

function openSqlite(t: Test): Opened {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-store-'));
  const store = new SqliteStore(folder);
  const reading = new SqliteReader(folder);
  t.teardown(async () => {
    await reading.close();
    store.close();
    rmSync(folder, { recursive: true });
  });
  return {
    write: async (records, offsets) => store.write(records, offsets),
    offsets: async (gateway) => store.offsets(gateway),
    dropDay: async (day) => store.dropDay(day),
    reader: new StoreReader(reading.main, reading.flows),
    hurried: new StoreReader(reading.main, reading.flows, 0),
    sums: questionsOf(reading.main, reading.flows),
  };
}

async function openPostgres(t: Test, bin: string): Promise<Opened & { readonly main: Kysely<StoreTables> }> {
  const server = new PostgresServer(bin);
  t.teardown(() => server.close());
  const store = await PostgresStore.open(server.config);
  t.teardown(() => store.close());
  return {
    write: (records, offsets) => store.write(records, offsets),
    offsets: (gateway) => store.offsets(gateway),
    dropDay: (day) => store.dropDay(day),
    main: store.main,
    reader: new StoreReader(store.main, store.flows),
    hurried: new StoreReader(store.main, store.flows, 0),
    sums: questionsOf(store.main, store.flows),
  };
}

async function fill(store: Opened): Promise<void> {
  for (let at = 0; at < count; at += 1_000) {
    const part = flows.slice(at, at + 1_000);
    const begun = part.map(({ opened }) => opened);
    const ended = part.map(({ closed }) => closed);
    await store.write(begun, [{ gateway: 'gw', name: 'a', bytes: at }]);
    // Twice, and a beginning that comes after its end.
    await store.write(ended, [{ gateway: 'gw', name: 'a', bytes: at + 1_000 }]);
    await store.write([...ended.slice(0, 100), ...begun.slice(500)], []);
  }
}

async function all(
  reader: StoreReader,
  filter: FlowFilter,
  limit: number,
  isOldestFirst = false,
): Promise<StoredFlow[]> {
  const found: StoredFlow[] = [];
  for (let cursor: string | null = null; ;) {
    const page: Awaited<ReturnType<StoreReader['flows']>> = await reader.flows(filter, {
      limit,
      cursor,
      isOldestFirst,
    });
    found.push(...page.items);
    if (page.next === null) return found;
    cursor = page.next;
  }
}

async function ask(t: Test, store: Opened): Promise<void> {
  await fill(store);
  const { reader, sums } = store;
  t.same([...(await store.offsets('gw'))], [['a', count]]);
  const listed = await all(reader, {}, 700);
  t.same(
    listed.map(({ id }) => id),
    flows.map(({ opened }) => opened.id).toReversed(),
    'all of them, newest first',
  );
  t.match(listed.at(-2), {
    kind: 'request',
    openedMs: firstMs + 1_000,
    closedMs: firstMs + 1_250,
    gateway: 'gw',
    runner: '10.77.0.1',
    host: 'h1.example',
    port: 443,
    protocol: 'https',
    verdict: 'allow',
    mode: 'block',
    reason: 'rule',
    rule: 'r',
    scope: null,
    revision: '0123456789ab',
    method: 'GET',
    path: '/1',
    sent: 1,
    received: 2,
  });
  const like = (test: (serial: number) => boolean) =>
    flows
      .filter((_, serial) => test(serial))
      .map(({ opened }) => opened.id)
      .toReversed();
  const found = async (filter: FlowFilter) => (await all(reader, filter, 400)).map(({ id }) => id);
  t.same(
    await found({ verdict: 'block' }),
    like((serial) => serial % 10 === 0),
  );
  t.same(
    await found({ verdict: 'would-block' }),
    like((serial) => serial % 10 !== 0 && serial % 7 === 0),
  );
  t.same(
    await found({ host: 'h7.example', kind: 'dns' }),
    like((serial) => serial % 40 === 7 && serial % 3 === 0),
  );
  t.same(
    await found({ runner: '10.77.0.3', fromMs: firstMs + 3_500_000, untilMs: firstMs + 3_700_000 }),
    like((serial) => serial % 5 === 3 && serial >= 3_500 && serial < 3_700),
  );
  t.same(await found({ host: "h7.example' or 1=1 --" }), []);
  for (const [filter, expected] of [
    [{ path: '/77' }, like((serial) => String(serial).startsWith('77'))],
    [{ kind: 'dns', rule: 'r', verdict: 'block' }, like((serial) => serial % 30 === 0)],
    [{ search: 'H3.', isAttributed: false }, like((serial) => serial % 40 === 3 && serial % 4 === 0)],
    [{ search: 'h12', isAttributed: false }, like((serial) => serial % 40 === 12)],
  ] as const) {
    const ids = async (isOldestFirst: boolean) =>
      (await all(store.hurried, filter, 7, isOldestFirst)).map(({ id }) => id);
    t.same(await ids(false), expected, `in pieces ${JSON.stringify(filter)}`);
    t.same(await ids(true), expected.toReversed(), 'and from the other end');
  }
  const runs = await sums.runs({}, { limit: 4, cursor: null });
  const more = await sums.runs({}, { limit: 4, cursor: runs.next });
  const all6 = [...runs.items, ...more.items];
  t.equal(more.next, null);
  t.same(new Set(all6.map(({ runId }) => runId)), new Set(['0', '1', '2', '3', '4', '5']));
  t.equal(
    all6.reduce((total, run) => total + run.flows, 0),
    flows.filter(({ opened }) => opened.job !== null).length,
  );
  const [job] = (await sums.jobs({ runId: '1' }, { limit: 10, cursor: null })).items;
  const ofRun = like((serial) => serial % 4 !== 0 && serial % 6 === 1);
  t.match(job, {
    repository: 'Acme/App',
    workflow: '.github/workflows/ci.yml',
    name: 'build',
    flows: ofRun.length,
  });
  t.same(await found({ job: job!.id }), ofRun);
  t.match(await sums.job(job!.id), { runId: '1', event: 'push', runner: '10.77.0.1' });
  t.equal(await sums.job(10_000), null);
  const days = { fromDay: first, untilDay: second };
  const hosts = [];
  for (let cursor: string | null = null; ;) {
    const page: Awaited<ReturnType<Questions['destinations']>> = await sums.destinations(days, {
      limit: 15,
      cursor,
    });
    hosts.push(...page.items);
    if (page.next === null) break;
    cursor = page.next;
  }
  t.equal(hosts.length, 40);
  t.equal(
    hosts.reduce((total, host) => total + host.flows, 0),
    count,
  );
  t.match(
    hosts.find(({ host }) => host === 'h10.example'),
    { flows: 150, blocked: 150, firstDay: first, lastDay: second },
  );
  t.equal(
    (await sums.destinations({ ...days, isBlocked: true }, { limit: 100, cursor: null })).items.length,
    4,
  );
  t.equal((await sums.destinations({ ...days, name: 'H1%' }, { limit: 100, cursor: null })).items.length, 0);
  t.equal((await sums.destinations({ ...days, name: 'H39.' }, { limit: 100, cursor: null })).items.length, 1);
  const hours = await sums.hours(firstMs, firstMs + 86_400_000);
  t.equal(
    hours.filter(({ hourMs }) => hourMs === firstMs).reduce((total, hour) => total + hour.flows, 0),
    ofFirst,
  );
  const one = await reader.flow(flows[9]!.opened.id);
  t.match(one, { path: '/9', detail: { http: { version: '1.1' } } });
  t.equal(await reader.flow('no id'), null);
  t.same(await reader.flows({}, { limit: 10, cursor: 'no cursor' }), { items: [], next: null });
  t.same((await sums.runners({}, { limit: 10, cursor: null })).items.length, 5);
  await store.dropDay(first);
  t.equal((await all(reader, {}, 1_000)).length, count - ofFirst, 'the oldest day is gone');
  t.equal((await sums.runs({}, { limit: 10, cursor: null })).items.length, 6, 'its sums are not');
}

t.test('SQLite answers', (t) => ask(t, openSqlite(t)));

const bin = findPostgres();
t.test(
  'PostgreSQL answers the same',
  { skip: bin === null ? 'PostgreSQL is not installed' : false },
  async (t) => {
    const store = await openPostgres(t, bin!);
    await ask(t, store);
    const { rows } = await sql`select last_value as last from host_id_seq`.execute(store.main);
    t.same(rows, [{ last: 40 }], 'forty hosts in twenty batches: what is known uses up no number');
    const { closed } = flow(count);
    // A text in place of a number, as no process of ours writes it.
    const broken = { ...closed, http: { ...closed.http!, status: 'x' as unknown as number } };
    const error: unknown = await store.write([broken], []).catch((reason: unknown) => reason);
    t.equal(faultOfData(error), 'postgres 22P02');
  },
);
