// Jobs that live runners announce, over time: a gateway that is restarted in the middle of them, one that nobody renews
// any more, processes that crash, and what is left on the disk.

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { FlowRecord } from '../../flow/flow.ts';
import { CiLab } from '../lab/ci/ci-lab.ts';
import { findOnDisk } from '../lab/ci/find-on-disk.ts';
import { Seeded } from '../lab/ci/seeded.ts';
import { waitUntil } from '../lab/gateway.ts';
import { labAddresses } from '../lab/origins.ts';
import { childrenOf } from '../lab/processes.ts';

const seed = Number(process.env['CI_LAB_SEED'] ?? Math.floor(Math.random() * 1e9));
t.comment(`CI_LAB_SEED=${seed}`);
t.setTimeout(180_000);
const random = new Seeded(seed);
const release = 'release.example.com';
const policy = `version: 1
mode: block
presets: [github-runner, gitlab-runner]
scopes:
  - id: release
    match: {server: github.com, repo: acme/app, ref: "refs/tags/v*"}
    http: [{id: host, host: ${release}}]
`;

/** Status of a request to the host that a release alone may reach, and its record. */
async function ask(ci: CiLab, runner: number): Promise<{ status: string; record: FlowRecord | null }> {
  const path = `/m/${random.word(10).toLowerCase()}`;
  const { stdout } = await ci.lab.curl(
    ['-o', '/dev/null', '-w', '%{http_code}', `https://${release}${path}`],
    runner,
  );
  const record = await ci.lab.gateway.findRecord(
    ({ phase, http }) => phase === 'closed' && http?.path === path,
  );
  return { status: stdout, record };
}

async function openLab(t: Test, runners: number, leaseMs?: number): Promise<CiLab> {
  const ci = await CiLab.open(
    seed,
    { runners },
    { holdMs: 2000, ...(leaseMs === undefined ? {} : { leaseMs }) },
  );
  t.teardown(() => ci.close());
  ci.lab.origins.names.set(release, { a: [labAddresses.web4] });
  return ci;
}

const tagged = { repository: 'acme/app', ref: 'refs/tags/v1' } as const;

for (const how of ['stop', 'kill'] as const)
  t.test(`a restart (${how}) in the middle of a job: it is known again within one renewal`, async (t) => {
    const ci = await openLab(t, 3);
    const { stateDirectory } = await ci.lab.startGateway(policy);
    const [job, dying, ending] = [
      await ci.hold(0, tagged),
      await ci.hold(1, tagged),
      await ci.hold(2, tagged),
    ];
    for (const runner of [0, 1, 2])
      t.equal((await ask(ci, runner)).status, '200', `control: runner ${runner}`);
    await ci.lab.gateway[how]();
    // Nobody hears how two of them end.
    const ended = ending.end();
    await dying.kill();
    rmSync(join(stateDirectory, 'ready.json'), { force: true });
    await ci.lab.startGateway(policy, { state: stateDirectory });
    await job.renew();
    const { status, record } = await ask(ci, 0);
    t.equal(status, '200', 'what the job may');
    t.match(record?.attribution, { source: 'job-message', jobId: `github.com/${job.id}` });
    await ended;
    t.equal((await ask(ci, 2)).status, '403', 'the end of a job is heard');
    const next = await ci.hold(1, { repository: 'evil/app' });
    const other = await ask(ci, 1);
    t.equal(other.status, '403', 'a new job has nothing of the one before');
    t.not(other.record?.attribution.jobId, `github.com/${dying.id}`);
    await Promise.all([job.end(), next.end()]);
    t.equal((await ask(ci, 0)).status, '403', 'nor after its end');
  });

t.test('a job that nobody renews is over when its time is', async (t) => {
  const ci = await openLab(t, 1, 4000);
  await ci.lab.startGateway(policy);
  const job = await ci.hold(0, tagged);
  t.equal((await ask(ci, 0)).status, '200', 'control');
  await job.renew();
  const { record } = await ask(ci, 0);
  t.equal(record?.attribution.jobId, `github.com/${job.id}`, 'control: it is renewed');
  let last = record;
  for (const deadline = Date.now() + 20_000; Date.now() < deadline;) {
    ({ record: last } = await ask(ci, 0));
    if (last?.decision.verdict === 'block') break;
  }
  t.equal(last?.decision.verdict, 'block', 'and then it is over');
  t.equal(last?.attribution.jobId, undefined, 'nobody’s');
  await job.kill();
});

t.test(
  'processes that die leave no memory of theirs behind, and nothing of a job message is on the disk',
  async (t) => {
    const ci = await openLab(t, 2);
    const cores = join(ci.lab.directory, 'cores');
    mkdirSync(cores);
    chmodSync(cores, 0o777);
    const prefix = ['env', `--chdir=${cores}`, 'prlimit', '--core=unlimited:unlimited'];
    spawnSync(prefix[0]!, [...prefix.slice(1), 'sh', '-c', 'kill -SEGV $$']);
    const hasCores = readdirSync(cores).length > 0;
    if (!hasCores)
      t.comment(
        `this machine keeps cores elsewhere: ${readFileSync('/proc/sys/kernel/core_pattern', 'utf8').trim()}`,
      );
    for (const name of readdirSync(cores)) rmSync(join(cores, name));
    const gateway = await ci.lab.startGateway(policy, { prefix });
    const jobs = [await ci.hold(0, tagged), await ci.holdPipeline(1, {})];
    t.equal((await ask(ci, 0)).status, '200', 'control');
    for (const program of ['worker', 'control'] as const)
      for (const pid of childrenOf(gateway.pid, program)) {
        const uid = /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
        t.not(uid, '0', `${program} is not root`);
        t.equal(statSync(`/proc/${pid}/mem`).uid, 0, `and its memory is not its user’s (${program})`);
        process.kill(pid, 'SIGSEGV');
        await waitUntil(() => !childrenOf(gateway.pid, program).includes(pid), 10_000);
        t.ok(
          await waitUntil(() => childrenOf(gateway.pid, program).length > 0, 10_000),
          `${program} is back`,
        );
      }
    if (hasCores) t.same(readdirSync(cores), [], 'no core');
    else t.pass('no core', { skip: 'the control leaves none here either' });
    await Promise.all(jobs.map((job) => job.end()));
    t.same(findOnDisk(ci.lab.directory, ci.secrets.forms()), [], 'nothing on the disk');
  },
);
