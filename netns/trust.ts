// What makes the clients of a job trust the gateway's authority: the variables that certs/ knows, and a
// configuration for apt, which reads none. The system's own trust store is left alone.

import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { publicFiles } from '../certs/bundle.ts';
import { trustEnvironment } from '../certs/trust-variables.ts';

/** Environment variables for a job behind the gateway that keeps its state in `stateDirectory`. */
export function trustVariables(
  stateDirectory: string,
  environment: Readonly<Record<string, string | undefined>> = {},
): Record<string, string> {
  const file = (name: string): string => join(stateDirectory, 'public', name);
  const bundle = file(publicFiles.bundle);
  // What a job is passed through to is signed by the system's authorities, which Node alone may not have.
  return trustEnvironment({ bundle, authority: bundle, trustStore: file(publicFiles.p12) }, environment);
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
