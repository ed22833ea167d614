// Hosts that a policy publishes packages to: an upload says inside which package it is, and is held for that.

import type { Policy } from './compile.ts';
import { matchesHost, type HostPattern } from './match-host.ts';

const known = new WeakMap<Policy, readonly HostPattern[]>();

/** True where some rule of the policy publishes to a registry on this canonical host, for whichever job. */
export function publishesTo(policy: Policy, host: string): boolean {
  let hosts = known.get(policy);
  if (hosts === undefined) {
    hosts = listHosts(policy);
    known.set(policy, hosts);
  }
  return hosts.some((pattern) => matchesHost(pattern, host));
}

function listHosts({ top, scopes }: Policy): HostPattern[] {
  const layers = [top, ...scopes.map(({ layer }) => layer)];
  const rules = layers.flatMap(({ indexes }) => indexes.flatMap((index) => index.rules));
  return rules.flatMap((rule) => (rule.kind === 'operation' && rule.family === 'packages' ? rule.hosts : []));
}
