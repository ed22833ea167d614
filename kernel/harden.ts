// Takes rights away: from the keeper what it does not need before it starts others, from workers and control
// all that is left. Also reads what a process holds, for tests and doctor.

import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { SallyportError } from '../flow/errors.ts';
import { checked, processControl, setCapabilities, setResourceLimit } from './libc.ts';
import { installSeccomp } from './seccomp.ts';

const capabilities = {
  KILL: 5,
  SETGID: 6,
  SETUID: 7,
  NET_BIND_SERVICE: 10,
  NET_ADMIN: 12,
  NET_RAW: 13,
} as const;
/** A capability that the keeper may keep, by its name without CAP_. */
export type Capability = keyof typeof capabilities;
const [boundingRead, boundingDrop, noNewPrivileges, dumpable, parentDeathSignal] = [23, 24, 38, 4, 1];
const coreLimit = 4;

const setpcap = 8;
const keeperRights: readonly Capability[] = ['NET_ADMIN', 'SETUID', 'SETGID', 'KILL'];

/**
 * Empties the bounding set, keeps only what the keeper needs effective, sets no_new_privs and forbids core files. Acts
 * on the calling thread, which is the one that starts children. Programs that it runs as root later get `inherited`,
 * and nothing else. @throws SallyportError
 */
export function hardenKeeper(inherited: readonly Capability[] = []): void {
  const keep = [...new Set([...keeperRights, ...inherited])];
  // Nothing becomes inheritable that is no longer in the bounding set.
  if (inherited.length > 0) setOwnCapabilities(heldBits(), bitsOf(inherited));
  for (let capability = 0; processControl(boundingRead, capability) >= 0; capability++) {
    // Without SETPCAP (a container) only what the runtime left there is there: children then drop it by their uid.
    if (processControl(boundingRead, capability) === 1) processControl(boundingDrop, capability);
  }
  setOwnCapabilities(heldBits() & bitsOf(keep), bitsOf(inherited));
  checked(processControl(noNewPrivileges, 1), 'prctl no_new_privs');
  setResourceLimit(coreLimit, 0);
}

/**
 * Starts this very program anew, as the same process, with no more rights on any of its threads than the keeper uses
 * and its start needs: what `hardenKeeper` does to the main thread comes too late for those that Node starts first.
 * Does nothing where the runtime has done it (a container: no SETPCAP) or once it is done. @throws SallyportError
 */
export function confineProgram(inherited: readonly Capability[] = []): void {
  const held = heldBits();
  if (process.execve === undefined || (held & (1n << BigInt(setpcap))) === 0n) return;
  // A listener below 1024 is opened at the start.
  const kept = held & bitsOf([...keeperRights, 'NET_BIND_SERVICE', ...inherited]);
  setOwnCapabilities(held, kept);
  for (let capability = 0; processControl(boundingRead, capability) >= 0; capability++) {
    processControl(boundingDrop, capability);
  }
  checked(processControl(noNewPrivileges, 1), 'prctl no_new_privs');
  // Root's permitted set after exec is what it may inherit: the bounding set is empty. Node calls execve experimental.
  process.removeAllListeners('warning');
  const { execPath, execArgv, argv, env } = process;
  process.execve(execPath, [execPath, ...execArgv, ...argv.slice(1)], env);
}

function heldBits(): bigint {
  return BigInt(`0x${statusField(readFileSync('/proc/thread-self/status', 'latin1'), 'CapPrm')}`);
}

function bitsOf(names: readonly Capability[]): bigint {
  return names.reduce((bits, name) => bits | (1n << BigInt(capabilities[name])), 0n);
}

// Of the calling thread: permitted and effective alike.
function setOwnCapabilities(held: bigint, inheritable: bigint): void {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(0x2008_0522, 0);
  const data = Buffer.alloc(24);
  for (const at of [0, 12]) {
    const half = (bits: bigint): number => Number((at === 0 ? bits : bits >> 32n) & 0xffff_ffffn);
    data.writeUInt32LE(half(held), at);
    data.writeUInt32LE(half(held), at + 4);
    data.writeUInt32LE(half(inheritable & held), at + 8);
  }
  setCapabilities(header, data);
}

/**
 * For workers and control, first thing: not dumpable, killed with its parent, no core files, no_new_privs and
 * the system call filter on every thread. @throws SallyportError
 */
export function hardenWorker(): void {
  const parent = process.ppid;
  const mayEnterRing = holdsRing();
  checked(processControl(dumpable, 0), 'prctl dumpable');
  checked(processControl(parentDeathSignal, 9), 'prctl pdeathsig');
  // What the keeper lets its own programs inherit came along; without no_new_privs and exec it is of no use either.
  setOwnCapabilities(0n, 0n);
  setResourceLimit(coreLimit, 0);
  installSeccomp(mayEnterRing);
  // The parent may have died before the signal was asked for.
  if (process.ppid !== parent) throw new SallyportError('keeper-unavailable', 'the keeper has ended');
}

// libuv may have made its ring for epoll changes at start (UV_USE_IO_URING=0 prevents it); it aborts without it.
function holdsRing(): boolean {
  return readdirSync('/proc/self/fd').some((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === 'anon_inode:[io_uring]';
    } catch {
      return false; // the descriptor of the listing itself
    }
  });
}

export interface ProcessRights {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  /** Capability bits of the main thread, the one that starts children. */
  readonly effective: bigint;
  readonly permitted: bigint;
  readonly inheritable: bigint;
  readonly bounding: bigint;
  readonly ambient: bigint;
  /** Bits that any thread holds effective, permitted or in its bounding set. */
  readonly anyThread: bigint;
  /** True only when it is so on every thread. */
  readonly noNewPrivileges: boolean;
  readonly seccomp: boolean;
  /** False when the process is not dumpable: others cannot read its memory or descriptors. */
  readonly dumpable: boolean;
  readonly threads: number;
}

/** What a process may do, read from /proc over all of its threads. @throws Error when there is no such process */
export function readProcessRights(pid: number): ProcessRights {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const all = tasks.map((task) => readFileSync(`/proc/${pid}/task/${task}/status`, 'latin1'));
  const main = readFileSync(`/proc/${pid}/status`, 'latin1');
  const bits = (name: string, status = main): bigint => BigInt(`0x${statusField(status, name)}`);
  const every = (name: string, value: string): boolean =>
    all.every((status) => statusField(status, name) === value);
  const uid = firstNumber(statusField(main, 'Uid'));
  return {
    uid,
    gid: firstNumber(statusField(main, 'Gid')),
    groups: statusField(main, 'Groups').split(/\s+/).filter(Boolean).map(Number),
    effective: bits('CapEff'),
    permitted: bits('CapPrm'),
    inheritable: bits('CapInh'),
    bounding: bits('CapBnd'),
    ambient: bits('CapAmb'),
    anyThread: all.reduce(
      (sum, one) => sum | bits('CapEff', one) | bits('CapPrm', one) | bits('CapBnd', one),
      0n,
    ),
    noNewPrivileges: every('NoNewPrivs', '1'),
    seccomp: every('Seccomp', '2'),
    dumpable: uid === 0 || statSync(`/proc/${pid}/mem`).uid === uid,
    threads: tasks.length,
  };
}

function statusField(status: string, name: string): string {
  const start = status.indexOf(`${name}:`);
  if (start < 0) return '';
  return status.slice(start + name.length + 1, status.indexOf('\n', start)).trim();
}

function firstNumber(text: string): number {
  return Number(text.split(/\s/)[0]);
}
