// `npm run bench`: every figure that has a goal, beside its peer, in one run; writes bench/results.md.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { measureDecisions } from './decide.ts';
import { measureDns } from './dns.ts';
import { measureInterception } from './intercept.ts';
import { readMachine } from './machine.ts';
import { machineBusyMs } from './measure.ts';
import type { Figure, Progress } from './measure.ts';
import { writeResults } from './results.ts';
import type { BenchRun } from './results.ts';

const usage = `usage: npm run bench -- [options]
Measures ours beside squid (interception) and unbound (DNS) and writes bench/results.md.
Needs root, two cores, and squid-openssl, unbound, dnsperf, nginx-light, wrk, curl, nftables.

  --only PART     decide, dns or intercept; results.md is then left alone
  --rounds N      rounds of each measure (default 7)
  --gib N         gibibytes sent through one after the other (default 5)
  --quick         one short round of each, two gibibytes; results.md is left alone
  --json          print the figures as JSON instead of a table
  --help
exit code: 0 when every goal was reached, 1 when one was missed, 2 on a wrong option
`;

interface Settings {
  readonly only: string | null;
  readonly rounds: number;
  readonly gib: number;
  readonly isQuick: boolean;
  readonly isJson: boolean;
}

const parts = ['decide', 'dns', 'intercept'];

function readSettings(): Settings | string {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      rounds: { type: 'string' },
      gib: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return '';
  if (values.only !== undefined && !parts.includes(values.only))
    return `--only: ${values.only} is none of ${parts.join(', ')}\n`;
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 7));
  const gib = Number(values.gib ?? (values.quick ? 2 : 5));
  if (!Number.isInteger(rounds) || rounds < 1 || !Number.isInteger(gib) || gib < 2)
    return '--rounds takes a number from 1, --gib one from 2\n';
  return { only: values.only ?? null, rounds, gib, isQuick: values.quick, isJson: values.json };
}

/** How busy the machine is without us, in percent. */
async function otherWork(cores: number): Promise<number> {
  const before = machineBusyMs();
  await wait(3000);
  return Math.round((machineBusyMs() - before) / (30 * cores));
}

async function measureAll(settings: Settings, progress: Progress): Promise<Figure[]> {
  const { only, rounds, gib, isQuick } = settings;
  const isWanted = (part: string) => only === null || only === part;
  const figures: Figure[] = [];
  if (isWanted('intercept')) {
    const options = { rounds, seconds: isQuick ? 1 : 3, gib, held: isQuick ? 500 : 2000 };
    figures.push(...(await measureInterception(options, progress)));
  }
  if (isWanted('dns')) figures.push(...(await measureDns({ rounds, seconds: isQuick ? 1 : 2 }, progress)));
  if (isWanted('decide')) figures.push(...measureDecisions(progress));
  return figures;
}

function print(run: BenchRun, settings: Settings): void {
  if (settings.isJson) return void process.stdout.write(`${JSON.stringify(run)}\n`);
  for (const { what, unit, ours, peer, peerName, ratio, goal, isReached } of run.figures) {
    const beside = peer === null ? '' : `, ${peerName} ${peer} ${unit}`;
    const times = ratio === null ? '' : `, ${ratio}x`;
    const verdict = goal === null ? '' : `; ${goal}: ${isReached === true ? 'reached' : 'MISSED'}`;
    process.stdout.write(`${what}: ${ours} ${unit}${beside}${times}${verdict}\n`);
  }
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
  const machine = readMachine();
  const otherWorkPercent = await otherWork(machine.cores);
  const figures = await measureAll(settings, progress);
  const run = { date: new Date().toISOString().slice(0, 10), machine, otherWorkPercent, figures };
  print(run, settings);
  if (settings.only === null && !settings.isQuick)
    writeFileSync(join(import.meta.dirname, 'results.md'), writeResults(run));
  return figures.every(({ isReached }) => isReached !== false) ? 0 : 1;
}

process.exitCode = await main();
