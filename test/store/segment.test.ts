import { execFileSync, spawn } from 'node:child_process';
import {
  mkdtempSync,
  appendFileSync,
  mkdirSync,
  rmSync,
  rmdirSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import t from 'tap';

import type { FlowRecord } from '../../flow/flow.ts';
import type { JobEvent, JobRecord } from '../../flow/job-record.ts';
import { noMeter } from '../../flow/ports.ts';
import { redactRecord } from '../../flow/redact.ts';
import { uuidv7 } from '../../flow/uuid.ts';
import {
  pairFlows,
  parseJobRecord,
  parseRecord,
  readLines,
  readSegments,
} from '../../store/read-segments.ts';
import { LostFlows } from '../../store/lost-flows.ts';
import { SegmentWriter } from '../../store/segment.ts';
import { serialiseRecord } from '../../store/serialise-record.ts';

const base: FlowRecord = {
  v: 1,
  id: '0199a8c0-0000-7000-8000-000000000001',
  phase: 'opened',
  kind: 'request',
  time: '2026-11-24T09:00:00.000Z',
  parent: null,
  gateway: 'gw',
  fleet: 'default',
  runner: '10.77.0.2',
  job: null,
  attribution: { source: 'none', certainty: 'unknown' },
  process: null,
  destination: { host: 'example.com', address: null, port: 443, protocol: 'https' },
  operation: null,
  http: { method: 'GET', path: '/left-pad', version: '1.1', status: null },
  dns: null,
  tls: null,
  packet: null,
  evidence: [],
  decision: { verdict: 'allow', enforced: true, mode: 'block', rule: 'npm', scope: null, reason: 'rule' },
  policyRevision: '0123456789ab',
  bytes: null,
  timings: null,
  ended: null,
};
const hostile = 'a"b\\c\n\u2028\ud800';
const job = {
  platform: 'github',
  server: 'github.com',
  repository: 'acme/app',
  repositoryId: '1',
  workflow: '.github/workflows/ci.yml',
  calledWorkflow: null,
  ref: 'refs/heads/main',
  event: 'push',
  environment: hostile,
  name: 'build',
  runId: null,
  runnerGroup: null,
  actor: 'octo',
  fork: false,
  protected: true,
  private: null,
} as const;
const full: FlowRecord = {
  ...base,
  phase: 'closed',
  parent: uuidv7(),
  job,
  process: { pid: 7, executable: '/usr/bin/node' },
  destination: { host: hostile, address: '192.0.2.1', port: null, protocol: 'tls' },
  operation: {
    platform: 'github',
    server: 'github.com',
    name: 'git/push',
    access: 'write',
    touches: [
      { kind: 'repository', access: 'write', owner: 'acme', name: hostile, id: null, refs: [hostile] },
    ],
    needs: [{ contents: 'write' }],
    ungrantable: [],
    sureness: 'known',
    widens: true,
    credential: 'job',
    detail: `Authorization: ${hostile}`,
  },
  http: { method: hostile, path: `/${hostile}?secret=1`, version: '2', status: 403 },
  dns: { type: 'A', rcode: 'NOERROR', answers: ['192.0.2.1', hostile], transport: 'udp', queries: 1 },
  tls: { serverName: hostile, alpn: 'h2', version: 'TLSv1.3', treatment: 'intercept' },
  packet: { attempts: 3, protocolNumber: 17 },
  evidence: [{ kind: 'sni-mismatch', detail: `Authorization: ${hostile}` }],
  bytes: { sent: 1, received: 2 },
  timings: { resolveMs: 1.5, connectMs: null, handshakeMs: 2, firstByteMs: 3, totalMs: 4 },
  ended: 'timeout',
};
const options = (directory: string, more: object = {}) => ({
  directory,
  process: 'worker-0',
  maxSegmentBytes: 1_000_000,
  maxTotalBytes: 100_000_000,
  meter: noMeter,
  ...more,
});
const all = async (directory: string) => {
  const records: FlowRecord[] = [];
  for await (const record of readSegments(directory)) records.push(record);
  return records;
};
const withId = (number: number, phase: 'opened' | 'closed' = 'opened'): FlowRecord => ({
  ...base,
  phase,
  id: `id-${number}`,
});

const ofJob: FlowRecord = {
  ...base,
  parent: full.parent,
  attribution: { source: 'job-message', certainty: 'certain', jobId: 'github.com/a1', conflict: true },
  step: { number: 3, name: `Run curl -H "Authorization: ${hostile}"` },
  infrastructure: true,
};

t.test('a written line is the redacted record, field for field', async (t) => {
  // Twice of one connection: the second job, and the second step, have a text of their own.
  const next = { ...ofJob, attribution: { ...ofJob.attribution, jobId: 'github.com/a2' } };
  const step: FlowRecord = { ...next, step: { number: 4, name: 'Build' } };
  for (const record of [base, full, ofJob, next, step]) {
    const line = serialiseRecord(record);
    t.same(JSON.parse(line), JSON.parse(JSON.stringify(redactRecord(record))));
    if (record.step === undefined) t.same(Object.keys(JSON.parse(line) as object), Object.keys(record));
    t.equal(line.indexOf('\n'), line.length - 1);
  }
  t.notMatch(serialiseRecord(full), /secret=1|Authorization: a/);
});

t.test('opened is in the file when it returns, closed follows within 100 ms', async (t) => {
  const directory = t.testdir({});
  const counted: unknown[] = [];
  const meter = { ...noMeter, count: (...args: unknown[]) => counted.push(args) };
  const writer = new SegmentWriter(
    options(directory, { meter, now: () => Date.UTC(2026, 10, 24, 9, 25, 30, 7) }),
  );
  const path = join(directory, 'worker-0-20261124T092530007Z-1.jsonl');
  t.equal(statSync(path).mode & 0o777, 0o640);
  writer.opened(base);
  t.equal(readFileSync(path, 'utf8'), serialiseRecord(base));
  const closed: FlowRecord = { ...base, phase: 'closed' };
  writer.closed(closed);
  t.equal(readFileSync(path, 'utf8'), serialiseRecord(base));
  await new Promise((done) => setTimeout(done, 150));
  t.equal(readFileSync(path, 'utf8'), serialiseRecord(base) + serialiseRecord(closed));
  writer.close();
  const flows = await pairFlows(readSegments(directory));
  t.same([...flows.values()], [{ opened: base, closed }]);
  const labels = { kind: 'request', protocol: 'https', verdict: 'allow', enforced: 'true', reason: 'rule' };
  t.same(counted, [['sallyport_flows_total', labels, 1]]);
});

t.test('lines of jobs stand among those of flows, and each reader sees its own', async (t) => {
  const directory = t.testdir({});
  const writer = new SegmentWriter(options(directory));
  const told = (event: JobEvent): JobRecord => ({
    kind: 'job',
    v: 1,
    id: uuidv7(),
    time: '2026-11-24T09:00:00.000Z',
    gateway: 'gw',
    fleet: 'default',
    runner: '10.77.0.2',
    jobId: 'github.com/7d0f2a3c-0000-4000-8000-000000000001',
    source: 'job-message',
    agent: 'a"b',
    event,
  });
  const secret = 'ghp_0123456789abcdefghijABCDEFGHIJ012345';
  const [startedMs, endedMs] = [1, null];
  const steps = Array.from({ length: 1000 }, (_, at) => ({
    id: `s${at}`,
    name: `Run deploy ${secret} ${'x'.repeat(5000)}`,
    number: at,
    state: 'running' as const,
    startedMs,
    endedMs,
  }));
  const assigned = {
    what: 'assigned',
    job,
    runAttempt: '1',
    stage: null,
    sha: null,
    headRef: `${secret}/x`,
    baseRef: null,
    matrix: { os: hostile, token: secret, n: 3, on: true, none: null },
    granted: { contents: 'read' },
    hasIdentity: false,
    uses: [secret],
    steps,
  } as const;
  const ended = told({ what: 'ended', conclusion: 'succeeded' });
  writer.opened(base);
  writer.job(told(assigned));
  writer.job(told({ what: 'steps', steps }));
  writer.job(ended);
  writer.closed({ ...base, phase: 'closed' });
  writer.close();
  const [name = ''] = readdirSync(directory).filter((file) => file.endsWith('.jsonl'));
  const lines = await Array.fromAsync(readLines(join(directory, name)));
  t.same(
    lines.map((line) => [parseRecord(line)?.phase ?? null, parseJobRecord(line)?.event.what ?? null]),
    [
      ['opened', null],
      [null, 'assigned'],
      [null, 'steps'],
      [null, 'ended'],
      ['closed', null],
    ],
  );
  t.same(parseJobRecord(lines[3]!), ended);
  t.equal((await all(directory)).length, 2, 'whoever reads flows sees two');
  t.notMatch(lines.join(''), secret);
  t.ok(
    lines.every((line) => line.length < 500_000),
    'no line is too long to be read back',
  );
});

t.test('segments rotate by size, and the oldest closed ones make room', async (t) => {
  const directory = t.testdir({});
  mkdirSync(join(directory, 'not-a-segment'));
  let dropped = 0;
  const meter = {
    ...noMeter,
    count: (name: string) => name === 'sallyport_segments_dropped_total' && dropped++,
  };
  const openFiles = () => readdirSync('/proc/self/fd').length;
  const other = new SegmentWriter(options(directory, { process: 'control', now: () => 0 }));
  other.opened(withId(-1));
  const before = openFiles();
  const writer = new SegmentWriter(
    options(directory, { meter, maxSegmentBytes: 65_536, maxTotalBytes: 300_000 }),
  );
  for (let i = 0; i < 1500; i++) writer.opened(withId(i));
  t.equal(openFiles(), before + 1, 'one file is open');
  const names = readdirSync(directory).filter((name) => name.startsWith('worker'));
  const sizes = names.map((name) => statSync(join(directory, name)).size);
  t.ok(sizes.every((size) => size <= 65_536));
  t.ok(sizes.reduce((sum, size) => sum + size, 0) <= 300_000);
  t.ok(dropped > 5, `${dropped} were dropped`);
  const ids = (await all(directory)).map(({ id }) => id);
  t.equal(ids[0], 'id--1', 'the open segment of another process stays, however old');
  t.equal(ids.at(-1), 'id-1499');
  writer.close();
  other.close();
  t.equal(openFiles(), before - 1);
  t.throws(() => writer.opened(base), { code: 'record-unavailable' });
});

t.test(
  'what processes of earlier generations left makes room too, their last segments included',
  async (t) => {
    const directory = t.testdir({});
    const limits = { maxSegmentBytes: 65_536, maxTotalBytes: 300_000 };
    for (let generation = 0; generation < 12; generation++) {
      const name = generation === 0 ? 'worker-0' : `worker-0.${generation}`;
      const writer = new SegmentWriter(options(directory, { ...limits, process: name }));
      for (let i = 0; i < 60; i++) writer.opened(withId(i));
      writer.close();
    }
    const names = readdirSync(directory);
    const total = names.reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
    t.ok(total <= 300_000, `${total} bytes in ${names.length} files`);
    t.ok(names.some((name) => name.startsWith('worker-0.11-')));
  },
);

t.test('flows of a killed process are closed, also where a living one has its number now', async (t) => {
  const old = '20260101T000000000Z';
  const directory = t.testdir({
    [`worker-0-${old}-1.jsonl`]: serialiseRecord(withId(1)) + serialiseRecord(withId(2)),
    // The first process after boot: nobody else began then.
    [`worker-0-${old}.open`]: `${process.pid} 1`,
  });
  const living = new SegmentWriter(options(directory));
  living.opened(withId(3));
  const log = { warn: () => {}, error: (detail: object) => t.fail(JSON.stringify(detail)) };
  const lost = new LostFlows({ ...options(directory), log });
  const closed = async () =>
    (await all(directory)).flatMap(({ id, phase }) => (phase === 'closed' ? id : [])).toSorted();
  const until = async (ids: readonly string[]) => {
    for (let tries = 0; tries < 100 && (await closed()).join() !== ids.join(); tries++)
      await new Promise((done) => setTimeout(done, 10));
    t.same(await closed(), ids);
  };
  lost.closeBefore(Date.now() + 1_000, new Set([process.pid]));
  await until(['id-1', 'id-2']);
  lost.closeOf(process.pid);
  await new Promise((done) => setTimeout(done, 50));
  await until(['id-1', 'id-2']);
  living.close();
});

t.test('lines that are cut, empty or foreign are skipped and never run into the next', async (t) => {
  const line = serialiseRecord(base);
  const directory = t.testdir({
    'worker-0-20261124T092530007Z-2.jsonl': serialiseRecord(withId(2)) + line.slice(0, 80),
    'worker-0-20261124T092530007Z-10.jsonl': `\n\0\0\0\n{}\n{"v":2,"id":"x"}\n[]\nnull\n${'x'.repeat(2_500_000)}\n${serialiseRecord(withId(10))}`,
    'worker-0-20261124T092530007Z-1.jsonl': `${line.slice(0, 50)}\n${serialiseRecord(withId(1))}`,
    'other.txt': line,
  });
  t.same(
    (await all(directory)).map(({ id }) => id),
    ['id-1', 'id-2', 'id-10'],
  );
});

t.test(
  'a full disk refuses the record, takes the cut line back, and works again when there is room',
  async (t) => {
    // Not a fixture of the test runner: its removal would meet the mount.
    const directory = mkdtempSync(join(tmpdir(), 'sallyport-disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory]);
    t.teardown(() => {
      execFileSync('umount', ['-l', directory]);
      rmdirSync(directory);
    });
    let lost = 0;
    const meter = {
      ...noMeter,
      count: (name: string, _: unknown, value = 1) =>
        name === 'sallyport_records_lost_total' ? (lost += value) : 0,
    };
    const writer = new SegmentWriter(options(directory, { meter }));
    appendFileSync(join(directory, 'ballast'), Buffer.alloc(32_768));
    let written = 0;
    const refused = () => {
      for (; written < 1000; written++) writer.opened(withId(written));
    };
    t.throws(refused, { code: 'record-unavailable', message: /cannot be written; free space/ });
    t.throws(() => writer.opened(base), { code: 'record-unavailable' }, 'still full');
    writer.openedTogether(withId(1));
    t.throws(() => writer.handOver(), { code: 'record-unavailable' }, 'nor several together');
    t.throws(
      () => writer.openedTogether(base),
      { code: 'record-unavailable' },
      'nor is it put among what waits',
    );
    const [segment] = readdirSync(directory).filter((name) => name.endsWith('.jsonl'));
    t.ok(readFileSync(join(directory, segment!), 'utf8').endsWith('}\n'), 'no cut line is left');
    writer.closed(withId(0, 'closed'));
    await new Promise((done) => setTimeout(done, 120));
    t.equal(lost, 0, 'a closed record waits for room');
    writeFileSync(join(directory, 'ballast'), '');
    writer.opened(withId(5000));
    await new Promise((done) => setTimeout(done, 150));
    const records = await all(directory);
    t.equal(records.filter(({ phase }) => phase === 'opened').length, written + 2);
    t.equal(records.at(-1)?.phase, 'closed');

    t.throws(
      () => {
        for (let i = 0; i < 1000; i++) writer.opened(base);
      },
      { code: 'record-unavailable' },
    );
    for (let i = 0; i < 10_000; i++) writer.closed(full);
    t.throws(() => writer.close(), { code: 'record-unavailable' });
    t.equal(lost, 10_000, 'what memory does not hold is counted');
  },
);

t.test(
  'prepared halves make the line that serialiseRecord makes, with an id and a time of their own',
  async (t) => {
    const directory = t.testdir({});
    const counted: unknown[] = [];
    const meter = { ...noMeter, count: (...args: unknown[]) => counted.push(args) };
    const writer = new SegmentWriter(options(directory, { meter }));
    const wide = { ...full, gateway: 'gw-é-\u4e2d', parent: null };
    const [source, outcome] = [writer.prepareSource(wide), writer.prepareOutcome(wide)];
    const other = writer.prepareSource({ ...wide, runner: '10.77.0.9' });
    const before = uuidv7(1_800_000_000_000);
    writer.closedAgain(source, outcome, 1_800_000_000_001);
    writer.closedAgain(other, outcome, 1_800_000_000_001);
    const after = uuidv7(1_800_000_000_001);
    writer.closed(wide);
    t.throws(() => writer.closedAgain({}, outcome, 0), { code: 'internal' });
    writer.handOver();
    const [first, second, third] = await all(directory);
    const like = JSON.parse(JSON.stringify(redactRecord(wide))) as FlowRecord;
    t.same(third, like);
    t.same(first, { ...like, id: first!.id, time: '2027-01-15T08:00:00.001Z' });
    t.same(second, { ...like, id: second!.id, time: '2027-01-15T08:00:00.001Z', runner: '10.77.0.9' });
    t.ok(before < first!.id && first!.id < second!.id && second!.id < after, 'ids are of one sequence');
    writer.close();
    const labels = { kind: 'request', protocol: 'tls', verdict: 'allow', enforced: 'true', reason: 'rule' };
    t.same(counted, [['sallyport_flows_total', labels, 3]]);
  },
);

t.test('what is handed over is in the file, and a refusal says so and loses nothing', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', directory]);
  t.teardown(() => {
    execFileSync('umount', ['-l', directory]);
    rmdirSync(directory);
  });
  const writer = new SegmentWriter(options(directory));
  const source = writer.prepareSource(base);
  const outcome = writer.prepareOutcome(base);
  const again = (count: number) => {
    for (let i = 0; i < count; i++) writer.closedAgain(source, outcome, 1_800_000_000_000);
  };
  again(3);
  writer.handOver();
  t.equal((await all(directory)).length, 3);
  appendFileSync(join(directory, 'ballast'), Buffer.alloc(8192));
  again(100);
  t.throws(() => writer.handOver(), { code: 'record-unavailable' });
  t.throws(() => writer.handOver(), { code: 'record-unavailable' }, 'as long as there is no room');
  t.equal((await all(directory)).length, 3, 'no part of it is left');
  rmSync(join(directory, 'ballast'));
  execFileSync('mount', ['-o', 'remount,size=1m', directory]);
  writer.handOver();
  t.equal((await all(directory)).length, 103);
  t.throws(() => appendFileSync(join(directory, 'ballast'), Buffer.alloc(1_048_576)), { code: 'ENOSPC' });
  writer.openedTogether(withId(1));
  for (let i = 0; i < 10_000; i++) writer.closed(full);
  rmSync(join(directory, 'ballast'));
  t.throws(() => writer.handOver(), { code: 'record-unavailable' }, 'what was given up is never handed over');
  writer.openedTogether(withId(2));
  writer.handOver();
  const ids = (await all(directory)).map(({ id }) => id);
  t.same([ids.includes('id-1'), ids.includes('id-2')], [false, true]);
  writer.close();
});

t.test('sizes are bytes: text beyond ASCII neither outgrows a segment nor the memory', async (t) => {
  const directory = t.testdir({});
  const writer = new SegmentWriter(options(directory, { maxSegmentBytes: 20_000 }));
  const wide: FlowRecord = { ...base, gateway: '\u4e2d'.repeat(1000) };
  for (let i = 0; i < 20; i++) writer.opened(wide);
  writer.close();
  const sizes = readdirSync(directory).map((name) => statSync(join(directory, name)).size);
  t.ok(sizes.every((size) => size <= 20_000) && sizes.length >= 4, sizes.join());
  t.equal((await all(directory)).length, 20);
});

t.test('kill -9 of the writer loses no record that it had acknowledged', async (t) => {
  const directory = t.testdir({});
  const root = join(import.meta.dirname, '../..');
  writeFileSync(
    join(directory, 'write.ts'),
    `import { SegmentWriter } from '${root}/store/segment.ts';
import { noMeter } from '${root}/flow/ports.ts';
import { writeSync } from 'node:fs';
const base = ${JSON.stringify(base)} as const;
const writer = new SegmentWriter({ directory: ${JSON.stringify(directory)}, process: 'worker-0', maxSegmentBytes: 200_000, maxTotalBytes: 1e9, meter: noMeter });
for (let i = 0; ; i++) {
  const id = process.argv[2] + '-' + i;
  writer.opened({ ...base, id });
  writeSync(1, id + '\\n');
}`,
  );
  const acknowledged = new Set<string>();
  for (let round = 0; round < 10; round++) {
    const child = spawn(process.execPath, [join(directory, 'write.ts'), String(round)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {},
    });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.length > 20_000 + round * 3000) child.kill('SIGKILL');
    });
    await new Promise((done) => child.on('close', done));
    for (const id of text.split('\n').slice(0, -1)) acknowledged.add(id);
  }
  for (const { id } of await all(directory)) acknowledged.delete(id);
  t.equal(acknowledged.size, 0);
});
