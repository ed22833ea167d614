// How much one source may ask, and how much of its noise is recorded. All of it lives on the source object, so
// that a flood of one runner costs another nothing.

import { formatAddress, subnetOf } from '../flow/address.ts';
import type { FlowStep } from '../flow/flow.ts';
import type { Attribution } from '../flow/job.ts';
import type { PreparedHalf } from '../flow/ports.ts';
import type { Repeat, Repeatable } from './repeats.ts';

export interface RateLimits {
  readonly perSecond: number;
  readonly burst: number;
  /** Questions that may wait for attribution, an upstream or the keeper at the same time. */
  readonly held: number;
}
export const defaultRateLimits: RateLimits = { perSecond: 200, burst: 400, held: 256 };

const recordedPerSecond = 10;

/** Shares of one source that all addresses of an IPv6 subnet have together: a machine can take any of them. */
export const sharesPerSubnet = 8;

/** The effective policy of one attribution under one policy. */
interface Ruling {
  readonly policy: object;
  readonly attribution: Attribution;
  readonly effective: object;
}

/** What a source, or the sources of a subnet together, have taken of their limits. */
class Share {
  readonly #times: number;
  held = 0;
  #tokens: number;
  #refilledAt: number;
  #second = 0;
  #recorded = 0;

  constructor(times: number, limits: RateLimits, nowMs: number) {
    this.#times = times;
    this.#tokens = limits.burst * times;
    this.#refilledAt = nowMs;
  }

  admit(limits: RateLimits, nowMs: number): boolean {
    if (nowMs !== this.#refilledAt) {
      // A clock that was set back gives nothing, and counts from where it stands now.
      const passedMs = Math.max(0, nowMs - this.#refilledAt);
      const more = (passedMs * limits.perSecond * this.#times) / 1000;
      this.#tokens = Math.min(limits.burst * this.#times, this.#tokens + more);
      this.#refilledAt = nowMs;
    }
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  mayHold(limits: RateLimits): boolean {
    return this.held < limits.held * this.#times;
  }

  mayRecordNoise(nowMs: number): boolean {
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#recorded = 0;
    }
    return this.#recorded < recordedPerSecond * this.#times && ++this.#recorded > 0;
  }
}

/** The addresses of one IPv6 subnet. */
export interface Subnet {
  readonly key: string;
  readonly share: Share;
}

/** One source address. */
export class Source {
  readonly address: string;
  readonly subnet: Subnet | null;
  /** Malformed or surplus queries that got no record of their own since the last one that did. */
  unrecorded = 0;
  /** What its records have in common, prepared for `preparedFor` at this step. */
  prepared: PreparedHalf | null = null;
  preparedFor: Attribution | null = null;
  preparedAt: FlowStep | null = null;
  /** What it asks again and again in this second. */
  readonly repeats = new Map<Repeatable, Repeat>();
  /** What applied to its last question. */
  ruling: Ruling | null = null;
  readonly #share: Share;
  #surplus = 0;

  constructor(address: string, subnet: Subnet | null, limits: RateLimits, nowMs: number) {
    this.address = address;
    this.subnet = subnet;
    this.#share = new Share(1, limits, nowMs);
  }

  /** Takes one question off the source's bucket and its subnet's; false when one is empty. */
  admit(limits: RateLimits, nowMs: number): boolean {
    return (
      this.#share.admit(limits, nowMs) && (this.subnet === null || this.subnet.share.admit(limits, nowMs))
    );
  }

  /** True when one more of its questions may wait. */
  mayHold(limits: RateLimits): boolean {
    return this.#share.mayHold(limits) && (this.subnet === null || this.subnet.share.mayHold(limits));
  }

  /** A question waits (+1), or no longer does (-1). */
  hold(change: 1 | -1): void {
    this.#share.held += change;
    if (this.subnet !== null) this.subnet.share.held += change;
  }

  /** True for every second surplus question: it is told to use TCP, so that true clients still get through. */
  isToldToUseTcp(): boolean {
    return (this.#surplus++ & 1) === 0;
  }

  /** True when a broken or surplus query of this source still gets a record of its own: 10 a second. */
  mayRecordNoise(nowMs: number): boolean {
    const subnet = this.subnet?.share;
    if (this.#share.mayRecordNoise(nowMs) && (subnet === undefined || subnet.mayRecordNoise(nowMs)))
      return true;
    this.unrecorded++;
    return false;
  }
}

const maxSources = 4096;

/** The sources seen lately; the one first seen goes when there are too many. */
export class Sources {
  readonly #limits: RateLimits;
  readonly #byNumber = new Map<number, Source>();
  readonly #byText = new Map<string, Source>();
  readonly #subnets = new Map<string, Subnet>();

  constructor(limits: RateLimits) {
    this.#limits = limits;
  }

  /** By an IPv4 address as a 32-bit number: no text on the way of a known source. */
  ofNumber(address: number, nowMs: number): Source {
    const known = this.#byNumber.get(address);
    if (known) return known;
    const text = [address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255].join('.');
    const source = this.ofText(text, nowMs);
    if (this.#byNumber.size >= maxSources) this.#byNumber.clear();
    this.#byNumber.set(address, source);
    return source;
  }

  /** By the 16 bytes of an IPv6 address. */
  ofV6(bytes: Uint8Array, nowMs: number): Source {
    return this.ofText(formatAddress(bytes), nowMs);
  }

  /** By address text; v4-mapped forms count as IPv4. */
  ofText(address: string, nowMs: number): Source {
    const text = address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
    const known = this.#byText.get(text);
    if (known) return known;
    if (this.#byText.size >= maxSources) this.#forgetOldest();
    const source = new Source(text, this.#subnet(text, nowMs), this.#limits, nowMs);
    this.#byText.set(text, source);
    return source;
  }

  #subnet(address: string, nowMs: number): Subnet | null {
    const key = subnetOf(address);
    if (key === null) return null;
    let subnet = this.#subnets.get(key);
    if (subnet !== undefined) return subnet;
    const oldest = this.#subnets.size < maxSources ? undefined : this.#subnets.keys().next().value;
    if (oldest !== undefined) this.#subnets.delete(oldest);
    subnet = { key, share: new Share(sharesPerSubnet, this.#limits, nowMs) };
    this.#subnets.set(key, subnet);
    return subnet;
  }

  #forgetOldest(): void {
    const oldest = this.#byText.keys().next().value;
    if (oldest !== undefined) this.#byText.delete(oldest);
    // Numbers point at sources, so both tables have to forget together.
    this.#byNumber.clear();
  }
}
