// Which wildcard of the policy opens a name: the DNS server counts the names that a runner asks under it.

import type { HostView } from './host-view.ts';
import { matchesHost, type HostPattern } from './match-host.ts';

/** By the rules that name a host, which all hosts of the same patterns share. */
const known = new WeakMap<HostView['groups'], string | null>();

/** The narrowest wildcard that opens this canonical host; null where a rule writes the host out, or none opens it. */
export function findWildcard({ groups }: HostView, host: string): string | null {
  const found = known.get(groups);
  if (found !== undefined) return found;
  const rules = new Set(groups.flat().map(({ rule }) => rule));
  const patterns = [...rules].flatMap(({ hosts }) => hosts.filter((pattern) => matchesHost(pattern, host)));
  const isWritten = patterns.some(({ lead }) => lead === null);
  const wildcard = isWritten ? null : (patterns.toSorted(compareWidth)[0]?.text ?? null);
  known.set(groups, wildcard);
  return wildcard;
}

function compareWidth(a: HostPattern, b: HostPattern): number {
  return b.tail.length - a.tail.length || b.text.length - a.text.length || (a.text < b.text ? -1 : 1);
}
