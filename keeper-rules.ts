// The keeper's kernel side: puts plans and bindings in force, verifies and repairs, pins runners to workers, and counts
// what was blocked. The keeper's other side, keeper.ts, starts the processes that this one serves.

import { networkInterfaces } from 'node:os';
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import type { CountWindow, KeeperEvent } from './control.ts';
import type { NetworkPlan } from './flow/network-plan.ts';
import type { Binding, VirtualAddresses } from './flow/ports.ts';
import { DeclaredJobs } from './jobs/declared.ts';
import { BoundNames, type NamedBinding } from './kernel/bound-names.ts';
import { choosePins } from './kernel/choose-pins.ts';
import { openRules, type HeldRules } from './kernel/held-rules.ts';
import { bindBothFamilies, NeighbourTable } from './kernel/neighbours.ts';
import type { KernelConfig } from './kernel/rule-model.ts';
import { readOptional, VirtualPool } from './kernel/virtual-pool.ts';
import { writeWhole } from './store/state-directory.ts';
import type { WorkerEvent } from './worker.ts';

// One small netlink message when nobody wrote anything.
const verifyEveryMs = 250;
const countEveryMs = 1_000;
// At once, and again when workers have put the new policy in force and bind nothing by the old one; the slowest late.
const bindingReviewsMs = [50, 2_000, 10_000, 60_000] as const;
const jobReviewsMs = bindingReviewsMs.slice(0, 2);
const reviewAfterMs = 50;
const pinEveryMs = 2_000;
/** Control, which may have begun anew, is told of machines again after so many looks. */
const machinesAgain = 15;
const planWaitMs = 5_000;
const poolEveryMs = 5_000;
/** Until control has read a policy: everything is redirected to workers that have none, or blocked. */
const closedPlan: NetworkPlan = {
  revision: '',
  interceptedPorts: [80, 443],
  fleet: { mode: 'block', allow: [], block: [] },
  runners: {},
  blocklist: [],
};

export interface KeptRulesOptions {
  readonly config: Config;
  readonly ports: ListeningPorts;
  readonly log: Logger;
  /** File that keeps which virtual address stands for which name. */
  readonly virtualFile: string;
  readonly tellControl: (event: KeeperEvent) => void;
  readonly tellWorkers: (event: WorkerEvent) => void;
  /** Without rules: gives each of these addresses to its worker. */
  readonly steer: (workers: ReadonlyMap<string, number>) => void;
}

/** The ports that the listeners are really bound to. */
export interface ListeningPorts {
  readonly workers: readonly number[];
  readonly runner: number;
  readonly operator: number;
}

export class KeptRules {
  readonly #options: KeptRulesOptions;
  readonly #rules: HeldRules;
  readonly #jobs: DeclaredJobs;
  readonly #neighbours = new NeighbourTable();
  readonly #names = new BoundNames();
  readonly #quarantined = new Map<string, number>();
  readonly #virtual: VirtualPool | null;
  readonly #timers: NodeJS.Timeout[] = [];
  #isVerified = true;
  #isReviewing = false;
  #isStopping = false;
  #hasPlan = false;
  #machines = { text: '', looks: 0 };
  #turnsMs: readonly [number, number] = [Date.now(), Date.now()];

  /** Everything is blocked when it returns. @throws SallyportError */
  constructor(options: KeptRulesOptions) {
    const { config, ports } = options;
    this.#options = options;
    this.#jobs = new DeclaredJobs(config.jobs);
    this.#rules = openRules(config.kernel.backend, kernelConfigOf(config, ports), options.steer);
    this.#rules.start(closedPlan);
    this.#virtual = config.steer.pool.length === 0 ? null : this.#openPool();
  }

  #openPool(): VirtualPool {
    const { config, log, virtualFile } = this.#options;
    return new VirtualPool({
      pool: config.steer.pool,
      interfaces: config.runners.interfaces,
      read: () => readOptional(virtualFile),
      write: (json) => writeWhole(virtualFile, json, 0o600),
      onProblem: (error) => log.error({ err: error }, 'the file of virtual addresses is not usable'),
    });
  }

  /** The virtual addresses that stand for a host. @throws SallyportError */
  assign(host: string, runner: string): VirtualAddresses {
    return this.#virtual?.assign(host, runner) ?? { v4: null, v6: null };
  }

  /** The host that a virtual address stands for, or null. */
  whose(address: string): string | null {
    return this.#virtual?.hostOf(address) ?? null;
  }

  /** Begins to verify, pin and count. @throws SallyportError */
  watch(): void {
    this.#timers.push(setInterval(() => this.#verify(), verifyEveryMs));
    // By time, and at once when the kernel tells of another process's change.
    this.#rules.watch(() => this.#verify());
    setTimeout(() => this.#closeWithoutPlan(), planWaitMs).unref();
    this.#pinRunners();
    this.#timers.push(setInterval(() => this.#pinRunners(), pinEveryMs));
    if (this.#virtual !== null) this.#timers.push(setInterval(() => this.#keepPool(), poolEveryMs));
    const count = (): void => {
      this.#reportBlocked();
      const virtual = this.#virtual === null ? {} : { virtual: this.#virtual.size };
      this.#options.tellControl({ kind: 'sets', sizes: { ...this.#rules.counters(), ...virtual } });
    };
    this.#timers.push(setInterval(count, countEveryMs));
  }

  /** @throws SallyportError */
  update(plan: NetworkPlan): void {
    this.#rules.update(plan);
    this.#hasPlan = true;
    for (const delayMs of bindingReviewsMs) this.#reviewBindings(delayMs);
  }

  /** Tells what is bound for these runners, whose jobs came or went: at once, and when workers know as much. */
  reviewRunners(runners: readonly string[]): void {
    const wanted = new Set(runners);
    for (const delayMs of jobReviewsMs) this.#reviewBindings(delayMs, ({ runner }) => wanted.has(runner));
  }

  /** @throws SallyportError */
  bind(bindings: readonly Binding[]): void {
    this.#virtual?.use(bindings);
    const all = bindBothFamilies(bindings, (runner) => this.#siblingsOf(runner));
    this.#rules.bind(all);
    this.#names.remember(all);
  }

  /** @throws SallyportError */
  unbind(bindings: readonly Binding[]): void {
    this.#rules.unbind(bindings);
    this.#names.forget(bindings);
    this.#reviewConnections();
  }

  /** @throws SallyportError */
  cut(runner: string): void {
    this.#rules.cut(runner);
    this.#names.forgetRunner(runner);
    this.#options.tellWorkers({ kind: 'cut', runner });
  }

  /** Cuts a runner off for `durationMs`; 0 lifts it. @throws SallyportError */
  quarantine(runner: string, durationMs: number): void {
    const isSidecar = this.#options.config.mode === 'sidecar';
    // In a sidecar there is one runner, and every address of the machine is its own.
    for (const address of isSidecar ? new Set([runner, ...machineAddresses()]) : [runner]) {
      this.#rules.quarantine(address, durationMs);
      this.#tellQuarantine(address, durationMs);
      if (durationMs > 0) this.#names.forgetRunner(address);
    }
  }

  /** What a worker that begins must know. */
  quarantines(): WorkerEvent[] {
    return [...this.#quarantined].flatMap(([runner, untilMs]) => {
      const durationMs = untilMs - performance.now();
      return durationMs > 0 ? [{ kind: 'quarantine' as const, runner, durationMs }] : [];
    });
  }

  // Beside the kernel's, which is not there without rules.
  #tellQuarantine(runner: string, durationMs: number): void {
    const now = performance.now();
    for (const [known, untilMs] of this.#quarantined) if (untilMs <= now) this.#quarantined.delete(known);
    if (durationMs > 0) this.#quarantined.set(runner, now + durationMs);
    else this.#quarantined.delete(runner);
    this.#options.tellWorkers({ kind: 'quarantine', runner, durationMs });
  }

  /** Ends the timers and tells of everything that was counted so far. */
  stop(): void {
    this.#isStopping = true;
    for (const timer of this.#timers) clearInterval(timer);
    // Each half of the counts once: what was blocked up to now is recorded before control ends.
    this.#reportBlocked();
    this.#reportBlocked();
  }

  /** @throws SallyportError */
  close(options: { readonly remove: boolean }): void {
    this.#rules.close(options);
    // Whether the rules stay or not: nobody is there to answer.
    this.#virtual?.close({ remove: true });
    this.#neighbours.close();
  }

  // What the last keeper let pass stays while the policy is read; without a policy nothing does.
  #closeWithoutPlan(): void {
    if (this.#hasPlan || this.#isStopping) return;
    try {
      this.#rules.closeBindings();
      this.#options.tellWorkers({ kind: 'rules-repaired' });
    } catch (error) {
      this.#options.log.error({ err: error }, 'connections of the time before could not be ended');
    }
  }

  // Bindings are taken back in parts: one look at all connections afterwards is enough.
  #reviewConnections(): void {
    if (this.#isReviewing) return;
    this.#isReviewing = true;
    setTimeout(() => {
      this.#isReviewing = false;
      try {
        this.#rules.review();
      } catch (error) {
        this.#options.log.error({ err: error }, 'connections that are no longer allowed could not be ended');
      }
    }, reviewAfterMs).unref();
  }

  /** Other addresses of the runner, as far as they belong to the same job: what one may reach the other may. */
  #siblingsOf(runner: string): string[] {
    const own = this.#jobs.attribute(runner);
    const declared = own.job === null ? [] : [...this.#jobs.addresses()].map(([address]) => address);
    return [...declared, ...this.#neighbours.siblingsOf(runner)].filter(
      (address) => this.#jobs.attribute(address) === own,
    );
  }

  /** Tells control what is bound, so that it takes back what its policy allows no more. */
  #reviewBindings(delayMs: number, isWanted: (binding: NamedBinding) => boolean = () => true): void {
    const tell = (): void => {
      const bindings = this.#names.list().filter(isWanted);
      for (let i = 0; i < bindings.length; i += 1000) {
        this.#options.tellControl({ kind: 'bound', bindings: bindings.slice(i, i + 1000) });
      }
    };
    setTimeout(tell, delayMs).unref();
  }

  #verify(): void {
    if (this.#isStopping) return;
    try {
      const difference = this.#rules.verify();
      if (!this.#isVerified) this.#options.tellControl({ kind: 'rules-verified', ok: true });
      this.#isVerified = true;
      if (difference === null) return;
      this.#rules.repair();
      this.#options.log.error({ difference }, 'the kernel’s rules differed from ours and were repaired');
      this.#options.tellControl({ kind: 'rules-repaired', detail: difference });
      this.#options.tellWorkers({ kind: 'rules-repaired' });
    } catch (error) {
      if (this.#isVerified)
        this.#options.log.error({ err: error }, 'the kernel’s rules could not be verified');
      this.#isVerified = false;
      this.#options.tellControl({ kind: 'rules-verified', ok: false });
    }
  }

  // Declared jobs first: what an operator wrote is surer than what the neighbour table says.
  #pinRunners(): void {
    try {
      const declared = Map.groupBy(this.#jobs.addresses(), ([, attribution]) => attribution);
      const groups = [...declared.values()].map((entries) => entries.map(([address]) => address));
      const machines = this.#neighbours.machines();
      this.#tellMachines(machines);
      const pins = choosePins([...groups, ...machines], {
        workers: this.#options.config.workers,
        networks: this.#options.config.runners.networks,
      });
      this.#rules.pin(pins);
    } catch (error) {
      this.#options.log.warn(
        { err: error },
        'runners could not be pinned: the hash of their address decides',
      );
    }
  }

  /** The addresses of one machine are one job's, also in the family in which nobody heard of it. */
  #tellMachines(machines: readonly (readonly string[])[]): void {
    const text = JSON.stringify(machines);
    const looks = text === this.#machines.text ? this.#machines.looks + 1 : 0;
    this.#machines = { text, looks: looks % machinesAgain };
    if (looks % machinesAgain === 0) this.#options.tellControl({ kind: 'machines', machines });
  }

  // An interface that goes down and comes back has lost its IPv6 addresses.
  #keepPool(): void {
    try {
      this.#virtual?.repair();
    } catch (error) {
      this.#options.log.error({ err: error }, 'virtual addresses could not be put back');
    }
  }

  /** What is read now was counted between the turn before the last one and the last. */
  #turnWindow(): CountWindow {
    const [fromMs, untilMs] = this.#turnsMs;
    this.#turnsMs = [untilMs, Date.now()];
    return { fromMs, untilMs };
  }

  #reportBlocked(): void {
    try {
      const window = this.#turnWindow();
      const rows = this.#rules.countBlocked().map((row) => ({ ...row, host: this.#names.find(row) }));
      // An empty window is told too: events that wait for their count end by time.
      for (let i = 0; i === 0 || i < rows.length; i += 1000) {
        this.#options.tellControl({ kind: 'blocked', rows: rows.slice(i, i + 1000), window });
      }
    } catch (error) {
      this.#options.log.error({ err: error }, 'blocked packets could not be counted');
    }
  }
}

/** NFLOG group: several gateways of one machine (each `run` is one) must not read one another's log. */
export function blockLogGroup(config: Config): number {
  let hash = 0;
  for (const char of config.kernel.table) hash = (hash * 31 + char.charCodeAt(0)) & 0x7fff;
  return 1000 + (hash % 60_000);
}

/** What the rule set needs of the configuration; `ports` are those that the listeners are really bound to. */
export function kernelConfigOf(config: Config, ports: ListeningPorts): KernelConfig {
  return {
    mode: config.mode,
    table: config.kernel.table,
    runnerInterfaces: config.runners.interfaces,
    runnerNetworks: config.runners.networks,
    gatewayAddresses: config.addresses,
    virtualPool: config.steer.pool,
    proxyPeers: config.listen.proxyProtocolPeers,
    externalInterface: config.external?.interface ?? null,
    masquerade: config.external?.masquerade ?? false,
    workers: ports.workers.length,
    workerPorts: ports.workers,
    explicitPort: config.listen.explicit,
    runnerPort: ports.runner,
    operatorPort: ports.operator,
    guardMark: config.kernel.guardMark,
    // In a sidecar only workers dial; a job may well be root.
    exemptUids: [config.users.worker],
    seed: process.pid & 0xffff,
    logGroup: blockLogGroup(config),
  };
}

function machineAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  return ['127.0.0.1', '::1', ...all.map(({ address }) => address)].filter(
    (text) => !/^fe[89ab]/i.test(text),
  );
}
