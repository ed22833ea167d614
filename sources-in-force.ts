// Control's further sources of jobs: the pods of a cluster, and what hooks claim, with what forges confirm of it. Says what
// they know together, and how they stand.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { ClaimsPort } from './api/runner-claims.ts';
import type { Config, Upstream } from './config.ts';
import { cidrContains, parseAddress, parseCidr } from './flow/address.ts';
import { SallyportError } from './flow/errors.ts';
import type { Platform } from './flow/job.ts';
import { serversOf } from './flow/platform-server.ts';
import type { Meter } from './flow/ports.ts';
import { Claims, type ClaimResult, type ConfirmPort } from './jobs/claims/claims.ts';
import { readKeptClaims } from './jobs/claims/kept-claims.ts';
import type { JobSource, KnownJobs } from './jobs/job-source.ts';
import { isPublishable, type LiveEntry } from './jobs/live-table.ts';
import type { ClusterWatch } from './jobs/kubernetes/cluster-watch.ts';
import { processStart } from './store/process-start.ts';
import { writeWhole, type StateDirectory } from './store/state-directory.ts';

export interface SourcesOptions {
  readonly config: Config;
  readonly upstreams: readonly Upstream[];
  readonly state: Pick<StateDirectory, 'policy'>;
  /** `user:secret` for the proxy in front, or null. */
  readonly proxySecret: string | null;
  readonly known: KnownJobs;
  /** Called whenever the sources know something else than before. */
  readonly onChange: () => void;
  readonly log: Logger;
  readonly meter: Meter;
}

/** What control is told, as far as the sources need it. */
export interface SourceSettings {
  readonly config: Config;
  readonly state: Pick<StateDirectory, 'policy'>;
  readonly upstreams: readonly Upstream[];
  readonly feedSecrets: { readonly upstreamProxy: string | null };
}

/** Whom the sources tell, and what they ask. */
export interface SourceListener {
  readonly known: KnownJobs;
  add(source: JobSource): void;
  changed(): void;
}

/** Begins with all of them. */
export function startSources(
  { config, state, upstreams, feedSecrets }: SourceSettings,
  listener: SourceListener,
  ports: Pick<SourcesOptions, 'log' | 'meter'>,
): SourcesInForce {
  const sources = new SourcesInForce({
    config,
    state,
    upstreams,
    proxySecret: feedSecrets.upstreamProxy,
    known: listener.known,
    onChange: () => listener.changed(),
    ...ports,
  });
  listener.add(sources);
  sources
    .start()
    .catch((error: unknown) => ports.log.error({ err: error }, 'sources of jobs could not be started'));
  return sources;
}

const tickMs = 1000;
/** Entries hold for two minutes: they are told again in time, though nothing happened. */
const renewTicks = 45;
/** Heartbeats alone are kept so often. */
const keepTicks = 30;
const tellMs = 10_000;
/** Every change is told to all workers: whoever claims on and on costs no more than this. */
const changeMs = 1000;
/** What a hook says in vain is worth a line; what it says rightly is in the records. */
const told: ReadonlySet<ClaimResult> = new Set(['conflict', 'unconfirmed', 'full', 'invalid', 'limited']);

export class SourcesInForce implements JobSource {
  readonly #options: SourcesOptions;
  readonly #mayClaim: (address: string) => boolean;
  readonly #changed: () => void;
  readonly #claims: Claims;
  #confirm: Promise<ConfirmPort> | null = null;
  readonly #keptFile: string;
  readonly #keeper = `${process.ppid} ${processStart(process.ppid)}`;
  #kept = '';
  #isKeptOld = false;
  #cluster: ClusterWatch | null = null;
  #timer: NodeJS.Timeout | undefined;
  #ticks = 0;
  readonly #untold = new Map<ClaimResult, { count: number; detail: string; address: string }>();
  #toldMs = -Infinity;

  constructor(options: SourcesOptions) {
    this.#options = options;
    this.#changed = atMostEach(changeMs, options.onChange);
    this.#mayClaim = readRunners(options.config);
    this.#claims = this.#makeClaims();
    this.#keptFile = join(options.state.policy, 'claims.json');
    this.#recall();
  }

  /** Begins to watch, and to confirm what was claimed. */
  async start(): Promise<void> {
    const { config } = this.#options;
    if (config.kubernetes !== null) {
      this.#cluster = await this.#makeCluster(config.kubernetes);
      this.#cluster.start();
    }
    this.#timer = setInterval(() => void this.#tick(), tickMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#cluster?.stop();
  }

  entries(): readonly LiveEntry[] {
    const all = [...(this.#cluster?.entries() ?? []), ...this.#claims.entries()];
    return all.filter(isPublishable);
  }

  conflicts(): readonly string[] {
    return this.#claims.conflicts();
  }

  /** What the runner-facing listener asks. */
  readonly claims: ClaimsPort = {
    mayClaim: (address) => this.#mayClaim(address),
    take: (address, body) => this.#claims.take(address, body, Date.now()),
    end: (address) => this.#claims.end(address, Date.now()),
    beat: (address) => this.#claims.beat(address, Date.now()),
  };

  #makeClaims(): Claims {
    const { config, known } = this.#options;
    const asked = new Set(config.confirm.map(({ server }) => server));
    const confirm: ConfirmPort = {
      canConfirm: (server) => asked.has(server),
      confirm: async (claim) => (await (this.#confirm ??= this.#makeConfirm())).confirm(claim),
    };
    return new Claims({
      isBelieved: isBelievedIn(config),
      known,
      confirm: asked.size > 0 && config.claims.trust !== 'never' ? confirm : null,
      trustsFresh: config.claims.trust === 'fresh',
      sinceMs: Date.now(),
      onChange: () => {
        this.#isKeptOld = true;
        this.#changed();
      },
      onResult: (result, detail, address) => this.#note(result, detail, address),
    });
  }

  async #makeConfirm(): Promise<ConfirmPort> {
    const { config, upstreams, proxySecret } = this.#options;
    const [{ ConfirmClaims }, { feedConnector }] = await Promise.all([
      import('./jobs/confirm/confirm-claims.ts'),
      import('./feed-connection.ts'),
    ]);
    const servers = config.confirm.map(({ server, platform, tokenFile }) => ({
      server,
      platform,
      token: () => readToken(tokenFile),
    }));
    const connect = feedConnector({ config, upstreams, proxySecret, what: 'the forge’s API' });
    return new ConfirmClaims(servers, { connect });
  }

  async #makeCluster(cluster: NonNullable<Config['kubernetes']>): Promise<ClusterWatch> {
    const { config, upstreams, known, onChange, log } = this.#options;
    const [{ KubernetesApi }, { ClusterWatch }, { clusterConnector }] = await Promise.all([
      import('./jobs/kubernetes/api-client.ts'),
      import('./jobs/kubernetes/cluster-watch.ts'),
      import('./cluster-connection.ts'),
    ]);
    const { host, port, caFile, tokenFile } = cluster;
    const connect = clusterConnector(config, upstreams, caFile);
    return new ClusterWatch({
      api: new KubernetesApi({ host, port, connect, token: () => readToken(tokenFile) }),
      namespaces: cluster.namespaces,
      labelSelector: cluster.labelSelector,
      hasRunners: cluster.ephemeralRunners,
      isBelieved: isBelievedIn(config),
      // A message that came from the platform has the hash of its token; what this source says itself has none.
      jobOf: (server, jobId) => {
        const message = known.jobOf(server, jobId);
        return message?.tokens.own == null ? null : message;
      },
      onChange,
      onProblem: (what, problem) => {
        if (problem === null) log.info({ what }, 'the cluster is watched again');
        else log.warn({ what, problem: problem.message }, 'the cluster cannot be watched');
      },
    });
  }

  async #tick(): Promise<void> {
    const { meter, log, onChange } = this.#options;
    if (++this.#ticks % renewTicks === 0) onChange();
    meter.gauge('sallyport_claims_held', this.#claims.size);
    if (this.#cluster !== null) meter.gauge('sallyport_kubernetes_pods', this.#cluster.size);
    this.#tell();
    if (this.#isKeptOld || this.#ticks % keepTicks === 0) this.#keep();
    try {
      await this.#claims.tick();
    } catch (error) {
      log.error({ err: error }, 'claims could not be confirmed');
    }
  }

  /** What the control before knew of claims. */
  #recall(): void {
    const { log } = this.#options;
    try {
      if (!existsSync(this.#keptFile)) return;
      const kept = readKeptClaims(readFileSync(this.#keptFile, 'utf8'), this.#keeper);
      if (kept !== null) this.#claims.restore(kept, Date.now());
    } catch (error) {
      log.error({ err: error }, 'claims that were kept cannot be read');
    }
  }

  #keep(): void {
    this.#isKeptOld = false;
    const text = JSON.stringify(this.#claims.kept(this.#keeper));
    if (text === this.#kept) return;
    this.#kept = text;
    try {
      writeWhole(this.#keptFile, text, 0o600);
    } catch (error) {
      this.#options.log.error({ err: error }, 'claims cannot be kept for the next control');
    }
  }

  #note(result: ClaimResult, detail: string, address: string): void {
    this.#options.meter.count('sallyport_claims_total', { result });
    if (!told.has(result)) return;
    const known = this.#untold.get(result);
    this.#untold.set(result, { count: (known?.count ?? 0) + 1, detail, address });
  }

  /** A storm of claims is a few lines of the log. */
  #tell(): void {
    const nowMs = performance.now();
    if (this.#untold.size === 0 || nowMs - this.#toldMs < tellMs) return;
    this.#toldMs = nowMs;
    for (const [result, { count, detail, address }] of this.#untold)
      this.#options.log.warn({ result, count, last: { runner: address, detail } }, 'claims of runners');
    this.#untold.clear();
  }
}

/** Calls at once, and then no sooner than after so long, for all calls in between. */
function atMostEach(spaceMs: number, call: () => void): () => void {
  let timer: NodeJS.Timeout | null = null;
  let isDue = false;
  const run = (): void => {
    isDue = false;
    timer = setTimeout(next, spaceMs).unref();
    call();
  };
  const next = (): void => {
    timer = null;
    if (isDue) run();
  };
  return () => {
    if (timer === null) run();
    else isDue = true;
  };
}

function isBelievedIn({ servers }: Pick<Config, 'servers'>) {
  const all = new Map(serversOf([], servers).map((server) => [server.server, server]));
  return (platform: Platform, server: string): boolean => {
    const found = all.get(server);
    return found?.platform === platform && found.believed !== false;
  };
}

/** Runners alone claim something: neither load balancers, which speak for many, nor the gateway itself. */
function readRunners({ runners, listen, addresses }: Config): (address: string) => boolean {
  const networks = runners.networks.flatMap((text) => parseCidr(text) ?? []);
  const peers = listen.proxyProtocolPeers.flatMap((text) => parseCidr(text) ?? []);
  const own = new Set([...addresses.v4, ...addresses.v6]);
  return (address) => {
    const bytes = parseAddress(address);
    if (bytes === null || own.has(address)) return false;
    return (
      networks.some((cidr) => cidrContains(cidr, bytes)) && !peers.some((cidr) => cidrContains(cidr, bytes))
    );
  };
}

function readToken(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new SallyportError('config-invalid', `${path} cannot be read by control’s user`, error);
  }
  if (!/^[\x21-\x7e]{1,65536}$/.test(text))
    throw new SallyportError('config-invalid', `${path} holds no token alone`);
  return text;
}
