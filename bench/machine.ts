// On what the figures were measured: processor, kernel and versions; never a name or a path of the machine.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';

export interface MachineProfile {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly kernel: string;
  /** Versions of ours and of the programs beside it, by name. */
  readonly versions: Readonly<Record<string, string>>;
}

const versionCommands: Readonly<Record<string, readonly string[]>> = {
  squid: ['squid', '-v'],
  unbound: ['unbound', '-V'],
  nginx: ['nginx', '-v'],
  wrk: ['wrk', '-v'],
  dnsperf: ['dnsperf', '-h'],
};

function versionOf(command: readonly string[]): string {
  const [program = '', ...args] = command;
  const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  return /(\d+\.\d+(?:\.\d+)?)/.exec(`${stdout ?? ''}${stderr ?? ''}`)?.[1] ?? 'not installed';
}

/** Reads the profile of this machine. */
export function readMachine(): MachineProfile {
  const peers = Object.entries(versionCommands).map(([name, command]) => [name, versionOf(command)] as const);
  return {
    processor: (cpus()[0]?.model ?? 'unknown').trim(),
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: /^\d+\.\d+/.exec(readFileSync('/proc/sys/kernel/osrelease', 'utf8'))?.[0] ?? 'unknown',
    versions: {
      node: process.versions.node,
      openssl: process.versions.openssl,
      ...Object.fromEntries(peers),
    },
  };
}
