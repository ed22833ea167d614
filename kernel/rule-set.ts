// The gateway's rules in the kernel: the guard first, then the main table, both owned by this process where the
// kernel can; live sets beside them; verified against what was written and repaired without losing live elements.

import { createHash } from 'node:crypto';
import type { NetworkPlan } from '../flow/network-plan.ts';
import type { Binding } from '../flow/ports.ts';
import { buildRules } from './build-rules.ts';
import { forgetSource } from './conntrack.ts';
import { LiveSets } from './live-sets.ts';
import { attribute, dump, readAttributes, stringBytes } from './netlink.ts';
import { inet, nftMessage, NftConnection } from './nft.ts';
import { turningChains, type Half } from './print-nft-counts.ts';
import { guardParts, nftParts, type NftText } from './print-nft.ts';
import type { Family, KernelConfig } from './rule-model.ts';
import { flushSet, readElements, readTuple } from './set-elements.ts';

/** Attempts of one key in one window, exact; `destination` is null for what passed a runner's share of keys. */
export interface BlockedRow {
  readonly runner: string;
  readonly destination: string | null;
  readonly protocolNumber: number;
  readonly port: number | null;
  readonly attempts: number;
}

const families: readonly Family[] = [4, 6];

/** The rule set of one gateway. */
export class KernelRules {
  readonly #config: KernelConfig;
  readonly #nft = new NftConnection();
  readonly #guard: NftConnection;
  readonly #live: LiveSets;
  #plan: NetworkPlan | null = null;
  #chainNames: readonly string[] = [];
  #digest = '';
  #generation = 0;
  #half: Half = 'a';

  constructor(config: KernelConfig) {
    this.#config = config;
    this.#guard = this.#nft;
    this.#live = new LiveSets(this.#nft, config.table);
  }

  /** Puts guard and rules in place, or takes over those of a keeper that ended. @throws SallyportError kernel */
  start(plan: NetworkPlan): void {
    this.#applyGuard();
    this.#nft.claimTable(this.#config.table);
    this.#chainNames = this.#heldChains();
    this.update(plan);
    this.#live.adopt();
  }

  /** Replaces all rules in one transaction; live sets stay. @throws SallyportError kernel */
  update(plan: NetworkPlan): void {
    const { table } = this.#config;
    const parts = nftParts(buildRules(this.#config, plan));
    this.#nft.run(transaction(table, parts, this.#chainNames));
    this.#plan = plan;
    this.#chainNames = parts.chainNames;
    this.#half = 'a';
    this.#remember();
  }

  /** Open when it returns. @throws SallyportError kernel */
  bind(bindings: readonly Binding[]): void {
    this.#live.bind(bindings);
  }

  unbind(bindings: readonly Binding[]): void {
    this.#live.unbind(bindings);
  }

  /** Ends what the kernel forwards for a runner: its bindings and tracked connections. */
  cut(runner: string): void {
    this.#live.unbindRunner(runner);
    forgetSource(this.#nft.queryFd, runner);
  }

  /** Cuts a runner off for `durationMs`, established connections included; 0 lifts it. */
  quarantine(runner: string, durationMs: number): void {
    this.#live.quarantine(runner, durationMs);
    if (durationMs > 0) forgetSource(this.#nft.queryFd, runner);
  }

  /** Gives a runner's address to one worker. */
  pin(address: string, worker: number): void {
    this.#live.pin(address, worker);
  }

  /** What the kernel holds otherwise than we wrote it, or null. Costs one small message when nobody wrote anything. */
  verify(): string | null {
    const foreign = this.#nft.generation() - this.#nft.commits;
    if (foreign !== this.#generation) {
      if (this.#currentDigest() !== this.#digest)
        return 'rules or chains of the gateway’s tables were changed';
      this.#generation = foreign;
    }
    return null;
  }

  /** Writes everything again: tables, rules, and the live elements that were lost. @throws SallyportError kernel */
  repair(): void {
    if (this.#plan === null) return;
    this.#applyGuard();
    this.#nft.claimTable(this.#config.table);
    this.#chainNames = this.#heldChains();
    this.update(this.#plan);
    this.#live.rewrite();
  }

  /** Sizes of the live sets. */
  counters(): Readonly<Record<string, number>> {
    return this.#live.sizes();
  }

  /**
   * What was counted in the half that rested since the last call; then the halves change turns. Two calls after a
   * packet it has been reported. @throws SallyportError kernel
   */
  countBlocked(): BlockedRow[] {
    const { table } = this.#config;
    const resting: Half = this.#half === 'a' ? 'b' : 'a';
    const rows = families.flatMap((family) => this.#readHalf(family, resting));
    const flushes = families.flatMap((family) =>
      ['seen', 'other', 'over'].map((name) => flushSet(table, `${name}${family}${resting}`)),
    );
    if (rows.length > 0) this.#nft.batch(flushes);
    this.#nft.run(
      turningChains
        .map(
          (chain) =>
            `flush chain inet ${table} ${chain}\nadd rule inet ${table} ${chain} goto ${chain}-${resting}\n`,
        )
        .join(''),
    );
    this.#half = resting;
    this.#remember();
    return rows;
  }

  /** Ends the connection; with `remove` the rules go too, and the door is open. */
  close(options: { readonly remove: boolean }): void {
    if (options.remove) {
      this.#nft.removeTable(this.#config.table);
      this.#nft.removeTable(`${this.#config.table}_guard`);
    }
    this.#nft.close();
  }

  #applyGuard(): void {
    const name = `${this.#config.table}_guard`;
    this.#guard.claimTable(name);
    this.#guard.run(transaction(name, guardParts(this.#config), []));
  }

  #readHalf(family: Family, half: Half): BlockedRow[] {
    const { table } = this.#config;
    const held = (name: string) => readElements(this.#nft.queryFd, table, `${name}${family}${half}`);
    const rows = [...held('seen'), ...held('other')].map(({ key, packets }) => {
      const { source, destination, protocolNumber, port } = readTuple(key, family);
      return { runner: source, destination, protocolNumber, port, attempts: packets ?? 0 };
    });
    const over = held('over').map(({ key, packets }) => ({
      runner: readTuple(Buffer.concat([key, key]), family).source,
      destination: null,
      protocolNumber: 0,
      port: null,
      attempts: packets ?? 0,
    }));
    return [...rows, ...over].filter(({ attempts }) => attempts > 0);
  }

  #remember(): void {
    this.#digest = this.#currentDigest();
    this.#generation = this.#nft.generation() - this.#nft.commits;
  }

  // Handles change when a rule or chain is made anew; counters inside rules do not take part.
  #currentDigest(): string {
    const hash = createHash('sha256');
    for (const table of [this.#config.table, `${this.#config.table}_guard`]) {
      const body = attribute(1, stringBytes(table));
      for (const type of [nftMessage.getChain, nftMessage.getRule]) {
        for (const answer of dump(this.#nft.queryFd, { type, flags: 0, family: inet, body })) {
          if (tableOf(answer) !== table) continue;
          for (const [kind, value] of readAttributes(answer, 4)) {
            // Names and handles: of a chain 2 and 3, of a rule 2 and 3 likewise (nf_tables.h).
            if (kind === 1 || kind === 2 || kind === 3) hash.update(value);
          }
        }
      }
    }
    return hash.digest('hex');
  }

  #heldChains(): string[] {
    const { table } = this.#config;
    const body = attribute(1, stringBytes(table));
    return dump(this.#nft.queryFd, { type: nftMessage.getChain, flags: 0, family: inet, body })
      .filter((answer) => tableOf(answer) === table)
      .flatMap((answer) => {
        for (const [kind, value] of readAttributes(answer, 4)) if (kind === 3) return [text(value)];
        return [];
      });
  }
}

function transaction(table: string, parts: NftText, before: readonly string[]): string {
  const target = `inet ${table}`;
  const gone = before.filter((name) => !parts.chainNames.includes(name));
  return [
    ...parts.sets,
    ...parts.chains,
    ...[...parts.chainNames, ...gone].map((name) => `flush chain ${target} ${name}`),
    ...parts.rules,
    ...gone.map((name) => `delete chain ${target} ${name}`),
    '',
  ].join('\n');
}

function tableOf(answer: Buffer): string {
  for (const [kind, value] of readAttributes(answer, 4)) if (kind === 1) return text(value);
  return '';
}

function text(value: Buffer): string {
  return value.toString('latin1').replace(/\0$/, '');
}
