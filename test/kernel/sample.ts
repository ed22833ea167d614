// The machine and the plan that the tests of the rule set share: two runners, one of them with a side of its own.

import type { NetworkPlan } from '../../flow/network-plan.ts';
import type { KernelConfig, KernelMode } from '../../kernel/rule-model.ts';

export function sampleConfig(mode: KernelMode): KernelConfig {
  return {
    mode,
    table: 'sallyport',
    runnerInterfaces: mode === 'sidecar' ? [] : ['int0'],
    runnerNetworks: ['10.77.0.0/16', 'fd77::/64'],
    gatewayAddresses:
      mode === 'sidecar' ? { v4: ['127.0.0.1'], v6: ['::1'] } : { v4: ['10.77.0.1'], v6: ['fd77::1'] },
    virtualPool: ['10.77.128.0/24', 'fd77::1:0/112'],
    proxyPeers: mode === 'sidecar' ? [] : ['10.77.9.250/32', '192.0.2.250/32', 'fd77::9:250/128'],
    externalInterface: mode === 'sidecar' ? null : 'ext0',
    masquerade: false,
    workers: 2,
    workerPorts: [10001, 10002],
    explicitPort: null,
    runnerPort: 9441,
    operatorPort: 9440,
    guardMark: 0x20_0000,
    exemptUids: mode === 'sidecar' ? [1337] : [],
    seed: 0x5a11,
    logGroup: 5,
  };
}

const entry = (
  to: string,
  protocol: 'tcp' | 'udp' | 'icmp',
  ports: [number, number] | null,
  inspect = true,
) => ({
  to,
  protocol,
  ports,
  rule: 'r',
  inspect,
});

export const samplePlan: NetworkPlan = {
  revision: 'abc',
  interceptedPorts: [80, 443, 8443],
  fleet: {
    mode: 'block',
    allow: [
      entry('198.51.100.53/32', 'udp', [123, 123]),
      entry('203.0.113.10/32', 'tcp', [2200, 2210]),
      entry('203.0.113.11/32', 'tcp', [443, 443], false),
      entry('203.0.113.0/24', 'tcp', [5000, 5000]),
      entry('203.0.113.12/32', 'icmp', null),
      entry('2001:db8::10/128', 'tcp', [2200, 2210]),
      entry('2001:db8::10/128', 'icmp', null),
    ],
    block: [entry('203.0.113.12/32', 'tcp', [5000, 5000])],
  },
  runners: {
    '10.77.0.3': {
      mode: 'audit',
      allow: [entry('203.0.113.10/32', 'tcp', [22, 22])],
      block: [entry('203.0.113.12/32', 'tcp', null)],
    },
    'fd77::3': { mode: 'audit', allow: [], block: [] },
    // A job declared for a network; the narrower one and the address above go first.
    '10.77.9.0/24': { mode: 'block', allow: [entry('203.0.113.10/32', 'tcp', [22, 22])], block: [] },
    '10.77.8.0/21': { mode: 'block', allow: [entry('203.0.113.10/32', 'tcp', [4444, 4444])], block: [] },
  },
  blocklist: ['203.0.113.66/32', '2001:db8::66/128'],
};
