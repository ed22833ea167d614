// What the schema cannot say of `servers` in `sallyport.yaml`: hosts that are some, and that belong to one server only. And
// what those servers tell of jobs, by which scopes can match.

import { entriesOf } from './check-dns.ts';
import type { ConfigFile } from './config-schema.ts';
import type { Platform } from './flow/job.ts';
import { defaultServers, findPlatformHost, ownServer, type PlatformServer } from './flow/platform-server.ts';
import { canonicaliseHost } from './policy/canonicalise-host.ts';
import type { ProblemList, ValuePath } from './policy/problem-list.ts';
import type { MatchKey } from './policy/schema.ts';

/** Reports servers that cannot be asked, or that are named twice. */
export function checkServers(file: Partial<ConfigFile>, list: ProblemList): void {
  const seen = new Map<string, number>();
  for (const [index, { platform, server, hosts }] of entriesOf(file.servers)) {
    const at: ValuePath = ['servers', index];
    const host = nameOf(server);
    if (host === null) {
      list.error([...at, 'server'], `"${server}" is no host`, 'write it like ghes.corp.example');
      continue;
    }
    const known = defaultServers.find((one) => one.server === host);
    const owner = findPlatformHost(defaultServers, host);
    if (known !== undefined && known.platform !== platform)
      list.error([...at, 'platform'], `${host} is one of ${known.platform}`, `write ${known.platform}`);
    else if (known === undefined && owner !== null)
      list.error(
        [...at, 'server'],
        `${host} is a host of ${owner.server.server}`,
        `write ${owner.server.server}`,
      );
    if (seen.has(host))
      list.error([...at, 'server'], `${host} is servers[${seen.get(host)}] too`, 'name it once');
    seen.set(host, index);
    checkHosts(file, index, hosts, list);
  }
  checkDeclared(file, list);
}

function checkHosts(
  file: Partial<ConfigFile>,
  index: number,
  hosts: readonly string[] | undefined,
  list: ProblemList,
): void {
  const others = completeServers(file.servers?.filter((_, place) => place !== index));
  for (const [place, text] of entriesOf(hosts)) {
    const at: ValuePath = ['servers', index, 'hosts', place];
    const bare = text.replace(/^\*\./, '');
    const name = nameOf(bare);
    if (name === null || (bare !== text && name.split('.').length < 2)) {
      list.error(
        at,
        `"${text}" is no host`,
        'write it like actions.ghes.corp.example, or *.ghes.corp.example',
      );
      continue;
    }
    const owner = findPlatformHost([...defaultServers, ...others], bare === text ? name : `x.${name}`);
    if (owner !== null)
      list.error(at, `"${text}" is a host of ${owner.server.server}`, 'a host belongs to one server');
  }
}

/** A declared job says itself which platform its server is of. */
function checkDeclared(file: Partial<ConfigFile>, list: ProblemList): void {
  const servers = completeServers(file.servers);
  for (const [index, { platform = 'github', server }] of entriesOf(file.jobs)) {
    const name = nameOf(server ?? `${platform}.com`);
    const known = servers.find((one) => one.server === name);
    if (known === undefined || known.platform === platform) continue;
    list.error(
      ['jobs', index, server === undefined ? 'platform' : 'server'],
      `${known.server} is one of ${known.platform}`,
      `write platform: ${known.platform}`,
    );
  }
}

function nameOf(text: string): string | null {
  const host = canonicaliseHost(text);
  return host.kind === 'name' ? host.name : null;
}

/** The servers of a file that was checked. */
export function completeServers(file: ConfigFile['servers']): readonly PlatformServer[] {
  return (file ?? []).flatMap(({ platform, server, hosts = [], jobs = true }) => {
    const name = nameOf(server);
    if (name === null) return [];
    const known = defaultServers.find((one) => one.server === name) ?? ownServer(platform, name);
    const service = hosts.map((host) => ({ host: host.toLowerCase(), role: 'service' as const }));
    return [{ ...known, hosts: [...known.hosts, ...service], ...(jobs ? {} : { believed: false as const }) }];
  });
}

const saidOfBoth = [
  ...(['server', 'owner', 'repo', 'workflow', 'ref', 'event', 'job', 'fork', 'protected'] as const),
];
/** What each platform says of its jobs when it hands them out (docs/attribution.md). */
const said: Readonly<Record<Platform, readonly MatchKey[]>> = {
  github: [...saidOfBoth, 'environment', 'actor', 'calledWorkflow', 'runnerGroup'],
  gitlab: [...saidOfBoth, 'project'],
};

/** The match keys that some believed server supplies. */
export function keysOfServers(servers: readonly PlatformServer[]): ReadonlySet<MatchKey> {
  return new Set(
    servers.filter(({ believed }) => believed !== false).flatMap(({ platform }) => said[platform]),
  );
}
