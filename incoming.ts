// Whose connections a worker takes: runners', and load balancers' that say whom they speak for.

import type { Config } from './config.ts';
import { cidrContains, parseAddress, parseCidr } from './flow/address.ts';

/** Who introduces others by PROXY protocol, and whom they may name; an address in both is a balancer within the runners' network. */
export function peerPort({ listen, runners }: Config, isOwn: (address: string) => boolean) {
  const isIn = (texts: readonly string[]) => {
    const ranges = texts.flatMap((text) => parseCidr(text) ?? []);
    return (address: string): boolean => {
      const bytes = ranges.length === 0 ? null : parseAddress(address);
      return bytes !== null && ranges.some((range) => cidrContains(range, bytes));
    };
  };
  const [isPeer, isInside] = [isIn(listen.proxyProtocolPeers), isIn(runners.networks)];
  const isRunner = (address: string) => isInside(address) && !isPeer(address) && !isOwn(address);
  return { isPeer, isRunner };
}
