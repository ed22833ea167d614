// Control's composition root: watches the policy, tells the keeper what it comes to at layers 3 and 4, records
// blocked packets, and serves the operator's and the runner-facing listeners. It has no privilege.

import { Socket } from 'node:net';
import type { Logger } from 'pino';
import type { AccessSecrets } from './access-in-force.ts';
import { ApiInForce } from './api-in-force.ts';
import { createMeter, MetricsSum } from './api/metrics.ts';
import { renewCertificate, type OperatorCertificate } from './api/operator-listener.ts';
import { startOperatorActions } from './api/operator-actions.ts';
import { startOperatorServer } from './api/operator-server.ts';
import { startRunnerServer } from './api/runner-server.ts';
import { readWorkerStats } from './api/worker-stats.ts';
import type { Config, Upstream } from './config.ts';
import { FeedInForce, type FeedSecrets } from './feed-in-force.ts';
import { blocked, type Decision } from './flow/decision.ts';
import type { Frame } from './flow/channel.ts';
import type { Attribution } from './flow/job.ts';
import { KeeperClient, requireProtocol } from './flow/keeper-client.ts';
import { recordAttribution } from './flow/record-attribution.ts';
import { uuidv7 } from './flow/uuid.ts';
import { recordVersion, type FlowRecord } from './flow/flow.ts';
import { DeclaredJobs } from './jobs/declared.ts';
import { JobsOfFleet } from './jobs-of-fleet.ts';
import { shareJobs } from './jobs-of-gateways.ts';
import type { BlockedRow } from './kernel/block-counts.ts';
import { readBlockLog } from './kernel/block-log.ts';
import type { NamedBinding } from './kernel/bound-names.ts';
import { BlockedFlows, type CountedFlow } from './kernel/blocked-flows.ts';
import { hardenWorker } from './kernel/harden.ts';
import { pipeFd } from './kernel/supervise.ts';
import { loadOptionsOf } from './load-options.ts';
import { decideNetwork } from './policy/decide.ts';
import { effectivePolicy } from './policy/scope.ts';
import { steeredPorts } from './policy/steered-ports.ts';
import { virtualPort } from './flow/virtual-port.ts';
import { PlanInForce } from './plan-in-force.ts';
import { PolicyInForce } from './policy/policy-in-force.ts';
import { openLog } from './flow/program-log.ts';
import { packetDecision, timeOfPackets } from './packet-decision.ts';
import { startSources } from './sources-in-force.ts';
import { LostFlows } from './store/lost-flows.ts';
import { SegmentWriter } from './store/segment.ts';
import type { StateDirectory } from './store/state-directory.ts';
import { databaseOf, StoreInForce, type StoreSecrets } from './store-in-force.ts';

/** What the keeper sends first. */
export interface ControlConfiguration {
  /** Which frames and configurations the keeper speaks (keeper-children.ts). */
  readonly protocol: number;
  readonly workers: WorkerNames;
  /** Processes of this gateway when this was written. */
  readonly live: { readonly pids: readonly number[]; readonly atMs: number };
  readonly config: Config;
  readonly state: StateDirectory;
  readonly version: string;
  /** DNS servers that it asks for the server of a malware feed. */
  readonly upstreams: readonly Upstream[];
  readonly feedSecrets: FeedSecrets;
  readonly accessSecrets: AccessSecrets;
  readonly storeSecrets: StoreSecrets;
  /** Null: the operator’s listener speaks plain HTTP. */
  readonly operatorCertificate: OperatorCertificate | null;
  readonly fds: {
    readonly operator: number;
    readonly runner: readonly number[];
    /** NFLOG socket that the keeper opened; null without kernel rules. */
    readonly blockLog: number | null;
    /** Socket of the operator's actions. */
    readonly actions: number;
  };
}

/** Workers that take what is new, and those that drain beside them. */
export interface WorkerNames {
  readonly current: readonly string[];
  readonly retiring: readonly string[];
}

/** When packets were counted, in milliseconds since 1970. */
export interface CountWindow {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** What the keeper tells of itself. */
export type KeeperEvent =
  | { readonly kind: 'worker-gone'; readonly pid: number }
  | { readonly kind: 'workers'; readonly names: WorkerNames }
  | { readonly kind: 'worker-ready' | 'worker-ended'; readonly worker: string }
  | ({ readonly kind: 'operator-certificate' } & OperatorCertificate)
  | { readonly kind: 'rules-repaired'; readonly detail: string }
  | { readonly kind: 'rules-verified'; readonly ok: boolean }
  | { readonly kind: 'blocked'; readonly rows: readonly BlockedRow[]; readonly window: CountWindow }
  | { readonly kind: 'bound'; readonly bindings: readonly NamedBinding[] }
  /** Addresses of one machine each, in both families. */
  | { readonly kind: 'machines'; readonly machines: readonly (readonly string[])[] }
  | { readonly kind: 'sets'; readonly sizes: Readonly<Record<string, number>> };

const statsFreshMs = 5000;
/** The kernel holds events of the block log back for up to 50 ms: counts are joined with them after that. */
const eventDelayMs = 100;
const protocolNames: ReadonlyMap<number, 'tcp' | 'udp' | 'icmp'> = new Map([
  [1, 'icmp'],
  [6, 'tcp'],
  [17, 'udp'],
  [58, 'icmp'],
]);

class Control {
  readonly #settings: ControlConfiguration;
  readonly #keeper: KeeperClient;
  readonly #log: Logger;
  readonly #meter = createMeter();
  readonly #sum = new MetricsSum();
  readonly #recorder: SegmentWriter;
  readonly #fleet: JobsOfFleet;
  readonly #virtual: ReturnType<typeof virtualPort>;
  readonly #inForce: PolicyInForce;
  readonly #feed: FeedInForce;
  readonly #store: StoreInForce;
  readonly #api: ApiInForce;
  readonly #blocked = new BlockedFlows();
  readonly #lost: LostFlows;
  #workers: WorkerNames;
  #lostEvents = 0;
  #areRulesVerified = true;
  #renew: (pair: OperatorCertificate) => void = () => {};
  /** By worker: what its file said last, and when that was news, by a clock that nobody sets. */
  readonly #heard = new Map<string, { readonly said: string | number; readonly atMs: number }>();

  constructor(settings: ControlConfiguration, keeper: KeeperClient) {
    const { config, state } = settings;
    this.#settings = settings;
    this.#workers = settings.workers;
    this.#keeper = keeper;
    this.#log = openLog('control', config.log.level);
    const { maxSegmentBytes, maxTotalBytes } = config.records;
    const segments = { directory: state.segments, maxSegmentBytes, maxTotalBytes, meter: this.#meter };
    this.#recorder = new SegmentWriter({ ...segments, process: 'control' });
    this.#lost = new LostFlows({ ...segments, log: this.#log });
    const declared = new DeclaredJobs(config.jobs);
    this.#fleet = new JobsOfFleet({
      declared,
      state,
      log: this.#log,
      meter: this.#meter,
      workers: () => [...this.#workers.current, ...this.#workers.retiring],
      onChange: (addresses) => this.#jobsChanged(addresses),
    });
    this.#virtual = virtualPort(config.steer.pool, keeper);
    this.#meter.gauge('sallyport_build_info', 1, { version: settings.version, node: process.version });
    for (const name of ['sallyport_worker_restarts_total', 'sallyport_rules_repaired_total'] as const) {
      this.#meter.count(name, {}, 0);
    }
    this.#feed = new FeedInForce({
      config,
      state,
      upstreams: settings.upstreams,
      secrets: settings.feedSecrets,
      log: this.#log,
      meter: this.#meter,
    });
    const own = { config, state, log: this.#log, meter: this.#meter };
    this.#store = new StoreInForce({ ...own, secrets: settings.storeSecrets });
    const plan = new PlanInForce({
      give: (next) => keeper.plan(next),
      declared: () => declared.ranges(),
      live: () => this.#fleet.live(),
    });
    this.#inForce = new PolicyInForce({
      path: config.policy,
      bundleFile: state.bundleFile,
      loadOptions: loadOptionsOf(config, declared),
      plan: (policy) => plan.put(policy),
      planAgain: (policy) => plan.putAgain(policy),
      log: this.#log,
      meter: this.#meter,
    });
    this.#api = new ApiInForce({
      settings,
      store: this.#store,
      policy: this.#inForce,
      live: () => this.#fleet.table,
      quarantine: (runner, durationMs, reason) => this.#quarantine(runner, durationMs, reason),
      problems: () => this.#problems(),
      workers: () => this.#workers.current.length,
      log: this.#log,
    });
  }

  async start(): Promise<void> {
    const { fds, state, operatorCertificate } = this.#settings;
    const server = await startOperatorServer({
      fd: fds.operator,
      certificate: operatorCertificate,
      metrics: () => this.#metrics(),
      problems: () => this.#problems(),
      malwareFeed: () => this.#feed.tell(),
      store: () => this.#store.facts(),
      addApi: (app) => this.#api.add(app),
    });
    this.#renew = (pair) => renewCertificate(server, pair);
    await startOperatorActions({
      fd: fds.actions,
      quarantine: (runner, durationMs, reason) => this.#quarantine(runner, durationMs, reason),
      upgrade: (reason) => this.#upgrade(reason),
      access: this.#api.access,
      pauseStore: (seconds) => this.#store.pause(seconds * 1000),
    });
    const sources = startSources(this.#settings, this.#fleet, { log: this.#log, meter: this.#meter });
    for (const fd of fds.runner) startRunnerServer(fd, state.public, sources.claims);
    if (fds.blockLog !== null) {
      readBlockLog(
        fds.blockLog,
        (event) => this.#blocked.add(event),
        (error) =>
          this.#log.error({ err: error }, 'the block log cannot be read: reasons come from policy alone'),
      );
    }
    const { pids, atMs } = this.#settings.live;
    this.#lost.closeBefore(atMs, new Set(pids));
    setInterval(() => this.#readStats(), 1000).unref();
    this.#fleet.start();
    const { config, storeSecrets } = this.#settings;
    const sharing = {
      config,
      fleet: this.#fleet,
      database: () => databaseOf(config, storeSecrets),
      log: this.#log,
    };
    // The store makes the tables that gateways share.
    void this.#store.start().then(() => shareJobs(sharing));
    // Last: a large policy takes the kernel a while, and whoever asks is told meanwhile what is missing.
    await this.#inForce.read();
    this.#inForce.adopt();
    this.#keeper.ready({});
    // Hundreds of thousands of files take a while; meanwhile every package counts as malicious.
    await this.#feed.start();
  }

  onNotice(frame: Frame): void {
    if (frame.type === 'reload') void this.#inForce.read();
    if (frame.type === 'drain') {
      // After the rows that came before this.
      setTimeout(() => {
        this.#api.close();
        this.#fleet.close();
        this.#recorder.close();
        void this.#store.close().finally(() => process.exit(0));
      }, 2 * eventDelayMs);
    }
    // The keeper is the only writer of this pipe.
    if (frame.type === 'event') this.#onEvent(JSON.parse(frame.payload.toString('utf8')) as KeeperEvent);
  }

  #onEvent(event: KeeperEvent): void {
    if (event.kind === 'worker-gone') this.#lost.closeOf(event.pid);
    else if (event.kind === 'workers') this.#setWorkers(event.names);
    else if (event.kind === 'worker-ended') this.#meter.count('sallyport_worker_restarts_total');
    else if (event.kind === 'operator-certificate') this.#renewCertificate(event);
    else if (event.kind === 'rules-repaired') this.#meter.count('sallyport_rules_repaired_total');
    else if (event.kind === 'rules-verified') this.#areRulesVerified = event.ok;
    else if (event.kind === 'blocked')
      setTimeout(() => this.#countBlocked(event.rows, event.window), eventDelayMs);
    else if (event.kind === 'bound') this.#takeBack(event.bindings);
    else if (event.kind === 'machines') this.#fleet.setMachines(event.machines);
    else if (event.kind === 'sets') {
      for (const [set, size] of Object.entries(event.sizes)) {
        this.#meter.gauge('sallyport_set_elements', size, { set });
      }
    }
  }

  /** Whose the flows of these addresses are has changed: so has what the kernel is to let pass for them. */
  #jobsChanged(addresses: readonly string[]): void {
    this.#inForce.planAgain();
    // What a name opened for the last job; nothing is bound where no rule names a host.
    this.#keeper
      .review(addresses)
      .catch((error: unknown) => this.#log.error({ err: error }, 'bindings could not be reviewed'));
  }

  #renewCertificate(pair: OperatorCertificate): void {
    try {
      this.#renew(pair);
      this.#log.info('the operator’s listener has another certificate');
    } catch (error) {
      this.#log.error({ err: error }, 'the new certificate of the operator’s listener is not taken');
    }
  }

  async #quarantine(runner: string, durationMs: number, reason: string): Promise<void> {
    await this.#keeper.quarantine(runner, durationMs);
    this.#log.warn({ runner, durationMs, reason }, 'the operator changed a quarantine');
  }

  async #upgrade(reason: string): Promise<void> {
    this.#log.warn({ reason }, 'the operator asked for an upgrade');
    await this.#keeper.upgrade(reason);
  }

  #setWorkers(names: WorkerNames): void {
    this.#workers = names;
    const known = new Set([...names.current, ...names.retiring]);
    for (const worker of this.#heard.keys()) if (!known.has(worker)) this.#heard.delete(worker);
  }

  #countBlocked(rows: readonly BlockedRow[], window: CountWindow): void {
    for (const flow of this.#blocked.count(rows)) this.#recordPackets(flow, window);
    const lost = this.#blocked.lost - this.#lostEvents;
    this.#lostEvents = this.#blocked.lost;
    this.#meter.count('sallyport_block_log_lost_total', {}, lost);
  }

  /** Closes what a name had opened under an older policy and this one does not allow. */
  #takeBack(bindings: readonly NamedBinding[]): void {
    const { policy } = this.#inForce;
    if (policy === null) return;
    const closed = bindings.filter((binding) => {
      const effective = effectivePolicy(policy, this.#fleet.attribute(binding.runner));
      const { host, address, port } = binding;
      // On a virtual address every connection is decided by a worker; what is open there is what the name needs.
      if (host !== null && this.#virtual?.contains(address) === true)
        return !steeredPorts(effective, { name: host }).includes(port);
      return decideNetwork(effective, binding).verdict !== 'allow';
    });
    if (closed.length === 0) return;
    const bare = closed.map(({ runner, address, protocol, port, ttlMs }) => ({
      runner,
      address,
      protocol,
      port,
      ttlMs,
    }));
    this.#keeper
      .unbind(bare)
      .catch((error: unknown) => this.#log.error({ err: error }, 'bindings could not be taken back'));
  }

  /** What policy says of the packets; it does not know what only the kernel saw (a spoofed source, a quarantine). */
  #ask(flow: CountedFlow, attribution: Attribution): Decision {
    const { policy } = this.#inForce;
    if (policy === null) return blocked('policy-unavailable');
    return decideNetwork(effectivePolicy(policy, attribution), {
      host: flow.host ?? null,
      address: flow.destination ?? '0.0.0.0',
      port: flow.port,
      protocol: protocolNames.get(flow.protocolNumber) ?? 'other',
    });
  }

  /** Packets of one window, as one flow. */
  #recordPackets(row: CountedFlow, window: CountWindow): void {
    const { config } = this.#settings;
    const protocol = protocolNames.get(row.protocolNumber) ?? 'other';
    const { fromMs, untilMs } = timeOfPackets(row, window, eventDelayMs);
    const attribution = this.#fleet.attributeDuring(row.runner, fromMs, untilMs);
    const decision = packetDecision(row, this.#ask(row, attribution));
    const record: FlowRecord = {
      v: recordVersion,
      id: uuidv7(),
      phase: 'closed',
      kind: 'packet',
      time: new Date().toISOString(),
      parent: null,
      gateway: config.gateway,
      fleet: config.fleet,
      runner: row.runner,
      job: attribution.job,
      attribution: recordAttribution(attribution),
      process: null,
      destination: { host: row.host ?? null, address: row.destination, port: row.port, protocol },
      operation: null,
      http: null,
      dns: null,
      tls: null,
      packet: { attempts: row.attempts, protocolNumber: row.protocolNumber },
      evidence: [],
      decision,
      policyRevision: this.#inForce.policy?.revision ?? null,
      bytes: null,
      timings: null,
      ended: null,
    };
    this.#recorder.closed(record);
  }

  async #metrics(): Promise<string> {
    this.#readStats();
    this.#feed.tell();
    await this.#store.tell();
    return this.#sum.text(await this.#meter.snapshot());
  }

  #readStats(): void {
    const { state } = this.#settings;
    const { current, retiring } = this.#workers;
    for (const read of readWorkerStats(state.stats, [...current, ...retiring], Date.now())) {
      const { worker } = read;
      const last = this.#heard.get(worker);
      if ('problem' in read) {
        // Told once: this is looked at every second. Until it has written one a worker is only not heard of.
        if (read.problem !== 'missing' && read.problem !== last?.said)
          this.#log.warn({ worker, problem: read.problem }, 'statistics cannot be read');
        this.#heard.set(worker, { said: read.problem, atMs: last?.atMs ?? -Infinity });
      } else {
        if (read.time !== last?.said) this.#heard.set(worker, { said: read.time, atMs: performance.now() });
        this.#sum.update(worker, read.instance, read.snapshot);
      }
    }
  }

  #problems(): string[] {
    this.#readStats();
    return [
      ...[this.#inForce.problem].filter((problem) => problem !== null),
      ...this.#feed.problems,
      ...(this.#areRulesVerified ? [] : ['the kernel’s rules cannot be verified']),
      ...[...this.#heard]
        .filter(([worker]) => this.#workers.current.includes(worker))
        .filter(([, { atMs }]) => performance.now() - atMs > statsFreshMs)
        .map(([worker]) => `${worker} has not been heard of for ${statsFreshMs / 1000} s`),
    ];
  }
}

function main(): void {
  const pipe = new Socket({ fd: pipeFd, readable: true, writable: true });
  let control: Control | null = null;
  const client = new KeeperClient(
    pipe,
    (frame) => {
      if (frame.type !== 'configure') return control?.onNotice(frame);
      // The keeper is the only writer of this pipe; its shape is ControlConfiguration.
      const settings = JSON.parse(frame.payload.toString('utf8')) as ControlConfiguration;
      requireProtocol(settings.protocol);
      control = new Control(settings, client);
      control.start().catch(fail);
    },
    () => process.exit(0),
  );
}

function fail(error: unknown): void {
  process.stderr.write(
    `control: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  process.exit(70);
}

process.on('unhandledRejection', fail);
hardenWorker();
main();
