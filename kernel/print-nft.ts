// Prints the rule set for nf_tables as flat commands: they run as they stand under `nft -f`, keep the live sets,
// and take the place of the rules of an earlier plan in one transaction.

import { countChains, countLines, countSets } from './print-nft-counts.ts';
import {
  silentReasons,
  type Action,
  type Chain,
  type Hook,
  type KernelConfig,
  type PortRange,
  type Rule,
  type RuleSet,
} from './rule-model.ts';

const hooks: Readonly<Record<Hook, string>> = {
  raw: 'type filter hook prerouting priority -300; policy accept;',
  early: 'type filter hook prerouting priority -150; policy accept;',
  nat: 'type nat hook prerouting priority -100; policy accept;',
  input: 'type filter hook input priority 0; policy accept;',
  forward: 'type filter hook forward priority 0; policy accept;',
  'source-nat': 'type nat hook postrouting priority 100; policy accept;',
  'output-raw': 'type filter hook output priority -300; policy accept;',
  'output-nat': 'type nat hook output priority -100; policy accept;',
  output: 'type filter hook output priority 0; policy accept;',
};
const liveSets = [
  'set quarantine4 { type ipv4_addr; flags timeout; size 65536; }',
  'set quarantine6 { type ipv6_addr; flags timeout; size 65536; }',
  'set bound4 { type ipv4_addr . ipv4_addr . inet_proto . inet_service; flags timeout; size 262144; }',
  'set bound6 { type ipv6_addr . ipv6_addr . inet_proto . inet_service; flags timeout; size 262144; }',
  'map pin4 { type ipv4_addr : verdict; size 65536; }',
  'map pin6 { type ipv6_addr : verdict; size 65536; }',
];

export interface NftText {
  /** Sets and maps, idempotent. */
  readonly sets: readonly string[];
  /** Names of all chains, in the order of their making. */
  readonly chainNames: readonly string[];
  /** `add chain` lines, idempotent. */
  readonly chains: readonly string[];
  readonly rules: readonly string[];
}

/** The parts of the text; the keeper puts its own flushes and deletions between them. */
export function nftParts(ruleSet: RuleSet): NftText {
  const { config } = ruleSet;
  const target = `inet ${config.table}`;
  const outcomes = outcomeChains(ruleSet);
  const chains: readonly Pick<Chain, 'name' | 'hook'>[] = [
    ...countChains(),
    ...outcomes.map(({ name }) => ({ name })),
    ...ruleSet.chains,
  ];
  return {
    sets: [...liveSets, ...countSets(config)].map((text) => `add ${text.replace(' ', ` ${target} `)}`),
    chainNames: chains.map(({ name }) => name),
    chains: chains.map((chain) => {
      const hook = chain.hook !== undefined ? ` { ${hooks[chain.hook]} }` : '';
      return `add chain ${target} ${chain.name}${hook}`;
    }),
    rules: [
      ...countLines(config),
      ...outcomes.flatMap(({ name, lines }) => lines.map((line) => `add rule ${target} ${name} ${line}`)),
      ...ruleSet.chains.flatMap((chain) =>
        chain.rules
          .flatMap((rule) => ruleLines(ruleSet, rule))
          .map((line) => `add rule ${target} ${chain.name} ${line}`),
      ),
    ],
  };
}

/** The whole text for `nft -f`: makes the table when it is missing, else reloads it in place. */
export function printNft(ruleSet: RuleSet): string {
  const { sets, chainNames, chains, rules } = nftParts(ruleSet);
  const target = `inet ${ruleSet.config.table}`;
  const lines = [
    `add table ${target}`,
    ...sets,
    ...chains,
    ...chainNames.map((name) => `flush chain ${target} ${name}`),
    ...rules,
  ];
  return `${lines.join('\n')}\n`;
}

/** The guard: a second table that stops what the main one has not marked, should that be gone. */
export function guardParts(config: KernelConfig): NftText {
  const target = `inet ${config.table}_guard`;
  const unmarked = `meta mark & ${hex(config.guardMark)} != ${hex(config.guardMark)} counter drop`;
  const interfaces = config.runnerInterfaces;
  const chains: [name: string, hook: string, rules: string[]][] = [];
  if (interfaces.length > 0) {
    const forward = `type filter hook forward priority 10; policy accept;`;
    chains.push([
      'forward',
      forward,
      [
        `iifname ${quotedSet(interfaces)} ${unmarked}`,
        `oifname ${quotedSet(interfaces)} ct state new ${unmarked}`,
      ],
    ]);
  }
  if (config.mode === 'sidecar') {
    const exempt = config.exemptUids.length === 0 ? [] : [`meta skuid ${set(config.exemptUids)} accept`];
    chains.push([
      'output',
      'type filter hook output priority 10; policy accept;',
      ['oifname "lo" accept', ...exempt, `meta l4proto { tcp, udp } ${unmarked}`],
    ]);
  } else if (interfaces.length > 0) {
    chains.push([
      'input',
      'type filter hook input priority 10; policy accept;',
      [`iifname ${quotedSet(interfaces)} meta l4proto { tcp, udp } ${unmarked}`],
    ]);
  }
  return {
    sets: [],
    chainNames: chains.map(([name]) => name),
    chains: chains.map(([name, hook]) => `add chain ${target} ${name} { ${hook} }`),
    rules: chains.flatMap(([name, , rules]) => rules.map((rule) => `add rule ${target} ${name} ${rule}`)),
  };
}

/** The guard as a text for `nft -f`, for a service unit that loads it before forwarding is switched on. */
export function printGuard(config: KernelConfig): string {
  const { chains, chainNames, rules } = guardParts(config);
  const target = `inet ${config.table}_guard`;
  const flushes = chainNames.map((name) => `flush chain ${target} ${name}`);
  return `${[`add table ${target}`, ...chains, ...flushes, ...rules].join('\n')}\n`;
}

interface Outcome {
  readonly name: string;
  readonly lines: readonly string[];
}

// One chain per verdict and reason: counts, logs the first packet of its kind in a window, and ends.
function outcomeChains(ruleSet: RuleSet): Outcome[] {
  const { config } = ruleSet;
  const used = new Map<string, Outcome>();
  for (const rule of ruleSet.chains.flatMap((chain) => chain.rules)) {
    const name = outcomeName(rule.action);
    if (name === null || used.has(name)) continue;
    const end = endOf(rule.action);
    const log = `log prefix "${name.replace('-', ' ')}" group ${config.logGroup} snaplen 128`;
    used.set(name, { name, lines: [`jump count-${end}`, log, `goto ${end}`] });
  }
  const mark = acceptText(config);
  return [
    {
      name: 'refuse',
      lines: [
        'meta l4proto tcp reject with tcp reset',
        'meta l4proto udp reject with icmpx port-unreachable',
        'reject with icmpx admin-prohibited',
      ],
    },
    { name: 'silence', lines: ['drop'] },
    { name: 'pass', lines: [mark] },
    ...used.values(),
  ];
}

/** Name of the chain that an action of the log leads to (`block-quic`), or null for other actions. */
export function outcomeName(action: Action): string | null {
  if (action.do === 'allow') return 'allow-rule';
  return action.do === 'block' || action.do === 'audit' ? `${action.do}-${action.reason}` : null;
}

function endOf(action: Action): 'refuse' | 'silence' | 'pass' {
  if (action.do !== 'block') return 'pass';
  return silentReasons.has(action.reason) ? 'silence' : 'refuse';
}

function ruleLines(ruleSet: RuleSet, rule: Rule): string[] {
  const matches = matchText(ruleSet, rule);
  if (matches === null) return [];
  return actionTexts(ruleSet.config, rule).map((action) => [...matches, action].join(' '));
}

// Null when a list of the rule is empty: such a rule matches nothing.
function matchText(ruleSet: RuleSet, rule: Rule): string[] | null {
  const family = rule.family;
  const ip = family === 6 ? 'ip6' : 'ip';
  const list = rule.list === undefined ? undefined : ruleSet.lists[rule.list][family ?? 4];
  const destinations = list ?? rule.destinations;
  const lists = [
    rule.inputInterfaces,
    rule.outputInterfaces,
    rule.sources,
    destinations,
    rule.protocols,
    rule.ports,
  ];
  if (lists.some((entries) => entries?.length === 0)) return null;
  const text: string[] = [];
  if (rule.inputInterfaces) text.push(`iifname ${quotedSet(rule.inputInterfaces)}`);
  if (rule.outputInterfaces) text.push(`oifname ${quotedSet(rule.outputInterfaces)}`);
  if (rule.uids) text.push(`meta skuid ${set(rule.uids)}`);
  if (rule.state) text.push(rule.state === 'ongoing' ? 'ct state established,related' : 'ct state invalid');
  if (rule.isRedirected) text.push('ct status dnat');
  if (family !== undefined && needsFamily(rule)) text.push(`meta nfproto ipv${family}`);
  if (rule.sources) text.push(`${ip} saddr ${set(rule.sources)}`);
  if (destinations) text.push(`${ip} daddr ${set(destinations)}`);
  if (rule.protocols) text.push(`meta l4proto ${set(rule.protocols.map(protocolName))}`);
  if (rule.ports) text.push(`th dport ${set(rule.ports.map(rangeText))}`);
  if (rule.icmpTypes) text.push(`${family === 6 ? 'icmpv6' : 'icmp'} type ${set(rule.icmpTypes)}`);
  if (rule.isLocal) text.push('fib daddr type local');
  if (rule.isUnrouted) text.push('fib saddr . iif oif missing');
  if (rule.set === 'quarantine') text.push(`${ip} saddr @quarantine${family}`);
  if (rule.set === 'bound') text.push(`${ip} saddr . ${ip} daddr . meta l4proto . th dport @bound${family}`);
  if (rule.perSecond !== undefined) text.push(`limit rate ${rule.perSecond}/second burst 20 packets`);
  return text;
}

// Other matches imply the family by themselves.
function needsFamily(rule: Rule): boolean {
  return !rule.sources && !rule.destinations && !rule.list && !rule.set && rule.action.do !== 'dispatch';
}

function actionTexts(config: KernelConfig, rule: Rule): string[] {
  const action = rule.action;
  const ip = rule.family === 6 ? 'ip6' : 'ip';
  switch (action.do) {
    case 'accept':
      return [acceptText(config)];
    case 'pass':
      return ['accept'];
    case 'return':
      return ['return'];
    case 'ignore':
      return ['counter drop'];
    case 'jump':
    case 'goto':
      return [`${action.do} ${action.chain}`];
    case 'dispatch':
      return [`${ip} saddr vmap { ${action.chains.map(([from, to]) => `${from} : goto ${to}`).join(', ')} }`];
    case 'redirect':
      return [`redirect to :${action.port}`];
    case 'dnat':
      return [`dnat ${ip} to ${rule.family === 6 ? `[${action.address}]` : action.address}:${action.port}`];
    case 'masquerade':
      return ['masquerade'];
    case 'spread':
      return spreadTexts(config, action.chains);
    default:
      return [`goto ${outcomeName(action)}`];
  }
}

function spreadTexts(config: KernelConfig, chains: readonly string[]): string[] {
  const pins = ['ip saddr vmap @pin4', 'ip6 saddr vmap @pin6'];
  if (chains.length === 1) return [...pins, `goto ${chains[0]}`];
  const verdicts = chains.map((chain, index) => `${index} : goto ${chain}`).join(', ');
  const hash = (ip: string): string =>
    `jhash ${ip} saddr mod ${chains.length} seed ${hex(config.seed)} vmap { ${verdicts} }`;
  return [...pins, `meta nfproto ipv4 ${hash('ip')}`, `meta nfproto ipv6 ${hash('ip6')}`];
}

function acceptText(config: KernelConfig): string {
  return `meta mark set meta mark | ${hex(config.guardMark)} accept`;
}

function protocolName(name: string): string {
  return name === 'icmpv6' ? 'ipv6-icmp' : name;
}

function rangeText([from, to]: PortRange): string {
  return from === to ? String(from) : `${from}-${to}`;
}

function set(values: readonly (string | number)[]): string {
  return values.length === 1 ? String(values[0]) : `{ ${values.join(', ')} }`;
}

function quotedSet(names: readonly string[]): string {
  return set(names.map((name) => `"${name}"`));
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
