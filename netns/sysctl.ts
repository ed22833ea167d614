// Kernel settings of interfaces: reads, sets and puts back. Only what forwarding for a runner needs is touched.

import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { SallyportError } from '../flow/errors.ts';
import type { ChangedSetting } from './run-state.ts';

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
 * The changes that let the kernel forward between a runner's interface and the one towards the internet.
 * IPv4 forwards by the interface a packet came in on; IPv6 only as a whole, and stops believing router
 * advertisements then, unless accept_ra is 2 (Documentation/networking/ip-sysctl).
 */
export function planForwarding(
  runnerInterface: string,
  externalInterface: string,
  withV6: boolean,
): ChangedSetting[] {
  const wanted: [path: string, value: string][] = [
    [`ipv4/conf/${runnerInterface}/forwarding`, '1'],
    [`ipv4/conf/${externalInterface}/forwarding`, '1'],
  ];
  if (withV6) {
    for (const name of interfacesWithV6()) {
      if (readSetting(`ipv6/conf/${name}/accept_ra`) === '1')
        wanted.push([`ipv6/conf/${name}/accept_ra`, '2']);
    }
    wanted.push(['ipv6/conf/all/forwarding', '1']);
  }
  return wanted.flatMap(([path, after]) => {
    const before = readSetting(path);
    return before === null || before === after ? [] : [{ path, before, after }];
  });
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
