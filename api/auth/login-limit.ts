// How often a login may fail, for each user and for each address. The counts are bounded; what is forgotten first is what
// was tried longest ago.

import { LRUCache } from 'lru-cache';
import { formatAddress, parseAddress, subnetOf, unmapAddress } from '../../flow/address.ts';
import { digestOf } from './token.ts';

const windowMs = 15 * 60_000;
const failuresOfUser = 10;
const failuresOfAddress = 30;

interface Failures {
  readonly sinceMs: number;
  readonly count: number;
}

/** Failed logins of the last 15 minutes. */
export class LoginLimit {
  readonly #failures = new LRUCache<string, Failures>({ max: 20_000 });

  /** Whether another try may be made now. */
  mayTry(user: string, address: string, nowMs: number): boolean {
    const [ofUser, ofAddress] = keysOf(user, address);
    return this.#count(ofUser, nowMs) < failuresOfUser && this.#count(ofAddress, nowMs) < failuresOfAddress;
  }

  /** Counts a try before its password is looked at, so that many at once are not one. */
  countTry(user: string, address: string, nowMs: number): void {
    for (const key of keysOf(user, address)) {
      const known = this.#failures.get(key);
      const isOpen = known !== undefined && nowMs - known.sinceMs < windowMs;
      this.#failures.set(key, {
        sinceMs: isOpen ? known.sinceMs : nowMs,
        count: isOpen ? known.count + 1 : 1,
      });
    }
  }

  /** A login that was right clears its user; the address has to wait, or one account would open all others. */
  clearUser(user: string, address: string): void {
    this.#failures.delete(keysOf(user, address)[0]);
  }

  #count(key: string, nowMs: number): number {
    const known = this.#failures.get(key);
    return known === undefined || nowMs - known.sinceMs >= windowMs ? 0 : known.count;
  }
}

function keysOf(user: string, address: string): [string, string] {
  return [`user ${digestOf(user.slice(0, 1_024))}`, `address ${networkOf(address)}`];
}

/** What counts as one address: IPv6 is handed out by /64, and one of its addresses is as good as another. */
export function networkOf(text: string): string {
  const parsed = parseAddress(text);
  if (parsed === null) return 'unknown';
  const shown = formatAddress(unmapAddress(parsed));
  return subnetOf(shown) ?? shown;
}
