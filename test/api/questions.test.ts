// Every route that reads, over both stores: what it answers to whom, counted by hand from test/lab/api-records.ts.

import t, { type Test } from 'tap';
import type { PublishedTable } from '../../jobs/live-table.ts';
import { flows, hostile, jobs, startMs } from '../lab/api-records.ts';
import { openOperatorLab, type OperatorLab } from '../lab/operator-lab.ts';
import { findPostgres, PostgresServer } from '../lab/postgres-server.ts';

// What JSON gives: the tests say what they want of it.
// oxlint-disable-next-line typescript/no-explicit-any
type Json = any;

const entry = (address: string, repository: string): Json => ({
  address,
  agent: 'runner-1',
  source: 'job-message',
  certainty: 'certain',
  sinceMs: startMs,
  untilMs: startMs + 600_000,
  message: {
    job: { ...flows[0]!.job!, repository },
    jobId: 'job-a',
    planId: null,
    runAttempt: '1',
    stage: null,
    sha: null,
    headRef: null,
    baseRef: null,
    matrix: null,
    granted: null,
    hasIdentity: false,
    uses: [],
    steps: [],
    tokens: { own: 'HASH-THAT-STAYS', runtime: null },
    leaseMs: null,
  },
});
const live: PublishedTable = {
  v: 1,
  atMs: startMs,
  key: 'KEY-THAT-STAYS',
  jobs: [entry('10.0.0.1', 'Acme/App'), entry('10.0.0.2', 'globex/group/tool')],
  recall: [],
  managers: ['10.0.0.9'],
  conflicts: [],
};
const before = 'version: 1\nmode: audit\nhttp:\n  - {id: a, host: a.example}\n';
const after = 'version: 1\nmode: block\nhttp:\n  - {id: a, host: a.example}\n';

async function openFilled(t: Test, bin: string | null): Promise<OperatorLab> {
  const server = bin === null ? null : new PostgresServer(bin);
  if (server !== null) t.teardown(() => server.close());
  const lab = await openOperatorLab(t, {
    ...(server === null ? {} : { source: { kind: 'postgres', config: server.config } }),
    parts: {
      live: () => live,
      gateways: async () => [
        {
          fleet: 'default',
          gateway: 'gw',
          atMs: Date.now(),
          version: '0.1.0',
          policyRevision: 'bbbbbbbbbbbb',
          mode: 'block',
          problems: [],
          workers: 2,
          backlogBytes: 0,
          lostBytes: 0,
        },
      ],
      policy: {
        current: () => ({
          revision: 'bbbbbbbbbbbb',
          mode: 'block',
          bundle: { entry: 'p.yaml', files: { 'p.yaml': after } },
        }),
        problem: () => null,
        reload: async () => {},
      },
    },
  });
  await lab.store.write(flows, [{ gateway: 'gw', name: 'a', bytes: 1 }], jobs);
  const { actionsOf } = await import('../../store/store-actions.ts');
  const actions = actionsOf(lab.store.writer);
  const state = { fleet: 'default', gateway: 'gw', atMs: startMs };
  const bundle = (text: string) => JSON.stringify({ entry: 'p.yaml', files: { 'p.yaml': text } });
  await actions.addRevision({ ...state, body: bundle(before) }, 'aaaaaaaaaaaa');
  await actions.addRevision({ ...state, atMs: startMs + 1_000, body: bundle(after) }, 'bbbbbbbbbbbb');
  return lab;
}

const day = 'from=2026-11-23&until=2026-11-24';
const days = 'from=2026-11-23&until=2026-11-25';

/** Paths of flows that each query finds: for all, and for who is limited to acme. */
const flowCases: readonly (readonly [query: string, all: readonly string[], acme: readonly string[]])[] = [
  [
    '',
    ['/late', '/repos/acme/app/issues', hostile.path, '-', '/shared', '/c', '/b', '/exfil', '/fetch'],
    ['/repos/acme/app/issues', '/b', '/exfil', '/fetch'],
  ],
  ['sort=time&limit=2', ['/fetch', '/exfil'], ['/fetch', '/exfil']],
  ['verdict=block', ['-', '/exfil'], ['/exfil']],
  ['verdict=would-block', ['/b'], ['/b']],
  ['host=files.example', ['/late', '/shared', '/fetch'], ['/fetch']],
  ['search=EXAMPLE&verdict=block', ['/exfil'], ['/exfil']],
  ['search=%25', [], []],
  ['runner=10.0.0.2', ['/shared', '/c', '/b'], ['/b']],
  ['method=POST', ['/exfil'], ['/exfil']],
  ['reason=direct-address', ['-'], []],
  ['rule=own&host=tool.example', ['/c'], []],
  ['rule=nobody%27s', [], []],
  ['kind=packet', ['-'], []],
  ['address=203.0.113.9', ['-'], []],
  ['attributed=false', ['/late', '-'], []],
  ['infrastructure=true', ['/fetch'], ['/fetch']],
  ['path=EXF', ['/exfil'], ['/exfil']],
  ['operation=issues/create', ['/repos/acme/app/issues'], ['/repos/acme/app/issues']],
  ['from=2026-11-23T10:00:02Z&until=2026-11-23T10:00:04.000Z', ['/b', '/exfil'], ['/b', '/exfil']],
  ['gateway=gw&from=2026-11-24', ['/late'], []],
  ['gateway=other', [], []],
];

async function answers(t: Test, lab: OperatorLab): Promise<void> {
  const [all, acme] = [await lab.token('viewer'), await lab.token('viewer', ['ACME'])];
  const nobody = await lab.token('viewer', []);
  const ask = async (path: string, token = all): Promise<Json> => {
    const answer = await lab.get(path, token);
    return { status: answer.status, ...((await answer.json()) as object) };
  };
  const items = async (path: string, token = all) => (await ask(path, token)).items as Json[];
  for (const [query, ofAll, ofAcme] of flowCases) {
    const paths = async (token: string) =>
      (await items(`/v1/flows?${query}`, token)).map((flow) => flow.path ?? '-');
    t.same(await paths(all), ofAll, `flows ${query}`);
    t.same(await paths(acme), ofAcme, `flows of acme ${query}`);
    t.same(await paths(nobody), [], `flows of nobody ${query}`);
  }

  const [exfil] = await items('/v1/flows?method=POST');
  t.match(exfil, {
    kind: 'request',
    time: '2026-11-23T10:00:02.000Z',
    endedAt: '2026-11-23T10:00:02.250Z',
    gateway: 'gw',
    runner: '10.0.0.1',
    repository: 'Acme/App',
    source: 'job-message',
    certainty: 'certain',
    conflict: false,
    infrastructure: false,
    stepNumber: 2,
    step: 'Run tests',
    host: 'evil.example',
    verdict: 'block',
    mode: 'block',
    reason: 'no-rule',
    status: 403,
    sent: 10,
    received: 100,
  });
  t.match(await ask(`/v1/flows/${exfil.id}`, acme), { status: 403, path: '/exfil' });
  const [foreign] = await items('/v1/flows?host=tool.example');
  t.equal((await ask(`/v1/flows/${foreign.id}`, acme)).code, 'not-found', 'not another owner’s flow');
  t.equal((await ask('/v1/flows/x', acme)).code, 'not-found');
  for (const path of [
    '/v1/flows?host=a%00b',
    '/v1/jobs?search=%00',
    '/v1/runs?ref=a%00',
    '/v1/runners?search=%00',
  ])
    t.equal((await ask(path)).code, 'invalid-query', path);
  t.equal((await ask('/v1/runs/1:%00')).code, 'invalid-params');
  const [called] = await items('/v1/flows?operation=issues/create');
  t.match((await ask(`/v1/flows/${called.id}`)).detail, {
    operation: {
      name: 'issues/create',
      needs: [{ issues: 'write' }],
      touches: [{ owner: 'acme', name: 'app' }],
    },
    http: { version: '2' },
  });

  const runs = await items('/v1/runs');
  t.same(
    runs.map(({ repository, runId, jobs: n, running, failed, flows: all, blocked, wouldBlock }) =>
      [repository, runId, n, running, failed, all, blocked, wouldBlock].join(' '),
    ),
    [
      `${hostile.repository} 1' or '1'='1 1 0 0 1 0 0`,
      'globex/group/tool 99 1 0 0 2 0 0',
      'Acme/App 7 2 0 1 4 1 1',
    ],
  );
  const ofAcme = await items('/v1/runs', acme);
  t.same(ofAcme, [runs[2]], 'of acme its run alone');
  t.same(await items('/v1/runs', nobody), []);
  const run = await ask(`/v1/runs/${encodeURIComponent(runs[2].id)}`, acme);
  t.same(
    run.of.map(({ name, state, conclusion }: Json) => [name, state, conclusion]),
    [
      ['build', 'ended', 'failed'],
      ['check', 'unknown', null],
    ],
  );
  t.equal((await ask(`/v1/runs/${encodeURIComponent(runs[1].id)}`, acme)).code, 'not-found');
  const injected = await ask(`/v1/runs/${encodeURIComponent(runs[0].id)}`);
  t.match(injected, { status: 200, of: [{ name: hostile.name, ref: hostile.ref }] }, 'odd ids are data');
  t.same(
    (await items(`/v1/flows?run=${encodeURIComponent(runs[2].id)}&verdict=block`)).map(({ path }) => path),
    ['/exfil'],
  );
  t.equal((await items('/v1/runs?runner=10.0.0.2')).length, 2, 'a run is found by any of its jobs');
  t.equal((await items('/v1/runs?search=APP')).length, 1);
  t.equal((await items('/v1/runs?blocked=true'))[0].flows, 4, 'and is summed over all of them');

  const [newest] = await items('/v1/jobs?sort=-started&limit=1');
  t.equal(newest.name, hostile.name);
  const listed = await items('/v1/jobs?name=build', acme);
  t.equal(listed.length, 1);
  const job = await ask(`/v1/jobs/${listed[0].id}`, acme);
  t.match(job, {
    instance: 'github.com/job-a',
    platform: 'github',
    repository: 'Acme/App',
    run: runs[2].id,
    workflow: '.github/workflows/ci.yml',
    agent: 'runner-1',
    runner: '10.0.0.1',
    state: 'ended',
    conclusion: 'failed',
    endedAt: '2026-11-23T10:00:09.000Z',
    matrix: { os: 'debian' },
    granted: { contents: 'write', issues: 'read' },
    uses: ['actions/checkout@v5'],
    hasIdentity: true,
    flows: 3,
    blocked: 1,
  });
  t.same(job.steps, [
    {
      number: 2,
      name: 'Run tests',
      state: 'failed',
      startedAt: '2026-11-23T10:00:02.000Z',
      endedAt: '2026-11-23T10:00:03.000Z',
    },
  ]);
  t.same(
    job.events.map(({ what, time }: Json) => [what, time]),
    [
      ['assigned', '2026-11-23T10:00:00.000Z'],
      ['ended', '2026-11-23T10:00:09.000Z'],
    ],
  );
  const foreignJob = (await items('/v1/jobs?name=lint'))[0];
  t.equal((await ask(`/v1/jobs/${foreignJob.id}`, acme)).code, 'not-found');
  t.same(await items('/v1/jobs?name=lint', acme), []);
  t.same(await items(`/v1/flows?job=${foreignJob.id}`, acme), [], 'nor its flows by its number');
  t.same(await items(`/v1/flows?repository=${foreignJob.repositoryId}`, acme), []);

  const destinations = await items(`/v1/destinations?${days}`);
  t.match(destinations[0], { host: 'files.example', flows: 3, blocked: 0 }, 'most flows first');
  t.same(destinations.map(({ host, flows: n, blocked }) => `${host} ${n} ${blocked}`).toSorted(), [
    'api.github.com 1 0',
    'evil.example 1 1',
    'files.example 3 0',
    'new.example 1 0',
    'odd.example 1 0',
    'tool.example 1 0',
  ]);
  t.same(
    (await items(`/v1/destinations?${days}&sort=met`, acme))
      .map(({ host, flows: n, sent }) => `${host} ${n} ${sent}`)
      .toSorted(),
    ['api.github.com 1 10', 'evil.example 1 10', 'files.example 1 10', 'new.example 1 10'],
  );
  t.match(await ask(`/v1/destinations/FILES.example?${days}`), {
    host: 'files.example',
    firstDay: '2026-11-23',
    lastDay: '2026-11-24',
    firstSeenAt: '2026-11-23T10:00:01.000Z',
    flows: 3,
    runs: 2,
    jobs: 2,
    workflowJobs: 2,
    repositories: 2,
    sampleJobs: [{ name: 'lint' }, { name: 'build' }],
  });
  t.match(await ask(`/v1/destinations/files.example?${days}`, acme), { flows: 1, runs: 1, jobs: 1 });
  t.equal((await ask(`/v1/destinations/tool.example?${days}`, acme)).code, 'not-found');
  t.equal((await items(`/v1/destinations?${day}&blocked=true`)).length, 1);
  t.same(await items(`/v1/destinations?${days}&search=_`), []);

  const sum = (hours: Json[]) => hours.reduce((total, { flows: n }) => total + n, 0);
  t.equal(sum(await items(`/v1/hours?${day}`)), 8);
  t.equal(sum(await items(`/v1/hours?${day}`, acme)), 4);
  t.equal(sum(await items(`/v1/hours?${day}`, nobody)), 0);
  t.match((await items(`/v1/hours?${day}`, acme))[0], { hour: '2026-11-23T10:00:00.000Z', kind: 'request' });
  t.equal(sum(await items(`/v1/hours?${day}&repository=${foreignJob.repositoryId}`, acme)), 0);

  t.same(
    (await items('/v1/repositories')).map(({ repository, jobs: n }) => `${repository} ${n}`).toSorted(),
    ['Acme/App 2', `${hostile.repository} 1`, 'globex/group/tool 1'],
  );
  t.same(
    (await items('/v1/repositories', acme)).map(({ repository }) => repository),
    ['Acme/App'],
  );
  const runners = await items('/v1/runners');
  t.same(
    runners
      .map(({ address, attributed, unattributed, currentRepository, lastJob }) =>
        [address, attributed, unattributed, currentRepository, lastJob?.name].join(' '),
      )
      .toSorted(),
    [
      '10.0.0.1 3 0 Acme/App build',
      '10.0.0.2 3 0 globex/group/tool lint',
      '10.0.0.3 0 2  ',
      `10.0.0.4 1 0  ${hostile.name}`,
    ],
  );
  t.same(
    (await items('/v1/runners', acme))
      .map(({ address, attributed, currentRepository, lastJob }) =>
        [address, attributed, currentRepository, lastJob.name].join(' '),
      )
      .toSorted(),
    ['10.0.0.1  Acme/App build', '10.0.0.2   check'],
    'of a shared runner only what is the caller’s',
  );
  const places = await ask('/v1/live');
  t.same(
    places.items.map(({ address, repository }: Json) => [address, repository]),
    [
      ['10.0.0.1', 'Acme/App'],
      ['10.0.0.2', 'globex/group/tool'],
    ],
  );
  t.same(places.managers, ['10.0.0.9']);
  t.notMatch(JSON.stringify(places), /THAT-STAYS/, 'no hash of a token and no key');
  const placesOfAcme = await ask('/v1/live', acme);
  t.same([placesOfAcme.items.map(({ address }: Json) => address), placesOfAcme.managers], [['10.0.0.1'], []]);
  t.match(await items('/v1/gateways'), [
    {
      fleet: 'default',
      name: 'gw',
      version: '0.1.0',
      policyRevision: 'bbbbbbbbbbbb',
      isHealthy: true,
      problems: [],
    },
  ]);

  t.match(await ask('/v1/policy'), { revision: 'bbbbbbbbbbbb', files: [{ name: 'p.yaml', text: after }] });
  t.same(
    (await items('/v1/policy/revisions')).map(({ revision }) => revision),
    ['bbbbbbbbbbbb', 'aaaaaaaaaaaa'],
  );
  t.match(await ask('/v1/policy/revisions/aaaaaaaaaaaa'), { files: [{ text: before }] });
  t.equal((await ask('/v1/policy/revisions/cccccccccccc')).code, 'not-found');
  t.same((await ask('/v1/policy/diff?base=aaaaaaaaaaaa&head=bbbbbbbbbbbb')).files, [
    {
      name: 'p.yaml',
      change: 'changed',
      diff: '@@ -1,4 +1,4 @@\n version: 1\n-mode: audit\n+mode: block\n http:\n   - {id: a, host: a.example}\n',
    },
  ]);
  for (const path of ['/v1/policy', '/v1/policy/revisions', '/v1/gateways', '/v1/policy/diff'])
    t.equal((await ask(path, acme)).code, 'owner-limit', path);

  const permissions = await ask(`/v1/permissions?repository=${listed[0].repositoryId}&${days}`, acme);
  t.match(permissions, {
    requests: 4,
    isWhole: true,
    jobs: [
      {
        repository: 'Acme/App',
        workflow: '.github/workflows/ci.yml',
        job: 'build',
        runs: 1,
        calls: 1,
        needed: { issues: 'write' },
        granted: { contents: 'write', issues: 'read' },
        differences: { remove: ['contents'], lower: [], add: ['issues'] },
      },
    ],
  });
  t.match(permissions.jobs[0].yaml, /^permissions:\n {2}issues: write # issues\/create/m);
  const ofOthers = await ask(`/v1/permissions?repository=${foreignJob.repositoryId}&${days}`, acme);
  t.match(ofOthers, { requests: 0, jobs: [] });
}

t.test('over SQLite', async (t) => answers(t, await openFilled(t, null)));

const bin = findPostgres();
t.test('over PostgreSQL', { skip: bin === null && 'no PostgreSQL is installed' }, async (t) =>
  answers(t, await openFilled(t, bin)),
);
