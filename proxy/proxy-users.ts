// Who may use the explicit proxy: names and hashed secrets (scrypt, RFC 7914), asked for by Basic (RFC 7617). A hash is
// costly on purpose: what was right once is remembered by a digest, and wrong ones are bounded for each runner.

import { createHmac, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { subnetOf } from '../flow/address.ts';

const maxKnown = 4_096;
const maxWrong = 10;
const wrongMs = 60_000;
// Node computes four at a time; what waits costs no more than its secret.
const maxHashing = 64;
const keyBytes = 32;
const cost = { N: 16_384, r: 8, p: 1 } as const;
const linePattern = /^([^:\s]{1,64}):scrypt:([A-Za-z0-9+/]{22,88}={0,2}):([A-Za-z0-9+/]{43}=)$/;

interface User {
  readonly salt: Buffer;
  readonly key: Buffer;
}

/** One line of a users file for a new user: `NAME:scrypt:SALT:KEY`, both in base64. */
export async function makeUserLine(name: string, secret: string): Promise<string> {
  const salt = randomBytes(16);
  return `${name}:scrypt:${salt.toString('base64')}:${(await hash(secret, salt)).toString('base64')}`;
}

/** True when the text is a line as `makeUserLine` writes it. */
export function isUserLine(text: string): boolean {
  return linePattern.test(text);
}

/** The users of one configuration. */
export class ProxyUsers {
  readonly #users: ReadonlyMap<string, User>;
  readonly #key = randomBytes(32);
  readonly #right = new LRUCache<string, true>({ max: maxKnown });
  readonly #wrong = new LRUCache<string, number>({ max: maxKnown, ttl: wrongMs });
  #hashing = 0;

  /** Lines that cannot be read name nobody. */
  constructor(lines: readonly string[]) {
    const users = lines.flatMap((line) => {
      const [, name, salt = '', key = ''] = linePattern.exec(line) ?? [];
      const user: User = { salt: Buffer.from(salt, 'base64'), key: Buffer.from(key, 'base64') };
      return name === undefined ? [] : [[name, user] as const];
    });
    this.#users = new Map(users);
  }

  /** A digest of a Proxy-Authorization value that was right; null when it is missing, wrong, or too many were wrong. */
  async check(value: string | null, runner: string): Promise<string | null> {
    if (value === null) return null;
    const digest = this.digest(value);
    if (this.#right.get(digest) === true) return digest;
    // One machine can take any address of its IPv6 subnet.
    const who = subnetOf(runner) ?? runner;
    const wrong = this.#wrong.get(who) ?? 0;
    if (wrong >= maxWrong || this.#hashing >= maxHashing) return null;
    // Counted before the hash is known, so that many at once are no way around it.
    this.#wrong.set(who, wrong + 1, { noUpdateTTL: true });
    const isRight = await this.#isRight(value);
    if (!isRight) return null;
    this.#wrong.set(who, Math.max(0, (this.#wrong.get(who) ?? 1) - 1), { noUpdateTTL: true });
    this.#right.set(digest, true);
    return digest;
  }

  /** What stands for a value in memory; compared as a whole it tells nothing of it. */
  digest(value: string): string {
    return createHmac('sha256', this.#key).update(value, 'latin1').digest('base64');
  }

  async #isRight(value: string): Promise<boolean> {
    const encoded = /^basic ([A-Za-z0-9+/]{1,1024}={0,2})$/i.exec(value)?.[1];
    if (encoded === undefined) return false;
    const text = Buffer.from(encoded, 'base64').toString('utf8');
    const colon = text.indexOf(':');
    if (colon < 0) return false;
    const user = this.#users.get(text.slice(0, colon));
    this.#hashing++;
    try {
      // An unknown name takes as long as a wrong secret.
      const found = await hash(text.slice(colon + 1), user?.salt ?? this.#key);
      return timingSafeEqual(found, user?.key ?? this.#key) && user !== undefined;
    } finally {
      this.#hashing--;
    }
  }
}

function hash(secret: string, salt: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) =>
    scrypt(secret, salt, keyBytes, cost, (error, key) => (error === null ? resolve(key) : reject(error))),
  );
}
