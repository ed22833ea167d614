// Which process a number means: numbers are given again, in a container after every restart in the same order, and only
// together with the time at which it began is it one process.

import { readFileSync } from 'node:fs';

/** When the process began, in the kernel's ticks since boot (proc(5), `starttime`); null when it cannot be read. */
export function processStart(pid: number): string | null {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The program's name, in brackets, may hold anything.
    return line.slice(line.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}
