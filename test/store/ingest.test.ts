// Records reach the store once each, whenever its program is killed; what pages are answered from adds up.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import t from 'tap';
import { Ingest } from '../../store/ingest.ts';
import { faultOfData, type RefusedRecords } from '../../store/refused-records.ts';
import { serialiseRecord } from '../../store/serialise-record.ts';
import { SqliteStore } from '../../store/sqlite-store.ts';
import { firstMs, flow } from '../lab/stored-flows.ts';

const program = join(import.meta.dirname, '../lab/ingest-once.ts');
const segment = (at: number) => `worker-0-20261123T230000000Z-${at}.jsonl`;

t.test('fifty kills lose nothing and count nothing twice', { timeout: 120_000 }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-ingest-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const [segments, folder] = [join(directory, 'segments'), join(directory, 'store')];
  mkdirSync(segments);
  // Two days meet in the middle; ends come some flows after beginnings, also in the next segment.
  const count = 12_000;
  const flows = Array.from({ length: count }, (_, serial) => flow(serial));
  const lines: string[] = [];
  flows.forEach(({ opened }, at) => {
    lines.push(serialiseRecord(opened));
    if (at >= 50) lines.push(serialiseRecord(flows[at - 50]!.closed));
  });
  for (const { closed } of flows.slice(-50)) lines.push(serialiseRecord(closed));
  const third = Math.ceil(lines.length / 3);
  for (let at = 0; at < 3; at++)
    writeFileSync(join(segments, segment(at + 1)), lines.slice(at * third, (at + 1) * third).join(''));

  let kills = 0;
  for (let round = 0; ; round++) {
    const child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', program, segments, folder, '40'],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    let said = '';
    child.stdout.on('data', (chunk) => (said += String(chunk)));
    await once(child.stdout, 'data');
    const timer = kills < 50 ? setTimeout(() => child.kill('SIGKILL'), 3 + ((round * 7) % 29)) : undefined;
    const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
    clearTimeout(timer);
    if (signal === 'SIGKILL') kills++;
    else {
      t.match(said, 'done 0\n', 'all is read');
      break;
    }
  }
  t.ok(kills >= 10, `${kills} kills in the middle of it`);

  const total = { n: count, sent: sum(flows, 1), received: sum(flows, 2) };
  const main = new DatabaseSync(join(folder, 'main.db'), { readOnly: true });
  const one = (sql: string) => ({ ...main.prepare(sql).get() });
  const sums = 'sum(n) as n, sum(sent) as sent, sum(received) as received';
  t.same(one(`select ${sums} from roll_hour`), total);
  t.same(one(`select ${sums} from roll_day`), total);
  const ofJobs = flows.filter(({ opened }) => opened.job !== null);
  const jobTotal = { n: ofJobs.length, sent: sum(ofJobs, 1), received: sum(ofJobs, 2) };
  t.same(one(`select ${sums} from roll_day_repository`), jobTotal);
  t.same(one('select sum(flows) as n, sum(sent) as sent, sum(received) as received from job'), jobTotal);
  t.same(one('select sum(n) as n, min(first_ms) as first from seen'), {
    n: ofJobs.length,
    first: firstMs + 1_000,
  });
  const blocked = flows.filter(
    ({ opened }) => opened.decision.verdict === 'block' && opened.decision.enforced,
  );
  t.same(one('select sum(n) as n from roll_day where verdict = 2'), { n: blocked.length });
  t.same(one('select count(*) as n from repository'), { n: 1 });
  t.same(one('select count(*) as n from job'), { n: 6 });
  const store = new SqliteStore(folder);
  t.teardown(() => store.close());
  t.same(store.days(), ['2026-11-24', '2026-11-23']);
  const found = store.days().map((day) => {
    const file = new DatabaseSync(join(folder, 'flows', `${day}.db`), { readOnly: true });
    return file.prepare('select count(*) as n, count(closed_ms) as closed from flow').get()!;
  });
  t.equal(
    found.reduce((all, { n }) => all + Number(n), 0),
    count,
  );
  t.equal(
    found.reduce((all, { closed }) => all + Number(closed), 0),
    count,
  );
});

const sum = (flows: readonly ReturnType<typeof flow>[], factor: number): number =>
  flows.reduce((all, { closed }) => all + (factor === 1 ? closed.bytes!.sent : closed.bytes!.received), 0);

t.test('a line that is written while it is read waits for its end', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-ingest-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, segment(1));
  const taken: string[] = [];
  const ingest = new Ingest({
    directory,
    gateway: 'gw',
    sink: {
      write: async (records) => void taken.push(...records.map(({ phase }) => phase)),
      offsets: async () => new Map(),
    },
  });
  const { opened, closed } = flow(1);
  const line = serialiseRecord(closed);
  writeFileSync(path, serialiseRecord(opened) + line.slice(0, 40));
  t.equal(await ingest.catchUp(), 1);
  t.equal(await ingest.backlogBytes(), 40);
  appendFileSync(path, line.slice(40));
  t.equal(await ingest.catchUp(), 1);
  t.same(taken, ['opened', 'closed']);
  // A writer that was killed left half a line; what its successor appended is read.
  appendFileSync(path, `{"v":1,"id":"cut\n${serialiseRecord(closed)}`);
  t.equal(await ingest.catchUp(), 1);
  t.equal(await ingest.backlogBytes(), 0);
});

t.test('a file of a newer program, and one whose steps were others, are refused', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-ingest-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  new SqliteStore(directory).close();
  const main = new DatabaseSync(join(directory, 'main.db'));
  main.exec("insert into migration values (9, '0009-later.sql', 'x', 0)");
  t.throws(() => new SqliteStore(directory), /main\.db cannot be used: a newer version/);
  main.exec("delete from migration where number = 9; update migration set digest = 'x'");
  t.throws(() => new SqliteStore(directory), /its step 0001-first\.sql is another one/);
  main.close();
});

t.test('a record that the store refuses for what it says holds up none of the others', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-ingest-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const store = new SqliteStore(join(directory, 'store'));
  t.teardown(() => store.close());
  const lines = Array.from({ length: 40 }, (_, serial) => serialiseRecord(flow(serial).closed));
  // What no process of ours writes: a text for a number, no destination, a step without a state.
  const { closed } = flow(40);
  lines[7] = `${JSON.stringify({ ...closed, http: { ...closed.http, status: 'x' } })}\n`;
  lines[23] = `${JSON.stringify({ ...flow(41).closed, destination: undefined })}\n`;
  const { id, time, gateway, fleet, runner } = flow(42).opened;
  const steps = [{ id: 's', name: 'n', number: 1, state: null, startedMs: null, endedMs: null }];
  const of = { v: 1, id, time, gateway, fleet, runner, jobId: 'github.com/1', source: 'job-message' };
  const job = { kind: 'job', ...of, agent: null, event: { what: 'steps', steps } };
  lines.push(`${JSON.stringify(job)}\n`, serialiseRecord(flow(43).closed));
  mkdirSync(join(directory, 'segments'));
  writeFileSync(join(directory, 'segments', segment(1)), lines.join(''));
  const told: RefusedRecords[] = [];
  const passedOn: number[] = [];
  const ingest = new Ingest({
    directory: join(directory, 'segments'),
    gateway: 'gw',
    sink: {
      write: async (records, offsets, jobs) => store.write(records, offsets, jobs),
      offsets: async () => store.offsets('gw'),
    },
    onBatch: ({ flows }) => passedOn.push(flows.length),
    onRefused: (refused) => told.push(refused),
  });
  t.equal(await ingest.catchUp(), 39);
  t.equal(ingest.skipped, 3);
  t.same(told, [{ count: 3, id, why: 'sqlite 1299' }], 'the job’s step has no state');
  t.same(passedOn, [39]);
  t.equal(await ingest.backlogBytes(), 0);
  t.equal(await ingest.catchUp(), 0);
  const main = new DatabaseSync(join(directory, 'store', 'main.db'), { readOnly: true });
  t.same({ ...main.prepare('select sum(n) as n from roll_hour').get() }, { n: 39 }, 'each counts once');
});

t.test('a database that is away, full, locked or at its end refuses no record', async (t) => {
  const error = (detail: object) => Object.assign(new Error('it fails'), detail);
  for (const errcode of [5, 6, 8, 10, 11, 13, 14, 26, 266]) t.equal(faultOfData(error({ errcode })), null);
  const codes = ['08006', '25006', '40P01', '42P01', '53100', '55P03', '57P01', 'XX000', 'ECONNREFUSED'];
  for (const code of [...codes, '2200H']) t.equal(faultOfData(error({ code })), null, code);
  t.equal(faultOfData(error({ errcode: 3091 })), 'sqlite 3091');
  for (const code of ['22003', '23514', '54000']) t.equal(faultOfData(error({ code })), `postgres ${code}`);
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-ingest-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, segment(1)), serialiseRecord(flow(1).opened));
  const write = async () => Promise.reject(error({ errcode: 13 }));
  const ingest = new Ingest({ directory, gateway: 'gw', sink: { write, offsets: async () => new Map() } });
  await t.rejects(ingest.catchUp(), /it fails/);
  t.equal(ingest.skipped, 0);
  t.ok((await ingest.backlogBytes()) > 0, 'it waits');
});
