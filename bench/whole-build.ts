// A whole build behind nothing, behind ours in audit and in block, and behind mitmproxy: `npm ci` of this project's
// lockfile, `git clone`, and an install by pip, from servers that take 20 ms for each answer. What counts is its time.
// The build has one core, as a runner has a machine of its own; the servers and what stands between have the other.

import { execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { readSystemRoots } from '../certs/bundle.ts';
import { trustEnvironment } from '../certs/trust-variables.ts';
import { runIpBatch } from '../netns/ip.ts';
import { openControlLab } from '../test/lab/expect.ts';
import { Lab } from '../test/lab/lab.ts';
import { ModernServer } from '../test/lab/modern-server.ts';
import { buildHosts, prepareBuild, wheels } from './build-packages.ts';
import type { BuildPackages } from './build-packages.ts';
import { aimedAt, alternate, compare, emptyRounds, ratioTo } from './measure.ts';
import type { Figure, Progress } from './measure.ts';
import type { ProxyOptions } from './requests.ts';

const address = '93.184.216.90';
const buildLimitMs = 120_000;
/** Most of what the lockfile names is fetched again and again: kept between runs, under the user's own directory. */
const kept = join(tmpdir(), 'sallyport-bench-packages');
/** Builds are written to memory: how fast a disk is on the day is nobody's figure. */
const memory = '/dev/shm';

function policyOf(mode: string): string {
  const others = Array.from({ length: 1000 }, (_, i) => `  - {id: r${i}, host: other${i}.example}`);
  const hosts = Object.entries(buildHosts).map(
    ([id, host]) => `  - {id: ${id}, host: ${host}, methods: any}`,
  );
  return `version: 1\nmode: ${mode}\nhttp:\n${[...hosts, ...others].join('\n')}\n`;
}

interface Case {
  readonly lab: Lab;
  readonly env: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

async function serve(lab: Lab, packages: BuildPackages): Promise<ModernServer> {
  const { internet } = lab.topology;
  runIpBatch(internet, [`addr add ${address}/32 dev lo`]);
  for (const host of Object.values(buildHosts)) lab.origins.names.set(host, { a: [address] });
  const { authority } = lab.origins;
  const server = new ModernServer({
    namespace: internet,
    addresses: [address],
    authority,
    answer: packages.answer,
  });
  await server.start();
  return server;
}

async function openCase(name: string, packages: BuildPackages): Promise<Case> {
  const isOurs = name.startsWith('ours');
  const lab = await (isOurs ? Lab.open() : openControlLab());
  const server = await serve(lab, packages);
  const close = async () => {
    server.close();
    await lab.close();
  };
  if (isOurs) {
    await lab.startGateway(policyOf(name === 'ours' ? 'block' : 'audit'));
    return { lab, env: {}, close };
  }
  if (name !== 'mitmproxy') return { lab, env: trusting(lab, join(lab.directory, 'lab-ca.pem')), close };
  const { authority, stop } = await startMitmproxy(lab);
  return { lab, env: trusting(lab, authority), close: () => stop().then(close) };
}

/** What clients trust behind ours, too: the system's roots and one more. They take their time to be read. */
function trusting(lab: Lab, authority: string): Record<string, string> {
  const bundle = join(lab.directory, 'bundle.pem');
  writeFileSync(bundle, readFileSync(authority, 'utf8') + readSystemRoots().join(''));
  return trustEnvironment({ bundle, authority: bundle, trustStore: join(lab.directory, 'lab-ca.p12') });
}

/** mitmproxy where the gateway would be, with the runners' web ports redirected to it. */
async function startMitmproxy(lab: Lab) {
  const directory = join(lab.directory, 'mitmproxy');
  mkdirSync(directory);
  const { gateway } = lab.topology;
  const rules =
    'table inet bench { chain pre { type nat hook prerouting priority -100; tcp dport { 80, 443 } redirect to :8447\n}\n}\n';
  execFileSync('ip', ['netns', 'exec', gateway, 'nft', '-f', '-'], { input: rules });
  const options = [
    `confdir=${directory}`,
    `ssl_verify_upstream_trusted_ca=${join(lab.directory, 'lab-ca.pem')}`,
  ];
  const args = [
    '--mode',
    'transparent',
    '-q',
    '-p',
    '8447',
    ...options.flatMap((option) => ['--set', option]),
  ];
  const child = spawn(
    'ip',
    ['netns', 'exec', gateway, 'mitmdump', ...args, '--set', 'stream_large_bodies=1m'],
    {
      stdio: 'ignore',
      env: { PATH: process.env['PATH'], HOME: directory },
    },
  );
  const own = join(directory, 'mitmproxy-ca-cert.pem');
  for (let i = 0; i < 100 && !existsSync(own); i++) await wait(100);
  await wait(1000);
  const stop = async () => {
    child.kill('SIGTERM');
    await new Promise((done) => (child.exitCode === null ? child.once('close', done) : done(null)));
  };
  return { authority: own, stop };
}

/** Seconds that one build takes. @throws Error with what went wrong */
async function build({ lab, env }: Case, packages: BuildPackages): Promise<number> {
  const work = mkdtempSync(join(memory, 'sallyport-bench-build-'));
  const command = [
    'set -e; cd "$1"',
    `npm ci --prefix project --registry https://${buildHosts.npm}/ --cache "$1/cache" --omit=optional --no-progress >npm.log 2>&1 || { tail -5 npm.log >&2; exit 1; }`,
    `git clone -q https://${buildHosts.git}/app.git clone`,
    `/usr/bin/python3 -m pip install -q --isolated --cert "\${PIP_CERT:-$SSL_CERT_FILE}" --no-cache-dir --disable-pip-version-check --root-user-action=ignore --index-url https://${buildHosts.pip}/simple/ --target python ${wheels.join(' ')}`,
  ].join('\n');
  cpSync(packages.project, join(work, 'project'), { recursive: true });
  const startedMs = performance.now();
  const ran = await lab.run([...onCore(1), 'sh', '-c', command, 'sh', work], {
    env,
    timeoutMs: buildLimitMs,
  });
  const seconds = (performance.now() - startedMs) / 1000;
  rmSync(work, { recursive: true, force: true });
  if (ran.code !== 0) throw new Error(`a build ended with ${ran.code}: ${ran.stderr.slice(-800)}`);
  return seconds;
}

/** taskset for a core of its own, where there are two. */
const onCore = (core: number) => (cpus().length > 1 ? ['taskset', '-c', `${core}`] : []);

/** Keeps this process, whose servers answer, and what it starts from now on, to these cores. */
function keepTo(cores: string): void {
  if (cpus().length > 1) execFileSync('taskset', ['-acp', cores, `${process.pid}`], { stdio: 'ignore' });
}

/** Time of a whole build in all cases, in alternating rounds. */
export async function measureWholeBuild(options: ProxyOptions, progress: Progress): Promise<Figure[]> {
  const others = options.isQuick ? [] : ['ours in audit', ...['mitmproxy'].filter(options.isInstalled)];
  const names = ['ours', 'no gateway', ...others];
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-bench-build-'));
  const cases: Record<string, Case> = {};
  try {
    const packages = await prepareBuild(directory, kept, options.isQuick, progress);
    keepTo('0');
    for (const name of names) cases[name] = await openCase(name, packages);
    const times = emptyRounds(names);
    const out = new Set<string>();
    // A build that fails behind another proxy is that proxy's figure; behind ours or none it is an error.
    const giveUp = (name: string) => (error: unknown) => {
      if (name !== 'mitmproxy') throw error;
      progress(`no build behind mitmproxy: ${String(error)}`);
      out.add(name);
      return Number.NaN;
    };
    const step = async (name: string, at: number) => {
      progress(`a whole build, ${name}, round ${at + 1} of ${options.rounds}`);
      const seconds = out.has(name) ? Number.NaN : await build(cases[name]!, packages).catch(giveUp(name));
      if (at >= 0) times[name]!.push(seconds);
    };
    await alternate(names, options.rounds, step, options.isQuick ? 0 : 1);
    const figure = compare(
      'time of a whole build, ours in block (npm ci, git clone, pip install)',
      's',
      times,
    );
    const ratio = ratioTo(figure, 'no gateway');
    return [aimedAt(figure, 'at most 1.03 of no gateway', ratio <= 1.03)];
  } finally {
    keepTo(`0-${cpus().length - 1}`);
    for (const one of Object.values(cases)) await one.close();
    rmSync(directory, { recursive: true, force: true });
  }
}
