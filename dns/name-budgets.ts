// How many distinct names one runner may ask in an hour: under each wildcard of the policy, and under all of them.
// A wildcard that is wider than a zone (`**`, `*.example`) has a budget for each zone: it opens what many own.

import { nameLabels } from './name.ts';

const hourMs = 3_600_000;
const maxKeys = 256;
/** Budgets that a runner has in all. */
const inAll = 10;

/**
 * The zone of a folded wire name: its last two labels. Too wide where a registry sells third-level names, which
 * counts too much; a guess that were too narrow (`data.abc.io` a zone of its own) would count nothing.
 */
export function zoneOf(name: string): string {
  return nameLabels(name).slice(-2).join('.');
}

/**
 * What a folded wire name is counted under: its wildcard (as policy writes it), its zone where that is narrower or
 * the wildcard is not known, or null for a name that policy writes out: those are as many as were written.
 */
export function budgetKeyOf(name: string, wildcard: string | null | undefined): string | null {
  if (wildcard === null) return null;
  if (wildcard === undefined) return zoneOf(name);
  const labels = wildcard.split('.');
  const tail = labels.slice(labels.findLastIndex((label) => label.includes('*')) + 1);
  return tail.filter((label) => label !== '').length >= 2 ? wildcard : zoneOf(name);
}

/** The budgets of one runner. */
export class NameBudgets {
  readonly #limit: number;
  readonly #spent = new Map<string, { names: number; hourAt: number }>();
  readonly #all: { names: number; hourAt: number };

  /** `limit`: distinct names an hour under one key; ten times that under all. */
  constructor(limit: number, nowMs: number) {
    this.#limit = limit;
    this.#all = { names: 0, hourAt: nowMs };
  }

  /** Counts one new name under a key; false when no more may be asked. */
  spend(key: string, nowMs: number): boolean {
    if (nowMs - this.#all.hourAt >= hourMs) Object.assign(this.#all, { names: 0, hourAt: nowMs });
    const own = this.#own(key, nowMs);
    if (own.names >= this.#limit || this.#all.names >= inAll * this.#limit) return false;
    own.names++;
    this.#all.names++;
    return true;
  }

  #own(key: string, nowMs: number): { names: number; hourAt: number } {
    let own = this.#spent.get(key);
    if (own === undefined || nowMs - own.hourAt >= hourMs) own = { names: 0, hourAt: nowMs };
    this.#spent.delete(key);
    this.#spent.set(key, own);
    if (this.#spent.size > maxKeys) this.#forget(nowMs);
    return own;
  }

  // One that is half spent stays: asking under much else brings nothing back. Of those there are twenty at most.
  #forget(nowMs: number): void {
    for (const [key, { names, hourAt }] of this.#spent) {
      if (names * 2 >= this.#limit && nowMs - hourAt < hourMs) continue;
      this.#spent.delete(key);
      return;
    }
  }
}
