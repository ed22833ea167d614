// The state directory (ARCHITECTURE.md): which folder holds what, and who may write where.
// Made by the keeper before it gives up its rights; the modes are set anew at every start.

import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  type Dirent,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { SallyportError } from '../flow/errors.ts';

const statusBlock = 32_768;
const jobKeyBytes = 32;

export interface StateDirectory {
  readonly root: string;
  readonly authority: string;
  readonly public: string;
  readonly policy: string;
  readonly segments: string;
  readonly stats: string;
  /** The embedded store, for control alone. */
  readonly store: string;
  /** What references of actions stood for: one file of each worker. */
  readonly seen: string;
  /** Which jobs each worker has heard of: one file of each. */
  readonly jobs: string;
  /** What control makes of all that is known of jobs, and the key of the hashes in it. */
  readonly jobsFile: string;
  readonly jobKeyFile: string;
  /** The last good policy bundle. */
  readonly bundleFile: string;
  /** The image of the last good malware feed. */
  readonly malwareFile: string;
  /** Which virtual address stands for which name (steer mode), for root alone. */
  readonly virtualFile: string;
  /** Socket of the operator's actions, for root alone. */
  readonly operatorSocket: string;
  /** Written when the gateway serves: `{pid, operator}`. */
  readonly readyFile: string;
}

export interface StateOwners {
  readonly control: number;
  readonly worker: number;
  readonly group: number;
}

/** The paths inside a state directory. */
export function statePaths(root: string): StateDirectory {
  return {
    root,
    authority: join(root, 'authority'),
    public: join(root, 'public'),
    policy: join(root, 'policy'),
    segments: join(root, 'segments'),
    stats: join(root, 'stats'),
    seen: join(root, 'seen'),
    store: join(root, 'store'),
    jobs: join(root, 'jobs'),
    jobsFile: join(root, 'policy', 'jobs.current.json'),
    jobKeyFile: join(root, 'policy', 'jobs.key'),
    bundleFile: join(root, 'policy', 'policy.current.json'),
    malwareFile: join(root, 'policy', 'malware.current'),
    virtualFile: join(root, 'authority', 'virtual.json'),
    operatorSocket: join(root, 'operator.sock'),
    readyFile: join(root, 'ready.json'),
  };
}

/** The image of the malware feed that is fetched from somewhere; it outlasts a restart, as does what is beside it. */
export function fetchedFeedImage({ policy }: Pick<StateDirectory, 'policy'>, id: string): string {
  return join(policy, `malware-${id}.current`);
}

/**
 * Makes the folders and forgets what only the last start knew: its policy bundle, statistics and readiness.
 * Works with SETUID and SETGID alone (a container without CHOWN): each folder is made as its owner.
 */
export function prepareStateDirectory(root: string, owners: StateOwners): StateDirectory {
  const state = statePaths(root);
  refuseLinks(root);
  mkdirSync(state.root, { recursive: true, mode: 0o755 });
  makeOwned(state.authority, 0o700, null);
  makeOwned(state.public, 0o755, null);
  rmSync(state.readyFile, { force: true });
  asGroup(owners.group, () => {
    chownSync(state.root, 0, owners.group);
    chmodSync(state.root, 0o775);
    asUser(owners.control, () => {
      makeOwned(state.policy, 0o750, owners.control);
      makeOwned(state.store, 0o700, owners.control);
      rmSync(state.bundleFile, { force: true });
      rmSync(state.malwareFile, { force: true });
      setAside(state.policy, state.jobsFile);
      makeJobKey(state.jobKeyFile);
    });
    asUser(owners.worker, () => {
      makeOwned(state.segments, 0o770, owners.worker);
      makeOwned(state.stats, 0o750, owners.worker);
      makeOwned(state.seen, 0o750, owners.worker);
      makeOwned(state.jobs, 0o750, owners.worker);
      for (const name of readdirSync(state.jobs)) setAside(state.jobs, join(state.jobs, name));
      for (const name of readdirSync(state.stats)) rmSync(join(state.stats, name), { force: true });
    });
  });
  chmodSync(state.root, 0o755);
  return state;
}

/** The table of the last start, beside its place: what it says is believed once it was confirmed. */
export function tableBefore(path: string): string {
  return path.replace(/\.json$/, '.before');
}

function setAside(folder: string, path: string): void {
  // Not existsSync, which asks for the real user (access(2)).
  const isThere = lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  if (path.endsWith('.json') && isThere) renameSync(path, tableBefore(path));
  // What a killed process was about to rename.
  for (const name of readdirSync(folder))
    if (/\.json\.\d+$/.test(name)) rmSync(join(folder, name), { force: true });
}

/** Makes the key of the hashes of tokens where there is none: those that were kept are good for nothing under another one. */
export function makeJobKey(path: string): void {
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  if (size !== jobKeyBytes) writeWhole(path, randomBytes(jobKeyBytes), 0o640);
}

const foldersOfFiles = ['authority', 'public'];

/** Writing as root through a link that somebody else put there would write anywhere. @throws SallyportError config-invalid */
function refuseLinks(root: string): void {
  for (const folder of [root, ...foldersOfFiles.map((name) => join(root, name))]) {
    for (const entry of entriesOf(folder)) {
      if (!entry.isSymbolicLink()) continue;
      throw new SallyportError(
        'config-invalid',
        `${join(folder, entry.name)} is a link: remove it, or name another state directory`,
      );
    }
  }
}

function entriesOf(folder: string): Dirent[] {
  const kind = lstatSync(folder, { throwIfNoEntry: false });
  return kind?.isDirectory() === true ? readdirSync(folder, { withFileTypes: true }) : [];
}

/**
 * Refuses a directory that holds anything but what a gateway left, as one that came with a checkout: its authority's
 * key would be known to whoever made it. No checkout can hold files of the worker's user. @throws SallyportError config-invalid
 */
export function requireOwnState(root: string, owners: readonly number[]): void {
  const kind = lstatSync(root, { throwIfNoEntry: false });
  if (kind === undefined) return;
  const state = statePaths(root);
  const isEmpty = kind.isDirectory() && entriesOf(root).length === 0;
  const segments = lstatSync(state.segments, { throwIfNoEntry: false });
  const isOurs = kind.isDirectory() && segments?.isDirectory() === true && !owners.includes(segments.uid);
  if (!isEmpty && !isOurs)
    throw new SallyportError(
      'config-invalid',
      `${root} is no state directory of a gateway: name a new or an empty one`,
    );
  refuseLinks(root);
}

function makeOwned(path: string, mode: number, owner: number | null): void {
  mkdirSync(path, { recursive: true, mode });
  const uid = owner ?? 0;
  if (statSync(path).uid !== uid) {
    throw new SallyportError(
      'missing-privilege',
      `${path} belongs to user ${statSync(path).uid}, not ${uid}: give it to that user or remove it`,
    );
  }
  chmodSync(path, mode);
}

// The owner of a folder may hand it to a group of its own without CAP_CHOWN.
function asGroup(group: number, act: () => void): void {
  process.setegid?.(group);
  try {
    act();
  } finally {
    process.setegid?.(0);
  }
}

function asUser(user: number, act: () => void): void {
  process.seteuid?.(user);
  try {
    act();
  } finally {
    process.seteuid?.(0);
  }
}

/** Writes a file so that a reader sees all of it or none. */
export function writeWhole(path: string, content: string | Uint8Array, mode: number): void {
  const temporary = `${path}.${process.pid}`;
  try {
    writeFileSync(temporary, content, { mode });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/**
 * The same for JSON that is written again and again, also on a full disk: there it goes over the old content, whose
 * room the padding keeps. A reader may then catch it half written, which is no JSON.
 */
export function writeStatus(path: string, json: string, mode: number): void {
  const padded = json.padEnd(Math.ceil(json.length / statusBlock + 0.5) * statusBlock);
  try {
    writeWhole(path, padded, mode);
  } catch {
    // Over all of the old content, which may have been longer.
    writeFileSync(path, padded.padEnd(statSync(path).size), { flag: 'r+' });
  }
}
