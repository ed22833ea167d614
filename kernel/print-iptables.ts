// Prints the same rule set for iptables, ip6tables and ipset, table by table: for `rules iptables` as texts for the
// restore programs (`--noflush`), for the keeper in the pieces that iptables-tables.ts puts together.

import { SallyportError } from '../flow/errors.ts';
import { ipsetNames, liveSetName, printIpset } from './print-ipset.ts';
import {
  silentReasons,
  type Action,
  type Chain,
  type Family,
  type Hook,
  type KernelConfig,
  type Rule,
  type RuleSet,
} from './rule-model.ts';
import { outcomeName } from './print-nft.ts';
import type { End } from './print-nft-counts.ts';

type Table = 'security' | 'raw' | 'nat' | 'filter';
interface Place {
  readonly table: Table;
  readonly chains: readonly string[];
}

// REJECT does not exist before routing, so what is always enforced is asked where packets are delivered.
const places: Readonly<Record<Hook, Place>> = {
  raw: { table: 'raw', chains: ['PREROUTING'] },
  early: { table: 'filter', chains: ['INPUT', 'FORWARD'] },
  nat: { table: 'nat', chains: ['PREROUTING'] },
  input: { table: 'filter', chains: ['INPUT'] },
  forward: { table: 'filter', chains: ['FORWARD'] },
  'source-nat': { table: 'nat', chains: ['POSTROUTING'] },
  'output-raw': { table: 'raw', chains: ['OUTPUT'] },
  'output-nat': { table: 'nat', chains: ['OUTPUT'] },
  output: { table: 'filter', chains: ['OUTPUT'] },
};

export interface PrintedChain {
  readonly name: string;
  /** Rules without their `-A NAME`. */
  readonly lines: readonly string[];
}

export interface PrintedTable {
  readonly table: string;
  readonly chains: readonly PrintedChain[];
  /** Rules of the machine's own chains that enter ours, first in those, in this order. */
  readonly hooks: readonly { readonly chain: string; readonly target: string }[];
}

export interface IptablesText {
  /** For `ipset restore`; applied first. */
  readonly ipset: string;
  /** For `iptables-restore --noflush` and `ip6tables-restore --noflush`, on tables that hold nothing of ours. */
  readonly iptables: string;
  readonly ip6tables: string;
  /** The same in pieces; the first table is the guard. */
  readonly tables: Readonly<Record<Family, readonly PrintedTable[]>>;
  /** What the names of all own chains begin with. */
  readonly prefix: string;
  /** All own sets. */
  readonly sets: readonly string[];
}

/** The texts. @throws SallyportError kernel when a name would be too long */
export function printIptables(ruleSet: RuleSet): IptablesText {
  const printer = new Printer(ruleSet);
  const tables = { 4: printer.print(4), 6: printer.print(6) };
  return {
    ipset: printIpset(ruleSet),
    iptables: wholeText(tables[4]),
    ip6tables: wholeText(tables[6]),
    tables,
    prefix: chainName(ruleSet.config.table, ''),
    sets: ipsetNames(ruleSet.config),
  };
}

function wholeText(tables: readonly PrintedTable[]): string {
  const lines = tables.flatMap(({ table, chains, hooks }) => [
    `*${table}`,
    ...chains.map(({ name }) => `:${name} - [0:0]`),
    ...chains.flatMap(({ name, lines }) => lines.map((line) => `-A ${name} ${line}`)),
    ...hookLines(hooks),
    'COMMIT',
  ]);
  return `${lines.join('\n')}\n`;
}

/** Lines that put the hooks first in their chains. */
export function hookLines(hooks: PrintedTable['hooks']): string[] {
  const positions = new Map<string, number>();
  return hooks.map(({ chain, target }) => {
    const position = (positions.get(chain) ?? 0) + 1;
    positions.set(chain, position);
    return `-I ${chain} ${position} -j ${target}`;
  });
}

class Printer {
  readonly #ruleSet: RuleSet;
  readonly #config: KernelConfig;
  readonly #byName: ReadonlyMap<string, Chain>;

  constructor(ruleSet: RuleSet) {
    this.#ruleSet = ruleSet;
    this.#config = ruleSet.config;
    this.#byName = new Map(ruleSet.chains.map((chain) => [chain.name, chain]));
  }

  /** All tables of a family, the guard's first: it stands before anything is let through. */
  print(family: Family): PrintedTable[] {
    const tables = (['raw', 'nat', 'filter'] as const).map((table): PrintedTable => {
      const names = this.#chainsOf(table);
      return {
        table,
        chains: names.map((name) => ({
          name: this.#chainName(name),
          lines: this.#chainLines(name, table, family),
        })),
        hooks: this.#hooks(table),
      };
    });
    return [this.#guard(), ...tables];
  }

  // The table `security` comes after `filter`: what the main rules let pass bears their mark by then.
  #guard(): PrintedTable {
    const unmarked = `-m mark ! --mark ${this.#mark()} -j DROP`;
    const interfaces = this.#config.runnerInterfaces.map(wildcard);
    const isSidecar = this.#config.mode === 'sidecar';
    const ported = (match: string): string[] =>
      ['tcp', 'udp'].map((name) => `${match}-p ${name} ${unmarked}`);
    const forward = interfaces.flatMap((name) => [
      `-i ${name} ${unmarked}`,
      `-o ${name} -m conntrack --ctstate NEW ${unmarked}`,
    ]);
    const own = isSidecar
      ? [
          '-o lo -j RETURN',
          ...this.#config.exemptUids.map((uid) => `-m owner --uid-owner ${uid} -j RETURN`),
          ...ported(''),
        ]
      : interfaces.flatMap((name) => ported(`-i ${name} `));
    const chains: [hook: string, name: string, lines: string[]][] = [
      ['FORWARD', 'guard-forward', forward],
      isSidecar ? ['OUTPUT', 'guard-output', own] : ['INPUT', 'guard-input', own],
    ];
    return {
      table: 'security',
      chains: chains.map(([, name, lines]) => ({ name: this.#chainName(name), lines })),
      hooks: chains.map(([chain, name]) => ({ chain, target: this.#chainName(name) })),
    };
  }

  // In the order of their first use.
  #chainsOf(table: Table): string[] {
    const found = new Set<string>();
    for (const chain of this.#ruleSet.chains) {
      if (chain.hook !== undefined && places[chain.hook].table === table)
        this.#collect(chain.name, table, found);
    }
    return [...found];
  }

  #collect(name: string, table: Table, found: Set<string>): void {
    if (found.has(name)) return;
    found.add(name);
    const chain = this.#byName.get(name);
    const targets =
      chain !== undefined
        ? chain.rules.flatMap(({ action }) => targetsOf(action))
        : /^(block|audit|allow)-/.test(name)
          ? outcomeTargets(name, table)
          : name.startsWith('over-')
            ? [name.slice('over-'.length)]
            : [];
    for (const target of targets) this.#collect(target, table, found);
  }

  #hooks(table: Table): PrintedTable['hooks'] {
    return this.#ruleSet.chains.flatMap((chain) => {
      if (chain.hook === undefined || places[chain.hook].table !== table) return [];
      const target = this.#chainName(chain.name);
      return places[chain.hook].chains.map((hook) => ({ chain: hook, target }));
    });
  }

  #chainLines(name: string, table: Table, family: Family): string[] {
    const chain = this.#byName.get(name);
    if (chain !== undefined) return chain.rules.flatMap((rule) => this.#ruleLines(rule, family));
    if (name === 'accept') return [`-j MARK --set-xmark ${this.#mark()}`, '-j ACCEPT'];
    if (name === 'silence') return ['-j DROP'];
    if (name === 'refuse') return refusals(family);
    if (name.startsWith('over-')) return this.#overLines(name, family);
    return this.#outcomeLines(name, table, family);
  }

  // The set of seen keys counts by itself. Each key is logged once in a window, and each runner has a share of new
  // keys, so that none can crowd out another (of IPv6 a /64: a runner has all of its addresses at will).
  #outcomeLines(name: string, table: Table, family: Family): string[] {
    const end = endOf(name, table);
    const [target, over] = outcomeTargets(name, table);
    const seen = this.#setName(`seen-${end}`, family);
    const share =
      `-m hashlimit --hashlimit-name ${this.#chainName(`share-${end}`)} --hashlimit-mode srcip ` +
      `${family === 6 ? '--hashlimit-srcmask 64 ' : ''}--hashlimit-above 100/second --hashlimit-burst 400 ` +
      `--hashlimit-htable-max 65536`;
    const log =
      `-j NFLOG --nflog-group ${this.#config.logGroup} --nflog-size 128 ` +
      `--nflog-prefix "${name.replace('-', ' ')}"`;
    return [
      `-m set --match-set ${seen} src,dst,dst -g ${this.#chainName(target)}`,
      `${share} -g ${this.#chainName(over)}`,
      `-j SET --add-set ${seen} src,dst,dst`,
      log,
      `-g ${this.#chainName(target)}`,
    ];
  }

  #overLines(name: string, family: Family): string[] {
    const target = name.slice('over-'.length);
    const over = this.#setName(`over-${target === 'accept' ? 'pass' : target}`, family);
    const end = `-g ${this.#chainName(target)}`;
    return [`-m set --match-set ${over} src ${end}`, `-j SET --add-set ${over} src`, end];
  }

  #ruleLines(rule: Rule, family: Family): string[] {
    if (rule.family !== undefined && rule.family !== family) return [];
    const matches = this.#matchTexts(rule, family);
    return this.#actionTexts(rule.action, family).flatMap((action) =>
      matches.map((match) => [...match, action].join(' ')),
    );
  }

  // One text per combination of the alternatives; none when a list is empty.
  #matchTexts(rule: Rule, family: Family): string[][] {
    if (rule.list !== undefined && this.#ruleSet.lists[rule.list][family].length === 0) return [];
    const alternatives: (readonly string[])[] = [
      ...optional(rule.inputInterfaces?.map((name) => `-i ${wildcard(name)}`)),
      ...optional(rule.outputInterfaces?.map((name) => `-o ${wildcard(name)}`)),
      ...optional(rule.sources?.map((range) => `-s ${range}`)),
      ...optional(rule.destinations?.map((range) => `-d ${range}`)),
      ...optional(rule.protocols?.map((name) => `-p ${name === 'icmpv6' ? 'ipv6-icmp' : name}`)),
      ...optional(rule.ports?.map(([from, to]) => `--dport ${from === to ? from : `${from}:${to}`}`)),
      ...optional(
        rule.icmpTypes?.map((type) =>
          family === 4 ? `-m icmp --icmp-type ${type}` : `-m icmp6 --icmpv6-type ${type}`,
        ),
      ),
      ...optional(rule.uids?.map((uid) => `-m owner --uid-owner ${uid}`)),
      ...singleMatches(rule).map((text) => [text]),
      ...(rule.list === undefined ? [] : [[`-m set --match-set ${this.#setName(rule.list, family)} dst`]]),
      ...(rule.set === 'quarantine'
        ? [[`-m set --match-set ${this.#setName('quarantine', family)} src`]]
        : []),
      ...(rule.set === 'bound' ? [[`-m set --match-set ${this.#setName('bound', family)} src,dst,dst`]] : []),
    ];
    return alternatives.reduce<string[][]>(
      (texts, choices) => texts.flatMap((text) => choices.map((choice) => [...text, choice])),
      [[]],
    );
  }

  #actionTexts(action: Action, family: Family): string[] {
    const chain = (name: string): string => this.#chainName(name);
    switch (action.do) {
      case 'accept':
        return [`-g ${chain('accept')}`];
      case 'pass':
        return ['-j ACCEPT'];
      case 'return':
        return ['-j RETURN'];
      case 'ignore':
        return ['-j DROP'];
      case 'jump':
        return [`-j ${chain(action.chain)}`];
      case 'goto':
        return [`-g ${chain(action.chain)}`];
      case 'dispatch':
        return action.chains.map(([source, name]) => `-s ${source} -g ${chain(name)}`);
      case 'redirect':
        return [`-j REDIRECT --to-ports ${action.port}`];
      case 'dnat': {
        const host = family === 6 ? `[${action.address}]` : action.address;
        return [`-j DNAT --to-destination ${host}:${action.port}`];
      }
      case 'masquerade':
        return ['-j MASQUERADE'];
      case 'spread':
        return [...this.#pinTexts(action.chains, family), ...spreadTexts(action.chains, family, chain)];
      default:
        return [`-g ${chain(outcomeName(action) ?? '')}`];
    }
  }

  #pinTexts(chains: readonly string[], family: Family): string[] {
    return chains.map((chain, index) => {
      const set = this.#setName(`pin${index}-`, family);
      return `-m set --match-set ${set} src -g ${this.#chainName(chain)}`;
    });
  }

  #setName(name: string, family: Family): string {
    return liveSetName(this.#config.table, name, family);
  }

  #chainName(name: string): string {
    return chainName(this.#config.table, name);
  }

  #mark(): string {
    const bits = `0x${this.#config.guardMark.toString(16)}`;
    return `${bits}/${bits}`;
  }
}

function targetsOf(action: Action): string[] {
  if (action.do === 'accept') return ['accept'];
  if (action.do === 'jump' || action.do === 'goto') return [action.chain];
  if (action.do === 'dispatch') return action.chains.map(([, chain]) => chain);
  if (action.do === 'spread') return [...action.chains];
  const outcome = outcomeName(action);
  if (outcome === null) return [];
  return [outcome];
}

function outcomeTargets(name: string, table: Table): readonly [end: string, over: string] {
  const end = endOf(name, table);
  const target = end === 'pass' ? 'accept' : end;
  return [target, `over-${target}`];
}

function singleMatches(rule: Rule): string[] {
  return [
    ...(rule.state === 'ongoing' ? ['-m conntrack --ctstate ESTABLISHED,RELATED'] : []),
    ...(rule.state === 'invalid' ? ['-m conntrack --ctstate INVALID'] : []),
    ...(rule.isRedirected ? ['-m conntrack --ctstate DNAT'] : []),
    ...(rule.isLocal ? ['-m addrtype --dst-type LOCAL'] : []),
    ...(rule.isUnrouted ? ['-m rpfilter --invert'] : []),
    ...(rule.perSecond === undefined ? [] : [`-m limit --limit ${rule.perSecond}/second --limit-burst 20`]),
  ];
}

// iptables has no seeded hash of the source alone: the address's low bits choose, for TCP and UDP alike.
function spreadTexts(chains: readonly string[], family: Family, name: (chain: string) => string): string[] {
  if (chains.length === 1) return [`-g ${name(chains[0]!)}`];
  const buckets = chains.length > 8 ? 64 : 16;
  return Array.from({ length: buckets }, (_, bucket) => {
    const target = name(chains[bucket % chains.length]!);
    return family === 4
      ? `-s 0.0.0.${bucket}/0.0.0.${buckets - 1} -g ${target}`
      : `-s ::${bucket.toString(16)}/::${(buckets - 1).toString(16)} -g ${target}`;
  });
}

function optional(texts: readonly string[] | undefined): (readonly string[])[] {
  return texts === undefined ? [] : [texts];
}

function wildcard(name: string): string {
  return name.endsWith('*') ? `${name.slice(0, -1)}+` : name;
}

// REJECT does not exist in `raw`; what is blocked there is blocked in silence anyway.
function endOf(name: string, table: Table): End {
  if (!name.startsWith('block-')) return 'pass';
  const isSilent = [...silentReasons].some((reason) => name === `block-${reason}`);
  return isSilent || table === 'raw' ? 'silence' : 'refuse';
}

function refusals(family: Family): string[] {
  const [port, other] =
    family === 4
      ? ['icmp-port-unreachable', 'icmp-admin-prohibited']
      : ['icmp6-port-unreachable', 'icmp6-adm-prohibited'];
  return [
    '-p tcp -j REJECT --reject-with tcp-reset',
    `-p udp -j REJECT --reject-with ${port}`,
    `-j REJECT --reject-with ${other}`,
  ];
}

// Two gateways of one machine must not share chains.
function chainName(table: string, name: string): string {
  let hash = 0;
  for (const char of table) hash = (Math.imul(hash, 31) + char.charCodeAt(0)) >>> 0;
  const prefix = table === 'sallyport' ? 'sp' : `sp${(hash & 0xffff).toString(16)}`;
  const whole = `${prefix}-${name}`;
  if (whole.length <= 28) return whole;
  throw new SallyportError('kernel', `${whole} is too long for iptables; choose another kernel.table`);
}
