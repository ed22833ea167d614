// One stretch of load on a program of the lab, and what it cost: CPU of the program by the kernel's count, requests,
// latencies as the load generator saw them.

import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cpuMs, median } from './measure.ts';
import type { ProxyLab } from './proxy-lab.ts';

/** What one stretch came to; NaN where the program failed. */
export interface Stretch {
  /** Microseconds of CPU for each request. */
  readonly cpuUs: number;
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

export const failed: Stretch = {
  cpuUs: Number.NaN,
  perSecond: Number.NaN,
  p50Us: Number.NaN,
  p99Us: Number.NaN,
};

const factors: Readonly<Record<string, number>> = { us: 1, ms: 1000, s: 1e6 };
const latency = (text: string, percentile: string) => {
  const found = new RegExp(`^\\s+${percentile}%\\s+([\\d.]+)(us|ms|s)`, 'm').exec(text);
  return found === null ? Number.NaN : Number(found[1]) * factors[found[2]!]!;
};

/** HTTP/1.1 keep-alive by wrk for so many seconds; in place of less than one, by h2load with a few requests. */
export async function loadHttp1(
  lab: ProxyLab,
  name: string,
  connections: number,
  seconds: number,
): Promise<Stretch> {
  const url = `https://${lab.contender(name).host}/`;
  const few = Math.round(seconds * 5000);
  if (seconds < 1) return loadCounted(lab, name, few, ['--h1', `-c${connections}`, url], '');
  const before = cpuOf(lab, name);
  const text = await lab.output(['wrk', '-t1', `-c${connections}`, `-d${seconds}s`, '--latency', url]);
  const requests = Number(/(\d+) requests in/.exec(text)?.[1] ?? 0);
  // One that leaves connections unanswered, or answers by errors, has not done the work.
  if (requests === 0 || /Non-2xx/.test(text)) return failed;
  const cpuUs = ((cpuOf(lab, name) - before) / requests) * 1000;
  return { cpuUs, perSecond: requests / seconds, p50Us: latency(text, '50'), p99Us: latency(text, '99') };
}

/** So many HTTP/2 requests by h2load over 8 connections of 16 streams each. */
export async function loadHttp2(lab: ProxyLab, name: string, requests: number): Promise<Stretch> {
  const url = `https://${lab.contender(name).host}/`;
  return loadCounted(lab, name, requests, ['-c8', '-m16', url], 'Application protocol: h2');
}

async function loadCounted(
  lab: ProxyLab,
  name: string,
  requests: number,
  more: readonly string[],
  alsoPrinted: string,
): Promise<Stretch> {
  const log = join(lab.directory, `h2load-${name.replace(':', '-')}`);
  rmSync(log, { force: true });
  const before = cpuOf(lab, name);
  const text = await lab.output(['h2load', '-t1', '-n', `${requests}`, `--log-file=${log}`, ...more]);
  const isWhole = text.includes(` ${requests} succeeded`) && text.includes(alsoPrinted);
  if (!isWhole) return failed;
  const cpuUs = ((cpuOf(lab, name) - before) / requests) * 1000;
  const times = readFileSync(log, 'utf8')
    .trim()
    .split('\n')
    .map((line) => Number(line.split('\t')[2]));
  const sorted = times.toSorted((a, b) => a - b);
  const perSecond = Number(/([\d.]+) req\/s/.exec(text)?.[1] ?? Number.NaN);
  return { cpuUs, perSecond, p50Us: median(times), p99Us: sorted[Math.floor(sorted.length * 0.99)]! };
}

/** Milliseconds of CPU of a program so far; 0 for what has no process. */
export function cpuOf(lab: ProxyLab, name: string): number {
  const pid = lab.pids[name];
  return pid === undefined ? 0 : cpuMs(pid);
}

/** The command of proxy-client.ts against a program. */
export function clientOf(lab: ProxyLab, name: string, mode: string, count: number): string[] {
  const { host, address } = lab.contender(name);
  const program = join(import.meta.dirname, 'proxy-client.ts');
  return [
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    program,
    mode,
    host,
    address,
    `${count}`,
  ];
}
