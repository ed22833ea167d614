// The operator's API in control: what its routes ask, who may ask, and what is told to those who listen. It tells the store
// which policy came into force here, and how this gateway stands.

import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { accessInForce, type AccessInForce, type AccessSecrets } from './access-in-force.ts';
import { registerAccess, type AccessPorts } from './api/auth/register-access.ts';
import { EventFeed } from './api/event-feed.ts';
import { followStore } from './api/follow-store.ts';
import { createOperatorApi } from './api/operator-api.ts';
import { accessRoutes } from './api/routes/access-routes.ts';
import { operatorRoutes } from './api/routes/operator-routes.ts';
import type { GatewayHealth, GatewayNews, LiveSide } from './api/routes/place-routes.ts';
import type { PolicySide } from './api/routes/policy-routes.ts';
import type { Quarantine } from './api/routes/quarantine-routes.ts';
import { createAskStore, type AskStore } from './api/store-question.ts';
import type { Config, Upstream } from './config.ts';
import { readBundleFile } from './policy/bundle-file.ts';
import type { Policy } from './policy/compile.ts';
import type { PolicyBundle } from './policy/load.ts';
import type { StoreInForce } from './store-in-force.ts';
import { accessOf } from './store/store-actions.ts';
import type { StateDirectory } from './store/state-directory.ts';

export interface ApiInForceOptions {
  readonly settings: {
    readonly config: Config;
    readonly state: StateDirectory;
    readonly version: string;
    readonly upstreams: readonly Upstream[];
    readonly accessSecrets: AccessSecrets;
  };
  readonly store: Pick<StoreInForce, 'port' | 'onBatch' | 'facts'>;
  readonly policy: {
    readonly policy: Policy | null;
    readonly problem: string | null;
    readonly failure: string | null;
    /** Reads the files anew. */
    read(): Promise<void>;
  };
  readonly live: LiveSide;
  readonly quarantine: Quarantine;
  readonly problems: () => readonly string[];
  readonly workers: () => number;
  readonly log: Logger;
}

const tellEveryMs = 10_000;
const lookEveryMs = 1_000;
/** Gateways that said nothing for so long are not listed for what they said then. */
const forgottenMs = 7 * 86_400_000;
const stateKind = 'gateway';

export class ApiInForce {
  readonly #options: ApiInForceOptions;
  readonly #access: AccessInForce;
  readonly #feed = new EventFeed();
  readonly #ask: AskStore;
  #bundle: { readonly revision: string; readonly bundle: PolicyBundle } | null = null;
  /** Revisions that listeners, and the store, know to be in force. */
  #told: string | null = null;
  #kept: string | null = null;
  #isKeeping = false;

  constructor(options: ApiInForceOptions) {
    const { settings, store, log } = options;
    const { config, upstreams, accessSecrets: secrets } = settings;
    this.#options = options;
    const kept = accessOf(store.port);
    this.#access = accessInForce({ config, upstreams, secrets, store: kept, log });
    this.#ask = createAskStore(() => store.port);
    store.onBatch(followStore(this.#feed, this.#ask, log));
    setInterval(() => this.#look(), lookEveryMs).unref();
    setInterval(() => void this.#tellState(), tellEveryMs).unref();
  }

  /** Tokens and logins, for the socket that root asks. */
  get access(): AccessPorts {
    return this.#access.ports;
  }

  /** Adds the API to the operator's listener. */
  async add(app: FastifyInstance): Promise<void> {
    const { settings, live, quarantine, log } = this.#options;
    const { ports, oidc } = this.#access;
    const routes = operatorRoutes({
      ask: this.#ask,
      live,
      gateways: () => this.#gateways(),
      policy: this.#policySide(),
      quarantine,
      feed: this.#feed,
    });
    await createOperatorApi(app, {
      routes: [...routes, ...accessRoutes(ports, oidc)],
      registerAccess: (at, table) => registerAccess(at, table, ports),
      version: settings.version,
      log,
    });
  }

  close(): void {
    this.#feed.close();
  }

  #policySide(): PolicySide {
    const { policy: inForce } = this.#options;
    return {
      current: () => {
        const { policy } = inForce;
        const bundle = policy === null ? null : this.#bundleOf(policy.revision);
        return policy === null || bundle === null
          ? null
          : { revision: policy.revision, mode: policy.mode, bundle };
      },
      problem: () => inForce.failure ?? inForce.problem,
      reload: () => inForce.read(),
    };
  }

  /** The files of the policy in force; null while they are being written. */
  #bundleOf(revision: string): PolicyBundle | null {
    if (this.#bundle?.revision === revision) return this.#bundle.bundle;
    const bundle = readBundleFile(this.#options.settings.state.bundleFile);
    if (bundle !== null) this.#bundle = { revision, bundle };
    return bundle;
  }

  #look(): void {
    const { policy } = this.#options.policy;
    if (policy === null) return;
    const { revision, mode } = policy;
    if (revision !== this.#told) {
      this.#told = revision;
      this.#feed.publish('policy', { revision, mode }, null);
      void this.#tellState();
    }
    if (revision !== this.#kept && !this.#isKeeping) void this.#keep(revision);
  }

  /** The store has each coming into force once, however often control starts; while it is away, it is tried again. */
  async #keep(revision: string): Promise<void> {
    const { store, settings, log } = this.#options;
    const { fleet, gateway } = settings.config;
    if (store.facts().problem !== null) return;
    this.#isKeeping = true;
    try {
      const { items } = await this.#ask('revisions', { limit: 200, cursor: null });
      const last = items.find((one) => one.fleet === fleet && one.gateway === gateway);
      const bundle = this.#bundleOf(revision);
      if (bundle === null) return;
      if (last?.revision !== revision) {
        const state = { fleet, gateway, atMs: Date.now(), body: JSON.stringify(bundle) };
        await store.port.act('addRevision', state, revision);
      }
      this.#kept = revision;
    } catch (error) {
      log.warn({ err: error }, 'the store does not take the policy; it is tried again');
    } finally {
      this.#isKeeping = false;
    }
  }

  #health(): GatewayHealth {
    const { settings, policy, problems, workers, store } = this.#options;
    const { problem, backlogBytes, lostBytes } = store.facts();
    const { revision: policyRevision = null, mode = null } = policy.policy ?? {};
    return {
      version: settings.version,
      policyRevision,
      mode,
      problems: [...problems(), ...(problem === null ? [] : [`the store: ${problem}`])],
      workers: workers(),
      backlogBytes,
      lostBytes,
    };
  }

  async #tellState(): Promise<void> {
    const { store, settings, log } = this.#options;
    const { fleet, gateway } = settings.config;
    if (store.facts().problem !== null) return;
    const state = { fleet, gateway, atMs: Date.now(), body: JSON.stringify(this.#health()) };
    await store.port
      .act('tellState', stateKind, state)
      .catch((error: unknown) => log.warn({ err: error }, 'the store does not take how this gateway stands'));
  }

  /** What the others said last, and how this one stands. */
  async #gateways(): Promise<readonly GatewayNews[]> {
    const { store, settings } = this.#options;
    const { fleet, gateway } = settings.config;
    const told = await store.port.act('states', stateKind, Date.now() - forgottenMs);
    const others = told.filter((one) => one.fleet !== fleet || one.gateway !== gateway);
    return [
      { fleet, gateway, atMs: Date.now(), ...this.#health() },
      ...others.map((one) => ({
        fleet: one.fleet,
        gateway: one.gateway,
        atMs: one.atMs,
        ...readHealth(one.body),
      })),
    ];
  }
}

/** What another gateway wrote, which may be of another version. */
function readHealth(body: string): GatewayHealth {
  const value: unknown = JSON.parse(body);
  // as: an object of JSON has string keys.
  const said = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  const text = (name: string): string | null => (typeof said[name] === 'string' ? said[name] : null);
  const number = (name: string): number | null => (typeof said[name] === 'number' ? said[name] : null);
  const problems = Array.isArray(said['problems']) ? said['problems'].map(String) : [];
  return {
    version: text('version') ?? '',
    policyRevision: text('policyRevision'),
    mode: text('mode'),
    problems,
    workers: number('workers') ?? 0,
    backlogBytes: number('backlogBytes'),
    lostBytes: number('lostBytes'),
  };
}
