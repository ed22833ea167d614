// Interception beside squid's bump: CPU for each request and connection, memory of idle connections and of long
// bodies. Every measure alternates between the two in rounds of one kind on the same core.

import { setTimeout as wait } from 'node:timers/promises';
import { join } from 'node:path';
import { openInterceptLab, targets } from './intercept-lab.ts';
import type { InterceptLab } from './intercept-lab.ts';
import { alternate, compare, cpuMs, emptyPair, median, residentKb, round, sides } from './measure.ts';
import type { Figure, Pair, Progress, Side } from './measure.ts';

/** How long to measure. `gib` are the gibibytes sent through, one after the other. */
export interface InterceptOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly gib: number;
  readonly held: number;
}

const perRound = { seen: 400, unseen: { ours: 200, peer: 60 } };
const peerName = 'squid';

function client(mode: string, side: Side, count: number): string[] {
  const { host, address } = targets[side];
  const program = join(import.meta.dirname, 'intercept-client.ts');
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

/** All figures of interception, in an order that leaves the heavy ones for last. */
export async function measureInterception(options: InterceptOptions, progress: Progress): Promise<Figure[]> {
  const keepAlive = await within(0, (lab) => measureKeepAlive(lab, options, progress));
  const names = perRound.unseen.peer * (options.rounds + 1);
  const connections = await within(names, (lab) => measureConnections(lab, options, progress));
  const memory = await within(0, async (lab) => [
    await measureIdle(lab, options, progress),
    await measureBodies(lab, options, progress),
  ]);
  return [...keepAlive, ...connections, ...memory];
}

/** A lab for one measure, so that none meets what another one left behind. */
async function within<T>(unseen: number, measure: (lab: InterceptLab) => Promise<T>): Promise<T> {
  const lab = await openInterceptLab(unseen);
  try {
    return await measure(lab);
  } finally {
    await lab.close();
  }
}

async function measureKeepAlive(
  lab: InterceptLab,
  { rounds, seconds }: InterceptOptions,
  progress: Progress,
): Promise<Figure[]> {
  const [cpu, rate] = [emptyPair(), emptyPair()];
  await alternate(rounds, async (side, at) => {
    progress(`keep-alive requests, ${side}, round ${at + 1} of ${rounds}`);
    const before = cpuMs(lab.pids[side]);
    // Compilers take their time: the round that is thrown away is the longest.
    const time = at < 0 ? 2 * seconds : seconds;
    const text = await lab.output(['wrk', '-t1', '-c32', `-d${time}s`, `https://${targets[side].host}/`]);
    const requests = Number(/(\d+) requests in/.exec(text)?.[1] ?? 0);
    if (/Non-2xx|Socket errors/.test(text)) throw new Error(`${side} did not answer everything:\n${text}`);
    if (at < 0) return;
    cpu[side].push(((cpuMs(lab.pids[side]) - before) / requests) * 1000);
    rate[side].push(requests / seconds);
  });
  const perRequest = compare('CPU per request, HTTP/1.1 keep-alive, 32 connections', 'µs', cpu, peerName);
  const goal = { goal: 'at most 0.7x squid', isReached: perRequest.ratio <= 0.7 };
  return [
    { ...perRequest, ...goal },
    { ...compare('requests per second', '1/s', rate, peerName), goal: null, isReached: null },
  ];
}

async function measureConnections(
  lab: InterceptLab,
  { rounds }: InterceptOptions,
  progress: Progress,
): Promise<Figure[]> {
  const [seen, unseen, seenMs, unseenMs] = [emptyPair(), emptyPair(), emptyPair(), emptyPair()];
  const measureOne = async (side: Side, mode: string, count: number, at: number, cpu: Pair, ms: Pair) => {
    const before = cpuMs(lab.pids[side]);
    const text = await lab.output(client(mode, side, count));
    if (at < 0) return;
    cpu[side].push(((cpuMs(lab.pids[side]) - before) / count) * 1000);
    ms[side].push(Number(/done ([\d.]+)/.exec(text)?.[1]));
  };
  await alternate(rounds, async (side, at) => {
    progress(`new connections, ${side}, round ${at + 1} of ${rounds}`);
    await measureOne(side, 'seen', perRound.seen, at, seen, seenMs);
    const count = perRound.unseen[side];
    await measureOne(side, `unseen-${(at + 1) * count}`, count, at, unseen, unseenMs);
  });
  const [over, overMs] = [timesSeen(unseen, seen), timesSeen(unseenMs, seenMs)];
  const none = { goal: null, isReached: null };
  return [
    { ...compare('CPU per new connection, host seen before', 'µs', seen, peerName), ...none },
    { ...compare('CPU per first connection to an unseen host', 'µs', unseen, peerName), ...none },
    {
      ...compare('CPU of an unseen host over a seen one', 'x', over, peerName),
      goal: 'at most 2.5x a seen one',
      isReached: median(over.ours) <= 2.5,
    },
    {
      ...compare('time to the first answer, unseen host over a seen one, 8 at a time', 'x', overMs, peerName),
      goal: 'at most 2.5x a seen one',
      isReached: median(overMs.ours) <= 2.5,
    },
  ];
}

function timesSeen(unseen: Pair, seen: Pair): Pair {
  const of = (side: Side) => unseen[side].map((value, at) => value / seen[side][at]!);
  return { ours: of('ours'), peer: of('peer') };
}

/** The first round alone: later ones would reuse the memory that it left. */
const idleRounds = 1;

async function measureIdle(
  lab: InterceptLab,
  { held }: InterceptOptions,
  progress: Progress,
): Promise<Figure> {
  const kb = emptyPair();
  for (let round = 0; round < idleRounds; round++) {
    for (const side of sides) {
      progress(`${held} idle connections, ${side}, round ${round + 1} of ${idleRounds}`);
      const before = residentKb(lab.pids[side]);
      const holder = lab.start(client('hold', side, held));
      await new Promise((resolve) => holder.stdout!.once('data', resolve));
      await wait(1500);
      kb[side].push((residentKb(lab.pids[side]) - before) / held);
      holder.kill('SIGKILL');
      await wait(2000);
    }
  }
  const figure = compare(
    `resident memory of an idle intercepted connection, ${held} held`,
    'KB',
    kb,
    peerName,
  );
  return { ...figure, goal: 'at most 60 KB', isReached: figure.ours <= 60 };
}

async function measureBodies(
  lab: InterceptLab,
  { gib }: InterceptOptions,
  progress: Progress,
): Promise<Figure> {
  const resident = emptyPair();
  for (let at = 0; at < gib; at++) {
    for (const side of sides) {
      progress(`gibibyte ${at + 1} of ${gib}, ${side}`);
      await lab.output(['curl', '-sk', '-o', '/dev/null', `https://${targets[side].host}/big`]);
      resident[side].push(Math.round(residentKb(lab.pids[side]) / 1024));
    }
  }
  const added = (values: readonly number[]) => values.at(-1)! - values[0]!;
  return {
    what: `resident memory added by the second to the last of ${gib} GiB`,
    unit: 'MB',
    ours: round(added(resident.ours)),
    peer: round(added(resident.peer)),
    peerName,
    ratio: null,
    goal: 'under 30 MB for the second to the fifth',
    isReached: added(resident.ours) < 30,
    rounds: resident,
  };
}
