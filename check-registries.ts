// What the schema cannot say of `registries` in `sallyport.yaml`: hosts that can be asked, and paths that are some.

import { entriesOf } from './check-dns.ts';
import type { ConfigFile } from './config-schema.ts';
import type { RegistryHost, RegistryServer } from './flow/registry-server.ts';
import { canonicaliseHost } from './policy/canonicalise-host.ts';
import { canonicalisePath } from './policy/canonicalise-path.ts';
import type { ProblemList, ValuePath } from './policy/problem-list.ts';

/** Reports registries that no request could be for. */
export function checkRegistries(file: Partial<ConfigFile>, list: ProblemList): void {
  const seen = new Set<string>();
  for (const [index, { hosts }] of entriesOf(file.registries)) {
    for (const [at, text] of entriesOf(hosts)) {
      const path: ValuePath = ['registries', index, 'hosts', at];
      if (readPlace(text) === null)
        list.error(
          path,
          `"${text}" is no host with a path`,
          'write it like nexus.corp.example/repository/npm',
        );
      else if (seen.has(text))
        list.error(path, `"${text}" stands here twice`, 'one of the two would never count');
      seen.add(text);
    }
  }
}

/** Reads `host/path`; null when it is none. */
function readPlace(text: string): RegistryHost | null {
  const slash = text.indexOf('/');
  const host = slash < 0 ? text : text.slice(0, slash);
  const prefix = slash < 0 ? '' : text.slice(slash).replace(/\/$/, '');
  const labels = host.split('.');
  const isPattern = labels.some((label) => label.includes('*'));
  if (isPattern && (labels.length < 3 || labels.slice(-2).some((label) => label.includes('*')))) return null;
  if (labels.some((label) => label.lastIndexOf('*') > 0)) return null;
  const name = canonicaliseHost(host.replaceAll('*', 'x'));
  const path = prefix === '' ? null : canonicalisePath(prefix);
  if (name.kind === 'ambiguous' || path?.kind === 'ambiguous' || (path?.kind === 'path' && path.query !== ''))
    return null;
  if (path !== null && path.path.replaceAll('%2A', '*') !== prefix) return null;
  if (isPattern) return { host: host.toLowerCase(), pathPrefix: prefix };
  return { host: name.kind === 'name' ? name.name : name.address, pathPrefix: prefix };
}

/** The registries of a file that was checked. */
export function completeRegistries(file: ConfigFile['registries']): readonly RegistryServer[] {
  return (file ?? []).map(({ ecosystem, hosts, name, public: isPublic }) => ({
    ecosystem,
    registry: name ?? null,
    isPublic: isPublic ?? false,
    hosts: hosts.flatMap((text) => readPlace(text) ?? []),
  }));
}
