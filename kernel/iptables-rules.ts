// The rule set in the form of iptables, ip6tables and ipset, as the keeper holds it: rules by the stock programs,
// elements, counts and connections by netlink. Nobody can own these tables: they are compared and repaired.

import { formatAddress } from '../flow/address.ts';
import { SallyportError } from '../flow/errors.ts';
import type { NetworkPlan } from '../flow/network-plan.ts';
import type { Binding } from '../flow/ports.ts';
import type { BlockedRow } from './block-counts.ts';
import { buildRules } from './build-rules.ts';
import { forgetSource } from './conntrack.ts';
import { ConnectionReview } from './forget-disallowed.ts';
import type { Difference, HeldRules } from './held-rules.ts';
import { countIpset, IpsetElements, readIpset, turnIpset } from './ipset-elements.ts';
import { applyIptables, isAsPrinted, ownPart, readTables, removeIptables } from './iptables-tables.ts';
import { closeFd } from './libc.ts';
import { LiveSets } from './live-sets.ts';
import { ask, openNetfilter } from './netlink.ts';
import { nftMessage } from './nft.ts';
import { printIptables, type IptablesText } from './print-iptables.ts';
import { liveSetName } from './print-ipset.ts';
import { ends, type End } from './print-nft-counts.ts';
import type { Family, KernelConfig } from './rule-model.ts';
import { readTuple } from './set-elements.ts';
import { firstDifference } from './snapshot.ts';
import { watchChanges } from './watch-changes.ts';

const families: readonly Family[] = [4, 6];
/** Sets and the older kernel interface tell nobody of changes: they are looked at in this rhythm. */
const fullVerifyMs = 4000;

export class IptablesRules implements HeldRules {
  readonly isOwned = false;
  readonly #config: KernelConfig;
  readonly #fd: number;
  readonly #live: LiveSets;
  readonly #review: ConnectionReview;
  #plan: NetworkPlan | null = null;
  #text: IptablesText | null = null;
  #expected: ReadonlyMap<string, string> = new Map();
  #seen = { generation: -1, atMs: 0 };
  #endWatch: (() => void) | null = null;

  /** @throws SallyportError missing-privilege */
  constructor(config: KernelConfig) {
    this.#config = config;
    this.#fd = openNetfilter([], 8 * 1024 * 1024);
    this.#live = new LiveSets(new IpsetElements(this.#fd, config.table, config.workers));
    this.#review = new ConnectionReview(this.#fd, config, this.#live);
  }

  start(plan: NetworkPlan): void {
    this.#apply(plan);
    this.#live.adopt();
    this.#live.rewrite();
  }

  update(plan: NetworkPlan): void {
    const before = this.#plan;
    this.#apply(plan);
    if (before !== null && JSON.stringify(before) !== JSON.stringify(plan)) {
      this.#review.run(plan);
    }
  }

  bind(bindings: readonly Binding[]): void {
    this.#live.bind(bindings);
  }

  unbind(bindings: readonly Binding[]): void {
    this.#live.unbind(bindings);
  }

  review(): void {
    if (this.#plan !== null) this.#review.run(this.#plan);
  }

  cut(runner: string): void {
    this.#live.unbindRunner(runner);
    forgetSource(this.#fd, runner);
  }

  closeBindings(): void {
    this.#live.unbindAll();
    this.review();
  }

  quarantine(runner: string, durationMs: number): void {
    this.#live.quarantine(runner, durationMs);
    if (durationMs > 0) this.cut(runner);
  }

  pin(workers: ReadonlyMap<string, number>): void {
    this.#live.pin(workers);
  }

  verify(): Difference | null {
    const generation = this.#generation();
    const isFresh = performance.now() - this.#seen.atMs < fullVerifyMs;
    if (isFresh && generation === this.#seen.generation) return null;
    const difference = this.#difference();
    if (difference === null) this.#seen = { generation, atMs: performance.now() };
    return difference;
  }

  repair(): void {
    if (this.#plan === null) throw new SallyportError('kernel', 'no plan is in force; call start');
    this.#apply(this.#plan);
    this.#live.rewrite();
  }

  watch(onChange: () => void): void {
    this.#endWatch = watchChanges(onChange);
  }

  /** Reads the sets that have been at rest since the last turn, and puts them in the place of those that filled. */
  countBlocked(): BlockedRow[] {
    return ends.flatMap((end) => families.flatMap((family) => this.#countEnd(end, family)));
  }

  #countEnd(end: End, family: Family): BlockedRow[] {
    const name = (set: string): string => liveSetName(this.#config.table, `${set}-${end}`, family);
    const keyed = readIpset(this.#fd, name('rest')).map(({ key, packets }): BlockedRow => {
      const { source, destination, protocolNumber, port } = readTuple(key, family);
      const hasPort = protocolNumber === 6 || protocolNumber === 17;
      const counted = { attempts: packets ?? 0, end };
      return { runner: source, destination, protocolNumber, port: hasPort ? port : null, ...counted };
    });
    const over = readIpset(this.#fd, name('orest')).map(({ key, packets }): BlockedRow => {
      const runner = formatAddress(key);
      return { runner, destination: null, protocolNumber: 0, port: null, attempts: packets ?? 0, end };
    });
    turnIpset(this.#fd, name('seen'), name('rest'));
    turnIpset(this.#fd, name('over'), name('orest'));
    return [...keyed, ...over];
  }

  counters(): Record<string, number> {
    return this.#live.sizes();
  }

  close(options: { readonly remove: boolean }): void {
    this.#endWatch?.();
    this.#review.stop();
    if (options.remove && this.#text !== null) removeIptables(this.#text);
    closeFd(this.#fd);
  }

  // Remembers what the kernel holds after our own write; that it is as much as we wrote shows that nobody wrote between.
  #apply(plan: NetworkPlan): void {
    const text = printIptables(buildRules(this.#config, plan));
    for (let attempt = 0; attempt < 3; attempt++) {
      applyIptables(text);
      const generation = this.#generation();
      const held = families.map((family) => ({ family, tables: readTables(family) }));
      if (!held.every(({ family, tables }) => isAsPrinted(text, family, tables))) continue;
      this.#plan = plan;
      this.#text = text;
      const parts = held.flatMap(({ family, tables }) => [...ownPart(text, family, tables)]);
      this.#expected = new Map([...parts, ...this.#listSizes()]);
      this.#seen = { generation, atMs: performance.now() };
      return;
    }
    throw new SallyportError(
      'kernel',
      'iptables does not hold what was written; does another program write it?',
    );
  }

  #difference(): Difference | null {
    const text = this.#text;
    if (text === null) return null;
    const parts = families.flatMap((family) => [...ownPart(text, family, readTables(family))]);
    const held = new Map([...parts, ...this.#listSizes()]);
    return firstDifference(this.#expected, held) ?? this.#live.difference();
  }

  #listSizes(): [string, string][] {
    return families.flatMap((family) =>
      (['never', 'blocklist'] as const).map((list): [string, string] => {
        const name = liveSetName(this.#config.table, list, family);
        return [`set ${name}`, String(countIpset(this.#fd, name))];
      }),
    );
  }

  // Without nf_tables there is none: the same number each time.
  #generation(): number {
    const answer = ask(this.#fd, { type: nftMessage.getGeneration, flags: 0, family: 0 });
    return answer === null || answer.length < 12 ? -1 : answer.readUInt32BE(8);
  }
}
