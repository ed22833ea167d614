// What policy comes to at layers 3 and 4: the input of the kernel rule set. Control computes it with
// policy/network-plan, the keeper checks every field and prints it; addresses and ranges are text.

import type { Mode } from './decision.ts';

export interface NetworkEntry {
  /** CIDR text, canonical. */
  readonly to: string;
  readonly protocol: 'tcp' | 'udp' | 'icmp';
  /** Inclusive range; null for every port and for icmp. */
  readonly ports: readonly [from: number, to: number] | null;
  readonly rule: string;
  /** False only for a rule that says `inspect: false`: the port is then not redirected to the proxy. */
  readonly inspect: boolean;
}

/** What one runner, or every runner without an entry of its own, may reach by address. */
export interface NetworkSide {
  /** In audit what nothing allows is logged as would-be-blocked and let through. */
  readonly mode: Mode;
  readonly allow: readonly NetworkEntry[];
  /** Rules with `action: block`; in audit mode they log only. */
  readonly block: readonly NetworkEntry[];
}

export interface NetworkPlan {
  readonly revision: string;
  /** 80, 443 and every port that an `http` rule names; ascending. */
  readonly interceptedPorts: readonly number[];
  readonly fleet: NetworkSide;
  /** By address or CIDR text of runners; the narrowest that holds a source counts. */
  readonly runners: Readonly<Record<string, NetworkSide>>;
  /** CIDR texts of blocklist entries given by address: blocked in every mode. */
  readonly blocklist: readonly string[];
}
