// Claims of hooks through the real listener for runners, and the forges' APIs that confirm them.

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { startRunnerServer } from '../../api/runner-server.ts';
import { Claims, type ClaimsOptions } from '../../jobs/claims/claims.ts';
import { readKeptClaims } from '../../jobs/claims/kept-claims.ts';
import { ConfirmClaims } from '../../jobs/confirm/confirm-claims.ts';
import { isPublishable, type LiveEntry } from '../../jobs/live-table.ts';
import { openTcpListener, socketPort } from '../../kernel/sockets.ts';
import { ForgeApiStub } from '../lab/forge-api-stub.ts';
import { entryOf } from '../lab/live-entries.ts';

const startMs = Date.UTC(2026, 10, 25, 2, 0, 0);
const minute = 60_000;

const release = {
  platform: 'github',
  server: 'https://github.com',
  repository: 'acme/app',
  runId: '900',
  runAttempt: '1',
  job: 'ship',
  ref: 'refs/tags/v1',
  event: 'push',
  runner: 'vm-1',
};

interface LabOptions extends Partial<ClaimsOptions> {
  readonly isAsked?: boolean;
}

async function lab(t: Test, { isAsked = true, ...options }: LabOptions = {}) {
  const forge = await ForgeApiStub.start();
  const clock = { nowMs: startMs };
  const known = new Map<string, LiveEntry[]>();
  const results: string[] = [];
  const confirm = new ConfirmClaims(
    (['github', 'gitlab'] as const).map((platform) => ({
      server: `${platform}.com`,
      platform,
      token: () => 'operators-own',
    })),
    { connect: forge.connect, keptMs: 1, now: () => clock.nowMs },
  );
  const claims = new Claims({
    isBelieved: (_, server) => ['github.com', 'gitlab.com'].includes(server),
    known: { entriesOf: (address) => known.get(address) ?? [] },
    confirm: isAsked ? confirm : null,
    trustsFresh: false,
    onChange: () => {},
    onResult: (result) => results.push(result),
    ...options,
  });
  const fd = openTcpListener({ address: '127.0.0.1', port: 0 });
  const port = socketPort(fd);
  const server = startRunnerServer(fd, t.testdir({ 'authority.pem': 'pem' }), {
    mayClaim: (address) => address !== '127.0.0.99',
    take: (address, body) => claims.take(address, body, clock.nowMs),
    end: (address) => claims.end(address, clock.nowMs),
    beat: (address) => claims.beat(address, clock.nowMs),
  });
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
    forge.stop();
  });
  const speaker =
    (from: string) =>
    (method: string, path: string, body?: object | string, type = 'application/json') =>
      send({ port, from, method, path, body, type });
  const claimAt = (from: string, body: object | string) => speaker(from)('POST', '/runner/v1/claims', body);
  /** What is known of an address: source, repository and ref. */
  const known_at = (address: string): string => {
    const entry = claims.entries(clock.nowMs).find((it) => it.address === address);
    const isConflict = claims.conflicts(clock.nowMs).includes(address);
    if (entry === undefined) return isConflict ? 'conflict' : 'nothing';
    return `${entry.source} ${entry.message.job.repository} ${entry.message.job.ref}${isConflict ? ' conflict' : ''}`;
  };
  const tick = async (afterMs = 0): Promise<void> => {
    clock.nowMs += afterMs;
    await claims.tick(clock.nowMs);
  };
  return { forge, clock, claims, known, results, port, speaker, claimAt, at: known_at, tick };
}

interface Sent {
  readonly port: number;
  readonly from: string;
  readonly method: string;
  readonly path: string;
  readonly body?: object | string | undefined;
  readonly type: string;
}

/** The status, and the text of the answer. */
function send({ port, from, method, path, body, type }: Sent): Promise<{ status: number; text: string }> {
  const { promise, resolve } = Promise.withResolvers<{ status: number; text: string }>();
  const content = typeof body === 'object' ? JSON.stringify(body) : (body ?? '');
  const headers = { 'content-type': type, 'content-length': Buffer.byteLength(content) };
  const sent = request({ host: '127.0.0.1', port, localAddress: from, method, path, headers }, (answer) => {
    void readText(answer).then((text) => resolve({ status: answer.statusCode ?? 0, text }));
  });
  sent.on('error', () => resolve({ status: 0, text: '' }));
  sent.end(content);
  return promise;
}

t.test('a claim is a claim until the forge’s API says that the job runs on that runner', async (t) => {
  const { forge, claimAt, at, tick, speaker } = await lab(t);
  t.match(await claimAt('127.0.0.2', release), { status: 202 });
  t.equal(at('127.0.0.2'), 'hook-claim acme/app refs/tags/v1');
  await tick();
  t.equal(at('127.0.0.2'), 'hook-claim acme/app refs/tags/v1', 'no such run');
  forge.runs.set('900', {
    repository: 'Acme/App',
    branch: 'v1',
    jobs: [
      { runner: 'vm-0', startedMs: startMs },
      { runner: 'vm-1', startedMs: startMs - 20_000 },
    ],
  });
  forge.refs.set('Acme/App tags/v1', '1'.repeat(40));
  forge.refs.set('Acme/App heads/v1', '2'.repeat(40));
  await tick(10_000);
  t.equal(at('127.0.0.2'), 'confirmed-claim Acme/App refs/tags/v1');
  t.match(await claimAt('127.0.0.2', release), { status: 200 }, 'once more is no other claim');
  forge.runs.set('900', {
    repository: 'Acme/App',
    jobs: [{ runner: 'vm-1', status: 'completed', startedMs: startMs }],
  });
  await tick(6 * minute);
  t.equal(at('127.0.0.2'), 'nothing', 'it has ended, says the API');
  t.match(await speaker('127.0.0.2')('DELETE', '/runner/v1/claims'), { status: 404 });
});

t.test('what the API does not say of a run is not believed', async (t) => {
  const run = { repository: 'acme/app', branch: 'v1', jobs: [{ runner: 'vm-1', startedMs: startMs }] };
  const tag = ['acme/app tags/v1', '1'.repeat(40)] as const;
  const branch = ['acme/app heads/v1', '1'.repeat(40)] as const;
  const rows = [
    ['a tag', run, [tag], 'confirmed-claim acme/app refs/tags/v1'],
    ['a branch that has the name of a tag', run, [branch], 'confirmed-claim acme/app refs/heads/v1'],
    ['a branch and a tag of one name and commit', run, [tag, branch], 'confirmed-claim acme/app null'],
    ['a ref that has moved on', run, [], 'confirmed-claim acme/app null'],
    ['a pull request', { ...run, event: 'pull_request' }, [tag], 'confirmed-claim acme/app null'],
    ['another repository', { ...run, repository: 'acme/other' }, [tag], 'hook-claim acme/app refs/tags/v1'],
    ['another attempt', { ...run, attempt: 2 }, [tag], 'hook-claim acme/app refs/tags/v1'],
    [
      'a job that is still waiting',
      { ...run, jobs: [{ runner: 'vm-1', status: 'queued', startedMs: startMs }] },
      [tag],
      'hook-claim acme/app refs/tags/v1',
    ],
    [
      'a job that has been running for long',
      { ...run, jobs: [{ runner: 'vm-1', startedMs: startMs - 10 * minute }] },
      [tag],
      'hook-claim acme/app refs/tags/v1',
    ],
    [
      'a job on another runner',
      { ...run, jobs: [{ runner: 'vm-2', startedMs: startMs }] },
      [tag],
      'hook-claim acme/app refs/tags/v1',
    ],
  ] as const;
  for (const [what, answer, refs, wanted] of rows) {
    await t.test(what, async (t) => {
      const { forge, claimAt, at, tick } = await lab(t);
      forge.runs.set('900', { ...answer, jobs: [...answer.jobs] });
      for (const [ref, sha] of refs) forge.refs.set(ref, sha);
      await claimAt('127.0.0.2', release);
      await tick();
      t.equal(at('127.0.0.2'), wanted);
    });
  }
});

t.test('GitLab confirms a job by its id and runner', async (t) => {
  const { forge, claimAt, at, tick, claims } = await lab(t);
  const claim = {
    platform: 'gitlab',
    server: 'gitlab.com',
    repository: 'acme/deep/app',
    repositoryId: '7',
    runId: '55',
    jobId: '71',
    ref: 'refs/heads/main',
    runner: '12',
  };
  const job = {
    id: 71,
    name: 'deploy',
    stage: 'deploy',
    status: 'running',
    ref: 'v1',
    tag: true,
    started_at: new Date(startMs).toISOString(),
    web_url: 'https://gitlab.com/acme/deep/app/-/jobs/71',
    runner: { id: 12, description: 'shared' },
    pipeline: { id: 55, project_id: 7, ref: 'v1', sha: 'a'.repeat(40), status: 'running' },
    commit: { id: 'a'.repeat(40) },
    user: { username: 'dev' },
  };
  const place = '/projects/7/jobs/71';
  await claimAt('127.0.0.2', claim);
  for (const wrong of [
    { ...job, status: 'success' },
    { ...job, runner: { id: 13 } },
    { ...job, web_url: 'https://gitlab.com/acme/other/-/jobs/71' },
    { ...job, id: 72 },
    { ...job, started_at: null },
  ]) {
    forge.gitlabJobs.set(place, wrong);
    await tick(10_000);
    t.equal(at('127.0.0.2'), 'hook-claim acme/deep/app refs/heads/main', JSON.stringify(wrong).slice(0, 60));
  }
  forge.gitlabJobs.set(place, job);
  await tick(130_000);
  t.equal(at('127.0.0.2'), 'confirmed-claim acme/deep/app refs/tags/v1', 'the ref is the API’s');
  t.match(claims.entries(startMs)[0]?.message, {
    jobId: '71',
    job: { name: 'deploy', runId: '55', actor: 'dev' },
  });
});

t.test(
  'a second claim on an address is a conflict, and neither it nor the end of the first makes it true',
  async (t) => {
    const { forge, claimAt, at, tick, speaker } = await lab(t);
    const other = { ...release, runId: '901', job: 'test', ref: 'refs/heads/x' };
    forge.runs.set('901', {
      repository: 'acme/app',
      branch: 'x',
      jobs: [{ runner: 'vm-1', startedMs: startMs }],
    });
    await claimAt('127.0.0.2', other);
    await tick();
    t.equal(at('127.0.0.2'), 'confirmed-claim acme/app null');
    t.match(await claimAt('127.0.0.2', release), { status: 409 });
    t.equal(at('127.0.0.2'), 'conflict');
    // The job ends its own claim, and makes one of a job that runs elsewhere.
    await speaker('127.0.0.2')('DELETE', '/runner/v1/claims');
    forge.runs.set('900', {
      repository: 'acme/app',
      branch: 'v1',
      jobs: [{ runner: 'vm-1', startedMs: startMs }],
    });
    await claimAt('127.0.0.2', release);
    for (let i = 0; i < 8; i++) await tick(15_000);
    t.equal(
      at('127.0.0.2'),
      'hook-claim acme/app refs/tags/v1',
      'the job before it still runs, says the API',
    );
    forge.runs.set('901', {
      repository: 'acme/app',
      jobs: [{ runner: 'vm-1', status: 'completed', startedMs: startMs }],
    });
    await tick(2 * minute);
    t.equal(at('127.0.0.2'), 'confirmed-claim acme/app null', 'once it has ended the next one is heard');
  },
);

t.test(
  'what a live job’s message says counts: a claim of another job is a conflict, one before it is over',
  async (t) => {
    const { known, clock, claimAt, at } = await lab(t);
    const github = {
      platform: 'github',
      server: 'github.com',
      repository: 'Acme/app',
      runId: '900',
      name: 'ship',
    } as const;
    const live = (job: { readonly runId?: string; readonly name?: string | null }, sinceMs: number) =>
      known.set('127.0.0.2', [
        {
          ...entryOf({ address: '127.0.0.2', jobId: 'x', untilMs: 1e15, job: { ...github, ...job } }),
          sinceMs,
        },
      ]);
    live({}, startMs - 1000);
    await claimAt('127.0.0.2', release);
    t.equal(at('127.0.0.2'), 'hook-claim acme/app refs/tags/v1', 'the same job: both may stand');
    live({ name: null, runId: '901' }, startMs - 1000);
    t.match(at('127.0.0.2'), /conflict/);
    live({ runId: '901' }, startMs + 1000);
    t.equal(at('127.0.0.2'), 'nothing', 'the claim of a job that nobody ended');
    clock.nowMs += 2000;
    await claimAt('127.0.0.2', release);
    t.match(at('127.0.0.2'), /conflict/, 'and a claim after that is one again');
  },
);

t.test(
  'two machines that claim one job: neither is believed, but those of one machine in two families are',
  async (t) => {
    const { forge, claims, clock, tick } = await lab(t);
    forge.runs.set('900', {
      repository: 'acme/app',
      branch: 'v1',
      jobs: [{ runner: 'vm-1', startedMs: startMs }],
    });
    const sources = () => claims.entries(clock.nowMs).map(({ address, source }) => `${address} ${source}`);
    claims.take('10.0.0.1', { ...release, machine: 'a1' }, clock.nowMs);
    claims.take('fd00::1', { ...release, machine: 'a1' }, clock.nowMs);
    await tick();
    t.same(sources(), ['10.0.0.1 confirmed-claim', 'fd00::1 confirmed-claim']);
    claims.take('10.0.0.2', { ...release, machine: 'a1', job: 'other' }, clock.nowMs + 5000);
    await tick(6000);
    t.notMatch(sources().join(), /confirmed/, 'another one of the same family, at the same time');
  },
);

t.test('a latecomer that claims a confirmed job takes nothing from it', async (t) => {
  const { forge, claims, clock, tick } = await lab(t);
  forge.runs.set('900', {
    repository: 'acme/app',
    branch: 'v1',
    jobs: [{ runner: 'vm-1', startedMs: startMs }],
  });
  claims.take('10.0.0.1', release, clock.nowMs);
  await tick();
  clock.nowMs += 2 * minute;
  claims.take('10.0.0.2', release, clock.nowMs);
  await tick(1000);
  t.same(
    claims.entries(clock.nowMs).map(({ address, source }) => `${address} ${source}`),
    ['10.0.0.1 confirmed-claim', '10.0.0.2 hook-claim'],
  );
});

t.test(
  'trust: a first claim on a fresh address only where the operator says so, and not against the API',
  async (t) => {
    const { claimAt, at, known, speaker, tick, forge } = await lab(t, { trustsFresh: true });
    known.set('127.0.0.3', [
      { ...entryOf({ address: '127.0.0.3', jobId: '1', untilMs: 1e15 }), source: 'kubernetes', sinceMs: 0 },
    ]);
    forge.fails = (response) => response.destroy();
    await claimAt('127.0.0.2', release);
    t.equal(at('127.0.0.2'), 'confirmed-claim acme/app refs/tags/v1');
    await tick();
    t.equal(at('127.0.0.2'), 'confirmed-claim acme/app refs/tags/v1', 'the API is away');
    await speaker('127.0.0.2')('DELETE', '/runner/v1/claims');
    await claimAt('127.0.0.2', release);
    t.equal(at('127.0.0.2'), 'hook-claim acme/app refs/tags/v1', 'not fresh any more');
    await claimAt('127.0.0.3', { ...release, server: 'github.com' });
    t.match(at('127.0.0.3'), /^hook-claim.*conflict$/, 'an address that is a pod’s');
    forge.fails = null;
    await claimAt('127.0.0.4', release);
    for (let i = 0; i < 8; i++) await tick(2 * minute);
    t.equal(at('127.0.0.4'), 'hook-claim acme/app refs/tags/v1', 'the API says that there is no such run');
  },
);

t.test(
  'the API that is away, slow, or says too much: nothing is confirmed by it, and it is not asked on and on',
  async (t) => {
    const { forge, claimAt, at, tick } = await lab(t);
    forge.runs.set('900', {
      repository: 'acme/app',
      branch: 'v1',
      jobs: [{ runner: 'vm-1', startedMs: startMs }],
    });
    await claimAt('127.0.0.2', release);
    for (const fails of [
      (response: Parameters<NonNullable<typeof forge.fails>>[0]) => response.destroy(),
      (response: Parameters<NonNullable<typeof forge.fails>>[0]) => response.end('no json'),
      (response: Parameters<NonNullable<typeof forge.fails>>[0]) => response.end(Buffer.alloc(3_000_000, 32)),
      (response: Parameters<NonNullable<typeof forge.fails>>[0]) =>
        response.writeHead(302, { location: '/' }).end(),
    ]) {
      forge.fails = fails;
      await tick(30_000);
      t.equal(at('127.0.0.2'), 'hook-claim acme/app refs/tags/v1');
    }
    forge.fails = (response) => response.writeHead(429, { 'retry-after': '600' }).end();
    await tick(60_000);
    const asked = forge.asked.length;
    forge.fails = null;
    await tick(60_000);
    t.equal(forge.asked.length, asked, 'ten minutes of quiet were asked for');
    await claimAt('127.0.0.3', release);
    await tick(10 * minute);
    t.ok(forge.asked.length > asked);
  },
);

t.test('what is no claim is refused, whatever it is', async (t) => {
  const { claimAt, speaker, results, clock } = await lab(t);
  const rows: readonly (readonly [what: string, body: object | string, status: number])[] = [
    ['no JSON', '{"platform":', 422],
    ['a list', [], 422],
    ['nothing', '', 422],
    ['an unknown key', { ...release, admin: true }, 422],
    ['another type', { ...release, runId: 900 }, 422],
    ['a repository that climbs', { ...release, repository: 'acme/..' }, 422],
    ['a repository with a query', { ...release, repository: 'acme/app?x=1' }, 422],
    ['a run that is a path', { ...release, runId: '1/../../../user' }, 422],
    ['a server that nobody named', { ...release, server: 'https://evil.example' }, 422],
    ['a server with a user', { ...release, server: 'https://github.com@evil.example' }, 422],
    ['too much', { ...release, ref: 'x'.repeat(9000) }, 413],
    ['a long ref', { ...release, ref: 'x'.repeat(2000) }, 422],
    ['a ref of long characters', { ...release, ref: `refs/heads/${'𝒳'.repeat(1000)}` }, 422],
    ['of gitlab without a job', { ...release, platform: 'gitlab', server: 'gitlab.com' }, 422],
  ];
  for (const [what, body, status] of rows) {
    clock.nowMs += minute;
    t.equal((await claimAt('127.0.0.2', body)).status, status, what);
  }
  const say = speaker('127.0.0.2');
  t.equal((await say('POST', '/runner/v1/claims', 'x', 'text/plain')).status, 415);
  t.equal(
    (await say('POST', '/runner/v1/claims', 'runId=1&runId=2', 'application/x-www-form-urlencoded')).status,
    422,
  );
  t.equal((await say('GET', '/runner/v1/claims')).status, 405);
  t.equal((await say('DELETE', '/runner/v1/heartbeats')).status, 405);
  t.equal((await say('POST', '/runner/v1/other')).status, 404);
  t.equal((await say('POST', '/runner/v1/claims?x=1', release)).status, 404);
  t.equal((await speaker('127.0.0.99')('POST', '/runner/v1/claims', release)).status, 403, 'no runner');
  t.same(new Set(results), new Set(['invalid']));
});

t.test('heartbeats keep a claim, and their silence ends it', async (t) => {
  const { claimAt, at, speaker, tick } = await lab(t, { isAsked: false });
  const beat = () => speaker('127.0.0.2')('POST', '/runner/v1/heartbeats');
  t.equal((await beat()).status, 404);
  await claimAt('127.0.0.2', release);
  await tick(5 * 60 * minute);
  t.equal(at('127.0.0.2'), 'hook-claim acme/app refs/tags/v1', 'without any it lasts for hours');
  for (let i = 0; i < 3; i++) {
    await tick(2 * minute);
    t.equal((await beat()).status, 200);
  }
  await tick(4 * minute);
  t.equal(at('127.0.0.2'), 'nothing');
});

t.test('claims outlast control, not the gateway; what was confirmed is asked for again', async (t) => {
  const [one, two] = [await lab(t), await lab(t)];
  const run = { repository: 'acme/app', branch: 'v1', jobs: [{ runner: 'vm-1', startedMs: startMs }] };
  one.forge.runs.set('900', run);
  await one.claimAt('127.0.0.2', release);
  await one.claimAt('127.0.0.3', { ...release, runId: '901' });
  await one.speaker('127.0.0.3')('DELETE', '/runner/v1/claims');
  await one.tick();
  t.equal(one.at('127.0.0.2'), 'confirmed-claim acme/app null');
  const text = JSON.stringify(one.claims.kept('keeper 1'));
  t.equal(readKeptClaims(text, 'keeper 2'), null, 'another keeper’s');
  for (const broken of [
    '',
    '{}',
    text.slice(1),
    text.replace('"v":1', '"v":2'),
    text.replace('"claimedMs"', '"x"'),
  ])
    t.equal(readKeptClaims(broken, 'keeper 1'), null, broken.slice(0, 20));
  const kept = readKeptClaims(text, 'keeper 1');
  t.not(kept, null);
  if (kept === null) return;
  two.claims.restore(kept, startMs + minute);
  two.clock.nowMs += minute;
  t.equal(two.at('127.0.0.2'), 'hook-claim acme/app refs/tags/v1');
  two.forge.runs.set('900', run);
  await two.tick();
  t.equal(two.at('127.0.0.2'), 'confirmed-claim acme/app null');
  t.same(
    two.claims.kept('keeper 1').earlier,
    one.claims.kept('keeper 1').earlier,
    'what may still run is known',
  );
});

t.test('a storm of claims is bounded, and others are heard meanwhile', async (t) => {
  const { claimAt, claims, clock, results, at } = await lab(t, {
    isAsked: false,
    limits: { claims: 500, perNetwork: 100 },
  });
  const statuses = new Map<number, number>();
  for (let i = 0; i < 60; i++) {
    const { status } = await claimAt('127.0.0.2', { ...release, runId: String(i + 1) });
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }
  t.same(Object.fromEntries(statuses), { 202: 1, 409: 11, 429: 48 });
  t.equal((await claimAt('127.0.0.3', release)).status, 202, 'another runner');
  for (let i = 0; i < 20_000; i++) claims.take(`fd00::${(i % 65_536).toString(16)}`, release, clock.nowMs);
  t.ok(claims.size <= 102, `one network holds ${claims.size - 2} claims`);
  for (let i = 0; i < 20_000; i++)
    claims.take(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, release, clock.nowMs + i * 20);
  t.equal(claims.size, 500);
  t.ok(results.includes('full') && results.includes('limited'));
  t.equal(at('127.0.0.3'), 'hook-claim acme/app refs/tags/v1', 'who was there stays');
});

const hooks = join(import.meta.dirname, '..', '..', 'deploy', 'hooks');

/** Runs a hook under a shell with this environment alone; its code and what it wrote. */
function run(shell: readonly string[], hook: string, env: Readonly<Record<string, string>>, cwd: string) {
  const [program = 'sh', ...args] = shell;
  const { promise, resolve } = Promise.withResolvers<{ code: number; output: string }>();
  const child = execFile(program, [...args, join(hooks, hook)], { env, cwd }, (error, stdout, stderr) =>
    resolve({ code: error === null ? 0 : Number(error.code), output: `${stdout}${stderr}` }),
  );
  child.stdin?.end();
  return promise;
}

t.test('hooks tell whatever names there are as they are, and run nothing of them', async (t) => {
  const { port, claims, clock } = await lab(t, { isAsked: false });
  const cwd = t.testdir({});
  const mark = join(cwd, 'ran');
  const refs = [
    'refs/heads/main',
    `refs/heads/$(touch ${mark})`,
    `refs/heads/\`touch ${mark}\``,
    `refs/heads/'; touch ${mark}; '`,
    `refs/heads/"; touch ${mark}; "`,
    `refs/heads/x\ntouch ${mark}\n`,
    `refs/heads/a&repository=evil/evil&job=%00+$IFS*?[a-z]\\`,
    'refs/heads/@/etc/passwd',
    'refs/heads/-X DELETE %s %n ümlaut ☃',
  ];
  const base = { PATH: process.env['PATH'] ?? '', SALLYPORT_URL: `http://127.0.0.1:${port}`, HOME: cwd };
  for (const [index, ref] of refs.entries()) {
    // Bash, as GitHub's runner has it, beside the system's own.
    const shell = index % 2 === 0 ? ['sh'] : ['bash', '-e'];
    const env = {
      ...base,
      GITHUB_RUN_ID: '900',
      GITHUB_SERVER_URL: 'https://github.com',
      GITHUB_REPOSITORY: 'acme/app',
      GITHUB_JOB: 'ship',
      GITHUB_REF: ref,
      GITHUB_HEAD_REF: ref,
      GITHUB_ACTOR: `-${ref.slice(0, 100)}`,
      RUNNER_NAME: 'vm 1',
      http_proxy: 'http://127.0.0.1:9',
    };
    t.same(await run(shell, 'job-started.sh', env, cwd), { code: 0, output: '' }, JSON.stringify(ref));
    const [entry] = claims.entries(clock.nowMs);
    t.match(entry, {
      address: '127.0.0.1',
      message: { headRef: ref, job: { ref, repository: 'acme/app', name: 'ship' } },
    });
    t.same(await run(shell, 'job-completed.sh', env, cwd), { code: 0, output: '' });
    t.same(claims.entries(clock.nowMs), []);
    clock.nowMs += minute;
  }
  t.notOk(existsSync(mark), 'nothing was run');
  const gitlab = {
    ...base,
    CI_JOB_ID: '71',
    CI_SERVER_URL: 'https://gitlab.com',
    CI_PROJECT_PATH: 'acme/deep/app',
    CI_PIPELINE_ID: '55',
    CI_COMMIT_REF_NAME: 'v1',
    CI_COMMIT_TAG: 'v1',
    CI_JOB_NAME: `build $(touch ${mark})`,
    CI_RUNNER_ID: '12',
  };
  t.match(await run(['sh'], 'job-started.sh', gitlab, cwd), { code: 0 });
  t.match(claims.entries(clock.nowMs), [
    {
      message: {
        jobId: '71',
        job: { ref: 'refs/tags/v1', name: `build $(touch ${mark})`, repository: 'acme/deep/app' },
      },
    },
  ]);
  t.notOk(existsSync(mark));
});

t.test('a gateway that is away fails no job, unless the operator wants it to', async (t) => {
  const cwd = t.testdir({});
  const env = { PATH: process.env['PATH'] ?? '', SALLYPORT_URL: 'http://127.0.0.1:9', GITHUB_RUN_ID: '1' };
  t.match(await run(['sh'], 'job-started.sh', env, cwd), { code: 0, output: /did not take the claim/ });
  t.match(await run(['sh'], 'job-started.sh', { ...env, SALLYPORT_REQUIRED: '1' }, cwd), { code: 1 });
  t.match(await run(['sh'], 'job-completed.sh', { ...env, SALLYPORT_REQUIRED: '1' }, cwd), {
    code: 0,
    output: '',
  });
});

t.test('whatever is taken as a claim can be told to all workers', async (t) => {
  const { claims, clock } = await lab(t, { isAsked: false });
  const texts = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.constantFrom('𝒳'.repeat(512), 'é'.repeat(1024)),
  );
  const keys = [
    'ref',
    'job',
    'event',
    'actor',
    'workflow',
    'headRef',
    'runner',
    'sha',
    'machine',
    'environment',
  ] as const;
  let taken = 0;
  fc.assert(
    fc.property(fc.constantFrom(...keys), texts, (key, value) => {
      clock.nowMs += minute;
      const { status } = claims.take('10.0.0.1', { ...release, [key]: value }, clock.nowMs);
      if (status === 202) taken++;
      const entries = claims.entries(clock.nowMs);
      claims.end('10.0.0.1', clock.nowMs);
      return entries.every(isPublishable);
    }),
    { numRuns: 300 },
  );
  t.ok(taken > 100, `${taken} of them were claims`);
});
