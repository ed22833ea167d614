// DNS as a channel: how many and what kind of names one runner asks under one zone. Only questions that leave the
// gateway count. One signal alone is what content networks do; two are evidence, three close the zone to new names,
// and a spent budget (name-budgets.ts) refuses new ones. Measured on names of builds and on encoders (test/dns/real-names.test.ts).
// Bounded: 256 runners, 256 zones of each, 200,000 names in all, as hashes. No runner makes another's counts vanish
// by asking much, nor its own: a zone whose budget is half spent stays until its hour is over.

import { subnetOf } from '../flow/address.ts';
import { nameBytes, nameLabels } from './name.ts';
import { budgetKeyOf, NameBudgets, zoneOf } from './name-budgets.ts';
import { type as recordType } from './codes.ts';
import { sharesPerSubnet } from './rate.ts';
import { hashName } from './scan-query.ts';

export interface TunnelLimits {
  /** Distinct names of one runner under one wildcard in an hour, before new ones are refused; ten times that in all. */
  readonly nameBudget: number;
}
export const defaultTunnelLimits: TunnelLimits = { nameBudget: 1000 };

export type TunnelVerdict = 'clear' | 'suspect' | 'tunnel' | 'budget';

const minuteMs = 60_000;
const hourMs = 3_600_000;
const maxRunners = 256;
/** More than a runner's builds go around in: a zone that is forgotten and met again counts its names twice. */
const maxZones = 256;
const maxNames = 200_000;
/** Types that hosts are looked up with; all others carry more, and are seldom asked by jobs. */
const plainTypes: ReadonlySet<number> = new Set([recordType.A, recordType.AAAA, recordType.PTR]);

interface ZoneWatch {
  /** Hashes of the names seen this hour. */
  readonly names: Set<number>;
  hourAt: number;
  /** Bytes below the zone in the names of this hour, and how many of them look random. */
  dataBytes: number;
  dense: number;
  minuteAt: number;
  asked: number;
  fresh: number;
  absent: number;
  carriers: number;
  answerBytes: number;
  closedUntil: number;
}

interface RunnerWatch {
  /** How many runners' worth it may ask: more than one for an IPv6 subnet. */
  readonly shares: number;
  readonly zones: Map<string, ZoneWatch>;
  readonly budgets: NameBudgets;
}

/** Shannon entropy of a text in bits per character. */
export function entropyOf(text: string): number {
  const counts = new Map<string, number>();
  for (const char of text) counts.set(char, (counts.get(char) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}

export class TunnelWatch {
  readonly #limits: TunnelLimits;
  readonly #runners = new Map<string, RunnerWatch>();
  #names = 0;

  constructor(limits: TunnelLimits = defaultTunnelLimits) {
    this.#limits = limits;
  }

  /** Names kept at this moment, of all runners. */
  get names(): number {
    return this.#names;
  }

  /**
   * Counts a question that is about to leave, and judges the zone. `name` is a folded wire name; `wildcard` opens it
   * (policy-port.ts).
   */
  ask(runner: string, name: string, type: number, nowMs: number, wildcard?: string | null): TunnelVerdict {
    const ofRunner = this.#runner(runner, nowMs);
    const watch = this.#zone(ofRunner, zoneOf(name), nowMs);
    if (watch === null) return 'budget';
    const hash = hashName(nameBytes(name));
    const isNew = !watch.names.has(hash);
    if (isNew && watch.closedUntil > nowMs) return 'tunnel';
    const key = isNew ? budgetKeyOf(name, wildcard) : null;
    if (key !== null && !ofRunner.budgets.spend(key, nowMs)) return 'budget';
    watch.asked++;
    if (!plainTypes.has(type)) watch.carriers++;
    if (isNew) {
      watch.names.add(hash);
      this.#names++;
      countName(watch, name);
    }
    const signals = countSignals(watch, ofRunner.shares);
    if (signals >= 3) watch.closedUntil = nowMs + minuteMs;
    return signals >= 3 && isNew ? 'tunnel' : signals >= 2 ? 'suspect' : 'clear';
  }

  /** Counts what came back. */
  answered(runner: string, name: string, isAbsent: boolean, bytes: number): void {
    const watch = this.#runners.get(subnetOf(runner) ?? runner)?.zones.get(zoneOf(name));
    if (!watch) return;
    if (isAbsent) watch.absent++;
    watch.answerBytes += bytes;
  }

  #runner(runner: string, nowMs: number): RunnerWatch {
    const subnet = subnetOf(runner);
    const key = subnet ?? runner;
    let watch = this.#runners.get(key);
    if (watch) this.#runners.delete(key);
    else {
      const shares = subnet === null ? 1 : sharesPerSubnet;
      const budgets = new NameBudgets(this.#limits.nameBudget * shares, nowMs);
      watch = { shares, zones: new Map(), budgets };
    }
    this.#runners.set(key, watch);
    while (this.#runners.size > maxRunners || (this.#names > maxNames && this.#runners.size > 1)) {
      const [oldest, gone] = this.#runners.entries().next().value!;
      this.#runners.delete(oldest);
      for (const { names } of gone.zones.values()) this.#names -= names.size;
    }
    return watch;
  }

  /** Null when the runner's zones are all half spent: it may ask no more of them. */
  #zone({ zones }: RunnerWatch, zone: string, nowMs: number): ZoneWatch | null {
    let watch = zones.get(zone);
    if (watch) zones.delete(zone);
    else if (zones.size < maxZones || this.#forgetZone(zones, nowMs)) watch = newWatch(nowMs);
    else return null;
    zones.set(zone, watch);
    if (nowMs - watch.minuteAt >= minuteMs) startMinute(watch, nowMs);
    if (nowMs - watch.hourAt >= hourMs) {
      this.#names -= watch.names.size;
      watch.names.clear();
      Object.assign(watch, { hourAt: nowMs, dataBytes: 0, dense: 0 });
    }
    return watch;
  }

  #forgetZone(zones: Map<string, ZoneWatch>, nowMs: number): boolean {
    for (const [zone, { names, hourAt }] of zones) {
      if (names.size * 2 >= this.#limits.nameBudget && nowMs - hourAt < hourMs) continue;
      zones.delete(zone);
      this.#names -= names.size;
      return true;
    }
    return false;
  }
}

function countName(watch: ZoneWatch, name: string): void {
  // All labels below the zone: data need not sit in the first one.
  const data = nameLabels(name).slice(0, -2).join('');
  watch.fresh++;
  watch.dataBytes += data.length;
  if (data.length >= 20 && entropyOf(data) > 3.8) watch.dense++;
}

function newWatch(nowMs: number): ZoneWatch {
  const ofHour = { names: new Set<number>(), hourAt: nowMs, dataBytes: 0, dense: 0 };
  const ofMinute = { minuteAt: nowMs, asked: 0, fresh: 0, absent: 0, carriers: 0, answerBytes: 0 };
  return { ...ofHour, ...ofMinute, closedUntil: 0 };
}

function startMinute(watch: ZoneWatch, nowMs: number): void {
  Object.assign(watch, { minuteAt: nowMs, asked: 0, fresh: 0, absent: 0, carriers: 0, answerBytes: 0 });
}

function countSignals(watch: ZoneWatch, shares: number): number {
  const { size } = watch.names;
  let signals = 0;
  if (watch.fresh > 100 * shares || size > 300 * shares) signals++;
  if (watch.asked > 50 && watch.absent > watch.asked * 0.3) signals++;
  // A few long names say nothing about the zone.
  if (size >= 20 && watch.dataBytes / size > 40) signals++;
  if (watch.dense >= 20 && watch.dense > size * 0.5) signals++;
  if (watch.asked > 30 && watch.carriers > watch.asked * 0.3) signals++;
  if (watch.answerBytes > 100 * 1024 * shares) signals++;
  return signals;
}
