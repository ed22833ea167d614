// What changes between plans: bindings, quarantined runners and pins. Keeps a shadow of what the kernel was given,
// so that a binding that still has time is not written again and a lost table can be filled anew.

import { release } from 'node:os';
import { SallyportError } from '../flow/errors.ts';
import type { Binding } from '../flow/ports.ts';
import type { Request } from './netlink.ts';
import type { NftConnection } from './nft.ts';
import type { Family } from './rule-model.ts';
import {
  addElements,
  addressKey,
  deleteElements,
  flushSet,
  readElements,
  readTuple,
  tupleKey,
} from './set-elements.ts';

const protocolNumbers = { tcp: 6, udp: 17 } as const;
const [graceMs, floorMs, renewBelowMs] = [300_000, 60_000, 60_000];
const families: readonly Family[] = [4, 6];
export const maxBound = 262_144;

interface Held {
  readonly key: Buffer;
  readonly family: Family;
  readonly runner: string;
  until: number;
}

/** Bindings, quarantine and pins of one table. */
export class LiveSets {
  readonly #nft: NftConnection;
  readonly #table: string;
  readonly #bound = new Map<string, Held>();
  readonly #quarantined = new Map<string, number>();
  readonly #pins = new Map<string, string>();
  #sweepAt = 1024;
  // From 6.12 on a repeated add renews the time limit; before, it is silently ignored.
  readonly #mayRenew = isAtLeast(release(), 6, 12);

  constructor(nft: NftConnection, table: string) {
    this.#nft = nft;
    this.#table = table;
  }

  /** Takes over what a table that outlived its keeper holds. @throws SallyportError */
  adopt(): void {
    const now = Date.now();
    for (const family of families) {
      for (const { key, leftMs } of readElements(this.#nft.queryFd, this.#table, `bound${family}`)) {
        const { source } = readTuple(key, family);
        this.#bound.set(key.toString('latin1'), { key, family, runner: source, until: now + (leftMs ?? 0) });
      }
      for (const { key, leftMs } of readElements(this.#nft.queryFd, this.#table, `quarantine${family}`)) {
        this.#quarantined.set(key.toString('latin1'), leftMs === null ? Infinity : now + leftMs);
      }
    }
  }

  /**
   * Opens what the bindings name until their time and a grace have passed; the kernel holds all when it returns.
   * A binding whose runner and address differ in family cannot match a packet and is left out.
   * @throws SallyportError kernel; nothing of the batch holds then
   */
  bind(bindings: readonly Binding[]): void {
    const now = Date.now();
    const fresh = new Map<string, Held>();
    for (const binding of bindings) {
      const held = this.#held(binding, now);
      if (held === null) continue;
      const id = held.key.toString('latin1');
      const known = this.#bound.get(id)?.until ?? 0;
      if (known - now > Math.max(binding.ttlMs, floorMs) + renewBelowMs) continue;
      held.until = Math.max(held.until, known, fresh.get(id)?.until ?? 0);
      fresh.set(id, held);
    }
    if (fresh.size === 0) return;
    this.#commit(this.#boundRequests([...fresh.values()], now), 'a binding');
    for (const [id, held] of fresh) this.#bound.set(id, held);
    if (this.#bound.size > this.#sweepAt) this.#sweep(now);
  }

  /** Closes what the bindings name. @throws SallyportError */
  unbind(bindings: readonly Binding[]): void {
    const now = Date.now();
    const ids = bindings.flatMap((binding) => {
      const held = this.#held(binding, now);
      return held === null ? [] : [held.key.toString('latin1')];
    });
    this.#remove(ids);
  }

  /** Closes everything that is bound for a runner. @throws SallyportError */
  unbindRunner(runner: string): void {
    this.#remove([...this.#bound].filter(([, held]) => held.runner === runner).map(([id]) => id));
  }

  /** Cuts a runner off for `durationMs`; 0 lifts it. @throws SallyportError */
  quarantine(runner: string, durationMs: number): void {
    const { bytes, family } = addressKey(runner);
    const set = `quarantine${family}`;
    const id = Buffer.from(bytes).toString('latin1');
    const add = addElements(this.#table, set, [{ key: bytes, timeoutMs: Math.max(1, durationMs) }]);
    // Added first, so that the deletion of one that has just expired does not fail the whole.
    const renew = [...add, ...deleteElements(this.#table, set, [bytes]), ...(durationMs > 0 ? add : [])];
    this.#commit(renew, `the quarantine of ${runner}`);
    if (durationMs > 0) this.#quarantined.set(id, Date.now() + durationMs);
    else this.#quarantined.delete(id);
  }

  /** Gives an address to one worker. @throws SallyportError */
  pin(address: string, worker: number): void {
    const { bytes, family } = addressKey(address);
    const [id, chain, set] = [Buffer.from(bytes).toString('latin1'), `worker-${worker}`, `pin${family}`];
    const known = this.#pins.get(id);
    if (known === chain) return;
    const remove = known === undefined ? [] : deleteElements(this.#table, set, [bytes]);
    this.#commit(
      [...remove, ...addElements(this.#table, set, [{ key: bytes, chain }])],
      `the pin of ${address}`,
    );
    this.#pins.set(id, chain);
  }

  /** Replaces all live elements in the kernel by the shadow's, in one transaction. @throws SallyportError */
  rewrite(): void {
    const now = Date.now();
    this.#sweep(now);
    const flushes = families.flatMap((family) =>
      ['bound', 'quarantine', 'pin'].map((name) => flushSet(this.#table, `${name}${family}`)),
    );
    this.#commit(
      [...flushes, ...this.#boundRequests([...this.#bound.values()], now), ...this.#others(now)],
      'the live sets',
    );
  }

  /** What the kernel holds too much or too little of, or null. @throws SallyportError */
  difference(): string | null {
    const now = Date.now();
    for (const family of families) {
      const bound = readElements(this.#nft.queryFd, this.#table, `bound${family}`);
      const foreign = bound.find(({ key }) => !this.#bound.has(key.toString('latin1')));
      if (foreign) return `bound${family} holds an element of another process`;
      const quarantined = new Set(
        readElements(this.#nft.queryFd, this.#table, `quarantine${family}`).map(({ key }) =>
          key.toString('latin1'),
        ),
      );
      for (const [id, until] of this.#quarantined) {
        const isOurs = id.length === (family === 4 ? 4 : 16);
        if (isOurs && until > now + 1000 && !quarantined.has(id))
          return `quarantine${family} lost an element`;
      }
    }
    return null;
  }

  /** Sizes by set, expired elements left out. */
  sizes(): Record<'bound' | 'quarantine' | 'pin', number> {
    const now = Date.now();
    this.#sweep(now);
    return { bound: this.#bound.size, quarantine: this.#quarantined.size, pin: this.#pins.size };
  }

  /** True while the tuple is bound. */
  isBound(source: string, destination: string, protocolNumber: number, port: number): boolean {
    const [from, to] = [addressKey(source), addressKey(destination)];
    if (from.family !== to.family) return false;
    const id = tupleKey(from.bytes, to.bytes, protocolNumber, port).toString('latin1');
    return (this.#bound.get(id)?.until ?? 0) > Date.now();
  }

  #held(binding: Binding, now: number): Held | null {
    const [runner, address] = [addressKey(binding.runner), addressKey(binding.address)];
    if (runner.family !== address.family) return null;
    const key = tupleKey(runner.bytes, address.bytes, protocolNumbers[binding.protocol], binding.port);
    const until = now + Math.max(binding.ttlMs, floorMs) + graceMs;
    return { key, family: runner.family, runner: binding.runner, until };
  }

  #boundRequests(all: readonly Held[], now: number): Request[] {
    return families.flatMap((family) => {
      const elements = all
        .filter((held) => held.family === family)
        .map(({ key, until }) => ({ key, timeoutMs: until - now }));
      const add = addElements(this.#table, `bound${family}`, elements);
      if (this.#mayRenew) return add;
      const keys = elements.map(({ key }) => key);
      return [...add, ...deleteElements(this.#table, `bound${family}`, keys), ...add];
    });
  }

  #others(now: number): Request[] {
    const familyOf = (id: string): Family => (id.length === 4 ? 4 : 6);
    const bytesOf = (id: string): Buffer => Buffer.from(id, 'latin1');
    return families.flatMap((family) => [
      ...addElements(
        this.#table,
        `quarantine${family}`,
        [...this.#quarantined]
          .filter(([id]) => familyOf(id) === family)
          .map(([id, until]) => ({ key: bytesOf(id), timeoutMs: Math.min(until - now, 2 ** 40) })),
      ),
      ...addElements(
        this.#table,
        `pin${family}`,
        [...this.#pins]
          .filter(([id]) => familyOf(id) === family)
          .map(([id, chain]) => ({ key: bytesOf(id), chain })),
      ),
    ]);
  }

  // An element may expire between our look and the deletion: added again first, it is there to be deleted.
  #remove(ids: readonly string[]): void {
    const held = ids.flatMap((id) => this.#bound.get(id) ?? []);
    if (held.length === 0) return;
    const requests = families.flatMap((family) => {
      const keys = held.filter((one) => one.family === family).map(({ key }) => key);
      const set = `bound${family}`;
      return [
        ...addElements(
          this.#table,
          set,
          keys.map((key) => ({ key, timeoutMs: 1000 })),
        ),
        ...deleteElements(this.#table, set, keys),
      ];
    });
    this.#commit(requests, 'an unbinding');
    for (const id of ids) this.#bound.delete(id);
  }

  #commit(requests: readonly Request[], what: string): void {
    if (requests.length === 0) return;
    const failure = this.#nft.batch(requests);
    if (failure !== null) throw new SallyportError('kernel', `the kernel did not take ${what}: ${failure}`);
  }

  #sweep(now: number): void {
    for (const [id, held] of this.#bound) if (held.until <= now) this.#bound.delete(id);
    for (const [id, until] of this.#quarantined) if (until <= now) this.#quarantined.delete(id);
    this.#sweepAt = Math.min(maxBound, Math.max(1024, this.#bound.size * 2));
  }
}

function isAtLeast(version: string, major: number, minor: number): boolean {
  const [own = 0, ownMinor = 0] = version.split('.').map(Number);
  return own > major || (own === major && ownMinor >= minor);
}
