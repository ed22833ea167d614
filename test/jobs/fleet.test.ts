// Control's view of who runs where: workers that come and go, a restart, a key that changes, other gateways of the fleet.

import { chmodSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { noMeter } from '../../flow/ports.ts';
import { DeclaredJobs } from '../../jobs/declared.ts';
import { EntryTexts } from '../../jobs/entry-texts.ts';
import { keyIdOf } from '../../jobs/live-table-file.ts';
import { readPublishedTable, type LiveEntry, type LiveTable } from '../../jobs/live-table.ts';
import { JobsOfFleet } from '../../jobs-of-fleet.ts';
import { JobsOfGateways } from '../../jobs-of-gateways.ts';
import { PostgresStore } from '../../store/postgres-store.ts';
import { SharedJobs } from '../../store/shared-jobs.ts';
import { statePaths, tableBefore, type StateDirectory } from '../../store/state-directory.ts';
import { liveEntry, liveTable } from '../lab/live-tables.ts';
import { findPostgres, PostgresServer } from '../lab/postgres-server.ts';

const log = pino({ level: 'silent' });
const address = '192.0.2.7';
const hour = () => Date.now() + 3_600_000;
const key = Buffer.alloc(32, 1);

function openState(t: Test): StateDirectory {
  const state = statePaths(mkdtempSync(join(tmpdir(), 'sallyport-fleet-')));
  for (const folder of [state.policy, state.jobs]) mkdirSync(folder);
  chmodSync(state.root, 0o755);
  writeFileSync(state.jobKeyFile, key);
  t.teardown(() => rmSync(state.root, { recursive: true }));
  return state;
}

interface Opened {
  readonly fleet: JobsOfFleet;
  readonly changes: string[];
  /** Writes the table of a worker and waits until it was taken. */
  tell(worker: string, jobs: readonly LiveEntry[], more?: Partial<LiveTable>): Promise<void>;
}

function openFleet(t: Test, state: StateDirectory, workers: string[] = ['worker-0']): Opened {
  const changes: string[] = [];
  const fleet = new JobsOfFleet({
    declared: new DeclaredJobs([{ addresses: ['192.0.2.99'], repository: 'acme/declared' }]),
    state,
    log,
    meter: noMeter,
    workers: () => workers,
    onChange: (addresses) => changes.push(addresses.join(' ')),
  });
  fleet.start();
  t.teardown(() => fleet.close());
  return {
    fleet,
    changes,
    tell: async (worker, jobs, more = {}) => {
      const table = liveTable({ keyId: keyIdOf(key), jobs, ...more });
      writeFileSync(join(state.jobs, 'new'), JSON.stringify(table));
      renameSync(join(state.jobs, 'new'), join(state.jobs, `${worker}.json`));
      fleet.look();
      // After what it writes 20 ms later.
      await sleep(40);
    },
  };
}

const published = (state: StateDirectory) =>
  readPublishedTable(readFileSync(state.jobsFile, 'utf8'), new EntryTexts().read)!;
const repositoryOf = ({ fleet }: Opened, who = address) => fleet.attribute(who).job?.repository ?? null;

t.test(
  'what a worker hears decides at once, and still when it has ended, until its successor hears better',
  async (t) => {
    const state = openState(t);
    const opened = openFleet(t, state);
    const job = liveEntry({ untilMs: hour() });
    t.equal(repositoryOf(opened), null);
    await opened.tell('worker-0', [job]);
    t.equal(repositoryOf(opened), 'acme/app');
    t.equal(repositoryOf(opened, `::ffff:${address}`), 'acme/app');
    t.same(published(state).jobs, [job], 'told to all workers');
    await opened.tell('worker-0', [{ ...job, untilMs: job.untilMs + 1 }]);
    t.same(opened.changes, [address], 'a renewal is no change');
    await opened.tell('worker-0', [], { startedMs: 2 });
    t.equal(repositoryOf(opened), 'acme/app', 'its successor knows nothing yet');
    await opened.tell('worker-0', [], { startedMs: 2, ended: [{ address, job: 'github.com/1', atMs: 3 }] });
    t.equal(repositoryOf(opened), null, 'its successor heard the end');
    await opened.tell('worker-0', [], { startedMs: 2 });
    t.equal(repositoryOf(opened), null, 'and it stays ended');
    await opened.tell('worker-0', [liveEntry({ address: '192.0.2.99', untilMs: hour() })], { startedMs: 2 });
    t.equal(repositoryOf(opened, '192.0.2.99'), 'acme/declared', 'a declared job comes first');
    t.same([...opened.fleet.live().keys()], []);
    writeFileSync(join(state.jobs, 'worker-0.json'), '{"v":1');
    await sleep(350);
    t.equal(published(state).jobs.length, 1, 'what is no table changes nothing');
  },
);

t.test(
  'after a restart of all a job waits for its renewal; after one of control alone it does not',
  async (t) => {
    const state = openState(t);
    const first = openFleet(t, state);
    const job = liveEntry({ untilMs: hour() });
    await first.tell('worker-0', [job]);
    first.fleet.close();
    rmSync(join(state.jobs, 'worker-0.json'));
    const second = openFleet(t, state, []);
    t.equal(repositoryOf(second), 'acme/app', 'control alone was replaced, and a worker had ended meanwhile');
    second.fleet.close();
    // As the keeper does at its start.
    renameSync(state.jobsFile, tableBefore(state.jobsFile));
    const other = liveEntry({ address: '192.0.2.8', id: '2', untilMs: hour() });
    writeFileSync(
      join(state.jobs, 'worker-3.before'),
      JSON.stringify(liveTable({ keyId: keyIdOf(key), jobs: [other] })),
    );
    const third = openFleet(t, state);
    t.equal(repositoryOf(third), null);
    t.same(
      published(state).recall.map((entry) => entry.message.jobId),
      ['1', '2'],
    );
    t.equal(third.fleet.known.jobOf('github.com', '1')?.job.repository, 'acme/app');
    await third.tell('worker-0', [job], { startedMs: 5 });
    t.equal(repositoryOf(third), 'acme/app', 'its renewal was heard on the address');
    t.same(
      published(state).recall.map((entry) => entry.message.jobId),
      ['2'],
    );
  },
);

t.test('under another key no token of before is known', async (t) => {
  const state = openState(t);
  const opened = openFleet(t, state);
  await opened.tell('worker-0', [liveEntry({ untilMs: hour() })]);
  t.equal(published(state).jobs[0]?.message.tokens.own, 'hash');
  t.equal(opened.fleet.key.length, 32);
  const next = Buffer.alloc(32, 2);
  opened.fleet.setKey(next);
  t.equal(published(state).key, next.toString('base64'));
  t.equal(published(state).jobs[0]?.message.tokens.own, null);
  t.same(readFileSync(state.jobKeyFile), next, 'after a restart it counts at once');
  await opened.tell('worker-0', [liveEntry({ id: '2', untilMs: hour() })], { keyId: keyIdOf(next) });
  t.equal(published(state).jobs[0]?.message.tokens.own, 'hash');
});

const bin = findPostgres();
t.test(
  'gateways of one fleet know each other’s jobs under one key',
  { skip: bin === null && 'no PostgreSQL here' },
  async (t) => {
    const server = new PostgresServer(bin!); // skipped without
    t.teardown(() => server.close());
    const store = await PostgresStore.open(server.config);
    t.teardown(() => store.close());
    const open = async (fleetName: string, gateway: string, ownKey: number, state = openState(t)) => {
      writeFileSync(state.jobKeyFile, Buffer.alloc(32, ownKey));
      const opened = openFleet(t, state);
      const gateways = new JobsOfGateways({
        shared: new SharedJobs(server.config, fleetName, gateway),
        log,
        own: () => opened.fleet.own(),
        key: () => opened.fleet.key,
        setKey: (next) => opened.fleet.setKey(next),
        onChange: () => opened.fleet.changed(),
      });
      opened.fleet.setOthers(gateways);
      await gateways.start();
      const close = async (): Promise<void> => {
        opened.fleet.close();
        await gateways.close();
      };
      /** Writes and reads without waiting for the next turn. */
      const exchange = async (): Promise<void> => {
        gateways.changed();
        await sleep(400);
      };
      return { ...opened, state, gateways, close, exchange };
    };
    const one = await open('builders', 'gw-1', 1);
    const two = await open('builders', 'gw-2', 2);
    const stranger = await open('others', 'gw-3', 3);
    t.equal(published(two.state).key, key.toString('base64'), 'the first key counts for all');
    t.same(readFileSync(two.state.jobKeyFile), key);
    t.not(published(stranger.state).key, published(two.state).key, 'another fleet has its own');
    await one.tell('worker-0', [liveEntry({ untilMs: hour() })]);
    await one.exchange();
    await two.close();
    const again = await open('builders', 'gw-2', 1, two.state);
    await sleep(200);
    t.equal(repositoryOf(again), 'acme/app');
    t.equal(published(again.state).jobs[0]?.message.tokens.own, 'hash');
    t.equal(repositoryOf(stranger), null, 'addresses of another fleet are others');
    await again.tell('worker-0', [liveEntry({ id: '2', repository: 'acme/other', untilMs: hour() })]);
    t.equal(again.fleet.attribute(address).conflict, true, 'two jobs on one address');
    const ended = ['1', '2'].map((id) => ({ address, job: `github.com/${id}`, atMs: 1 }));
    await again.tell('worker-0', [], { ended });
    t.equal(repositoryOf(again), null, 'its end was heard at the other gateway');
    await one.tell('worker-0', [liveEntry({ address: '192.0.2.8', id: '3', untilMs: hour() })]);
    await one.exchange();
    await one.close();
    // Its state is gone, as that of a container: what it wrote waits for renewals.
    const fresh = await open('builders', 'gw-1', 1);
    await sleep(200);
    t.same(
      published(fresh.state).recall.map((entry) => entry.message.jobId),
      ['3'],
    );
    server.stop();
    await again.tell('worker-0', [liveEntry({ id: '9', repository: 'acme/away', untilMs: hour() })], {
      ended,
    });
    t.equal(repositoryOf(again), 'acme/away', 'while the database is away everybody goes on');
    server.start();
    await Promise.allSettled([again.close(), fresh.close(), stranger.close()]);
  },
);
