// Requests on warm connections beside the other programs: CPU of each over HTTP/1.1 and HTTP/2, rates, latencies, and
// what a proxy adds to a single request.

import { failed, loadHttp1, loadHttp2 } from './load.ts';
import type { Stretch } from './load.ts';
import { alternate, beside, compare, emptyRounds } from './measure.ts';
import type { Figure, Progress, Rounds } from './measure.ts';
import { openProxyLab } from './proxy-lab.ts';
import type { LabOptions, ProxyLab } from './proxy-lab.ts';

/** How long to measure; `programs` are those that are installed. */
export interface ProxyOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly isQuick: boolean;
  /** One lab for all measures that want nothing special, as the short form has it; null: one for each. */
  readonly shared: ProxyLab | null;
  isInstalled(name: string): boolean;
}

type Measured = Readonly<Record<keyof Stretch, Rounds>>;

/** A lab for one measure, so that none meets what another one left behind; the shared one where it will do. */
export async function inLab<T>(
  { shared }: ProxyOptions,
  options: LabOptions,
  measure: (lab: ProxyLab) => Promise<T>,
): Promise<T> {
  const isPlain = options.cores === undefined && options.workers === undefined && options.rules === undefined;
  if (shared !== null && isPlain) return measure(shared);
  const lab = await openProxyLab(options);
  try {
    return await measure(lab);
  } finally {
    await lab.close();
  }
}

async function measureRounds(
  names: readonly string[],
  { rounds, isQuick }: ProxyOptions,
  what: string,
  progress: Progress,
  load: (name: string, at: number) => Promise<Stretch>,
): Promise<Measured> {
  const [cpuUs, perSecond, p50Us, p99Us] = Array.from({ length: 4 }, () => emptyRounds(names));
  const all = { cpuUs: cpuUs!, perSecond: perSecond!, p50Us: p50Us!, p99Us: p99Us! };
  const out = new Set<string>();
  await alternate(
    names,
    rounds,
    async (name, at) => {
      progress(`${what}, ${name}, round ${at + 1} of ${rounds}`);
      // One that failed once is not waited for again.
      const stretch = out.has(name) ? failed : await load(name, at);
      if (Number.isNaN(stretch.cpuUs)) out.add(name);
      if (at < 0) return;
      for (const key of ['cpuUs', 'perSecond', 'p50Us', 'p99Us'] as const) all[key][name]!.push(stretch[key]);
    },
    isQuick ? 0 : 1,
  );
  return all;
}

const peersOfHttp1 = ['haproxy', 'squid', 'sslsplit', 'mitmproxy', 'http-mitm-proxy'];

/** HTTP/1.1 keep-alive with 32 connections. */
export async function measureHttp1(options: ProxyOptions, progress: Progress): Promise<Figure[]> {
  const programs = ['ours', ...peersOfHttp1.filter(options.isInstalled)];
  return inLab(options, { programs }, async (lab) => {
    const load = (name: string, at: number) =>
      // Compilers take their time: the round that is thrown away is the longest.
      loadHttp1(lab, name, 32, at < 0 && name === 'ours' ? 3 * options.seconds : options.seconds);
    const measured = await measureRounds(programs, options, 'keep-alive requests', progress, load);
    const cpu = compare('CPU per request, HTTP/1.1 keep-alive, 32 connections', 'µs', measured.cpuUs);
    return [
      beside(cpu, 'haproxy', 1.2),
      beside(cpu, 'squid', 0.5),
      beside(cpu, 'sslsplit', 1),
      beside(cpu, 'mitmproxy', 1 / 15),
      beside(cpu, 'http-mitm-proxy', 1 / 15),
      compare('requests per second, HTTP/1.1', '1/s', measured.perSecond),
      compare('median latency under that load, HTTP/1.1', 'µs', measured.p50Us),
      compare('99th percentile of latency under that load, HTTP/1.1', 'µs', measured.p99Us),
    ];
  });
}

/** HTTP/2 with 8 connections of 16 streams. */
export async function measureHttp2(options: ProxyOptions, progress: Progress): Promise<Figure[]> {
  const programs = ['ours', 'haproxy', 'node:http2'].filter(
    (name) => name === 'ours' || options.isInstalled(name),
  );
  const requests = options.isQuick ? 2000 : 40_000;
  return inLab(options, { programs }, async (lab) => {
    const load = (name: string) => loadHttp2(lab, name, requests);
    const measured = await measureRounds(programs, options, 'HTTP/2 requests', progress, load);
    const cpu = compare('CPU per request, HTTP/2, 8 connections of 16 streams', 'µs', measured.cpuUs);
    return [
      beside(cpu, 'haproxy', 1.1),
      beside(cpu, 'node:http2', 1 / 4),
      compare('requests per second, HTTP/2', '1/s', measured.perSecond),
      compare('median latency under that load, HTTP/2', 'µs', measured.p50Us),
      compare('99th percentile of latency under that load, HTTP/2', 'µs', measured.p99Us),
    ];
  });
}

/** What a proxy adds to one small request after another on a warm connection. */
export async function measureLatency(options: ProxyOptions, progress: Progress): Promise<Figure[]> {
  const programs = ['ours', 'no proxy', ...['haproxy', 'squid'].filter(options.isInstalled)];
  return inLab(options, { programs }, async (lab) => {
    const load = (name: string) => loadHttp1(lab, name, 1, options.seconds);
    const { p50Us } = await measureRounds(programs, options, 'single requests', progress, load);
    const bare = p50Us['no proxy']!;
    const added = Object.fromEntries(
      Object.entries(p50Us)
        .filter(([name]) => name !== 'no proxy')
        .map(([name, values]) => [name, values.map((value, at) => value - bare[at]!)]),
    );
    const figure = compare(
      'latency that is added to a small request on a warm connection, median',
      'µs',
      added,
    );
    return [beside(figure, 'haproxy', 1), compare('the same request, in all', 'µs', p50Us)];
  });
}
