// Network namespaces and the veth pairs that join them: what one run makes, and the removal of exactly that,
// by the run itself or, when it was killed, by the next one that starts.

import { readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runIp, runIpBatch } from './ip.ts';
import {
  defaultStateDirectory,
  listDeadRuns,
  listSharedSettings,
  newRunState,
  openStateDirectory,
  processStartTime,
  removeRunState,
  type RunState,
  writeRunState,
} from './run-state.ts';
import { inNamespace, namespacePath } from './socket.ts';
import { planChanges, readSetting, restoreSettings, writeSetting, type WantedSetting } from './sysctl.ts';
import { removeDiversions } from './unforwarded.ts';

/** One end of a veth pair; namespace null is the one that the caller runs in. */
export interface LinkEnd {
  readonly namespace: string | null;
  readonly name: string;
  /** With prefix length, for example `10.77.0.1/30`; IPv6 needs no duplicate detection here. */
  readonly addresses: readonly string[];
}

let runs = 0;
let names = 0;
/** Tells this process from one of the same pid in another pid namespace that shares the network. */
const tag = (Number(processStartTime(process.pid) ?? 0) % 36 ** 3).toString(36).padStart(3, '0');

/** What the names of everything that this process makes outside of its namespaces begin with. */
export const ownerTag = `${process.pid}_${tag}`;

/** Whether an interface of that process is in the caller's namespace, also of one whose pid cannot be seen from here. */
export function hasLinkOf(pid: number): boolean {
  const own = `sp${pid.toString(36)}x`;
  return readFileSync('/proc/self/net/dev', 'utf8')
    .split('\n')
    .some((line) => line.trimStart().startsWith(own));
}

/** What one run makes. Each object has a state file of its own; `remove` may be called more than once. */
export class Namespaces {
  #state: RunState = newRunState();
  readonly #path: string;

  /** @throws SallyportError when a leftover of a dead run cannot be removed */
  constructor(directory: string = defaultStateDirectory) {
    openStateDirectory(directory);
    removeLeftovers(directory);
    this.#path = join(directory, `run-${process.pid}-${runs++}.json`);
  }

  /** Makes a namespace with its loopback up and answers its name, `sp-<pid>-<tag><n>-<role>`. @throws SallyportError */
  create(role: string): string {
    const name = `sp-${process.pid}-${tag}${names++}-${role}`;
    this.#note({ namespaces: [...this.#state.namespaces, name] });
    runIp(['netns', 'add', name]);
    // Duplicate detection would hold every new IPv6 address back for seconds.
    inNamespace(name, () => writeSettingIfPresent('ipv6/conf/default/accept_dad', '0'));
    runIp(['-netns', name, 'link', 'set', 'lo', 'up']);
    return name;
  }

  /** A name for an interface, unique on this machine and short enough for the kernel (15 bytes). */
  linkName(): string {
    return `sp${process.pid.toString(36)}x${tag}${(names++).toString(36)}`;
  }

  /** Joins two namespaces by a veth pair and gives both ends their addresses. @throws SallyportError */
  link(a: LinkEnd, b: LinkEnd): void {
    const outside = [a, b].filter((end) => end.namespace === null).map((end) => end.name);
    this.#note({ links: [...this.#state.links, ...outside] });
    const where = a.namespace === null ? [] : ['-netns', a.namespace];
    const peer = b.namespace === null ? [] : ['netns', b.namespace];
    runIp([...where, 'link', 'add', a.name, 'type', 'veth', 'peer', 'name', b.name, ...peer]);
    // A veth pair that starts in a namespace has its peer there too; only then has the peer to be moved out.
    if (b.namespace === null && a.namespace !== null) {
      runIp([...where, 'link', 'set', b.name, 'netns', String(process.pid)]);
    }
    for (const end of [a, b]) runIpBatch(end.namespace, addressLines(end));
  }

  /** Sets kernel settings of the namespace that the caller runs in, to be put back by `remove`. @throws SallyportError */
  change(wanted: readonly WantedSetting[]): void {
    const settings = planChanges(wanted, listSharedSettings(dirname(this.#path), this.#path));
    this.#note({ settings: [...this.#state.settings, ...settings] });
    for (const { path, after } of settings) if (readSetting(path) !== after) writeSetting(path, after);
  }

  /** Takes on a temporary directory, to be removed with the rest. */
  own(directory: string): void {
    this.#note({ directories: [...this.#state.directories, directory] });
  }

  /** Removes everything that this object made; processes left inside get SIGTERM, and SIGKILL after 500 ms. */
  async remove(): Promise<void> {
    if (signalInside(this.#state.namespaces, 'SIGTERM') > 0) {
      for (
        let waitedMs = 0;
        waitedMs < 500 && pidsInside(this.#state.namespaces).length > 0;
        waitedMs += 20
      ) {
        await sleep(20);
      }
    }
    removeRun(this.#path, this.#state);
    this.#state = newRunState();
  }

  #note(change: Partial<RunState>): void {
    this.#state = { ...this.#state, ...change };
    writeRunState(this.#path, this.#state);
  }
}

function writeSettingIfPresent(path: string, value: string): void {
  if (readSetting(path) !== null) writeSetting(path, value);
}

function addressLines(end: LinkEnd): string[] {
  const lines = end.addresses.map(
    (address) => `addr add ${address} dev ${end.name}${isV6(address) ? ' nodad' : ''}`,
  );
  return [...lines, `link set ${end.name} up`];
}

function isV6(address: string): boolean {
  return address.includes(':');
}

/** Removes what dead runs left, and answers the names of their namespaces. @throws SallyportError */
export function removeLeftovers(directory: string = defaultStateDirectory): string[] {
  openStateDirectory(directory);
  return listDeadRuns(directory).flatMap(({ path, state }) => {
    removeRun(path, state);
    return [...state.namespaces];
  });
}

function removeRun(path: string, state: RunState): void {
  signalInside(state.namespaces, 'SIGKILL');
  for (const name of state.links) {
    removeDiversions(name);
    if (linkExists(name)) runIp(['link', 'delete', name]);
  }
  for (const name of state.namespaces)
    if (inodeOf(namespacePath(name)) !== null) runIp(['netns', 'delete', name]);
  const shared = listSharedSettings(dirname(path), path).map((setting) => setting.path);
  restoreSettings(state.settings.filter((setting) => !shared.includes(setting.path)));
  for (const directory of state.directories) rmSync(directory, { recursive: true, force: true });
  removeRunState(path);
}

function linkExists(name: string): boolean {
  return readdirSync('/sys/class/net').includes(name) || runIp(['-j', 'link', 'show']).includes(`"${name}"`);
}

function inodeOf(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.ino ?? null;
}

/** Pids whose network namespace is one of these. */
function pidsInside(names: readonly string[]): number[] {
  const inodes = new Set(names.map((name) => `net:[${inodeOf(namespacePath(name))}]`));
  if (inodes.size === 0) return [];
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => pid !== process.pid && inodes.has(networkNamespaceOf(pid)));
}

function networkNamespaceOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return '';
  }
}

function signalInside(names: readonly string[], signal: NodeJS.Signals): number {
  const pids = pidsInside(names);
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // It ended between the look and the signal, which is what was wanted.
    }
  }
  return pids.length;
}
