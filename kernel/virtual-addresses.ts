// Which name each address of the steer pool stands for. A name keeps its address; one that is over is given to
// another name only when nothing can still mean the old one: no TTL, no opened port, no connection.

import { cidrContains, formatAddress, parseAddress, parseCidr, type Cidr } from '../flow/address.ts';
import type { VirtualAddresses } from '../flow/ports.ts';

/** Addresses that are in use at once, of each family: every IPv6 one is an address of an interface. */
const maxInUse = 4096;
/** Of the usable addresses of a family, what one runner (of IPv6: one /64) may have been the first to ask for. */
const shareOfRunner = 0.25;
const leastShare = 4;
const probes = 64;
const lookAgainMs = 1_000;

type Family = 'v4' | 'v6';

interface Slot {
  readonly address: string;
  host: string;
  /** Who asked for it first; null after a restart. */
  holder: string | null;
  /** Until then a client may know the address (performance.now). */
  untilMs: number;
}

/** What is kept over a restart: address and host. */
export type SavedVirtual = readonly (readonly [address: string, host: string])[];

/** What the table asks of the machine. */
export interface VirtualMachine {
  /** Makes the address ours, before it is told to anybody. @throws SallyportError kernel */
  add(address: string): void;
  /** Destinations of the pool that live connections have. @throws SallyportError kernel */
  connected(): ReadonlySet<string>;
  /** Called after every change of who has what. */
  changed(saved: SavedVirtual): void;
}

/** The table; its clock is given so that tests need not wait. */
export class VirtualTable {
  readonly #ranges: Readonly<Record<Family, readonly Range[]>>;
  readonly #machine: VirtualMachine;
  readonly #byHost: Readonly<Record<Family, Map<string, Slot>>> = { v4: new Map(), v6: new Map() };
  readonly #byAddress = new Map<string, Slot>();
  /** What could be given to others when that was looked at, and until when nobody looks again. */
  readonly #looked: Record<Family, { untilMs: number; slots: readonly Slot[] }> = {
    v4: { untilMs: Number.NEGATIVE_INFINITY, slots: [] },
    v6: { untilMs: Number.NEGATIVE_INFINITY, slots: [] },
  };

  constructor(pool: readonly string[], machine: VirtualMachine) {
    const ranges = pool.flatMap((text) => parseCidr(text) ?? []).map(rangeOf);
    this.#ranges = {
      v4: ranges.filter(({ cidr }) => cidr.bytes.length === 4),
      v6: ranges.filter(({ cidr }) => cidr.bytes.length === 16),
    };
    this.#machine = machine;
  }

  /** True for every address of the pool, given to a name or not. */
  contains(address: string): boolean {
    const bytes = parseAddress(address);
    if (bytes === null) return false;
    return [...this.#ranges.v4, ...this.#ranges.v6].some(({ cidr }) => cidrContains(cidr, bytes));
  }

  /** Takes over what a keeper before this one gave away; `untilMs` is when the last client has forgotten it. */
  restore(saved: SavedVirtual, untilMs: number): void {
    for (const [address, host] of saved) {
      const family = address.includes(':') ? 'v6' : 'v4';
      const isFree = !this.#byAddress.has(address) && !this.#byHost[family].has(host);
      if (!this.contains(address) || !isFree || this.#byHost[family].size >= this.capacity(family)) continue;
      this.#machine.add(address);
      this.#put(family, { address, host, holder: null, untilMs });
    }
  }

  /**
   * The addresses that stand for the host, kept for `untilMs` at least; null for a family without a pool, or whose
   * addresses are all in use or more than the holder's share. @throws SallyportError kernel
   */
  assign(host: string, holder: string, nowMs: number, untilMs: number): VirtualAddresses {
    return {
      v4: this.#assignOf('v4', host, holder, nowMs, untilMs),
      v6: this.#assignOf('v6', host, holder, nowMs, untilMs),
    };
  }

  /** The host that the address stands for, or null. */
  hostOf(address: string): string | null {
    return this.#byAddress.get(address)?.host ?? null;
  }

  /** Ports of the address were opened until then for somebody who knows it as the host's; false when it is another's. */
  use(address: string, host: string | null, untilMs: number): boolean {
    const slot = this.#byAddress.get(address);
    if (slot === undefined || slot.host !== host) return false;
    slot.untilMs = Math.max(slot.untilMs, untilMs);
    return true;
  }

  /** Addresses given away. */
  addresses(): readonly string[] {
    return [...this.#byAddress.keys()];
  }

  /** Addresses of a family that can be in use at once. */
  capacity(family: Family): number {
    return Math.min(
      maxInUse,
      this.#ranges[family].reduce((sum, { size }) => sum + size, 0),
    );
  }

  #assignOf(family: Family, host: string, holder: string, nowMs: number, untilMs: number): string | null {
    const known = this.#byHost[family].get(host);
    if (known !== undefined) {
      known.untilMs = Math.max(known.untilMs, untilMs);
      return known.address;
    }
    const address = this.#hasShareLeft(family, holder, nowMs) ? this.#findFree(family, host, nowMs) : null;
    if (address === null) return null;
    this.#machine.add(address);
    this.#put(family, { address, host, holder, untilMs });
    this.#machine.changed(this.#saved());
    return address;
  }

  #hasShareLeft(family: Family, holder: string, nowMs: number): boolean {
    const share = Math.max(leastShare, Math.floor(this.capacity(family) * shareOfRunner));
    let held = 0;
    for (const slot of this.#byHost[family].values())
      if (slot.holder === holder && slot.untilMs > nowMs) held++;
    return held < share;
  }

  // The same name leads to the same place as far as possible, also where the table was lost.
  #findFree(family: Family, host: string, nowMs: number): string | null {
    const capacity = this.capacity(family);
    if (this.#byHost[family].size < capacity) {
      const total = this.#ranges[family].reduce((sum, { size }) => sum + size, 0);
      const start = hashOf(host) % total;
      // A table as full as this one may be is searched whole where it is small.
      const tries = Math.max(probes, Math.min(total, capacity + 1));
      for (let i = 0; i < Math.min(tries, total); i++) {
        const address = this.#addressAt(family, (start + i) % total);
        if (!this.#byAddress.has(address)) return address;
      }
    }
    return this.#takeOver(family, nowMs);
  }

  #takeOver(family: Family, nowMs: number): string | null {
    const isOver = (slot: Slot) => slot.untilMs <= nowMs && this.#byAddress.get(slot.address) === slot;
    const { untilMs, slots } = this.#looked[family];
    const known = nowMs < untilMs ? slots.filter(isOver) : null;
    // To read all connections takes long where there are many, and who asks for names may do so often.
    if (known === null && ![...this.#byHost[family].values()].some(isOver)) return null;
    const [oldest, ...others] = known ?? this.#look(family, isOver);
    this.#looked[family] = { untilMs: known === null ? nowMs + lookAgainMs : untilMs, slots: others };
    if (oldest === undefined) return null;
    this.#byHost[family].delete(oldest.host);
    this.#byAddress.delete(oldest.address);
    return oldest.address;
  }

  /** Slots whose time is over and that no connection has as its destination, the oldest first. */
  #look(family: Family, isOver: (slot: Slot) => boolean): Slot[] {
    const over = [...this.#byHost[family].values()].filter(isOver);
    if (over.length === 0) return [];
    const connected = this.#machine.connected();
    return over.filter(({ address }) => !connected.has(address)).toSorted((a, b) => a.untilMs - b.untilMs);
  }

  #addressAt(family: Family, index: number): string {
    let left = index;
    for (const range of this.#ranges[family]) {
      if (left < range.size) return addressIn(range, left);
      left -= range.size;
    }
    return addressIn(this.#ranges[family][0]!, 0);
  }

  #put(family: Family, slot: Slot): void {
    this.#byHost[family].set(slot.host, slot);
    this.#byAddress.set(slot.address, slot);
  }

  #saved(): SavedVirtual {
    return [...this.#byAddress.values()].map(({ address, host }) => [address, host] as const);
  }
}

interface Range {
  readonly cidr: Cidr;
  /** Of the first usable address. */
  readonly first: number;
  readonly size: number;
}

// The first and the last address of an IPv4 range may be a network's own and its broadcast; the first IPv6 one is
// the anycast address of its routers (RFC 4291 2.6.1).
function rangeOf(cidr: Cidr): Range {
  const bits = Math.min(20, cidr.bytes.length * 8 - cidr.prefix);
  const all = 2 ** bits;
  if (cidr.bytes.length === 4)
    return all > 2 ? { cidr, first: 1, size: all - 2 } : { cidr, first: 0, size: all };
  return all > 1 ? { cidr, first: 1, size: all - 1 } : { cidr, first: 0, size: 1 };
}

function addressIn({ cidr, first }: Range, index: number): string {
  const bytes = Uint8Array.from(cidr.bytes);
  let carry = first + index;
  for (let at = bytes.length - 1; at >= 0 && carry > 0; at--) {
    carry += bytes[at]!;
    bytes[at] = carry & 255;
    carry >>= 8;
  }
  return formatAddress(bytes);
}

// FNV-1a; names are spread, not protected: whoever may choose names may fill a share of the pool anyway.
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return hash;
}
