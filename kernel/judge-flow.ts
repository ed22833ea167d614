// Judges a tracked connection by a plan, as the printed rules would: after a new plan the keeper forgets those that
// it no longer allows, and only those.

import { cidrContains, parseAddress, parseCidr } from '../flow/address.ts';
import type { NetworkEntry, NetworkPlan } from '../flow/network-plan.ts';

export interface JudgedFlow {
  readonly source: string;
  readonly destination: string;
  readonly protocolNumber: number;
  readonly port: number | null;
}

const numbers: Readonly<Record<number, NetworkEntry['protocol']>> = {
  1: 'icmp',
  6: 'tcp',
  17: 'udp',
  58: 'icmp',
};

/** True when the plan lets the flow be forwarded (audit lets all but the blocklist). */
export function mayForward(plan: NetworkPlan, flow: JudgedFlow, isBound: boolean): boolean {
  const address = parseAddress(flow.destination);
  if (address === null) return false;
  if (plan.blocklist.some((range) => contains(range, address))) return false;
  const side = plan.runners[flow.source] ?? plan.fleet;
  if (side.mode === 'audit') return true;
  const matches = (entry: NetworkEntry): boolean =>
    entry.protocol === numbers[flow.protocolNumber] &&
    contains(entry.to, address) &&
    (entry.ports === null ||
      entry.protocol === 'icmp' ||
      (flow.port !== null && flow.port >= entry.ports[0] && flow.port <= entry.ports[1]));
  if (side.block.some(matches)) return false;
  return isBound || side.allow.some(matches);
}

function contains(range: string, address: Uint8Array): boolean {
  const cidr = parseCidr(range);
  return cidr !== null && cidrContains(cidr, address);
}
