// Which TCP ports a name needs an address of its own for (steer mode): those that network rules give it, and with
// them, since a name has one answer for all ports, those of its http and opaque rules.

import { decideName } from './decide.ts';
import { findHostView } from './host-view.ts';
import type { EffectivePolicy } from './scope.ts';

const webPorts: ReadonlySet<number> = new Set([80, 443]);

/**
 * Ports to be opened on a virtual address of the name, ascending; empty when the name can do without: its server
 * name or Host tells it on 80 and 443. Each connection is decided anew.
 */
export function steeredPorts(
  effective: EffectivePolicy,
  { name }: { readonly name: string },
): readonly number[] {
  const ports = new Set<number>();
  for (const { protocol, port } of decideName(effective, { name }).bind)
    if (protocol === 'tcp') ports.add(port);
  for (const port of interceptedPortsOf(effective, name)) ports.add(port);
  if ([...ports].every((port) => webPorts.has(port))) return [];
  // What is not allowed is let through and recorded in audit: also here.
  if (effective.mode === 'audit') for (const port of effective.policy.interceptedPorts) ports.add(port);
  return [...ports].toSorted((a, b) => a - b);
}

function interceptedPortsOf(effective: EffectivePolicy, name: string): number[] {
  const ranges = findHostView(effective, name).groups.flatMap((group) =>
    group.flatMap(({ rule }) =>
      rule.kind === 'http' || rule.kind === 'opaque'
        ? (rule.endpoints ?? []).flatMap(({ ports }) => ports)
        : [],
    ),
  );
  const covers = (port: number) => ranges.some(([from, to]) => port >= from && port <= to);
  return effective.policy.interceptedPorts.filter(covers);
}
