// Prints the same rule set for machines without nf_tables: one text each for ipset, iptables-restore and
// ip6tables-restore (`--noflush`). Counts are not exact here: the log is limited per key instead.

import { SallyportError } from '../flow/errors.ts';
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

type Table = 'raw' | 'nat' | 'filter';
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
  'output-nat': { table: 'nat', chains: ['OUTPUT'] },
  output: { table: 'filter', chains: ['OUTPUT'] },
};

export interface IptablesText {
  /** For `ipset restore`; applied first. */
  readonly ipset: string;
  /** For `iptables-restore --noflush`. */
  readonly iptables: string;
  /** For `ip6tables-restore --noflush`. */
  readonly ip6tables: string;
  /** Rules that enter our chains, as arguments after `-t TABLE`: removed before they are applied anew. */
  readonly entries: readonly Entry[];
  /** All own chains by table, for removal. */
  readonly chains: readonly { readonly table: string; readonly name: string }[];
  /** All own sets, for removal. */
  readonly sets: readonly string[];
}

export interface Entry {
  readonly table: string;
  readonly chain: string;
  readonly target: string;
}

/** The three texts. @throws SallyportError kernel when a name would be too long */
export function printIptables(ruleSet: RuleSet): IptablesText {
  const printer = new Printer(ruleSet);
  return {
    ipset: printer.ipset(),
    iptables: printer.text(4),
    ip6tables: printer.text(6),
    entries: printer.entries(),
    chains: printer.tables().flatMap(([table, chains]) => chains.map((name) => ({ table, name }))),
    sets: printer.setNames(),
  };
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

  /** Chains by table, in the order of their first use. */
  tables(): [Table, string[]][] {
    return (['raw', 'nat', 'filter'] as const).map((table) => {
      const found = new Set<string>();
      for (const chain of this.#ruleSet.chains) {
        if (chain.hook !== undefined && places[chain.hook].table === table) this.#collect(chain.name, found);
      }
      return [table, [...found].map((name) => this.#chainName(name))];
    });
  }

  #collect(name: string, found: Set<string>): void {
    if (found.has(name)) return;
    found.add(name);
    for (const rule of this.#byName.get(name)?.rules ?? []) {
      for (const target of targetsOf(rule.action)) this.#collect(target, found);
    }
  }

  entries(): Entry[] {
    return this.#ruleSet.chains.flatMap((chain) => {
      if (chain.hook === undefined) return [];
      const { table, chains } = places[chain.hook];
      return chains.map((hook) => ({ table, chain: hook, target: this.#chainName(chain.name) }));
    });
  }

  text(family: Family): string {
    const entries = this.entries();
    const lines = this.tables().flatMap(([table, chains]) => {
      const positions = new Map<string, number>();
      const hooks = entries
        .filter((entry) => entry.table === table)
        .map(({ chain, target }) => {
          const position = (positions.get(chain) ?? 0) + 1;
          positions.set(chain, position);
          return `-I ${chain} ${position} -j ${target}`;
        });
      return [
        `*${table}`,
        ...chains.map((name) => `:${name} - [0:0]`),
        ...chains.flatMap((name) =>
          this.#chainLines(name, table, family).map((line) => `-A ${name} ${line}`),
        ),
        ...hooks,
        'COMMIT',
      ];
    });
    return `${lines.join('\n')}\n`;
  }

  #chainLines(printed: string, table: Table, family: Family): string[] {
    const name = printed.slice(this.#chainName('').length);
    if (name === 'accept') return [`-j MARK --set-xmark ${this.#mark()}`, '-j ACCEPT'];
    const chain = this.#byName.get(name);
    if (chain === undefined) return this.#outcomeLines(name, table, family);
    return chain.rules.flatMap((rule) => this.#ruleLines(rule, family));
  }

  #outcomeLines(name: string, table: Table, family: Family): string[] {
    const prefix = name.replace('-', ' ');
    const log =
      `-m hashlimit --hashlimit-name ${this.#chainName(name)} --hashlimit-mode srcip,dstip,dstport ` +
      `--hashlimit-upto 6/minute --hashlimit-burst 1 --hashlimit-htable-max 65536 ` +
      `-j NFLOG --nflog-group ${this.#config.logGroup} --nflog-size 128 --nflog-prefix "${prefix}"`;
    if (!name.startsWith('block-')) return [log, `-g ${this.#chainName('accept')}`];
    const isSilent = table === 'raw' || [...silentReasons].some((reason) => name === `block-${reason}`);
    if (isSilent) return [log, '-j DROP'];
    const [port, other] =
      family === 4
        ? ['icmp-port-unreachable', 'icmp-admin-prohibited']
        : ['icmp6-port-unreachable', 'icmp6-adm-prohibited'];
    return [
      log,
      '-p tcp -j REJECT --reject-with tcp-reset',
      `-p udp -j REJECT --reject-with ${port}`,
      `-j REJECT --reject-with ${other}`,
    ];
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
        return spreadTexts(action.chains, family, chain);
      default:
        return [`-g ${chain(outcomeName(action) ?? '')}`];
    }
  }

  ipset(): string {
    const lines: string[] = [];
    for (const family of [4, 6] as const) {
      const inet = family === 4 ? 'inet' : 'inet6';
      lines.push(`create -exist ${this.#setName('quarantine', family)} hash:ip family ${inet} timeout 0`);
      lines.push(
        `create -exist ${this.#setName('bound', family)} hash:ip,port,ip family ${inet} timeout 300 maxelem 262144`,
      );
      for (const list of ['never', 'blocklist'] as const) {
        const name = this.#setName(list, family);
        const options = `hash:net family ${inet} maxelem 262144`;
        // Filled aside and swapped, so that the list is never empty while it is loaded.
        lines.push(
          `create -exist ${name} ${options}`,
          `create -exist ${name}-new ${options}`,
          `flush ${name}-new`,
        );
        const ranges = this.#ruleSet.lists[list][family].flatMap(withoutZeroPrefix);
        lines.push(...ranges.map((range) => `add -exist ${name}-new ${range}`));
        lines.push(`swap ${name}-new ${name}`, `destroy ${name}-new`);
      }
    }
    return `${lines.join('\n')}\n`;
  }

  setNames(): string[] {
    return (['quarantine', 'bound', 'never', 'blocklist'] as const).flatMap((name) => [
      this.#setName(name, 4),
      this.#setName(name, 6),
    ]);
  }

  #setName(name: string, family: Family): string {
    return checkLength(`${this.#config.table}-${name}${family}`, 27);
  }

  #chainName(name: string): string {
    const table = this.#config.table;
    return checkLength(`${table === 'sallyport' ? 'sp' : table.slice(0, 6)}-${name}`, 28);
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
  return action.do === 'block' ? [outcome] : [outcome, 'accept'];
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

function withoutZeroPrefix(range: string): string[] {
  if (range === '0.0.0.0/0') return ['0.0.0.0/1', '128.0.0.0/1'];
  return range === '::/0' ? ['::/1', '8000::/1'] : [range];
}

function optional(texts: readonly string[] | undefined): (readonly string[])[] {
  return texts === undefined ? [] : [texts];
}

function wildcard(name: string): string {
  return name.endsWith('*') ? `${name.slice(0, -1)}+` : name;
}

function checkLength(name: string, limit: number): string {
  if (name.length <= limit) return name;
  throw new SallyportError('kernel', `${name} is too long for iptables; choose a shorter table name`);
}
