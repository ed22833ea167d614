// What the schema cannot say of the `dns` part of `sallyport.yaml`: servers that can be asked, zones and names.

import type { ConfigFile } from './config-schema.ts';
import { classifyAddress, parseAddress } from './flow/address.ts';
import { canonicaliseHost } from './policy/canonicalise-host.ts';
import type { ProblemList, ValuePath } from './policy/problem-list.ts';

/** Items with their places, without those that the schema refused. */
export function entriesOf<T>(items: readonly T[] | undefined): [index: number, item: T][] {
  return [...(items ?? []).entries()].filter(([, item]) => item !== undefined);
}

/** Reports what is wrong with upstreams, zones and names. */
export function checkDns(file: Partial<ConfigFile>, list: ProblemList): void {
  const { dns } = file;
  checkUpstreams(dns?.upstreams, ['dns', 'upstreams'], list);
  const zones = new Set<string>();
  for (const [index, { zone, upstreams }] of entriesOf(dns?.forward)) {
    const path = ['dns', 'forward', index];
    const name = checkName(zone, [...path, 'zone'], list);
    if (name !== null && zones.has(name))
      list.error([...path, 'zone'], `the zone "${name}" stands here twice`, 'write all its servers once');
    if (name !== null) zones.add(name);
    checkUpstreams(upstreams, [...path, 'upstreams'], list);
  }
  for (const [index, domain] of entriesOf(dns?.searchDomains))
    checkName(domain, ['dns', 'searchDomains', index], list);
  if (dns?.gatewayName !== undefined) checkName(dns.gatewayName, ['dns', 'gatewayName'], list);
}

type UpstreamFile = NonNullable<NonNullable<ConfigFile['dns']>['upstreams']>[number];

function checkUpstreams(
  items: readonly UpstreamFile[] | undefined,
  path: ValuePath,
  list: ProblemList,
): void {
  for (const [index, { address, tls, https, path: urlPath }] of entriesOf(items)) {
    const bytes = parseAddress(address);
    const at = [...path, index, 'address'];
    if (bytes === null)
      list.error(at, `"${address}" is no address`, 'a name cannot stand here: it would need DNS itself');
    else if (['unspecified', 'multicast'].includes(classifyAddress(bytes)))
      list.error(at, `"${address}" is no address of a server`, 'write the server’s own address');
    for (const [key, name] of Object.entries({ tls, https })) {
      if (name !== undefined && canonicaliseHost(name).kind === 'ambiguous')
        list.error([...path, index, key], `"${name}" is no name`, 'write the name on its certificate');
    }
    if (tls !== undefined && https !== undefined)
      list.error([...path, index, 'https'], '`tls` and `https` stand here together', 'write one of them');
    if (urlPath !== undefined && https === undefined)
      list.error(
        [...path, index, 'path'],
        '`path` is of use with `https` only',
        'write `https`, or leave it out',
      );
  }
}

/** The canonical name, or null when it was reported. */
function checkName(text: string, path: ValuePath, list: ProblemList): string | null {
  const host = canonicaliseHost(text);
  if (host.kind === 'name') return host.name;
  const bare = text.replace(/^(\*+|\.)\.?/, '');
  const remedy =
    text.startsWith('*') || text.startsWith('.') ? `write "${bare}", which covers what is under it` : '';
  list.error(path, `"${text}" is no name`, remedy || 'write it like corp.example');
  return null;
}
