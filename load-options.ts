// What a configuration says to the checks of a policy: which servers are known, what its sources of jobs supply for scopes
// to match by, and how names are steered.

import { keysOfServers } from './check-servers.ts';
import { cidrContains, parseCidr } from './flow/address.ts';
import { serversOf, type PlatformServer } from './flow/platform-server.ts';
import type { DeclaredJobs } from './jobs/declared.ts';
import type { LoadOptions } from './policy/load.ts';
import { findKnownKeys } from './policy/match-scope.ts';

/** What a configuration says to the checks of a policy. */
export function loadOptionsOf(config: SourcesConfig, declared: DeclaredJobs): LoadOptions {
  const servers = serversOf(declared.jobs(), config.servers);
  const known = { ...keysOf(config, servers, declared), servers };
  if (config.mode !== 'steer') return known;
  return { ...known, steer: config.steer.pool.length > 0 ? 'pool' : 'no-pool' };
}

/** The part of a configuration that tells how names are steered, and what is known of jobs. */
export interface SourcesConfig {
  readonly mode: string;
  readonly steer: { readonly pool: readonly string[] };
  readonly runners: { readonly networks: readonly string[] };
  readonly servers: readonly PlatformServer[];
}

/** Live jobs may say whatever their platforms do; where every runner's job is declared they are never asked. */
function keysOf(
  config: SourcesConfig,
  servers: readonly PlatformServer[],
  declared: DeclaredJobs,
): LoadOptions {
  const jobs = [...declared.ranges().values()].flatMap(({ job }) => job ?? []);
  const knownKeys = findKnownKeys(jobs);
  if (jobs.length > 0 && isAllDeclared(config.runners.networks, declared)) return { knownKeys };
  return { suppliedKeys: new Set([...keysOfServers(servers), ...knownKeys]) };
}

function isAllDeclared(networks: readonly string[], declared: DeclaredJobs): boolean {
  const ranges = [...declared.ranges().keys()].flatMap((text) => parseCidr(text) ?? []);
  return networks
    .flatMap((text) => parseCidr(text) ?? [])
    .every((network) =>
      ranges.some((range) => range.prefix <= network.prefix && cidrContains(range, network.bytes)),
    );
}
