// Long bodies beside the other programs: CPU and rate of a gibibyte down and up, and whether more of them need memory.

import { closeSync, ftruncateSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { cpuOf } from './load.ts';
import { aimedAt, alternate, beside, compare, emptyRounds, residentKb, single } from './measure.ts';
import type { Figure, Progress } from './measure.ts';
import type { ProxyLab } from './proxy-lab.ts';
import { inLab } from './requests.ts';
import type { ProxyOptions } from './requests.ts';

const gibibyte = 2 ** 30;

/** One body through a program: CPU seconds for a gibibyte and megabytes a second; NaN when it failed. */
async function transfer(lab: ProxyLab, name: string, way: 'down' | 'up', bytes: number) {
  const { host } = lab.contender(name);
  const before = cpuOf(lab, name);
  const told = [
    'curl',
    '-sk',
    '-m',
    '60',
    '-o',
    '/dev/null',
    '-w',
    '%{http_code} %{size_download} %{size_upload} %{time_total}',
  ];
  const sent = ['-H', 'Expect:', '-T', join(lab.directory, `big-${bytes}`), `https://${host}/up`];
  const command = [...told, ...(way === 'down' ? ['-r', `0-${bytes - 1}`, `https://${host}/big`] : sent)];
  const [status = '', down = '0', up = '0', time = '0'] = (await lab.output(command)).split(' ');
  const passed = Number(way === 'down' ? down : up);
  const seconds = (cpuOf(lab, name) - before) / 1000;
  if (!/^20[06]$/.test(status) || passed !== bytes) return failed;
  return { cpuPerGib: (seconds / passed) * gibibyte, perSecond: passed / 1e6 / Number(time) };
}

const failed = { cpuPerGib: Number.NaN, perSecond: Number.NaN };

/** A gibibyte each way, several times; and ours' memory over all of them. */
export async function measureBodies(options: ProxyOptions, progress: Progress): Promise<Figure[]> {
  const programs = ['ours', ...['haproxy', 'squid', 'sslsplit'].filter(options.isInstalled)];
  const bytes = options.isQuick ? gibibyte / 32 : gibibyte;
  const residentMb: number[] = [];
  return inLab(options, { programs }, async (lab) => {
    const file = openSync(join(lab.directory, `big-${bytes}`), 'w');
    ftruncateSync(file, bytes);
    closeSync(file);
    const figures: Figure[] = [];
    for (const way of ['down', 'up'] as const) {
      const [cpu, rate] = [emptyRounds(programs), emptyRounds(programs)];
      const out = new Set<string>();
      await alternate(
        programs,
        options.rounds,
        async (name, at) => {
          progress(`a gibibyte ${way}, ${name}, round ${at + 1} of ${options.rounds}`);
          const passed = out.has(name) ? failed : await transfer(lab, name, way, bytes);
          if (Number.isNaN(passed.cpuPerGib)) out.add(name);
          if (name === 'ours') residentMb.push(Math.round(residentKb(lab.pids['ours']!) / 1024));
          if (at < 0) return;
          cpu[name]!.push(passed.cpuPerGib);
          rate[name]!.push(passed.perSecond);
        },
        options.isQuick ? 0 : 1,
      );
      figures.push(
        beside(compare(`CPU of a gibibyte ${way}`, 's', cpu), 'haproxy', 1.25),
        compare(`megabytes a second ${way}`, 'MB/s', rate),
      );
    }
    const added = Math.max(...residentMb.slice(1, 5)) - residentMb[0]!;
    const memory = single(
      'resident memory added by the second to the fifth gibibyte',
      'MB',
      added,
      residentMb,
    );
    return [...figures, aimedAt(memory, 'under 30 MB', added < 30)];
  });
}
