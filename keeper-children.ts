// The keeper's processes: control and one worker for each set of sockets, their replacement when they end, and the swap
// of all of them for a new version of the program while the old ones drain. It decides nothing about traffic.

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { readAccessSecrets, withoutAccess } from './access-in-force.ts';
import type { Config } from './config.ts';
import { systemUpstreams } from './config.ts';
import type { ControlConfiguration, KeeperEvent } from './control.ts';
import { controlFrameLimit, workerFrameLimit } from './flow/channel.ts';
import { SallyportError } from './flow/errors.ts';
import { keeperProtocol } from './flow/keeper-client.ts';
import { answerRequest, type RequestPorts } from './kernel/keeper-requests.ts';
import type { Listeners, WorkerSockets } from './kernel/listeners.ts';
import { controlFlags, relayFlags } from './kernel/heap-room.ts';
import { closeWorker, reopenWorker } from './kernel/listeners.ts';
import { firstInheritedFd, SupervisedChild, type ChildSpec } from './kernel/supervise.ts';
import { readStoreSecrets, storePaths } from './store-in-force.ts';
import type { StateDirectory } from './store/state-directory.ts';
import { readFeedSecrets, readProxySecrets } from './proxy-secrets.ts';
import { withoutFeedUrl } from './feed-config.ts';
import { OperatorCertificates } from './operator-certificate.ts';
import type { WorkerConfiguration, WorkerEvent } from './worker.ts';

/** A worker that cannot be kept alive is tried again after this time; its runners fail at once meanwhile. */
const retryGivenUpMs = 10_000;
/** How long the new workers of an upgrade may take to serve. */
const upgradeReadyMs = 60_000;
/** After the answer to whoever asked for the upgrade, control itself is replaced. */
const controlSwapMs = 300;

export interface ChildrenOptions {
  readonly config: Config;
  readonly version: string;
  readonly log: Logger;
  readonly state: StateDirectory;
  readonly listeners: Listeners;
  /** NFLOG socket; null without kernel rules. */
  readonly blockLog: number | null;
  readonly operatorSocket: number;
  readonly requests: Omit<RequestPorts, 'upgrade'>;
  /** What a worker that begins to serve is told. */
  readonly onWorkerReady: () => readonly WorkerEvent[];
  /** Called once, when control and every worker have served. */
  readonly onReady: () => void;
  /** Called when nothing can be kept alive any more. */
  readonly onHopeless: () => void;
}

interface Place {
  readonly index: number;
  sockets: WorkerSockets;
  child: SupervisedChild | null;
  name: string;
  isGivenUp: boolean;
}

/** The same for all workers of this keeper, also after an upgrade: records name tokens by hashes under it. */
const tokenKey = randomBytes(32).toString('base64');

export class Children {
  readonly #options: ChildrenOptions;
  readonly #ports: RequestPorts;
  readonly #places: Place[];
  readonly #retiring = new Map<string, SupervisedChild>();
  /** Workers of an upgrade under way: they share the sockets of those that they are to replace. */
  readonly #fresh = new Map<string, SupervisedChild>();
  readonly #ready = new Set<string>();
  readonly #live = new Set<number>();
  /** New workers that ended before they served. */
  readonly #failed = new Set<string>();
  readonly #certificates: OperatorCertificates;
  #control: SupervisedChild | null = null;
  #generation = 0;
  #isUpgrading = false;
  #isStopping = false;
  #isAnnounced = false;

  constructor(options: ChildrenOptions) {
    this.#options = options;
    this.#ports = { ...options.requests, upgrade: () => this.upgrade() };
    this.#certificates = new OperatorCertificates(options.config, options.log);
    this.#certificates.watch((pair) => this.tellControl({ kind: 'operator-certificate', ...pair }));
    this.#places = options.listeners.workers.map((sockets, index) => ({
      index,
      sockets,
      child: null,
      name: this.#nameOf(index),
      isGivenUp: false,
    }));
  }

  start(): void {
    for (const place of this.#places) place.child = this.#startWorker(place, place.name);
    this.#control = this.#startControl();
  }

  tellControl(event: KeeperEvent): void {
    this.#control?.notify('event', event);
  }

  /** Those that drain are told too: what they still carry is subject to the same cut. */
  tellWorkers(event: WorkerEvent): void {
    for (const worker of this.#allWorkers()) worker.notify('event', event);
  }

  reload(): void {
    this.#control?.notify('reload');
  }

  /**
   * Starts a worker of the program as it now lies on disk beside each old one, on the same sockets; when all of them
   * serve, the old ones take nothing new and drain, and control is replaced. @throws SallyportError when one of the
   * new ones does not serve: the old ones then go on as if nothing had been
   */
  async upgrade(): Promise<void> {
    if (this.#isUpgrading || this.#isStopping) {
      throw new SallyportError(
        'usage',
        'an upgrade or a stop is under way already; try again when it is over',
      );
    }
    this.#isUpgrading = true;
    try {
      await this.#swapWorkers();
    } finally {
      this.#isUpgrading = false;
      for (const place of this.#places)
        if (place.child === null && !place.isGivenUp) this.#giveUp(place, place.name);
    }
    setTimeout(() => void this.#swapControl(), controlSwapMs);
  }

  async stopWorkers(limitMs: number): Promise<void> {
    this.#isStopping = true;
    await Promise.all([...this.#allWorkers()].map((worker) => worker.stop(limitMs)));
  }

  async stopControl(limitMs: number): Promise<void> {
    await this.#control?.stop(limitMs);
  }

  *#allWorkers(): Generator<SupervisedChild> {
    for (const { child } of this.#places) if (child !== null) yield child;
    yield* this.#retiring.values();
    yield* this.#fresh.values();
  }

  #nameOf(index: number): string {
    return this.#generation === 0 ? `worker-${index}` : `worker-${index}.${this.#generation}`;
  }

  async #swapWorkers(): Promise<void> {
    const { log } = this.#options;
    this.#generation += 1;
    const places = this.#places.filter(({ isGivenUp }) => !isGivenUp);
    try {
      for (const place of places) {
        const name = this.#nameOf(place.index);
        this.#fresh.set(name, this.#startWorker(place, name, true));
      }
      await this.#untilReady([...this.#fresh.keys()]);
    } catch (error) {
      await this.#stopFresh();
      throw error;
    }
    for (const place of places) {
      const old = { name: place.name, child: place.child };
      place.name = this.#nameOf(place.index);
      place.child = this.#fresh.get(place.name) ?? null;
      if (old.child !== null) void this.#retire(old.name, old.child);
    }
    this.#fresh.clear();
    this.#tellNames();
    log.warn({ generation: this.#generation }, 'new workers serve; the old ones drain');
  }

  async #stopFresh(): Promise<void> {
    const fresh = [...this.#fresh];
    await Promise.all(fresh.map(([, child]) => child.stop(0)));
    for (const [name] of fresh) this.#ready.delete(name);
    this.#fresh.clear();
  }

  async #retire(name: string, child: SupervisedChild): Promise<void> {
    this.#retiring.set(name, child);
    this.#ready.delete(name);
    await child.retire(this.#options.config.limits.drainSeconds * 1000);
    this.#retiring.delete(name);
    this.#tellNames();
    this.#options.log.warn({ child: name }, 'an old worker has drained');
  }

  async #swapControl(): Promise<void> {
    if (this.#isStopping) return;
    const old = this.#control;
    this.#control = null;
    await old?.stop(2000);
    if (!this.#isStopping) this.#control = this.#startControl();
  }

  /** @throws SallyportError when one of them does not serve in time, or nobody is to serve any more */
  async #untilReady(names: readonly string[]): Promise<void> {
    const until = performance.now() + upgradeReadyMs;
    while (!names.every((name) => this.#ready.has(name))) {
      const isFailed = this.#isStopping || names.some((name) => this.#failed.has(name));
      if (isFailed || performance.now() >= until)
        throw new SallyportError('internal', 'a new worker does not serve; the old ones go on: see the log');
      await sleep(20);
    }
  }

  #startWorker(place: Place, name: string, isFresh = false): SupervisedChild {
    const { config, state, listeners } = this.#options;
    const { sockets } = place;
    const fds = new InheritedFds();
    const configuration: WorkerConfiguration = {
      protocol: keeperProtocol,
      config: withoutAccess(withoutFeedUrl(config)),
      name,
      state,
      upstreams: config.dns.upstreams ?? systemUpstreams(),
      secrets: readProxySecrets(config),
      tokenKey,
      ownPorts: this.#ownPorts(),
      standing: sockets.standing,
      fds: {
        tcp: sockets.tcp.map((fd) => fds.add(fd)),
        udp4: fds.addOptional(sockets.udp4),
        udp6: fds.addOptional(sockets.udp6),
        explicit: listeners.explicit.map((fd) => fds.add(fd)),
      },
    };
    return this.#startChild(name, 'worker', fds.list, configuration, {
      onEnd: (detail) => {
        if (isFresh && !this.#ready.has(name)) this.#failed.add(name);
        this.#childEnded(name, detail);
      },
      onGivenUp: () => this.#giveUp(place, name),
    });
  }

  #startControl(): SupervisedChild {
    const { config, state, version, listeners, blockLog, operatorSocket } = this.#options;
    const fds = new InheritedFds();
    const settings: Omit<ControlConfiguration, 'workers' | 'live' | 'operatorCertificate'> = {
      protocol: keeperProtocol,
      config,
      state,
      version,
      upstreams: config.dns.upstreams ?? systemUpstreams(),
      feedSecrets: readFeedSecrets(config),
      accessSecrets: readAccessSecrets(config),
      storeSecrets: readStoreSecrets(config),
      fds: {
        operator: fds.add(listeners.operator),
        runner: listeners.runner.map((fd) => fds.add(fd)),
        blockLog: fds.addOptional(blockLog),
        actions: fds.add(operatorSocket),
      },
    };
    const configuration = (): ControlConfiguration => ({
      ...settings,
      operatorCertificate: this.#certificates.current,
      workers: this.#names(),
      live: { pids: [...this.#live], atMs: Date.now() },
    });
    return this.#startChild('control', 'control', fds.list, configuration, {
      onEnd: (detail) => this.#childEnded('control', detail),
      onGivenUp: () => {
        this.#options.log.fatal('control cannot be kept alive');
        this.#options.onHopeless();
      },
    });
  }

  #startChild(
    name: string,
    program: 'control' | 'worker',
    fds: readonly number[],
    configuration: ChildSpec['configuration'],
    calls: Pick<ChildSpec, 'onEnd' | 'onGivenUp'>,
  ): SupervisedChild {
    const { config, state } = this.#options;
    const isControl = program === 'control';
    return new SupervisedChild({
      name,
      script: programFile(program),
      // The store has a thread of control's; workers, which read what is hostile, may have none.
      flags: isControl ? controlFlags : relayFlags,
      uid: isControl ? config.users.control : config.users.worker,
      gid: config.users.group,
      fds,
      writable: [
        state.segments,
        ...(isControl ? [state.policy, ...storePaths(config)] : [state.stats, state.seen, state.jobs]),
      ],
      frameLimit: isControl ? controlFrameLimit : workerFrameLimit,
      configuration,
      answer: (frame) => answerRequest(frame, program, this.#ports),
      onReady: () => this.#childReady(name),
      onStarted: (pid) => this.#live.add(pid),
      onGone: (pid) => this.#gone(name, pid),
      ...calls,
    });
  }

  // The flows that it had open are closed in the records by control.
  #gone(name: string, pid: number): void {
    this.#live.delete(pid);
    if (name !== 'control') this.tellControl({ kind: 'worker-gone', pid });
  }

  #childReady(name: string): void {
    this.#ready.add(name);
    if (name !== 'control') this.#workerReady(name);
    const all = ['control', ...this.#names().current];
    if (this.#isAnnounced || !all.every((one) => this.#ready.has(one))) return;
    this.#isAnnounced = true;
    this.#options.onReady();
  }

  #workerReady(name: string): void {
    this.tellControl({ kind: 'worker-ready', worker: name });
    for (const event of this.#options.onWorkerReady()) this.tellWorkers(event);
  }

  #childEnded(name: string, detail: string): void {
    this.#options.log.error({ child: name, detail }, 'a child ended and is replaced');
    if (name !== 'control') this.tellControl({ kind: 'worker-ended', worker: name });
  }

  /** Its runners fail at once instead of waiting for nobody, all others go on; it is tried again after a while. */
  #giveUp(place: Place, name: string): void {
    // The new one of an upgrade that failed leaves the sockets to the old one.
    if (place.name !== name) return;
    const { log, listeners } = this.#options;
    place.child = null;
    // Its sockets are those of the new one, which is started again with the same numbers: looked at after the upgrade.
    if (this.#isUpgrading) return;
    place.isGivenUp = true;
    closeWorker(listeners, place.index);
    log.fatal({ child: name }, 'a worker cannot be kept alive: its sockets are closed for a while');
    if (this.#places.every(({ isGivenUp }) => isGivenUp)) return this.#options.onHopeless();
    setTimeout(() => this.#tryAgain(place), retryGivenUpMs);
  }

  #tryAgain(place: Place): void {
    if (this.#isStopping) return;
    const { listeners, log } = this.#options;
    let isOpen = false;
    try {
      place.sockets = reopenWorker(listeners, place.index);
      isOpen = true;
      place.child = this.#startWorker(place, place.name);
      place.isGivenUp = false;
    } catch (error) {
      if (isOpen) closeWorker(listeners, place.index);
      log.error({ err: error, child: place.name }, 'a worker that was given up cannot be started yet');
      setTimeout(() => this.#tryAgain(place), retryGivenUpMs);
    }
  }

  #names(): { readonly current: readonly string[]; readonly retiring: readonly string[] } {
    return { current: this.#places.map(({ name }) => name), retiring: [...this.#retiring.keys()] };
  }

  #tellNames(): void {
    this.tellControl({ kind: 'workers', names: this.#names() });
  }

  #ownPorts(): number[] {
    const { listen } = this.#options.config;
    const workers = this.#options.listeners.workers.flatMap(({ port }) => port ?? []);
    return listen.explicit === null ? workers : [...workers, listen.explicit];
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
