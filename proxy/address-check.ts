// May this address be dialled for this decision? Asked of every address that a name led to, and again of a pooled
// connection's when policy, job or opened ranges are other ones than those under which it was dialled.

import type { Cidr } from '../flow/address.ts';
import { blocked } from '../flow/decision.ts';
import type { Attribution } from '../flow/job.ts';
import type { NameJudgement } from '../flow/ports.ts';
import type { Reason } from '../flow/reason.ts';
import type { Decider, ProxyPorts } from './options.ts';

/** One decision's view of addresses. */
export class AddressCheck {
  readonly #decider: Decider | null;
  readonly #attribution: Attribution;
  readonly #port: number;
  readonly #allowed: readonly Cidr[];
  readonly #machine: Pick<ProxyPorts, 'isOwnAddress'>;

  constructor(
    decider: Decider | null,
    attribution: Attribution,
    port: number,
    allowed: readonly Cidr[],
    machine: Pick<ProxyPorts, 'isOwnAddress'>,
  ) {
    this.#decider = decider;
    this.#attribution = attribution;
    this.#port = port;
    this.#allowed = allowed;
    this.#machine = machine;
  }

  /** Why the address may not be dialled, or null; without one (a proxy in front resolves) only what needs none is said. */
  reason(address: string | null): Reason | null {
    if (this.#decider === null) return 'policy-unavailable';
    if (address === null) return null;
    if (this.#machine.isOwnAddress(address)) return 'never-address';
    return this.#decider.dial(this.#attribution, address, this.#port, this.#allowed);
  }

  /** True when rules open private ranges. */
  get opensRanges(): boolean {
    return this.#allowed.length > 0;
  }

  /** What policy says of a name that is resolved. */
  judge(name: string): NameJudgement {
    return this.#decider?.name(this.#attribution, name) ?? blocked('policy-unavailable');
  }

  /** True when the other one answers the same for every address: what it approved needs no second look. */
  isSame(other: AddressCheck): boolean {
    return other.isFor(this.#decider, this.#attribution, this.#port, this.#allowed);
  }

  /** True when it was made of these, or of what answers the same. */
  isFor(decider: Decider | null, attribution: Attribution, port: number, allowed: readonly Cidr[]): boolean {
    if (this.#decider !== decider || this.#attribution !== attribution || this.#port !== port) return false;
    if (this.#allowed.length !== allowed.length) return false;
    for (let at = 0; at < allowed.length; at++) if (this.#allowed[at] !== allowed[at]) return false;
    return true;
  }
}
