// Packets of a runner that this host would not forward, because IPv6 forwarding is off or nothing routes them, die in
// its routing unseen. These rules lead them to the gateway's own input chain, which refuses them with an answer and
// records them. One policy rule and one table per interface and family (ip-rule(8)); the route goes with the interface.

import { runIp } from './ip.ts';

/** `unrouted`: what no route of the host matches; `all`: everything that is not for the host itself. */
export type Diverted = 'unrouted' | 'all';

/** After the host's last own rule (32767), or before its main table (32766) but behind whatever it has put there. */
const preference = { unrouted: 32_800, all: 32_700 } as const;
const firstTable = 0x5a00_0000;

/** Diverts packets that come in on this interface. @throws SallyportError */
export function divertUnforwarded(
  namespace: string | null,
  interfaceName: string,
  family: 4 | 6,
  which: Diverted,
): void {
  const where = namespace === null ? [] : ['-netns', namespace];
  const table = String(firstTable + readIndex(where, interfaceName));
  const ip = (...args: string[]) => runIp([...where, `-${family}`, ...args]);
  ip('route', 'replace', 'local', 'default', 'dev', interfaceName, 'table', table);
  ip('rule', 'add', 'pref', String(preference[which]), 'iif', interfaceName, 'lookup', table);
}

/** Removes the rules of this interface of the caller's namespace, which stay when the interface goes. @throws SallyportError */
export function removeDiversions(interfaceName: string): void {
  for (const family of ['-4', '-6']) {
    // `ip -j rule` prints an array of objects; a kernel without the family prints nothing.
    const rules = JSON.parse(runIp(['-j', family, 'rule', 'show']).trim() || '[]') as Record<
      string,
      unknown
    >[];
    for (const { iif, priority } of rules) {
      if (iif === interfaceName)
        runIp([family, 'rule', 'delete', 'pref', String(priority), 'iif', interfaceName]);
    }
  }
}

function readIndex(where: readonly string[], interfaceName: string): number {
  // `ip -j link show dev` prints an array of one object with the interface's index.
  const links = JSON.parse(runIp([...where, '-j', 'link', 'show', 'dev', interfaceName])) as {
    ifindex: number;
  }[];
  return links[0]!.ifindex;
}
