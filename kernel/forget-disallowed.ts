// After a new plan: forgets the forwarded connections of runners that it no longer allows, and only those.

import { cidrContains, parseAddress, parseCidr } from '../flow/address.ts';
import type { NetworkPlan } from '../flow/network-plan.ts';
import { forgetFlow, trackedFlows } from './conntrack.ts';
import { mayForward } from './judge-flow.ts';
import type { LiveSets } from './live-sets.ts';
import type { KernelConfig } from './rule-model.ts';

/** Forgets them over a netfilter socket; their next packet is judged anew. @throws SallyportError */
export function forgetDisallowed(fd: number, config: KernelConfig, live: LiveSets, plan: NetworkPlan): void {
  const networks = config.runnerNetworks.flatMap((text) => parseCidr(text) ?? []);
  const own = new Set([...config.gatewayAddresses.v4, ...config.gatewayAddresses.v6]);
  for (const flow of trackedFlows(fd)) {
    const source = parseAddress(flow.source);
    if (flow.isRedirected || own.has(flow.destination) || source === null) continue;
    if (!networks.some((network) => cidrContains(network, source))) continue;
    const isBound =
      flow.port !== null && live.isBound(flow.source, flow.destination, flow.protocolNumber, flow.port);
    if (!mayForward(plan, flow, isBound)) forgetFlow(fd, flow);
  }
}
