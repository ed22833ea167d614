// One runner's namespace with a gateway in front of it that lives where the caller does and dials by the host's
// routes: what `run` and the demo put a command into.

import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { SallyportError } from '../flow/errors.ts';
import { removeStaleTables } from '../kernel/remove-stale-tables.ts';
import { chooseLink, defaultInterface, readTaken, type LinkAddresses } from './addresses.ts';
import { callingUser, commandEnvironment, forwardSignals, startInside, waitForExit } from './enter.ts';
import type { DeclaredJob, GatewayConfig, StartedGateway, StartGateway } from './gateway-port.ts';
import { runIpBatch } from './ip.ts';
import { hasLinkOf, Namespaces, ownerTag } from './namespace.ts';
import { hostResolvers, jobResolvConf } from './resolv-conf.ts';
import { needsForwarding } from './run-policy.ts';
import { forwardsV6ByInterface, planForwarding, readSetting } from './sysctl.ts';
import { divertUnforwarded } from './unforwarded.ts';
import { trustForApt, trustVariables } from './trust.ts';

export interface GateOptions {
  readonly startGateway: StartGateway;
  /** Where state, records and the log go; null: a temporary directory that goes with the rest. */
  readonly stateDirectory: string | null;
  /** Writes or finds the policy, given a directory of its own, and answers its path. */
  readonly policy: (directory: string) => string;
  readonly job: (addresses: readonly string[]) => DeclaredJob | null;
  readonly upstreams?: readonly { readonly address: string; readonly port?: number }[];
  readonly extraAuthorities?: readonly string[];
  readonly networksTaken?: readonly string[];
}

/** Open from `open` until `close`. */
export class GatedNamespace {
  readonly made: Namespaces;
  readonly namespace: string;
  readonly link: LinkAddresses;
  readonly stateDirectory: string;
  readonly #gateway: StartedGateway;
  readonly #resolvConf: string;

  private constructor(
    made: Namespaces,
    namespace: string,
    link: LinkAddresses,
    gateway: StartedGateway,
    files: { readonly state: string; readonly resolvConf: string },
  ) {
    this.made = made;
    this.namespace = namespace;
    this.link = link;
    this.#gateway = gateway;
    this.stateDirectory = files.state;
    this.#resolvConf = files.resolvConf;
  }

  /** Makes namespace and link, and starts the gateway. @throws SallyportError when something of it cannot be had */
  static async open(options: GateOptions, made = new Namespaces()): Promise<GatedNamespace> {
    // Gateway and job read as other users what is written here; the job gets the caller's mask back.
    const mask = process.umask(0o022);
    try {
      return await openGate(options, made, (...parts) => new GatedNamespace(...parts));
    } catch (error) {
      await made.remove();
      throw error;
    } finally {
      process.umask(mask);
    }
  }

  get operator(): string | null {
    return this.#gateway.operator ?? null;
  }

  /** Runs a command inside as the calling user and answers its exit code. */
  async run(
    command: readonly string[],
    options: {
      readonly env?: Readonly<Record<string, string>>;
      readonly cwd?: string;
      readonly stdio?: 'inherit' | 'stderr';
      /** Leaves it root's rights and the daemons of the host. */
      readonly hasHostAccess?: boolean;
    } = {},
  ): Promise<number> {
    const user = callingUser(process.env);
    const extra = {
      ...trustVariables(this.#gateway.stateDir, process.env),
      ...trustForApt(dirname(this.#resolvConf), this.#gateway.stateDir, process.env),
      ...options.env,
    };
    const child = startInside(command, {
      namespace: this.namespace,
      resolvConf: this.#resolvConf,
      user,
      isConfined: options.hasHostAccess !== true,
      env: commandEnvironment(process.env, user, extra),
      // With --json our standard output is one value; what the command prints goes beside it.
      stdio: options.stdio === 'stderr' ? ['inherit', 2, 2] : 'inherit',
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    const stopForwarding = forwardSignals(child, process.stdin.isTTY);
    try {
      return await waitForExit(child);
    } finally {
      stopForwarding();
    }
  }

  /** How the gateway ended by itself: what came after is blocked, and in no record; null while it serves. */
  get gatewayEnd(): string | null {
    return this.#gateway.ended?.() ?? null;
  }

  /** Stops the gateway, which ends its records; namespace and files stay until `close`. */
  async stopGateway(): Promise<void> {
    await this.#gateway.stop();
  }

  async close(): Promise<void> {
    try {
      await this.#gateway.stop();
    } finally {
      await this.made.remove();
      // A gateway that was killed has left its own; nobody is behind it any more.
      const own = `${tablePrefix}${ownerTag}`;
      removeStaleTables(tablePrefix, (_, name) => name !== own && name !== `${own}_guard`);
    }
  }
}

const tablePrefix = 'sallyport_run_';

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`) || hasLinkOf(pid);
}

type Build = (
  made: Namespaces,
  namespace: string,
  link: LinkAddresses,
  gateway: StartedGateway,
  files: { readonly state: string; readonly resolvConf: string },
) => GatedNamespace;

async function openGate(options: GateOptions, made: Namespaces, build: Build): Promise<GatedNamespace> {
  removeStaleTables(tablePrefix, isAlive);
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-'));
  made.own(directory);
  // The job's user reads the authority and its resolv.conf below it, and may list nothing.
  chmodSync(directory, 0o711);
  const state = options.stateDirectory ?? join(directory, 'state');
  mkdirSync(state, { recursive: true, mode: 0o755 });
  const upstreams = options.upstreams ?? hostResolvers().map((address) => ({ address }));
  if (upstreams.length === 0) {
    throw new SallyportError('config-invalid', '/etc/resolv.conf names no server that the gateway could ask');
  }
  const taken = [
    ...readTaken(),
    ...upstreams.map(({ address }) => address),
    ...(options.networksTaken ?? []),
  ];
  const link = chooseLink(taken, process.pid);
  const { namespace, interfaceName } = joinRunner(made, link);
  const policy = options.policy(directory);
  const extraAuthorities = (options.extraAuthorities ?? []).map((path, index) =>
    copyReadable(path, join(directory, `authority-${index}.pem`)),
  );
  const external = openForwarding(made, interfaceName, hasIpv6(), policy);
  const gateway = await options.startGateway(
    gatewayConfig({ options, link, interfaceName, policy, state, upstreams, external, extraAuthorities }),
  );
  const resolvConf = join(directory, 'resolv.conf');
  writeFileSync(resolvConf, jobResolvConf([link.gateway4]), { mode: 0o644 });
  return build(made, namespace, link, gateway, { state, resolvConf });
}

function hasIpv6(): boolean {
  return readSetting('ipv6/conf/all/disable_ipv6') === '0';
}

/** The workers read it as users of their own, the caller's file may be for the caller alone. @throws SallyportError usage */
function copyReadable(path: string, target: string): string {
  try {
    writeFileSync(target, readFileSync(path), { mode: 0o644 });
    return target;
  } catch (error) {
    throw new SallyportError('usage', `the authority ${path} cannot be read`, error);
  }
}

function joinRunner(made: Namespaces, link: LinkAddresses): { namespace: string; interfaceName: string } {
  const namespace = made.create('runner');
  const interfaceName = made.linkName();
  const hasV6 = hasIpv6();
  const both = (v4: string, v6: string) => (hasV6 ? [`${v4}/30`, `${v6}/126`] : [`${v4}/30`]);
  made.link(
    { namespace: null, name: interfaceName, addresses: both(link.gateway4, link.gateway6) },
    { namespace, name: 'eth0', addresses: both(link.runner4, link.runner6) },
  );
  runIpBatch(namespace, [
    `route add default via ${link.gateway4}`,
    ...(hasV6 ? [`route add ::/0 via ${link.gateway6}`] : []),
  ]);
  return { namespace, interfaceName };
}

/**
 * The interface towards the internet, with forwarding on where this policy may need it. From the runner it is always
 * on, or what it sends is led to the gateway's own ports: only what reaches a chain is answered, and recorded.
 */
function openForwarding(
  made: Namespaces,
  interfaceName: string,
  hasV6: boolean,
  policy: string,
): string | null {
  const routes = { 4: defaultInterface(4), 6: hasV6 ? defaultInterface(6) : null };
  const external = routes[4] ?? routes[6];
  const mayForward = external !== null && needsForwarding(readFileSync(policy, 'utf8'));
  const outward = [...new Set([routes[4], routes[6]])].filter((name) => name !== null);
  const withV6 = hasV6 && (forwardsV6ByInterface() || (mayForward && routes[6] !== null));
  made.change(planForwarding([interfaceName, ...(mayForward ? outward : [])], withV6));
  if (routes[4] === null) divertUnforwarded(null, interfaceName, 4, 'unrouted');
  if (hasV6 && !withV6) divertUnforwarded(null, interfaceName, 6, 'all');
  else if (hasV6 && routes[6] === null) divertUnforwarded(null, interfaceName, 6, 'unrouted');
  return external;
}

interface ConfigParts {
  readonly options: GateOptions;
  readonly link: LinkAddresses;
  readonly interfaceName: string;
  readonly policy: string;
  readonly state: string;
  readonly upstreams: readonly { readonly address: string; readonly port?: number }[];
  readonly external: string | null;
  readonly extraAuthorities: readonly string[];
}

function gatewayConfig(parts: ConfigParts): GatewayConfig {
  const { options, link, interfaceName, external } = parts;
  const job = options.job([link.runner4, link.runner6]);
  const hasV6 = hasIpv6();
  return {
    version: 1,
    gateway: 'run',
    fleet: 'local',
    mode: 'gateway',
    policy: parts.policy,
    state: parts.state,
    runners: {
      interfaces: [interfaceName],
      networks: hasV6 ? [link.network4, link.network6] : [link.network4],
    },
    addresses: hasV6 ? [link.gateway4, link.gateway6] : [link.gateway4],
    ...(external === null ? {} : { external: { interface: external, masquerade: true } }),
    // Free ports: another gateway may serve on this machine.
    listen: { operator: '127.0.0.1:0', runner: 0, worker: 0 },
    dns: { upstreams: parts.upstreams },
    ...(parts.extraAuthorities.length > 0 ? { tls: { extraAuthorities: parts.extraAuthorities } } : {}),
    ...(job === null ? {} : { jobs: [job] }),
    kernel: { table: `${tablePrefix}${ownerTag}`, keepOnExit: false },
  };
}
