// Whose flows those of an address are, of all that a worker knows: sources in their order, and what contradicts.

import t from 'tap';
import type { Attribution } from '../../flow/job.ts';
import type { JobRecord } from '../../flow/job-record.ts';
import { DeclaredJobs } from '../../jobs/declared.ts';
import { JobSources } from '../../jobs/job-sources.ts';
import { readLiveTable, type LiveEntry, type PublishedTable } from '../../jobs/live-table.ts';
import { isOfRunnerProgram } from '../../jobs/runner-program.ts';
import { hashTokensBy } from '../../jobs/token-hash.ts';
import { decideHost } from '../../policy/decide.ts';
import { effectivePolicy } from '../../policy/scope.ts';
import { loadPolicy } from '../../policy/load.ts';
import { readJobMessage } from '../../platform/github/read-job-message.ts';
import type { Operation } from '../../flow/operation.ts';
import { githubMessage } from '../lab/job-messages.ts';

const key = Buffer.alloc(32, 7);
const id = (serial: number) => `e0a94d52-0000-4000-8000-00000000000${serial}`;
const messageOf = (serial: number, repository = 'acme/widget', bytes: Buffer = key) =>
  readJobMessage(
    Buffer.from(JSON.stringify(githubMessage({ jobId: id(serial), github: { repository } }))),
    'github.com',
    hashTokensBy(bytes),
  )!;
const assigned = (serial: number, repository?: string) =>
  ({
    kind: 'assigned',
    message: messageOf(serial, repository),
    agent: 'runner-1',
    runsHere: true,
  }) as const;
const named = (serial: number) => ({ server: 'github.com', jobId: id(serial) });
const ended = (serial: number) => ({ kind: 'ended', ...named(serial), conclusion: 'succeeded' }) as const;
const published = (jobs: readonly LiveEntry[], more: Partial<PublishedTable> = {}): PublishedTable => ({
  v: 1,
  atMs: 0,
  key: key.toString('base64'),
  jobs,
  recall: [],
  managers: [],
  conflicts: [],
  ...more,
});
const entry = (address: string, serial: number, more: Partial<LiveEntry> = {}): LiveEntry => ({
  address,
  agent: null,
  source: 'job-message',
  certainty: 'certain',
  sinceMs: 0,
  untilMs: 600_000,
  message: messageOf(serial),
  ...more,
});

function open(now: () => number = () => 1_000) {
  const records: JobRecord[] = [];
  const changes: { address: string; ended: readonly (string | undefined)[] }[] = [];
  const declared = new DeclaredJobs([{ addresses: ['192.0.2.1'], repository: 'acme/declared' }]);
  const jobs = new JobSources({
    declared,
    gateway: 'gw',
    fleet: 'f',
    key,
    record: (record) => records.push(record),
    onChange: (address, over) =>
      changes.push({ address, ended: over.map((attribution: Attribution) => attribution.jobId) }),
    onTable: () => {},
    now,
  });
  return { jobs, records, changes };
}

t.test('what is declared comes first, then what was heard here, then what others know', async (t) => {
  const { jobs } = open();
  jobs.hear('192.0.2.1', [assigned(1)]);
  t.match(jobs.attribute('192.0.2.1'), { source: 'declared', job: { repository: 'acme/declared' } });
  jobs.hear('192.0.2.2', [assigned(2)]);
  jobs.follow(published([entry('192.0.2.3', 3, { source: 'kubernetes', certainty: 'likely' })]));
  t.match(jobs.attribute('192.0.2.2'), { source: 'job-message', jobId: `github.com/${id(2)}` });
  t.match(jobs.attribute('192.0.2.3'), { source: 'kubernetes', certainty: 'likely' });
  t.match(jobs.attribute('192.0.2.4'), { source: 'none', job: null });
});

t.test('a job has one object on its address, whatever else is heard or published', async (t) => {
  const { jobs } = open();
  jobs.hear('192.0.2.2', [assigned(2)]);
  const first = jobs.attribute('192.0.2.2');
  jobs.hear('192.0.2.2', [{ kind: 'renewed', ...named(2), untilMs: 500_000 }]);
  jobs.hear('192.0.2.9', [assigned(5)]);
  t.equal(jobs.attribute('192.0.2.2'), first);
  t.equal(jobs.attribute('::ffff:192.0.2.2'), first);
  jobs.follow(published([entry('192.0.2.3', 3)]));
  const other = jobs.attribute('192.0.2.3');
  jobs.follow(published([entry('192.0.2.3', 3, { untilMs: 700_000 }), entry('192.0.2.2', 2)]));
  t.equal(jobs.attribute('192.0.2.3'), other, 'read from the file once more');
  t.equal(jobs.attribute('192.0.2.2'), first, 'its own word, come back');
});

t.test(
  'what contradicts is nobody’s, and a job that ended is not brought back by who still says it',
  async (t) => {
    const { jobs, changes, records } = open();
    jobs.hear('192.0.2.2', [assigned(2)]);
    t.match(jobs.attribute('192.0.2.2'), { conflict: false });
    jobs.follow(published([entry('192.0.2.2', 3, { source: 'confirmed-claim', certainty: 'likely' })]));
    t.match(jobs.attribute('192.0.2.2'), { conflict: true, job: null }, 'another job, from a sure source');
    jobs.follow(published([entry('192.0.2.2', 3, { source: 'hook-claim', certainty: 'likely' })]));
    t.match(jobs.attribute('192.0.2.2'), { jobId: `github.com/${id(2)}` }, 'a claim never takes a job away');
    jobs.follow(published([entry('192.0.2.2', 2)]));
    jobs.hear('192.0.2.2', [ended(2)]);
    t.match(jobs.attribute('192.0.2.2'), { source: 'none' }, 'published until control has heard of it');
    jobs.follow(published([], { conflicts: ['192.0.2.5'], managers: ['192.0.2.6'] }));
    t.match(jobs.attribute('192.0.2.5'), { conflict: true });
    t.match(jobs.attribute('192.0.2.6'), { conflict: false, job: null });
    t.same(
      changes.map((change) => change.ended),
      [[], [`github.com/${id(2)}`], [], [`github.com/${id(2)}`]],
    );
    t.same(
      records.map(({ event }) => event.what),
      ['assigned', 'conflict', 'ended'],
    );
  },
);

t.test('what is published changes what is open, and ends in its time', async (t) => {
  let now = 1_000;
  const { jobs, changes } = open(() => now);
  t.match(jobs.attribute('192.0.2.3'), { source: 'none' });
  jobs.follow(published([entry('192.0.2.3', 3, { source: 'kubernetes' })]));
  t.same(changes, [{ address: '192.0.2.3', ended: [] }]);
  now = 600_001;
  jobs.sweep();
  t.match(jobs.attribute('192.0.2.3'), { source: 'none' });
  t.same(changes.at(-1), { address: '192.0.2.3', ended: [`github.com/${id(3)}`] });
});

t.test('what is heard on one address of a machine holds for its others at once, its end too', async (t) => {
  const { jobs, changes } = open();
  const machines = [['192.0.2.2', '2001:db8::2']];
  t.match(jobs.attribute('2001:db8::2'), { source: 'none' });
  jobs.follow(published([], { machines }));
  jobs.hear('192.0.2.2', [assigned(2)]);
  const heard = jobs.attribute('192.0.2.2');
  t.equal(jobs.attribute('2001:db8::2'), heard);
  jobs.follow(
    published([entry('192.0.2.2', 2), entry('2001:db8::2', 2, { certainty: 'likely' })], { machines }),
  );
  t.equal(jobs.attribute('2001:db8::2'), heard, 'not the less sure word that comes back');
  jobs.hear('2001:db8::2', [ended(2)]);
  t.match(jobs.attribute('192.0.2.2'), { source: 'none' }, 'it may say so over the other family');
  t.match(jobs.attribute('2001:db8::2'), { source: 'none' }, 'published still');
  t.same(
    changes.map((change) => `${change.address} ${change.ended.length}`),
    ['192.0.2.2 0', '2001:db8::2 0', '192.0.2.2 1', '2001:db8::2 1'],
  );
});

t.test(
  'a job that was heard on both addresses before they were known to be one machine’s is one job',
  async (t) => {
    const { jobs } = open();
    jobs.hear('192.0.2.2', [assigned(2)]);
    jobs.hear('2001:db8::2', [assigned(2)]);
    jobs.follow(published([], { machines: [['192.0.2.2', '2001:db8::2']] }));
    for (const address of ['192.0.2.2', '2001:db8::2'])
      t.match(jobs.attribute(address), { jobId: `github.com/${id(2)}`, conflict: false });
    jobs.hear('2001:db8::2', [ended(2)]);
    for (const address of ['192.0.2.2', '2001:db8::2']) t.match(jobs.attribute(address), { source: 'none' });
    jobs.hear('192.0.2.3', [assigned(2)]);
    jobs.hear('2001:db8::3', [assigned(3)]);
    jobs.follow(published([], { machines: [['192.0.2.3', '2001:db8::3']] }));
    t.match(jobs.attribute('192.0.2.3'), { conflict: true }, 'control: two jobs');
  },
);

t.test('another pod on the address ends what ran there before', async (t) => {
  const { jobs } = open();
  jobs.hear('192.0.2.2', [assigned(2)]);
  const pod = (sinceMs: number) => entry('192.0.2.2', 3, { source: 'kubernetes', sinceMs });
  jobs.follow(published([pod(500)]));
  t.match(jobs.attribute('192.0.2.2'), { conflict: true }, 'one that was there before contradicts');
  jobs.follow(published([pod(2_000)]));
  t.match(jobs.attribute('192.0.2.2'), { source: 'kubernetes', jobId: `github.com/${id(3)}` });
  jobs.hear('192.0.2.2', [assigned(3)]);
  t.match(jobs.attribute('192.0.2.2'), { source: 'job-message', jobId: `github.com/${id(3)}` });
});

t.test('a renewal on the very address brings back what was known, and none elsewhere', async (t) => {
  const { jobs } = open();
  const renewed = { kind: 'renewed', ...named(4), untilMs: 600_000 } as const;
  jobs.follow(published([], { recall: [entry('192.0.2.2', 4)] }));
  t.match(jobs.attribute('192.0.2.2'), { source: 'none' }, 'by itself it says nothing');
  jobs.hear('192.0.2.7', [renewed]);
  t.match(jobs.attribute('192.0.2.7'), { source: 'none' });
  jobs.hear('192.0.2.2', [renewed]);
  t.match(jobs.attribute('192.0.2.2'), { jobId: `github.com/${id(4)}` });
  t.equal(jobs.phaseOf(jobs.attribute('192.0.2.2')).hasBegun, true, 'at which step nobody knows');
});

t.test('tokens are known by their hashes, under the key of the fleet alone', async (t) => {
  const { jobs } = open();
  jobs.hear('192.0.2.2', [assigned(2)]);
  const attribution = jobs.attribute('192.0.2.2');
  t.equal(jobs.isOwnToken(attribution, 'ghs_own'), true);
  t.equal(jobs.isOwnToken(attribution, 'ghs_other'), false);
  t.equal(jobs.runtimeToken(attribution)?.('head.body.signature'), true);
  t.equal(jobs.runtimeToken(attribution)?.('ghs_own'), false);
  jobs.follow(published([], { key: Buffer.alloc(32, 8).toString('base64') }));
  t.equal(jobs.isOwnToken(attribution, 'ghs_own'), false, 'unknown, where the key is another one');
  t.equal(jobs.runtimeToken(attribution), null);
  const table = readLiveTable(JSON.stringify(jobs.table()));
  t.same(table?.jobs[0]?.message.tokens, { own: null, runtime: null });
  t.notMatch(JSON.stringify(table), /ghs_own|head\.body/);
});

t.test(
  'a job that a runner started elsewhere is found by its own token, on an address of nobody',
  async (t) => {
    const { jobs } = open();
    jobs.hear('192.0.2.6', [{ ...assigned(6), runsHere: false }]);
    jobs.hear('192.0.2.2', [assigned(2)]);
    t.match(jobs.attribute('192.0.2.6'), { job: null });
    t.match(jobs.attribute('192.0.2.20'), { job: null });
    jobs.meet('192.0.2.20', 'ghs_other');
    t.match(jobs.attribute('192.0.2.20'), { job: null });
    jobs.meet('192.0.2.20', 'ghs_own');
    t.match(jobs.attribute('192.0.2.20'), {
      source: 'job-token',
      certainty: 'likely',
      jobId: `github.com/${id(6)}`,
    });
    jobs.hear('192.0.2.6', [ended(6)]);
    t.match(jobs.attribute('192.0.2.20'), { source: 'none' });
  },
);

t.test('the step of a flow is the one that runs, and a job that has begun never waits again', async (t) => {
  const { jobs, records } = open();
  jobs.hear('192.0.2.2', [assigned(2)]);
  const attribution = jobs.attribute('192.0.2.2');
  const { steps } = messageOf(2);
  const update = (stepId: string, number: number, state: 'running' | 'succeeded' | 'pending') => ({
    id: stepId,
    name: `Step ${number}`,
    number,
    state,
    startedMs: null,
    endedMs: null,
  });
  const told = (...updates: readonly ReturnType<typeof update>[]) =>
    jobs.hear('192.0.2.2', [{ kind: 'steps', ...named(2), steps: updates }]);
  t.equal(jobs.stepOf(attribution), null);
  told(update('setup', 1, 'running'), update(steps[0]!.id, 2, 'pending'));
  const setup = jobs.stepOf(attribution);
  t.same(setup, { number: 1, name: 'Step 1' });
  t.equal(jobs.phaseOf(attribution).hasBegun, false);
  told(update('setup', 1, 'running'));
  t.equal(jobs.stepOf(attribution), setup, 'the same object');
  told(update('setup', 1, 'succeeded'), update(steps[0]!.id, 2, 'running'));
  t.same(jobs.stepOf(attribution), { number: 2, name: 'Step 2' });
  told(update('setup', 1, 'running'), update(steps[0]!.id, 2, 'pending'));
  t.same(jobs.stepOf(attribution), { number: 2, name: 'Step 2' }, 'what is over does not begin again');
  t.equal(jobs.phaseOf(attribution).hasBegun, true);
  told(update(steps[0]!.id, 2, 'succeeded'));
  t.equal(jobs.stepOf(attribution), null);
  t.equal(records.filter(({ event }) => event.what === 'steps').length, 3, 'only what is new');
});

t.test('the runner program is told from its job by meaning, credential and step', async (t) => {
  const call = (name: string, more: Partial<Operation> = {}): Operation => ({
    platform: 'github',
    server: 'github.com',
    name,
    access: 'write',
    touches: [],
    needs: [],
    ungrantable: [],
    sureness: 'known',
    widens: false,
    credential: 'unknown',
    detail: null,
    ...more,
  });
  const idle = { hasJob: false, hasBegun: true };
  const setup = { hasJob: true, hasBegun: false };
  const begun = { hasJob: true, hasBegun: true };
  const rows: readonly [string, Operation | null, Operation | null, typeof idle, boolean][] = [
    ['a poll', call('runner/poll'), null, idle, true],
    ['a poll with the token of the job', call('runner/poll', { credential: 'job' }), null, begun, false],
    ['a renewal', call('runner/renew-job', { credential: 'runtime' }), null, begun, true],
    ['a log', call('log/upload', { credential: 'runtime' }), null, begun, true],
    ['where a log goes', null, call('log/upload', { credential: 'runtime' }), begun, true],
    ['where an artifact goes', null, call('artifact/upload', { credential: 'runtime' }), begun, false],
    ['an artifact', call('artifact/upload', { credential: 'runtime' }), null, begun, false],
    ['actions before the first step', call('actions/resolve', { credential: 'runtime' }), null, setup, true],
    ['actions later', call('actions/resolve', { credential: 'runtime' }), null, begun, false],
    ['an archive before the first step', call('archive/download'), null, setup, true],
    ['an archive later', call('archive/download'), null, begun, false],
    ['a runner that is registered', call('runner/register', { access: 'admin' }), null, idle, true],
    ['a runner that a job registers', call('runner/register', { access: 'admin' }), null, begun, false],
    [
      'GitLab’s runner',
      call('runner/update-job', { platform: 'gitlab', credential: 'job' }),
      null,
      begun,
      true,
    ],
    ['a name of another platform', call('runner/poll', { platform: 'npm' }), null, idle, false],
    ['the API', call('issues/create', { credential: 'job' }), null, setup, false],
  ];
  for (const [what, operation, by, phase, expected] of rows)
    t.equal(isOfRunnerProgram(operation, by, phase), expected, what);
});

t.test(
  'scopes decide by live jobs as by declared ones, and a conflict escapes no exclusive scope',
  async (t) => {
    const { policy } = loadPolicy({
      entry: 'p.yaml',
      files: {
        'p.yaml': `version: 1
mode: block
http: [{id: top, host: [top.example, both.example]}]
bundles: {forks: {http: [{id: f, host: [forks.example, both.example]}]}}
scopes:
  - id: widget
    match: {repo: acme/widget}
    http: [{id: own, host: own.example}]
  - id: forks
    match: {fork: true}
    exclusive: true
    use: forks
`,
      },
    });
    const { jobs } = open();
    const mayReach = (...hosts: readonly string[]) => {
      const effective = effectivePolicy(policy, jobs.attribute('192.0.2.2'));
      return hosts.filter(
        (host) =>
          decideHost(effective, { host, address: null, port: 443, protocol: 'tls' }).verdict === 'allow',
      );
    };
    const all = ['top.example', 'own.example', 'forks.example', 'both.example'] as const;
    t.same(mayReach(...all), ['both.example'], 'nobody: what the top allows and the exclusive scope too');
    jobs.hear('192.0.2.2', [assigned(2)]);
    t.same(mayReach(...all), ['forks.example', 'both.example'], 'the message says that it is a fork’s');
    const { message } = assigned(3, 'acme/other');
    const own = { ...message, job: { ...message.job, fork: false } };
    jobs.hear('192.0.2.2', [{ ...assigned(3), message: own }]);
    t.same(mayReach(...all), ['both.example'], 'in conflict');
    jobs.hear('192.0.2.2', [ended(2), ended(3)]);
    jobs.hear('192.0.2.2', [
      { ...assigned(4), message: { ...own, jobId: id(4), job: { ...own.job, repository: 'acme/widget' } } },
    ]);
    t.same(mayReach(...all), ['top.example', 'own.example', 'both.example'], 'no fork’s');
  },
);
