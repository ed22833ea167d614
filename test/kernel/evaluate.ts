// Two small interpreters that read the printed texts, nft and iptables, and say what becomes of a packet. They
// share nothing with the printers; a word that they do not know is an error.

import { cidrContains, parseAddress, parseCidr } from '../../flow/address.ts';

export interface Packet {
  readonly family: 4 | 6;
  readonly source: string;
  readonly destination: string;
  readonly protocolNumber: number;
  readonly port: number;
  readonly icmpType: number;
  readonly inputInterface: string;
  readonly outputInterface: string;
  readonly state: 'new' | 'ongoing' | 'invalid';
  /** The destination is an address of the gateway. */
  readonly isLocal: boolean;
  readonly isUnrouted: boolean;
  readonly isQuarantined: boolean;
  readonly isBound: boolean;
}
/** `redirected`, `delivered`, `forwarded` or `blocked`, and the prefix of the log line, if any. */
export type Fate = string;

interface Walk {
  readonly packet: Packet & { readonly isRedirected: boolean };
  log: string;
}
type Step =
  | { readonly end: 'accept' | 'drop' | 'return' | 'redirect' }
  | { readonly to: string; readonly returns: boolean };
/** What a rule does with a packet: null when it does not match or only takes note. */
type Rule = (walk: Walk) => Step | null;
type Chains = ReadonlyMap<string, readonly Rule[]>;

function run(chains: Chains, name: string, walk: Walk, depth = 0): 'accept' | 'drop' | 'return' | 'redirect' {
  const rules = chains.get(name);
  if (rules === undefined || depth > 16) throw new Error(`no chain ${name}`);
  for (const rule of rules) {
    const step = rule(walk);
    if (step === null) continue;
    if ('end' in step) return step.end;
    const result = run(chains, step.to, walk, depth + 1);
    if (result !== 'return' || !step.returns) return result;
  }
  return 'return';
}

const numbers: Readonly<Record<string, number>> = { tcp: 6, udp: 17, icmp: 1, 'ipv6-icmp': 58, igmp: 2 };

function holds(set: string, address: string): boolean {
  const range = set.includes('/') ? parseMapped(set) : null;
  if (range === null) return set === address;
  const bytes = parseAddress(address)!;
  return bytes.length === range.bytes.length && cidrContains(range, bytes);
}

// cidrContains reads a v4-mapped address as IPv4: no packet of ours carries one.
function parseMapped(set: string): ReturnType<typeof parseCidr> {
  return parseCidr(set);
}

function portHolds(set: string, port: number): boolean {
  const [from, to] = set.split(/[-:]/).map(Number);
  return port >= from! && port <= (to ?? from!);
}

/** The fate by the nft text. */
export class NftEvaluator {
  readonly #chains = new Map<string, Rule[]>();

  constructor(text: string) {
    for (const line of text.split('\n')) {
      const chain = /^add chain inet \S+ (\S+)/.exec(line);
      if (chain) this.#chains.set(chain[1]!, []);
      const rule = /^add rule inet \S+ (\S+) (.*)$/.exec(line);
      if (rule) this.#chains.get(rule[1]!)!.push(nftRule(rule[2]!));
    }
  }

  judge(packet: Packet): Fate {
    const walk: Walk = { packet: { ...packet, isRedirected: false }, log: '' };
    const passes = (name: string): boolean => {
      const end = this.#chains.has(name) ? run(this.#chains, name, walk) : 'return';
      return end !== 'drop';
    };
    if (!passes('raw-hook') || !passes('early-hook')) return `blocked ${walk.log}`;
    const isNew = packet.state === 'new';
    if (isNew && run(this.#chains, 'nat-hook', walk) === 'redirect')
      return redirected(this.#chains, 'input-hook', walk);
    return delivered(passes(packet.isLocal ? 'input-hook' : 'forward-hook'), walk);
  }
}

function redirected(chains: Chains, hook: string, walk: Walk): Fate {
  const packet = {
    ...walk.packet,
    isRedirected: true,
    isLocal: true,
    port: 10001,
    destination: ownAddress(walk.packet),
  };
  const inner: Walk = { packet, log: '' };
  return run(chains, hook, inner) === 'drop' ? `blocked ${inner.log}` : 'redirected';
}

function ownAddress(packet: Packet): string {
  return packet.family === 4 ? '10.77.0.1' : 'fd77::1';
}

function delivered(passes: boolean, walk: Walk): Fate {
  if (!passes) return `blocked ${walk.log}`;
  return walk.packet.isLocal ? 'delivered' : `forwarded ${walk.log}`;
}

function nftRule(text: string): Rule {
  const tokens = text.match(/"[^"]*"|\{[^}]*\}|\S+/g)!;
  const steps: Rule[] = [];
  const matches: ((packet: Walk['packet']) => boolean)[] = [];
  let at = 0;
  const next = (): string => tokens[at++] ?? '';
  const set = (): string[] => {
    const word = next();
    const items = word.startsWith('{') ? word.slice(1, -1).split(',') : [word];
    return items.map((item) => item.trim().replaceAll('"', ''));
  };
  const end = (end: 'accept' | 'drop' | 'return' | 'redirect'): void => void steps.push(() => ({ end }));
  const to = (chain: string, returns: boolean): void => void steps.push(() => ({ to: chain, returns }));
  const map = (key: (packet: Walk['packet']) => string | null): void => {
    const word = next();
    if (word.startsWith('@')) return; // nothing is pinned
    const rows = word
      .slice(1, -1)
      .split(',')
      .map((row) => /^\s*(\S+) : goto (\S+)\s*$/.exec(row)!);
    steps.push(({ packet }) => {
      const value = key(packet);
      const row = rows.find(
        ([, from = '']) => from === value || (value !== null && from.includes('/') && holds(from, value)),
      );
      return row ? { to: row[2]!, returns: false } : null;
    });
  };
  const address = (family: 4 | 6): void => {
    const side = next() === 'saddr' ? 'source' : 'destination';
    if (tokens[at] === '.') {
      while (!tokens[at]!.startsWith('@')) at++;
      const name = next();
      matches.push((packet) => packet.family === family && name.startsWith('@bound') && packet.isBound);
      return;
    }
    if (tokens[at] === 'vmap') {
      at++;
      map((packet) => (packet.family === family ? packet[side] : null));
      return;
    }
    if (tokens[at]!.startsWith('@quarantine')) {
      at++;
      matches.push((packet) => packet.family === family && packet.isQuarantined);
      return;
    }
    const ranges = set();
    matches.push((packet) => packet.family === family && ranges.some((range) => holds(range, packet[side])));
  };
  while (at < tokens.length) {
    const word = next();
    if (word === 'iifname' || word === 'oifname') {
      const names = set();
      const key = word === 'iifname' ? 'inputInterface' : 'outputInterface';
      matches.push((packet) => names.includes(packet[key]));
    } else if (word === 'meta') {
      const key = next();
      if (key === 'nfproto') {
        const family = next() === 'ipv4' ? 4 : 6;
        matches.push((packet) => packet.family === family);
      } else if (key === 'l4proto') {
        const negated = tokens[at] === '!=' && next() !== '';
        const protocols = set().map((name) => numbers[name]!);
        matches.push((packet) => protocols.includes(packet.protocolNumber) !== negated);
      } else if (key === 'mark') {
        at += 5; // set meta mark | 0x…
      } else throw new Error(`meta ${key}`);
    } else if (word === 'ip' || word === 'ip6') address(word === 'ip' ? 4 : 6);
    else if (word === 'th') {
      at++;
      const ports = set();
      matches.push(({ port }) => ports.some((range) => portHolds(range, port)));
    } else if (word === 'icmp' || word === 'icmpv6') {
      at++;
      const types = set().map(Number);
      matches.push(({ icmpType }) => types.includes(icmpType));
    } else if (word === 'ct') {
      const key = next();
      const value = next();
      if (key === 'status') matches.push(({ isRedirected }) => isRedirected);
      else matches.push(({ state }) => state === (value === 'invalid' ? 'invalid' : 'ongoing'));
    } else if (word === 'fib') {
      if (next() === 'daddr') {
        at += 2;
        matches.push(({ isLocal }) => isLocal);
      } else {
        at += 4;
        matches.push(({ isUnrouted }) => isUnrouted);
      }
    } else if (word === 'limit') at += 5;
    else if (word === 'update' || word === 'add') at += 2;
    else if (word === 'counter') at += tokens[at] === 'comment' ? 2 : 0;
    else if (word === 'log') {
      at++;
      const prefix = next().slice(1, -1);
      at += 4;
      steps.push((walk) => {
        walk.log = prefix;
        return null;
      });
    } else if (word === 'jhash') {
      at += 7;
      const rows = next().match(/goto (\S+?)[, ]/)!;
      to(rows[1]!, false);
    } else if (word === 'goto' || word === 'jump') to(next(), word === 'jump');
    else if (word === 'accept' || word === 'drop' || word === 'return') end(word);
    else if (word === 'reject') {
      at = tokens.length;
      end('drop');
    } else if (word === 'redirect' || word === 'dnat') {
      at = tokens.length;
      end('redirect');
    } else if (word === 'masquerade') end('accept');
    else throw new Error(`unknown word ${word} in ${text}`);
  }
  return all(matches, steps);
}

// Statements before the verdict only take note; the first that answers decides.
function all(matches: readonly ((packet: Walk['packet']) => boolean)[], steps: readonly Rule[]): Rule {
  return (walk) => {
    if (!matches.every((match) => match(walk.packet))) return null;
    for (const step of steps) {
      const answer = step(walk);
      if (answer !== null) return answer;
    }
    return null;
  };
}

/** The fate by the iptables texts, both families, with the sets of the ipset text. */
export class IptablesEvaluator {
  readonly #tables = new Map<string, Map<string, Rule[]>>();

  constructor(texts: { readonly ipset: string; readonly iptables: string; readonly ip6tables: string }) {
    const sets = new Map<string, string[]>();
    for (const line of texts.ipset.split('\n')) {
      const [verb, , name = '', range = ''] = line.split(' ');
      if (verb === 'add')
        sets.set(name.replace(/-new$/, ''), [...(sets.get(name.replace(/-new$/, '')) ?? []), range]);
    }
    for (const [family, text] of [
      [4, texts.iptables],
      [6, texts.ip6tables],
    ] as const) {
      let table = new Map<string, Rule[]>();
      for (const line of text.split('\n')) {
        if (line.startsWith('*')) {
          table = new Map(
            ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'].map((name) => [name, []]),
          );
          this.#tables.set(`${family}${line.slice(1)}`, table);
        } else if (line.startsWith(':')) table.set(line.slice(1).split(' ')[0]!, []);
        else if (line.startsWith('-A ') || line.startsWith('-I ')) {
          const [, name, rest] = /^-[AI] (\S+)(?: \d+)? (.*)$/.exec(line)!;
          table.get(name!)!.push(iptablesRule(rest!, sets));
        } else if (line !== 'COMMIT' && line !== '') throw new Error(`unknown line ${line}`);
      }
    }
  }

  judge(packet: Packet): Fate {
    const table = (name: string): Chains => this.#tables.get(`${packet.family}${name}`)!;
    const walk: Walk = { packet: { ...packet, isRedirected: false }, log: '' };
    if (run(table('raw'), 'PREROUTING', walk) === 'drop') return `blocked ${walk.log}`;
    const isNew = packet.state === 'new';
    if (isNew && run(table('nat'), 'PREROUTING', walk) === 'redirect')
      return redirected(table('filter'), 'INPUT', walk);
    return delivered(run(table('filter'), packet.isLocal ? 'INPUT' : 'FORWARD', walk) !== 'drop', walk);
  }
}

function iptablesRule(text: string, sets: ReadonlyMap<string, readonly string[]>): Rule {
  const tokens = text.match(/"[^"]*"|\S+/g)!;
  const matches: ((packet: Walk['packet']) => boolean)[] = [];
  const steps: Rule[] = [];
  for (let at = 0; at < tokens.length; at++) {
    const word = tokens[at]!;
    const value = (): string => tokens[++at]!.replaceAll('"', '');
    if (word === '-i' || word === '-o') {
      const name = value();
      matches.push((packet) => packet[word === '-i' ? 'inputInterface' : 'outputInterface'] === name);
    } else if (word === '-s' || word === '-d') {
      const range = value();
      matches.push((packet) => masked(range, packet[word === '-s' ? 'source' : 'destination']));
    } else if (word === '-p') {
      const name = value();
      matches.push(({ protocolNumber }) => protocolNumber === numbers[name]);
    } else if (word === '--dport') {
      const range = value();
      matches.push(({ port }) => portHolds(range, port));
    } else if (word === '--icmp-type' || word === '--icmpv6-type') {
      const type = Number(value());
      matches.push(({ icmpType }) => icmpType === type);
    } else if (word === '--ctstate') {
      const state = value();
      matches.push((packet) =>
        state === 'DNAT'
          ? packet.isRedirected
          : packet.state === (state === 'INVALID' ? 'invalid' : 'ongoing'),
      );
    } else if (word === '--dst-type') {
      value();
      matches.push(({ isLocal }) => isLocal);
    } else if (word === '--invert') matches.push(({ isUnrouted }) => isUnrouted);
    else if (word === '--match-set') {
      const name = value();
      value();
      if (/-(seen|over)-[a-z]+\d$|-pin\d+-\d$/.test(name)) matches.push(() => false);
      else if (name.includes('-quarantine')) matches.push(({ isQuarantined }) => isQuarantined);
      else if (name.includes('-bound')) matches.push(({ isBound }) => isBound);
      else
        matches.push(({ destination }) => (sets.get(name) ?? []).some((range) => holds(range, destination)));
    } else if (word === '--nflog-prefix') {
      const prefix = value();
      steps.push((walk) => {
        walk.log = prefix;
        return null;
      });
    } else if (word === '-j' || word === '-g') iptablesTarget(value(), word === '-j', steps);
    else if (word === '--add-set') at += 2;
    else if (word === '--hashlimit-above') {
      value();
      matches.push(() => false);
    } else if (word === '!' && tokens[at + 1] === '--mark') at += 2;
    else if (word === '-m' || /^--(hashlimit|nflog|limit|reject-with|to-|set-xmark)/.test(word)) value();
    else throw new Error(`unknown word ${word} in ${text}`);
  }
  return all(matches, steps);
}

function iptablesTarget(name: string, returns: boolean, steps: Rule[]): void {
  const ends = {
    ACCEPT: 'accept',
    DROP: 'drop',
    REJECT: 'drop',
    RETURN: 'return',
    REDIRECT: 'redirect',
    DNAT: 'redirect',
  } as const;
  if (name === 'NFLOG' || name === 'MARK' || name === 'SET') return;
  const end = Object.hasOwn(ends, name) ? ends[name as keyof typeof ends] : null;
  steps.push(() => (end === null ? { to: name, returns } : { end }));
}

// Masks of the worker buckets are not contiguous.
function masked(range: string, address: string): boolean {
  const [base, mask] = range.split('/');
  if (mask === undefined || /^\d+$/.test(mask)) return holds(range, address);
  const [want, bits, have] = [base!, mask, address].map((text) => parseAddress(text)!);
  return have!.length === want!.length && want!.every((byte, i) => (have![i]! & bits![i]!) === byte);
}
