// Two runners on one worker: how long the requests of one take at rest and while the other floods the gateway, in rounds
// that alternate. The worker and what measures go before all other programs of the machine, and where there are two cores
// the worker has the first: how long something takes is then the gateway's doing.

import { spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startInside } from '../../netns/enter.ts';
import { runIpBatch } from '../../netns/ip.ts';
import { Lab } from './lab.ts';
import type { MixedCounts, MixedOptions, MixedRates, MixedTimes } from './mixed-load.ts';
import { labAddresses } from './origins.ts';
import { childrenOf } from './processes.ts';
import { mixedPolicy, startMixed, startModern, type RunningLoad } from './run-mixed.ts';
import { sendSyns } from './syn-flood.ts';

export interface FairnessOptions {
  readonly rounds: number;
  /** How long each state is measured in a round. */
  readonly windowMs: number;
  readonly floods: readonly string[];
  readonly onProgress?: (text: string) => void;
}

/** Times of the calm runner, one entry a round: at rest, and beside each flood. */
export interface FairnessResult {
  readonly atRest: readonly MixedTimes[];
  readonly beside: Readonly<Record<string, readonly MixedTimes[]>>;
  /** Everything that the calm runner asked in all rounds. */
  readonly counts: MixedCounts;
}

const [busy, calm] = [0, 1];
const calmHost = 'calm.example.com';
const calmAddress = '93.184.216.90';
/** What it takes that the calm runner's requests pass. */
export const calmPolicy = mixedPolicy.replace(
  'opaque:',
  `  - {id: wild, host: "*.wild.example.com"}\n  - {id: calm, host: ${calmHost}}\nopaque:`,
);
const calmRates: MixedRates = { kept: 60, fresh: 25, dnsUdp: 60 };

interface Flood {
  end(): Promise<void>;
}
type StartFlood = (lab: Lab) => Promise<Flood>;

/** What one runner does to the gateway. */
export const floods: Readonly<Record<string, StartFlood>> = {
  '8,000 connections': (lab) => holdMany(lab, 8_000),
  'new connections': (lab) => load(lab, { fresh: 600 }),
  'SYNs without an answer': floodSyns,
  'DNS questions': (lab) => load(lab, { dnsUdp: 6_000 }),
  'large bodies': (lab) => load(lab, { uploads: 150, downloads: 24 }, { downloadBytes: 200_000_000 }),
  'names never seen before': (lab) => load(lab, { names: 200 }),
  'HTTP/2 streams': (lab) => load(lab, { h2: 3_000 }),
};

/** Runs all of it; needs root. @throws Error when the lab or the gateway does not start */
export async function measureFairness(options: FairnessOptions): Promise<FairnessResult> {
  const lab = await Lab.open({ runners: 2 });
  const modern = await startModern(lab);
  const origin = await startCalmOrigin(lab);
  try {
    const gateway = await lab.startGateway(calmPolicy, { workers: 1 });
    for (const pid of [process.pid, gateway.pid]) prefer(pid);
    for (const pid of childrenOf(gateway.pid, 'worker')) giveCore(pid);
    return await measureIn(lab, options);
  } finally {
    origin.kill('SIGKILL');
    modern.close();
    await lab.close();
  }
}

async function measureIn(lab: Lab, { rounds, windowMs, floods: names, onProgress }: FairnessOptions) {
  const load = await startCalm(lab, calm);
  const atRest: MixedTimes[] = [];
  const beside: Record<string, MixedTimes[]> = Object.fromEntries(names.map((name) => [name, []]));
  await sleep(1_500);
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      atRest.push(await timesOver(load, windowMs));
      const flood = await floods[name]!(lab);
      beside[name]!.push(await timesOver(load, windowMs));
      await flood.end();
      onProgress?.(`round ${round + 1} of ${rounds}, ${name}`);
    }
  }
  return { atRest, beside, counts: await load.stop() };
}

/** The calm runner's requests, at a steady rate; its server is that of `startCalmOrigin`. */
export function startCalm(lab: Lab, runner: number): Promise<RunningLoad> {
  const site = { site: calmHost, web: calmAddress, connections: 4 };
  return startMixed(lab, { rates: calmRates, ...site }, runner, first);
}

/** What comes back in a while; what came back before it is left out. */
export async function timesOver(load: RunningLoad, ms: number): Promise<MixedTimes> {
  await sleep(300);
  await load.times();
  await sleep(ms);
  return load.times();
}

const onSecondCore = availableParallelism() > 1 ? ['taskset', '-c', '1'] : [];
const first = [...onSecondCore, 'nice', '-n', '-19'];
const last = [...onSecondCore, 'nice', '-n', '10'];

/** Where the kernel shares cores between sessions (sched(7), autogroups) niceness counts within one: this one goes first. */
export function prefer(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/autogroup`, '-19');
  } catch {
    // Without autogroups, or in a container: nothing to prefer.
  }
}

/** The first core, before everything else on it; where that is not granted it goes on as it is. */
function giveCore(pid: number): void {
  const threads = readdirSync(`/proc/${pid}/task`);
  spawnSync('renice', ['-n', '-19', '-p', ...threads]);
  if (availableParallelism() > 1) spawnSync('taskset', ['-a', '-c', '-p', '0', `${pid}`]);
}

async function load(lab: Lab, rates: MixedRates, more: Partial<MixedOptions> = {}): Promise<Flood> {
  const unlimited = { downloadBytesPerSecond: 1e9, connections: 200 };
  const running = await startMixed(lab, { rates, ...unlimited, ...more }, busy, last);
  // What it still waits for is of no interest.
  return { end: () => running.kill() };
}

async function holdMany(lab: Lab, count: number): Promise<Flood> {
  const program = join(import.meta.dirname, 'crowd.ts');
  const node = [...last, process.execPath, '--disable-warning=ExperimentalWarning'];
  const child = lab.spawn([...node, program, 'idle', `${count}`, labAddresses.web4, '80'], busy);
  await once(child.stdout!, 'data');
  return { end: () => killed(child) };
}

async function killed(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

/** 50,000 a second; the kernel of the runner would reset what it knows nothing of. */
async function floodSyns(lab: Lab): Promise<Flood> {
  const { namespace, v4 } = lab.runner(busy);
  const rules =
    'add table ip quiet; add chain ip quiet out { type filter hook output priority 0; }; add rule ip quiet out tcp flags rst drop';
  await lab.run(['nft', rules], { runner: busy });
  let at = 0;
  const timer = setInterval(() => {
    const ports = { first: 10_000 + (at++ % 50) * 1_000, count: 1_000 };
    sendSyns(namespace, { source: v4, ...ports, address: labAddresses.web4, port: 443 });
  }, 20);
  return {
    end: async () => {
      clearInterval(timer);
      await lab.run(['nft', 'delete table ip quiet'], { runner: busy });
    },
  };
}

/** Puts the calm runner's web server into the lab's internet; the caller ends it. */
export async function startCalmOrigin(lab: Lab): Promise<ChildProcess> {
  runIpBatch(lab.topology.internet, [`addr add ${calmAddress}/32 dev lo`]);
  lab.origins.names.set(calmHost, { a: [calmAddress] });
  const issued = lab.origins.authority.issue([calmHost]);
  const [certificate, key] = [join(lab.directory, 'calm.pem'), join(lab.directory, 'calm.key')];
  writeFileSync(certificate, issued.certificate);
  writeFileSync(key, issued.key);
  const program = join(import.meta.dirname, 'calm-origin.ts');
  const node = [...first, process.execPath, '--disable-warning=ExperimentalWarning'];
  const child = startInside([...node, program, calmAddress, certificate, key], {
    namespace: lab.topology.internet,
    resolvConf: null,
    user: null,
    env: { PATH: process.env['PATH'], HOME: lab.directory },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout!, 'data');
  return child;
}
