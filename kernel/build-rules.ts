// What the kernel rule set says, as a model: which packets of runners are redirected, let through, blocked and
// logged, in which order. The order is the security of it; every chain carries its reason.

import { neverRanges } from '../flow/address.ts';
import type { NetworkPlan } from '../flow/network-plan.ts';
import { buildSides, type Sides } from './build-sides.ts';
import { reduceRanges } from './reduce-ranges.ts';
import {
  type Chain,
  type Family,
  type KernelConfig,
  type PortRange,
  type Rule,
  type RuleSet,
} from './rule-model.ts';

const families: readonly Family[] = [4, 6];
const dnsPort: PortRange = [53, 53];
// Router solicitation, neighbour solicitation and advertisement (RFC 4861): without them IPv6 is dead.
const neighbourTypes = [133, 135, 136];
// Multicast listener query, report, done and version 2 report (RFC 2710, RFC 3810).
const listenerTypes = [130, 131, 132, 143];
const [echoRequest4, echoRequest6] = [8, 128];

/** The rule set of a machine under a plan. @throws SallyportError kernel when a range is malformed */
export function buildRules(config: KernelConfig, plan: NetworkPlan): RuleSet {
  const sides = buildSides(plan);
  const forwards = config.runnerInterfaces.length > 0;
  return {
    config,
    lists: {
      never: { 4: reduceRanges(neverRanges.ipv4, 4), 6: reduceRanges(neverRanges.ipv6, 6) },
      blocklist: { 4: reduceRanges(plan.blocklist, 4), 6: reduceRanges(plan.blocklist, 6) },
    },
    chains: [
      ...(config.mode === 'sidecar' ? ownTraffic(config) : sourceChains(config)),
      ...(forwards ? runnerHooks(config) : []),
      alwaysEnforced(),
      interception(config, sides),
      redirection(config, plan),
      ...sides.direct,
      ...workerChains(config),
      ...(config.mode === 'sidecar' ? [] : [ownPorts(config)]),
      egress(config, sides),
      ...sides.chains,
      ...(forwards ? [inbound] : []),
      ...masquerading(config),
    ],
  };
}

const both = (rule: (family: Family) => Rule): Rule[] => families.map(rule);
const single = (port: number): PortRange => [port, port];
const neighbours: Rule = {
  family: 6,
  protocols: ['icmpv6'],
  icmpTypes: neighbourTypes,
  action: { do: 'return' },
};

// Before conntrack: whoever is not a runner, or is cut off, never gets further, not even with ongoing flows.
function sourceChains(config: KernelConfig): Chain[] {
  const inputInterfaces = config.runnerInterfaces;
  const networks = both((family) => ({
    family,
    sources: reduceRanges([...config.runnerNetworks, ...config.proxyPeers], family),
    action: { do: 'return' },
  })).filter((rule) => (rule.sources ?? []).length > 0);
  return [
    { name: 'raw-hook', hook: 'raw', rules: [{ inputInterfaces, action: { do: 'jump', chain: 'source' } }] },
    {
      name: 'source',
      rules: [
        { ...neighbours, sources: ['fe80::/10', '::/128'] },
        { family: 6, protocols: ['icmpv6'], icmpTypes: listenerTypes, action: { do: 'ignore' } },
        { family: 4, protocols: ['igmp'], destinations: ['224.0.0.0/4'], action: { do: 'ignore' } },
        { isUnrouted: true, action: { do: 'block', reason: 'spoofed-source' } },
        ...both((family) => ({ family, set: 'quarantine', action: { do: 'block', reason: 'quarantine' } })),
        ...networks,
        { action: { do: 'block', reason: 'spoofed-source' } },
      ],
    },
  ];
}

function runnerHooks(config: KernelConfig): Chain[] {
  const inputInterfaces = config.runnerInterfaces;
  const hook = (name: string, where: 'early' | 'nat', chain: string): Chain => ({
    name,
    hook: where,
    rules: [{ inputInterfaces, action: { do: 'jump', chain } }],
  });
  const input: Chain = {
    name: 'input-hook',
    hook: 'input',
    rules: [{ inputInterfaces, action: { do: 'goto', chain: 'own-ports' } }],
  };
  return [
    hook('early-hook', 'early', 'always-enforced'),
    hook('nat-hook', 'nat', 'intercept'),
    ...(config.mode === 'sidecar' ? [] : [input]),
    {
      name: 'forward-hook',
      hook: 'forward',
      rules: [
        { inputInterfaces, action: { do: 'goto', chain: 'egress' } },
        { outputInterfaces: inputInterfaces, action: { do: 'goto', chain: 'inbound' } },
      ],
    },
  ];
}

// The documented list of what no mode softens, before any redirection, so that metadata is logged as such.
function alwaysEnforced(): Chain {
  return {
    name: 'always-enforced',
    rules: [
      { protocols: ['tcp', 'udp'], ports: [dnsPort], action: { do: 'return' } },
      neighbours,
      // The gateway's own link-local address lies in a range that is never reachable elsewhere.
      { family: 6, destinations: ['fe80::/10'], isLocal: true, action: { do: 'return' } },
      ...both((family) => ({ family, list: 'never', action: { do: 'block', reason: 'never-address' } })),
      { protocols: ['tcp'], ports: [single(853)], action: { do: 'block', reason: 'encrypted-dns' } },
      {
        protocols: ['udp'],
        ports: [single(784), single(853), single(8853)],
        action: { do: 'block', reason: 'encrypted-dns' },
      },
      { protocols: ['udp'], ports: [single(80), single(443)], action: { do: 'block', reason: 'quic' } },
    ],
  };
}

function interception(config: KernelConfig, sides: Sides): Chain {
  const tcp = ['tcp'] as const;
  const ownPorts = [config.runnerPort, config.operatorPort];
  const explicit = config.explicitPort === null ? [] : [config.explicitPort];
  const isSidecar = config.mode === 'sidecar';
  return {
    name: 'intercept',
    rules: [
      // Nothing else answers there, not even DNS.
      ...virtual(config, { protocols: tcp, set: 'bound', action: { do: 'goto', chain: 'pin' } }),
      ...virtual(config, { action: { do: 'return' } }),
      // Whatever its address: runners may point at a cloud's, Docker's or systemd's resolver.
      { protocols: ['tcp', 'udp'], ports: [dnsPort], action: { do: 'goto', chain: 'pin' } },
      ...(isSidecar
        ? [{ isLocal: true, action: { do: 'return' } } satisfies Rule]
        : [
            // To the runner's own worker, like all else that it says.
            ...explicit.map((port): Rule => ({
              protocols: tcp,
              ports: [single(port)],
              isLocal: true,
              action: { do: 'goto', chain: 'pin' },
            })),
            {
              protocols: tcp,
              ports: ownPorts.map(single),
              isLocal: true,
              action: { do: 'return' },
            } satisfies Rule,
          ]),
      ...both((family) => ({ family, list: 'never', action: { do: 'return' } })),
      ...both((family) => ({ family, protocols: tcp, set: 'bound', action: { do: 'return' } })),
      ...sides.directDispatch,
      { action: { do: 'goto', chain: sides.directFleet } },
    ],
  };
}

/** The rule for the pool's addresses of each family, where there is a pool. */
function virtual(config: KernelConfig, rule: Rule): Rule[] {
  if (config.mode !== 'steer') return [];
  return both((family) => ({
    family,
    destinations: reduceRanges(config.virtualPool, family),
    ...rule,
  })).filter(({ destinations }) => (destinations ?? []).length > 0);
}

function redirection(config: KernelConfig, plan: NetworkPlan): Chain {
  return {
    name: 'intercepted',
    rules: [
      {
        protocols: ['tcp'],
        // DNS over TLS is blocked whatever a rule names.
        ports: plan.interceptedPorts.filter((port) => port !== 853).map(single),
        ...(config.mode === 'steer' ? { isLocal: true } : {}),
        action: { do: 'goto', chain: 'pin' },
      },
    ],
  };
}

// DNS over UDP goes to one fixed address: a socket bound to a wildcard would answer from another one.
function workerChains(config: KernelConfig): Chain[] {
  const names = Array.from({ length: config.workers }, (_, index) => `worker-${index}`);
  const workers = names.map((name, index): Chain => {
    const port = config.workerPorts[index] ?? config.workerPorts[0] ?? 0;
    const dns = both((family) => {
      const address = config.gatewayAddresses[family === 4 ? 'v4' : 'v6'][0];
      return {
        family,
        protocols: ['udp'],
        action: address === undefined ? { do: 'redirect', port } : { do: 'dnat', address, port },
      };
    });
    return { name, rules: [{ protocols: ['tcp'], action: { do: 'redirect', port } }, ...dns] };
  });
  return [{ name: 'pin', rules: [{ action: { do: 'spread', chains: names } }] }, ...workers];
}

function ongoing(): Rule[] {
  return [
    { state: 'ongoing', action: { do: 'accept' } },
    // Late segments of ended connections are no attempt to reach anything; other protocols' could be.
    { protocols: ['tcp'], state: 'invalid', action: { do: 'ignore' } },
    { state: 'invalid', action: { do: 'block', reason: 'no-rule' } },
  ];
}

function ownPorts(config: KernelConfig): Chain {
  const ports = [...new Set(config.workerPorts)].map(single);
  const open = [single(config.runnerPort)];
  const accept = { do: 'accept' } as const;
  return {
    name: 'own-ports',
    rules: [
      // First: conntrack knows no neighbour messages, and some count as invalid.
      { ...neighbours, action: accept },
      ...ongoing(),
      // Workers' ports only by way of the redirection: whoever speaks to them directly names no destination. To which
      // of the interface's addresses it leads is the kernel's choice, and may be one of the pool.
      { protocols: ['tcp', 'udp'], ports, isRedirected: true, action: accept },
      ...virtual(config, { action: { do: 'block', reason: 'direct-port' } }),
      { protocols: ['tcp'], ports: open, action: accept },
      { family: 4, protocols: ['icmp'], icmpTypes: [echoRequest4], perSecond: 10, action: accept },
      { family: 6, protocols: ['icmpv6'], icmpTypes: [echoRequest6], perSecond: 10, action: accept },
      { action: { do: 'block', reason: 'direct-port' } },
    ],
  };
}

function egress(config: KernelConfig, sides: Sides): Chain {
  return {
    name: 'egress',
    rules: [
      ...ongoing(),
      // A load balancer speaks to the gateway alone; what it would send through it is nobody's.
      ...both((family) => ({
        family,
        sources: reduceRanges(config.proxyPeers, family),
        action: { do: 'block', reason: 'spoofed-source' },
      })).filter((rule) => (rule.sources ?? []).length > 0),
      ...both((family) => ({ family, list: 'blocklist', action: { do: 'block', reason: 'blocklist' } })),
      ...sides.dispatch,
      { action: { do: 'goto', chain: sides.fleet } },
    ],
  };
}

// A connection that others open to a runner would carry its answers out unseen.
const inbound: Chain = {
  name: 'inbound',
  rules: [{ state: 'ongoing', action: { do: 'pass' } }, { action: { do: 'ignore' } }],
};

function masquerading(config: KernelConfig): Chain[] {
  if (!config.masquerade || config.externalInterface === null) return [];
  const outputInterfaces = [config.externalInterface];
  const rules = both((family) => ({
    family,
    outputInterfaces,
    sources: reduceRanges(config.runnerNetworks, family),
    action: { do: 'masquerade' },
  })).filter((rule) => (rule.sources ?? []).length > 0);
  return [{ name: 'source-nat-hook', hook: 'source-nat', rules }];
}

// Sidecar: the job shares our network namespace, so its packets are met on their way out.
function ownTraffic(config: KernelConfig): Chain[] {
  const v6Networks = config.runnerNetworks.filter((text) => text.includes(':'));
  const exempt: Rule[] =
    config.exemptUids.length === 0 ? [] : [{ uids: config.exemptUids, action: { do: 'accept' } }];
  const passing = exempt.map((rule): Rule => ({ ...rule, action: { do: 'return' } }));
  const quarantine = (matches: Pick<Rule, 'protocols' | 'ports'>): Rule[] =>
    both((family) => ({
      ...matches,
      family,
      set: 'quarantine',
      action: { do: 'block', reason: 'quarantine' },
    }));
  return [
    {
      // Before anything is redirected, and what is redirected then local; the job's own servers stay reachable.
      name: 'output-raw-hook',
      hook: 'output-raw',
      rules: [
        ...passing,
        ...quarantine({ protocols: ['tcp', 'udp'], ports: [dnsPort] }),
        { isLocal: true, action: { do: 'return' } },
        ...quarantine({}),
      ],
    },
    {
      name: 'output-nat-hook',
      hook: 'output-nat',
      rules: [
        ...exempt.map((rule): Rule => ({ ...rule, action: { do: 'pass' } })),
        { action: { do: 'jump', chain: 'intercept' } },
      ],
    },
    {
      name: 'output-hook',
      hook: 'output',
      rules: [
        ...exempt,
        { isLocal: true, action: { do: 'accept' } },
        // To the link only: elsewhere they would carry data out.
        {
          family: 6,
          destinations: reduceRanges(['ff02::/16', 'fe80::/10', ...v6Networks], 6),
          protocols: ['icmpv6'],
          icmpTypes: neighbourTypes,
          action: { do: 'accept' },
        },
        {
          family: 6,
          destinations: ['ff02::/16'],
          protocols: ['icmpv6'],
          icmpTypes: listenerTypes,
          action: { do: 'accept' },
        },
        { action: { do: 'jump', chain: 'always-enforced' } },
        // Port 53 was redirected already: what still goes elsewhere belongs to no connection of ours.
        { action: { do: 'goto', chain: 'egress' } },
      ],
    },
  ];
}
