// The keeper's composition root: state, authority, sockets and kernel rules first, then control and workers.
// It is the only process with privilege, and parses nothing of the network but its children's checked requests.

import { join } from 'node:path';
import type { Logger } from 'pino';
import { loadAuthority, loadOrCreateAuthority } from './certs/authority.ts';
import { publishAuthority } from './certs/bundle.ts';
import { createLeafSigner } from './certs/sign-leaf.ts';
import { systemUpstreams, type Config } from './config.ts';
import type { ControlConfiguration } from './control.ts';
import { controlFrameLimit, workerFrameLimit } from './flow/channel.ts';
import { exitCodes } from './flow/errors.ts';
import { openBlockLog } from './kernel/block-log.ts';
import { hardenKeeper } from './kernel/harden.ts';
import { programRights } from './kernel/iptables-tables.ts';
import { closeWorker, openListeners, type Listeners } from './kernel/listeners.ts';
import { openUnixListener } from './kernel/sockets.ts';
import { firstInheritedFd, SupervisedChild } from './kernel/supervise.ts';
import { answerRequest, type RequestPorts } from './kernel/keeper-requests.ts';
import { blockLogGroup, KeptRules } from './keeper-rules.ts';
import { openLog } from './flow/program-log.ts';
import { prepareStateDirectory, writeWhole, type StateDirectory } from './store/state-directory.ts';
import type { WorkerConfiguration } from './worker.ts';

const drainLimitMs = 10_000;
const announceEveryMs = 1_000;
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
  readonly #requestPorts: RequestPorts;
  readonly #listeners: Listeners;
  readonly #rules: KeptRules;
  readonly #blockLog: number;
  readonly #operatorSocket: number;
  readonly #ready = new Set<string>();
  #workers: SupervisedChild[] = [];
  #control: SupervisedChild | null = null;
  #isStopping = false;
  #isAnnounced = false;
  #end: (code: number) => void = () => {};

  constructor(config: Config, version: string) {
    this.#config = config;
    this.#version = version;
    this.#log = openLog('keeper', config.log.level);
    this.#state = prepareStateDirectory(config.state, config.users);
    const authority = config.tls.authority
      ? loadAuthority(config.tls.authority)
      : loadOrCreateAuthority(this.#state.authority);
    const sign = createLeafSigner(authority);
    publishAuthority(authority, this.#state.public);
    this.#listeners = openListeners({
      workers: config.workers,
      workerPort: config.listen.worker,
      addresses: config.addresses,
      operator: config.listen.operator,
      runnerPort: config.listen.runner,
      explicitPort: config.listen.explicit,
    });
    this.#rules = new KeptRules({
      config,
      ports: {
        workers: this.#listeners.workers.map(({ port }) => port),
        runner: this.#listeners.runnerPort,
        operator: Number(this.#listeners.operatorAddress.split(':').at(-1)),
      },
      log: this.#log,
      virtualFile: this.#state.virtualFile,
      tellControl: (event) => this.#control?.notify('event', event),
      tellWorkers: (event) => {
        for (const worker of this.#workers) worker.notify('event', event);
      },
    });
    const rules = this.#rules;
    this.#requestPorts = {
      sign,
      bind: (bindings) => rules.bind(bindings),
      unbind: (bindings) => rules.unbind(bindings),
      assign: (host, runner) => rules.assign(host, runner),
      whose: (address) => rules.whose(address),
      cut: (runner) => rules.cut(runner),
      quarantine: (runner, durationMs) => rules.quarantine(runner, durationMs),
      update: (plan) => rules.update(plan),
    };
    this.#blockLog = openBlockLog(blockLogGroup(config));
    this.#operatorSocket = openUnixListener(this.#state.operatorSocket);
    hardenKeeper(config.kernel.backend === 'iptables' ? programRights : []);
  }

  run(): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<number>();
    this.#end = resolve;
    this.#workers = this.#listeners.workers.map((_, index) => this.#startWorker(index));
    this.#control = this.#startControl();
    this.#rules.watch();
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
      answer: (frame) => answerRequest(frame, 'worker', this.#requestPorts),
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
      answer: (frame) => answerRequest(frame, 'control', this.#requestPorts),
      onReady: () => this.#childReady('control'),
      onEnd: (detail) => this.#childEnded('control', detail),
      onGivenUp: () => {
        this.#log.fatal('control cannot be kept alive');
        void this.#stop(exitCodes.software, { remove: false });
      },
    });
  }

  #childReady(name: string): void {
    this.#ready.add(name);
    if (name !== 'control') this.#control?.notify('event', { kind: 'worker-ready', worker: name });
    if (this.#isAnnounced || this.#ready.size < this.#config.workers + 1) return;
    this.#announce();
  }

  // Retried: a full disk must not end the keeper.
  #announce(): void {
    const content = JSON.stringify({ pid: process.pid, operator: this.#listeners.operatorAddress });
    try {
      writeWhole(this.#state.readyFile, content, 0o644);
      this.#isAnnounced = true;
    } catch (error) {
      this.#log.error({ err: error }, 'ready.json cannot be written');
      setTimeout(() => this.#announce(), announceEveryMs).unref();
    }
  }

  #childEnded(name: string, detail: string): void {
    this.#log.error({ child: name, detail }, 'a child ended and is replaced');
    if (name !== 'control') this.#control?.notify('event', { kind: 'worker-ended', worker: name });
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
    this.#rules.stop();
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
