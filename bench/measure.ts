// What the benchmarks share: medians, rounds that alternate between ours and a peer, CPU and memory of a process
// with its descendants as the kernel counts them, and the shape of a figure.

import { readdirSync, readFileSync } from 'node:fs';

/** Values of each program that is measured, one for each round; `ours` is among them. */
export type Rounds = Readonly<Record<string, number[]>>;

/** What a program beside ours came to; NaN where it failed. */
export interface Beside {
  readonly name: string;
  readonly value: number;
  /** Median over the rounds of ours by its value. */
  readonly ratio: number;
}

/** One measured line of the results. */
export interface Figure {
  readonly what: string;
  readonly unit: string;
  readonly ours: number;
  readonly peers: readonly Beside[];
  /** What is aimed at, in words, and whether it was met; null for a figure without a goal. */
  readonly goal: string | null;
  readonly isReached: boolean | null;
  readonly rounds: unknown;
}

/** Told what is going on, one line at a time. */
export type Progress = (line: string) => void;

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

/** Rounded so that three digits are told and no more is pretended. */
export function round(value: number): number {
  return Number(value.toPrecision(3));
}

export const emptyRounds = (names: readonly string[]): Rounds =>
  Object.fromEntries(names.map((name) => [name, []]));

/**
 * Runs the step for all programs in rounds that alternate between them, each round beginning with another one;
 * round -1 warms up and is to be thrown away (none when `warmUps` is 0).
 */
export async function alternate(
  names: readonly string[],
  rounds: number,
  step: (name: string, round: number) => Promise<void>,
  warmUps = 1,
): Promise<void> {
  for (let at = -warmUps; at < rounds; at++) {
    const first = (at + 1) % names.length;
    for (const name of [...names.slice(first), ...names.slice(0, first)]) await step(name, at);
  }
}

/** A figure of ours and all others, with the median of the ratios of each round; without a goal. */
export function compare(what: string, unit: string, values: Rounds): Figure {
  const { ours = [], ...others } = values;
  const peers = Object.entries(others).map(([name, theirs]) => {
    const ratio = round(median(ours.map((value, at) => value / (theirs[at] ?? Number.NaN))));
    return { name, value: round(median(theirs)), ratio };
  });
  return { what, unit, ours: round(median(ours)), peers, goal: null, isReached: null, rounds: values };
}

/** The figure of ours alone. */
export function single(what: string, unit: string, value: number, rounds: unknown): Figure {
  return { what, unit, ours: round(value), peers: [], goal: null, isReached: null, rounds };
}

/** The figure beside one peer alone, of whose value ours is to be at most so many times. */
export function beside(figure: Figure, name: string, most: number): Figure {
  const peers = figure.peers.filter((peer) => peer.name === name);
  const times = most > 0.2 ? `${most}` : `1/${Math.round(1 / most)}`;
  const ratio = ratioTo(figure, name);
  return {
    ...figure,
    peers,
    goal: `at most ${times} of ${name}`,
    isReached: Number.isNaN(ratio) ? null : ratio <= most,
  };
}

/** The figure with what is aimed at. */
export function aimedAt(figure: Figure, goal: string, isReached: boolean): Figure {
  return { ...figure, goal, isReached };
}

/** Ours by the named program, as a median over the rounds; NaN when it was not measured. */
export function ratioTo(figure: Figure, name: string): number {
  return figure.peers.find((peer) => peer.name === name)?.ratio ?? Number.NaN;
}

/** A process and its descendants. */
function family(pid: number): number[] {
  const parents = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const fields = statOf(Number(name));
      return fields === null ? [] : [[Number(name), Number(fields[1])] as const];
    });
  const found = [pid];
  for (const at of found)
    found.push(...parents.filter(([, parent]) => parent === at).map(([child]) => child));
  return found;
}

/** Fields of proc_pid_stat(5) after the name; null for a process that has ended. */
function statOf(pid: number): string[] | null {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  } catch {
    // Between the listing and the reading a process may end.
    return null;
  }
}

/** Milliseconds of user and system time of a process and its descendants, in steps of 10 (proc_pid_stat(5)). */
export function cpuMs(pid: number): number {
  return family(pid).reduce((sum, member) => {
    const fields = statOf(member);
    return fields === null ? sum : sum + (Number(fields[11]) + Number(fields[12])) * 10;
  }, 0);
}

/** Resident kilobytes of a process and its descendants. */
export function residentKb(pid: number): number {
  return family(pid).reduce((sum, member) => {
    const status = readFileSync(`/proc/${member}/status`, 'utf8');
    return sum + Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0);
  }, 0);
}

/** Milliseconds in which all processors of the machine worked so far (proc_stat(5)). */
export function machineBusyMs(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = readFileSync('/proc/stat', 'utf8')
    .split('\n')[0]!
    .replace(/^cpu +/, '')
    .split(' ')
    .map(Number);
  return (user + nice + system + irq + softirq) * 10;
}
