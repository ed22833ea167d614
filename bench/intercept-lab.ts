// Where interception is measured: a network namespace that is made and removed here, with nginx as the upstream,
// ours and squid's bump side by side on one core and the load on the other. Needs root, squid-openssl, nginx,
// wrk, curl, nft, taskset, setpriv.

import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { sides } from './measure.ts';
import type { Side } from './measure.ts';

const namespace = `bench-${process.pid}`;
/** What clients ask for on either side, and where the proxy of that side listens. */
export const targets = {
  ours: { host: 'ours.test', address: '10.99.0.1', port: 8444 },
  peer: { host: 'squid.test', address: '10.99.0.2', port: 8443 },
} as const;
const proxyUid = '13';

/** The running lab. `close` removes exactly what was made. */
export interface InterceptLab {
  readonly pids: Record<Side, number>;
  /** Runs a command inside, on the core of the load, and answers what it prints. */
  output(args: readonly string[]): Promise<string>;
  /** Starts a command inside, on the core of the load. */
  start(args: readonly string[]): ChildProcess;
  close(): Promise<void>;
}

const run = (command: string, ...args: string[]) =>
  execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const inside = (...args: string[]) => ['netns', 'exec', namespace, ...args];

function makeNamespace(unseen: number): void {
  run('ip', 'netns', 'add', namespace);
  run('ip', '-n', namespace, 'link', 'set', 'lo', 'up');
  for (const { address } of Object.values(targets))
    run('ip', '-n', namespace, 'addr', 'add', `${address}/32`, 'dev', 'lo');
  mkdirSync(`/etc/netns/${namespace}`, { recursive: true });
  // squid alone reads the unseen names here; it walks all of them for every request, so that they are few.
  const { host, address } = targets.peer;
  const hosts = [
    ...sides.map((side) => `${targets[side].address} ${targets[side].host}`),
    ...Array.from({ length: unseen }, (_, i) => `${address} n${i}.${host}`),
  ];
  writeFileSync(`/etc/netns/${namespace}/hosts`, `${hosts.join('\n')}\n`);
  const rules = sides.map(
    (side) => `ip daddr ${targets[side].address} tcp dport 443 redirect to :${targets[side].port}`,
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
  const names = Object.values(targets).flatMap(({ host }) => [`DNS:${host}`, `DNS:*.${host}`]);
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
server { listen 443 ssl; ssl_certificate ${directory}/origin.pem; ssl_certificate_key ${directory}/origin.key;
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
  const program = join(import.meta.dirname, 'intercept-worker.ts');
  mkdirSync(join(directory, 'work'));
  for (const name of ['origin-ca.pem']) run('cp', join(directory, name), join(directory, 'work', name));
  run('chown', '-R', proxyUid, join(directory, 'work'));
  const { port, address } = targets.ours;
  const command = [
    process.execPath,
    '--disable-warning=ExperimentalWarning',
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

function startInside(args: readonly string[]): ChildProcess {
  return spawn('ip', inside('taskset', '-c', '1', ...args), { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function outputOf(args: readonly string[]): Promise<string> {
  const child = startInside(args);
  let text = '';
  child.stdout!.on('data', (chunk) => (text += String(chunk)));
  await new Promise((resolve) => child.on('close', resolve));
  return text;
}

/** Makes the namespace and starts all three servers; so many unseen names of the peer resolve, n0 and on. */
export async function openInterceptLab(unseen: number): Promise<InterceptLab> {
  const directory = mkdtempSync('/dev/shm/sallyport-bench-proxy-');
  run('chmod', '755', directory);
  // squid leaves its shared memory behind when it is told to stop at once.
  const shared = () => readdirSync('/dev/shm').filter((name) => name.startsWith('squid-'));
  const before = shared();
  const children: ChildProcess[] = [];
  const close = async () => {
    for (const child of children) if (child.exitCode === null) child.kill('SIGTERM');
    await wait(500);
    for (const pid of run('ip', 'netns', 'pids', namespace).split('\n').filter(Boolean))
      process.kill(Number(pid), 'SIGKILL');
    await wait(200);
    for (const name of shared()) if (!before.includes(name)) rmSync(join('/dev/shm', name));
    removeNamespace();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    makeCertificates(directory);
    makeNamespace(unseen);
    const [upstream, peer, ours] = [startNginx(directory), startSquid(directory), startOurs(directory)];
    children.push(upstream, peer, ours);
    await wait(3000);
    return { pids: { ours: ours.pid!, peer: peer.pid! }, output: outputOf, start: startInside, close };
  } catch (error) {
    await close();
    throw error;
  }
}
