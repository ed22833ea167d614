// What the schema of `sallyport.yaml` cannot say: addresses, names, ports and sizes that fit together, and what is
// valid and yet leaves the gateway without an effect. Every problem has its place and what would be right.

import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { resolve } from 'node:path';
import { checkDns, entriesOf } from './check-dns.ts';
import type { ConfigFile } from './config-schema.ts';
import {
  cidrContains,
  classifyAddress,
  formatCidr,
  parseAddress,
  parseCidr,
  type Cidr,
} from './flow/address.ts';
import { checkExplicit, checkUpstreamProxy } from './check-proxies.ts';
import { checkAccess } from './check-access.ts';
import { checkRegistries } from './check-registries.ts';
import { checkStore } from './check-store.ts';
import { checkServers } from './check-servers.ts';
import { checkConfirm, checkKubernetes } from './check-sources.ts';
import { checkMalware } from './feed-config.ts';
import { readHostPattern } from './policy/match-host.ts';
import type { ProblemList, ValuePath } from './policy/problem-list.ts';

type Check = (file: Partial<ConfigFile>, list: ProblemList, directory: string) => void;

/** Least size of a segment, in bytes. */
export const leastSegmentBytes = 65_536;
const descriptorsOfOurOwn = 512;
const maxInterfaceName = 15;
const tablePattern = /^[A-Za-z][A-Za-z0-9_]*$/;
// ipset allows names of 31 characters, of which our sets take 16.
const maxTableName = { nftables: 64, iptables: 15, none: 64 } as const;

const checks: readonly Check[] = [
  checkRunners,
  checkAddresses,
  checkPool,
  checkPeers,
  checkDns,
  checkExplicit,
  checkUpstreamProxy,
  checkJobs,
  checkOperator,
  checkPorts,
  checkLimits,
  checkRecords,
  checkKernel,
  checkAuthorities,
  checkRegistries,
  checkServers,
  checkKubernetes,
  checkConfirm,
  checkMalware,
  checkAccess,
  checkStore,
];

/** Reports what is wrong or odd in a file that fits the schema; `directory` is the one that its paths start from. */
export function checkConfig(file: ConfigFile, list: ProblemList, directory: string): void {
  for (const check of checks) check(file, list, directory);
}

/** Connections that so many descriptors allow: each may hold a second one, that of its upstream. */
export function connectionsWithin(descriptors: number): number {
  return Math.floor((descriptors - descriptorsOfOurOwn) / 2);
}

/** Descriptors that a process of ours may open. */
export function mayOpen(): number {
  const line = /^Max open files +\d+ +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
  return line === null ? 4096 : Number(line[1]);
}

function checkRunners(file: Partial<ConfigFile>, list: ProblemList): void {
  const { runners, external, mode } = file;
  if (runners === undefined) return;
  // Without rules nothing is guarded by its interface: sockets take the runners' networks alone.
  const isHooked = mode !== 'sidecar' && file.kernel?.backend !== 'none';
  if (isHooked && runners.interfaces?.length === 0) {
    const remedy = 'name the interface that faces them; only mode sidecar has none';
    list.error(['runners', 'interfaces'], 'without an interface no runner is guarded', remedy);
  }
  if (isHooked && runners.interfaces === undefined) checkFound(runners.networks, list);
  for (const [index, name] of entriesOf(runners.interfaces))
    checkInterface(name, ['runners', 'interfaces', index], list);
  if (external !== undefined) checkInterface(external.interface, ['external', 'interface'], list);
  if (runners.networks.length === 0)
    list.error(
      ['runners', 'networks'],
      'without a network every packet counts as spoofed',
      'write it like 10.77.0.0/16',
    );
  for (const [index, network] of entriesOf(runners.networks)) {
    const path = ['runners', 'networks', index];
    const cidr = parseCidr(network);
    if (cidr === null) list.error(path, `"${network}" is no network`, 'write it like 10.77.0.0/16');
    else if (cidr.prefix === 0)
      list.warn(path, `"${network}" is everybody: no source counts as spoofed`, 'name the runners’ networks');
  }
}

/** Each network must be seen on an interface: one that comes later would be guarded by nothing. */
function checkFound(networks: readonly string[], list: ProblemList): void {
  for (const [index, network] of entriesOf(networks)) {
    if (parseCidr(network) === null || facingInterfaces([network]).length > 0) continue;
    list.error(
      ['runners', 'networks', index],
      `no interface has an address in ${network}, except perhaps one with the default route`,
      'start when it is there, or name the interfaces that face the runners under runners.interfaces',
    );
  }
}

function checkInterface(name: string, path: ValuePath, list: ProblemList): void {
  if (name.length > maxInterfaceName || !/^[\w.@-]+\*?$/.test(name)) {
    const message = `"${name}" cannot be the name of an interface`;
    list.error(
      path,
      message,
      `at most ${maxInterfaceName} letters, digits and . _ - @, a * at the end for any`,
    );
  } else if (!name.includes('*') && !interfaceNames().has(name))
    list.warn(path, `there is no interface "${name}" now`, 'nothing arrives from it until it is there');
}

/** Interfaces with an address in one of the networks, except those that lead everywhere: guarding one locks its operator out. */
export function facingInterfaces(networks: readonly string[]): string[] {
  const ranges = networks.map(parseCidr).filter((cidr) => cidr !== null);
  const outward = defaultInterfaces();
  return Object.entries(networkInterfaces()).flatMap(([name, entries = []]) => {
    const addresses = entries.map(({ address }) => parseAddress(address)).filter((bytes) => bytes !== null);
    const faces = addresses.some((bytes) => ranges.some((range) => cidrContains(range, bytes)));
    return faces && !outward.has(name) ? [name] : [];
  });
}

// proc(5): lines of /proc/net/route begin with interface and destination; those of ipv6_route end with the interface.
function defaultInterfaces(): Set<string> {
  const rows = (path: string): string[][] =>
    existsSync(path)
      ? readFileSync(path, 'utf8')
          .split('\n')
          .map((line) => line.trim().split(/\s+/))
      : [];
  const v4 = rows('/proc/self/net/route').filter(([, destination]) => destination === '00000000');
  const v6 = rows('/proc/self/net/ipv6_route').filter(([, prefix]) => prefix === '00');
  // The kernel's last resort, which refuses, is listed on lo.
  const names = [...v4.map(([name]) => name ?? ''), ...v6.map((row) => row.at(-1) ?? '')];
  return new Set(names.filter((name) => name !== 'lo'));
}

// With those that are down and without an address, unlike os.networkInterfaces().
function interfaceNames(): Set<string> {
  const lines = readFileSync('/proc/self/net/dev', 'utf8').split('\n').slice(2);
  return new Set(lines.map((line) => line.slice(0, line.indexOf(':')).trim()));
}

function checkAddresses(file: Partial<ConfigFile>, list: ProblemList): void {
  for (const [index, address] of entriesOf(file.addresses)) {
    const bytes = parseAddress(address);
    if (bytes === null)
      list.error(['addresses', index], `"${address}" is no address`, 'write an IPv4 or IPv6 address');
    else if (classifyAddress(bytes) === 'unspecified')
      list.error(['addresses', index], `"${address}" is no address of one machine`, 'name each address');
  }
  const [first] = file.runners?.interfaces ?? [];
  if (file.addresses !== undefined || first === undefined || file.mode === 'sidecar') return;
  if (networkInterfaces()[first] === undefined && interfaceNames().has(first))
    list.warn(['runners', 'interfaces', 0], `"${first}" has no address`, 'name the gateway’s in `addresses`');
}

function checkPool(file: Partial<ConfigFile>, list: ProblemList): void {
  const pool = entriesOf(file.steer?.pool);
  if (pool.length > 0 && file.mode !== 'steer')
    list.error(['steer', 'pool'], 'virtual addresses belong to mode steer', 'set mode: steer, or remove it');
  if (pool.length > 0 && file.kernel?.backend === 'none')
    list.error(
      ['steer', 'pool'],
      'without kernel rules nothing can be led to them',
      'choose another backend',
    );
  const seen: Cidr[] = [];
  for (const [index, text] of pool) {
    const path = ['steer', 'pool', index];
    const cidr = parseCidr(text);
    if (cidr === null) list.error(path, `"${text}" is no network`, 'write it like 10.77.128.0/24');
    else checkPoolRange(file, { cidr, text, path, seen }, list);
    if (cidr !== null) seen.push(cidr);
  }
}

// Whoever has a peer's address may speak for every runner.
function checkPeers(file: Partial<ConfigFile>, list: ProblemList): void {
  const networks = entriesOf(file.runners?.networks).flatMap(([, text]) => parseCidr(text) ?? []);
  const jobs = entriesOf(file.jobs).flatMap(([, job]) => entriesOf(job.addresses).map(([, text]) => text));
  for (const [index, text] of entriesOf(file.listen?.proxyProtocolPeers)) {
    const path = ['listen', 'proxyProtocolPeers', index];
    const cidr = parseCidr(text);
    if (cidr === null) {
      list.error(path, `"${text}" is no network`, 'write it like 10.77.0.250/32');
      continue;
    }
    const isOne = cidr.prefix === cidr.bytes.length * 8;
    if (!isOne && networks.some((network) => overlaps(network, cidr)))
      list.error(
        path,
        `"${text}" holds addresses of runners, which could then speak for each other`,
        'name each load balancer by its own address',
      );
    const job = jobs.find((address) => {
      const range = parseCidr(address);
      return range !== null && cidrContains(cidr, range.bytes) && range.prefix >= cidr.prefix;
    });
    if (job !== undefined)
      list.error(path, `"${text}" holds ${job}, which is a runner of jobs`, 'name others');
  }
}

interface PoolRange {
  readonly cidr: Cidr;
  readonly text: string;
  readonly path: ValuePath;
  readonly seen: readonly Cidr[];
}

function checkPoolRange(file: Partial<ConfigFile>, range: PoolRange, list: ProblemList): void {
  const { cidr, text, path, seen } = range;
  const isOver = (other: Cidr | null): boolean => other !== null && overlaps(cidr, other);
  const kind = classifyAddress(cidr.bytes);
  if (kind !== 'private' && kind !== 'shared')
    list.error(
      path,
      `"${text}" is not a private range`,
      'choose one of RFC 1918 or of fd00::/8 that nobody uses',
    );
  if (seen.some(isOver)) list.error(path, `"${text}" overlaps another range of the pool`, 'name each once');
  const own = entriesOf(file.addresses).find(([, address]) => isOver(parseCidr(address)));
  if (own) list.error(path, `"${text}" holds the gateway’s own address ${own[1]}`, 'choose another range');
  const network = entriesOf(file.runners?.networks).find(([, entry]) => {
    const runners = parseCidr(entry);
    return runners !== null && runners.prefix >= cidr.prefix && cidrContains(cidr, runners.bytes);
  });
  if (network)
    list.error(path, `"${text}" leaves no address of ${network[1]} to runners`, 'choose a part of it');
  for (const [, job] of entriesOf(file.jobs)) {
    const taken = entriesOf(job.addresses).find(([, address]) => isOver(parseCidr(address)));
    if (taken)
      list.error(path, `"${text}" holds ${taken[1]}, which is a runner of jobs`, 'choose another range');
  }
  if (!isOnLink(cidr))
    list.warn(
      path,
      `no interface is in a network with "${text}"`,
      'runners need a route to it through the gateway',
    );
}

/** True when some interface's own network holds the range. */
function isOnLink(range: Cidr): boolean {
  return Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .some(({ cidr }) => {
      const [address = '', prefix = ''] = (cidr ?? '').split('/');
      const bytes = parseAddress(address);
      return (
        bytes !== null &&
        Number(prefix) <= range.prefix &&
        cidrContains({ bytes, prefix: Number(prefix) }, range.bytes)
      );
    });
}

function checkJobs(file: Partial<ConfigFile>, list: ProblemList): void {
  const networks = entriesOf(file.runners?.networks).flatMap(([, text]) => parseCidr(text) ?? []);
  const jobOf = new Map<string, number>();
  for (const [index, job] of entriesOf(file.jobs)) {
    for (const [at, address] of entriesOf(job.addresses)) {
      const path = ['jobs', index, 'addresses', at];
      const cidr = parseCidr(address);
      if (cidr === null) {
        list.error(path, `"${address}" is no address or network`, 'write it like 10.77.0.2 or 10.77.3.0/24');
        continue;
      }
      const key = formatCidr(cidr);
      if (jobOf.has(key))
        list.error(path, `"${address}" belongs to jobs[${jobOf.get(key)}] too`, 'name it once');
      else if (networks.length > 0 && !networks.some((network) => overlaps(network, cidr)))
        list.warn(path, `"${address}" is in none of runners.networks`, 'it can never be a runner');
      jobOf.set(key, index);
    }
  }
}

function overlaps(a: Cidr, b: Cidr): boolean {
  return cidrContains(a, b.bytes) || cidrContains(b, a.bytes);
}

function checkOperator(file: Partial<ConfigFile>, list: ProblemList): void {
  const operator = file.listen?.operator;
  if (operator === undefined) return;
  const path = ['listen', 'operator'];
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([\d.]+)):(\d{1,5})$/.exec(operator);
  const bytes = parts === null ? null : parseAddress(parts[1] ?? parts[2] ?? '');
  if (bytes === null || Number(parts?.[3]) > 65_535)
    list.error(path, `"${operator}" is no address and port`, 'write it like 127.0.0.1:9440 or [::1]:9440');
  else if (classifyAddress(bytes) === 'unspecified')
    list.warn(
      path,
      `"${operator}" listens on every interface: only runners are kept away from it`,
      'name one address',
    );
}

function checkPorts(file: Partial<ConfigFile>, list: ProblemList): void {
  const listen = file.listen ?? {};
  if (file.kernel?.backend === 'none') return checkDirectPorts(listen, list);
  const first = listen.worker ?? 10_001;
  const last = first + (file.workers ?? 1) - 1;
  if (last > 65_535)
    list.error(
      ['listen', 'worker'],
      `${file.workers} workers need the ports ${first} to ${last}`,
      'begin lower',
    );
  const taken = new Map<number, string>();
  for (const key of ['runner', 'explicit'] as const) {
    const port = listen[key] ?? (key === 'runner' ? 9441 : 0);
    if (port === 0) continue;
    const by = taken.get(port) ?? (first > 0 && port >= first && port <= last ? 'worker' : undefined);
    if (by !== undefined)
      list.error(['listen', key], `port ${port} is that of listen.${by} too`, 'choose another');
    else if (led.has(port) && file.mode !== 'sidecar')
      list.error(['listen', key], `port ${port} of the gateway is led to workers`, 'choose another');
    taken.set(port, key);
  }
  for (const key of ['dns', 'http', 'https'] as const)
    if (listen[key] !== undefined)
      list.warn(
        ['listen', key],
        'it is of use with `kernel.backend: none` only: the kernel’s rules lead every port',
        'leave it out',
      );
}

/** Ports of the gateway’s own address at which names that are steered or blocked are answered. */
const led: ReadonlySet<number> = new Set([53, 80, 443]);

/** Each port must say by itself what clients mean by it. */
function checkDirectPorts(listen: NonNullable<ConfigFile['listen']>, list: ProblemList): void {
  const { dns = 53, http = 80, https = 443, runner = 9441, explicit = 0 } = listen;
  const taken = new Map<number, string>();
  for (const [key, port] of Object.entries({ dns, http, https, runner, explicit })) {
    const by = port === 0 ? undefined : taken.get(port);
    if (by !== undefined)
      list.error(['listen', key], `port ${port} is that of listen.${by} too`, 'choose another');
    taken.set(port, key);
  }
}

function checkLimits(file: Partial<ConfigFile>, list: ProblemList): void {
  const { connections, connectionsPerRunner } = file.limits ?? {};
  if (connections === undefined) return;
  if (connectionsPerRunner !== undefined && connectionsPerRunner > connections) {
    const message = `one runner may not have more than the ${connections} connections in all`;
    list.error(['limits', 'connectionsPerRunner'], message, `at most ${connections}`);
  }
  const descriptors = mayOpen();
  if (connections > Math.max(256, connectionsWithin(descriptors))) {
    const message = `${connections} connections need more than the ${descriptors} descriptors of a process`;
    list.warn(['limits', 'connections'], message, 'raise LimitNOFILE (ulimit -n) as well');
  }
}

function checkRecords(file: Partial<ConfigFile>, list: ProblemList): void {
  const { maxSegmentBytes, maxTotalBytes = 4 * 1024 ** 3 } = file.records ?? {};
  // Without a number of workers the machine decides: 16 are the most.
  const processes = (file.workers ?? (maxSegmentBytes === undefined ? 16 : 1)) + 1;
  const least = processes * (maxSegmentBytes ?? leastSegmentBytes);
  if (maxTotalBytes >= least) return;
  const message = `${processes} processes have an open segment each: ${least} bytes in all`;
  const key = file.records?.maxTotalBytes === undefined ? 'maxSegmentBytes' : 'maxTotalBytes';
  list.error(['records', key], message, 'raise maxTotalBytes or lower maxSegmentBytes');
}

function checkKernel(file: Partial<ConfigFile>, list: ProblemList): void {
  const { table, backend = 'nftables' } = file.kernel ?? {};
  const most = maxTableName[backend];
  if (table !== undefined && (!tablePattern.test(table) || table.length > most)) {
    const message = `"${table}" cannot name the table`;
    list.error(['kernel', 'table'], message, `a letter, then letters, digits and _, at most ${most} in all`);
  }
  if (backend === 'none' && file.mode !== 'steer') {
    const remedy = 'set mode: steer, and hold runners to the gateway by a rule outside';
    list.error(['kernel', 'backend'], 'without rules nothing leads traffic here but its own address', remedy);
  }
  const { control = 64_801, worker = 64_802 } = file.users ?? {};
  if (control === worker)
    list.error(['users'], `control and workers are both user ${worker}`, 'give each a user of its own');
}

function checkAuthorities(file: Partial<ConfigFile>, list: ProblemList, directory: string): void {
  for (const [index, path] of entriesOf(file.tls?.extraAuthorities))
    checkAuthority(path, ['tls', 'extraAuthorities', index], list, directory);
  for (const [index, { host, authorities }] of entriesOf(file.tls?.upstreams)) {
    const at = ['tls', 'upstreams', index];
    const read = readHostPattern(host);
    if ('problem' in read) list.error([...at, 'host'], read.problem, read.remedy);
    for (const [place, path] of entriesOf(authorities))
      checkAuthority(path, [...at, 'authorities', place], list, directory);
  }
}

function checkAuthority(path: string, at: ValuePath, list: ProblemList, directory: string): void {
  try {
    new X509Certificate(readFileSync(resolve(directory, path)));
  } catch (error) {
    const isFile = error instanceof Error && 'code' in error && /^E[A-Z]+$/.test(String(error.code));
    const problem = `"${path}" ${isFile ? 'cannot be read' : 'holds no certificate'}`;
    list.error(at, problem, 'name a readable PEM file');
  }
}
