// DNS as a channel: how many and what kind of names one runner asks under one zone. Only questions that leave the
// gateway count. One signal alone is what content networks do; two are evidence, three close the zone to new names.
// Starting values, not measured. Bounded: 1000 zones and 100,000 names in all, oldest out first.

import { nameLabels } from './name.ts';
import { type as recordType } from './codes.ts';

export interface TunnelLimits {
  /** Distinct names under one zone and runner in an hour, before new ones are refused. */
  readonly nameBudget: number;
}
export const defaultTunnelLimits: TunnelLimits = { nameBudget: 1000 };

export type TunnelVerdict = 'clear' | 'suspect' | 'tunnel' | 'budget';

const minuteMs = 60_000;
const hourMs = 3_600_000;
const maxZones = 1000;
const maxNames = 100_000;
const carriers: ReadonlySet<number> = new Set([
  recordType.TXT,
  recordType.NULL,
  recordType.CNAME,
  recordType.MX,
]);

interface ZoneWatch {
  /** Hashes of the names seen this hour. */
  readonly names: Set<string>;
  hourAt: number;
  minuteAt: number;
  asked: number;
  fresh: number;
  absent: number;
  labelBytes: number;
  dense: number;
  carriers: number;
  answerBytes: number;
  closedUntil: number;
}

/** The registered zone of a folded wire name, roughly: two labels, three under a two-letter country's short label. */
export function registeredZone(name: string): string {
  const labels = nameLabels(name);
  const [second = '', top = ''] = labels.slice(-2);
  const size = top.length === 2 && second.length <= 3 && labels.length > 2 ? 3 : 2;
  return labels.slice(-size).join('.');
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
  readonly #zones = new Map<string, ZoneWatch>();
  #names = 0;

  constructor(limits: TunnelLimits = defaultTunnelLimits) {
    this.#limits = limits;
  }

  /** Counts a question that is about to leave, and judges the zone. `name` is a folded wire name. */
  ask(runner: string, name: string, type: number, nowMs: number): TunnelVerdict {
    const watch = this.#watch(runner, name, nowMs);
    const isNew = !watch.names.has(name);
    if (isNew && watch.closedUntil > nowMs) return 'tunnel';
    if (isNew && watch.names.size >= this.#limits.nameBudget) return 'budget';
    this.#count(watch, name, type, isNew);
    const signals = countSignals(watch);
    if (signals >= 3) watch.closedUntil = nowMs + minuteMs;
    return signals >= 3 && isNew ? 'tunnel' : signals >= 2 ? 'suspect' : 'clear';
  }

  /** Counts what came back. */
  answered(runner: string, name: string, isAbsent: boolean, bytes: number): void {
    const watch = this.#zones.get(`${runner} ${registeredZone(name)}`);
    if (!watch) return;
    if (isAbsent) watch.absent++;
    watch.answerBytes += bytes;
  }

  #watch(runner: string, name: string, nowMs: number): ZoneWatch {
    const key = `${runner} ${registeredZone(name)}`;
    let watch = this.#zones.get(key);
    if (watch) this.#zones.delete(key);
    else watch = newWatch(nowMs);
    this.#zones.set(key, watch);
    if (nowMs - watch.minuteAt >= minuteMs) startMinute(watch, nowMs);
    if (nowMs - watch.hourAt >= hourMs) {
      watch.hourAt = nowMs;
      this.#names -= watch.names.size;
      watch.names.clear();
    }
    while (this.#zones.size > maxZones || (this.#names > maxNames && this.#zones.size > 1))
      this.#forgetOldest();
    return watch;
  }

  #forgetOldest(): void {
    const oldest = this.#zones.entries().next().value;
    if (!oldest) return;
    this.#zones.delete(oldest[0]);
    this.#names -= oldest[1].names.size;
  }

  #count(watch: ZoneWatch, name: string, type: number, isNew: boolean): void {
    watch.asked++;
    if (carriers.has(type)) watch.carriers++;
    if (!isNew) return;
    watch.names.add(name);
    this.#names++;
    const label = name.slice(1, 1 + name.charCodeAt(0));
    watch.fresh++;
    watch.labelBytes += label.length;
    if (label.length < 20) return;
    if (entropyOf(label) > 3.8) watch.dense++;
  }
}

function newWatch(nowMs: number): ZoneWatch {
  const counts = { asked: 0, fresh: 0, absent: 0, labelBytes: 0, dense: 0, carriers: 0 };
  return { names: new Set(), hourAt: nowMs, minuteAt: nowMs, answerBytes: 0, closedUntil: 0, ...counts };
}

function startMinute(watch: ZoneWatch, nowMs: number): void {
  Object.assign(watch, {
    ...newWatch(nowMs),
    names: watch.names,
    hourAt: watch.hourAt,
    closedUntil: watch.closedUntil,
  });
}

function countSignals(watch: ZoneWatch): number {
  let signals = 0;
  if (watch.fresh > 100) signals++;
  if (watch.asked > 50 && watch.absent > watch.asked * 0.3) signals++;
  // A few long names say nothing about the zone.
  if (watch.fresh >= 20 && watch.labelBytes / watch.fresh > 30) signals++;
  if (watch.dense >= 20 && watch.dense > watch.fresh * 0.5) signals++;
  if (watch.asked > 30 && watch.carriers > watch.asked * 0.3) signals++;
  if (watch.answerBytes > 100 * 1024) signals++;
  return signals;
}
