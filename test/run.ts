// The one test command: static checks and every test file under tap, with the time of each part.
// Prints `tap: N passed, N failed, N skipped` last, and every skip with its reason; --quick leaves the static checks out.

import { spawn, spawnSync } from 'node:child_process';
import { createWriteStream, existsSync, mkdtempSync, readFileSync, rmSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { installPrograms } from '../netns/install-programs.ts';
import { startInReach } from '../netns/reachable.ts';

const root = resolve(import.meta.dirname, '..');
const bin = (name: string): string => join(root, 'node_modules', '.bin', name);
const args = process.argv.slice(2);
const fileLimitSeconds = 300;
const endToEnd = ['test/bypass/', 'test/deploy/', 'test/doctor/', 'test/e2e/', 'test/netns/'];
/** Cases that each property of a parser of hostile bytes draws here; a test file run by itself draws fewer. */
const fuzzCases = process.env['FUZZ_CASES'] ?? '100000';
const isQuick = args.includes('--quick');
const wanted = args.filter((arg) => !arg.startsWith('--'));

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`;
}

/** Programs of the tests, by the package that brings them on Debian and Ubuntu. */
const programs = {
  nft: 'nftables',
  ip: 'iproute2',
  '/etc/protocols': 'netbase',
  openssl: 'openssl',
  curl: 'curl',
  git: 'git',
  dig: 'bind9-dnsutils',
  ping: 'iputils-ping',
  iptables: 'iptables',
  ipset: 'ipset',
  sysctl: 'procps',
} as const;

/**
 * Programs of some files alone, by a part of their path; what cannot be installed is skipped there. Packages of Python
 * bring no program: they are known by their file.
 */
const module = (name: string): string => `/usr/lib/python3/dist-packages/${name}`;
const programsOf: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'test/e2e/steer': {
    '/usr/sbin/sshd': 'openssh-server',
    'ssh-keyscan': 'openssh-client',
    psql: 'postgresql-client',
    gcc: 'gcc',
    'musl-gcc': 'musl-tools',
  },
  'test/e2e/storage': { 'git-lfs': 'git-lfs' },
  'test/e2e/logs': { '/usr/bin/python3': 'python3-minimal', [module('websockets')]: 'python3-websockets' },
  'test/e2e/gitlab': { 'git-lfs': 'git-lfs' },
  'test/e2e/octokit': { gh: 'gh' },
  'test/e2e/containers': { skopeo: 'skopeo', 'docker-registry': 'docker-registry' },
  'test/e2e/proxy-protocol': { '/usr/sbin/haproxy': 'haproxy' },
  'test/e2e/other-tcp': {
    'ssh-keyscan': 'openssh-client',
    psql: 'postgresql-client',
    '/usr/bin/python3': 'python3-minimal',
  },
  'test/e2e/packages': { '/usr/bin/python3': 'python3-minimal', [module('pip')]: 'python3-pip' },
  // The cargo of Debian 12 knows no sparse index: one that is here is used, none is installed.
  'test/e2e/packages-tools': { mvn: 'maven', go: 'golang-go', gem: 'ruby' },
  'test/e2e/packages-oci': { skopeo: 'skopeo', 'docker-registry': 'docker-registry' },
  'test/store/': { '/usr/lib/postgresql/15/bin/initdb': 'postgresql-15' },
  'test/store/receivers': {
    '/usr/sbin/rsyslogd': 'rsyslog',
    '/usr/share/doc/rsyslog-gnutls': 'rsyslog-gnutls',
    '/usr/bin/python3': 'python3',
  },
  'test/api/answers': { patch: 'patch' },
  'test/api/questions': { '/usr/lib/postgresql/15/bin/initdb': 'postgresql-15' },
  'test/proxy/upstream-proxy': { '/usr/sbin/squid': 'squid-openssl' },
  'test/proxy/other-tcp': { ssh: 'openssh-client' },
  'test/e2e/clients': {
    nghttp: 'nghttp2-client',
    wget: 'wget',
    'apt-get': 'apt',
    'dpkg-deb': 'dpkg',
    '/usr/bin/python3': 'python3-minimal',
    [module('requests')]: 'python3-requests',
    [module('httpx')]: 'python3-httpx',
    [module('h2')]: 'python3-h2',
    [module('websockets')]: 'python3-websockets',
    [module('grpc')]: 'python3-grpcio',
    [module('pip')]: 'python3-pip',
    go: 'golang-go',
    javac: 'default-jdk-headless',
    skopeo: 'skopeo',
    'docker-registry': 'docker-registry',
  },
};

/** Installs what the files need, in one call of apt; answers what is missing of what all of them need. */
function installFor(files: readonly string[]): string[] {
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const extra = Object.entries(programsOf).flatMap(([part, all]) =>
    files.some((file) => file.includes(part)) ? Object.entries(all) : [],
  );
  const started = performance.now();
  const missing = installPrograms({ ...programs, ...Object.fromEntries(extra) }, say);
  // One package that this distribution does not have takes all the others with it.
  const left = missing.length > 0 ? installPrograms(programs, say) : [];
  for (const [name, from] of missing.length > 0 ? extra : []) installPrograms({ [name]: from }, say);
  if (performance.now() - started > 1000) say(`programs ${seconds(started)}`);
  return left;
}

function requireMachine(files: readonly string[]): void {
  const missing = installFor(files);
  if (process.getuid?.() !== 0)
    missing.unshift('root: network namespaces and kernel rules are tested for real');
  if (missing.length === 0) return;
  process.stdout.write(`the tests need:\n${missing.map((line) => `  ${line}\n`).join('')}`);
  process.exit(1);
}

function check(name: string, command: string, commandArgs: readonly string[]): boolean {
  const started = performance.now();
  const result = spawnSync(command, commandArgs, { cwd: root, encoding: 'utf8' });
  const passed = result.status === 0;
  process.stdout.write(`${passed ? 'ok  ' : 'FAIL'} ${name.padEnd(34)} ${seconds(started)}\n`);
  if (!passed) process.stdout.write(`${result.stdout}${result.stderr}\n`);
  return passed;
}

function testFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) =>
      entry.isDirectory()
        ? testFiles(join(folder, entry.name))
        : entry.name.endsWith('.test.ts')
          ? [join(folder, entry.name)]
          : [],
    )
    .sort();
}

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/**
 * One test file, run as the program that it is: tap's own runner would put its loaders into every process that a
 * test starts, the gateway included. Its TAP stream is counted, failures and skips are printed.
 */
function runFile(file: string, logDirectory: string, counts: Counts): Promise<void> {
  const started = performance.now();
  const name = file.slice(root.length + 1);
  const log = join(logDirectory, `${name.replaceAll('/', '_')}.tap`);
  return new Promise((done) => {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', file], {
      cwd: root,
      env: { ...process.env, TAP_TIMEOUT: String(fileLimitSeconds), FUZZ_CASES: fuzzCases },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), fileLimitSeconds * 1000);
    const out = createWriteStream(log);
    child.stdout.pipe(out, { end: false });
    child.stderr.pipe(out, { end: false });
    child.on('close', (code) => {
      clearTimeout(timer);
      out.end(() => {
        report(name, log, code, started, counts);
        done();
      });
    });
  });
}

function report(name: string, log: string, code: number | null, started: number, counts: Counts): void {
  const lines = readFileSync(log, 'utf8').split('\n');
  let failedHere = 0;
  for (const line of lines) {
    if (/^ *(not )?ok \d+.*# (SKIP|TODO)/i.test(line)) {
      counts.skipped += 1;
      process.stdout.write(`     skipped: ${line.trim()}\n`);
      continue;
    }
    if (/^ *# client /.test(line)) process.stdout.write(`     ${line.trim().slice(2, 90)}\n`);
    // A subtest's own line carries its time: only assertions count.
    if (!/^ +(not )?ok \d+/.test(line) || /# time=/.test(line)) continue;
    if (line.trimStart().startsWith('not ok')) failedHere += 1;
    else counts.passed += 1;
  }
  // A file that fails without a failing assertion (crash, time-out, no test) counts as one failure.
  if (code !== 0 && failedHere === 0) failedHere = 1;
  counts.failed += failedHere;
  process.stdout.write(`${failedHere === 0 ? 'ok  ' : 'FAIL'} ${name.padEnd(34)} ${seconds(started)}\n`);
  if (failedHere > 0) process.stdout.write(`${lines.slice(-200).join('\n')}\n`);
}

async function main(): Promise<void> {
  // Tests start programs as other users, who do not reach a checkout in a home directory.
  startInReach({ script: import.meta.filename, state: tmpdir() }, () => args);
  const files = testFiles(join(root, 'test')).filter(
    (file) => wanted.length === 0 || wanted.some((part) => file.includes(part)),
  );
  requireMachine(files);
  const started = performance.now();
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  if (!isQuick) {
    for (const [name, command, commandArgs] of [
      ['types', bin('tsc'), ['--noEmit']],
      ['lint', bin('oxlint'), ['--type-aware', '--deny-warnings']],
      ['format', bin('prettier'), ['--check', '--log-level', 'warn', '.']],
      ['bypasses', process.execPath, ['--disable-warning=ExperimentalWarning', 'test/bypass/check.ts']],
    ] as const) {
      if (check(name, command, commandArgs)) counts.passed += 1;
      else counts.failed += 1;
    }
  }
  const logDirectory = mkdtempSync(join(tmpdir(), 'sallyport-tests-'));
  // Two lanes, one for each core of the smallest runner: tests with a whole gateway mostly wait, the others compute.
  // One lane begins with the former, the other with the latter, until they meet.
  const isEndToEnd = (file: string): boolean => endToEnd.some((part) => file.startsWith(join(root, part)));
  const measures = files.filter((file) => file.startsWith(join(root, 'test/bench/')));
  const others = files.filter((file) => !measures.includes(file));
  const waiting = [...others.filter(isEndToEnd), ...others.filter((file) => !isEndToEnd(file))];
  const runLane = async (next: () => string | undefined): Promise<void> => {
    for (let file = next(); file !== undefined; file = next()) {
      if (existsSync(file)) await runFile(file, logDirectory, counts);
    }
  };
  await Promise.all([runLane(() => waiting.shift()), runLane(() => waiting.pop())]);
  // Its figures need both cores.
  await runLane(() => measures.shift());
  rmSync(logDirectory, { recursive: true });
  process.stdout.write(`all parts ${seconds(started)}\n`);
  process.stdout.write(`tap: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
  process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1;
}

await main();
