// A gateway with the recommended policies between jobs and stand-ins of what they speak to: a build of a branch, one of
// whose dependencies has an install script, a release, a job of GitLab. `play` has them do what they should, and then
// what an attacker does with them.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FlowRecord } from '../../flow/flow.ts';
import { digestToken } from '../../flow/token-digest.ts';
import type { DeclaredJob } from '../../netns/gateway-port.ts';
import { runIpBatch } from '../../netns/ip.ts';
import { WebServer } from '../../netns/web-server.ts';
import { waitUntil } from './gateway.ts';
import { ForgeGit } from './forge-git.ts';
import { Lab } from './lab.ts';
import { outcomeOf, RecordTail } from './live-client.ts';
import type { Naming } from './naming.ts';
import { NpmRegistry } from './npm-registry.ts';
import { answerReplays, identityHost, resultsHost, storageHost } from './replay-answers.ts';
import { buildScript, releaseScript, youngScript } from './replay-jobs.ts';
import { findArrival, findStep, hostOf, scriptOf, writeScript } from './replay-steps.ts';
import { fromGitlab, fromInstall, fromPython, fromRelease, npmHost, tokens, type Replay } from './replays.ts';

const address = '93.184.216.81';
const addresses = [address, '93.184.216.90', '93.184.216.91'];
const legitimateHosts = ['codeload.github.com', 'uploads.github.com', storageHost, resultsHost, identityHost];
const repositories = [
  'acme/storefront',
  'acme/handbook',
  'octo-dev/Shai-Hulud',
  'tj-actions/changed-files',
  'some-vendor/setup-tool',
  'actions/checkout',
];

/** What a step came to. */
export interface PlayedStep {
  /** `allow RULE`, `block REASON [RULE]` or `would REASON [RULE]`; null: nothing was recorded. */
  readonly outcome: string | null;
  readonly evidence: readonly string[];
  /** It arrived in the internet. */
  readonly hasArrived: boolean;
}

export interface Played {
  readonly install: readonly PlayedStep[];
  readonly release: readonly PlayedStep[];
  readonly python: readonly PlayedStep[];
  readonly gitlab: readonly PlayedStep[];
  /** What the jobs printed of what they should do. */
  readonly printed: string;
  /** Outcomes of their requests besides `allow`. */
  readonly hindered: readonly string[];
}

/** One way of naming, with the three policies of the page. */
export interface Cast {
  readonly naming: Naming;
  readonly policies: readonly [npm: string, python: string, gitlab: string];
}

const runnersOfCast = 3;

export class ReplayLab {
  readonly #lab: Lab;
  readonly #registry: NpmRegistry;
  readonly #repositories: ForgeGit;
  readonly #server: WebServer;
  #tail: RecordTail | null = null;
  /** Records before the policy in force. */
  #seen = 0;

  private constructor(lab: Lab) {
    this.#lab = lab;
    this.#registry = new NpmRegistry(join(lab.directory, 'tarballs'), npmHost);
    this.#repositories = new ForgeGit(join(lab.directory, 'repositories'));
    this.#server = new WebServer({
      namespace: lab.topology.internet,
      addresses,
      http: [80, 8000],
      https: [443],
      authority: lab.origins.authority,
      answer: answerReplays(this.#repositories, this.#registry),
    });
  }

  /** Ready with the first policy in force; each naming has runners of its own. */
  static async open(casts: readonly Cast[]): Promise<ReplayLab> {
    const lab = await Lab.open({ runners: runnersOfCast * casts.length });
    const replays = new ReplayLab(lab);
    try {
      const own = addresses.map((one) => `addr add ${one}/32 dev lo`);
      runIpBatch(lab.topology.internet, own);
      await replays.#server.start();
      for (const host of legitimateHosts) lab.origins.names.set(host, { a: [address] });
      for (const { naming } of casts) replays.#prepare(naming);
      await replays.#startGateway(casts);
      return replays;
    } catch (error) {
      await replays.close();
      throw error;
    }
  }

  /** Runs everything with the names, the policies and the runners of one cast. */
  async play({ naming, policies }: Cast, index: number): Promise<Played> {
    const build = runnersOfCast * index;
    const npm = await this.#playNpm(naming, policies[0], build);
    await this.#putInForce(policies[1]);
    const python = await this.#playSteps('python', fromPython, naming, build);
    await this.#putInForce(policies[2]);
    const gitlab = await this.#playSteps('gitlab', fromGitlab, naming, build + 2);
    return { ...npm, python, gitlab };
  }

  /** The code of npm when it is told to install a version of two hours, under the policy of a cast. */
  async installYoung({ naming, policies }: Cast): Promise<string> {
    await this.#putInForce(policies[0]);
    const printed = await this.#run(0, naming.of(youngScript(this.#folder(naming, 'plain'))));
    return printed.trim();
  }

  /** Every record as text. */
  segmentText(): string {
    return this.#lab.gateway.segmentText();
  }

  async close(): Promise<void> {
    this.#server.close();
    await this.#lab.close();
  }

  async #playNpm(naming: Naming, policy: string, build: number): Promise<Omit<Played, 'python' | 'gitlab'>> {
    const folder = (name: string): string => this.#folder(naming, name);
    const release = build + 1;
    await this.#putInForce(policy);
    const printed = await Promise.all([
      this.#run(build, naming.of(buildScript(folder('plain')))),
      this.#run(release, naming.of(releaseScript(folder('release'), folder('work')))),
    ]);
    const hindered = () =>
      [build, release]
        .flatMap((runner) => this.#recordsOf(runner))
        .filter(({ kind }) => kind === 'request')
        .map(outcomeOf)
        .filter((outcome) => !outcome.startsWith('allow '));
    // Records of what ended are written a little later.
    await sleep(150);
    await waitUntil(() => hindered().length > 0, 3000);
    const before = hindered();
    const [, released] = await Promise.all([
      this.#run(build, `cd ${folder('infected')} && npm ci`),
      this.#playSteps('release', fromRelease, naming, release),
    ]);
    const install = await this.#findAll(fromInstall, naming, build);
    return { install, release: released, printed: printed.join(''), hindered: before };
  }

  async #playSteps(
    name: string,
    replays: readonly Replay[],
    naming: Naming,
    runner: number,
  ): Promise<PlayedStep[]> {
    await this.#run(runner, `cd ${this.#folder(naming, name)} && sh ./steal.sh`);
    return this.#findAll(replays, naming, runner);
  }

  async #putInForce(policy: string): Promise<void> {
    const { gateway } = this.#lab;
    if (readFileSync(gateway.policyPath, 'utf8') !== policy) await gateway.reload(policy);
    this.#tail ??= new RecordTail(gateway.stateDirectory);
    this.#seen = this.#tail.update().length;
  }

  /** What ended under the policy in force. */
  #recordsOf(runner: number): FlowRecord[] {
    // A blocked name leads to the gateway, in both families.
    const { v4, v6 } = this.#lab.runner(runner);
    const records = this.#tail?.update().slice(this.#seen) ?? [];
    return records.filter((record) => [v4, v6].includes(record.runner) && record.phase === 'closed');
  }

  async #findAll(replays: readonly Replay[], naming: Naming, runner: number): Promise<PlayedStep[]> {
    const find = () => {
      const all = this.#recordsOf(runner);
      return replays.map((replay) => findStep(all, replay, naming));
    };
    await waitUntil(() => !find().includes(undefined), 4000);
    return find().map((record, at) => ({
      outcome: record === undefined ? null : outcomeOf(record),
      evidence: (record?.evidence ?? []).map(({ kind }) => kind),
      hasArrived: findArrival(replays[at]!, naming, this.#server.arrived, (name) =>
        this.#lab.origins.questionsFor(name),
      ),
    }));
  }

  #folder(naming: Naming, name: string): string {
    return join(this.#lab.directory, naming.of('storefront'), name);
  }

  #prepare(naming: Naming): void {
    const scripts = { release: fromRelease, python: fromPython, gitlab: fromGitlab };
    for (const replay of [...fromInstall, ...Object.values(scripts).flat()])
      this.#lab.origins.names.set(hostOf(replay, naming), { a: [address] });
    for (const repository of repositories) this.#repositories.make(naming.of(repository));
    const work = this.#folder(naming, 'work');
    execFileSync('git', ['clone', '-q', this.#repositories.pathOf(naming.of('acme/storefront')), work]);
    this.#preparePackages(naming, scriptOf(fromInstall, naming, work));
    for (const [name, replays] of Object.entries(scripts))
      writeScript(this.#folder(naming, name), scriptOf(replays, naming, work));
  }

  #preparePackages(naming: Naming, files: Readonly<Record<string, string>>): void {
    const versions = [
      ['plain-lib', '1.0.0', 2000],
      ['flatmap-stream', '0.1.0', 2000],
      ['flatmap-stream', '0.1.1', 2],
      ['lodahs', '1.0.0', 3],
      ['crossenv-fork', '6.1.1', 2000],
      ['acme-billing', '99.0.0', 2000],
    ] as const;
    for (const [name, version, ageHours] of versions)
      this.#registry.add(naming.of(name), version, { ageHours });
    const scripts = { postinstall: 'sh ./steal.sh' };
    this.#registry.add(naming.of('color-worm'), '4.1.1', { ageHours: 2000, scripts, files });
    const plain = { [naming.of('plain-lib')]: '1.0.0' };
    const infected = { ...plain, [naming.of('color-worm')]: '4.1.1' };
    this.#registry.writeProject(this.#folder(naming, 'plain'), plain);
    this.#registry.writeProject(this.#folder(naming, 'infected'), infected);
  }

  async #startGateway(casts: readonly Cast[]): Promise<void> {
    const feed = join(this.#lab.directory, 'malware.ndjson');
    const lines = casts.map(({ naming }) => ({
      id: 'MAL-2026-1',
      affected: [{ package: { ecosystem: 'npm', name: naming.of('crossenv-fork') } }],
    }));
    writeFileSync(feed, lines.map((line) => `${JSON.stringify(line)}\n`).join(''), { mode: 0o644 });
    await this.#lab.startGateway(casts[0]!.policies[0], {
      jobs: casts.flatMap(({ naming }, index) => [
        this.#jobOf(naming, runnersOfCast * index, 'github', 'refs/heads/main'),
        this.#jobOf(naming, runnersOfCast * index + 1, 'github', 'refs/tags/v1.2.0'),
        this.#jobOf(naming, runnersOfCast * index + 2, 'gitlab', 'refs/heads/main'),
      ]),
      config: { malware: { files: [feed] } },
    });
    const { gateway } = this.#lab;
    // Until the feed is read every package counts as malicious.
    await waitUntil(() => gateway.log().includes('malware feed read'), 10_000);
    await gateway.operator('/ready');
  }

  #jobOf(naming: Naming, runner: number, platform: 'github' | 'gitlab', ref: string): DeclaredJob {
    const { v4, v6 } = this.#lab.runner(runner);
    const job = { platform, server: `${platform}.com`, event: 'push', ref } as const;
    const repository = naming.of('acme/storefront');
    return { ...job, repository, tokenDigest: digestToken(tokens.job), addresses: [v4, v6] };
  }

  async #run(runner: number, script: string): Promise<string> {
    const home = join(this.#lab.directory, `home${runner}`);
    mkdirSync(home, { recursive: true });
    const env = {
      HOME: home,
      GIT_TERMINAL_PROMPT: '0',
      GIT_CONFIG_NOSYSTEM: '1',
      npm_config_registry: `https://${npmHost}/`,
      npm_config_cache: join(home, 'cache'),
      npm_config_audit: 'false',
      npm_config_fund: 'false',
      npm_config_update_notifier: 'false',
      npm_config_fetch_retries: '0',
      npm_config_loglevel: 'error',
    };
    const whole = `export npm_config_cafile=$NODE_EXTRA_CA_CERTS\n${script}`;
    const { stdout, stderr } = await this.#lab.run(['sh', '-c', whole], { runner, env, timeoutMs: 40_000 });
    return stdout + stderr;
  }
}
