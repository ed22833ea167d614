// `npm run bench`: every figure that has a goal, beside its peers, in one run; writes bench/results.md and its charts.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { measureBesideStore } from './beside-store.ts';
import { measureBodies } from './bodies.ts';
import { drawBars } from './chart.ts';
import { contenders } from './contenders.ts';
import { measureConnections, measureIdle } from './connections.ts';
import { measureDecisions } from './decide.ts';
import { measureDns } from './dns.ts';
import { measureOthers } from './fairness.ts';
import { measureGrowth } from './growth.ts';
import { findPeers, readMachine } from './machine.ts';
import { mergeResults } from './merge-results.ts';
import { machineBusyMs } from './measure.ts';
import type { Figure, Progress } from './measure.ts';
import { openProxyLab } from './proxy-lab.ts';
import type { ProxyLab } from './proxy-lab.ts';
import { measureRegistries } from './registries.ts';
import { measureHttp1, measureHttp2, measureLatency } from './requests.ts';
import type { ProxyOptions } from './requests.ts';
import { rowOf, writeResults } from './results.ts';
import type { BenchRun } from './results.ts';
import { measureStore } from './store.ts';
import { measureUnderstanding } from './understand.ts';
import { measureWholeBuild } from './whole-build.ts';

interface Settings extends ProxyOptions {
  readonly parts: readonly string[];
  /** Flows that the store is filled with. */
  readonly flows: number;
  readonly isJson: boolean;
  readonly out: string | null;
  /** A page whose rows of these parts are replaced. */
  readonly into: string | null;
}

/** The parts in the order in which they run; the heavy ones last. */
const parts: Readonly<Record<string, (settings: Settings, progress: Progress) => Promise<Figure[]>>> = {
  http1: measureHttp1,
  http2: measureHttp2,
  latency: measureLatency,
  connections: measureConnections,
  idle: measureIdle,
  bodies: measureBodies,
  dns: ({ rounds, isQuick }, progress) => measureDns({ rounds, seconds: 2, isShort: isQuick }, progress),
  decide: async (_, progress) => measureDecisions(progress),
  understand: async (_, progress) => measureUnderstanding(progress),
  registries: async (_, progress) => measureRegistries(progress),
  growth: measureGrowth,
  store: ({ rounds, isQuick, flows }, progress) => measureStore({ rounds, isQuick, flows }, progress),
  beside: ({ rounds, isQuick, flows }, progress) => measureBesideStore({ rounds, isQuick, flows }, progress),
  fairness: measureOthers,
  build: measureWholeBuild,
};

const usage = `usage: npm run bench -- [options] [PART…]
Measures ours beside squid, sslsplit, mitmproxy, http-mitm-proxy, haproxy, node:http2, unbound and dnsmasq, and writes
bench/results.md. Needs root and two cores; peers that are missing are installed by apt.
Parts: ${Object.keys(parts).join(', ')}. With PARTs named, results.md is left alone unless --out says otherwise.

  --rounds N      rounds of each measure (default 5)
  --flows N       flows that the store's questions are asked over (default 10,000,000: some ten minutes to fill)
  --quick         one short round of each, with the peers that are there; results.md is left alone
  --out FILE      where the page goes
  --into FILE     a page of an earlier run, in which the rows of these PARTs are replaced
  --json          print the figures as JSON instead of a table
  --help
exit code: 0 when every goal was reached, 1 when one was missed, 2 on a wrong option
`;

function readSettings(): Settings | string {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string' },
      flows: { type: 'string' },
      quick: { type: 'boolean', default: false },
      out: { type: 'string' },
      into: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return '';
  const unknown = positionals.find((part) => parts[part] === undefined);
  if (unknown !== undefined) return `${unknown} is none of ${Object.keys(parts).join(', ')}\n`;
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 5));
  if (!Number.isInteger(rounds) || rounds < 1) return '--rounds takes a number from 1\n';
  const flows = Number(values.flows ?? 10_000_000);
  if (!Number.isInteger(flows) || flows < 1) return '--flows takes a number from 1\n';
  const isWhole = positionals.length === 0 && !values.quick;
  const page = isWhole ? join(import.meta.dirname, 'results.md') : null;
  return {
    parts: positionals.length === 0 ? Object.keys(parts) : positionals,
    rounds,
    flows,
    seconds: values.quick ? 0.2 : 3,
    isQuick: values.quick,
    shared: null,
    isJson: values.json,
    out: values.out ?? (values.into === undefined ? page : null),
    into: values.into ?? null,
    isInstalled: () => true,
  };
}

/** What the chart is drawn from. */
const chartParts = ['http1', 'http2', 'connections'];

/** How busy the machine is without us, in percent. */
async function otherWork(cores: number): Promise<number> {
  const before = machineBusyMs();
  await wait(3000);
  return Math.round((machineBusyMs() - before) / (30 * cores));
}

/** Parts that ask for nothing but a lab of some programs. */
const inSharedLab = new Set(['http1', 'http2', 'latency', 'connections', 'idle', 'bodies', 'growth']);
/** One that takes its time to start is left to the long form. */
const isShort = (name: string) => name !== 'mitmproxy';

/** The short form makes one lab for what the long one makes labs of its own for. */
async function openShared({ parts, isQuick, isInstalled }: Settings): Promise<ProxyLab | null> {
  if (!isQuick || !parts.some((part) => inSharedLab.has(part))) return null;
  const programs = Object.keys(contenders).filter((name) => isInstalled(name));
  return openProxyLab({ programs, unseen: 100, runners: 12 });
}

async function measureAll(settings: Settings, progress: Progress): Promise<Figure[]> {
  const figures: Figure[] = [];
  const shared = await openShared(settings);
  try {
    for (const part of settings.parts)
      figures.push(...(await parts[part]!({ ...settings, shared }, progress)));
  } finally {
    await shared?.close();
  }
  return figures;
}

function write(run: BenchRun, out: string): void {
  writeFileSync(out, writeResults(run));
  writeFileSync(out.replace(/\.md$/, '.svg'), drawBars(run.figures));
}

async function main(): Promise<number> {
  const settings = readSettings();
  if (typeof settings === 'string') {
    process.stderr.write(`${settings}${usage}`);
    return settings === '' ? 0 : 2;
  }
  const started = performance.now();
  const progress = (line: string) =>
    process.stderr.write(
      `${String(Math.round((performance.now() - started) / 1000)).padStart(4)} s  ${line}\n`,
    );
  const isThere = findPeers(!settings.isQuick, progress);
  const isInstalled = (name: string) => isThere(name) && (!settings.isQuick || isShort(name));
  const machine = readMachine();
  const otherWorkPercent = settings.isQuick ? 0 : await otherWork(machine.cores);
  const figures = await measureAll({ ...settings, isInstalled }, progress);
  const run = { date: new Date().toISOString().slice(0, 10), machine, otherWorkPercent, figures };
  if (settings.isJson) process.stdout.write(`${JSON.stringify(run)}\n`);
  else for (const figure of figures) process.stdout.write(`${rowOf(figure)}\n`);
  if (settings.out !== null) write(run, settings.out);
  const { into } = settings;
  // The chart shows what one run measured: it stays where not all of it was measured again.
  const isDrawnAnew = chartParts.every((part) => settings.parts.includes(part));
  if (into !== null && isDrawnAnew) writeFileSync(into.replace(/\.md$/, '.svg'), drawBars(figures));
  if (into !== null) writeFileSync(into, mergeResults(readFileSync(into, 'utf8'), run, settings.parts));
  return figures.every(({ isReached }) => isReached !== false) ? 0 : 1;
}

process.exitCode = await main();
