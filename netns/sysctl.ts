// Kernel settings of interfaces: reads, sets and puts back. Only what forwarding for a runner needs is touched.

import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { SallyportError } from '../flow/errors.ts';
import type { ChangedSetting } from './run-state.ts';

/** A setting and the value that it should have. */
export interface WantedSetting {
  readonly path: string;
  readonly after: string;
}

/** The value of a setting below /proc/sys/net, or null when this kernel has none of that name. */
export function readSetting(path: string): string | null {
  try {
    return readFileSync(`/proc/sys/net/${path}`, 'utf8').trim();
  } catch {
    return null;
  }
}

/** @throws SallyportError missing-privilege */
export function writeSetting(path: string, value: string): void {
  try {
    writeFileSync(`/proc/sys/net/${path}`, value);
  } catch (error) {
    throw new SallyportError('missing-privilege', `/proc/sys/net/${path} cannot be set to ${value}`, error);
  }
}

/**
 * What lets the kernel forward what comes in on these interfaces. IPv4 is switched by interface; so is IPv6
 * from Linux 6.17 on. Before, it forwards as a whole or not at all, and stops believing router advertisements then,
 * unless accept_ra is 2 (Documentation/networking/ip-sysctl).
 */
export function planForwarding(interfaces: readonly string[], withV6: boolean): WantedSetting[] {
  const wanted = interfaces.map((name) => ({ path: `ipv4/conf/${name}/forwarding`, after: '1' }));
  if (!withV6) return wanted;
  if (forwardsV6ByInterface()) {
    return [
      ...wanted,
      ...interfaces.map((name) => ({ path: `ipv6/conf/${name}/force_forwarding`, after: '1' })),
    ];
  }
  const listening = interfacesWithV6().filter((name) => readSetting(`ipv6/conf/${name}/accept_ra`) === '1');
  return [
    ...wanted,
    ...listening.map((name) => ({ path: `ipv6/conf/${name}/accept_ra`, after: '2' })),
    { path: 'ipv6/conf/all/forwarding', after: '1' },
  ];
}

/**
 * What has to be changed, and what to put back one day. A setting that another living run changed first is shared:
 * whoever ends last puts back what that one found.
 */
export function planChanges(
  wanted: readonly WantedSetting[],
  others: readonly ChangedSetting[],
): ChangedSetting[] {
  return wanted.flatMap(({ path, after }) => {
    const shared = others.find((other) => other.path === path && other.after === after);
    const before = shared?.before ?? readSetting(path);
    return before === null || before === after ? [] : [{ path, before, after }];
  });
}

/** Whether IPv6 can be forwarded for one interface alone (Linux 6.17). */
export function forwardsV6ByInterface(): boolean {
  return readSetting('ipv6/conf/all/force_forwarding') !== null;
}

function interfacesWithV6(): string[] {
  try {
    return readdirSync('/proc/sys/net/ipv6/conf').filter((name) => !['all', 'default', 'lo'].includes(name));
  } catch {
    return [];
  }
}

/** Puts settings back in reverse order; one that somebody else changed since, or whose interface is gone, is left. */
export function restoreSettings(changes: readonly ChangedSetting[]): void {
  for (const { path, before, after } of changes.toReversed()) {
    if (readSetting(path) === after) writeSetting(path, before);
  }
}
