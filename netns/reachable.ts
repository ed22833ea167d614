// Control and workers run as users that own nothing, and must reach the program, its interpreter and the state. In a
// home directory they cannot: `serve` then starts itself again in mounts of its own, where those have a second place.

import { accessSync, constants, existsSync, mkdirSync, realpathSync, statSync } from 'node:fs';
import { dirname, join, parse } from 'node:path';
import { SallyportError } from '../flow/errors.ts';

/**
 * Made once and never used outside: each gateway has a small filesystem of its own over it. The second one is for a
 * gateway whose starter lives in the first.
 */
const places = ['/run/sallyport/program', '/run/sallyport/program-inside'] as const;

// A constant text; the place, sources, targets and the command arrive as its positional arguments.
const mountScript = [
  'mount -t tmpfs -o mode=755,size=64k tmpfs "$1" || exit 69',
  'shift',
  'while [ "$1" != -- ]; do',
  '  if [ -d "$1" ]; then mkdir "$2"; else : > "$2"; fi || exit 69',
  '  mount --bind "$1" "$2" || exit 69',
  '  shift 2',
  'done',
  'shift',
  'exec "$@"',
].join('\n');

/** The deepest directory on the way to a path that other users may not enter, or null. @throws SallyportError usage */
export function closedDirectory(path: string): string | null {
  let closed: string | null = null;
  const { root } = parse(path);
  for (let at = dirname(path); ; at = dirname(at)) {
    if ((modeOf(at) & 0o001) === 0) closed ??= at;
    if (at === root) return closed;
  }
}

function modeOf(path: string): number {
  try {
    return statSync(path).mode;
  } catch (error) {
    throw new SallyportError('usage', `${path} does not exist or cannot be read`, error);
  }
}

interface Moved {
  readonly source: string;
  readonly target: string;
}

/** Where a path is to be found once the mounts are made; the path itself when everybody reaches it. */
function move(path: string, place: string, moved: Moved[], isAlone: boolean): string {
  const closed = closedDirectory(path);
  if (closed === null) return path;
  // A program finds its packages in the directories above it, as far up as others may not enter.
  const source = isAlone ? path : join(closed, path.slice(closed.length).split('/').find(Boolean) ?? '');
  const target = join(place, String(moved.length));
  moved.push({ source, target });
  return join(target, path.slice(source.length));
}

export interface Program {
  readonly script: string;
  readonly state: string;
}

/**
 * Starts the program again, in place of this process, where everybody reaches it; comes back when nothing has to be
 * moved. Its arguments are told the place of the state. @throws SallyportError usage when even that would not do
 */
export function startInReach(program: Program, args: (state: string) => readonly string[]): void {
  // As somebody without root nothing could be mounted, and nobody else is started either.
  if (process.getuid?.() !== 0) return;
  const command = commandInReach(program, args);
  if (command === null) return;
  const unshare = ['/usr/bin/unshare', '/bin/unshare'].find((path) => existsSync(path));
  if (unshare === undefined)
    throw new SallyportError('missing-program', 'unshare is missing: install the package util-linux');
  process.execve?.(unshare, command, process.env);
}

function commandInReach(program: Program, args: (state: string) => readonly string[]): string[] | null {
  mkdirSync(program.state, { recursive: true, mode: 0o755 });
  const moved: Moved[] = [];
  const [execPath, ownScript] = [realpathSync(process.execPath), realpathSync(program.script)];
  const ownState = realpathSync(program.state);
  const place = [execPath, ownScript, ownState].some((path) => path.startsWith(`${places[0]}/`))
    ? places[1]
    : places[0];
  const interpreter = move(execPath, place, moved, true);
  const script = move(ownScript, place, moved, false);
  for (const { source } of moved) checkOpen(source);
  const state = move(ownState, place, moved, true);
  if (moved.length === 0) return null;
  mkdirSync(place, { recursive: true, mode: 0o755 });
  const pairs = moved.flatMap(({ source, target }) => [source, target]);
  const command = [interpreter, ...process.execArgv, script, ...args(state)];
  const inside = ['sh', '-c', mountScript, 'sh', place, ...pairs, '--', ...command];
  return ['unshare', '--mount', '--propagation', 'private', ...inside];
}

function checkOpen(path: string): void {
  const mode = modeOf(path);
  const wanted = statSync(path).isDirectory() ? 0o005 : 0o004;
  if ((mode & wanted) === wanted) return;
  throw new SallyportError(
    'usage',
    `${path} cannot be read by the users that control and workers run as: chmod o+rX it, or install elsewhere`,
  );
}

/** @throws SallyportError usage when other users cannot read this file; one that does not exist is not looked at */
export function requireReadable(path: string, what: string): void {
  try {
    accessSync(path, constants.F_OK);
  } catch {
    return;
  }
  if (closedDirectory(path) === null && (modeOf(path) & 0o004) !== 0) return;
  throw new SallyportError(
    'usage',
    `${what} ${path} cannot be read by the users that control and workers run as: open it and its directories to others`,
  );
}
