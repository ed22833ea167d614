// Installs programs on Debian and Ubuntu, and says so before it does: nft (which reads /etc/protocols) and ip, without
// which nothing here works, and for the demo the clients of its sample job.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { SallyportError } from '../flow/errors.ts';

const needed = { nft: 'nftables', ip: 'iproute2', '/etc/protocols': 'netbase' } as const;
const clients = { curl: 'curl', git: 'git' } as const;

/** Whether a program can be started. */
export function hasProgram(name: string): boolean {
  return spawnSync(name, ['--version'], { stdio: 'ignore' }).error === undefined;
}

/**
 * Makes sure that what every gateway needs is there, and tries to get the clients of the sample job when it is to be
 * run: without one of those its steps are left out. @throws SallyportError missing-program
 */
export function installMissing(withClients: boolean, say: (line: string) => void): void {
  const missing = installPrograms(withClients ? { ...needed, ...clients } : needed, say);
  const stillNeeded = missing.filter((name) => Object.values<string>(needed).includes(name));
  if (stillNeeded.length > 0)
    throw new SallyportError('missing-program', `${stillNeeded.join(' and ')} must be installed first`);
  if (missing.length > 0)
    say(`not here: ${missing.join(', ')}; the steps of the sample job that use it are left out`);
}

/** Installs what is missing of programs (or files, by their whole path) and answers the packages that still are. */
export function installPrograms(
  packageOf: Readonly<Record<string, string>>,
  say: (line: string) => void,
): string[] {
  const missing = missingOf(packageOf);
  if (missing.length === 0 || !hasProgram('apt-get') || process.getuid?.() !== 0) return missing;
  say(`installing ${missing.join(', ')} with apt-get`);
  const failure = install(missing);
  if (failure !== null) say(failure);
  return missingOf(packageOf);
}

function missingOf(packageOf: Readonly<Record<string, string>>): string[] {
  const isHere = (name: string): boolean => (name.startsWith('/') ? existsSync(name) : hasProgram(name));
  return Object.entries(packageOf).flatMap(([program, name]) => (isHere(program) ? [] : [name]));
}

/** Installs packages; answers what failed. */
function install(packages: readonly string[]): string | null {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [
    ['update', '-qq'],
    ['install', '-y', '-qq', '--no-install-recommends', ...packages],
  ]) {
    const { status, stdout, stderr } = spawnSync('apt-get', args, { env, encoding: 'utf8' });
    if (status !== 0) return `${stdout}${stderr}apt-get ${args.join(' ')} failed (${status})`;
  }
  return null;
}
