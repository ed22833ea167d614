// internet - gateway - runners, as namespaces of their own with no way out of the machine. The lab of the tests
// and doctor stand on it. Addresses of the internet side look public, so that nothing has to be excused for them.

import type { Namespaces } from './namespace.ts';
import { runIpBatch } from './ip.ts';
import { inNamespace } from './socket.ts';
import { writeSetting } from './sysctl.ts';

export interface Runner {
  readonly namespace: string;
  readonly v4: string;
  readonly v6: string;
}

export interface Topology {
  readonly internet: string;
  readonly gateway: string;
  readonly runners: readonly Runner[];
  /** The gateway's side: interface names and addresses. */
  readonly runnerInterface: string;
  readonly externalInterface: string;
  readonly gateway4: string;
  readonly gateway6: string;
  readonly external4: string;
  readonly external6: string;
  readonly runnerNetworks: readonly string[];
}

export interface TopologyOptions {
  readonly runners?: number;
  /** Addresses that live in the internet namespace, IPv4 and IPv6. */
  readonly internetAddresses: readonly string[];
  /** Steer mode: runners get no default route. Default: they have one, through the gateway. */
  readonly withoutDefaultRoute?: boolean;
}

const networks = { runner4: '10.77.0.0/16', runner6: 'fd77::/64' } as const;

/** Makes the namespaces and links; forwarding is on and no rule is in place. @throws SallyportError */
export function buildTopology(made: Namespaces, options: TopologyOptions): Topology {
  const internet = made.create('internet');
  const gateway = made.create('gateway');
  runIpBatch(gateway, ['link add runners0 type bridge mcast_snooping 0', 'link set runners0 up']);
  linkInternet(made, internet, gateway, options.internetAddresses);
  inNamespace(gateway, () => {
    writeSetting('ipv4/ip_forward', '1');
    writeSetting('ipv6/conf/all/forwarding', '1');
  });
  runIpBatch(gateway, ['addr add 10.77.0.1/16 dev runners0', 'addr add fd77::1/64 dev runners0 nodad']);
  const count = options.runners ?? 1;
  const runners = Array.from({ length: count }, (_, i) =>
    addRunner(made, gateway, i, !options.withoutDefaultRoute),
  );
  return {
    internet,
    gateway,
    runners,
    runnerInterface: 'runners0',
    externalInterface: 'ext0',
    gateway4: '10.77.0.1',
    gateway6: 'fd77::1',
    external4: '100.65.0.2',
    external6: '2620:fe:77::2',
    runnerNetworks: [networks.runner4, networks.runner6],
  };
}

function linkInternet(
  made: Namespaces,
  internet: string,
  gateway: string,
  addresses: readonly string[],
): void {
  made.link(
    { namespace: internet, name: 'net0', addresses: ['100.65.0.1/30', '2620:fe:77::1/64'] },
    { namespace: gateway, name: 'ext0', addresses: ['100.65.0.2/30', '2620:fe:77::2/64'] },
  );
  runIpBatch(internet, [
    ...addresses.map((address) => `addr add ${address}/${address.includes(':') ? '128 nodad' : '32'} dev lo`),
    `route add ${networks.runner4} via 100.65.0.2`,
    `route add ${networks.runner6} via 2620:fe:77::2`,
    // Whatever else a probe aims at ends here, where the capture sees it, and goes no further.
    'route add blackhole default',
    'route add blackhole ::/0',
  ]);
  runIpBatch(gateway, ['route add default via 100.65.0.1', 'route add ::/0 via 2620:fe:77::1']);
}

function addRunner(made: Namespaces, gateway: string, index: number, hasRoute: boolean): Runner {
  const namespace = made.create(`runner${index}`);
  const [v4, v6] = [`10.77.1.${index + 10}`, `fd77::1:${(index + 16).toString(16)}`];
  const port = `run${index}`;
  made.link(
    { namespace: gateway, name: port, addresses: [] },
    { namespace, name: 'eth0', addresses: [`${v4}/16`, `${v6}/64`] },
  );
  runIpBatch(gateway, [`link set ${port} master runners0`]);
  if (hasRoute) runIpBatch(namespace, ['route add default via 10.77.0.1', 'route add ::/0 via fd77::1']);
  return { namespace, v4, v6 };
}
