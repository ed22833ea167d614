// The keeper's composition root: state, authority, sockets and kernel rules first, then control and workers.
// It is the only process with privilege, and parses nothing of the network but its children's checked requests.

import type { Logger } from 'pino';
import { loadAuthority, loadOrCreateAuthority } from './certs/authority.ts';
import { publishAuthority } from './certs/bundle.ts';
import { createLeafSigner } from './certs/sign-leaf.ts';
import type { Config } from './config.ts';
import { exitCodes } from './flow/errors.ts';
import { openBlockLog } from './kernel/block-log.ts';
import { hardenKeeper } from './kernel/harden.ts';
import { keepYoungSmall } from './kernel/heap-room.ts';
import { programRights } from './kernel/iptables-tables.ts';
import { openListeners, type Listeners } from './kernel/listeners.ts';
import { openUnixListener } from './kernel/sockets.ts';
import { Children } from './keeper-children.ts';
import { blockLogGroup, KeptRules, type ListeningPorts } from './keeper-rules.ts';
import { openLog } from './flow/program-log.ts';
import { prepareStateDirectory, writeWhole, type StateDirectory } from './store/state-directory.ts';

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

const portsOf = ({ workers, runnerPort, operatorAddress }: Listeners): ListeningPorts => ({
  workers: workers.flatMap(({ port }) => port ?? []),
  runner: runnerPort,
  operator: Number(operatorAddress.split(':').at(-1)),
});

class Keeper {
  readonly #config: Config;
  readonly #log: Logger;
  readonly #state: StateDirectory;
  readonly #listeners: Listeners;
  readonly #rules: KeptRules;
  readonly #children: Children;
  #isStopping = false;
  #end: (code: number) => void = () => {};

  constructor(config: Config, version: string) {
    this.#config = config;
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
      isSidecar: config.mode === 'sidecar',
      direct: config.kernel.backend === 'none' ? config.listen.direct : null,
      networks: config.runners.networks,
    });
    const { direct } = this.#listeners;
    this.#rules = new KeptRules({
      config,
      ports: portsOf(this.#listeners),
      log: this.#log,
      virtualFile: this.#state.virtualFile,
      tellControl: (event) => this.#children.tellControl(event),
      tellWorkers: (event) => this.#children.tellWorkers(event),
      steer: (pins) => direct?.steer(pins),
    });
    const rules = this.#rules;
    this.#children = new Children({
      config,
      version,
      log: this.#log,
      state: this.#state,
      listeners: this.#listeners,
      blockLog: direct === null ? openBlockLog(blockLogGroup(config)) : null,
      operatorSocket: openUnixListener(this.#state.operatorSocket),
      requests: {
        sign,
        bind: (bindings) => rules.bind(bindings),
        unbind: (bindings) => rules.unbind(bindings),
        assign: (host, runner) => rules.assign(host, runner),
        whose: (address) => rules.whose(address),
        cut: (runner) => rules.cut(runner),
        quarantine: (runner, durationMs) => rules.quarantine(runner, durationMs),
        update: (plan) => rules.update(plan),
        review: (runners) => rules.reviewRunners(runners),
      },
      onWorkerReady: () => rules.quarantines(),
      onReady: () => this.#announce(),
      onHopeless: () => void this.#stop(exitCodes.software, { remove: false }),
    });
    keepYoungSmall();
    hardenKeeper(config.kernel.backend === 'iptables' ? programRights : []);
  }

  run(): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<number>();
    this.#end = resolve;
    this.#children.start();
    this.#rules.watch();
    process.on('SIGHUP', () => this.#children.reload());
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

  // Retried: a full disk must not end the keeper.
  #announce(): void {
    const content = JSON.stringify({ pid: process.pid, operator: this.#listeners.operatorAddress });
    try {
      writeWhole(this.#state.readyFile, content, 0o644);
    } catch (error) {
      this.#log.error({ err: error }, 'ready.json cannot be written');
      setTimeout(() => this.#announce(), announceEveryMs).unref();
    }
  }

  async #stop(code: number, rules: { readonly remove: boolean }): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    await this.#children.stopWorkers(drainLimitMs);
    this.#rules.stop();
    await this.#children.stopControl(2000);
    this.#rules.close(rules);
    this.#end(code);
    // Sockets and standard input may hold the loop; what matters is done.
    setTimeout(() => process.exit(code), 500).unref();
  }
}
