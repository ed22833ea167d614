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

/** Programs by the command that prints their version, with the Debian package that brings them. */
const programs: Readonly<Record<string, { readonly version: readonly string[]; readonly from: string }>> = {
  squid: { version: ['squid', '-v'], from: 'squid-openssl' },
  haproxy: { version: ['haproxy', '-v'], from: 'haproxy' },
  sslsplit: { version: ['sslsplit', '-V'], from: 'sslsplit' },
  mitmproxy: { version: ['mitmdump', '--version'], from: 'mitmproxy' },
  unbound: { version: ['unbound', '-V'], from: 'unbound' },
  dnsmasq: { version: ['dnsmasq', '-v'], from: 'dnsmasq-base' },
  nginx: { version: ['nginx', '-v'], from: 'nginx-light' },
  wrk: { version: ['wrk', '-v'], from: 'wrk' },
  h2load: { version: ['h2load', '--version'], from: 'nghttp2-client' },
  dnsperf: { version: ['dnsperf', '-h'], from: 'dnsperf' },
};
const none = 'not installed';

/**
 * Which of the programs are there; those that are not are installed first where `mayInstall` says so. Programs that
 * come with the project always are.
 */
export function findPeers(mayInstall: boolean, progress: (line: string) => void): (name: string) => boolean {
  const missing = () => Object.keys(programs).filter((name) => versionOf(programs[name]!.version) === none);
  const packages = missing().map((name) => programs[name]!.from);
  if (mayInstall && packages.length > 0) {
    progress(`installing ${packages.join(', ')}`);
    spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }
  const absent = new Set(missing());
  for (const name of absent) progress(`${name} is not there: measured without it`);
  return (name) => !absent.has(name);
}

function versionOf(command: readonly string[]): string {
  const [program = '', ...args] = command;
  const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  return /(\d+\.\d+(?:\.\d+)?)/.exec(`${stdout ?? ''}${stderr ?? ''}`)?.[1] ?? none;
}

/** Reads the profile of this machine. */
export function readMachine(): MachineProfile {
  const peers = Object.entries(programs).map(([name, { version }]) => [name, versionOf(version)] as const);
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
