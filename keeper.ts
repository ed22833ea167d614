// The keeper's composition root: state, authority, sockets and kernel rules first, then control and workers.
// It is the only process with privilege, and parses nothing of the network but its children's checked requests.

import { join } from 'node:path';
import { pino, type Logger } from 'pino';
import { loadAuthority, loadOrCreateAuthority } from './certs/authority.ts';
import { publishAuthority } from './certs/bundle.ts';
import { createLeafSigner } from './certs/sign-leaf.ts';
import { systemUpstreams, type Config } from './config.ts';
import type { ControlConfiguration } from './control.ts';
import { controlFrameLimit, workerFrameLimit, type Frame } from './flow/channel.ts';
import { exitCodes, SallyportError } from './flow/errors.ts';
import type { NetworkPlan } from './flow/network-plan.ts';
import type { Binding } from './flow/ports.ts';
import { DeclaredJobs } from './jobs/declared.ts';
import { openBlockLog } from './kernel/block-log.ts';
import { BoundNames } from './kernel/bound-names.ts';
import { choosePins } from './kernel/choose-pins.ts';
import { readBindings, readPlan, readQuarantine, readRunner } from './kernel/check-message.ts';
import { hardenKeeper } from './kernel/harden.ts';
import { openRules, type HeldRules } from './kernel/held-rules.ts';
import { programRights } from './kernel/iptables-tables.ts';
import { closeWorker, openListeners, type Listeners } from './kernel/listeners.ts';
import { bindBothFamilies, NeighbourTable } from './kernel/neighbours.ts';
import type { KernelConfig } from './kernel/rule-model.ts';
import { openUnixListener } from './kernel/sockets.ts';
import { firstInheritedFd, SupervisedChild } from './kernel/supervise.ts';
import { prepareStateDirectory, writeWhole, type StateDirectory } from './store/state-directory.ts';
import type { WorkerConfiguration, WorkerEvent } from './worker.ts';

const drainLimitMs = 10_000;
// One small netlink message when nobody wrote anything.
const verifyEveryMs = 250;
const countEveryMs = 1_000;
// At once, and once more when workers have put the new policy in force and bind nothing by the old one.
const bindingReviewsMs = [50, 2_000] as const;
const reviewAfterMs = 50;
const pinEveryMs = 5_000;
const nothing = Buffer.alloc(0);
/** Until control has read a policy: everything is redirected to workers that have none, or blocked. */
const closedPlan: NetworkPlan = {
  revision: '',
  interceptedPorts: [80, 443],
  fleet: { mode: 'block', allow: [], block: [] },
  runners: {},
  blocklist: [],
};

/** Runs the gateway until SIGTERM or SIGINT; resolves with the exit code. @throws SallyportError when it cannot start */
export async function runKeeper(
  config: Config,
  version: string,
  options: { readonly untilInputCloses: boolean },
): Promise<number> {
  const keeper = new Keeper(config, version);
  if (options.untilInputCloses) keeper.stopWithInput();
  return keeper.run();
}

class Keeper {
  readonly #config: Config;
  readonly #version: string;
  readonly #log: Logger;
  readonly #state: StateDirectory;
  readonly #sign: (toBeSigned: Uint8Array) => Uint8Array;
  readonly #listeners: Listeners;
  readonly #rules: HeldRules;
  readonly #blockLog: number;
  readonly #operatorSocket: number;
  readonly #ready = new Set<string>();
  readonly #jobs: DeclaredJobs;
  readonly #neighbours = new NeighbourTable();
  readonly #names = new BoundNames();
  #workers: SupervisedChild[] = [];
  #control: SupervisedChild | null = null;
  readonly #timers: NodeJS.Timeout[] = [];
  #isStopping = false;
  #isReviewing = false;
  #isVerified = true;
  #end: (code: number) => void = () => {};

  constructor(config: Config, version: string) {
    this.#config = config;
    this.#version = version;
    this.#jobs = new DeclaredJobs(config.jobs);
    this.#log = pino({ name: 'keeper', level: config.log.level }, pino.destination({ dest: 2, sync: true }));
    this.#state = prepareStateDirectory(config.state, config.users);
    const authority = config.tls.authority
      ? loadAuthority(config.tls.authority)
      : loadOrCreateAuthority(this.#state.authority);
    this.#sign = createLeafSigner(authority);
    publishAuthority(authority, this.#state.public);
    this.#listeners = openListeners({
      workers: config.workers,
      workerPort: config.listen.worker,
      addresses: config.addresses,
      operator: config.listen.operator,
      runnerPort: config.listen.runner,
      explicitPort: config.listen.explicit,
    });
    this.#rules = openRules(
      config.kernel.backend,
      kernelConfigOf(config, {
        workers: this.#listeners.workers.map(({ port }) => port),
        runner: this.#listeners.runnerPort,
        operator: Number(this.#listeners.operatorAddress.split(':').at(-1)),
      }),
    );
    this.#rules.start(closedPlan);
    this.#blockLog = openBlockLog(blockLogGroup(config));
    this.#operatorSocket = openUnixListener(this.#state.operatorSocket);
    hardenKeeper(config.kernel.backend === 'iptables' ? programRights : []);
  }

  run(): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<number>();
    this.#end = resolve;
    this.#workers = this.#listeners.workers.map((_, index) => this.#startWorker(index));
    this.#control = this.#startControl();
    this.#watchRules();
    this.#countBlocked();
    process.on('SIGHUP', () => this.#control?.notify('reload'));
    const remove = !this.#config.kernel.keepOnExit;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => void this.#stop(exitCodes.ok, { remove }));
    }
    return promise;
  }

  /** Ends the gateway when the program that started it is gone; whoever is behind it stays shut in. */
  stopWithInput(): void {
    process.stdin.on('error', () => {});
    process.stdin.once('close', () => void this.#stop(exitCodes.ok, { remove: false }));
    process.stdin.resume();
  }

  #startWorker(index: number): SupervisedChild {
    const sockets = this.#listeners.workers[index]!;
    const { users } = this.#config;
    const fds = new InheritedFds();
    const configuration: WorkerConfiguration = {
      config: this.#config,
      name: `worker-${index}`,
      state: this.#state,
      upstreams: this.#config.dns.upstreams ?? systemUpstreams(),
      ownPorts: this.#ownPorts(),
      fds: {
        tcp: fds.add(sockets.tcp),
        udp4: fds.addOptional(sockets.udp4),
        udp6: fds.addOptional(sockets.udp6),
        explicit: this.#listeners.explicit.map((fd) => fds.add(fd)),
      },
    };
    return new SupervisedChild({
      name: configuration.name,
      script: programFile('worker'),
      uid: users.worker,
      gid: users.group,
      fds: fds.list,
      writable: [this.#state.segments, this.#state.stats],
      frameLimit: workerFrameLimit,
      configuration,
      answer: (frame) => this.#answer(frame),
      onReady: () => this.#childReady(configuration.name),
      onEnd: (detail) => this.#childEnded(configuration.name, detail),
      onGivenUp: () => {
        closeWorker(sockets);
        this.#log.fatal(
          { child: configuration.name },
          'a worker cannot be kept alive: its sockets are closed',
        );
        void this.#stop(exitCodes.software, { remove: false });
      },
    });
  }

  #startControl(): SupervisedChild {
    const fds = new InheritedFds();
    const configuration: ControlConfiguration = {
      config: this.#config,
      state: this.#state,
      version: this.#version,
      fds: {
        operator: fds.add(this.#listeners.operator),
        runner: this.#listeners.runner.map((fd) => fds.add(fd)),
        blockLog: fds.add(this.#blockLog),
        actions: fds.add(this.#operatorSocket),
      },
    };
    return new SupervisedChild({
      name: 'control',
      script: programFile('control'),
      uid: this.#config.users.control,
      gid: this.#config.users.group,
      fds: fds.list,
      writable: [this.#state.segments, this.#state.policy],
      frameLimit: controlFrameLimit,
      configuration,
      answer: (frame) => this.#answerControl(frame),
      onReady: () => this.#childReady('control'),
      onEnd: (detail) => this.#childEnded('control', detail),
      onGivenUp: () => {
        this.#log.fatal('control cannot be kept alive');
        void this.#stop(exitCodes.software, { remove: false });
      },
    });
  }

  #answer(frame: Frame): Uint8Array {
    switch (frame.type) {
      case 'sign':
        return this.#sign(frame.payload);
      case 'bind':
        this.#bind(readBindings(frame.payload));
        return nothing;
      case 'unbind': {
        const bindings = readBindings(frame.payload);
        this.#rules.unbind(bindings);
        this.#names.forget(bindings);
        this.#reviewConnections();
        return nothing;
      }
      case 'cut': {
        const runner = readRunner(frame.payload);
        this.#rules.cut(runner);
        this.#names.forgetRunner(runner);
        this.#tellWorkers({ kind: 'cut', runner });
        return nothing;
      }
      case 'quarantine': {
        const { runner, durationMs } = readQuarantine(frame.payload);
        this.#rules.quarantine(runner, durationMs);
        if (durationMs === 0) return nothing;
        this.#names.forgetRunner(runner);
        this.#tellWorkers({ kind: 'cut', runner });
        return nothing;
      }
      default:
        throw new SallyportError(
          'keeper-unavailable',
          `a request of type ${frame.type} is not for the keeper`,
        );
    }
  }

  #answerControl(frame: Frame): Uint8Array {
    if (frame.type !== 'plan') return this.#answer(frame);
    this.#rules.update(readPlan(frame.payload));
    for (const delayMs of bindingReviewsMs) this.#reviewBindings(delayMs);
    return nothing;
  }

  #tellWorkers(event: WorkerEvent): void {
    for (const worker of this.#workers) worker.notify('event', event);
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
        this.#log.error({ err: error }, 'connections that are no longer allowed could not be ended');
      }
    }, reviewAfterMs).unref();
  }

  #bind(bindings: readonly Binding[]): void {
    const all = bindBothFamilies(bindings, (runner) => this.#siblingsOf(runner));
    this.#rules.bind(all);
    this.#names.remember(all);
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
  #reviewBindings(delayMs: number): void {
    const tell = (): void => {
      const bindings = this.#names.list();
      for (let i = 0; i < bindings.length; i += 1000) {
        this.#control?.notify('event', { kind: 'bound', bindings: bindings.slice(i, i + 1000) });
      }
    };
    setTimeout(tell, delayMs).unref();
  }

  #childReady(name: string): void {
    this.#ready.add(name);
    if (name !== 'control') this.#control?.notify('event', { kind: 'worker-ready', worker: name });
    if (this.#ready.size < this.#config.workers + 1) return;
    writeWhole(
      this.#state.readyFile,
      JSON.stringify({ pid: process.pid, operator: this.#listeners.operatorAddress }),
      0o644,
    );
  }

  #childEnded(name: string, detail: string): void {
    this.#log.error({ child: name, detail }, 'a child ended and is replaced');
    if (name !== 'control') this.#control?.notify('event', { kind: 'worker-ended', worker: name });
  }

  // By time, and at once when the kernel tells of another process's change.
  #watchRules(): void {
    this.#timers.push(setInterval(() => this.#verifyRules(), verifyEveryMs));
    this.#rules.watch(() => this.#verifyRules());
    this.#pinRunners();
    this.#timers.push(setInterval(() => this.#pinRunners(), pinEveryMs));
  }

  #verifyRules(): void {
    if (this.#isStopping) return;
    try {
      const difference = this.#rules.verify();
      if (!this.#isVerified) this.#control?.notify('event', { kind: 'rules-verified', ok: true });
      this.#isVerified = true;
      if (difference === null) return;
      this.#rules.repair();
      this.#log.error({ difference }, 'the kernel’s rules differed from ours and were repaired');
      this.#control?.notify('event', { kind: 'rules-repaired', detail: difference });
      this.#tellWorkers({ kind: 'rules-repaired' });
    } catch (error) {
      if (this.#isVerified) this.#log.error({ err: error }, 'the kernel’s rules could not be verified');
      this.#isVerified = false;
      this.#control?.notify('event', { kind: 'rules-verified', ok: false });
    }
  }

  // Declared jobs first: what an operator wrote is surer than what the neighbour table says.
  #pinRunners(): void {
    try {
      const declared = Map.groupBy(this.#jobs.addresses(), ([, attribution]) => attribution);
      const groups = [...declared.values()].map((entries) => entries.map(([address]) => address));
      const pins = choosePins([...groups, ...this.#neighbours.machines()], {
        workers: this.#config.workers,
        networks: this.#config.runners.networks,
      });
      this.#rules.pin(pins);
    } catch (error) {
      this.#log.warn({ err: error }, 'runners could not be pinned: the hash of their address decides');
    }
  }

  #countBlocked(): void {
    const count = (): void => {
      this.#reportBlocked();
      this.#control?.notify('event', { kind: 'sets', sizes: this.#rules.counters() });
    };
    this.#timers.push(setInterval(count, countEveryMs));
  }

  #reportBlocked(): void {
    try {
      const rows = this.#rules.countBlocked().map((row) => ({ ...row, host: this.#names.find(row) }));
      // An empty window is told too: events that wait for their count end by time.
      for (let i = 0; i === 0 || i < rows.length; i += 1000) {
        this.#control?.notify('event', { kind: 'blocked', rows: rows.slice(i, i + 1000) });
      }
    } catch (error) {
      this.#log.error({ err: error }, 'blocked packets could not be counted');
    }
  }

  #ownPorts(): number[] {
    const { listen } = this.#config;
    const workers = this.#listeners.workers.map(({ port }) => port);
    return listen.explicit === null ? workers : [...workers, listen.explicit];
  }

  async #stop(code: number, rules: { readonly remove: boolean }): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    await Promise.all(this.#workers.map((worker) => worker.stop(drainLimitMs)));
    for (const timer of this.#timers) clearInterval(timer);
    // Each half of the counts once: what was blocked up to now is recorded before control ends.
    this.#reportBlocked();
    this.#reportBlocked();
    await this.#control?.stop(2000);
    this.#rules.close(rules);
    this.#end(code);
    // Sockets and standard input may hold the loop; what matters is done.
    setTimeout(() => process.exit(code), 500).unref();
  }
}

/** Numbers that descriptors of the keeper get in a child. */
class InheritedFds {
  readonly list: number[] = [];

  add(fd: number): number {
    this.list.push(fd);
    return firstInheritedFd + this.list.length - 1;
  }

  addOptional(fd: number | null): number | null {
    return fd === null ? null : this.add(fd);
  }
}

function programFile(name: 'control' | 'worker'): string {
  return join(import.meta.dirname, `${name}${import.meta.filename.endsWith('.js') ? '.js' : '.ts'}`);
}

// Several gateways of one machine (each `run` is one) must not read one another's log.
function blockLogGroup(config: Config): number {
  let hash = 0;
  for (const char of config.kernel.table) hash = (hash * 31 + char.charCodeAt(0)) & 0x7fff;
  return 1000 + (hash % 60_000);
}

/** What the rule set needs of the configuration; `ports` are those that the listeners are really bound to. */
export function kernelConfigOf(
  config: Config,
  ports: { readonly workers: readonly number[]; readonly runner: number; readonly operator: number },
): KernelConfig {
  return {
    mode: config.mode,
    table: config.kernel.table,
    runnerInterfaces: config.runners.interfaces,
    runnerNetworks: config.runners.networks,
    gatewayAddresses: config.addresses,
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
