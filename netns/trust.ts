// What makes the clients of a job trust the gateway's authority: the variables that certs/ knows, and a
// configuration for apt, which reads none. The system's own trust store is left alone.

import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { publicFiles } from '../certs/bundle.ts';
import { trustEnvironment } from '../certs/trust-variables.ts';
import { callingUser } from './enter.ts';

/** Environment variables for a job behind the gateway that keeps its state in `stateDirectory`. */
export function trustVariables(
  stateDirectory: string,
  environment: Readonly<Record<string, string | undefined>> = {},
): Record<string, string> {
  const file = (name: string): string => join(stateDirectory, 'public', name);
  const bundle = file(publicFiles.bundle);
  // What a job is passed through to is signed by the system's authorities, which Node alone may not have.
  const home = callingUser(environment)?.home ?? environment['HOME'];
  const own = npmRoots(home ?? '/nonexistent', environment);
  const paths = { bundle, authority: bundle, trustStore: file(publicFiles.p12) };
  return trustEnvironment(paths, { ...own, ...environment });
}

/** As a variable, what a configuration of npm here, in the home directory or for all says of roots of its own. */
function npmRoots(
  home: string,
  environment: Readonly<Record<string, string | undefined>>,
): { readonly npm_config_cafile?: string } {
  const files = ['.npmrc', join(home, '.npmrc'), ...globalConfigs(environment)];
  const isNamed = files.some((path) => /^\s*(?:ca|cafile|ca\[\])\s*=/m.test(readIfPossible(path)));
  return isNamed ? { npm_config_cafile: 'named in .npmrc' } : {};
}

/** Where npm keeps what is set for everybody: below its prefix, which is where its program lies ("prefix", npm's folders). */
function globalConfigs(environment: Readonly<Record<string, string | undefined>>): string[] {
  const { PATH = '', npm_config_globalconfig: named, npm_config_prefix: prefix } = environment;
  const programs = PATH.split(delimiter).filter((folder) => folder.endsWith('/bin'));
  const prefixes = [...(prefix === undefined ? [] : [prefix]), ...programs.map((folder) => dirname(folder))];
  return [...(named === undefined ? [] : [named]), ...prefixes.map((folder) => join(folder, 'etc/npmrc'))];
}

function readIfPossible(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Mostly there is none; a home on NFS may be shut even to root.
    return '';
  }
}

/**
 * Writes `apt.conf` into the directory and answers the variable that makes apt read it (apt.conf(5)), before and
 * besides the system's own; empty when the job's environment names one already.
 */
export function trustForApt(
  directory: string,
  stateDirectory: string,
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  if (environment['APT_CONFIG']) return {};
  const path = join(directory, 'apt.conf');
  const bundle = join(stateDirectory, 'public', publicFiles.bundle);
  writeFileSync(path, `Acquire::https::CaInfo "${bundle}";\n`);
  chmodSync(path, 0o644);
  return { APT_CONFIG: path };
}
