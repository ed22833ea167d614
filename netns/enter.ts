// Runs a command inside a network namespace as the calling user, with a resolv.conf of its own, and passes its
// terminal, signals and exit code through. Daemons of the host that would resolve, fetch or start something for it
// outside the namespace, unseen, are hidden from it.

import { spawn, spawnSync, type ChildProcess, type StdioOptions } from 'node:child_process';
import { constants } from 'node:os';
import { exitCodes, SallyportError } from '../flow/errors.ts';
import { mountArguments, rightsArguments, type CallingUser } from './confine.ts';
import { namespacePath } from './socket.ts';

export interface EnterOptions {
  readonly namespace: string;
  /** File that stands in for /etc/resolv.conf; null leaves the host's. */
  readonly resolvConf: string | null;
  /** Null: whoever runs this process. */
  readonly user: CallingUser | null;
  /**
   * Hides the daemons of the host besides its resolvers, and takes from root, and from whoever becomes root, the
   * rights to enter other namespaces. No prison: docs/limitations.md.
   */
  readonly isConfined?: boolean;
}

/** The argument array that runs `command` as told. */
export function enterArguments(command: readonly string[], options: EnterOptions): string[] {
  const { resolvConf, user } = options;
  const isConfined = options.isConfined === true;
  const mount = resolvConf === null ? [] : mountArguments(resolvConf, user, isConfined);
  return [
    'nsenter',
    `--net=${namespacePath(options.namespace)}`,
    ...mount,
    ...rightsArguments(user, isConfined),
    ...command,
  ];
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
