// Keeps a gateway busy with all that jobs do, for as long as asked, while its policy is replaced and one of its workers is
// killed again and again; then asks whether anything was lost: records, memory, descriptors, elements of the kernel. The
// runner of the worker that nobody kills must not notice any of it.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { insidePrefix } from '../../netns/gateway-port.ts';
import { postAction } from '../../serve.ts';
import type { LabGateway } from '../lab/gateway.ts';
import { Lab } from '../lab/lab.ts';
import type { MixedCounts, MixedRates } from '../lab/mixed-load.ts';
import { childrenOf, residentBytes } from '../lab/processes.ts';
import { mixedPolicy, startMixed, startModern } from '../lab/run-mixed.ts';
import { workersOf } from '../lab/crowd-sources.ts';
import { countDescriptors, dnsSocketLimit } from './descriptors.ts';
import type { Growth } from './descriptors.ts';
import { RecordBook } from './record-book.ts';

export interface SoakOptions {
  readonly seconds: number;
  /** Also replaces all workers by an upgrade, once in the middle. */
  readonly upgrade: boolean;
  readonly onProgress?: (text: string) => void;
}

/** One question and its answer. */
export interface SoakCheck {
  readonly check: string;
  readonly result: string;
  readonly bound: string;
  readonly isHeld: boolean;
}

export interface SoakResult {
  readonly seconds: number;
  readonly kills: number;
  readonly reloads: number;
  /** What the runner of the worker that was left alone did, and the one of the worker that was killed. */
  readonly calm: MixedCounts;
  readonly shaken: MixedCounts;
  readonly checks: readonly SoakCheck[];
}

const [calm, shaken] = [0, 1];
const rates: MixedRates = {
  kept: 60,
  fresh: 8,
  blocked: 5,
  uploads: 4,
  passed: 5,
  dnsUdp: 40,
  dnsTcp: 4,
  h2: 20,
  downloads: 1,
  webSockets: 2,
};
/** Resident memory may grow by so much a minute after the warm-up, and by so much besides: garbage comes and goes. */
const memoryBound = { bytesPerMinute: 1024 ** 2, slackBytes: 48 * 1024 ** 2 };

/** Runs the whole of it; needs root. @throws Error when the gateway does not start */
export async function soak(options: SoakOptions): Promise<SoakResult> {
  const lab = await Lab.open({ runners: 2 });
  const modern = await startModern(lab);
  try {
    return await soakLab(lab, options);
  } finally {
    modern.close();
    await lab.close();
  }
}

async function soakLab(lab: Lab, options: SoakOptions): Promise<SoakResult> {
  const { seconds, onProgress = () => {} } = options;
  const gateway = await lab.startGateway(policyText(0), {
    workers: 2,
    jobs: lab.topology.runners.map(({ v4, v6 }, at) => declared(`job${at}`, [v4, v6])),
    config: { kernel: { keepOnExit: false }, records: { maxSegmentBytes: 16 * 1024 ** 2 } },
  });
  const book = new RecordBook(gateway.stateDirectory);
  // Once each, so that what every process opens once is open before it is counted.
  await Promise.all([calm, shaken].map(async (at) => await (await startMixed(lab, { rates }, at)).stop()));
  const victim = await workerOf(gateway, lab.runner(shaken).v4);
  const watched = processesBut(gateway, victim);
  await settle(gateway, book, 1);
  const descriptors = countDescriptors(watched);
  const loads = [await startMixed(lab, { rates }, calm), await startMixed(lab, { rates }, shaken)];
  const memory = watchMemory(watched);
  const until = Date.now() + seconds * 1000;
  const done = { kills: 0, reloads: 0 };
  const stepMs = Math.min(10_000, Math.max(2_000, (seconds * 1000) / 12));
  while (Date.now() < until) {
    await sleep(Math.min(stepMs, until - Date.now()));
    await shake(gateway, done, victim);
    lab.origins.clear();
    book.update();
    onProgress(`${Math.round((until - Date.now()) / 1000)} s left, ${book.flows} flows, ${done.kills} kills`);
  }
  const grown = memory();
  const [calmCounts, shakenCounts] = (await Promise.all(loads.map((load) => load.stop()))) as [
    MixedCounts,
    MixedCounts,
  ];
  await settle(gateway, book, 2);
  const growths = await descriptors();
  if (options.upgrade) await upgradeOnce(lab, gateway);
  const checks = [
    ...countChecks(calmCounts, shakenCounts),
    ...(await recordChecks(gateway, book)),
    ...grown,
    ...growths.flatMap(descriptorChecks),
    ...(await leftovers(lab, gateway)),
  ];
  return { seconds, ...done, calm: calmCounts, shaken: shakenCounts, checks };
}

/** Policies that decide alike and are different revisions. */
function policyText(serial: number): string {
  return `${mixedPolicy}# ${serial}\n`;
}

function declared(name: string, addresses: readonly string[]) {
  const workflow = '.github/workflows/ci.yml';
  return {
    platform: 'github' as const,
    repository: 'acme/app',
    workflow,
    ref: 'refs/heads/main',
    event: 'push',
    name,
    addresses: [...addresses],
  };
}

async function workerOf(gateway: LabGateway, runner: string): Promise<number> {
  const [name = ''] = (await workersOf(gateway)).get(runner) ?? [];
  return Number(name.split('-')[1]);
}

interface Watched {
  readonly name: string;
  readonly pid: number;
  /** What of its memory V8 holds for young objects; it grows in steps that say nothing of a leak, up to 128 MB. */
  youngBytes(): number;
}

// Workers are started in their order, and the one that is killed is not watched.
function processesBut(gateway: LabGateway, victim: number): Watched[] {
  const workers = childrenOf(gateway.pid, 'worker');
  const unknown = () => 0;
  return [
    { name: 'keeper', pid: gateway.pid, youngBytes: unknown },
    { name: 'control', pid: childrenOf(gateway.pid, 'control')[0]!, youngBytes: unknown },
    {
      name: 'worker',
      pid: workers[1 - victim]!,
      youngBytes: () => readYoungBytes(gateway, `worker-${1 - victim}`),
    },
  ];
}

/** As the worker wrote it within the last second. @throws Error when it writes none */
function readYoungBytes(gateway: LabGateway, worker: string): number {
  const stats: unknown = JSON.parse(
    readFileSync(join(gateway.stateDirectory, 'stats', `${worker}.json`), 'utf8'),
  );
  if (typeof stats !== 'object' || stats === null || !('youngBytes' in stats))
    throw new Error('no young generation');
  return Number(stats.youngBytes);
}

/** By turns a new policy and a killed worker. */
async function shake(
  gateway: LabGateway,
  done: { kills: number; reloads: number },
  victim: number,
): Promise<void> {
  if (done.reloads <= done.kills) {
    done.reloads++;
    await gateway.reload(policyText(done.reloads));
    return;
  }
  done.kills++;
  const { pid } = processesBut(gateway, 1 - victim)[2]!;
  // After the first kill the younger one is last.
  const workers = childrenOf(gateway.pid, 'worker');
  process.kill(done.kills === 1 ? pid : workers.at(-1)!, 'SIGKILL');
}

/** Nothing is under way any more: idle connections to servers go with a new policy. */
async function settle(gateway: LabGateway, book: RecordBook, serial: number): Promise<void> {
  await gateway.reload(policyText(-serial));
  for (let tries = 0; tries < 80; tries++) {
    await sleep(100);
    book.update();
    if (tries >= 10 && book.open === 0) return;
  }
}

async function upgradeOnce(lab: Lab, gateway: LabGateway): Promise<void> {
  const before = childrenOf(gateway.pid, 'worker');
  const load = await startMixed(lab, { rates: { ...rates, webSockets: 0 } }, calm);
  await postAction(join(gateway.stateDirectory, 'operator.sock'), '/v1/upgrade', { reason: 'soak' }, 80_000);
  await load.stop();
  for (let tries = 0; tries < 300; tries++) {
    if (!childrenOf(gateway.pid, 'worker').some((pid) => before.includes(pid))) return;
    await sleep(100);
  }
}

/** Looks at resident memory once a second; the function ends it and says how much was added after the first third. */
function watchMemory(watched: readonly Watched[]): () => SoakCheck[] {
  const started = Date.now();
  const samples = watched.map((): [minutes: number, bytes: number][] => []);
  const timer = setInterval(() => {
    watched.forEach(({ pid, youngBytes }, at) =>
      samples[at]!.push([(Date.now() - started) / 60_000, residentBytes(pid) - youngBytes()]),
    );
  }, 1_000);
  return () => {
    clearInterval(timer);
    return watched.map(({ name }, at) => {
      const later = samples[at]!.slice(Math.floor(samples[at]!.length / 3));
      const minutes = (later.at(-1)?.[0] ?? 0) - (later[0]?.[0] ?? 0);
      const perMinute = slope(later);
      const growth = perMinute * minutes;
      const limit = memoryBound.bytesPerMinute * minutes + memoryBound.slackBytes;
      const megabytes = (bytes: number) => (bytes / 1024 ** 2).toFixed(1);
      return {
        check: name === 'worker' ? 'memory of worker, but for its young objects' : `memory of ${name}`,
        result: `${megabytes(perMinute)} MB a minute, ${megabytes(later.at(-1)?.[1] ?? 0)} MB at the end`,
        bound: `${megabytes(limit)} MB more in ${minutes.toFixed(1)} minutes`,
        isHeld: growth <= limit && later.every(([, bytes]) => bytes > 0),
      };
    });
  };
}

// Least squares.
function slope(points: readonly (readonly [number, number])[]): number {
  const mean = (at: 0 | 1) => points.reduce((sum, point) => sum + point[at], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const over = points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0);
  const under = points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0);
  return under === 0 ? 0 : over / under;
}

function countChecks(calmCounts: MixedCounts, shakenCounts: MixedCounts): SoakCheck[] {
  const total = (counts: MixedCounts) => Object.values(counts).reduce((sum, { begun }) => sum + begun, 0);
  const failed = (counts: MixedCounts) =>
    Object.values(counts).reduce((sum, { begun, done }) => sum + begun - done, 0);
  const ofAll = (counts: MixedCounts) => `of ${total(counts)}`;
  const broken = failed(shakenCounts);
  return [
    bounded('failures beside the killed worker', failed(calmCounts), 0, ofAll(calmCounts)),
    {
      check: 'failures at the killed worker',
      result: `${broken} ${ofAll(shakenCounts)}`,
      bound: 'half of them: what it carried',
      isHeld: broken <= total(shakenCounts) / 2,
    },
  ];
}

function descriptorChecks({ name, more, kinds, dnsSockets }: Growth): SoakCheck[] {
  return [
    bounded(`descriptors of ${name}`, more, 0, `more at the end ${kinds}`),
    ...(dnsSockets === 0
      ? []
      : [bounded(`sockets of ${name} to the DNS upstream`, dnsSockets, dnsSocketLimit, '')]),
  ];
}

async function recordChecks(gateway: LabGateway, book: RecordBook): Promise<SoakCheck[]> {
  for (let tries = 0; tries < 50 && book.open > 0; tries++) {
    await sleep(100);
    book.update();
  }
  const { body } = await gateway.operator('/metrics');
  const lost = Number(/^sallyport_records_lost_total (\d+)/m.exec(body)?.[1] ?? 0);
  return [
    bounded('flows opened and never closed', book.open, 0, `of ${book.opened} opened, ${book.closed} closed`),
    bounded('flows closed twice', book.twice, 0, ''),
    bounded('records lost', lost, 0, `${book.recovered} closed after their worker’s end`),
  ];
}

/** What stays when the gateway has ended: no table of the kernel. */
async function leftovers(lab: Lab, gateway: LabGateway): Promise<SoakCheck[]> {
  await gateway.stop();
  const [program, ...prefix] = insidePrefix(lab.gatewayNamespace);
  const { stdout } = spawnSync(program!, [...prefix, 'nft', 'list', 'tables'], { encoding: 'utf8' });
  const tables = stdout.split('\n').filter(Boolean);
  return [bounded('kernel tables left', tables.length, 0, tables.join(', '))];
}

function bounded(check: string, value: number, limit: number, detail: string): SoakCheck {
  return { check, result: `${value} ${detail}`.trim(), bound: `at most ${limit}`, isHeld: value <= limit };
}
