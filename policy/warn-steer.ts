// Warnings about rules that mode steer cannot put into effect: it forwards nothing, and what is steered is TCP.

import type { ProblemList, ValuePath } from './problem-list.ts';
import type { NetworkRule } from './rule.ts';

/** Whether `sallyport.yaml` has virtual addresses for names with ports of their own. */
export type SteerPool = 'pool' | 'no-pool';

/** Warns of a `network` rule that opens nothing, or not all that it says, where names are steered. */
export function warnAboutSteer(rule: NetworkRule, path: ValuePath, pool: SteerPool, list: ProblemList): void {
  if (rule.to.length > 0) {
    const message = `${rule.id} opens ranges, which runners in mode steer have no route to`;
    list.warn([...path, 'to'], message, 'name hosts; or give runners a route through the gateway');
    return;
  }
  if (rule.protocols.includes('udp')) {
    const message = `${rule.id} opens UDP to a host, which mode steer cannot lead anywhere`;
    list.warn([...path, 'protocol'], message, 'use a gateway that is the runners’ default route');
  }
  if (rule.protocols.includes('tcp') && pool === 'no-pool') {
    const message = `${rule.id} opens TCP ports of a host, for which mode steer needs virtual addresses`;
    list.warn([...path, 'host'], message, 'set steer.pool in sallyport.yaml');
  }
}
