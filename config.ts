// `sallyport.yaml`: the one place where the operator says how the gateway stands in the network.
// Owns reading it and its defaults; its keys are in config-schema.ts. Policy is another file.

import { readFileSync } from 'node:fs';
import { availableParallelism, networkInterfaces } from 'node:os';
import { dirname, resolve } from 'node:path';
import {
  checkConfig,
  connectionsWithin,
  facingInterfaces,
  leastSegmentBytes,
  mayOpen,
} from './check-config.ts';
import { completeAccess, completeOperatorTls } from './check-access.ts';
import { completeRegistries } from './check-registries.ts';
import { completeStore } from './check-store.ts';
import { completeServers } from './check-servers.ts';
import { completeConfirm, completeKubernetes } from './check-sources.ts';
import { completeMalware } from './feed-config.ts';
import { configSchema, type ConfigFile } from './config-schema.ts';
import {
  cidrContains,
  formatAddress,
  formatCidr,
  parseAddress,
  parseCidr,
  unmapAddress,
  type Cidr,
} from './flow/address.ts';
import type { Problem } from './flow/errors.ts';
import { canonicaliseHost } from './policy/canonicalise-host.ts';
import { readYamlFile } from './policy/read-yaml.ts';

export interface Upstream {
  readonly address: string;
  readonly port: number;
  /** Name in the certificate of a server that speaks DNS over TLS. */
  readonly tls: string | null;
  /** The same for DNS over HTTPS, and the path of its requests. */
  readonly https: { readonly name: string; readonly path: string } | null;
}

interface UpstreamFile {
  readonly address: string;
  readonly port?: number;
  readonly tls?: string;
  readonly https?: string;
  readonly path?: string;
}

/** The configuration with every default filled in and every path absolute. It holds no secret: it goes to workers, without `access`. */
export type Config = ReturnType<typeof completeConfig>;

const segmentBytes = 64 * 1024 * 1024;
const connectionsLimit = 16_000;
const defaultState = '/var/lib/sallyport';

/** Reads and checks `sallyport.yaml`; warnings go to `onWarning`. @throws InvalidInputError with all problems */
export function readConfig(path: string, onWarning: (problem: Problem) => void = () => {}): Config {
  const empty: ConfigFile = { version: 1, policy: '', runners: { interfaces: [], networks: [] } };
  const directory = dirname(resolve(path));
  const { data, warnings } = readYamlFile<ConfigFile>(path, configSchema, empty, (file, list) =>
    checkConfig(file, list, directory),
  );
  for (const warning of warnings) onWarning(warning);
  return completeConfig(data, directory);
}

function completeConfig(file: ConfigFile, directory: string) {
  const workers = file.workers ?? Math.min(16, availableParallelism());
  const { networks, interfaces = facingInterfaces(networks) } = file.runners;
  const pool = (file.steer?.pool ?? []).flatMap((text) => parseCidr(text) ?? []);
  const isOwn = (address: string) => !isWithin(pool, address);
  const addresses =
    file.addresses?.map(canonicalAddress) ?? interfaceAddresses(interfaces[0] ?? '').filter(isOwn);
  return {
    gateway: file.gateway ?? 'gateway',
    fleet: file.fleet ?? 'default',
    mode: file.mode ?? 'gateway',
    policy: resolve(directory, file.policy),
    state: resolve(directory, file.state ?? defaultState),
    workers,
    runners: { interfaces, networks },
    addresses: {
      v4: addresses.filter((address) => !address.includes(':')),
      v6: addresses.filter((address) => address.includes(':')),
    },
    steer: { pool: pool.map(formatCidr) },
    external: orNull(file.external, (it) => ({ interface: it.interface, masquerade: it.masquerade ?? true })),
    listen: completeListen(file.listen, directory),
    ...completeProxies(file, directory),
    ...completePackages(file, directory),
    dns: {
      upstreams: file.dns?.upstreams ? file.dns.upstreams.map(completeUpstream) : null,
      forward: (file.dns?.forward ?? []).map((zone) => ({
        zone: canonicalName(zone.zone),
        upstreams: zone.upstreams.map(completeUpstream),
      })),
      // A sidecar shares loopback with its job's own servers: its address explains nothing there.
      blockedAnswer: file.dns?.blockedAnswer ?? (file.mode === 'sidecar' ? 'nxdomain' : 'explain'),
      // Pods search there, whether their cluster's names can be resolved here or not.
      searchDomains: [...new Set([...(file.dns?.searchDomains ?? []).map(canonicalName), 'cluster.local'])],
      gatewayName: canonicalName(file.dns?.gatewayName ?? 'sallyport.internal'),
    },
    tls: {
      authority: file.tls?.authority
        ? {
            certificate: resolve(directory, file.tls.authority.certificate),
            key: resolve(directory, file.tls.authority.key),
          }
        : null,
      extraAuthorities: (file.tls?.extraAuthorities ?? []).map((path) => resolve(directory, path)),
      upstreams: (file.tls?.upstreams ?? []).map(({ host, authorities }) => ({
        host,
        authorities: authorities.map((path) => resolve(directory, path)),
      })),
    },
    access: completeAccess(file.access, directory),
    jobs: file.jobs ?? [],
    servers: completeServers(file.servers),
    kubernetes: completeKubernetes(file.kubernetes, directory),
    claims: { trust: file.claims?.trust ?? ('confirmed' as const) },
    confirm: completeConfirm(file, directory),
    limits: completeLimits(file.limits),
    ...completeKept(file, workers, directory),
    kernel: completeKernel(file.kernel),
    users: completeUsers(file.users),
    log: { level: file.log?.level ?? 'info' },
  };
}

function completeUsers(users: ConfigFile['users']) {
  const { control = 64_801, worker = 64_802, group = 64_801 } = users ?? {};
  return { control, worker, group };
}

function completeLimits(limits: ConfigFile['limits']) {
  const connections = limits?.connections ?? mayConnections();
  return {
    connections,
    connectionsPerRunner: limits?.connectionsPerRunner ?? Math.max(1, Math.floor(connections * 0.8)),
    namesPerWildcard: limits?.namesPerWildcard ?? 1000,
    queriesPerSecond: limits?.queriesPerSecond ?? 200,
    drainSeconds: limits?.drainSeconds ?? 300,
  };
}

function completeKept(file: ConfigFile, workers: number, directory: string) {
  const state = resolve(directory, file.state ?? defaultState);
  return {
    records: completeRecords(file.records, workers),
    store: completeStore(file.store, state, directory),
  };
}

// Every process has one segment open, which cannot be removed: as much again is to be left for closed ones.
function completeRecords(records: ConfigFile['records'], workers: number) {
  const maxTotalBytes = records?.maxTotalBytes ?? 4 * 1024 ** 3;
  const fitting = Math.floor(maxTotalBytes / (2 * (workers + 1)));
  return {
    maxSegmentBytes: records?.maxSegmentBytes ?? Math.max(leastSegmentBytes, Math.min(segmentBytes, fitting)),
    maxTotalBytes,
  };
}

function completeKernel(kernel: ConfigFile['kernel']) {
  return {
    backend: kernel?.backend ?? ('nftables' as const),
    table: kernel?.table ?? 'sallyport',
    guardMark: kernel?.guardMark ?? 0xe0_0000,
    keepOnExit: kernel?.keepOnExit ?? true,
  };
}

function completeListen(listen: ConfigFile['listen'], directory: string) {
  return {
    operator: listen?.operator ?? '127.0.0.1:9440',
    operatorTls: completeOperatorTls(listen, directory),
    runner: listen?.runner ?? 9441,
    explicit: listen?.explicit ?? null,
    proxyProtocolPeers: (listen?.proxyProtocolPeers ?? []).flatMap((text) => {
      const cidr = parseCidr(text);
      return cidr === null ? [] : [formatCidr(cidr)];
    }),
    worker: listen?.worker ?? 10_001,
    direct: { dns: listen?.dns ?? 53, http: listen?.http ?? 80, https: listen?.https ?? 443 },
  };
}

function completePackages({ registries, malware }: ConfigFile, directory: string) {
  return {
    registries: completeRegistries(registries),
    malware: completeMalware(malware, directory),
  };
}

function orNull<A, B>(value: A | undefined, complete: (value: A) => B): B | null {
  return value === undefined ? null : complete(value);
}

function completeProxies({ explicit, upstreamProxy }: ConfigFile, directory: string) {
  return {
    explicit: {
      users: explicit?.users ?? [],
      usersFile: orNull(explicit?.usersFile, (path) => resolve(directory, path)),
    },
    upstreamProxy: orNull(upstreamProxy, (proxy) => completeUpstreamProxy(proxy, directory)),
  };
}

function completeUpstreamProxy(proxy: NonNullable<ConfigFile['upstreamProxy']>, directory: string) {
  const at = proxy.address.lastIndexOf(':');
  const noProxy = proxy.noProxy ?? [];
  const names = noProxy.filter((text) => parseCidr(text) === null);
  return {
    host: canonicalHost(proxy.address.slice(0, at)),
    port: Number(proxy.address.slice(at + 1)),
    credentials: orNull(proxy.credentials, (path) => resolve(directory, path)),
    resolve: proxy.resolve ?? ('local' as const),
    names: names.map((text) =>
      text.startsWith('.') ? `.${canonicalName(text.slice(1))}` : canonicalName(text),
    ),
    ranges: noProxy.filter((text) => parseCidr(text) !== null),
  };
}

function canonicalHost(text: string): string {
  const host = canonicaliseHost(text);
  return host.kind === 'address' ? host.address : canonicalName(text);
}

function completeUpstream(upstream: UpstreamFile): Upstream {
  const { address, tls = null, path = '/dns-query' } = upstream;
  const https = upstream.https === undefined ? null : { name: upstream.https, path };
  const port = upstream.port ?? (https !== null ? 443 : tls === null ? 53 : 853);
  return { address, port, tls, https };
}

function mayConnections(): number {
  return Math.max(256, Math.min(connectionsLimit, connectionsWithin(mayOpen())));
}

// One text for one address: `::ffff:10.0.0.1` is an IPv4 one.
function canonicalAddress(text: string): string {
  const bytes = parseAddress(text);
  return bytes === null ? text : formatAddress(unmapAddress(bytes));
}

// Anything else was refused when the file was checked.
// A keeper that was killed leaves its virtual addresses on the interface.
function isWithin(pool: readonly Cidr[], address: string): boolean {
  const bytes = parseAddress(address);
  return bytes !== null && pool.some((cidr) => cidrContains(cidr, bytes));
}

function canonicalName(text: string): string {
  const host = canonicaliseHost(text);
  return host.kind === 'name' ? host.name : text;
}

/** Addresses of an interface, link-local ones left out. */
function interfaceAddresses(name: string): string[] {
  return (networkInterfaces()[name] ?? [])
    .map((entry) => entry.address)
    .filter((address) => !address.toLowerCase().startsWith('fe80'));
}

/** The servers of /etc/resolv.conf, for a configuration that names none. */
export function systemUpstreams(): Upstream[] {
  const lines = readFileSync('/etc/resolv.conf', 'utf8').split('\n');
  const addresses = lines.flatMap((line) => /^nameserver\s+([0-9a-fA-F:.]+)\s*$/.exec(line)?.[1] ?? []);
  return addresses
    .filter((address) => parseAddress(address) !== null)
    .map((address) => ({ address, port: 53, tls: null, https: null }));
}
