// Interception measured beside squid's bump in alternating rounds on the same pinned core, in a network
// namespace that is made and removed here. Prints one JSON row per measure. Needs root, squid-openssl,
// nginx, wrk, curl, nft, taskset, setpriv. `--rounds N` and `--gib N` shorten or lengthen it.

import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { connect } from 'node:tls';
import type { TLSSocket } from 'node:tls';

const option = (name: string, fallback: number) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
};
const rounds = option('--rounds', 5);
const gib = option('--gib', 3);
const seconds = option('--seconds', 3);
const namespace = `bench-${process.pid}`;
const sides = {
  ours: { host: 'ours.test', address: '10.99.0.1', port: 8444 },
  squid: { host: 'squid.test', address: '10.99.0.2', port: 8443 },
} as const;
type Side = keyof typeof sides;
const names: readonly Side[] = ['ours', 'squid'];
const proxyUid = '13';
const unseen = 60;
const onlyConnections = process.argv.includes('--connections');

const run = (command: string, ...args: string[]) =>
  execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const inside = (...args: string[]) => ['netns', 'exec', namespace, ...args];
const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;

function makeNamespace(): void {
  run('ip', 'netns', 'add', namespace);
  run('ip', '-n', namespace, 'link', 'set', 'lo', 'up');
  for (const { address } of Object.values(sides))
    run('ip', '-n', namespace, 'addr', 'add', `${address}/32`, 'dev', 'lo');
  mkdirSync(`/etc/netns/${namespace}`, { recursive: true });
  const hosts = names.flatMap((name) => {
    const { host, address } = sides[name];
    return [
      `${address} ${host}`,
      ...Array.from({ length: unseen * (rounds + 1) }, (_, i) => `${address} n${i}.${host}`),
    ];
  });
  writeFileSync(`/etc/netns/${namespace}/hosts`, `${hosts.join('\n')}\n`);
  const rules = names.map(
    (name) => `ip daddr ${sides[name].address} tcp dport 443 redirect to :${sides[name].port}`,
  );
  const table = `table inet bench { chain out { type nat hook output priority -100; meta skuid ${proxyUid} accept\n${rules.join('\n')}\n}\n}\n`;
  execFileSync('ip', inside('nft', '-f', '-'), { input: table });
}

function removeNamespace(): void {
  run('ip', 'netns', 'del', namespace);
  rmSync(`/etc/netns/${namespace}`, { recursive: true, force: true });
}

function makeCertificates(directory: string): void {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  for (const name of ['origin-ca', 'bump'])
    openssl(
      'req',
      '-x509',
      ...key,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.pem`,
      '-days',
      '9',
      '-subj',
      `/CN=${name}`,
    );
  const names = Object.values(sides).flatMap(({ host }) => [`DNS:${host}`, `DNS:*.${host}`]);
  openssl(
    'req',
    '-x509',
    '-CA',
    'origin-ca.pem',
    '-CAkey',
    'origin-ca.key',
    ...key,
    '-keyout',
    'origin.key',
    '-out',
    'origin.pem',
    '-days',
    '9',
    '-subj',
    '/CN=o',
    '-addext',
    'basicConstraints=critical,CA:FALSE',
    '-addext',
    `subjectAltName=${names.join(',')}`,
  );
  writeFileSync(
    join(directory, 'squid.pem'),
    readFileSync(join(directory, 'bump.pem'), 'utf8') + readFileSync(join(directory, 'bump.key'), 'utf8'),
  );
}

function startNginx(directory: string): ChildProcess {
  const body = 'x'.repeat(100);
  const config = `daemon off; worker_processes 1; error_log stderr error; pid ${directory}/nginx.pid; user root;
events { worker_connections 20000; }
http { access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;
server { listen 10.99.0.1:443 ssl; listen 10.99.0.2:443 ssl; ssl_certificate ${directory}/origin.pem; ssl_certificate_key ${directory}/origin.key;
location / { return 200 "${body}"; } location /big { root ${directory}; } } }`;
  writeFileSync(join(directory, 'nginx.conf'), config);
  run('truncate', '-s', '1G', join(directory, 'big'));
  return spawn('ip', inside('taskset', '-c', '1', 'nginx', '-c', join(directory, 'nginx.conf')), {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

function startSquid(directory: string): ChildProcess {
  const config = `https_port 8443 intercept ssl-bump tls-cert=${directory}/squid.pem generate-host-certificates=on dynamic_cert_mem_cache_size=64MB
http_port 3128
sslcrtd_program /usr/lib/squid/security_file_certgen -s ${directory}/ssl_db -M 16MB
sslcrtd_children 2 startup=1
tls_outgoing_options cafile=${directory}/origin-ca.pem
acl step1 at_step SslBump1
ssl_bump peek step1
ssl_bump bump all
http_access allow all
cache deny all
access_log none
cache_log /dev/null
pid_filename none
workers 1
hosts_file /etc/netns/${namespace}/hosts
max_filedescriptors 19000
via off
shutdown_lifetime 0 seconds
`;
  writeFileSync(join(directory, 'squid.conf'), config);
  run('/usr/lib/squid/security_file_certgen', '-c', '-s', join(directory, 'ssl_db'), '-M', '16MB');
  run('chown', '-R', 'proxy', join(directory, 'ssl_db'), join(directory, 'squid.pem'));
  return spawn('ip', inside('taskset', '-c', '0', 'squid', '-N', '-f', join(directory, 'squid.conf')), {
    stdio: 'ignore',
  });
}

function startOurs(directory: string): ChildProcess {
  const at = process.argv.indexOf('--profile');
  const flags = at < 0 ? [] : ['--cpu-prof', '--cpu-prof-dir', process.argv[at + 1]!];
  const program = join(import.meta.dirname, 'proxy-worker.ts');
  mkdirSync(join(directory, 'work'));
  for (const name of ['origin-ca.pem']) run('cp', join(directory, name), join(directory, 'work', name));
  run('chown', '-R', proxyUid, join(directory, 'work'));
  const { port, address } = sides.ours;
  const command = [
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    ...flags,
    program,
    join(directory, 'work'),
    `${port}`,
    address,
  ];
  return spawn(
    'ip',
    inside(
      'setpriv',
      '--reuid',
      proxyUid,
      '--regid',
      proxyUid,
      '--clear-groups',
      'taskset',
      '-c',
      '0',
      ...command,
    ),
    { stdio: 'inherit' },
  );
}

/** A process and its descendants. */
function family(pid: number): number[] {
  const parents = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        return [
          [
            Number(name),
            Number(readFileSync(`/proc/${name}/stat`, 'utf8').split(') ')[1]!.split(' ')[1]),
          ] as const,
        ];
      } catch {
        return [];
      }
    });
  const found = [pid];
  for (const at of found)
    found.push(...parents.filter(([, parent]) => parent === at).map(([child]) => child));
  return found;
}

/** Milliseconds of user and system time (proc_pid_stat(5): 100 ticks a second). */
function cpuMs(pid: number): number {
  return family(pid).reduce((sum, member) => {
    const fields = readFileSync(`/proc/${member}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return sum + (Number(fields[11]) + Number(fields[12])) * 10;
  }, 0);
}
function rssKb(pid: number): number {
  return family(pid).reduce(
    (sum, member) =>
      sum + Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${member}/status`, 'utf8'))?.[1] ?? 0),
    0,
  );
}

async function output(args: string[]): Promise<string> {
  const child = spawn('ip', inside('taskset', '-c', '1', ...args), { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (chunk) => (text += String(chunk)));
  await new Promise((resolve) => child.on('close', resolve));
  return text;
}

const client = (mode: string, host: string, address: string, count: number) =>
  output([
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    import.meta.filename,
    '--client',
    mode,
    host,
    address,
    String(count),
  ]);

interface Row {
  readonly measure: string;
  readonly ours: number;
  readonly squid?: number;
  readonly ratio?: number;
  readonly rounds?: unknown;
}
const print = (row: Row) => process.stdout.write(`${JSON.stringify(row)}\n`);
function printPair(measure: string, values: Record<Side, number[]>): void {
  const ours = median(values.ours);
  const squid = median(values.squid);
  const ratio = median(values.ours.map((value, i) => value / values.squid[i]!));
  print({
    measure,
    ours: Math.round(ours),
    squid: Math.round(squid),
    ratio: Number(ratio.toFixed(2)),
    rounds: values,
  });
}
const pair = (): Record<Side, number[]> => ({ ours: [], squid: [] });

/** Runs the step for both sides in alternating rounds; the round before the first one warms both up. */
async function alternate(step: (name: Side, round: number) => Promise<void>): Promise<void> {
  for (let round = -1; round < rounds; round++) for (const name of names) await step(name, round);
}

async function measure(pids: Record<Side, number>): Promise<void> {
  if (!onlyConnections) await measureKeepAlive(pids);
  const [seen, fresh] = [pair(), pair()];
  await alternate(async (name, round) => {
    const { host, address } = sides[name];
    let before = cpuMs(pids[name]);
    await client('seen', host, address, unseen * 4);
    const perSeen = ((cpuMs(pids[name]) - before) / unseen / 4) * 1000;
    before = cpuMs(pids[name]);
    await client(`unseen-${(round + 1) * unseen}`, host, address, unseen);
    const perFresh = ((cpuMs(pids[name]) - before) / unseen) * 1000;
    if (round < 0) return;
    seen[name].push(perSeen);
    fresh[name].push(perFresh);
  });
  printPair('CPU microseconds per new connection, host seen', seen);
  printPair('CPU microseconds per new connection, host unseen', fresh);
  const ratio = median(fresh.ours) / median(seen.ours);
  print({ measure: 'CPU of an unseen host over a seen one', ours: Number(ratio.toFixed(2)) });
  if (!onlyConnections) await measureMemory(pids.ours);
}

async function measureKeepAlive(pids: Record<Side, number>): Promise<void> {
  const [keepAlive, rate] = [pair(), pair()];
  await alternate(async (name, round) => {
    const before = cpuMs(pids[name]);
    const text = await output([
      'wrk',
      '-t1',
      '-c32',
      `-d${round < 0 ? 1 : seconds}s`,
      `https://${sides[name].host}/`,
    ]);
    const requests = Number(/(\d+) requests in/.exec(text)?.[1] ?? 0);
    if (/Non-2xx|Socket errors/.test(text)) process.stderr.write(`${name}: ${text}\n`);
    if (round < 0) return;
    keepAlive[name].push(((cpuMs(pids[name]) - before) / requests) * 1000);
    rate[name].push(requests / seconds);
  });
  printPair('CPU microseconds per request, keep-alive, 32 connections', keepAlive);
  printPair('requests per second', rate);
}

async function measureMemory(pid: number): Promise<void> {
  const { host, address } = sides.ours;
  const held = 2000;
  const before = rssKb(pid);
  const holder = spawn(
    'ip',
    inside(
      'taskset',
      '-c',
      '1',
      process.execPath,
      import.meta.filename,
      '--client',
      'hold',
      host,
      address,
      String(held),
    ),
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await new Promise((resolve) => holder.stdout.once('data', resolve));
  await wait(1500);
  print({ measure: `KB per idle connection (${held} held)`, ours: Math.round((rssKb(pid) - before) / held) });
  holder.kill('SIGKILL');
  await wait(2000);
  const resident: number[] = [];
  for (let i = 0; i < gib; i++) {
    await output(['curl', '-sk', '-o', '/dev/null', `https://${host}/big`]);
    resident.push(Math.round(rssKb(pid) / 1024));
  }
  print({
    measure: 'MB resident added by the gibibytes after the first',
    ours: resident.at(-1)! - resident[0]!,
    rounds: resident,
  });
}

async function open(host: string, address: string): Promise<TLSSocket> {
  const socket = connect({ host: address, port: 443, servername: host, rejectUnauthorized: false });
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
  });
  socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  const first = await new Promise<Buffer>((resolve) => socket.once('data', resolve));
  if (!first.toString('latin1').startsWith('HTTP/1.1 200'))
    throw new Error(first.toString('latin1').slice(0, 200));
  return socket;
}

/** Inside the namespace: opens connections one after the other, eight at a time. */
async function beClient([mode = '', host = '', address = '', count = '']: string[]): Promise<void> {
  const from = Number(/^unseen-(\d+)$/.exec(mode)?.[1] ?? -1);
  let next = 0;
  const lane = async () => {
    for (let i = next++; i < Number(count); i = next++) {
      const socket = await open(from < 0 ? host : `n${from + i}.${host}`, address);
      if (mode === 'hold') socket.on('error', () => {});
      else socket.destroy();
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
  process.stdout.write('done\n');
}

async function main(): Promise<void> {
  const directory = mkdtempSync('/dev/shm/sallyport-bench-proxy-');
  run('chmod', '755', directory);
  // squid leaves its shared memory behind when it is told to stop at once.
  const shared = () => readdirSync('/dev/shm').filter((name) => name.startsWith('squid-'));
  const before = shared();
  const children: ChildProcess[] = [];
  try {
    makeCertificates(directory);
    makeNamespace();
    children.push(startNginx(directory), startSquid(directory), startOurs(directory));
    await wait(3000);
    await measure({ squid: children[1]!.pid!, ours: children[2]!.pid! });
  } finally {
    for (const child of children) if (child.exitCode === null) child.kill('SIGTERM');
    await wait(500);
    for (const pid of run('ip', 'netns', 'pids', namespace).split('\n').filter(Boolean))
      process.kill(Number(pid), 'SIGKILL');
    await wait(200);
    for (const name of shared()) if (!before.includes(name)) rmSync(join('/dev/shm', name));
    removeNamespace();
    rmSync(directory, { recursive: true, force: true });
  }
}

const clientAt = process.argv.indexOf('--client');
await (clientAt < 0 ? main() : beClient(process.argv.slice(clientAt + 1)));
