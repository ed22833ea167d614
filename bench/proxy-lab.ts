// Where proxies are measured: a network namespace that is made and removed here, with nginx as the server of every
// name, the programs under measurement on one core and the load on the other. Each program has an address of its own,
// whose port 443 is redirected to it for everybody but its own user. Needs root, nginx, openssl, nft, taskset, setpriv.

import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { contenders } from './contenders.ts';
import type { Contender } from './contenders.ts';

/** Labs of this process so far: each has a namespace of its own. */
let opened = 0;
/** The user of every program under measurement: its own connections are not redirected again. */
export const proxyUid = '13';
const readyWithinMs = 20_000;

/** The running lab. `close` removes exactly what was made. */
export interface ProxyLab {
  readonly directory: string;
  /** Process ids by name of the program. */
  readonly pids: Readonly<Record<string, number>>;
  readonly names: readonly string[];
  contender(name: string): Contender;
  /** Runs a command inside, on the core of the load, and answers what it prints; killed after `limitMs`. */
  output(args: readonly string[], limitMs?: number): Promise<string>;
  /** Starts a command inside, on the core of the load. */
  start(args: readonly string[]): ChildProcess;
  close(): Promise<void>;
}

export interface LabOptions {
  /** Names from contenders.ts. */
  readonly programs: readonly string[];
  /** So many names `n0.NAME`, … resolve for programs that read /etc/hosts. Default 0. */
  readonly unseen?: number;
  /** Addresses 10.98.0.1 and on that runners may speak from. Default 0. */
  readonly runners?: number;
  /** Cores that the programs may use, as taskset reads them. Default `0`. */
  readonly cores?: string;
  /** Workers of ours. Default 1. */
  readonly workers?: number;
  /** Rules of ours' policy. Default 1,000. */
  readonly rules?: number;
}

const run = (command: string, ...args: string[]) =>
  execFileSync(command, args, { encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] });
const inside = (namespace: string, ...args: string[]) => ['netns', 'exec', namespace, ...args];

function makeNamespace(
  namespace: string,
  wanted: readonly Contender[],
  unseen: number,
  runners: number,
): void {
  run('ip', 'netns', 'add', namespace);
  const sources = Array.from({ length: runners }, (_, i) => `10.98.${(i + 1) >> 8}.${(i + 1) & 255}`);
  const addresses = [...wanted.map(({ address }) => address), ...sources];
  const lines = ['link set lo up', ...addresses.map((address) => `addr add ${address}/32 dev lo`)];
  execFileSync('ip', ['-n', namespace, '-batch', '-'], { input: `${lines.join('\n')}\n` });
  mkdirSync(`/etc/netns/${namespace}`, { recursive: true });
  const hosts = wanted.flatMap(({ host, address, readsHosts }) => [
    `${address} ${host}`,
    ...(readsHosts === true ? Array.from({ length: unseen }, (_, i) => `${address} n${i}.${host}`) : []),
  ]);
  writeFileSync(`/etc/netns/${namespace}/hosts`, `${hosts.join('\n')}\n`);
  const rules = wanted
    .filter(({ isDirect }) => isDirect !== true)
    .map(({ address, port }) => `ip daddr ${address} tcp dport 443 redirect to :${port}`);
  const table = `table inet bench { chain out { type nat hook output priority -100; meta skuid ${proxyUid} accept\n${rules.join('\n')}\n}\n}\n`;
  execFileSync('ip', inside(namespace, 'nft', '-f', '-'), { input: table });
}

function removeNamespace(namespace: string): void {
  run('ip', 'netns', 'del', namespace);
  rmSync(`/etc/netns/${namespace}`, { recursive: true, force: true });
}

function makeCertificates(directory: string, wanted: readonly Contender[]): void {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const self = (name: string) =>
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
  for (const name of ['origin-ca', 'bump']) self(name);
  const names = wanted.flatMap(({ host }) => [`DNS:${host}`, `DNS:*.${host}`]);
  const issue = ['-x509', '-CA', 'origin-ca.pem', '-CAkey', 'origin-ca.key'];
  const extensions = [
    '-addext',
    'basicConstraints=critical,CA:FALSE',
    '-addext',
    `subjectAltName=${names.join(',')}`,
  ];
  openssl(
    'req',
    ...issue,
    ...key,
    '-keyout',
    'origin.key',
    '-out',
    'origin.pem',
    '-days',
    '9',
    '-subj',
    '/CN=o',
    ...extensions,
  );
  const joined = (...files: string[]) =>
    files.map((file) => readFileSync(join(directory, file), 'utf8')).join('');
  // Certificate and key in one file, as squid, haproxy and mitmproxy read them.
  writeFileSync(join(directory, 'bump-both.pem'), joined('bump.pem', 'bump.key'));
  writeFileSync(join(directory, 'origin-both.pem'), joined('origin.pem', 'origin.key'));
  // openssl keeps keys to their owner; these are of this hour and this lab.
  for (const name of ['origin', 'bump']) chmodSync(join(directory, `${name}.key`), 0o644);
}

function startNginx(namespace: string, directory: string): ChildProcess {
  const config = `daemon off; worker_processes 1; error_log stderr error; pid ${directory}/nginx.pid; user root;
events { worker_connections 19000; }
http { access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; client_max_body_size 0;
client_body_temp_path ${directory}/uploads; http2_max_requests 1000000000; http2_max_concurrent_streams 256;
server { listen unix:${directory}/sink; return 200 "stored"; }
server { listen 443 ssl http2; ssl_certificate ${directory}/origin.pem; ssl_certificate_key ${directory}/origin.key;
location / { return 200 "${'x'.repeat(100)}"; } location /big { root ${directory}; }
location /up { proxy_pass_request_body off; proxy_set_header Content-Length ""; proxy_pass http://unix:${directory}/sink:/; } } }`;
  writeFileSync(join(directory, 'nginx.conf'), config);
  run('truncate', '-s', '1G', join(directory, 'big'));
  return spawn('ip', inside(namespace, 'taskset', '-c', '1', 'nginx', '-c', join(directory, 'nginx.conf')), {
    stdio: ['ignore', 'ignore', 'ignore'],
  });
}

function startContender(
  namespace: string,
  contender: Contender,
  directory: string,
  options: LabOptions,
): ChildProcess {
  const own = join(directory, contender.name);
  mkdirSync(own);
  const command = contender.prepare({
    directory: own,
    files: directory,
    namespace,
    workers: options.workers ?? 1,
    rules: options.rules ?? 1000,
  });
  run('chown', '-R', proxyUid, own);
  const user =
    contender.becomesUser === true
      ? []
      : ['setpriv', '--reuid', proxyUid, '--regid', proxyUid, '--clear-groups'];
  return spawn('ip', inside(namespace, ...user, 'taskset', '-c', options.cores ?? '0', ...command), {
    stdio: 'ignore',
  });
}

function startInside(namespace: string, args: readonly string[]): ChildProcess {
  return spawn('ip', inside(namespace, 'taskset', '-c', '1', ...args), { stdio: ['pipe', 'pipe', 'pipe'] });
}

async function outputOf(namespace: string, args: readonly string[], limitMs = 120_000): Promise<string> {
  const child = startInside(namespace, args);
  const limit = setTimeout(() => child.kill('SIGKILL'), limitMs);
  let text = '';
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk) => (text += String(chunk)));
  await new Promise((resolve) => child.on('close', resolve));
  clearTimeout(limit);
  return text;
}

/** Waits until curl gets an answer through it. @throws Error naming the program that does not answer */
async function untilAnswers(namespace: string, { name, host }: Contender): Promise<void> {
  const until = performance.now() + readyWithinMs;
  while (performance.now() < until) {
    const text = await outputOf(namespace, [
      'curl',
      '-sk',
      '-m',
      '3',
      '-o',
      '/dev/null',
      '-w',
      '%{http_code}',
      `https://${host}/`,
    ]);
    if (text === '200') return;
    await wait(200);
  }
  throw new Error(`${name} does not answer`);
}

/** Makes the namespace and starts nginx and every program, ready to answer. */
export async function openProxyLab(options: LabOptions): Promise<ProxyLab> {
  const namespace = `bench-${process.pid}-${opened++}`;
  const directory = mkdtempSync('/dev/shm/sallyport-bench-proxy-');
  run('chmod', '755', directory);
  const wanted = options.programs.map((name) => contenders[name]!);
  // squid leaves its shared memory behind when it is told to stop at once.
  const shared = () => readdirSync('/dev/shm').filter((name) => name.startsWith('squid-'));
  const before = shared();
  const close = async () => {
    const inNamespace = () => run('ip', 'netns', 'pids', namespace).split('\n').filter(Boolean);
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      for (const pid of inNamespace()) end(Number(pid), signal);
      for (let i = 0; i < 20 && inNamespace().length > 0; i++) await wait(50);
    }
    for (const name of shared()) if (!before.includes(name)) rmSync(join('/dev/shm', name));
    removeNamespace(namespace);
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    makeCertificates(directory, wanted);
    makeNamespace(namespace, wanted, options.unseen ?? 0, options.runners ?? 0);
    startNginx(namespace, directory);
    await wait(300);
    const pids: Record<string, number> = {};
    for (const contender of wanted) {
      if (contender.isDirect !== true)
        pids[contender.name] = startContender(namespace, contender, directory, options).pid!;
    }
    for (const contender of wanted) await untilAnswers(namespace, contender);
    const contender = (name: string) => contenders[name]!;
    return {
      directory,
      pids,
      names: options.programs,
      contender,
      output: (args, limitMs) => outputOf(namespace, args, limitMs),
      start: (args) => startInside(namespace, args),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function end(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself in between.
  }
}
