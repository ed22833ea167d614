// What is heard of jobs, in both databases: their order does not matter, twice is once, and no text stops the store.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import t, { type Test } from 'tap';
import { jobInstance, type JobEvent, type JobRecord } from '../../flow/job-record.ts';
import type { FlowRecord } from '../../flow/flow.ts';
import { uuidv7 } from '../../flow/uuid.ts';
import { openStore, type OpenedStore } from '../../store/opened-store.ts';
import { serialiseJobRecord } from '../../store/serialise-job-record.ts';
import { findPostgres, PostgresServer } from '../lab/postgres-server.ts';
import { firstMs, flow } from '../lab/stored-flows.ts';

const guid = '3f2a6f3e-5d0c-4b43-9f0e-2b1c8d7e6a55';
const jobId = jobInstance('github.com', guid);
const { job } = flow(1).opened;

function record(atMs: number, event: JobEvent, id = jobId): JobRecord {
  return {
    v: 1,
    kind: 'job',
    id: uuidv7(atMs),
    time: new Date(atMs).toISOString(),
    gateway: 'gw',
    fleet: 'default',
    runner: '10.77.0.9',
    jobId: id,
    source: 'job-message',
    agent: 'runner-7',
    event,
  };
}

const assigned = (name: string): JobEvent => ({
  what: 'assigned',
  job: { ...job!, name, runId: '42' },
  runAttempt: '2',
  stage: null,
  sha: '0123456789abcdef0123456789abcdef01234567',
  headRef: null,
  baseRef: null,
  matrix: { os: 'linux', node: 24 },
  granted: { contents: 'read' },
  hasIdentity: true,
  uses: ['actions/checkout@v5'],
  steps: [
    { id: 's1', name: 'Check out' },
    { id: 's2', name: 'Build' },
  ],
});
const step = (id: string, name: string, state: 'running' | 'succeeded', at: number): JobEvent => ({
  what: 'steps',
  steps: [{ id, name, number: 1, state, startedMs: at, endedMs: state === 'running' ? null : at + 900 }],
});

function withJob(serial: number): FlowRecord {
  const { closed } = flow(serial);
  const attribution = { source: 'job-message' as const, certainty: 'certain' as const, jobId };
  return {
    ...closed,
    attribution,
    job: { ...job!, name: 'build', runId: '42' },
    step: { number: 2, name: 'Build' },
  };
}

async function open(t: Test, bin: string | null): Promise<OpenedStore> {
  if (bin === null) {
    const folder = mkdtempSync(join(tmpdir(), 'sallyport-jobs-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    return openStore({ kind: 'embedded', folder });
  }
  const server = new PostgresServer(bin);
  t.teardown(() => server.close());
  return openStore({ kind: 'postgres', config: server.config });
}

const rows = async (store: OpenedStore, text: string) =>
  (await sql.raw<Record<string, unknown>>(text).execute(store.reader)).rows.map((row) => ({ ...row }));

async function tell(t: Test, bin: string | null): Promise<void> {
  const store = await open(t, bin);
  const end = record(firstMs + 60_000, { what: 'ended', conclusion: 'failure' });
  const conflict = record(firstMs + 30_000, { what: 'conflict', detail: 'agent-2 asks here too' });
  // Another worker's segment is read first: the end comes before the beginning, and a step's end before its beginning.
  await store.write(
    [],
    [],
    [end, record(firstMs + 20_000, step('s2', 'Build', 'succeeded', firstMs + 9_000))],
  );
  t.match(await rows(store, 'select key, conclusion, is_heard from job'), [
    { key: jobId, conclusion: 'failure' },
  ]);
  const begun = record(firstMs + 1_000, assigned('build'));
  const second = [
    begun,
    record(firstMs + 9_000, step('s2', 'Build', 'running', firstMs + 9_000)),
    conflict,
    end,
  ];
  const flows = [withJob(5), withJob(6)];
  await store.write(flows, [], second);
  // A batch whose commit nobody heard of comes again.
  await store.write(flows, [], [...second, record(firstMs + 90_000, { what: 'ended', conclusion: null })]);
  t.match(
    await rows(
      store,
      `select key, run_id, run_attempt, agent, conclusion, ended_ms, started_ms, matrix, granted, uses, has_identity,
        conflicts, flows, shown, name, source, address from job join repository r on r.id = job.repository_id
        join definition d on d.id = definition_id join runner on runner.id = runner_id`,
    ),
    [
      {
        key: jobId,
        run_id: '42',
        run_attempt: '2',
        agent: 'runner-7',
        conclusion: 'failure',
        ended_ms: firstMs + 60_000,
        started_ms: firstMs + 1_000,
        matrix: '{"os":"linux","node":24}',
        granted: '{"contents":"read"}',
        uses: '["actions/checkout@v5"]',
        has_identity: 1,
        conflicts: 1,
        flows: 2,
        shown: 'Acme/App',
        name: 'build',
        source: 'job-message',
        address: '10.77.0.9',
      },
    ],
    'one job, however its records came',
  );
  t.match(await rows(store, 'select key, name, state, place from step order by place'), [
    { key: 's1', name: 'Check out', state: 'pending', place: 0 },
    { key: 's2', name: 'Build', state: 'succeeded', place: 1 },
  ]);
  t.match(
    (await rows(store, 'select what, detail from job_event order by at_ms')).map(({ what }) => what),
    ['assigned', 'conflict', 'ended', 'ended'],
  );
  t.match(await rows(store, 'select count(*) as n from job_host'), [{ n: 2 }]);
  await poison(t, store);
  await store.close();
}

/** What a forger may put into messages: all of it is stored, none of it stops what follows. */
async function poison(t: Test, store: OpenedStore): Promise<void> {
  const odd = [
    'nul\0byte',
    '\ud800 half',
    "'); drop table job; --",
    '=HYPERLINK("http://x")',
    '\u001b[31mred',
    '<script>alert(1)</script>',
    'ü'.repeat(5_000),
    'a'.repeat(1_000_000),
    // Three bytes a character, and no two alike: no index holds it whole.
    String.fromCharCode(...Array.from({ length: 1_000 }, (_, at) => 0x4e00 + ((at * 7_919) % 20_000))),
  ];
  const records = odd.flatMap((text, at) => {
    const id = jobInstance('github.com', `${at}`);
    const event = assigned(text);
    if (event.what !== 'assigned') return [];
    const more = {
      job: { ...event.job, repository: text, workflow: text, ref: text, runId: text },
      matrix: { [text]: text },
    };
    const steps = {
      what: 'steps' as const,
      steps: [
        {
          id: text,
          name: text,
          number: 1e18,
          state: 'running' as const,
          startedMs: 1e300,
          endedMs: Number.NaN,
        },
      ],
    };
    return [
      record(
        firstMs + at,
        { ...event, ...more, headRef: text, uses: [text], steps: [{ id: text, name: text }] },
        id,
      ),
      record(firstMs + at, steps, id),
      record(firstMs + at, { what: 'ended', conclusion: text }, id),
      record(firstMs + at, { what: 'renewed', untilMs: 1e25 }, id),
      record(firstMs + at, { what: 'conflict', detail: text }, jobInstance(text, text)),
    ];
  });
  const flows = odd.map((text, at): FlowRecord => {
    const { closed } = flow(100 + at);
    const http = { ...closed.http!, method: text, path: `/${text}` };
    const named = { ...closed, http, destination: { ...closed.destination, host: text } };
    return { ...named, job: { ...job!, name: text, repository: text }, step: { number: 1e18, name: text } };
  });
  await store.write(flows, [], records);
  t.match(await rows(store, 'select count(*) as n from job where is_heard = 1'), [{ n: 1 + 2 * odd.length }]);
  t.match(await rows(store, "select shown from repository where shown like '%drop table%'"), [
    { shown: odd[2] },
  ]);
  await store.write([withJob(7)], [], []);
  t.match(
    await rows(store, `select flows from job where key = '${jobId}'`),
    [{ flows: 3 }],
    'and it goes on',
  );
}

t.test('a line stays far below what a writer buffers, whatever a job’s steps are called', (t) => {
  const name = '\u0001'.repeat(1_024);
  const all = Array.from({ length: 500 }, (_, at) => ({ id: `${at}${name}`, name }));
  const begun = assigned('build');
  const lines = [
    {
      ...begun,
      matrix: Object.fromEntries(all.map(({ id }) => [id.slice(0, 1_000), name])),
      steps: all,
    } as JobEvent,
    {
      what: 'steps' as const,
      steps: all.map((one) => ({
        ...one,
        number: 1,
        state: 'running' as const,
        startedMs: 1,
        endedMs: null,
      })),
    },
  ].map((event) => serialiseJobRecord(record(firstMs, event)));
  for (const line of lines) t.ok(Buffer.byteLength(line) < 786_432, `${Buffer.byteLength(line)} bytes`);
  t.match(JSON.parse(lines[0]!), {
    event: { what: 'assigned', job: { name: 'build' }, steps: [], uses: [] },
  });
  t.equal(
    JSON.parse(serialiseJobRecord(record(firstMs, begun))).event.steps.length,
    2,
    'usual ones are whole',
  );
  t.end();
});

t.test('SQLite keeps what is heard of jobs', (t) => tell(t, null));

const bin = findPostgres();
t.test('PostgreSQL keeps the same', { skip: bin === null ? 'PostgreSQL is not installed' : false }, (t) =>
  tell(t, bin),
);
