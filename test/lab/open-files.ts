// What a process has open, by kind: two counts of one process can be compared, and a difference is named.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { formatAddress, unmapAddress } from '../../flow/address.ts';

/** How many descriptors of each kind a process has; empty when it is gone. Ports and names of its own are left out. */
export function openKinds(pid: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of kindsOf(pid)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

/** The kinds of which there are more in the second count, with how many more. */
export function grownKinds(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
): Map<string, number> {
  const grown = [...after].map(([kind, count]): [string, number] => [kind, count - (before.get(kind) ?? 0)]);
  return new Map(grown.filter(([, more]) => more > 0));
}

function kindsOf(pid: number): string[] {
  try {
    const sockets = socketsOf(pid);
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      const target = linkOf(`/proc/${pid}/fd/${fd}`);
      const [, inode] = /^socket:\[(\d+)\]$/.exec(target ?? '') ?? [];
      if (inode !== undefined) return [sockets.get(inode) ?? 'a socket of another kind'];
      // Files of records bear the time, pipes their number.
      return target === null ? [] : [target.replace(/\[?\d[\dTZ-]*\]?(?=\.jsonl$|$)/, '')];
    });
  } catch {
    return []; // It has ended meanwhile.
  }
}

// Closed between the list and this.
function linkOf(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}

/** What the sockets of the process's network namespace are, by inode. */
function socketsOf(pid: number): Map<string, string> {
  const sockets = new Map<string, string>();
  for (const protocol of ['tcp', 'tcp6', 'udp', 'udp6']) {
    const [, ...lines] = readFileSync(`/proc/${pid}/net/${protocol}`, 'latin1').trim().split('\n');
    for (const line of lines) {
      const [, , remote = '', state = '', , , , , , inode = ''] = line.trim().split(/\s+/);
      const peer = peerOf(remote);
      const kind = `${protocol.slice(0, 3)} ${peer === null ? 'without a peer' : `to ${peer}`}`;
      sockets.set(inode, protocol.startsWith('tcp') ? `${kind}, state ${state}` : kind);
    }
  }
  return sockets;
}

/** Address and port of a server, the address alone of a client; null for none. Words of 32 bits, least byte first. */
function peerOf(text: string): string | null {
  const [hex = '', port = ''] = text.split(':');
  const bytes = Buffer.from(hex, 'hex');
  for (let at = 0; at < bytes.length; at += 4) bytes.subarray(at, at + 4).reverse();
  const number = Number.parseInt(port, 16);
  if (number === 0) return null;
  return number < 32_768
    ? `${formatAddress(unmapAddress(bytes))} port ${number}`
    : formatAddress(unmapAddress(bytes));
}
