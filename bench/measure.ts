// What the benchmarks share: medians, rounds that alternate between ours and a peer, CPU and memory of a process
// with its descendants as the kernel counts them, and the shape of a figure.

import { readdirSync, readFileSync } from 'node:fs';

/** Values of ours and of the program beside it, one for each round. */
export interface Pair {
  readonly ours: number[];
  readonly peer: number[];
}
export type Side = keyof Pair;
export const sides: readonly Side[] = ['ours', 'peer'];

/** One measured line of the results. */
export interface Figure {
  readonly what: string;
  readonly unit: string;
  readonly ours: number;
  /** The same of the program named by `peerName`, where there is one. */
  readonly peer: number | null;
  readonly peerName: string | null;
  /** Median over the rounds of ours by the peer's. */
  readonly ratio: number | null;
  /** What issue 3 asks for, in words, and whether it was met; null for a figure without a goal. */
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

export const emptyPair = (): Pair => ({ ours: [], peer: [] });

/** Runs the step for both sides in alternating rounds; round -1 warms both up and is to be thrown away. */
export async function alternate(
  rounds: number,
  step: (side: Side, round: number) => Promise<void>,
): Promise<void> {
  for (let at = -1; at < rounds; at++) for (const side of sides) await step(side, at);
}

/** A figure of both sides, with the ratio of each round. */
export function compare(
  what: string,
  unit: string,
  values: Pair,
  peerName: string,
): Omit<Figure, 'goal' | 'isReached'> & { readonly ratio: number } {
  const ratio = round(median(values.ours.map((value, at) => value / values.peer[at]!)));
  const [ours, peer] = [round(median(values.ours)), round(median(values.peer))];
  return { what, unit, ours, peer, peerName, ratio, rounds: values };
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
