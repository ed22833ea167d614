// How often an address may speak: each in its own measure, all addresses of one IPv6 network in another, and all together.
// Bounded memory; who falls out of it begins anew, and is still held by the measure of all.

import { LRUCache } from 'lru-cache';
import { parseAddress } from '../../flow/address.ts';

export interface Measure {
  readonly burst: number;
  readonly perMinute: number;
}

const ofAddress: Measure = { burst: 12, perMinute: 12 };
const ofNetwork: Measure = { burst: 300, perMinute: 300 };
const ofAll: Measure = { burst: 2000, perMinute: 6000 };
const maxKept = 16_384;

interface Level {
  left: number;
  atMs: number;
}

export class ClaimLimits {
  readonly #levels = new LRUCache<string, Level>({ max: maxKept });
  readonly #all: Level = { left: ofAll.burst, atMs: 0 };

  /** True when the address may speak once more. */
  take(address: string, nowMs: number): boolean {
    const network = networkOf(address);
    // Who is over its own measure takes nothing from that of others.
    if (!this.#takeFrom(address, ofAddress, nowMs)) return false;
    if (network !== null && !this.#takeFrom(network, ofNetwork, nowMs)) return false;
    return drain(this.#all, ofAll, nowMs);
  }

  #takeFrom(key: string, measure: Measure, nowMs: number): boolean {
    const level = this.#levels.get(key) ?? { left: measure.burst, atMs: nowMs };
    this.#levels.set(key, level);
    return drain(level, measure, nowMs);
  }
}

function drain(level: Level, { burst, perMinute }: Measure, nowMs: number): boolean {
  const since = Math.max(0, nowMs - level.atMs);
  level.left = Math.min(burst, level.left + (since * perMinute) / 60_000);
  level.atMs = nowMs;
  if (level.left < 1) return false;
  level.left -= 1;
  return true;
}

/** The /64 of an IPv6 address; null for IPv4. */
export function networkOf(address: string): string | null {
  const bytes = parseAddress(address);
  return bytes?.length === 16 ? `${Buffer.from(bytes.subarray(0, 8)).toString('hex')}/64` : null;
}
