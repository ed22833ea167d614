// A lab with GitHub's and GitLab's services for runners, hosts for the traffic of steps, and programs that speak as
// runners do. What a program said of its flows comes back with its end.

import type { ChildProcess } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitForExit } from '../../../netns/enter.ts';
import { waitUntil } from '../gateway.ts';
import { Lab, type LabOptions } from '../lab.ts';
import { labAddresses } from '../origins.ts';
import type { RunnerPlan } from './actions-runner.ts';
import { announce } from './announce.ts';
import { githubAddress, GithubService, githubHosts, type GithubServiceOptions } from './github-service.ts';
import { drawPipelineJob, gitlabHost, GitlabService, type LabPipelineJob } from './gitlab-service.ts';
import { drawJob, type LabJob } from './job.ts';
import type { PipelinePlan } from './pipeline-runner.ts';
import { readSaid, type Said } from './said.ts';
import { Secrets } from './secrets.ts';
import { Seeded } from './seeded.ts';
import type { Targets } from './traffic.ts';

/** Hosts that steps talk to. */
export const targetHosts = Array.from({ length: 8 }, (_, at) => `t${at + 1}.example.com`);

/** Opens to every job what the lab's steps do, and to runners what they need. */
export const ciPolicy = `version: 1
mode: block
presets: [github-runner, gitlab-runner]
dns: {allow: "*.wild.example.com"}
http:
  - {id: targets, host: ${JSON.stringify([...targetHosts, '*.wild.example.com', 'forge.example.net'])}, methods: any}
`;

/** What a program came to. */
export interface Ran {
  readonly code: number;
  readonly said: readonly Said[];
  readonly errors: string;
}

/** A job that is at its step until `end`. */
export interface HeldJob {
  readonly id: string;
  readonly job: LabJob;
  readonly token: string;
  readonly ran: Promise<Ran>;
  /** Lets it come to its end, and its runner leave. */
  end(): Promise<Ran>;
  /** Has it renewed, as its runner does each minute. */
  renew(): Promise<void>;
  /** The machine dies: nobody is told. */
  kill(): Promise<Ran>;
}

/** Of no chance. */
const plainJob: Partial<LabJob> = {
  repository: 'acme/app',
  repositoryId: '7',
  ref: 'refs/heads/main',
  isProtected: true,
  event: 'push',
  workflow: '.github/workflows/ci.yml',
  name: 'build',
  environment: null,
  headRepository: null,
  calledWorkflow: null,
  runnerGroup: 'Default',
  matrix: null,
};

export class CiLab {
  readonly lab: Lab;
  readonly seed: number;
  readonly secrets: Secrets;
  readonly github: GithubService;
  readonly gitlab: GitlabService;
  #port = 20_000;
  #held = 0;
  /** The program that was started last. */
  #child: ChildProcess | null = null;

  private constructor(
    lab: Lab,
    seed: number,
    secrets: Secrets,
    github: GithubService,
    gitlab: GitlabService,
  ) {
    this.lab = lab;
    this.seed = seed;
    this.secrets = secrets;
    this.github = github;
    this.gitlab = gitlab;
  }

  /** @throws SallyportError */
  static async open(
    seed: number,
    options: LabOptions = {},
    service: Pick<GithubServiceOptions, 'holdMs' | 'leaseMs'> = {},
  ): Promise<CiLab> {
    const lab = await Lab.open(options);
    try {
      const secrets = new Secrets(seed);
      const web = { a: [labAddresses.web4], aaaa: [labAddresses.web6] };
      for (const host of targetHosts) lab.origins.names.set(host, web);
      lab.origins.names.set('forge.example.net', { a: [githubAddress] });
      const github = await GithubService.start({ lab, seed, secrets, ...service });
      return new CiLab(lab, seed, secrets, github, await GitlabService.start(lab, seed, secrets));
    } catch (error) {
      await lab.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.github.close();
    this.gitlab.close();
    await this.lab.close();
  }

  /** Agents on a runner, one after the other, until they have had their jobs. */
  runAgents(
    runner: number,
    agents: RunnerPlan['agents'],
    known: Pick<RunnerPlan, 'seed' | 'unsure'>,
  ): Promise<Ran> {
    const plan: RunnerPlan = { broker: githubHosts.broker, agents, targets: this.#targets(), ...known };
    return this.#run('actions-runner.ts', plan, runner);
  }

  runPipelines(
    runner: number,
    plan: Pick<PipelinePlan, 'seed' | 'name' | 'jobs' | 'executor' | 'unsure'>,
  ): Promise<Ran> {
    const whole: PipelinePlan = { server: gitlabHost, targets: this.#targets(), ...plan };
    return this.#run('pipeline-runner.ts', whole, runner);
  }

  /** A job of GitHub on the first runner, without a program: what names it to the gateway, and no more. */
  async announce(known: Partial<LabJob>): Promise<Pick<HeldJob, 'id' | 'job'> & { end(): Promise<void> }> {
    const job = drawJob(new Seeded(this.seed + ++this.#held), [''], { ...plainJob, ...known });
    const end = await announce(this.lab, this.github, this.lab.runner().v4, job);
    return { id: job.jobId, job, end };
  }

  /** A job of GitHub that stays at its only step. */
  async hold(runner: number, known: Partial<LabJob>, agent = `held-${this.#held}`): Promise<HeldJob> {
    const path = this.#holdPath();
    const random = new Seeded(this.seed + this.#held);
    const job = drawJob(random, [`traffic 0 hold ${path}`], { ...plainJob, ...known });
    const offer = this.github.offer(agent, job);
    const ran = this.runAgents(runner, [{ id: this.#held, name: agent, jobs: 1 }], {
      seed: random.below(1e9),
    });
    const child = this.#child;
    await this.#untilRunning(path, ran);
    return {
      id: job.jobId,
      job,
      token: offer.jobToken,
      ran,
      end: () => this.#end(path, ran),
      renew: () => this.#renew(path),
      kill: () => {
        child?.kill('SIGKILL');
        return ran;
      },
    };
  }

  /** The same of GitLab. */
  async holdPipeline(
    runner: number,
    known: Partial<LabPipelineJob>,
    executor: PipelinePlan['executor'] = 'shell',
  ) {
    const path = this.#holdPath();
    const random = new Seeded(this.seed + this.#held);
    const job = { ...drawPipelineJob(random, `traffic 0 hold ${path}`), ...known };
    const offer = this.gitlab.offer(job);
    const ran = this.runPipelines(runner, {
      seed: random.below(1e9),
      name: `held-${this.#held}`,
      jobs: 1,
      executor,
    });
    await this.#untilRunning(path, ran);
    return { id: String(job.id), job, token: offer.token, ran, end: () => this.#end(path, ran) };
  }

  #holdPath(): string {
    return join(this.lab.directory, `held${++this.#held}`);
  }

  async #untilRunning(path: string, ran: Promise<Ran>): Promise<void> {
    let ended: Ran | null = null;
    void ran.then((value) => (ended = value));
    await waitUntil(() => existsSync(`${path}.running`) || ended !== null, 15_000);
    if (!existsSync(`${path}.running`)) throw new Error(`the job does not run: ${JSON.stringify(ended)}`);
  }

  async #renew(path: string): Promise<void> {
    writeFileSync(`${path}.renew`, '');
    if (!(await waitUntil(() => !existsSync(`${path}.renew`), 10_000))) throw new Error('it was not renewed');
  }

  #end(path: string, ran: Promise<Ran>): Promise<Ran> {
    writeFileSync(`${path}.go`, '');
    return ran;
  }

  #targets(): Targets {
    const fromPort = this.#port;
    this.#port += 100;
    return { hosts: targetHosts, below: 'wild.example.com', address: labAddresses.web4, fromPort };
  }

  async #run(program: string, plan: unknown, runner: number): Promise<Ran> {
    const path = join(import.meta.dirname, program);
    const command = [process.execPath, '--disable-warning=ExperimentalWarning', path, JSON.stringify(plan)];
    const child = this.lab.spawn(command, runner);
    this.#child = child;
    const timer = setTimeout(() => child.kill('SIGKILL'), 120_000);
    let [stdout, errors] = ['', ''];
    child.stdout?.on('data', (chunk) => (stdout += String(chunk)));
    child.stderr?.on('data', (chunk) => (errors += String(chunk)));
    const code = await waitForExit(child);
    clearTimeout(timer);
    return { code, said: readSaid(stdout), errors };
  }
}
