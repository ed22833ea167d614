// A worker's composition root: takes its configuration and sockets from the keeper, hardens itself, and wires DNS
// and proxy to policy, records, leaves and metrics. It parses hostile bytes, and holds no privilege and no secret
// but the key of its own leaves.

import { readFileSync } from 'node:fs';
import { Socket, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { ActionFacts } from './actions/action-facts.ts';
import { SeenRefFiles } from './actions/seen-refs.ts';
import { createMeter } from './api/metrics.ts';
import { readPublicAuthority } from './certs/authority.ts';
import { LeafIssuer } from './certs/leaf.ts';
import type { Config, Upstream } from './config.ts';
import { followFeeds } from './follow-feed.ts';
import { Lookup } from './dns/lookup.ts';
import { defaultRateLimits } from './dns/rate.ts';
import { Resolver } from './dns/resolver.ts';
import { RefusalError } from './dns/question.ts';
import { startDns, type DnsServer } from './dns/server.ts';
import { TunnelWatch } from './dns/tunnel.ts';
import { formatAddress, parseAddress, parseCidr, unmapAddress } from './flow/address.ts';
import type { Frame } from './flow/channel.ts';
import type { Attribution } from './flow/job.ts';
import type { Operation } from './flow/operation.ts';
import { KeeperClient, requireProtocol } from './flow/keeper-client.ts';
import { peerPort } from './incoming.ts';
import { JobsInForce } from './jobs-in-force.ts';
import { serversOf } from './flow/platform-server.ts';
import { CurrentInterpreter } from './interpreters.ts';
import { hardenWorker } from './kernel/harden.ts';
import { youngGenerationBytes } from './kernel/heap-room.ts';
import { localDestination, originalDestination } from './kernel/original-destination.ts';
import { pipeFd } from './kernel/supervise.ts';
import { watchBundleFile } from './policy/bundle-file.ts';
import { readCarriedTokens } from './platform/lineage/carried-tokens.ts';
import type { Policy } from './policy/compile.ts';
import { judgesImages, keepVersionOf, shortensLists } from './policy/keep-version.ts';
import { decideName } from './policy/decide.ts';
import { loadPolicy, type PolicyBundle } from './policy/load.ts';
import { publishesTo } from './policy/publishes-to.ts';
import { steeredPorts } from './policy/steered-ports.ts';
import { effectivePolicy } from './policy/scope.ts';
import type { VirtualPort } from './flow/ports.ts';
import { virtualPort } from './flow/virtual-port.ts';
import { limitErrors, openLog } from './flow/program-log.ts';
import {
  dnsServers,
  hasIpv6,
  machineAddresses,
  readExtraAuthorities,
  readHostAuthorities,
} from './outgoing.ts';
import { acceptOn, type Proxy } from './proxy/listener.ts';
import { KeptOut } from './proxy/kept-out.ts';
import { startProxy } from './proxy/start.ts';
import { proxyEnds, type ProxySecrets } from './proxy-secrets.ts';
import { SegmentWriter } from './store/segment.ts';
import { writeStatus, type StateDirectory } from './store/state-directory.ts';

/** What the keeper sends first. */
export interface WorkerConfiguration {
  /** Which frames and configurations the keeper speaks (keeper-children.ts). */
  readonly protocol: number;
  readonly config: Config;
  readonly name: string;
  readonly state: StateDirectory;
  readonly upstreams: readonly Upstream[];
  readonly secrets: ProxySecrets;
  /** Base64 of the key of the hashes by which records name tokens; a keeper of an older version gives none. */
  readonly tokenKey?: string;
  /** Ports on which workers listen: never an original destination. */
  readonly ownPorts: readonly number[];
  /** Without kernel rules: which port clients mean by the one that they reach; null: the kernel knows. */
  readonly standing: Readonly<Record<number, number>> | null;
  readonly fds: {
    readonly tcp: readonly number[];
    readonly udp4: number | null;
    readonly udp6: number | null;
    readonly explicit: readonly number[];
  };
}

/** What the keeper tells of the kernel's rules. */
export type WorkerEvent =
  | { readonly kind: 'cut'; readonly runner: string }
  /** Also when it is lifted: `durationMs` is then 0. */
  | { readonly kind: 'quarantine'; readonly runner: string; readonly durationMs: number }
  | { readonly kind: 'rules-repaired' };

const policyPollMs = 100;
const policyWaitMs = 2000;
const statsEveryMs = 1000;
const addressesEveryMs = 5000;

class Worker {
  readonly #settings: WorkerConfiguration;
  readonly #log: Logger;
  readonly #meter = createMeter();
  readonly #recorder: SegmentWriter;
  readonly #keeper: KeeperClient;
  readonly #jobs: JobsInForce;
  readonly #interpreter: CurrentInterpreter;
  readonly #tunnels: TunnelWatch;
  readonly #virtual: VirtualPort | null;
  readonly #keptOut: KeptOut;
  readonly #servers: Server[] = [];
  #policy: Policy | null = null;
  #isLeaving = false;
  /** Canonical; DNS and proxy hold this very set. */
  readonly #ownAddresses = new Set<string>();
  #dns: DnsServer | null = null;
  #proxy: Proxy | null = null;

  constructor(settings: WorkerConfiguration, keeper: KeeperClient) {
    const { config, state } = settings;
    this.#settings = settings;
    this.#keeper = keeper;
    this.#tunnels = new TunnelWatch({ nameBudget: config.limits.namesPerWildcard });
    this.#log = openLog(settings.name, config.log.level);
    this.#recorder = new SegmentWriter({
      directory: state.segments,
      process: settings.name,
      maxSegmentBytes: config.records.maxSegmentBytes,
      maxTotalBytes: config.records.maxTotalBytes,
      meter: this.#meter,
    });
    this.#jobs = new JobsInForce({
      config,
      state,
      name: settings.name,
      log: this.#log,
      meter: this.#meter,
      record: (record) => this.#recorder.job(record),
      onChange: (address, ended) => {
        this.#dns?.forgetBindings();
        this.#proxy?.reattribute(address, ended);
      },
    });
    const feed = followFeeds(config.malware, state, this.#log);
    this.#interpreter = new CurrentInterpreter(feed, config.registries, this.#jobs.hearing);
    const networks = config.runners.networks.flatMap((text) => parseCidr(text) ?? []);
    this.#keptOut = new KeptOut(settings.standing === null ? null : networks);
    this.#virtual = virtualPort(config.steer.pool, keeper);
  }

  async start(): Promise<void> {
    const { config, state, fds, ownPorts, standing } = this.#settings;
    this.#readOwnAddresses();
    this.#watchPolicy();
    const extra = readExtraAuthorities(config);
    const lookup = new Lookup({
      ...dnsServers(config, this.#settings.upstreams, extra),
      meter: this.#meter,
      ownAddresses: this.#ownAddresses,
    });
    this.#dns = await this.#startDns(lookup);
    const dns = this.#dns;
    const resolver = new Resolver({ lookup, ipv6: hasIpv6(), tunnels: this.#tunnels });
    this.#proxy = startProxy({
      currentPolicy: () => this.#policy,
      ...this.#jobs.ports(),
      ...this.#meanings(),
      resolver,
      leafIssuer: new LeafIssuer({
        authority: readPublicAuthority(readFileSync(join(state.public, 'authority.pem'), 'utf8')),
        sign: (toBeSigned) => this.#keeper.sign(toBeSigned),
        meter: this.#meter,
      }),
      recorder: this.#recorder,
      meter: this.#meter,
      originalDestination: standing === null ? originalDestination : (fd) => localDestination(fd, standing),
      keptOut: (runner) => this.#keptOut.reason(runner),
      ...(this.#virtual === null ? {} : { virtual: this.#virtual }),
      dns: { accept: (socket, runner) => dns.accept(socket, runner) },
      peers: peerPort(config, (address) => this.#isOwn(address)),
      identity: { gateway: config.gateway, fleet: config.fleet },
      isOwnAddress: (address) => this.#isOwn(address),
      areRunnersLocal: config.mode === 'sidecar',
      ownPorts: new Set(ownPorts),
      explicitPort: config.listen.explicit,
      limits: {
        connections: config.limits.connections,
        connectionsPerRunner: config.limits.connectionsPerRunner,
      },
      extraAuthorities: extra,
      hostAuthorities: readHostAuthorities(config),
      onProposal: (proposal) =>
        this.#log.warn({ proposal }, 'a pass-through is proposed: see docs/operations.md'),
      ...proxyEnds(config, this.#settings.secrets),
      onInternalError: limitErrors(this.#log, 'a flow met an error of ours'),
    });
    const proxy = this.#proxy;
    for (const fd of fds.tcp) this.#servers.push(acceptOn(fd, (socket) => proxy.accept(socket)));
    for (const fd of fds.explicit) this.#servers.push(acceptOn(fd, (socket) => proxy.acceptExplicit(socket)));
    setInterval(() => void this.#writeStats(), statsEveryMs).unref();
    setInterval(() => this.#readOwnAddresses(), addressesEveryMs).unref();
    await this.#untilPolicy();
    await this.#writeStats();
    this.#keeper.ready({});
  }

  onNotice(frame: Frame): void {
    if (frame.type === 'drain') void this.stop();
    // The keeper is the only writer of this pipe.
    if (frame.type === 'retire')
      void this.retire((JSON.parse(frame.payload.toString('utf8')) as { limitMs: number }).limitMs);
    if (frame.type === 'event') this.#onEvent(JSON.parse(frame.payload.toString('utf8')) as WorkerEvent);
  }

  // What the kernel may no longer hold is bound again with the next answer.
  #onEvent(event: WorkerEvent): void {
    this.#dns?.forgetBindings();
    if (event.kind === 'cut') void this.#proxy?.cut(event.runner);
    if (event.kind !== 'quarantine') return;
    this.#keptOut.set(event.runner, event.durationMs);
    if (event.durationMs > 0) this.#proxy?.end(event.runner, 'quarantine');
  }

  /** Lets what is in flight end, writes the last records, and ends the process. */
  async stop(): Promise<void> {
    await this.#proxy?.drain();
    await this.#end();
  }

  /** A successor serves the same sockets: takes nothing new, carries what is open to its end, and ends the process. */
  async retire(limitMs: number): Promise<void> {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    for (const server of this.#servers) server.close();
    const dns = this.#dns;
    dns?.retire();
    const until = performance.now() + limitMs;
    await this.#proxy?.retire(limitMs);
    // What asks over one connection may go on until it falls idle; the connection's own time limit ends it.
    while (dns?.isIdle() === false && performance.now() < until) await sleep(50);
    await this.#end();
  }

  async #end(): Promise<void> {
    await this.#dns?.close();
    this.#jobs.close();
    this.#recorder.close();
    await this.#writeStats();
    process.exit(0);
  }

  // Whoever waits for readiness wants decisions by policy; a broken one is never there, and ready all the same.
  async #untilPolicy(): Promise<void> {
    const until = Date.now() + policyWaitMs;
    while (this.#policy === null && Date.now() < until) await sleep(20);
  }

  #startDns(lookup: Lookup): Promise<DnsServer> {
    const { config, fds } = this.#settings;
    return startDns({
      identity: { gateway: config.gateway, fleet: config.fleet },
      lookup,
      policy: {
        // The server hands back what `currentPolicy` gave it and what `effectivePolicy` answered, nothing else.
        effectivePolicy: (policy, attribution) => effectivePolicy(policy as Policy, attribution),
        decideName: (effective, question) =>
          decideName(effective as ReturnType<typeof effectivePolicy>, question),
        steeredPorts: (effective, question) =>
          steeredPorts(effective as ReturnType<typeof effectivePolicy>, question),
        grantedName: (attribution, runner, name) =>
          this.#proxy?.grantedHost(attribution, runner, name) ?? null,
      },
      currentPolicy: () => this.#policy,
      attribution: {
        // A question of a runner that is kept out ends here, recorded with its reason.
        attribute: (address) => {
          const reason = this.#keptOut.reason(address);
          if (reason !== null) throw new RefusalError(reason);
          return this.#jobs.sources.attribute(address);
        },
      },
      steps: this.#jobs.sources,
      recorder: this.#recorder,
      keeper: this.#keeper,
      tunnels: this.#tunnels,
      meter: this.#meter,
      udp: [
        ...(fds.udp4 === null ? [] : [{ fd: fds.udp4, family: 4 as const }]),
        ...(fds.udp6 === null ? [] : [{ fd: fds.udp6, family: 6 as const }]),
      ],
      blockedAnswer: config.dns.blockedAnswer,
      searchDomains: config.dns.searchDomains,
      gatewayAddresses: { v4: config.addresses.v4[0] ?? null, v6: config.addresses.v6[0] ?? null },
      ownAddresses: this.#ownAddresses,
      ownNames: [config.dns.gatewayName],
      steer: config.mode === 'steer',
      ...(this.#virtual === null ? {} : { virtual: this.#virtual }),
      pool: {
        v4: config.steer.pool.some((range) => !range.includes(':')),
        v6: config.steer.pool.some((range) => range.includes(':')),
      },
      isV6Only: config.mode === 'gateway' && config.addresses.v4.length === 0,
      ipv6: config.addresses.v6.length > 0,
      rate: {
        ...defaultRateLimits,
        perSecond: config.limits.queriesPerSecond,
        burst: 2 * config.limits.queriesPerSecond,
      },
    });
  }

  #meanings() {
    const { state, name, tokenKey } = this.#settings;
    const onError = limitErrors(this.#log, 'the table of seen references cannot be used');
    return {
      actionFacts: new ActionFacts(new SeenRefFiles(state.seen, name.replace(/\.\d+$/, ''), onError)),
      interpreter: this.#interpreter,
      tokens: readCarriedTokens,
      ...(tokenKey === undefined ? {} : { tokenKey: Buffer.from(tokenKey, 'base64') }),
      keepVersion: (attribution: Attribution, operation: Operation) =>
        this.#policy === null
          ? null
          : keepVersionOf(effectivePolicy(this.#policy, attribution), operation, (purl, version) =>
              this.#interpreter.findMalware(purl, version),
            ),
      rewrites: (attribution: Attribution, host: string) =>
        this.#policy !== null &&
        ((this.#interpreter.hasLists(host) && shortensLists(effectivePolicy(this.#policy, attribution))) ||
          (this.#interpreter.hasImages(host) && judgesImages(effectivePolicy(this.#policy, attribution))) ||
          (this.#interpreter.takesUploads(host) && publishesTo(this.#policy, host)) ||
          (this.#policy.actions !== null && this.#interpreter.resolvesActions(host))),
    };
  }

  // The pool's also where nobody has them: a name that leads there would lead back to us.
  #isOwn(address: string): boolean {
    return this.#ownAddresses.has(address) || this.#virtual?.contains(address) === true;
  }

  #readOwnAddresses(): void {
    const { v4, v6 } = this.#settings.config.addresses;
    const now = new Set([...machineAddresses(), ...v4, ...v6].map(canonicalText));
    for (const address of now) this.#ownAddresses.add(address);
    for (const address of this.#ownAddresses) if (!now.has(address)) this.#ownAddresses.delete(address);
  }

  // Control has checked the bundle; one that cannot be read all the same leaves the last good policy in force.
  #watchPolicy(): void {
    const onError = limitErrors(this.#log, 'the policy bundle cannot be read');
    watchBundleFile(
      this.#settings.state.bundleFile,
      policyPollMs,
      (bundle) => this.#takePolicy(bundle),
      onError,
    );
  }

  #takePolicy(bundle: PolicyBundle): void {
    const { policy } = loadPolicy(bundle, {
      servers: serversOf(this.#jobs.declared.jobs(), this.#settings.config.servers),
    });
    if (policy.revision === this.#policy?.revision) return;
    this.#interpreter.follow(policy.servers);
    this.#policy = policy;
    this.#proxy?.redecide();
    this.#log.info({ revision: policy.revision, mode: policy.mode }, 'policy in force');
  }

  async #writeStats(): Promise<void> {
    const { state, name } = this.#settings;
    const snapshot = await this.#meter.snapshot();
    const revision = this.#policy?.revision ?? null;
    try {
      const content = JSON.stringify({
        instance: `${name}-${process.pid}`,
        revision,
        time: Date.now(),
        youngBytes: youngGenerationBytes(),
        snapshot,
      });
      writeStatus(join(state.stats, `${name}.json`), content, 0o640);
    } catch (error) {
      this.#log.warn({ err: error }, 'statistics cannot be written');
    }
  }
}

function canonicalText(address: string): string {
  const bytes = parseAddress(address);
  return bytes === null ? address : formatAddress(unmapAddress(bytes));
}

function main(): void {
  // The pipe must be read before anything else: the configuration comes first.
  const pipe = new Socket({ fd: pipeFd, readable: true, writable: true });
  let worker: Worker | null = null;
  const client = new KeeperClient(
    pipe,
    (frame) => {
      if (frame.type !== 'configure') return worker?.onNotice(frame);
      // The keeper is the only writer of this pipe; its shape is WorkerConfiguration.
      const settings = JSON.parse(frame.payload.toString('utf8')) as WorkerConfiguration;
      requireProtocol(settings.protocol);
      worker = new Worker(settings, client);
      worker.start().catch(fail);
    },
    () => process.exit(0),
  );
}

function fail(error: unknown): void {
  process.stderr.write(
    `worker: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  process.exit(70);
}

process.on('unhandledRejection', fail);
hardenWorker();
main();
