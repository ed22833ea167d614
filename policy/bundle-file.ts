// How policy travels inside the gateway: control watches the operator's files and writes the last good bundle;
// each worker polls that one file. Owns nothing of what a policy means.

import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SallyportError } from '../flow/errors.ts';
import { readPolicyBundle, type PolicyBundle } from './load.ts';

const quietMs = 50;
const unsettledLimitMs = 5000;

/** Writes the bundle beside its final name and renames it into place, so that a reader sees all of it or none. */
export function writeBundleFile(path: string, bundle: PolicyBundle): void {
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, JSON.stringify(bundle), { mode: 0o640 });
  renameSync(temporary, path);
}

/** Reads a bundle that writeBundleFile wrote; null when there is none. @throws SyntaxError when it is no bundle */
export function readBundleFile(path: string): PolicyBundle | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
  const value: unknown = JSON.parse(text);
  if (!isBundle(value)) throw new SyntaxError(`${path} is no policy bundle`);
  return value;
}

function isBundle(value: unknown): value is PolicyBundle {
  if (typeof value !== 'object' || value === null || !('entry' in value) || !('files' in value)) return false;
  const { entry, files } = value;
  return (
    typeof entry === 'string' &&
    typeof files === 'object' &&
    files !== null &&
    Object.values(files).every((text) => typeof text === 'string')
  );
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** Calls `onChange` whenever the fingerprint of some files changes; the interval keeps no process alive. */
export class FileWatch {
  readonly #fingerprint: () => string;
  readonly #onChange: () => void;
  readonly #timer: NodeJS.Timeout;
  #last: string;

  constructor(fingerprint: () => string, intervalMs: number, onChange: () => void) {
    this.#fingerprint = fingerprint;
    this.#onChange = onChange;
    this.#last = fingerprint();
    this.#timer = setInterval(() => this.check(), intervalMs).unref();
  }

  /** Looks now; `force` reports even when nothing changed (SIGHUP). */
  check(force = false): void {
    const now = this.#fingerprint();
    if (now === this.#last && !force) return;
    this.#last = now;
    this.#onChange();
  }

  /** Takes the files as this fingerprint shows them for known: what was read then is no change. */
  settle(fingerprint: string): void {
    this.#last = fingerprint;
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

/**
 * Hands over the bundle at once, if there is one, and whenever it was replaced, also while an older one was being taken.
 * One that the system did not let us read (no descriptor is free) is tried again at every look.
 */
export function watchBundleFile(
  path: string,
  intervalMs: number,
  take: (bundle: PolicyBundle) => void,
  onError: (error: unknown) => void,
): FileWatch {
  const read = (): void => {
    try {
      const bundle = readBundleFile(path);
      if (bundle !== null) take(bundle);
    } catch (error) {
      onError(error);
      if (error instanceof Error && 'syscall' in error) watch.settle('');
    }
  };
  // First what is known, then the reading: a bundle that comes between the two is read once more.
  const watch = new FileWatch(() => fingerprint(path), intervalMs, read);
  read();
  return watch;
}

/**
 * Reads a policy when nobody writes it: its files have not changed for 50 ms, and not while they were read. Whoever
 * changes one afterwards changes the fingerprint. A file that is copied over in place with longer pauses can be read
 * half; one that is renamed into place cannot.
 * @throws InvalidInputError when a file cannot be read, SallyportError policy-invalid when they do not hold still
 */
export async function readSettledBundle(
  path: string,
): Promise<{ readonly bundle: PolicyBundle; readonly fingerprint: string }> {
  const until = Date.now() + unsettledLimitMs;
  for (;;) {
    const bundle = readPolicyBundle(path);
    const fingerprint = policyFingerprint(path, bundle);
    const waitMs = Math.min(quietMs, quietMs - youngestMs(path, bundle));
    if (waitMs > 0) await sleep(waitMs);
    // A write between reading and its fingerprint shows in the text, one after it in the fingerprint.
    const again = readPolicyBundle(path);
    if (isSameText(bundle, again) && policyFingerprint(path, bundle) === fingerprint)
      return { bundle, fingerprint };
    if (Date.now() > until)
      throw new SallyportError('policy-invalid', `${path} or a file that it names is still being written`);
  }
}

function isSameText(a: PolicyBundle, b: PolicyBundle): boolean {
  const names = Object.keys(a.files);
  return (
    names.length === Object.keys(b.files).length && names.every((name) => a.files[name] === b.files[name])
  );
}

/** Milliseconds since the last change of any file; negative when a clock was put back. */
function youngestMs(path: string, bundle: PolicyBundle): number {
  const now = Date.now();
  const folder = dirname(resolve(path));
  const ages = Object.keys(bundle.files).map((name) => {
    try {
      return now - statSync(resolve(folder, name)).mtimeMs;
    } catch {
      // It went away meanwhile: its fingerprint has changed.
      return 0;
    }
  });
  return Math.min(...ages);
}

/**
 * Fingerprint of a policy file, the files it named last time, and the folders they stand in: a new file that a
 * pattern would match changes its folder. Editors that replace a file change its inode.
 */
export function policyFingerprint(path: string, bundle: PolicyBundle | null): string {
  const folder = dirname(resolve(path));
  const files = [resolve(path), ...Object.keys(bundle?.files ?? {}).map((name) => resolve(folder, name))];
  const folders = new Set(files.map((file) => dirname(file)));
  return [...files, ...folders].map(fingerprint).join('\n');
}

/** Inode, size and times of one file, or its error. */
export function fingerprint(path: string): string {
  try {
    const { ino, size, mtimeMs, ctimeMs } = statSync(path);
    return `${path} ${ino} ${size} ${mtimeMs} ${ctimeMs}`;
  } catch (error) {
    return `${path} ${error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'}`;
  }
}
