// A lab with GitHub's and GitLab's services for runners, hosts for the traffic of steps, and programs that speak as
// runners do. What a program said of its flows comes back with its end.

import { join } from 'node:path';
import { waitForExit } from '../../../netns/enter.ts';
import { Lab, type LabOptions } from '../lab.ts';
import { labAddresses } from '../origins.ts';
import type { RunnerPlan } from './actions-runner.ts';
import { GithubService, githubHosts, type GithubServiceOptions } from './github-service.ts';
import { gitlabHost, GitlabService } from './gitlab-service.ts';
import type { PipelinePlan } from './pipeline-runner.ts';
import { readSaid, type Said } from './said.ts';
import { Secrets } from './secrets.ts';
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

export class CiLab {
  readonly lab: Lab;
  readonly seed: number;
  readonly secrets: Secrets;
  readonly github: GithubService;
  readonly gitlab: GitlabService;
  #port = 20_000;

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
      for (const host of [...targetHosts, 'forge.example.net']) lab.origins.names.set(host, web);
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

  #targets(): Targets {
    const fromPort = this.#port;
    this.#port += 100;
    return { hosts: targetHosts, below: 'wild.example.com', address: labAddresses.web4, fromPort };
  }

  async #run(program: string, plan: unknown, runner: number): Promise<Ran> {
    const path = join(import.meta.dirname, program);
    const command = [process.execPath, '--disable-warning=ExperimentalWarning', path, JSON.stringify(plan)];
    const child = this.lab.spawn(command, runner);
    const timer = setTimeout(() => child.kill('SIGKILL'), 120_000);
    let [stdout, errors] = ['', ''];
    child.stdout?.on('data', (chunk) => (stdout += String(chunk)));
    child.stderr?.on('data', (chunk) => (errors += String(chunk)));
    const code = await waitForExit(child);
    clearTimeout(timer);
    return { code, said: readSaid(stdout), errors };
  }
}
