// What the DNS server asks of policy: the two pure functions of policy/, given to it so that it holds no policy itself.

import type { Cidr } from '../flow/address.ts';
import type { Decision, Mode } from '../flow/decision.ts';
import type { Attribution } from '../flow/job.ts';

/** The part of a policy that this folder reads. */
export interface PolicyInForce {
  /** A change of the revision makes every verdict void. */
  readonly revision: string;
  readonly mode: Mode;
}

/** What policy says of a name (policy/decide.ts). */
export interface NameVerdictOfPolicy extends Decision {
  /** Private ranges that the rules for this name open. */
  readonly addresses: readonly Cidr[];
  /** Ports to be opened in the kernel for every address, before the answer leaves. */
  readonly bind: readonly { readonly protocol: 'tcp' | 'udp'; readonly port: number }[];
  readonly answer: 'forward' | 'explain' | 'nxdomain';
  /**
   * The narrowest wildcard that opens the name, under which its distinct names are counted; null where a rule writes
   * the name out; left out: they are counted by zone.
   */
  readonly wildcard?: string | null;
}

/** Whose answer handed a name out. */
export interface NameGrant {
  readonly rule: string | null;
  readonly scope: string | null;
}

/** policy/scope.ts and policy/decide.ts; effective policies are opaque here and compared by identity. */
export interface NamePolicyPort {
  effectivePolicy(policy: PolicyInForce, attribution: Attribution): object;
  decideName(effective: object, question: { readonly name: string }): NameVerdictOfPolicy;
  /** The rule whose request was answered with storage on this host, open to the asker now; null or absent: none was. */
  grantedName?(attribution: Attribution, runner: string, name: string): NameGrant | null;
  /** Steer mode with virtual addresses: TCP ports that the name needs one of its own for (policy/steered-ports.ts). */
  steeredPorts?(effective: object, question: { readonly name: string }): readonly number[];
}
