// How the cost of a request grows: with the rules of the policy, the connections that are held, the runners that speak,
// and with a second worker. Ours alone; what grows and what does not is the figure.

import { once } from 'node:events';
import { clientOf, cpuOf, loadHttp1 } from './load.ts';
import { aimedAt, median, single } from './measure.ts';
import type { Figure, Progress } from './measure.ts';
import type { LabOptions, ProxyLab } from './proxy-lab.ts';
import { inLab } from './requests.ts';
import type { ProxyOptions } from './requests.ts';

/** Rounds alternate between the cases, each in a lab of its own that stays open. */
async function measureCases(
  what: string,
  cases: Readonly<Record<string, LabOptions>>,
  settings: ProxyOptions,
  rounds: number,
  progress: Progress,
  costOf: (lab: ProxyLab, name: string) => Promise<number>,
): Promise<Record<string, number[]>> {
  const values: Record<string, number[]> = {};
  for (const name of Object.keys(cases)) values[name] = [];
  for (let at = 0; at < rounds; at++) {
    for (const [name, options] of Object.entries(cases)) {
      progress(`${what}, ${name}, round ${at + 1} of ${rounds}`);
      values[name]!.push(await inLab(settings, options, (lab) => costOf(lab, name)));
    }
  }
  return values;
}

/** CPU microseconds of a keep-alive request, after a stretch that warms up. */
async function costOfRequest(lab: ProxyLab, { seconds, isQuick }: ProxyOptions): Promise<number> {
  if (!isQuick) await loadHttp1(lab, 'ours', 32, seconds);
  return (await loadHttp1(lab, 'ours', 32, seconds)).cpuUs;
}

function growth(what: string, values: Readonly<Record<string, number[]>>, most: number | null): Figure {
  const names = Object.keys(values);
  const [first = [], last = []] = [values[names[0]!], values[names.at(-1)!]];
  const times = median(last.map((value, at) => value / first[at]!));
  const medians = names.map((name) => `${name}: ${Math.round(median(values[name]!))} µs`).join(', ');
  const figure = single(`CPU per request, ${what} (${medians})`, 'x', times, values);
  return most === null ? figure : aimedAt(figure, `at most ${most}x`, times <= most);
}

/** All four ways of growing. */
export async function measureGrowth(options: ProxyOptions, progress: Progress): Promise<Figure[]> {
  const rounds = options.isQuick ? 1 : Math.min(options.rounds, 5);
  const ours = ['ours'];
  // The short form makes do with the lab that it has already.
  const few = options.isQuick ? { programs: ours } : { programs: ours, rules: 10 };
  const one = options.isQuick ? { programs: ours } : { programs: ours, cores: '0,1' };
  const rules = await measureCases(
    'rules',
    { [options.isQuick ? '1,000' : '10']: few, '10,000': { programs: ours, rules: 10_000 } },
    options,
    rounds,
    progress,
    (lab) => costOfRequest(lab, options),
  );
  const workers = await measureCases(
    'workers',
    { one, two: { programs: ours, cores: '0,1', workers: 2 } },
    options,
    rounds,
    progress,
    (lab) => costOfRequest(lab, options),
  );
  return [
    growth('10 to 10,000 rules', rules, 2),
    growth('one worker to two', workers, 1.15),
    growth('10 to 9,000 connections held', await measureHeld(options, rounds, progress), null),
    growth('1 to 1,000 runners of 1,000 connections', await measureRunners(options, rounds, progress), null),
  ];
}

async function measureHeld(options: ProxyOptions, rounds: number, progress: Progress) {
  const counts = options.isQuick ? [10, 100] : [10, 1000, 9000];
  const cases = Object.fromEntries(counts.map((count) => [`${count}`, { programs: ['ours'] }]));
  return measureCases(
    'connections held',
    cases,
    options,
    Math.min(rounds, 3),
    progress,
    async (lab, name) => {
      const holder = lab.start(clientOf(lab, 'ours', 'hold', Number(name)));
      await once(holder.stdout!, 'data');
      const cost = await costOfRequest(lab, options);
      holder.kill('SIGKILL');
      return cost;
    },
  );
}

async function measureRunners(options: ProxyOptions, rounds: number, progress: Progress) {
  const requests = options.isQuick ? 1000 : 20_000;
  const counts = options.isQuick ? [1, 10] : [1, 10, 100, 1000];
  const cases = Object.fromEntries(
    counts.map((count) => [`${count}`, { programs: ['ours'], runners: count + 1 }]),
  );
  return measureCases('runners', cases, options, Math.min(rounds, 3), progress, async (lab, name) => {
    const client = lab.start(clientOf(lab, 'ours', `runners-${name}`, requests));
    await once(client.stdout!, 'data');
    const before = cpuOf(lab, 'ours');
    client.stdin!.write('go\n');
    await once(client.stdout!, 'data');
    return ((cpuOf(lab, 'ours') - before) / requests) * 1000;
  });
}
