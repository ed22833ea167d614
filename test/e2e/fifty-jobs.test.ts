// Fifty jobs over ten runners of GitHub and GitLab: addresses that are used again at once, two runners behind one address,
// machines that die, a job that pretends to be another. Whose a flow was, the programs say that made it.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { drawJob, type LabJob } from '../lab/ci/job.ts';
import { drawPipelineJob } from '../lab/ci/gitlab-service.ts';
import { jobInstance } from '../../flow/job-record.ts';
import { CiLab, ciPolicy, type Ran } from '../lab/ci/ci-lab.ts';
import { compare, count, findWrongSteps } from '../lab/ci/hold-against.ts';
import { findOnDisk } from '../lab/ci/find-on-disk.ts';
import { makeMessage } from '../lab/ci/github-message.ts';
import { Seeded } from '../lab/ci/seeded.ts';
import { waitUntil } from '../lab/gateway.ts';

const seed = Number(process.env['CI_LAB_SEED'] ?? Math.floor(Math.random() * 1e9));
t.comment(`CI_LAB_SEED=${seed}`);
t.setTimeout(180_000);

/** Scripts of the steps of a job that asks for this much in all. */
function scriptsOf(random: Seeded, requests: number, extra = ''): string[] {
  const steps = 2 + random.below(3);
  const each = Math.ceil(requests / steps);
  return Array.from({ length: steps }, (_, at) => {
    const packets = at === 1 ? 1 : 0;
    return `traffic ${each} ${packets}${at === steps - 1 ? ` ${extra}` : ''}`;
  });
}

/** Everything that happens on one machine, or behind one address. */
class Crew {
  readonly #ci: CiLab;
  readonly #random: Seeded;
  readonly jobs: LabJob[] = [];

  constructor(ci: CiLab, random: Seeded) {
    this.#ci = ci;
    this.#random = random;
  }

  offer(agent: string, requests: number, extra = ''): void {
    const job = drawJob(this.#random, scriptsOf(this.#random, requests, extra));
    this.jobs.push(job);
    this.#ci.github.offer(agent, job, this.#random.pick([500, 5000, 60_000]));
  }

  /** An agent that takes jobs of this size and leaves. */
  async agent(
    runner: number,
    name: string,
    sizes: readonly number[],
    extra = '',
    unsure?: string,
  ): Promise<Ran> {
    sizes.forEach((size, at) => this.offer(name, size, at === sizes.length - 1 ? extra : ''));
    // The same agent has the same number each time.
    const agents = [{ id: 100 + crewIds(name), name, jobs: sizes.length }];
    return this.#ci.runAgents(runner, agents, {
      seed: this.#random.below(2 ** 31),
      ...(unsure ? { unsure } : {}),
    });
  }

  /** One agent for each job, as ephemeral runners are: each takes the address of the one before. */
  async ephemeral(runner: number, name: string, sizes: readonly number[]): Promise<Ran> {
    sizes.forEach((size, at) => this.offer(`${name}-${at}`, size));
    const agents = sizes.map((_, at) => ({
      id: 1000 + this.#random.below(9000),
      name: `${name}-${at}`,
      jobs: 1,
    }));
    return this.#ci.runAgents(runner, agents, { seed: this.#random.below(2 ** 31) });
  }

  async pipelines(runner: number, name: string, sizes: readonly number[]): Promise<Ran> {
    for (const size of sizes) this.#ci.gitlab.offer(drawPipelineJob(this.#random, `traffic ${size} 1`));
    const plan = { seed: this.#random.below(2 ** 31), name, jobs: sizes.length, executor: 'shell' as const };
    return this.#ci.runPipelines(runner, plan);
  }
}

/** A number of its own for each name. */
function crewIds(name: string): number {
  const at = names.indexOf(name);
  return at < 0 ? names.push(name) - 1 : at;
}
const names: string[] = [];

const many = (count: number, size: number): number[] => Array.from({ length: count }, () => size);

/** Ten runners on nine addresses; fifty jobs, about 1,300 requests. */
function runAll(ci: CiLab, crew: Crew): Promise<Ran[]> {
  const lanes: readonly (() => Promise<Ran[]>)[] = [
    async () => [await crew.agent(0, 'r0', many(7, 28))],
    async () => [await crew.agent(1, 'r1', many(6, 28))],
    async () => [await crew.agent(2, 'r2', many(7, 28))],
    // The worker dies in its last job of three, the machine in the last of the next two; the same agent comes back.
    async () => [
      await crew.agent(3, 'r3', many(3, 28), 'crash worker'),
      await crew.agent(3, 'r3', many(2, 28), 'crash machine'),
      await crew.agent(3, 'r3', many(2, 6), '', 'after a crash'),
    ],
    async () => [await crew.ephemeral(4, 'r4', many(7, 28))],
    // A machine dies, and another one has its address at once.
    async () => [
      await crew.ephemeral(5, 'r5', many(4, 28)),
      await crew.agent(5, 'r5-dies', [8], 'crash machine'),
      await crew.agent(5, 'r5-next', [4], '', 'after a crash'),
    ],
    async () =>
      Promise.all([
        crew.agent(6, 'r6', many(2, 2), '', 'shared address'),
        crew.agent(6, 'r7', [2], '', 'shared address'),
      ]),
    async () => [await crew.pipelines(7, 'r8', many(5, 28))],
    async () => [await crew.agent(8, 'r9', [28, 6], `forge https://forge.example.net${forged}`)],
  ];
  return Promise.all(lanes.map((lane) => lane())).then((all) => all.flat());
}

/** Half an hour of a fleet in a few seconds; what is asserted of it stands below. */
const ci = await CiLab.open(seed, { runners: 9 }, { holdMs: 1500 });
t.teardown(() => ci.close());
const gateway = await ci.lab.startGateway(ciPolicy, { workers: 2 });
const forged = '/m/forgedmessage1';
const ownUrls = {
  runService: 'https://forge.example.net/',
  results: 'https://forge.example.net/',
  launch: 'https://forge.example.net',
};
const forgedJob = drawJob(new Seeded(seed + 1), ['']);
ci.github.madeUp.set(
  `forge.example.net${forged}`,
  makeMessage(forgedJob, ownUrls, ci.secrets, new Seeded(seed)).message,
);
const crew = new Crew(ci, new Seeded(seed));
const started = performance.now();
const ran = await runAll(ci, crew);
t.comment(`fifty jobs in ${Math.round(performance.now() - started)} ms`);
const said = ran.flatMap((one) => one.said);
// Windows of packets are a second long, and a second later they are written.
await waitUntil(() => false, 2500);
const records = await gateway.records();
const pipelines = new Map(ci.gitlab.offers.map(({ job }) => [String(job.id), job]));
const serverOf = (job: string): string => (pipelines.has(job) ? 'gitlab.com' : 'github.com');
const compared = compare(said, records, serverOf);
/** Of what asks for a job nobody knows yet whose it is: that it is another’s would be wrong, and no more is asked. */
const ofJobs = compared.filter(({ said }) => said.job !== null && said.unsure !== 'before');

t.test('runners come to the end of their jobs as they do without a gateway', async (t) => {
  t.equal(ci.github.offers.length + ci.gitlab.offers.length, 50, 'jobs');
  const bad = ran.filter(({ code, errors }) => (code !== 0 && code !== 137) || errors !== '');
  t.same(
    bad.map(({ code, errors }) => `${code} ${errors}`),
    [],
  );
  t.equal(ci.github.completed().length, 43, 'all of GitHub but two whose machine died');
  t.ok(
    ci.gitlab.offers.every(({ state }) => state === 'success'),
    'and all of GitLab',
  );
  const sure = new Set(ofJobs.filter(({ said }) => said.unsure === undefined).map(({ said }) => said.mark));
  const refused = said.filter(
    (line) => line.said === 'answered' && sure.has(line.mark) && line.status >= 400,
  );
  t.same(refused, [], 'what a job may do worked');
  t.same(
    said.filter((line) => line.said === 'failed'),
    [],
    'every request was answered',
  );
});

t.test('no flow is another job’s, and at least 95 of 100 are their job’s', async (t) => {
  const answered = new Set(said.filter((line) => line.said === 'answered').map(({ mark }) => mark));
  const lost = compared.filter(({ verdict, said }) => verdict === 'unrecorded' && answered.has(said.mark));
  t.same(
    lost.map(({ said }) => said),
    [],
    'every flow is recorded',
  );
  const wrong = compared.filter(({ verdict }) => verdict === 'wrong');
  t.same(
    wrong.map(({ said, records }) => [
      said,
      records.map(({ phase, time, attribution }) => [phase, time, attribution]),
    ]),
    [],
    'none is another’s',
  );
  const counts = count(ofJobs);
  t.comment(`of ${ofJobs.length} flows of jobs: ${JSON.stringify(counts)}`);
  const kinds = Object.groupBy(wrong, ({ said }) => said.kind);
  t.comment(`wrong: ${kinds.request?.length ?? 0} requests, ${kinds.packet?.length ?? 0} packets`);
  t.ok(
    ci.github.calls.some(({ host }) => host === 'forge.example.net'),
    'one forged',
  );
  t.notOk(
    records.some(({ attribution }) => attribution.jobId === jobInstance('github.com', forgedJob.jobId)),
    'and was not believed',
  );
  t.ok(ofJobs.length >= 1000, 'at least 1,000 flows');
  const share = counts.right / (ofJobs.length - counts.unrecorded);
  t.ok(share >= 0.95, `attributed: ${(share * 100).toFixed(1)} %`);
  const why = Object.groupBy(
    ofJobs.filter(({ verdict }) => verdict === 'unknown'),
    ({ said }) => said.unsure ?? `none (${said.kind}, ${said.infrastructure === true ? 'runner' : 'step'})`,
  );
  t.comment(`unknown: ${JSON.stringify(Object.entries(why).map(([key, all]) => [key, all?.length]))}`);
  const unsure = ofJobs.filter(
    ({ verdict, said }) =>
      // Packets of a window in which an address changed hands are nobody’s.
      verdict === 'unknown' && said.unsure === undefined && said.kind === 'request',
  );
  t.same(unsure.map(({ said }) => said).slice(0, 5), [], 'what is nobody’s is so for a reason');
});

t.test('the job of a flow is what its platform said, and step and infrastructure are right', async (t) => {
  t.same(findWrongSteps(compared).slice(0, 20), [], 'steps');
  const jobs = new Map(ci.github.offers.map(({ job }) => [job.jobId, job]));
  for (const { said, records, verdict } of ofJobs) {
    const known = jobs.get(said.job ?? '');
    const job = records.find(({ attribution }) => attribution.jobId !== undefined)?.job;
    if (verdict === 'right' && known !== undefined) t.match(job, factsOf(known));
    jobs.delete(said.job ?? '');
  }
});

/** What policy knows of a job. */
function factsOf(job: LabJob) {
  return {
    platform: 'github',
    server: 'github.com',
    repository: job.repository,
    repositoryId: job.repositoryId,
    workflow: job.workflow,
    calledWorkflow: job.calledWorkflow,
    ref: job.ref,
    event: job.event,
    environment: job.environment,
    name: job.name,
    runId: job.runId,
    runnerGroup: job.runnerGroup,
    actor: job.actor,
    fork: job.headRepository !== null && job.headRepository !== job.repository,
    protected: job.isProtected,
    private: job.isPrivate,
  };
}

t.test('no secret of a job message is on the disk', async (t) => {
  const word = ci.secrets.word;
  writeFileSync(join(ci.lab.directory, 'control'), `x${Buffer.from(`yy${word}z`).toString('base64')}`);
  t.same(findOnDisk(ci.lab.directory, ci.secrets.forms()), ['control'], 'what is there is found');
});
