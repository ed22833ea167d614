// Fifty jobs over ten runners of GitHub and GitLab: addresses that are used again at once, two runners behind one address,
// machines that die, a job that pretends to be another. Whose a flow was, the programs say that made it.

import t from 'tap';
import type { LabJob } from '../lab/ci/job.ts';
import { drawJob } from '../lab/ci/job.ts';
import { drawPipelineJob } from '../lab/ci/gitlab-service.ts';
import { CiLab, ciPolicy, type Ran } from '../lab/ci/ci-lab.ts';
import { compare, count, findWrongSteps } from '../lab/ci/hold-against.ts';
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
    const agents = [{ id: 100 + this.#random.below(900), name, jobs: sizes.length }];
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

const many = (count: number, size: number): number[] => Array.from({ length: count }, () => size);

/** Ten runners on nine addresses; fifty jobs, about 1,300 requests. */
function runAll(ci: CiLab, crew: Crew): Promise<Ran[]> {
  const lanes: readonly (() => Promise<Ran[]>)[] = [
    async () => [await crew.agent(0, 'r0', many(7, 24))],
    async () => [await crew.agent(1, 'r1', many(6, 24))],
    async () => [await crew.agent(2, 'r2', many(6, 24))],
    // The worker dies in its last job of three, the machine in the last of the next two; the same agent comes back.
    async () => [
      await crew.agent(3, 'r3', many(3, 24), 'crash worker'),
      await crew.agent(3, 'r3', many(2, 24), 'crash machine'),
      await crew.agent(3, 'r3', many(2, 24), '', 'after a crash'),
    ],
    async () => [await crew.ephemeral(4, 'r4', many(7, 24))],
    // A machine dies, and another one has its address at once.
    async () => [
      await crew.ephemeral(5, 'r5', many(4, 24)),
      await crew.agent(5, 'r5-dies', [8], 'crash machine'),
      await crew.agent(5, 'r5-next', [6], '', 'after a crash'),
    ],
    async () =>
      Promise.all([
        crew.agent(6, 'r6', many(2, 4), '', 'shared address'),
        crew.agent(6, 'r7', many(2, 4), '', 'shared address'),
      ]),
    async () => [await crew.pipelines(7, 'r8', many(5, 24))],
    async () => [await crew.agent(8, 'r9', [24, 6], 'forge https://forge.example.net/m/forgedmessage1')],
  ];
  return Promise.all(lanes.map((lane) => lane())).then((all) => all.flat());
}

t.test('whose each flow of fifty jobs is', async (t) => {
  const ci = await CiLab.open(seed, { runners: 9 }, { holdMs: 1500 });
  t.teardown(() => ci.close());
  const gateway = process.env['CONTROL'] ? null : await ci.lab.startGateway(ciPolicy, { workers: 2 });
  if (gateway === null) ci.lab.useResolver('198.41.0.4');
  const random = new Seeded(seed);
  const crew = new Crew(ci, random);
  const started = performance.now();
  const ran = await runAll(ci, crew);
  t.comment(`ran ${Math.round(performance.now() - started)} ms`);
  t.same(
    ran
      .filter(({ code, errors }) => (code !== 0 && code !== 137) || errors !== '')
      .map(({ errors }) => errors),
    [],
    'every program came to its end',
  );
  const said = ran.flatMap(({ said }) => said);
  const failed = said.filter((line) => line.said === 'failed');
  t.same(failed, [], 'every request was answered');
  const flows = said.filter((line) => line.said === 'flow');
  t.comment(`${flows.length} flows said`);
  const statuses = Object.groupBy(
    said.filter((line) => line.said === 'answered'),
    ({ status }) => String(status),
  );
  t.comment(JSON.stringify(Object.fromEntries(Object.entries(statuses).map(([k, v]) => [k, v?.length]))));
  if (gateway === null) return;
  // Windows of packets are a second long.
  await waitUntil(() => false, 2500);
  const records = await gateway.records();
  const pipelines = new Set(ci.gitlab.offers.map(({ job }) => String(job.id)));
  const compared = compare(said, records, (job) => (pipelines.has(job) ? 'gitlab.com' : 'github.com'));
  const ofJobs = compared.filter(({ said }) => said.job !== null);
  t.comment(JSON.stringify(count(ofJobs)));
  for (const one of compared.filter(({ verdict }) => verdict === 'wrong').slice(0, 10))
    t.comment(JSON.stringify(one));
  for (const line of findWrongSteps(compared).slice(0, 10)) t.comment(line);
});
