// New connections and idle ones beside the other programs: CPU of a connection to a host met before and to one never
// met, and the memory of connections that stay open.

import { setTimeout as wait } from 'node:timers/promises';
import { clientOf, cpuOf } from './load.ts';
import { aimedAt, alternate, beside, compare, emptyRounds, median, residentKb } from './measure.ts';
import type { Figure, Progress, Rounds } from './measure.ts';
import type { ProxyLab } from './proxy-lab.ts';
import { inLab } from './requests.ts';
import type { ProxyOptions } from './requests.ts';

/** Connections of one round; squid walks its file of names for each one, so that it gets few unseen ones. */
const perRound = { seen: 300, unseen: 100 };
const leastRounds = 9;

/** One round of connections through a program: CPU microseconds of each, and milliseconds to the first answer. */
async function connectMany(lab: ProxyLab, name: string, mode: string, count: number) {
  const before = cpuOf(lab, name);
  const text = await lab.output(clientOf(lab, name, mode, count), 60_000);
  const medianMs = Number(/done ([\d.]+)/.exec(text)?.[1] ?? Number.NaN);
  const cpuUs = ((cpuOf(lab, name) - before) / count) * 1000;
  return { cpuUs: Number.isNaN(medianMs) ? Number.NaN : cpuUs, medianMs };
}

/** New connections, to hosts met before and never met. */
export async function measureConnections(options: ProxyOptions, progress: Progress): Promise<Figure[]> {
  const programs = ['ours', ...['haproxy', 'squid', 'sslsplit'].filter(options.isInstalled)];
  const minting: string[] = programs.filter((name) => name === 'ours' || name === 'squid');
  const rounds = options.isQuick ? 1 : Math.max(leastRounds, options.rounds);
  const [seen, unseen] = [emptyRounds(programs), emptyRounds(minting)];
  const [seenMs, unseenMs] = [emptyRounds(minting), emptyRounds(minting)];
  const share = options.isQuick ? 0.2 : 1;
  const count = { seen: perRound.seen * share, unseen: perRound.unseen * share };
  return inLab(options, { programs, unseen: count.unseen * (rounds + 1) }, async (lab) => {
    await alternate(
      programs,
      rounds,
      async (name, at) => {
        progress(`new connections, ${name}, round ${at + 1} of ${rounds}`);
        const met = await connectMany(lab, name, 'seen', count.seen);
        if (at >= 0) seen[name]!.push(met.cpuUs);
        if (!minting.includes(name)) return;
        const fresh = await connectMany(lab, name, `unseen-${(at + 1) * count.unseen}`, count.unseen);
        if (at < 0) return;
        seenMs[name]!.push(met.medianMs);
        unseen[name]!.push(fresh.cpuUs);
        unseenMs[name]!.push(fresh.medianMs);
      },
      options.isQuick ? 0 : 1,
    );
    const known = compare('CPU per new connection, host met before', 'µs', seen);
    const over = timesSeen(unseen, seen);
    const overMs = timesSeen(unseenMs, seenMs);
    const goal = 'at most 2.2x a host met before';
    return [
      beside(known, 'haproxy', 1.4),
      beside(known, 'squid', 0.5),
      known,
      compare('CPU per first connection to an unseen host', 'µs', unseen),
      aimedAt(
        compare('CPU of an unseen host over a seen one', 'x', over),
        goal,
        median(over['ours']!) <= 2.2,
      ),
      compare('time to the first answer, unseen host over a seen one, 8 at a time', 'x', overMs),
    ];
  });
}

function timesSeen(unseen: Rounds, seen: Rounds): Rounds {
  return Object.fromEntries(
    Object.entries(unseen).map(([name, values]) => [
      name,
      values.map((value, at) => value / seen[name]![at]!),
    ]),
  );
}

/** Memory of idle connections that have had one request each; each round in processes of its own. */
export async function measureIdle(options: ProxyOptions, progress: Progress): Promise<Figure[]> {
  const programs = ['ours', ...['haproxy'].filter(options.isInstalled)];
  const held = options.isQuick ? 100 : 5000;
  const { rounds } = options;
  const kb = emptyRounds(programs);
  for (let at = 0; at < rounds; at++) {
    await inLab(options, { programs }, async (lab) => {
      for (const name of programs) {
        progress(`${held} idle connections, ${name}, round ${at + 1} of ${rounds}`);
        // What every process grows by with its first requests is no connection's.
        await lab.output(clientOf(lab, name, 'seen', 50));
        const before = residentKb(lab.pids[name]!);
        const holder = lab.start(clientOf(lab, name, 'hold', held));
        await new Promise((resolve) => holder.stdout!.once('data', resolve));
        await wait(options.isQuick ? 200 : 1000);
        kb[name]!.push((residentKb(lab.pids[name]!) - before) / held);
        holder.kill('SIGKILL');
        await wait(options.isQuick ? 100 : 500);
      }
    });
  }
  const figure = compare(`resident memory of an idle intercepted connection, ${held} held`, 'KB', kb);
  return [aimedAt(figure, 'at most 60 KB', figure.ours <= 60)];
}
