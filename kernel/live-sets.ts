// What changes between plans: bindings, quarantined runners and pins. Keeps a shadow of what the kernel was given,
// so that a binding that still has time is not written again and a lost table can be filled anew.

import { SallyportError } from '../flow/errors.ts';
import type { Binding } from '../flow/ports.ts';
import type { ElementStore, SetChange } from './element-store.ts';
import type { Family } from './rule-model.ts';
import { addressKey, readTuple, tupleKey } from './set-elements.ts';

const protocolNumbers = { tcp: 6, udp: 17 } as const;
const [graceMs, floorMs, renewBelowMs] = [300_000, 60_000, 60_000];
const families: readonly Family[] = [4, 6];
const maxBound = 262_144;
/** Of the set's elements, for one runner. */
export const maxPerRunner = 16_384;

interface Held {
  readonly key: Buffer;
  readonly family: Family;
  readonly runner: string;
  until: number;
}

/** Bindings, quarantine and pins of one gateway. Time is counted as the kernel counts it: setting the clock ends nothing. */
export class LiveSets {
  readonly #store: ElementStore;
  readonly #bound = new Map<string, Held>();
  readonly #quarantined = new Map<string, number>();
  readonly #pins = new Map<string, string>();
  /** Elements by runner, those included that have expired since the last sweep. */
  readonly #shares = new Map<string, number>();
  #sweepAt = 1024;

  constructor(store: ElementStore) {
    this.#store = store;
  }

  /** Takes over what a table that outlived its keeper holds. @throws SallyportError */
  adopt(): void {
    const now = performance.now();
    for (const family of families) {
      for (const { key, leftMs } of this.#store.read('bound', family)) {
        const { source } = readTuple(key, family);
        this.#keep(key.toString('latin1'), { key, family, runner: source, until: now + (leftMs ?? 0) });
      }
      for (const { key, leftMs } of this.#store.read('quarantine', family)) {
        this.#quarantined.set(key.toString('latin1'), leftMs === null ? Infinity : now + leftMs);
      }
    }
  }

  /**
   * Opens what the bindings name until their time and a grace have passed; the kernel holds all when it returns.
   * A binding whose runner and address differ in family cannot match a packet and is left out.
   * @throws SallyportError kernel; nothing of the batch holds then; runner-limit when the runner has its share
   */
  bind(bindings: readonly Binding[]): void {
    const now = performance.now();
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
    this.#checkShares(fresh, now);
    this.#store.commit(boundChanges('put', [...fresh.values()], now), 'a binding');
    for (const [id, held] of fresh) this.#keep(id, held);
    if (this.#bound.size > this.#sweepAt) this.#sweep(now);
  }

  /** Closes what the bindings name. @throws SallyportError */
  unbind(bindings: readonly Binding[]): void {
    const now = performance.now();
    const ids = bindings.flatMap((binding) => {
      const held = this.#held(binding, now);
      return held === null ? [] : [held.key.toString('latin1')];
    });
    this.#remove(ids);
  }

  /** Closes everything that is bound. @throws SallyportError */
  unbindAll(): void {
    this.#store.commit(boundChanges('replace', [], 0), 'the end of all bindings');
    this.#bound.clear();
    this.#shares.clear();
  }

  /** Closes everything that is bound for a runner. @throws SallyportError */
  unbindRunner(runner: string): void {
    this.#remove([...this.#bound].filter(([, held]) => held.runner === runner).map(([id]) => id));
  }

  /** Cuts a runner off for `durationMs`; 0 lifts it. @throws SallyportError */
  quarantine(runner: string, durationMs: number): void {
    const { bytes, family } = addressKey(runner);
    const id = Buffer.from(bytes).toString('latin1');
    const verb = durationMs > 0 ? 'put' : 'remove';
    const elements = [{ key: bytes, timeoutMs: Math.max(1, durationMs) }];
    this.#store.commit([{ do: verb, set: 'quarantine', family, elements }], `the quarantine of ${runner}`);
    if (durationMs > 0) this.#quarantined.set(id, performance.now() + durationMs);
    else this.#quarantined.delete(id);
  }

  /** Gives each address to its worker, and those that are not named to none. @throws SallyportError */
  pin(workers: ReadonlyMap<string, number>): void {
    const wanted = new Map(
      [...workers].map(([address, worker]) => [
        Buffer.from(addressKey(address).bytes).toString('latin1'),
        `worker-${worker}`,
      ]),
    );
    const old = [...this.#pins].filter(([id, chain]) => wanted.get(id) !== chain);
    const fresh = [...wanted].filter(([id, chain]) => this.#pins.get(id) !== chain);
    if (old.length === 0 && fresh.length === 0) return;
    this.#store.commit([...pinChanges('remove', old), ...pinChanges('put', fresh)], 'the pins');
    for (const [id] of old) this.#pins.delete(id);
    for (const [id, chain] of fresh) this.#pins.set(id, chain);
  }

  /** Replaces all live elements in the kernel by the shadow's. @throws SallyportError */
  rewrite(): void {
    const now = performance.now();
    this.#sweep(now);
    const bound = boundChanges('replace', [...this.#bound.values()], now);
    this.#store.commit([...bound, ...this.#others(now)], 'the live sets');
  }

  /** What the kernel holds too much or too little of, or null. @throws SallyportError */
  difference(): string | null {
    const now = performance.now();
    for (const family of families) {
      const bound = this.#store.read('bound', family);
      // The kernel's clock may keep one a moment longer than ours.
      const foreign = bound.find(
        ({ key, leftMs }) => (leftMs ?? Infinity) > 5000 && !this.#bound.has(key.toString('latin1')),
      );
      if (foreign) return `bound${family} holds an element of another process`;
      const held = new Set(bound.map(({ key }) => key.toString('latin1')));
      for (const [id, { family: ofOne, until }] of this.#bound) {
        if (ofOne === family && until > now + 5000 && !held.has(id)) return `bound${family} lost an element`;
      }
      const quarantined = new Set(
        this.#store.read('quarantine', family).map(({ key }) => key.toString('latin1')),
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
    const now = performance.now();
    this.#sweep(now);
    return { bound: this.#bound.size, quarantine: this.#quarantined.size, pin: this.#pins.size };
  }

  /** True while the tuple is bound. */
  isBound(source: string, destination: string, protocolNumber: number, port: number): boolean {
    const [from, to] = [addressKey(source), addressKey(destination)];
    if (from.family !== to.family) return false;
    const id = tupleKey(from.bytes, to.bytes, protocolNumber, port).toString('latin1');
    return (this.#bound.get(id)?.until ?? 0) > performance.now();
  }

  #held(binding: Binding, now: number): Held | null {
    const [runner, address] = [addressKey(binding.runner), addressKey(binding.address)];
    if (runner.family !== address.family) return null;
    const key = tupleKey(runner.bytes, address.bytes, protocolNumbers[binding.protocol], binding.port);
    const until = now + Math.max(binding.ttlMs, floorMs) + graceMs;
    return { key, family: runner.family, runner: binding.runner, until };
  }

  #others(now: number): SetChange[] {
    const quarantined = families.map((family): SetChange => ({
      do: 'replace',
      set: 'quarantine',
      family,
      elements: ofFamily(this.#quarantined, family).map(([key, until]) => ({
        key,
        timeoutMs: Math.min(until - now, 2 ** 40),
      })),
    }));
    return [...quarantined, ...pinChanges('replace', this.#pins)];
  }

  #remove(ids: readonly string[]): void {
    const held = ids.flatMap((id) => this.#bound.get(id) ?? []);
    if (held.length === 0) return;
    this.#store.commit(boundChanges('remove', held, 0), 'an unbinding');
    for (const id of ids) this.#drop(id);
  }

  // One runner must not fill the set that all share.
  #checkShares(fresh: ReadonlyMap<string, Held>, now: number): void {
    const wanted = new Map<string, number>();
    for (const [id, { runner }] of fresh) {
      if (!this.#bound.has(id)) wanted.set(runner, (wanted.get(runner) ?? 0) + 1);
    }
    const isOver = ([runner, count]: readonly [string, number]): boolean =>
      count + (this.#shares.get(runner) ?? 0) > maxPerRunner;
    if (![...wanted].some(isOver)) return;
    this.#sweep(now);
    const over = [...wanted].find(isOver);
    if (over === undefined) return;
    throw new SallyportError(
      'runner-limit',
      `${over[0]} has more than ${maxPerRunner} addresses and ports open`,
    );
  }

  #keep(id: string, held: Held): void {
    if (!this.#bound.has(id)) this.#shares.set(held.runner, (this.#shares.get(held.runner) ?? 0) + 1);
    this.#bound.set(id, held);
  }

  #drop(id: string): void {
    const held = this.#bound.get(id);
    if (held === undefined) return;
    this.#bound.delete(id);
    const left = (this.#shares.get(held.runner) ?? 1) - 1;
    if (left > 0) this.#shares.set(held.runner, left);
    else this.#shares.delete(held.runner);
  }

  #sweep(now: number): void {
    for (const [id, held] of this.#bound) if (held.until <= now) this.#drop(id);
    for (const [id, until] of this.#quarantined) if (until <= now) this.#quarantined.delete(id);
    this.#sweepAt = Math.min(maxBound, Math.max(1024, this.#bound.size * 2));
  }
}

function boundChanges(verb: SetChange['do'], all: readonly Held[], now: number): SetChange[] {
  return families.flatMap((family): SetChange[] => {
    const elements = all
      .filter((held) => held.family === family)
      .map(({ key, until }) => ({ key, timeoutMs: until - now }));
    return elements.length === 0 && verb !== 'replace' ? [] : [{ do: verb, set: 'bound', family, elements }];
  });
}

function pinChanges(
  verb: SetChange['do'],
  pins: Iterable<readonly [id: string, chain: string]>,
): SetChange[] {
  const all = [...pins];
  return families.flatMap((family): SetChange[] => {
    const elements = ofFamily(all, family).map(([key, chain]) => ({ key, chain }));
    return elements.length === 0 && verb !== 'replace' ? [] : [{ do: verb, set: 'pin', family, elements }];
  });
}

// Ids are the bytes of addresses.
function ofFamily<T>(all: Iterable<readonly [id: string, value: T]>, family: Family): [Buffer, T][] {
  return [...all]
    .filter(([id]) => id.length === (family === 4 ? 4 : 16))
    .map(([id, value]) => [Buffer.from(id, 'latin1'), value]);
}
