// The kernel rule set of one gateway as the keeper holds it: applies plans, keeps live sets over them, sees what
// others changed and repairs it. Everything is synchronous: what returned is in force.

import { SallyportError } from '../flow/errors.ts';
import type { NetworkPlan } from '../flow/network-plan.ts';
import type { Binding } from '../flow/ports.ts';
import { emptyHalf, readHalf, turnRequests, type BlockedRow } from './block-counts.ts';
import { buildRules } from './build-rules.ts';
import { forgetSource } from './conntrack.ts';
import { NftElements } from './element-store.ts';
import { ConnectionReview } from './forget-disallowed.ts';
import type { Difference, HeldRules } from './held-rules.ts';
import { LiveSets } from './live-sets.ts';
import { NftConnection } from './nft.ts';
import { turningChains, type Half } from './print-nft-counts.ts';
import { guardParts, nftParts, type NftText } from './print-nft.ts';
import type { KernelConfig } from './rule-model.ts';
import { chainNames, firstDifference, readSnapshot, type Snapshot } from './snapshot.ts';
import { watchChanges } from './watch-changes.ts';

export type { BlockedRow };

const turning: ReadonlySet<string> = new Set(turningChains);
const nothing: ReadonlySet<string> = new Set();

export class KernelRules implements HeldRules {
  readonly #config: KernelConfig;
  readonly #nft = new NftConnection();
  readonly #live: LiveSets;
  readonly #review: ConnectionReview;
  readonly #guardTable: string;
  #plan: NetworkPlan | null = null;
  #half: Half = 'a';
  #expected: Snapshot = new Map();
  #expectedGuard: Snapshot = new Map();
  #isOwned = false;
  #seen = { generation: -1, commits: 0 };
  #endWatch: (() => void) | null = null;

  /** Connects to nf_tables of this network namespace. @throws SallyportError missing-program or missing-privilege */
  constructor(config: KernelConfig) {
    this.#config = config;
    this.#guardTable = `${config.table}_guard`;
    this.#live = new LiveSets(new NftElements(this.#nft, config.table));
    this.#review = new ConnectionReview(this.#nft.queryFd, config, this.#live);
  }

  /** True when nobody else can change the tables (Linux 6.9 and later). */
  get isOwned(): boolean {
    return this.#isOwned;
  }

  /** Puts guard and rules in force, taking over tables that outlived a killed keeper. @throws SallyportError */
  start(plan: NetworkPlan): void {
    this.#applyGuard();
    try {
      this.#apply(plan);
    } catch (error) {
      if (!(error instanceof SallyportError) || error.code !== 'kernel') throw error;
      // A table of another release may hold sets of other types; the guard keeps the door shut meanwhile.
      this.#nft.removeTable(this.#config.table);
      this.#apply(plan);
    }
    this.#live.adopt();
    this.#live.rewrite();
    this.#settle();
  }

  /** Replaces the plan in one transaction and forgets the connections that it no longer allows. @throws SallyportError */
  update(plan: NetworkPlan): void {
    const before = this.#plan;
    this.#apply(plan);
    this.#settle();
    if (before !== null && JSON.stringify(before) !== JSON.stringify(plan)) {
      this.#review.run(plan);
    }
  }

  /** Opens addresses for runners; the kernel holds them when it returns. @throws SallyportError */
  bind(bindings: readonly Binding[]): void {
    this.#live.bind(bindings);
  }

  /** Closes bindings; connections that use them go on until `review` or `cut`. @throws SallyportError */
  unbind(bindings: readonly Binding[]): void {
    this.#live.unbind(bindings);
  }

  /** Forgets the connections that neither plan nor binding allows any more. @throws SallyportError */
  review(): void {
    if (this.#plan !== null) this.#review.run(this.#plan);
  }

  /** Closes all bindings of a runner and forgets its connections. @throws SallyportError */
  cut(runner: string): void {
    this.#live.unbindRunner(runner);
    forgetSource(this.#nft.queryFd, runner);
  }

  /** Closes every binding and forgets the connections that only one of them allowed. @throws SallyportError */
  closeBindings(): void {
    this.#live.unbindAll();
    this.review();
  }

  /** Cuts a runner off for `durationMs`; 0 lifts it. @throws SallyportError */
  quarantine(runner: string, durationMs: number): void {
    this.#live.quarantine(runner, durationMs);
    if (durationMs > 0) this.cut(runner);
  }

  /** Gives each of these addresses to its worker, counted from 0, and all others to the hash. @throws SallyportError */
  pin(workers: ReadonlyMap<string, number>): void {
    this.#live.pin(workers);
  }

  /** Compares the kernel's rules with ours; a few microseconds when nobody committed anything. @throws SallyportError */
  verify(): Difference | null {
    const generation = this.#nft.generation();
    const own = this.#nft.commits - this.#seen.commits;
    if (generation === (this.#seen.generation + own) >>> 0) return null;
    const difference = this.#difference();
    if (difference === null) this.#seen = { generation, commits: this.#nft.commits };
    return difference;
  }

  /** Writes guard and rules again; live sets keep their elements. @throws SallyportError */
  repair(): void {
    if (this.#plan === null) throw new SallyportError('kernel', 'no plan is in force; call start');
    this.#applyGuard();
    this.#apply(this.#plan);
    this.#live.rewrite();
    this.#settle();
  }

  /** Calls back at once when another process commits anything to nf_tables. @throws SallyportError */
  watch(onChange: () => void): void {
    this.#endWatch = watchChanges(onChange);
  }

  /**
   * Exact counts of the window before the last: turns to the other half and reads the one that was at rest. Call it
   * once per window. @throws SallyportError
   */
  countBlocked(): BlockedRow[] {
    const resting: Half = this.#half === 'a' ? 'b' : 'a';
    const rows = readHalf(this.#nft, this.#config.table, resting);
    if (rows.length > 0) emptyHalf(this.#nft, this.#config.table, resting);
    this.#turn(resting);
    return rows;
  }

  /** Sizes of the live sets. */
  counters(): Record<string, number> {
    return this.#live.sizes();
  }

  /** Ends the connection; with `remove` the tables go too, the guard last. @throws SallyportError */
  close(options: { readonly remove: boolean }): void {
    this.#endWatch?.();
    this.#review.stop();
    if (options.remove) {
      this.#nft.removeTable(this.#config.table);
      this.#nft.removeTable(this.#guardTable);
    }
    this.#nft.close();
  }

  #applyGuard(): void {
    this.#nft.claimTable(this.#guardTable);
    this.#write(this.#guardTable, guardParts(this.#config));
  }

  #apply(plan: NetworkPlan): void {
    const text = nftParts(buildRules(this.#config, plan));
    this.#isOwned = this.#nft.claimTable(this.#config.table);
    this.#write(this.#config.table, text);
    this.#plan = plan;
    this.#half = 'a';
  }

  #write(table: string, text: NftText): void {
    const wanted = new Set(text.chainNames);
    const obsolete = chainNames(this.#nft.queryFd, table).filter((name) => !wanted.has(name));
    const flush = [...wanted, ...obsolete].map((name) => `flush chain inet ${table} ${name}`);
    const remove = obsolete.map((name) => `delete chain inet ${table} ${name}`);
    // Pins of a keeper with more workers would hold on to their chains; the caller writes the pins again.
    const pins = obsolete.some((name) => name.startsWith('worker-')) ? ['pin4', 'pin6'] : [];
    const unpin = pins.map((name) => `flush map inet ${table} ${name}`);
    this.#nft.run([...text.sets, ...text.chains, ...flush, ...unpin, ...text.rules, ...remove].join('\n'));
  }

  // Remembers what the kernel holds after our own write. Another process that writes between is seen by the
  // generation, and then all is written again, so that its change is never taken for ours.
  #settle(): void {
    for (let attempt = 0; attempt < 5; attempt++) {
      const [before, commits] = [this.#nft.generation(), this.#nft.commits];
      const main = readSnapshot(this.#nft.queryFd, this.#config.table, turning);
      const guard = readSnapshot(this.#nft.queryFd, this.#guardTable, nothing);
      if (main !== null && guard !== null && this.#nft.generation() === before) {
        this.#expected = main;
        this.#expectedGuard = guard;
        this.#seen = { generation: before, commits };
        return;
      }
    }
  }

  #difference(): Difference | null {
    const main = readSnapshot(this.#nft.queryFd, this.#config.table, turning);
    if (main === null) return 'the table is gone';
    const guard = readSnapshot(this.#nft.queryFd, this.#guardTable, nothing);
    if (guard === null) return 'the guard table is gone';
    const difference = firstDifference(this.#expected, main) ?? firstDifference(this.#expectedGuard, guard);
    return difference ?? (this.#isOwned ? null : this.#live.difference());
  }

  #turn(half: Half): void {
    const failure = this.#nft.batch(turnRequests(this.#config.table, half));
    if (failure !== null) throw new SallyportError('kernel', `the counts could not be turned: ${failure}`);
    this.#half = half;
  }
}
