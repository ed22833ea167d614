// Cached DNS queries per second of CPU: ours (a policy in force, every query recorded to a file) beside unbound (which
// records nothing), in alternating rounds on the same pinned core. By itself it prints one JSON row per measure.
// Needs dnsperf, unbound and taskset. `--profile DIR` writes a CPU profile of ours.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { createMeter } from '../api/metrics.ts';
import { Lookup } from '../dns/lookup.ts';
import { startDns } from '../dns/server.ts';
import { unattributed } from '../flow/job.ts';
import type { KeeperPort } from '../flow/ports.ts';
import { decideName } from '../policy/decide.ts';
import { loadPolicy } from '../policy/load.ts';
import { effectivePolicy } from '../policy/scope.ts';
import { SegmentWriter } from '../store/segment.ts';
import { aimedAt, alternate, compare, cpuMs, emptyRounds, ratioTo } from './measure.ts';
import type { Figure, Progress } from './measure.ts';

const names = Array.from({ length: 200 }, (_, i) => `host${i}.bench.example`);
const ports = { upstream: 15_353, ours: 15_354, unbound: 15_355 };

/** The server under test, in a process of its own. */
async function serve(directory: string): Promise<void> {
  const hosts = Array.from({ length: 1000 }, (_, i) => `  - {id: r${i}, host: other${i}.example}`);
  const text = ['version: 1', 'mode: block', 'dns: {allow: "*.bench.example"}', 'http:', ...hosts, ''].join(
    '\n',
  );
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

function startUpstream() {
  const socket = createSocket('udp4');
  socket.on('message', (query, from) => {
    const end = query.indexOf(0, 12) + 5;
    const record = Buffer.from('c00c000100010000ffff00045db8d822', 'hex');
    const answer = Buffer.concat([query.subarray(0, end), record]);
    answer.set([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0], 2);
    socket.send(answer, from.port, from.address);
  });
  socket.bind(ports.upstream, '127.0.0.1');
  return socket;
}

function startUnbound(directory: string): ChildProcess {
  const path = join(directory, 'unbound.conf');
  const server = [
    'server:',
    `  port: ${ports.unbound}`,
    '  interface: 127.0.0.1',
    '  do-daemonize: no',
    '  num-threads: 1',
    '  username: ""',
    '  chroot: ""',
    `  directory: "${directory}"`,
    `  pidfile: "${join(directory, 'unbound.pid')}"`,
    '  use-syslog: no',
    '  do-not-query-localhost: no',
    '  module-config: "iterator"',
    '  access-control: 127.0.0.0/8 allow',
    'forward-zone:',
    '  name: "."',
    `  forward-addr: 127.0.0.1@${ports.upstream}`,
    '',
  ];
  writeFileSync(path, server.join('\n'));
  return spawn('taskset', ['-c', '0', 'unbound', '-d', '-c', path], { stdio: 'ignore' });
}

function runLoad(port: number, file: string, time: number): Promise<number> {
  const load = spawn('taskset', [
    '-c',
    '1',
    'dnsperf',
    '-s',
    '127.0.0.1',
    '-p',
    `${port}`,
    '-d',
    file,
    '-l',
    `${time}`,
    '-q',
    '200',
  ]);
  let text = '';
  load.stdout.on('data', (chunk) => (text += String(chunk)));
  return new Promise((resolve, reject) => {
    load.on('close', () => {
      if (!/NOERROR \d+ \(100\.00%\)/.test(text)) reject(new Error(`not everything was answered:\n${text}`));
      else resolve(Number(/Queries completed:\s+(\d+)/.exec(text)?.[1] ?? 0));
    });
  });
}

/** Queries that were answered in the time, and how many a second of CPU would have been enough for. */
async function measureRound(
  { port, pid }: { readonly port: number; readonly pid: number },
  file: string,
  seconds: number,
): Promise<{ perCpuSecond: number; perSecond: number }> {
  const before = cpuMs(pid);
  const completed = await runLoad(port, file, seconds);
  const cpuSeconds = (cpuMs(pid) - before) / 1000;
  return { perCpuSecond: Math.round(completed / cpuSeconds), perSecond: Math.round(completed / seconds) };
}

/** Cached queries: for each second of CPU, which is the goal, and by the clock. */
export async function measureDns(
  { rounds, seconds }: { readonly rounds: number; readonly seconds: number },
  progress: Progress,
): Promise<Figure[]> {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-bench-dns-'));
  const file = join(directory, 'queries');
  writeFileSync(file, names.map((name) => `${name} A\n`).join(''));
  const upstream = startUpstream();
  const profile = process.argv.indexOf('--profile');
  const flags = profile < 0 ? [] : ['--cpu-prof', '--cpu-prof-dir', process.argv[profile + 1]!];
  const command = ['-c', '0', process.execPath, ...flags, import.meta.filename, '--serve', directory];
  const ours = spawn('taskset', command, { stdio: 'inherit' });
  const unbound = startUnbound(directory);
  try {
    await wait(1500);
    const servers = {
      ours: { port: ports.ours, pid: ours.pid! },
      unbound: { port: ports.unbound, pid: unbound.pid! },
    };
    const contenders = Object.keys(servers) as (keyof typeof servers)[]; // exactly its own keys
    const [perCpuSecond, perSecond] = [emptyRounds(contenders), emptyRounds(contenders)];
    // The round before the first one fills the caches.
    await alternate(contenders, rounds, async (name, at) => {
      progress(`cached queries, ${name}, round ${at + 1} of ${rounds}`);
      const measured = await measureRound(servers[name as keyof typeof servers], file, seconds);
      if (at < 0) return;
      perCpuSecond[name]!.push(measured.perCpuSecond);
      perSecond[name]!.push(measured.perSecond);
    });
    const byCpu = compare('cached DNS queries per second of CPU', '1/s', perCpuSecond);
    const byClock = compare('cached DNS queries per second', '1/s', perSecond);
    return [aimedAt(byCpu, 'at least 2x unbound', ratioTo(byCpu, 'unbound') >= 2), byClock];
  } finally {
    ours.kill('SIGTERM');
    unbound.kill('SIGTERM');
    upstream.close();
    await wait(500);
    rmSync(directory, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const serveAt = process.argv.indexOf('--serve');
  if (serveAt >= 0) await serve(process.argv[serveAt + 1]!);
  else {
    const figures = await measureDns({ rounds: 5, seconds: 2 }, () => {});
    for (const figure of figures) process.stdout.write(`${JSON.stringify(figure)}\n`);
  }
}
