// Installs the two programs that everything here needs, on Debian and Ubuntu, and says so before it does.

import { spawnSync } from 'node:child_process';
import { SallyportError } from '../flow/errors.ts';

const packages = { nft: 'nftables', ip: 'iproute2' } as const;

/** Whether a program can be started. */
export function hasProgram(name: string): boolean {
  return spawnSync(name, ['--version'], { stdio: 'ignore' }).error === undefined;
}

/** Makes sure that nft and ip are there. @throws SallyportError missing-program */
export function installMissing(say: (line: string) => void): void {
  const missing = Object.entries(packages).flatMap(([program, name]) => (hasProgram(program) ? [] : [name]));
  if (missing.length === 0) return;
  if (!hasProgram('apt-get')) {
    throw new SallyportError('missing-program', `${missing.join(' and ')} must be installed first`);
  }
  say(`installing ${missing.join(' and ')} with apt-get`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [
    ['update', '-qq'],
    ['install', '-y', '-qq', '--no-install-recommends', ...missing],
  ]) {
    const { status } = spawnSync('apt-get', args, { env, stdio: ['ignore', 2, 2] });
    if (status !== 0)
      throw new SallyportError('missing-program', `apt-get ${args.join(' ')} failed (${status})`);
  }
}
