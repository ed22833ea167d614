// Runs a command inside a network namespace as the calling user, with a resolv.conf of its own, and passes its
// terminal, signals and exit code through. The resolver sockets of the host are hidden from it: a name asked
// there would be answered outside the namespace, unseen.

import { spawn, spawnSync, type ChildProcess, type StdioOptions } from 'node:child_process';
import { constants } from 'node:os';
import { exitCodes, SallyportError } from '../flow/errors.ts';
import { namespacePath } from './socket.ts';

/** Whom a command runs as; null fields of the account are unknown to the system. */
export interface CallingUser {
  readonly uid: number;
  readonly gid: number;
  readonly name: string | null;
  readonly home: string | null;
}

export interface EnterOptions {
  readonly namespace: string;
  /** File that stands in for /etc/resolv.conf; null leaves the host's. */
  readonly resolvConf: string | null;
  /** Null: whoever runs this process. */
  readonly user: CallingUser | null;
}

// A constant text: the file and the command arrive as its positional arguments. Mounts are private to it.
const mountScript = [
  'for place in /run/systemd/resolve /run/nscd; do',
  '  [ ! -d "$place" ] || mount -t tmpfs -o mode=755,size=64k tmpfs "$place" || exit 69',
  'done',
  'target=$(readlink -f /etc/resolv.conf) || exit 69',
  '[ -e "$target" ] || : > "$target" || exit 69',
  'mount --bind "$1" "$target" || exit 69',
  'shift',
  'exec "$@"',
].join('\n');

/** The argument array that runs `command` as told. */
export function enterArguments(command: readonly string[], options: EnterOptions): string[] {
  const { resolvConf, user } = options;
  const mount =
    resolvConf === null
      ? []
      : ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', mountScript, 'sh', resolvConf];
  return [
    'nsenter',
    `--net=${namespacePath(options.namespace)}`,
    ...mount,
    ...(user === null ? [] : userArguments(user)),
    ...command,
  ];
}

function userArguments(user: CallingUser): string[] {
  const groups = user.name === null ? '--clear-groups' : '--init-groups';
  return ['setpriv', '--reuid', String(user.uid), '--regid', String(user.gid), groups, '--'];
}

/** The user behind sudo, or null when the caller is whoever runs this process. */
export function callingUser(env: NodeJS.ProcessEnv): CallingUser | null {
  const [uid, gid] = [Number(env['SUDO_UID'] ?? ''), Number(env['SUDO_GID'] ?? '')];
  const isSudo = env['SUDO_UID'] !== undefined && Number.isInteger(uid) && Number.isInteger(gid);
  if (!isSudo || process.getuid?.() !== 0 || uid === 0) return null;
  const row = spawnSync('getent', ['passwd', String(uid)], { encoding: 'utf8' }).stdout ?? '';
  const fields = row.trim().split(':');
  const isKnown = fields.length >= 6;
  return { uid, gid, name: isKnown ? fields[0]! : null, home: isKnown ? fields[5]! : null };
}

/** The environment of the command: the caller's, the account's where it differs, and `extra`. */
export function commandEnvironment(
  env: NodeJS.ProcessEnv,
  user: CallingUser | null,
  extra: Readonly<Record<string, string>>,
): NodeJS.ProcessEnv {
  const account =
    user?.name && user.home ? { HOME: user.home, USER: user.name, LOGNAME: user.name } : ({} as const);
  const { SALLYPORT_LAUNCHER: _launcher, ...rest } = env;
  return { ...rest, ...account, ...extra };
}

/** Starts a command inside a namespace; the caller waits for it with `waitForExit`. */
export function startInside(
  command: readonly string[],
  options: EnterOptions & {
    readonly env: NodeJS.ProcessEnv;
    readonly cwd?: string;
    readonly stdio: StdioOptions;
  },
): ChildProcess {
  const [program, ...args] = enterArguments(command, options);
  return spawn(program!, args, {
    env: options.env,
    stdio: options.stdio,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
}

/** The exit code as a shell reports it: the command's own, or 128 + n for signal n. @throws SallyportError missing-program */
export function waitForExit(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', (error) => {
      const message = `nsenter is missing or cannot be started (${error.message}): install the package util-linux`;
      reject(new SallyportError('missing-program', message, error));
    });
    child.once('close', (code, signal) => {
      resolve(signal === null ? (code ?? exitCodes.software) : 128 + constants.signals[signal]);
    });
  });
}

const passedOn = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2', 'SIGCONT'] as const;

/**
 * Passes the signals that this process gets on to the child, until the returned function is called.
 * A terminal sends SIGINT and SIGQUIT to its whole foreground group: the child has had those already.
 */
export function forwardSignals(child: ChildProcess, isTerminal: boolean): () => void {
  const forward = (signal: NodeJS.Signals) => {
    if (isTerminal && (signal === 'SIGINT' || signal === 'SIGQUIT')) return;
    child.kill(signal);
  };
  for (const signal of passedOn) process.on(signal, forward);
  return () => {
    for (const signal of passedOn) process.off(signal, forward);
  };
}
