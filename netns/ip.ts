// Runs iproute2's `ip` with argument arrays, never through a shell, and tells its failures apart.

import { spawnSync } from 'node:child_process';
import { SallyportError } from '../flow/errors.ts';

/** Runs `ip ARGS` and answers what it printed. @throws SallyportError missing-program, missing-privilege, kernel */
export function runIp(args: readonly string[], input?: string): string {
  const result = spawnSync('ip', args, {
    encoding: 'utf8',
    timeout: 10_000,
    ...(input === undefined ? {} : { input }),
  });
  const failure = result.error;
  if (failure && 'code' in failure && failure.code === 'ENOENT') {
    throw new SallyportError('missing-program', 'ip is missing: install the package iproute2', failure);
  }
  if (failure) throw new SallyportError('kernel', `ip ${args.join(' ')}: ${failure.message}`, failure);
  if (result.status === 0) return result.stdout;
  const isRight = /not permitted|permission denied/i.test(result.stderr);
  throw new SallyportError(
    isRight ? 'missing-privilege' : 'kernel',
    `ip ${args.join(' ')}: ${result.stderr.trim()}${isRight ? '; run it as root' : ''}`,
  );
}

/** Runs several commands of `ip` at once, in a namespace or (null) here. @throws SallyportError */
export function runIpBatch(namespace: string | null, lines: readonly string[]): void {
  if (lines.length === 0) return;
  const where = namespace === null ? [] : ['-netns', namespace];
  runIp([...where, '-batch', '-'], `${lines.join('\n')}\n`);
}
