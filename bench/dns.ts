// DNS queries per second of CPU, cached and forwarded, and the time that a cached one takes: ours (a policy in force,
// every query recorded to a file) beside unbound and dnsmasq (which record nothing), in alternating rounds on the same
// pinned core. By itself it prints one JSON row per measure. Needs dnsperf, unbound, dnsmasq and taskset.
// `--profile DIR` writes a CPU profile of ours, `--rounds N` and `--seconds N` change the length.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { createMeter } from '../api/metrics.ts';
import { Lookup } from '../dns/lookup.ts';
import { startDns } from '../dns/server.ts';
import { TunnelWatch } from '../dns/tunnel.ts';
import { unattributed } from '../flow/job.ts';
import type { KeeperPort } from '../flow/ports.ts';
import { decideName } from '../policy/decide.ts';
import { loadPolicy } from '../policy/load.ts';
import { effectivePolicy } from '../policy/scope.ts';
import { SegmentWriter } from '../store/segment.ts';
import { aimedAt, alternate, compare, cpuMs, emptyRounds, ratioTo } from './measure.ts';
import type { Figure, Progress, Rounds } from './measure.ts';

const names = Array.from({ length: 200 }, (_, i) => `host${i}.bench.example`);
const ports = { upstream: 15_353, ours: 15_354, unbound: 15_355, dnsmasq: 15_356 };
type Server = 'ours' | 'unbound' | 'dnsmasq';
const servers: readonly Server[] = ['ours', 'unbound', 'dnsmasq'];
/** Distinct names of a zone: as many as a budget has, and then some zones. */
const namesPerZone = 50;

/** The server under test, in a process of its own. */
async function serve(directory: string): Promise<void> {
  const hosts = Array.from({ length: 1000 }, (_, i) => `  - {id: r${i}, host: other${i}.example}`);
  const text = ['version: 1', 'mode: block', 'dns: {allow: "**.example"}', 'http:', ...hosts, ''].join('\n');
  const { policy } = loadPolicy({ entry: 'policy.yaml', files: { 'policy.yaml': text } });
  const meter = createMeter();
  const lookup = new Lookup({
    upstreams: [{ address: '127.0.0.1', port: ports.upstream, transport: 'udp' }],
    meter,
  });
  await startDns({
    identity: { gateway: 'bench', fleet: 'bench' },
    lookup,
    policy: {
      effectivePolicy: (_, attribution) => effectivePolicy(policy, attribution),
      // The server hands back what effectivePolicy answered.
      decideName: (effective, question) =>
        decideName(effective as ReturnType<typeof effectivePolicy>, question),
    },
    currentPolicy: () => policy,
    attribution: { attribute: () => unattributed },
    recorder: new SegmentWriter({
      directory,
      process: 'bench',
      maxSegmentBytes: 64 << 20,
      maxTotalBytes: 256 << 20,
      meter,
    }),
    keeper: {} as KeeperPort, // no rule of this policy binds
    meter,
    // One client asks for more names in a second here than a runner may in an hour.
    tunnels: new TunnelWatch({ nameBudget: 1e9 }),
    udp: [{ address: '127.0.0.1', port: ports.ours }],
    blockedAnswer: 'explain',
    searchDomains: [],
    gatewayAddresses: { v4: '127.0.0.1', v6: null },
    ownNames: [],
    steer: false,
    ipv6: true,
    rate: { perSecond: 1e9, burst: 1e9, held: 4000 },
  });
  process.on('SIGTERM', () => process.exit(0));
}

/** An unbound of its own that answers for every name under `example` out of memory: the server that is forwarded to. */
function startUpstream(directory: string): ChildProcess {
  const zone = ['  local-zone: "example." redirect', '  local-data: "example. 65535 A 93.184.216.34"'];
  return startUnbound(directory, 'upstream', '1', [...zone]);
}

function startUnbound(
  directory: string,
  name: 'upstream' | 'unbound',
  core: string,
  more: readonly string[],
): ChildProcess {
  const path = join(directory, `${name}.conf`);
  const server = [
    'server:',
    `  port: ${ports[name]}`,
    '  interface: 127.0.0.1',
    '  do-daemonize: no',
    '  num-threads: 1',
    '  username: ""',
    '  chroot: ""',
    `  directory: "${directory}"`,
    `  pidfile: "${join(directory, `${name}.pid`)}"`,
    '  use-syslog: no',
    '  do-not-query-localhost: no',
    '  module-config: "iterator"',
    '  access-control: 127.0.0.0/8 allow',
    '  outgoing-range: 4096',
    '  num-queries-per-thread: 2048',
    '  msg-cache-size: 64m',
    '  rrset-cache-size: 128m',
    ...more,
    '',
  ];
  writeFileSync(path, server.join('\n'));
  return spawn('taskset', ['-c', core, 'unbound', '-d', '-c', path], { stdio: 'ignore' });
}

function startDnsmasq(): ChildProcess {
  const options = [
    `--port=${ports.dnsmasq}`,
    '--listen-address=127.0.0.1',
    '--bind-interfaces',
    '--keep-in-foreground',
    '--user=root',
    '--pid-file=',
    '--conf-file=/dev/null',
    '--no-resolv',
    '--no-hosts',
    `--server=127.0.0.1#${ports.upstream}`,
    '--cache-size=10000',
    '--dns-forward-max=2048',
  ];
  return spawn('taskset', ['-c', '0', 'dnsmasq', ...options], { stdio: 'ignore' });
}

/** One run of dnsperf on the other core; resolves with its report. @throws Error when something was not answered */
function runLoad(port: number, file: string, more: readonly string[]): Promise<string> {
  const server = ['-s', '127.0.0.1', '-p', `${port}`, '-d', file];
  const load = spawn('taskset', ['-c', '1', 'dnsperf', ...server, ...more]);
  let text = '';
  load.stdout.on('data', (chunk) => (text += String(chunk)));
  return new Promise((resolve, reject) => {
    load.on('close', () => {
      const report = text.slice(text.indexOf('Statistics:'));
      if (!/NOERROR \d+ \(100\.00%\)/.test(report))
        reject(new Error(`not everything was answered:\n${report}`));
      else resolve(text);
    });
  });
}

interface Measured {
  readonly perCpuSecond: number;
  readonly perSecond: number;
}

/** Queries that were answered in the time, and how many a second of CPU would have been enough for. */
async function measureRate(
  { port, pid }: { readonly port: number; readonly pid: number },
  file: string,
  more: readonly string[],
): Promise<Measured> {
  const before = cpuMs(pid);
  const text = await runLoad(port, file, more);
  const cpuSeconds = (cpuMs(pid) - before) / 1000;
  const completed = Number(/Queries completed:\s+(\d+)/.exec(text)?.[1] ?? 0);
  const seconds = Number(/Run time \(s\):\s+([\d.]+)/.exec(text)?.[1] ?? Number.NaN);
  return { perCpuSecond: Math.round(completed / cpuSeconds), perSecond: Math.round(completed / seconds) };
}

/** The 99th percentile of the answers' times in microseconds, at a rate that none of the servers is busy with. */
async function measureLatency(port: number, file: string, more: readonly string[]): Promise<number> {
  const text = await runLoad(port, file, ['-v', '-Q', '20000', '-q', '200', ...more]);
  const times = [...text.matchAll(/^> NOERROR \S+ \S+ ([\d.]+)$/gm)].map(([, time]) => Number(time));
  times.sort((a, b) => a - b);
  return Math.round((times[Math.floor(times.length * 0.99)] ?? Number.NaN) * 1e6);
}

/** Names that nobody has asked for yet. */
function writeNewNames(file: string, round: number, server: Server, count: number): void {
  const line = (i: number) => `n${i}.r${round + 1}${server}${Math.floor(i / namesPerZone)}.example A\n`;
  writeFileSync(file, Array.from({ length: count }, (_, i) => line(i)).join(''));
}

interface Lengths {
  readonly rounds: number;
  readonly seconds: number;
  /** As many questions as show that it works, for the rows' shape: the servers are not warm, the figures are rough. */
  readonly isShort?: boolean;
}

/** The options of each load. A lost question is waited for, so that in short ones it is given up sooner. */
function loadsOf({ seconds, isShort = false }: Lengths) {
  // Times around the file of 200 names.
  if (isShort)
    return { cached: ['-n', '50', '-t', '1'], slow: ['-n', '20', '-t', '1'], newNames: 3000, warmUps: 0 };
  return { cached: ['-l', `${seconds}`], slow: ['-l', '1'], newNames: 150_000, warmUps: 1 };
}

async function measureAll(
  pids: Readonly<Record<Server, number>>,
  directory: string,
  lengths: Lengths,
  progress: Progress,
): Promise<Figure[]> {
  const cached = join(directory, 'cached');
  const fresh = join(directory, 'fresh');
  writeFileSync(cached, names.map((name) => `${name} A\n`).join(''));
  const empty = () => emptyRounds(servers);
  const [byCpu, byClock, many, forwarded, late] = [empty(), empty(), empty(), empty(), empty()];
  const { rounds } = lengths;
  const { cached: length, slow, newNames, warmUps } = loadsOf(lengths);
  const long = [...length, '-q', '200'];
  for (const server of servers) await runLoad(ports[server], cached, ['-n', '2', '-q', '20']);
  const step = async (name: string, at: number) => {
    const server = name as Server; // one of `servers`
    const target = { port: ports[server], pid: pids[server] };
    progress(`DNS, ${server}, round ${at + 1} of ${rounds}`);
    const one = await measureRate(target, cached, long);
    const ofMany = await measureRate(target, cached, [...long, '-c', '64']);
    writeNewNames(fresh, at, server, newNames);
    const ofNew = await measureRate(target, fresh, [...long, '-n', '1']);
    const p99 = await measureLatency(target.port, cached, slow);
    if (at < 0) return;
    byCpu[server]!.push(one.perCpuSecond);
    byClock[server]!.push(one.perSecond);
    many[server]!.push(ofMany.perCpuSecond);
    forwarded[server]!.push(ofNew.perCpuSecond);
    late[server]!.push(p99);
  };
  await alternate(servers, rounds, step, warmUps);
  return figuresOf({ byCpu, byClock, many, forwarded, late });
}

function figuresOf(
  values: Readonly<Record<'byCpu' | 'byClock' | 'many' | 'forwarded' | 'late', Rounds>>,
): Figure[] {
  const byCpu = compare('cached DNS queries per second of CPU', '1/s', values.byCpu);
  const forwarded = compare('forwarded DNS queries per second of CPU', '1/s', values.forwarded);
  const isFast = ratioTo(byCpu, 'unbound') >= 2 && ratioTo(byCpu, 'dnsmasq') >= 3;
  return [
    aimedAt(byCpu, 'at least 2x unbound and 3x dnsmasq', isFast),
    compare('the same, asked from 64 sockets', '1/s', values.many),
    compare('cached DNS queries per second', '1/s', values.byClock),
    compare('p99 of a cached DNS query at 20,000 a second', 'µs', values.late),
    aimedAt(forwarded, 'at least 1.3x unbound', ratioTo(forwarded, 'unbound') >= 1.3),
  ];
}

/** Cached and forwarded queries: for each second of CPU, which is the goal, by the clock, and the slowest of a hundred. */
export async function measureDns(lengths: Lengths, progress: Progress): Promise<Figure[]> {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-bench-dns-'));
  const profile = process.argv.indexOf('--profile');
  const flags = profile < 0 ? [] : ['--cpu-prof', '--cpu-prof-dir', process.argv[profile + 1]!];
  const command = ['-c', '0', process.execPath, ...flags, import.meta.filename, '--serve', directory];
  const forward = ['forward-zone:', '  name: "."', `  forward-addr: 127.0.0.1@${ports.upstream}`];
  const started = {
    upstream: startUpstream(directory),
    ours: spawn('taskset', command, { stdio: 'inherit' }),
    unbound: startUnbound(directory, 'unbound', '0', forward),
    dnsmasq: startDnsmasq(),
  };
  try {
    await wait(1500);
    const pids = { ours: started.ours.pid!, unbound: started.unbound.pid!, dnsmasq: started.dnsmasq.pid! };
    return await measureAll(pids, directory, lengths, progress);
  } finally {
    for (const server of Object.values(started)) server.kill('SIGTERM');
    await wait(500);
    rmSync(directory, { recursive: true, force: true });
  }
}

const numberAfter = (option: string, otherwise: number) =>
  process.argv.includes(option) ? Number(process.argv[process.argv.indexOf(option) + 1]) : otherwise;

if (import.meta.main) {
  const serveAt = process.argv.indexOf('--serve');
  if (serveAt >= 0) await serve(process.argv[serveAt + 1]!);
  else {
    const lengths = { rounds: numberAfter('--rounds', 5), seconds: numberAfter('--seconds', 2) };
    const figures = await measureDns(lengths, (line) => process.stderr.write(`${line}\n`));
    for (const figure of figures) process.stdout.write(`${JSON.stringify(figure)}\n`);
  }
}
