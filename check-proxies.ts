// Checks of `sallyport.yaml` for the proxy's two ends: who may use the explicit one, and the one in front of the gateway.

import { resolve } from 'node:path';
import type { ConfigFile } from './config-schema.ts';
import { parseCidr } from './flow/address.ts';
import { canonicaliseHost } from './policy/canonicalise-host.ts';
import type { ProblemList } from './policy/problem-list.ts';
import { isUserLine } from './proxy/proxy-users.ts';
import { readSecretLines } from './secret-lines.ts';

/** Reports users that are none, and users without a proxy port. */
export function checkExplicit(file: Partial<ConfigFile>, list: ProblemList, directory: string): void {
  const { users, usersFile } = file.explicit ?? {};
  if ((users !== undefined || usersFile !== undefined) && file.listen?.explicit === undefined)
    list.error(['explicit'], 'there is no explicit proxy to use', 'set listen.explicit, or remove it');
  const remedy = 'write what `sallyport proxy-user NAME` prints';
  for (const [index, line] of (users ?? []).entries())
    if (line !== undefined && !isUserLine(line))
      list.error(['explicit', 'users', index], 'this is no user with a hashed secret', remedy);
  if (users?.length === 0 && usersFile === undefined)
    list.error(
      ['explicit', 'users'],
      'a list of nobody would let every runner in',
      'name users, or leave it out',
    );
  if (usersFile === undefined) return;
  const lines = readSecretLines(resolve(directory, usersFile));
  const at = ['explicit', 'usersFile'];
  if (lines === null) list.error(at, `"${usersFile}" cannot be read`, 'name a file that root can read');
  else if (lines.length === 0 || !lines.every(isUserLine))
    list.error(at, `"${usersFile}" holds other lines than users with hashed secrets`, remedy);
}

/** Reports what names no proxy, no exemption or no credentials. */
export function checkUpstreamProxy(file: Partial<ConfigFile>, list: ProblemList, directory: string): void {
  const { address, credentials, noProxy } = file.upstreamProxy ?? {};
  const parts = /^(\[[^\]]+\]|[^:]+):([1-9]\d{0,4})$/.exec(address ?? '');
  const isHost =
    parts !== null && canonicaliseHost(parts[1]!).kind !== 'ambiguous' && Number(parts[2]) < 65_536;
  const remedy = 'write it like proxy.corp.example:3128';
  // What stands before an @ is a secret, and this text may go to a log.
  if (address?.includes('@'))
    list.error(
      ['upstreamProxy', 'address'],
      'credentials do not belong here',
      `${remedy}, and them in a file`,
    );
  else if (address !== undefined && !isHost)
    list.error(['upstreamProxy', 'address'], `"${address}" is no host and port`, remedy);
  for (const [index, text] of (noProxy ?? []).entries()) {
    if (text === undefined || parseCidr(text) !== null) continue;
    if (canonicaliseHost(text.replace(/^\./, '')).kind === 'name') continue;
    const remedy = 'write a host, .suffix or 10.0.0.0/8';
    list.error(['upstreamProxy', 'noProxy', index], `"${text}" is no host, suffix or range`, remedy);
  }
  if (credentials === undefined) return;
  const at = ['upstreamProxy', 'credentials'];
  const lines = readSecretLines(resolve(directory, credentials));
  // A path has none; user:secret in its place must not be repeated.
  if (lines === null && credentials.includes(':'))
    list.error(at, 'no file is named here', 'write user:secret into a file, and its name here');
  else if (lines === null)
    list.error(at, `"${credentials}" cannot be read`, 'name a file that root can read');
  else if (lines.length !== 1 || !/^[^:]+:./.test(lines[0]!))
    list.error(
      at,
      `"${credentials}" does not hold one line user:secret`,
      'write that line, and nothing else',
    );
}
