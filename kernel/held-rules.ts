// What the keeper asks of a kernel rule set, whichever form it has, and the choice between the forms. Everything is
// synchronous: what returned is in force.

import type { NetworkPlan } from '../flow/network-plan.ts';
import type { Binding } from '../flow/ports.ts';
import type { BlockedRow } from './block-counts.ts';
import { IptablesRules } from './iptables-rules.ts';
import { NoRules } from './no-rules.ts';
import type { KernelConfig } from './rule-model.ts';
import { KernelRules } from './rule-set.ts';

/** How the kernel's rules differ from ours, in words. */
export type Difference = string;
/**
 * `nftables` speaks to the kernel directly; `iptables` is for machines whose other software manages iptables; `none` is
 * for a place where nobody may change rules.
 */
export type RuleBackend = 'nftables' | 'iptables' | 'none';

export interface HeldRules {
  /** True when nobody else can change the rules (nftables, Linux 6.9 and later). */
  readonly isOwned: boolean;
  /** Puts guard and rules in force, taking over what outlived a killed keeper. @throws SallyportError */
  start(plan: NetworkPlan): void;
  /** Replaces the plan and forgets the connections that it no longer allows. @throws SallyportError */
  update(plan: NetworkPlan): void;
  /** Opens addresses for runners; the kernel holds them when it returns. @throws SallyportError */
  bind(bindings: readonly Binding[]): void;
  /** Closes bindings; connections that use them go on until `review` or `cut`. @throws SallyportError */
  unbind(bindings: readonly Binding[]): void;
  /** Forgets the connections that neither plan nor binding allows any more. @throws SallyportError */
  review(): void;
  /** Closes all bindings of a runner and forgets its connections. @throws SallyportError */
  cut(runner: string): void;
  /** Closes every binding and forgets the connections that only one of them allowed. @throws SallyportError */
  closeBindings(): void;
  /** Cuts a runner off for `durationMs`; 0 lifts it. @throws SallyportError */
  quarantine(runner: string, durationMs: number): void;
  /** Gives each of these addresses to its worker, counted from 0, and all others to the hash. @throws SallyportError */
  pin(workers: ReadonlyMap<string, number>): void;
  /** Compares the kernel's rules with ours; cheap when nobody committed anything. @throws SallyportError */
  verify(): Difference | null;
  /** Writes guard and rules again; live sets keep their elements. @throws SallyportError */
  repair(): void;
  /** Calls back at once when another process commits anything to nf_tables. @throws SallyportError */
  watch(onChange: () => void): void;
  /** Exact counts of the window before the last. Call it once per window. @throws SallyportError */
  countBlocked(): BlockedRow[];
  /** Sizes of the live sets. */
  counters(): Record<string, number>;
  /** Ends the connection; with `remove` the rules go too, the guard last. @throws SallyportError */
  close(options: { readonly remove: boolean }): void;
}

/**
 * Connects to the kernel of this network namespace; without rules `steer` puts pins in force.
 * @throws SallyportError missing-program or missing-privilege
 */
export function openRules(
  backend: RuleBackend,
  config: KernelConfig,
  steer: (workers: ReadonlyMap<string, number>) => void = () => {},
): HeldRules {
  if (backend === 'none') return new NoRules(steer);
  return backend === 'iptables' ? new IptablesRules(config) : new KernelRules(config);
}
