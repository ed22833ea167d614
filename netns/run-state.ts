// What one run made in the kernel, written to a state file *before* it is made, so that the next start can remove
// what a killed run left behind. Nothing else is ever removed.

import {
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

export const defaultStateDirectory = '/run/sallyport';

/** One kernel setting that was changed: what it was, and what it was set to. */
export interface ChangedSetting {
  readonly path: string;
  readonly before: string;
  readonly after: string;
}

export interface RunState {
  readonly pid: number;
  /** Start time of the process in clock ticks since boot (proc(5), field 22): tells a reused pid apart. */
  readonly startTime: string;
  /** Pids of another pid namespace say nothing here: its runs are its own to clean. */
  readonly pidNamespace: string;
  readonly namespaces: readonly string[];
  /** Links whose one end stays in the namespace of the run itself. */
  readonly links: readonly string[];
  readonly settings: readonly ChangedSetting[];
  /** Temporary directories to remove. */
  readonly directories: readonly string[];
}

/** Start time of a process, or null when it is gone. */
export function processStartTime(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name in field 2 may hold spaces and parentheses: fields are counted from its end.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

function ownPidNamespace(): string {
  return readlinkSync('/proc/self/ns/pid');
}

/** An empty state of this process. */
export function newRunState(): RunState {
  const startTime = processStartTime(process.pid) ?? '0';
  return {
    pid: process.pid,
    startTime,
    pidNamespace: ownPidNamespace(),
    namespaces: [],
    links: [],
    settings: [],
    directories: [],
  };
}

/** Writes the state, renamed into place; readable by root alone. */
export function writeRunState(path: string, state: RunState): void {
  writeFileSync(`${path}.new`, JSON.stringify(state), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** Makes the directory of state files. */
export function openStateDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o755 });
}

/** State files whose process is gone, with what they list; files that cannot be read are left alone. */
export function listDeadRuns(directory: string): { readonly path: string; readonly state: RunState }[] {
  return listRuns(directory).filter(({ state }) => !isAlive(state));
}

/** Settings that living runs have changed, those of one state file left out. */
export function listSharedSettings(directory: string, own: string): ChangedSetting[] {
  const living = listRuns(directory).filter(({ path, state }) => path !== own && isAlive(state));
  return living.flatMap(({ state }) => state.settings);
}

function isAlive(state: RunState): boolean {
  return processStartTime(state.pid) === state.startTime;
}

function listRuns(directory: string): { readonly path: string; readonly state: RunState }[] {
  return readdirSync(directory)
    .filter((name) => /^run-\d+-\d+\.json$/.test(name))
    .map((name) => join(directory, name))
    .flatMap((path) => {
      const state = readRunState(path);
      return state === null || state.pidNamespace !== ownPidNamespace() ? [] : [{ path, state }];
    });
}

function readRunState(path: string): RunState | null {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return isRunState(value) ? value : null;
  } catch {
    return null;
  }
}

function isRunState(value: unknown): value is RunState {
  if (typeof value !== 'object' || value === null) return false;
  const names = (key: string) => {
    const list: unknown = Reflect.get(value, key);
    return Array.isArray(list) && list.every((entry) => typeof entry === 'string');
  };
  const settings: unknown = Reflect.get(value, 'settings');
  return (
    typeof Reflect.get(value, 'pid') === 'number' &&
    typeof Reflect.get(value, 'startTime') === 'string' &&
    typeof Reflect.get(value, 'pidNamespace') === 'string' &&
    ['namespaces', 'links', 'directories'].every(names) &&
    Array.isArray(settings) &&
    settings.every(isChangedSetting)
  );
}

function isChangedSetting(value: unknown): value is ChangedSetting {
  if (typeof value !== 'object' || value === null) return false;
  return ['path', 'before', 'after'].every((key) => typeof Reflect.get(value, key) === 'string');
}

/** Forgets a state file. */
export function removeRunState(path: string): void {
  rmSync(path, { force: true });
}
